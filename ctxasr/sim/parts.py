"""The small parts of the virtual loop: callbacks, tasks and sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

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


class _NoLoop:
    """What a future asks its loop when it is made."""

    def get_debug(self) -> bool:
        return False


_no_loop: Any = _NoLoop()
_done: asyncio.Future[None] = asyncio.Future(loop=_no_loop)
_done.set_result(None)
AWAKE: Final = (_done,)
"""What the task of a Sleep is woken with: asyncio reads a future of its own without a call."""


class Sleep(Handle):
    """What `VirtualLoop.sleep` returns; awaited once, by a task.

    A future that is its own timer: one callback where asyncio.sleep needs two. What a future must
    have is asked for by name, so that `get_loop`, which would be called, is left out for `_loop`.
    """

    __slots__ = ("_asyncio_future_blocking",)

    def __init__(self, loop: VirtualLoop, when: float) -> None:
        self._loop, self._when, self.is_cancelled = loop, when, False
        self._asyncio_future_blocking = True  # how a task recognises what it may wait for

    def __await__(self) -> Generator[Any, None, None]:
        yield self
        if self.is_cancelled:
            raise asyncio.CancelledError

    def add_done_callback(self, wakeup: Callable[..., Any], *, context: Context) -> None:
        # Not (self,): that would be a circle, for the collector to find.
        self._callback, self._args, self._context = wakeup, AWAKE, context

    def cancel(self, msg: Any = None) -> bool:  # type: ignore[override]
        """Wake the task now; `__await__` raises."""
        if not self.is_cancelled:
            wakeup = self._callback
            super().cancel()
            self._loop.call_soon(wakeup, *AWAKE, context=self._context)
        return True
