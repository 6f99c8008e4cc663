"""An asyncio event loop on virtual time: what is ready runs in a seeded order, and nobody waits.

    def test_a_deadline():
        loop = VirtualLoop(seed=7)
        assert loop.run(handler()) == ...        # hours of sleeping take no time

One step runs one callback. Which of those that are ready is drawn from the seed, so that every
order will be met by some seed; `fifo=True` keeps asyncio's own order. When nothing is ready the
clock jumps to the earliest timer. All timers of one instant become ready together and so fire in a
drawn order: a deadline which equals a completion is seen both ways. The same seed gives the same
run, in every process: tasks hash by their number, so that the sets which asyncio keeps of them have
one order.

What would leave virtual time (threads, sockets, DNS, subprocesses, signals) is refused.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakValueDictionary

from ctxasr.sim.parts import Handle, NumberedTask, Sleep
from ctxasr.sim.stacks import stacks

T = TypeVar("T")

STEPS_MAX: Final = 10_000_000
"""Callbacks of one run, unless the caller names another budget: a livelock ends here."""

CANCELLED_TIMERS_MIN: Final = 100
"""Below this many cancelled timers the heap is not tidied up."""

CANCELLED_STEPS_MAX: Final = 100_000
"""Callbacks in which tasks that are left behind have to end, beyond the budget of the run."""

CLOSED: Final = "Event loop is closed"
"""asyncio's words."""

_MASK: Final = 2**64 - 1
_FACTOR: Final = 6_364_136_223_846_793_005
_GOLDEN: Final = 0x9E3779B97F4A7C15
"""A linear congruential generator of 64 bits whose upper half is used (Knuth, "The Art of Computer
Programming", volume 2, section 3.3.4)."""


class SimulationError(Exception):
    """The simulated program did what cannot be simulated, or does not end."""


class LeavesVirtualTime(SimulationError):
    """A call whose result would depend on the world outside."""


class Deadlock(SimulationError):
    """Tasks wait, and nothing is left that could wake them; the message has every task's stack."""


class StepBudgetExceeded(SimulationError):
    """More callbacks than the budget allows: a livelock, or too small a budget."""


_Abstract: Any = asyncio.AbstractEventLoop
"""Untyped, for the methods that are refused are put in below."""


