"""The event-status table and the payload table of a simulated region.

    Tables               one region: partitions (one a customer), each with items, rows, capacity
    status.StatusPort    how the code of one handling reaches the first table
    vault.PayloadPort    ... and the second

What an operation does to an item is not written here a second time: each item is a leader's state
machine that the caller hands in (`make_leader`, as a rule the in-memory store), so that deleting an
item is dropping its machine. Here are time, replicas, capacity, faults, and what is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from ctxasr.events import ConsistentStatus, PayloadRef, TurnKey
from ctxasr.ports import Clock, EventStore
from ctxasr.sim.buckets import RCU_PER_S, WCU_PER_S, Bucket, read_units, write_units
from ctxasr.sim.coverage import Coverage
from ctxasr.sim.faults import Fault, FaultKind
from ctxasr.sim.latency import Latencies
from ctxasr.sim.luck import Luck, kind
from ctxasr.sim.plan import START_MS
from ctxasr.sim.replicas import FOLLOWERS, Cut, Replicas
from ctxasr.sim.requests import Handling, NoUsefulAnswer

if TYPE_CHECKING:
    from ctxasr.sim.vault import Row
    from ctxasr.sim.watch import Watch

T = TypeVar("T")


ITEM_BYTES: Final = 120
"""Names and keys of a status item without events."""

EVENT_BYTES: Final = 80
REF_BYTES: Final = 110
"""What an event and a reference add, about."""

_LAG: Final = kind("replication lag")


class _BorrowedClock:
    """The clock of whoever asks: expiry is judged by the reader's clock."""

    of: Clock

    def now_ms(self) -> float:
        return self.of.now_ms()

    def timer_s(self, duration_ms: float) -> float:
        return self.of.timer_s(duration_ms)


class Loop(Protocol):
    """What is asked of the event loop."""

    def time(self) -> float: ...

    def sleep(self, delay_s: float) -> Any: ...

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Any: ...


class Partition:
    """All that lies under one customer."""

    __slots__ = ("items", "links", "newest", "reads", "replicas", "rows", "writes")

    def __init__(self, replicas: Replicas[Hashable, ConsistentStatus]) -> None:
        self.items: dict[TurnKey, EventStore] = {}
        self.links: dict[str, EventStore] = {}
        self.rows: dict[tuple[TurnKey, PayloadRef], Row] = {}
        self.newest: dict[TurnKey, ConsistentStatus] = {}
        self.replicas = replicas
        self.writes, self.reads = Bucket(WCU_PER_S), Bucket(RCU_PER_S)


