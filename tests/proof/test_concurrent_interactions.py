"""Many interactions at once, shuffled, duplicated, over a network that loses and throttles.

Four recorders, each with clients and a vault of its own, share the deliveries. One half of the
interactions gets its events one after the other, so that the order decides the outcome; the other
half gets them all at once. A delivery that is not acknowledged comes again, to any recorder.
Then the sweep closes what no event closed, and both tables are read raw.

A turn whose embedding met nothing but faults, four attempts long, is settled as missed: that is
allowed where the telemetry says so, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pytest
from conftest import Encoder, Spy
from threats.canaries import Found, find_canaries

from ctxasr.errors import StoreUnavailable
from ctxasr.events import Outcome, PayloadKind, Record, TurnKey
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.ports import ContextEncoder
from ctxasr.store.clients import clients
from ctxasr.store.faults import FaultPlan

from .interactions import (
    CANARIES,
    SWEPT_AT_MS,
    Interaction,
    Kind,
    check,
    draw,
    dump,
    recorder,
    served,
    set_up,
    table,
)

SEED: Final = 400
RECORDERS: Final = 4
CUSTOMERS: Final = 40
LOST: Final = 0.05
THROTTLED: Final = 0.05
DUPLICATED: Final = 0.25

DELIVERIES_MAX: Final = 8
"""Of one event; four attempts a request fail together once in ten thousand times."""

LOG_BYTES: Final = 4_000_000
"""Logs are looked through in pieces of this size."""


class Listener(logging.Handler):
    """Looks for texts in everything that is logged, and keeps none of it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.heard_bytes = 0
        self.found: list[Found] = []
        self._lines: list[bytes] = []
        self._waiting_bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode()
        self._lines.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes > LOG_BYTES:
            self.look()

    def look(self) -> None:
        self.found += find_canaries(b"\n".join(self._lines), CANARIES)
        self.heard_bytes += self._waiting_bytes
        self._lines, self._waiting_bytes = [], 0


@contextmanager
def listening() -> Iterator[Listener]:
    """To every logger, at DEBUG, and nobody else listens: the test runner would keep it all."""
    listener, root = Listener(), logging.getLogger()
    level, handlers = root.level, root.handlers
    root.setLevel(logging.DEBUG)
    root.handlers = [listener]
    try:
        yield listener
    finally:
        root.handlers = handlers
        root.setLevel(level)
        listener.look()


@dataclass
class Deliveries:
    """What happened on the way."""

    took_ms: list[float] = field(default_factory=list)
    acknowledged: dict[TurnKey, set[str]] = field(default_factory=dict)
    attempts: Counter[tuple[TurnKey, str]] = field(default_factory=Counter)
    """Deliveries of each event, acknowledged or not."""
    again: Counter[TurnKey] = field(default_factory=Counter)
    """Deliveries that were not acknowledged."""
    heard: Spy = field(default_factory=Spy)

    @property
    def computed(self) -> Counter[TurnKey]:
        """How often an embedding was begun."""
        return Counter(turn for name, turn, _ in self.heard.said if name == "embed")

    @property
    def settled(self) -> dict[TurnKey, set[str]]:
        """With which outcomes each turn was seen to be settled, by whoever embedded it."""
        found: dict[TurnKey, set[str]] = {}
        for name, turn, facts in self.heard.said:
            if name == "settled":
                found.setdefault(turn, set()).add(facts["outcome"])
        return found

    @property
    def gave_up(self) -> set[TurnKey]:
        """Turns whose embedding got no answer from the store, attempt after attempt."""
        missed = [
            (turn, facts["cause"]) for name, turn, facts in self.heard.said if name == "missed"
        ]
        return {turn for turn, cause in missed if cause == StoreUnavailable.__name__}


async def deliver(
    record: Record, turn: TurnKey, recorders: list[Ports], reader: Ports, log: Deliveries
) -> None:
    """Until it is acknowledged, each time by another recorder; from then on `reader` sees it."""
    event_id = record.message.message.header.message_id
    choice = random.Random(f"{SEED} {turn} {event_id}")
    for _ in range(DELIVERIES_MAX):
        began_s = time.perf_counter()
        log.attempts[turn, event_id] += 1
        try:
            await on_event(record, choice.choice(recorders))
        except StoreUnavailable:
            log.again[turn] += 1
            continue
        finally:
            log.took_ms.append((time.perf_counter() - began_s) * 1_000.0)
        seen = await reader.store.read(turn)
        assert seen is not None, f"{turn}: lost as a whole"
        assert event_id in seen.marks, f"{turn}: {event_id} was acknowledged and is not there"
        log.acknowledged.setdefault(turn, set()).add(event_id)
        return
    raise AssertionError(f"{turn}: {event_id} was not acknowledged in {DELIVERIES_MAX} deliveries")


async def take_place(
    interaction: Interaction, recorders: list[Ports], reader: Ports, log: Deliveries
) -> None:
    """All deliveries of one interaction."""
    turn = interaction.turn
    if ordered(interaction):
        for record in interaction.deliveries:
            await deliver(record, turn, recorders, reader, log)
        return
    async with asyncio.TaskGroup() as group:
        for record in interaction.deliveries:
            group.create_task(deliver(record, turn, recorders, reader, log))


def ordered(interaction: Interaction) -> bool:
    """Whether its events come one after the other; the other half's come all at once."""
    return int(interaction.turn.interaction.rpartition("-")[2]) % 2 == 0


async def swept(customer: str, ports: Ports) -> None:
    """The sweep is repeated until it comes through, as its schedule does."""
    for _ in range(DELIVERIES_MAX):
        try:
            await sweep(customer, ports)
        except StoreUnavailable:
            continue
        assert await sweep(customer, ports) == 0, "nothing is left to be settled"
        return
    raise AssertionError(f"no sweep of {customer} came through")


