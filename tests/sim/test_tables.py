"""The tables under concurrency: consistent reads are linearizable, eventual ones lag behind."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from ctxasr.events import Event, EventKey, Mark, PayloadKind, PayloadRef, TurnKey
from ctxasr.sim.coverage import Coverage
from ctxasr.sim.faults import Fault, FaultKind
from ctxasr.sim.latency import Latencies
from ctxasr.sim.loop import VirtualLoop
from ctxasr.sim.luck import Luck
from ctxasr.sim.nodes import Node, NodeClock
from ctxasr.sim.plan import START_MS
from ctxasr.sim.requests import Handling
from ctxasr.sim.status import StatusPort
from ctxasr.sim.tables import Tables
from ctxasr.sim.vault import PayloadPort
from ctxasr.sim.watch import Watch
from ctxasr.store.memory import MemoryEventStore

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
    tables = Tables(
        MemoryEventStore, loop, Latencies(), watch, coverage, seed=seed, consistent=consistent
    )
    seen: list[Seen] = []

    async def work(number: int) -> None:
        node = Node(number, 0, NodeClock(loop))
        handling = Handling(tables, node, "c0", "d0t1.reply", Luck(seed).stream(number))
        port = StatusPort(handling)
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
