"""A handler that stops at each of its store operations, and goes on when it is told to.

    handler = Stepped(lambda ports: on_event(record, ports), nodes("expect/0"))
    handler.pending                    what it has asked of the tables, by number
    handler.answer(1, item)            the answer to its operation 1; it runs to its next operations
    handler.refuse(1, error)           its adapter gives up
    handler.let_time_pass()            its nearest timer fires: a deadline
    handler.crash()                    the node is dead: its ports raise what no handler catches

It runs on a loop and a clock of its own, so that what it does next depends on nothing but its
event and the answers that it got, in their order. `ctxasr.sim.exploration.search` stands on that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from ctxasr.events import TurnKey
from ctxasr.pipeline import Ports
from ctxasr.ports import EventStore, PayloadVault
from ctxasr.sim.loop import VirtualLoop
from ctxasr.sim.plans.plan import START_MS

STEPS_MAX: Final = 20_000
"""Callbacks of one handler: one that spins without asking anything ends here, with an error."""

OPENING: Final = frozenset({"put", "put_blob", "get", "get_blob"})
"""Operations that open the turn's data key, which the process then holds."""


class Crashed(BaseException):  # not an Exception: a dead node handles no errors
    """The node that runs this is dead."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a handler asks of a table; equal ones do the same to equal tables.

    `issuer` is the process that asks, for what is drawn at random on its behalf.
    """

    port: str
    name: str
    args: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]
    issuer: str

    def __str__(self) -> str:
        return f"{self.port}.{self.name}"


class _Timer:
    """A callback that waits for time to be let pass."""

    def __init__(self, when: float, run: Callable[[], Any]) -> None:
        self._when, self.run, self._cancelled = when, run, False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when


class _Loop(VirtualLoop):
    """Comes back when nothing is ready; time passes only on request."""

    def __init__(self) -> None:
        super().__init__(fifo=True, steps_max=STEPS_MAX)
        self._waiting = list[_Timer]()

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        timer = _Timer(when, lambda: self.call_soon(callback, *args, context=context))
        self._waiting.append(timer)
        return timer

    def _advance(self, *, must: bool = True) -> None:
        self.stop()

    def has_timer(self) -> bool:
        self._waiting = [timer for timer in self._waiting if not timer.cancelled()]
        return bool(self._waiting)

    def to_next_timer(self) -> None:
        assert self.has_timer(), "there is none"
        timer = min(self._waiting, key=_Timer.when)
        self._waiting.remove(timer)
        self.now_s = max(self.now_s, timer.when())
        timer.run()


class StandingClock:
    """A clock that stands still: the tables' own."""

    def now_ms(self) -> float:
        return START_MS

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0


class _LoopClock(StandingClock):
    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def now_ms(self) -> float:
        return START_MS + self._loop.time() * 1_000.0


class ClaimNotRecognised(Exception):
    """An event waits for the owner, or works in its place, and is the owner itself."""


class _Listener:
    """Telemetry that hears what must not be."""

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        if name in ("waits", "takes over") and facts["owner"] == facts["event"]:
            raise ClaimNotRecognised

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        yield


class _Door:
    """A port each of whose operations waits for its answer."""

    def __init__(self, port: str, owner: Stepped) -> None:
        self._port, self._owner = port, owner

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*args: Any, **options: Any) -> Any:
            return await self._owner.ask(self._port, name, args, options)

        return ask


class _VaultDoor(_Door):
    def held_key(self, turn: TurnKey) -> bytes | None:
        """Known in the process itself: no operation."""
        return self._owner.held.get(turn)

    def drop_keys(self, turn: TurnKey) -> None:
        """The same."""
        self._owner.held.pop(turn, None)


class Stepped:
    """See the module. `start(ports)` makes the handler's coroutine; `process` names its node."""

    def __init__(
        self,
        start: Callable[[Ports], Coroutine[Any, Any, Any]],
        process: str,
        **more: Any,
    ) -> None:
        self.process = process
        self.pending: dict[int, Operation] = {}
        self.held: dict[TurnKey, bytes] = {}
        self.is_dead = False
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self.issued = self._keys = 0
        self._loop = _Loop()
        ports = Ports(
            store=cast(EventStore, _Door("status", self)),
            vault=cast(PayloadVault, _VaultDoor("payload", self)),
            clock=_LoopClock(self._loop),
            telemetry=_Listener(),
            process=process,
            **more,
        )
        self._task: asyncio.Task[Any] = self._loop.create_task(start(ports))
        self._loop.run_forever()

    async def ask(
        self, port: str, name: str, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """One operation; returns its answer."""
        if self.is_dead:
            raise Crashed
        self.issued += 1
        issuer = self.process
        if name == "new_key":  # each is another one, whoever asks
            self._keys += 1
            issuer += f" {self._keys}" * (self._keys > 1)
        number, future = self.issued, self._loop.create_future()
        plain = tuple(tuple(one) if isinstance(one, list) else one for one in args)
        operation = Operation(port, name, plain, tuple(sorted(options.items())), issuer)
        self.pending[number], self._futures[number] = operation, future
        try:
            answer = await future
        finally:  # answered, refused, or given up by a deadline
            del self.pending[number], self._futures[number]
        if name in OPENING:
            wrapped_key, first = args[0], args[1]
            self.held[first if isinstance(first, TurnKey) else first.turn] = wrapped_key
        elif name == "delete":
            self.held.pop(args[0], None)
        return answer

    @property
    def is_done(self) -> bool:
        return self._task.done()

    @property
    def error(self) -> BaseException | None:
        """What it ended with, if it did not just return."""
        return self._task.exception() if self._task.done() else None

    @property
    def has_deadline(self) -> bool:
        """Whether it waits under a timer."""
        return self._loop.has_timer()

    def answer(self, number: int, value: Any) -> None:
        """The answer to one operation has come."""
        self._futures[number].set_result(value)
        self._loop.run_forever()

    def refuse(self, number: int, error: BaseException) -> None:
        """The adapter raises in place of an answer."""
        self._futures[number].set_exception(error)
        self._loop.run_forever()

    def let_time_pass(self) -> None:
        """The nearest timer fires while all its operations are under way."""
        self._loop.to_next_timer()
        self._loop.run_forever()

    def crash(self) -> None:
        """It is dead: whatever its `finally` blocks ask of the tables raises at once."""
        self.is_dead = True
        for future in list(self._futures.values()):
            future.set_exception(Crashed())
        self._loop.run_forever()
        if not self._task.done():  # it sleeps
            self._task.cancel()
            self._loop.run_forever()
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # seen: nobody else needs to be told
        self.close()

    def close(self) -> None:
        """Its loop runs nothing more."""
        self._loop.close()