async def prove(name: str, count: int, encoders: Sequence[ContextEncoder]) -> None:
    """Let `count` interactions take place at once, and look at what is left of them."""
    turns = [TurnKey(f"customer-{n % CUSTOMERS}", f"turn-{n}") for n in range(count)]
    interactions = [draw(f"{SEED} {turn}", turn, duplicated=DUPLICATED) for turn in turns]
    plan, log = FaultPlan(SEED, LOST, THROTTLED), Deliveries()
    with served(name) as endpoint, listening() as logs:
        async with AsyncExitStack() as stack:
            sound = await stack.enter_async_context(clients(endpoint))
            await set_up(sound)
            opened = [
                await stack.enter_async_context(clients(endpoint, faults=plan))
                for _ in range(RECORDERS)
            ]
            recorders = [
                replace(
                    recorder(one, f"recorder-{n}", encoder=encoders[n % len(encoders)]),
                    telemetry=log.heard,
                )
                for n, one in enumerate(opened)
            ]
            reader = recorder(sound, "reader")
            began_s = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for interaction in interactions:
                    group.create_task(take_place(interaction, recorders, reader, log))
            took_s = time.perf_counter() - began_s
            unsettled = {
                key for key, item in (await dump(sound.dynamodb)).status.items()
                if "outcome" not in item and not key[1].startswith("link#")
            }  # fmt: skip
            wanted = {one.turn for one in interactions if one.kind in (Kind.LACKS, Kind.STOPS)}
            assert unsettled == {(turn.customer, turn.interaction) for turn in wanted}
            late = recorder(opened[0], "sweep", after_ms=SWEPT_AT_MS)
            for customer in sorted({turn.customer for turn in turns}):
                await swept(customer, late)
            dumped = await dump(sound.dynamodb)
            outcomes: Counter[str] = Counter()
            left, gave_up, settled, computed = 0, log.gave_up, log.settled, log.computed
            for one in interactions:
                allowed = {one.expected} if ordered(one) else set(one.possible)
                if one.turn in gave_up and Outcome.EMBEDDED in allowed:
                    allowed.add(Outcome.MISSED)
                found = await check(
                    one, dumped, reader, allowed, acknowledged=log.acknowledged[one.turn]
                )
                assert found.left == 0 or log.again[one.turn], f"{one.turn} left rows behind"
                # Whoever owns the claim computes, once a delivery at most, and nobody else.
                most = log.attempts[one.turn, found.owner or ""]
                assert computed[one.turn] <= most, f"{one.turn} was computed too often"
                told = settled.get(one.turn, set())
                assert told <= {found.outcome.value}, f"{one.turn} was settled as {sorted(told)}"
                if found.owner is not None and not log.again[one.turn]:
                    assert told, f"{one.turn}: nobody said how it was settled"
                left += found.left
                outcomes[f"{one.kind}: {found.outcome}"] += 1
    assert outcomes.total() == count
    contexts = sum(f"#{PayloadKind.CONTEXT}#" in sort for _, sort in dumped.payload)
    embedded = sum(n for key, n in outcomes.items() if key.endswith(Outcome.EMBEDDED))
    assert embedded <= contexts <= embedded + left
    links = sum(sort.startswith("link#") for _, sort in dumped.status)
    assert len(dumped.status) == count + links, "a status item that belongs to no turn"
    assert find_canaries(bytes(dumped), CANARIES) == []
    assert logs.heard_bytes > 1_000 * count, "the logs were listened to"
    assert logs.found == []
    show(name, interactions, plan, log, outcomes, took_s, logs.heard_bytes, left,
         rows=len(dumped.status) + len(dumped.payload))  # fmt: skip


def show(
    name: str,
    interactions: list[Interaction],
    plan: FaultPlan,
    log: Deliveries,
    outcomes: Counter[str],
    took_s: float,
    logs_bytes: int,
    left: int,
    *,
    rows: int,
) -> None:
    events = sum(len(one.event_ids) for one in interactions)
    deliveries = sum(len(one.deliveries) for one in interactions)
    p50, p99 = np.percentile(log.took_ms, [50, 99])
    table(
        f"{len(interactions)} interactions at once on {name}, seed {SEED}, {RECORDERS} recorders",
        {
            "events": f"{events} in {deliveries} deliveries, all acknowledged, none lost",
            "requests": f"{plan.counts.total()} by fault: "
            + ", ".join(f"{fault} {n}" for fault, n in sorted(plan.counts.items())),
            "delivered again": f"{log.again.total()} not acknowledged at first",
            "settled once": outcomes,
            "embeddings": f"{log.computed.total()} begun for {len(log.computed)} turns, "
            f"{len(log.gave_up)} turns given up for want of an answer",
            "rows": f"{rows}, {left} of them payloads that no status item refers to",
            "plaintext": f"none in the rows, none in {logs_bytes / 1e6:.0f} MB of logs at DEBUG",
            "time": f"{took_s:.1f} s; on_event p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
            f"n = {len(log.took_ms)}",
        },
    )


@pytest.mark.parametrize("name", ["moto", "dynalite"])
async def test_a_few_interactions_at_once(name: str) -> None:
    await prove(name, 20, [Encoder()])


@pytest.mark.proof
@pytest.mark.parametrize("name", ["moto", "dynalite"])
async def test_400_interactions_at_once(name: str) -> None:
    """One recorder in four has the shipped encoder, the others a double that needs no time."""
    from ctxasr.app import default_encoder

    await prove(name, 400, [default_encoder(), Encoder(), Encoder(), Encoder()])
