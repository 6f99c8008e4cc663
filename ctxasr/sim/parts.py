"""The small parts of the virtual loop: callbacks, tasks and sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ctxasr.sim.loop import VirtualLoop

T = TypeVar("T")


class Handle:
    """A callback to run: what asyncio's Handle and TimerHandle offer to those who hold one."""

    __slots__ = ("_args", "_callback", "_context", "_loop", "_when", "is_cancelled")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        loop: VirtualLoop,
        when: float | None = None,
    ) -> None:
        self._callback, self._args, self._loop, self._when = callback, args, loop, when
        self._context = copy_context() if context is None else context
        self.is_cancelled = False

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self._callback, self._args = _nothing, ()
            if self._when is not None:
                self._loop.note_cancelled()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        assert self._when is not None, "only a timer has an instant"
        return self._when

    def run(self) -> None:
        self._context.run(self._callback, *self._args)


def _nothing() -> None:
    pass


class NumberedTask(asyncio.Task[T]):
    """A task with a hash of its own: asyncio's is its address, which differs from run to run."""

    def __init__(self, number: int, coro: Any, **more: Any) -> None:
        self.number = number  # first: asyncio puts the task into a set
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self.number


class Sleep(Handle):
    """What `VirtualLoop.sleep` returns; awaited once, by a task.

    A future that is its own timer: one callback where asyncio.sleep needs two.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled")

    def __init__(self, loop: VirtualLoop, when: float) -> None:
        self._loop, self._when, self._cancelled = loop, when, False
        self.is_cancelled = self._asyncio_future_blocking = False

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True  # how a task recognises what it may wait for
        yield self
        if self._cancelled:
            raise asyncio.CancelledError

    def get_loop(self) -> VirtualLoop:
        return self._loop

    def add_done_callback(self, wakeup: Callable[..., Any], *, context: Context) -> None:
        self._callback, self._args, self._context = wakeup, (self,), context
        self._loop.push(self)

    def cancel(self, msg: Any = None) -> bool:  # type: ignore[override]
        """Wake the task now; `__await__` raises."""
        if not self._cancelled:
            self._cancelled = True
            wakeup = self._callback
            super().cancel()
            self._loop.call_soon(wakeup, self, context=self._context)
        return True

    def result(self) -> None:
        """Asked by the task that wakes up."""