class VirtualLoop(_Abstract):  # type: ignore[misc]
    """`run(main)` runs a coroutine to its end; `time()` is virtual, in seconds from 0.

    `now_s` is the same as an attribute, to be read only; `steps` counts callbacks.

    Args:
        seed: draws the order of what is ready.
        fifo: asyncio's own order; the seed is not used.
        steps_max: callbacks before StepBudgetExceeded.
    """

    def __init__(self, seed: int = 0, *, fifo: bool = False, steps_max: int = STEPS_MAX) -> None:
        self.steps, self.steps_max = 0, steps_max
        self.now_s, self._fifo = 0.0, fifo
        # Neighbouring seeds shall not begin alike, so they are spread before the first step.
        self._state = (seed + 1) * _GOLDEN * _FACTOR & _MASK
        self._ready: list[Handle] | deque[Handle] = deque() if fifo else []
        self._timers: list[tuple[float, int, Handle]] = []
        self._timer_number = self._task_number = self._generator_number = self._cancelled = 0
        self._generators: WeakValueDictionary[int, AsyncGenerator[Any, Any]] = WeakValueDictionary()
        self._on_exception: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], Any] | None = None
        self._running = self._stopping = self._closed = False

    # ------------------------------------------------------------ time and callbacks

    def time(self) -> float:
        return self.now_s

    def sleep(self, delay_s: float) -> Sleep:
        """As asyncio.sleep, twice as fast; to be awaited at once, by the task that sleeps."""
        when = self.now_s + delay_s
        timer = Sleep(self, when)
        if delay_s > 0.0:  # as push, one call less
            self._timer_number += 1
            heappush(self._timers, (when, self._timer_number, timer))
        else:
            self.push(when, timer)
        return timer

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        if self._closed:
            raise RuntimeError(CLOSED)
        handle = Handle(callback, args, context, self)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context, self, when)
        self.push(when, handle)
        return handle

    def push(self, when: float, handle: Handle) -> None:
        """Put a timer where it belongs."""
        if self._closed:
            raise RuntimeError(CLOSED)
        if when <= self.now_s and not self._fifo:
            self._ready.append(handle)
        else:
            self._timer_number += 1
            heappush(self._timers, (when, self._timer_number, handle))

    def note_cancelled(self) -> None:
        """A timer was cancelled; once half of them are, they leave the heap.

        Those that have left it before are counted as well: it is tidied up too early at worst.
        """
        self._cancelled += 1
        if self._cancelled > CANCELLED_TIMERS_MIN and self._cancelled * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if not timer[2].is_cancelled]
            heapify(self._timers)
            self._cancelled = 0

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(CLOSED)

    # ------------------------------------------------------------ running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end, cancel what it has left behind, and close the loop.

        Raises:
            Deadlock, StepBudgetExceeded, LeavesVirtualTime: and whatever `main` raises.
        """
        try:
            return self.run_until_complete(main)
        finally:
            try:
                self._cancel_all()
                self.run_until_complete(self.shutdown_asyncgens())
            finally:
                self.close()

    def run_until_complete(self, future: Awaitable[T] | Any) -> T:
        """Run until the future is done, and return its result."""
        main = asyncio.ensure_future(future, loop=self)
        main.add_done_callback(_stop)
        try:
            self.run_forever()
        except BaseException:
            if main.done() and not main.cancelled():
                main.exception()  # it is on its way already: nobody else needs to be told
            raise
        finally:
            main.remove_done_callback(_stop)
        if not main.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        result: T = main.result()
        return result

    def run_forever(self) -> None:
        """Run until `stop`. It may run within a callback of another loop."""
        self._check_open()
        if self._running:
            raise RuntimeError("This event loop is already running")
        before, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._began, finalizer=self._dropped)
        self._running = True
        try:
            if self._fifo:
                self._run_in_order()
            else:
                self._run_drawn()
        finally:
            self._running = self._stopping = False
            events._set_running_loop(before)
            sys.set_asyncgen_hooks(*hooks)

    def _run_drawn(self) -> None:
        """One callback after the other, drawn from those that are ready."""
        state, ready, steps, steps_max = self._state, self._ready, self.steps, self.steps_max
        assert isinstance(ready, list)
        try:
            while not self._stopping:
                if not ready:
                    self._advance()
                if steps >= steps_max:
                    self._exceed()
                steps += 1
                if len(ready) == 1:
                    handle = ready.pop()
                else:
                    state = state * _FACTOR + _GOLDEN & _MASK
                    chosen = (state >> 32) * len(ready) >> 32
                    handle, ready[chosen] = ready[chosen], ready[-1]
                    ready.pop()
                handle._context.run(handle._callback, *handle._args)
        finally:
            self._state, self.steps = state, steps

    def _run_in_order(self) -> None:
        """As asyncio does: rounds of what was ready at their beginning, due timers last."""
        ready = self._ready
        assert isinstance(ready, deque)
        while not self._stopping:
            if not ready or (self._timers and self._timers[0][0] <= self.now_s):
                self._advance(must=not ready)
            for _ in range(len(ready)):
                if self.steps >= self.steps_max:
                    self._exceed()
                self.steps += 1
                ready.popleft().run()

    def _advance(self, *, must: bool = True) -> None:
        """Jump to the next instant that has a timer, and make all its timers ready."""
        timers, ready = self._timers, self._ready
        while timers:
            if not must and timers[0][0] > self.now_s:
                return
            when, _, handle = heappop(timers)
            if handle.is_cancelled:
                self._cancelled -= 1
                continue
            self.now_s = max(self.now_s, when)
            ready.append(handle)
            while timers and timers[0][0] <= self.now_s:
                ready.append(heappop(timers)[2])
            return
        if must:
            raise Deadlock(
                f"nothing can wake the tasks that wait at {self.now_s:.3f} s of virtual time:\n"
                f"{stacks(self._tasks())}"
            )

    def _exceed(self) -> NoReturn:
        raise StepBudgetExceeded(
            f"more than {self.steps_max} steps by {self.now_s:.3f} s of virtual time; "
            f"what runs:\n{stacks(self._tasks())}"
        )

    def _cancel_all(self) -> None:
        """Tasks that are left get their CancelledError; one that goes on regardless is an error."""
        left = self._tasks()
        for task in left:
            task.cancel()
        if left:
            self._stopping = False
            self.steps_max = max(self.steps_max, self.steps + CANCELLED_STEPS_MAX)
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    # ------------------------------------------------------------ what asyncio asks of a loop

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        if self._running:
            raise RuntimeError("Cannot close a running event loop")
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """There is nothing more to check."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> asyncio.Task[Any]:
        self._check_open()
        # Numbered by this loop: asyncio's own names count tasks over all loops of the process.
        self._task_number = number = self._task_number + 1
        name = name or f"task-{number}"
        return NumberedTask(number, coro, loop=self, name=name, context=context, **more)

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that nobody has finished, in the order of their beginning."""
        for generator in list(self._generators.values()):
            await generator.aclose()

    def _began(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generator_number += 1
        self._generators[self._generator_number] = generator

    def _dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon(self.create_task, generator.aclose())

    async def shutdown_default_executor(self, timeout: Any = None) -> None:  # noqa: ASYNC109
        """There is none."""

    def set_exception_handler(self, handler: Any) -> None:
        self._on_exception = handler

    def get_exception_handler(self) -> Any:
        return self._on_exception

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        logging.getLogger("asyncio").error(context["message"], exc_info=context.get("exception"))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._on_exception is None:
            self.default_exception_handler(context)
        else:
            self._on_exception(self, context)

    def _tasks(self) -> list[asyncio.Task[Any]]:
        """All that are not done, eldest first."""
        return sorted(asyncio.all_tasks(self), key=hash)


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refused(self: VirtualLoop, *args: Any, **kwargs: Any) -> NoReturn:
        raise LeavesVirtualTime(
            f"{name} leaves virtual time; put what it does behind a port and simulate that"
        )

    return refused


REFUSED: Final = (
    "add_reader", "add_signal_handler", "add_writer", "call_soon_threadsafe",
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "create_connection",
    "create_datagram_endpoint", "create_server", "create_unix_connection", "create_unix_server",
    "getaddrinfo", "getnameinfo", "remove_reader", "remove_signal_handler", "remove_writer",
    "run_in_executor", "sendfile", "set_default_executor", "sock_accept", "sock_connect",
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall",
    "sock_sendfile", "sock_sendto", "start_tls", "subprocess_exec", "subprocess_shell",
)  # fmt: skip
"""Methods that raise LeavesVirtualTime."""

for _name in REFUSED:
    setattr(VirtualLoop, _name, _refuse(_name))


def _stop(future: asyncio.Future[Any]) -> None:
    """As asyncio's: an interrupt stops the loop by itself, and this would come a run too late."""
    if future.cancelled() or not isinstance(future.exception(), KeyboardInterrupt | SystemExit):
        future.get_loop().stop()