class Tables:
    """One region.

    Args:
        make_leader: a fresh state machine; it gets the clock of whoever asks.
        consistent: False is the what-if in which items are read from any replica, also after a
            write, to decide about the trigger.
        crash: what a node's crash fault does.
    """

    def __init__(
        self,
        make_leader: Callable[[Clock], EventStore],
        loop: Loop,
        latencies: Latencies,
        watch: Watch,
        coverage: Coverage,
        *,
        seed: int = 0,
        faults: tuple[Fault, ...] = (),
        consistent: bool = True,
        crash: Callable[[Handling, Fault], None] | None = None,
    ) -> None:
        self.loop, self.latencies, self.watch, self.coverage = loop, latencies, watch, coverage
        self.consistent, self.throttled = consistent, 0
        self.keys_made = self.rows_written = 0
        self.partitions: dict[str, Partition] = {}
        self.key_of: dict[bytes, TurnKey] = {}
        """KMS: which turn a wrapped data key was made for."""
        self._make_leader, self._clock, self._luck = make_leader, _BorrowedClock(), Luck(seed)
        self._crash = crash
        self._outages = _spans(faults, FaultKind.KMS_OUTAGE)
        self._spikes = _spans(faults, FaultKind.LOAD_SPIKE)
        self._cuts = tuple(
            Cut(1 + fault.node % FOLLOWERS, fault.at_ms, fault.at_ms + fault.ms)
            for fault in faults
            if fault.kind is FaultKind.CUT_REPLICA
        )
        self._late_s = {
            f"c{one.customer}": one.ms / 1_000.0 for one in faults if one.kind is FaultKind.LATE_TTL
        }
        self.troubled = bool(self._outages or self._spikes)
        self.calm_at_s = max((end for _, end in self._outages + self._spikes), default=0.0) / 1e3
        """From then on no span of faults is open."""

    def partition(self, customer: str) -> Partition:
        """The customer's, made when it is first asked for."""
        found = self.partitions.get(customer)
        if found is None:
            place = kind(customer)
            lag = self.latencies.replication

            def lag_ms(number: int, follower: int) -> float:
                return lag.draw(self._luck.of(_LAG, place, number, follower))

            found = self.partitions[customer] = Partition(Replicas(lag_ms, self._cuts))
        return found

    def crash(self, handling: Handling, fault: Fault) -> None:
        """The node of `handling` dies now."""
        self.coverage.fired(fault.kind)
        if self._crash is not None:
            self._crash(handling, fault)
        handling.node.dead = True

    def kms_is_out(self) -> bool:
        """Whether KMS answers nobody now."""
        return _within(self._outages, self.loop.time() * 1_000.0)

    def charge(self, bucket: Bucket, units: int) -> None:
        """Take capacity of a partition.

        Raises:
            NoUsefulAnswer: throttled.
        """
        now_s = self.loop.time()
        crowded = bool(self._spikes) and _within(self._spikes, now_s * 1_000.0)
        if not bucket.take(units, now_s, crowded=crowded):
            self.throttled += 1
            if crowded:
                self.coverage.fired(FaultKind.LOAD_SPIKE)
            raise NoUsefulAnswer

    # ------------------------------------------------------------ what the leader does

    def machine(self, handling: Handling, items: dict[Any, EventStore], key: Any) -> EventStore:
        """The item's state machine, or an empty one; the clock is the asking node's."""
        self._clock.of = handling.node.clock
        found = items.get(key)
        return self._make_leader(self._clock) if found is None else found

    def write(
        self,
        handling: Handling,
        operation: str,
        turn: TurnKey,
        change: Callable[[EventStore], Coroutine[Any, Any, ConsistentStatus]],
        *,
        creates: bool = False,
    ) -> ConsistentStatus:
        """One update at the leader, and the item as the write returns it."""
        partition = self.partition(turn.customer)
        before = partition.newest.get(turn)
        self.charge(partition.writes, write_units(item_bytes(before)))
        machine = self.machine(handling, partition.items, turn)
        status = at_once(change(machine))
        if creates:
            partition.items[turn] = machine
            if before is None and turn.customer in self._late_s:
                expires_s = status.expires_at_s - START_MS / 1_000.0
                self.loop.call_at(expires_s + self._late_s[turn.customer], self.delete, turn)
        if creates or before is not None:
            partition.newest[turn] = status
            now_ms = self.loop.time() * 1_000.0
            partition.replicas.write(now_ms, turn, status)
            if self._cuts and any(one.from_ms <= now_ms < one.until_ms for one in self._cuts):
                self.coverage.fired(FaultKind.CUT_REPLICA)
            self.watch.wrote(handling, operation, before, status)
        self.watch.shown(handling, turn, status, status)
        return status

    def read(self, handling: Handling, turn: TurnKey) -> ConsistentStatus | None:
        """One item, if it has not expired."""
        partition = self.partition(turn.customer)
        self.charge(partition.reads, read_units(item_bytes(partition.newest.get(turn))))
        status = at_once(self.machine(handling, partition.items, turn).read(turn))
        if status is not None and not self.consistent:
            status = self._eventual(handling, turn)
        if status is not None:
            self.watch.shown(handling, turn, status, partition.newest.get(turn))
            self.watch.read(handling, status.expires_at_s)
        return status

    def look(self, handling: Handling, turn: TurnKey) -> ConsistentStatus:
        """What an eventually consistent read after a write shows."""
        partition = self.partition(turn.customer)
        self.charge(partition.reads, read_units(item_bytes(partition.newest.get(turn))))
        nothing = ConsistentStatus(turn, {}, frozenset(), None, None, None, 0)
        status = self._eventual(handling, turn) or nothing
        self.watch.shown(handling, turn, status, partition.newest.get(turn))
        return status

    def _eventual(self, handling: Handling, turn: TurnKey) -> ConsistentStatus | None:
        replica = int(handling.stream.next() * (FOLLOWERS + 1))
        return self.partition(turn.customer).replicas.read(replica, turn, self.loop.time() * 1e3)

    def delete(self, turn: TurnKey) -> None:
        """What the sweeper of the tables does when it comes to a turn: item and rows are gone."""
        partition = self.partition(turn.customer)
        partition.items.pop(turn, None)
        partition.newest.pop(turn, None)
        partition.replicas.write(self.loop.time() * 1_000.0, turn, None)
        for place in [place for place in partition.rows if place[0] == turn]:
            del partition.rows[place]
        self.watch.deleted.add(turn)
        self.coverage.fired(FaultKind.LATE_TTL)


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    call.close()
    raise AssertionError("a leader's state machine must not wait: each operation is atomic")


def item_bytes(status: ConsistentStatus | None) -> int:
    """About how long the item is."""
    if status is None:
        return ITEM_BYTES
    return ITEM_BYTES + EVENT_BYTES * len(status.marks) + REF_BYTES * len(status.refs)


def _spans(faults: tuple[Fault, ...], of: FaultKind) -> tuple[tuple[float, float], ...]:
    return tuple((one.at_ms, one.at_ms + one.ms) for one in faults if one.kind is of)


def _within(spans: tuple[tuple[float, float], ...], at_ms: float) -> bool:
    return any(begin <= at_ms < end for begin, end in spans)
