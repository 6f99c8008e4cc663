"""The tables under concurrency: consistent reads are linearizable, eventual ones lag behind.

What things weigh and what a request costs is held to the real store's encoding.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import NamedTuple

import pytest

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.evaluate.costs import capacity, designs
from ctxasr.evaluate.costs.designs import EXPIRES_AT_S
from ctxasr.events import (
    ConsistentStatus,
    Event,
    EventKey,
    Mark,
    Outcome,
    Payload,
    PayloadKind,
    PayloadRef,
    Recognize,
    TurnKey,
)
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.judging.watch import Watch
from ctxasr.sim.loop import VirtualLoop
from ctxasr.sim.luck import Luck
from ctxasr.sim.plans.draw import PROFILES, draw
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.region.buckets import (
    CONTEXT_BYTES,
    ROW_BYTES,
    WCU_PER_S,
    WRAPPED_KEY_BYTES,
    item_bytes,
)
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.nodes import Node, NodeClock
from ctxasr.sim.region.requests import ATTEMPTS_MAX, Handling
from ctxasr.sim.region.status import StatusPort
from ctxasr.sim.region.tables import Tables, Usage
from ctxasr.sim.region.vault import PAYLOAD_BYTES_MAX, PayloadPort
from ctxasr.sim.region.what_if import WhatIf, ports_of
from ctxasr.sim.runs import Setting
from ctxasr.sim.world import World
from ctxasr.store import schema
from ctxasr.store.memory import MemoryEventStore
from ctxasr.store.schema import Item

TURN = TurnKey("c0", "d0t1")
EXPIRES_S = START_MS // 1_000 + 3_600


class Seen(NamedTuple):
    """One operation: when it was asked and answered, and how many events its answer held."""

    asked_s: float
    answered_s: float
    events: int
    own: bool


def history(seed: int, *, consistent: bool) -> list[Seen]:
    """Four nodes write and read one item at once."""
    loop = VirtualLoop(seed)
    coverage = Coverage()
    watch = Watch(loop, coverage)
    tables = Tables(MemoryEventStore, loop, Latencies(), watch, coverage, seed=seed)
    what_if = None if consistent else WhatIf.EVENTUAL_READS
    seen: list[Seen] = []

    async def work(number: int) -> None:
        node = Node(number, 0, NodeClock(loop))
        handling = Handling(tables, node, "c0", "d0t1.reply", Luck(seed).stream(number))
        port, _ = ports_of(what_if, handling)
        for step in range(5):
            asked_s, name = loop.time(), f"e{number}-{step}"
            if handling.stream.next() < 0.5:
                event = Event(EventKey(TURN, name), "device", Mark("x", 0), None, None)
                status = await port.record(event, EXPIRES_S)
                seen.append(Seen(asked_s, loop.time(), len(status.marks), name in status.marks))
            else:
                read = await port.read(TURN)
                seen.append(Seen(asked_s, loop.time(), len(read.marks) if read else 0, True))

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(4)))

    loop.run(main())
    found = {one.invariant for one in watch.found}
    assert found <= set() if consistent else {6}
    return seen


@pytest.mark.parametrize("seed", range(30))
def test_consistent_answers_are_linearizable(seed: int) -> None:
    """The item only grows, so linearizable means: never less than what was answered before."""
    seen = history(seed, consistent=True)
    assert all(one.own for one in seen), "a write sees itself"
    for later in seen:
        before = [one.events for one in seen if one.answered_s < later.asked_s]
        assert later.events >= max(before, default=0)


def test_eventual_answers_lag_behind_and_are_caught() -> None:
    stale = 0
    for seed in range(30):
        for later in (seen := history(seed, consistent=False)):
            before = [one.events for one in seen if one.answered_s < later.asked_s]
            stale += later.events < max(before, default=0)
    assert stale > 20


# ---------------------------------------------------------------- what things weigh


def renamed(status: ConsistentStatus) -> ConsistentStatus:
    """The same item with identifiers as long as a UUID and an expiry of ten digits."""

    def long(name: str) -> str:
        return f"{name:->36}"

    return status._replace(
        turn=TurnKey(long(status.turn.customer), long(status.turn.interaction)),
        marks={
            long(event): mark._replace(token=long(mark.token))
            if mark.token and mark.name == Recognize.full_name
            else mark
            for event, mark in status.marks.items()
        },
        wrapped_key=status.wrapped_key and bytes(WRAPPED_KEY_BYTES),
        owner=status.owner and long(status.owner),
        expires_at_s=EXPIRES_AT_S,
    )


def encoded(status: ConsistentStatus) -> Item:
    """The item as the store writes it."""
    item = schema.status_key(status.turn) | {schema.EXPIRES_AT: {"N": str(status.expires_at_s)}}
    for event, mark in status.marks.items():
        item[schema.event_attribute(event)] = {"S": schema.mark_text(mark)}
    for ref in status.refs:
        item[schema.ref_attribute(ref)] = {"S": schema.payload_sort(status.turn, ref)}
    optional = {schema.OWNER: status.owner, schema.OUTCOME: status.outcome}
    item |= {name: {"S": value} for name, value in optional.items() if value is not None}
    return item if status.wrapped_key is None else item | {schema.KEY: {"B": status.wrapped_key}}


def test_items_and_rows_weigh_what_the_store_would_write() -> None:
    """To the byte; and what was added up write by write is what the item weighs in the end."""
    kinds = set[PayloadKind]()
    for seed in range(60):
        world = World(draw(seed, PROFILES["all"]), MemoryEventStore, Setting(trace=False))
        world.run()
        for part in world._tables.partitions.values():
            assert part.sizes == {turn: item_bytes(one) for turn, one in part.newest.items()}
            for one in map(renamed, part.newest.values()):
                assert schema.to_status(encoded(one)) == one
                assert item_bytes(one) == capacity.item_bytes(encoded(one))
            for (turn, ref), row in part.rows.items():
                kinds.add(ref.kind)
                if ref.kind is PayloadKind.CONTEXT:
                    assert isinstance(row.clear, bytes)
                    size = len(row.clear) + CONTEXT_BYTES
                    assert abs(size / designs.CONTEXT_BYTES - 1.0) < 0.05
                else:
                    assert isinstance(row.clear, Payload)
                    size = len(schema.pack(row.clear))
                long = renamed(part.newest[turn]).turn if turn in part.newest else turn
                sealed = {schema.BODY: {"B": bytes(designs.sealed_bytes(size))}}
                expiry = {schema.EXPIRES_AT: {"N": str(EXPIRES_AT_S)}}
                whole = schema.payload_key(long, ref) | sealed | expiry
                assert row.size_bytes == capacity.item_bytes(whole)
    assert len(kinds) == 5


def test_longer_texts_count_for_rows_and_limits() -> None:
    def put(text_bytes: int) -> Usage:
        loop, tables, handling = alone()
        vault = PayloadPort(handling, text_bytes)

        async def main() -> None:
            key = await vault.new_key(TURN)
            payload = Payload(TURN, PayloadRef(PayloadKind.REPLY, "1"), ("zq",), EXPIRES_S)
            await vault.put(key, payload)
            await vault.get(key, TURN, [payload.ref, payload.ref])

        loop.run(main())
        return tables.used

    own = ROW_BYTES + len("reply") + len('["","zq"]')
    assert put(1_024 - own).payload_wcu == 1
    assert put(1_025 - own).payload_wcu == 2
    assert put(4_096 - own).payload_rcu == 1
    used = put(4_097 - own)
    assert (used.payload_wcu, used.payload_rcu) == (5, 2)
    assert (used.written_bytes, used.returned_bytes) == (4_097, 4_097), "one row, asked for twice"
    assert (used.requests, used.kms_requests, used.status_wcu, used.status_rcu) == (2, 1, 0, 0)
    put(PAYLOAD_BYTES_MAX - len('["","zq"]'))
    with pytest.raises(LimitExceeded, match="PAYLOAD_BYTES_MAX"):
        put(PAYLOAD_BYTES_MAX - len('["","zq"]') + 1)


def test_a_second_of_large_payloads_is_what_a_partition_takes() -> None:
    """Rows of 8 KiB and a bit take 9 units each: 111 of them at once, of 1,000; the 112th waits.
    The status table has a partition of its own."""
    loop, tables, handling = alone()
    vault, store = PayloadPort(handling), StatusPort(handling)

    async def main() -> None:
        key = await vault.new_key(TURN)

        async def put(number: int) -> None:
            ref = PayloadRef(PayloadKind.SCREEN, str(number))
            await vault.put_blob(key, TURN, ref, bytes(8_192), EXPIRES_S)

        for number in range(111):
            await put(number)
        assert (tables.throttled, loop.time()) == (0, 0.0)
        await store.open_key(TURN, key, EXPIRES_S)
        assert tables.throttled == 0
        await put(111)

    loop.run(main())
    assert tables.throttled >= 1
    assert 0.008 <= loop.time() < 0.5, "9 units less the one that was left are 8 ms"
    assert (tables.used.payload_wcu, tables.used.status_wcu) == (112 * 9, 1)
    assert tables.used.requests == 113 + tables.throttled


def test_a_load_spike_throttles_both_tables() -> None:
    loop, tables, handling = alone(Fault(FaultKind.LOAD_SPIKE, ms=1_000.0))
    vault, store = PayloadPort(handling), StatusPort(handling)

    async def main() -> None:
        key = await vault.new_key(TURN)
        with pytest.raises(StoreUnavailable):
            await store.open_key(TURN, key, EXPIRES_S)
        assert tables.throttled == tables.requests == ATTEMPTS_MAX
        with pytest.raises(StoreUnavailable):
            await vault.put_blob(key, TURN, PayloadRef(PayloadKind.REPLY, "1"), b"x", EXPIRES_S)
        assert tables.throttled == tables.requests > ATTEMPTS_MAX
        await asyncio.sleep(1.0)
        await store.open_key(TURN, key, EXPIRES_S)
        assert tables.throttled < tables.requests

    loop.run(main())


def test_an_update_counts_the_larger_of_before_and_after() -> None:
    loop, tables, handling = alone()
    store, seen = StatusPort(handling), list[tuple[float, int]]()

    async def main() -> None:
        await store.open_key(TURN, b"key", EXPIRES_S)
        for number in range(9):
            mark = Mark("SpeechSynthesizer.SpeechFinished", START_MS)
            await store.record(Event(EventKey(TURN, f"e{number}"), "", mark, None, None), EXPIRES_S)
            seen.append((tables.used.status_wcu, tables.partition("c0").sizes[TURN]))
        await store.settle(TURN, Outcome.DISCARDED, owner=None)

    loop.run(main())
    units = [after[0] - before[0] for before, after in pairwise(seen)]
    sizes = [after[1] for after in seen[1:]]
    assert units == [1 if size <= 1_024 else 2 for size in sizes]
    assert sizes[-2] <= 1_024 < sizes[-1], "the last event makes it two"
    assert tables.used.status_wcu == seen[-1][0] + 2, "the key is gone; it was there before"
    assert tables.units[WCU_PER_S] == {0: tables.used.status_wcu}
    assert tables.partition("c0").sizes[TURN] < 1_024


def alone(*faults: Fault) -> tuple[VirtualLoop, Tables, Handling]:
    """Tables that answer at once, and one handling."""
    loop, coverage = VirtualLoop(), Coverage()
    watch = Watch(loop, coverage)
    tables = Tables(MemoryEventStore, loop, Latencies.none(), watch, coverage, faults=faults)
    node = Node(0, 0, NodeClock(loop))
    return loop, tables, Handling(tables, node, "c0", "d0t1.reply", Luck(0).stream(0))


# ---------------------------------------------------------------- the end of rows


def test_the_sweeper_of_the_tables_comes_late_and_leaves_nothing() -> None:
    loop, coverage = VirtualLoop(), Coverage()
    late = Fault(FaultKind.LATE_TTL, ms=5_000.0)
    watch = Watch(loop, coverage)
    tables = Tables(MemoryEventStore, loop, Latencies.none(), watch, coverage, faults=(late,))
    node = Node(0, 0, NodeClock(loop))
    handling = Handling(tables, node, "c0", "d0t1.reply", Luck(0).stream(0))
    store, vault = StatusPort(handling), PayloadPort(handling)

    async def main() -> list[object]:
        key = await vault.new_key(TURN)
        await store.open_key(TURN, key, EXPIRES_S)
        await vault.put_blob(key, TURN, PayloadRef(PayloadKind.REPLY, "1"), b"x", EXPIRES_S)
        part, seen = tables.partition("c0"), list[object]()
        for until_s in (3_590.0, 3_600.0, 3_604.9, 3_605.1):
            await asyncio.sleep(until_s - loop.time())
            seen.append((await store.read(TURN) is not None, len(part.items), len(part.rows)))
        return seen

    gone, unseen = (False, 0, 0), (False, 1, 1)
    assert loop.run(main()) == [(True, 1, 1), unseen, unseen, gone]
    assert coverage.counts["fault: late ttl"] == 1
    assert not watch.found
