"""The event-status table and the payload table of a simulated region.

    Tables               one region: partitions (one a customer), each with items, rows, capacity
    status.StatusPort    how the code of one handling reaches the first table
    vault.PayloadPort    ... and the second

What an operation does to an item is not written here a second time: each item is a leader's state
machine that the caller hands in (`make_leader`, as a rule the in-memory store), so that deleting an
item is dropping its machine. Here are time, replicas, capacity, faults, and what is watched.

A write is let in by what the item weighs before it. What it weighs after it, DynamoDB's price if
that is more, is known only then: the partition owes the difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from ctxasr.events import ConsistentStatus, PayloadRef, TurnKey
from ctxasr.ports import Clock, EventStore
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.luck import Luck, kind
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.region.buckets import (
    LINK_BYTES,
    RCU_PER_S,
    WCU_PER_S,
    Bucket,
    growth_bytes,
    item_bytes,
    read_units,
    write_units,
)
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.replicas import FOLLOWERS, Cut, Replicas
from ctxasr.sim.region.requests import Handling, NoUsefulAnswer

if TYPE_CHECKING:
    from ctxasr.sim.judging.watch import Watch
    from ctxasr.sim.region.vault import Row

T = TypeVar("T")


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

    now_s: float

    def time(self) -> float: ...

    def sleep(self, delay_s: float) -> Any: ...

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What a region has used; all of it adds up over regions.

    Units are DynamoDB's, half of one for an eventually consistent read. A request to a table counts
    each time that it comes there, also when it is throttled; one to KMS when it is answered.
    """

    status_wcu: float = 0.0
    status_rcu: float = 0.0
    payload_wcu: float = 0.0
    payload_rcu: float = 0.0
    requests: int = 0
    throttled: int = 0
    kms_requests: int = 0
    written_bytes: int = 0
    """Sizes of the items and rows after each write to them; of a row that is deleted, before."""
    returned_bytes: int = 0
    """Items and rows in answers: what a write returns as well."""
    encodings: int = 0
    """How often the context model was started."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, one) + getattr(other, one) for one in self.__slots__))


class Partition:
    """All that lies under one customer; each table has a partition of its own for it."""

    __slots__ = ("items", "links", "newest", "payload_reads", "payload_writes", "reads",
                 "replicas", "rows", "sizes", "writes")  # fmt: skip

    def __init__(self, replicas: Replicas[Hashable, ConsistentStatus]) -> None:
        self.items: dict[TurnKey, EventStore] = {}
        self.links: dict[str, EventStore] = {}
        self.rows: dict[tuple[TurnKey, PayloadRef], Row] = {}
        self.newest: dict[TurnKey, ConsistentStatus] = {}
        self.sizes: dict[TurnKey, int] = {}
        """How many bytes each item has."""
        self.replicas = replicas
        self.writes, self.reads = Bucket(WCU_PER_S), Bucket(RCU_PER_S)
        self.payload_writes, self.payload_reads = Bucket(WCU_PER_S), Bucket(RCU_PER_S)


class Tables:
    """One region.

    Args:
        make_leader: a fresh state machine; it gets the clock of whoever asks.
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
        crash: Callable[[Handling, Fault], None] | None = None,
    ) -> None:
        self.loop, self.latencies, self.watch, self.coverage = loop, latencies, watch, coverage
        self.requests = self.throttled = self.kms_requests = 0
        self.written_bytes = self.returned_bytes = 0
        self.units: dict[float, dict[int, float]] = {
            WCU_PER_S: defaultdict(float), RCU_PER_S: defaultdict(float)
        }  # fmt: skip
        """Write and read units that were taken in each second."""
        self.keys_made = self.rows_sealed = 0
        self.partitions: dict[str, Partition] = {}
        self.key_of: dict[bytes, TurnKey] = {}
        """KMS: which turn a wrapped data key was made for."""
        self._make_leader, self._clock, self._luck = make_leader, _BorrowedClock(), Luck(seed)
        self.on_crash = crash
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
        self.calm_at_s = max((end for _, end in self._outages + self._spikes), default=0.0) / 1e3
        """From then on no span of faults is open."""

    def partition(self, customer: str) -> Partition:
        """The customer's, made when it is first asked for."""
        found = self.partitions.get(customer)
        if found is None:
            place = kind(customer)
            lag, luck = self.latencies.replication, self._luck

            def lag_ms(number: int, follower: int) -> float:
                return lag.draw(luck.of(_LAG, place, number, follower))

            found = self.partitions[customer] = Partition(Replicas(lag_ms, self._cuts))
        return found

    def crash(self, handling: Handling, fault: Fault) -> None:
        """The node of `handling` dies now."""
        self.coverage.fired(fault.kind)
        if self.on_crash is not None:
            self.on_crash(handling, fault)
        handling.node.dead = True

    def kms_is_out(self) -> bool:
        """Whether KMS answers nobody now."""
        return self._outages != () and _within(self._outages, self.loop.now_s * 1_000.0)

    @property
    def used(self) -> Usage:
        """All until now; adds all partitions up."""
        parts = self.partitions.values()
        return Usage(
            status_wcu=sum(part.writes.used for part in parts),
            status_rcu=sum(part.reads.used for part in parts),
            payload_wcu=sum(part.payload_writes.used for part in parts),
            payload_rcu=sum(part.payload_reads.used for part in parts),
            requests=self.requests,
            throttled=self.throttled,
            kms_requests=self.kms_requests,
            written_bytes=self.written_bytes,
            returned_bytes=self.returned_bytes,
            encodings=len(self.watch.encodings),
        )

    def charge(self, bucket: Bucket, units: float) -> None:
        """One request takes capacity of a partition.

        Raises:
            NoUsefulAnswer: throttled.
        """
        self.requests += 1
        now_s = self.loop.now_s
        crowded = self._spikes != () and _within(self._spikes, now_s * 1_000.0)
        if not bucket.take(units, now_s, crowded=crowded):
            self.throttled += 1
            if crowded:
                self.coverage.fired(FaultKind.LOAD_SPIKE)
            raise NoUsefulAnswer
        self.units[bucket.per_s][int(now_s)] += units

    def resize(self, partition: Partition, turn: TurnKey, grown_bytes: int) -> None:
        """A write that was let in has made the item larger, or smaller."""
        size = partition.sizes.get(turn, 0)
        partition.sizes[turn] = larger = size + grown_bytes
        if grown_bytes > 0 and (more := write_units(larger) - write_units(size)):
            partition.writes.owe(more)
            self.units[WCU_PER_S][int(self.loop.now_s)] += more

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
        before, size = partition.newest.get(turn), partition.sizes.get(turn, 0)
        self.charge(partition.writes, write_units(size))
        machine = self.machine(handling, partition.items, turn)
        status = at_once(change(machine))
        if creates:
            partition.items[turn] = machine
            if before is None and turn.customer in self._late_s:
                expires_s = status.expires_at_s - START_MS / 1_000.0
                when_s = expires_s + self._late_s[turn.customer]
                self.loop.call_at(when_s, self.delete, turn, status.expires_at_s)
        if creates or before is not None:
            grown = item_bytes(status) if before is None else growth_bytes(before, status)
            self.resize(partition, turn, grown)
            partition.newest[turn] = status
            now_ms = self.loop.now_s * 1_000.0
            partition.replicas.write(now_ms, turn, status)
            if self._cuts and any(one.from_ms <= now_ms < one.until_ms for one in self._cuts):
                self.coverage.fired(FaultKind.CUT_REPLICA)
            self.watch.wrote(handling, operation, before, status)
            size += grown
        self.written_bytes += size
        self.returned_bytes += size
        self.watch.shown(handling, turn, status, status)
        return status

    def read(
        self, handling: Handling, turn: TurnKey, *, consistent: bool = True
    ) -> ConsistentStatus | None:
        """One item, if it has not expired; without `consistent` as some replica knows it."""
        partition = self.partition(turn.customer)
        size = partition.sizes.get(turn, 0)
        units = read_units(size)
        self.charge(partition.reads, units if consistent else units / 2)
        self.returned_bytes += size
        status = at_once(self.machine(handling, partition.items, turn).read(turn))
        if status is not None and not consistent:
            status = self._eventual(handling, turn)
        if status is not None:
            self.watch.shown(handling, turn, status, partition.newest.get(turn))
            self.watch.read(handling, status.expires_at_s)
        return status

    def keep(self, handling: Handling, partition: Partition, row: Row) -> None:
        """A row is there now, at the place that it was sealed for."""
        turn, ref, _ = row.bound
        self.watch.put(handling, turn, ref, row)
        partition.rows[turn, ref] = row

    def look(self, handling: Handling, turn: TurnKey) -> ConsistentStatus:
        """What an eventually consistent read after a write shows."""
        partition = self.partition(turn.customer)
        size = partition.sizes.get(turn, 0)
        self.charge(partition.reads, read_units(size) / 2)
        self.returned_bytes += size
        nothing = ConsistentStatus(turn, {}, frozenset(), None, None, None, 0)
        status = self._eventual(handling, turn) or nothing
        self.watch.shown(handling, turn, status, partition.newest.get(turn))
        return status

    def customers_bytes(self, partition: Partition) -> int:
        """All items of a customer: what a Query reads."""
        return sum(partition.sizes.values()) + LINK_BYTES * len(partition.links)

    def _eventual(self, handling: Handling, turn: TurnKey) -> ConsistentStatus | None:
        replica = int(handling.stream.next() * (FOLLOWERS + 1))
        return self.partition(turn.customer).replicas.read(replica, turn, self.loop.now_s * 1e3)

    def drop(self, turn: TurnKey) -> ConsistentStatus | None:
        """An item is deleted; returns it."""
        partition = self.partition(turn.customer)
        partition.items.pop(turn, None)
        partition.sizes.pop(turn, None)
        partition.replicas.write(self.loop.now_s * 1_000.0, turn, None)
        return partition.newest.pop(turn, None)

    def delete(self, turn: TurnKey, expires_at_s: int) -> None:
        """What the sweeper of the tables does when it comes to a turn: item and rows are gone.

        An item with another expiry was made anew since, and is not its concern.
        """
        partition = self.partition(turn.customer)
        there = partition.newest.get(turn)
        if there is not None and there.expires_at_s != expires_at_s:
            return
        status = self.drop(turn)
        for place in [place for place in partition.rows if place[0] == turn]:
            del partition.rows[place]
        self.watch.deleted[turn] = None if status is None else status.outcome
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


def _spans(faults: tuple[Fault, ...], of: FaultKind) -> tuple[tuple[float, float], ...]:
    return tuple((one.at_ms, one.at_ms + one.ms) for one in faults if one.kind is of)


def _within(spans: tuple[tuple[float, float], ...], at_ms: float) -> bool:
    return any(begin <= at_ms < end for begin, end in spans)
