"""One event's way through a node: its requests to the tables and to KMS, and what befalls them.

    request ----- half of them: latency, then carried out ----> answer
            carried out at once, then latency ----------------> answer

One timer a request, and both races are there: a caller that gives up while its request is on the
way (half of those are carried out after all), and one that gives up after it was carried out.

The policy for repeating is that of `ctxasr.store.caller`, by value; requests repeat nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from ctxasr.errors import CtxasrError, StoreUnavailable
from ctxasr.sim.luck import Stream
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.quantiles import Quantiles

if TYPE_CHECKING:
    from ctxasr.sim.region.nodes import Node
    from ctxasr.sim.region.tables import Tables

T = TypeVar("T")

ATTEMPTS_MAX: Final = 4
CALL_S_MAX: Final = 12.0
BACKOFF_FIRST_S: Final = 0.02
BACKOFF_MAX_S: Final = 0.4
READ_TIMEOUT_S: Final = 5.0
"""As in ctxasr.store.caller and ctxasr.store.clients; a test holds them equal."""


class NodeDown(BaseException):
    """The process is dead: no BaseException of the program itself, so that nothing handles it."""


class NoUsefulAnswer(Exception):
    """An attempt failed; asking again may help."""


class Place:
    """The faults of one event of a customer, and how far its requests have come, all told."""

    __slots__ = ("_crash", "_nth", "_requests", "faults")

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = {
            (one.operation, one.nth): one for one in faults if one.kind is not FaultKind.CRASH
        }
        self._crash = {one.nth: one for one in faults if one.kind is FaultKind.CRASH}
        self._nth: dict[str, int] = {}
        self._requests = 0

    def next(self, operation: str) -> tuple[Fault | None, Fault | None]:
        """Count one more request; the fault that befalls it, and the crash."""
        self._requests += 1
        self._nth[operation] = nth = self._nth.get(operation, 0) + 1
        return self.faults.get((operation, nth)), self._crash.get(self._requests)


class Handling:
    """One event (or answer, or sweep) in the hands of one node.

    `customer` is who the authenticated record names; `requests` and `attempts` are counted for the
    bounds that every handler must keep.
    """

    __slots__ = ("attempts", "customer", "decision", "event", "looks", "node", "place", "requests",
                 "stream", "tables")  # fmt: skip

    def __init__(
        self,
        tables: Tables,
        node: Node,
        customer: str,
        event: str,
        stream: Stream,
        place: Place | None = None,
    ) -> None:
        self.tables, self.node, self.customer, self.event = tables, node, customer, event
        self.stream, self.place = stream, place
        self.requests = self.attempts = 0
        self.decision, self.looks = "", 0

    async def request(
        self, operation: str, latency: Quantiles, apply: Callable[[], T], *, kms: bool = False
    ) -> T:
        """Carry out `apply` somewhen on the way.

        Raises:
            StoreUnavailable: no attempt was answered; perhaps carried out.
            NodeDown: this process is dead.
        """
        node, tables = self.node, self.tables
        if node.dead:
            raise NodeDown
        self.requests += 1
        loop = tables.loop
        began_s = loop.now_s
        if self.place is not None or (kms and tables.kms_is_out()):
            return await self._in_trouble(operation, latency, apply, kms, began_s)
        self.attempts += 1
        drawn = self.stream.next() * 2.0  # one draw: its first bit says which race is run
        late = drawn >= 1.0
        takes_s = latency.draw(drawn - late) / 1_000.0
        try:
            if late:
                return await self._attempt(takes_s, apply, late=True)
            answer = apply()  # as _attempt, one call less
            if takes_s > 0.0:
                await loop.sleep(takes_s)
                if node.dead:
                    raise NodeDown
            return answer
        except NoUsefulAnswer:  # throttled: too much is asked of this partition
            await self._nap(self.stream.next() * BACKOFF_FIRST_S)
            return await self._in_trouble(operation, latency, apply, kms, began_s, attempts=1)

    async def _attempt(self, takes_s: float, apply: Callable[[], T], *, late: bool = False) -> T:
        loop, node = self.tables.loop, self.node
        if takes_s <= 0.0:
            return apply()
        if not late and self.stream.next() < 0.5:
            answer = apply()
            await loop.sleep(takes_s)
        else:
            at_s = loop.now_s + takes_s
            try:
                await loop.sleep(takes_s)
            except asyncio.CancelledError:
                if self.stream.next() < 0.5:  # it is on the way, whatever its sender does
                    loop.call_at(at_s, self._unanswered, apply)
                raise
            answer = apply()
        if node.dead:
            raise NodeDown
        return answer

    def _unanswered(self, apply: Callable[[], object]) -> None:
        self.tables.coverage.hit("request carried out after its sender had given up")
        try:
            apply()
        except (NoUsefulAnswer, CtxasrError):
            self.tables.coverage.hit("... and refused")

    # ------------------------------------------------------------ with faults

    async def _in_trouble(
        self,
        operation: str,
        latency: Quantiles,
        apply: Callable[[], T],
        kms: bool,
        began_s: float,
        attempts: int = 0,
    ) -> T:
        """Attempts with back-off, `attempts` of them made before: full jitter below a bound that
        doubles."""
        fault, crash = (None, None) if self.place is None else self.place.next(operation)
        for attempt in range(attempts + 1, ATTEMPTS_MAX + 1):
            self.attempts += 1
            if self.tables.loop.now_s - began_s >= CALL_S_MAX:
                break
            if fault is not None and attempt > fault.times:
                fault = None
            try:
                answer = await self._try(operation, latency, apply, kms, fault, crash)
            except NoUsefulAnswer:
                bound_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt - 1))
                await self._nap(self.stream.next() * bound_s)
                continue
            if attempt > 1:
                self.tables.coverage.hit("answer after a repeated request")
            return answer
        self.tables.coverage.hit("request given up: store unavailable")
        raise StoreUnavailable(f"{operation}: no useful answer in {ATTEMPTS_MAX} attempts")

    async def _try(
        self,
        operation: str,
        latency: Quantiles,
        apply: Callable[[], T],
        kms: bool,
        fault: Fault | None,
        crash: Fault | None,
    ) -> T:
        tables = self.tables
        takes_s = latency.draw(self.stream.next()) / 1_000.0
        if crash is not None and not crash.after:
            tables.crash(self, crash)
            raise NodeDown
        if kms and tables.kms_is_out():
            tables.coverage.fired(FaultKind.KMS_OUTAGE)
            await self._nap(READ_TIMEOUT_S)
            raise NoUsefulAnswer
        if fault is not None:
            tables.coverage.fired(fault.kind)
            match fault.kind:
                case FaultKind.SLOW_REQUEST:
                    takes_s += fault.ms / 1_000.0
                case FaultKind.THROTTLED:
                    await self._nap(takes_s)
                    raise NoUsefulAnswer
                case _:
                    if fault.after or fault.kind is FaultKind.LOST_ANSWER:
                        await self._attempt(takes_s, apply)
                        tables.watch.answer_lost(self, operation)
                    await self._nap(fault.ms / 1_000.0)
                    raise NoUsefulAnswer
        answer = await self._attempt(takes_s, apply)
        if crash is not None:
            tables.crash(self, crash)
            raise NodeDown
        return answer

    async def _nap(self, duration_s: float) -> None:
        if duration_s > 0.0:
            await self.tables.loop.sleep(duration_s)
        if self.node.dead:
            raise NodeDown
