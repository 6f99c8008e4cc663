"""The cost formula against a server that counts as AWS does, to the unit; and the alternatives.

dynalite counts capacity, moto does not. KMS is moto's in both cases.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count

import pytest
from servers import dynalite, endpoint, moto

from ctxasr.app import SystemClock
from ctxasr.evaluate.costs.alternatives import Attributes, Blob
from ctxasr.evaluate.costs.capacity import KB, Step, item_bytes
from ctxasr.evaluate.costs.comparing import compare, with_measured
from ctxasr.evaluate.costs.designs import (
    BLOB_REF,
    PAYLOAD_PREFIX,
    Design,
    Shape,
    attribute_of,
    blob_read,
    events_of,
    turn_key,
)
from ctxasr.evaluate.costs.measuring import Measurement, measure
from ctxasr.evaluate.costs.metering import Meter, Metered
from ctxasr.evaluate.costs.money import Workload
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.costs.programs import Place
from ctxasr.evaluate.costs.walks import walk
from ctxasr.events import Event
from ctxasr.store import schema
from ctxasr.store.clients import KEY_ALIAS, Endpoint, clients
from ctxasr.store.local import ensure_key, ensure_tables
from ctxasr.store.schema import Tables


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, Endpoint]]:
    """dynalite's URL, and moto."""
    with dynalite() as dynamodb, moto() as kms:
        yield dynamodb, kms


def utterance_row_bytes(shape: Shape) -> int:
    """The size of the first payload's row, by formula."""
    ledger = walk(Design.TWO_TABLES, shape, asks=True)
    rows = [item for place, item in ledger.items.items() if "#utterance#" in place[1][1]]
    return item_bytes(rows[0])


def edge() -> int:
    """Payload bytes at which an utterance's row is one KB to the byte."""
    return KB - utterance_row_bytes(Shape(payload_bytes=0))


async def test_measured_capacity_equals_the_formula_to_the_unit(
    places: tuple[str, Endpoint],
) -> None:
    assert utterance_row_bytes(Shape(payload_bytes=edge())) == KB
    shapes = [
        Shape(payload_bytes=0, recorders=1),
        Shape(payload_bytes=200),
        Shape(payload_bytes=edge(), recorders=1),
        Shape(payload_bytes=edge() + 1, recorders=1),
        Shape(payload_bytes=2_048, recorders=2),
        Shape(payload_bytes=3_930, payloads=2, events=3),
        Shape(payload_bytes=8_192, payloads=5, events=12, recorders=3, context_bytes=20_000),
    ]
    found = await measure(endpoint(*places), "test", shapes, turns=0)
    assert not found.constant
    assert len(found.played) == len(shapes) * len(Design) * 4
    for one in found.played:
        for step in Step:
            what = (one.design, one.shape, one.asks, one.eager, step)
            assert one.units(one.measured, step) == one.units(one.formula, step), what
        calls = [sum(not each.is_kms for each in done) for done in (one.measured, one.formula)]
        assert calls[0] == calls[1]
        items = sum(each.sent_bytes + each.returned_bytes for each in one.formula)
        json_bytes_max = items * 4 / 3 + 1_200 * calls[0]  # base64, and expressions around it
        assert items < one.wire_bytes < json_bytes_max, one.to_json()
    at, over = (
        next(one for one in found.played if one.shape.payload_bytes == edge() + more)
        for more in (0, 1)
    )
    # One byte more: one unit more to write the utterance's row, and one more to delete it.
    assert over.units(over.measured)[0] - at.units(at.measured)[0] == 2
    assert found.agrees
    async with clients(endpoint(*places)) as (dynamodb, _):
        assert (await dynamodb.list_tables())["TableNames"] == [], "they were removed"


async def test_constant_capacity_is_not_called_a_measurement(places: tuple[str, Endpoint]) -> None:
    shape = Shape(payload_bytes=100)
    found = await measure(places[1], "test", [shape], turns=2)
    assert found.constant
    assert not found.agrees
    document = found.to_json()
    assert document["capacity_measured"] is False
    assert document["equals_formula"] is None
    assert document["turns"] == []
    medians = document["client_cpu_ms_per_event"]
    assert [one["n"] for one in medians] == [4] * len(Design)
    assert all(0 < one["low"] <= one["value"] <= one["high"] for one in medians)
    check_measured_cpu_is_used(found, shape)


def check_measured_cpu_is_used(found: Measurement, shape: Shape) -> None:
    load = with_measured(Workload(rate=1.0, follow_up_share=0.0), found, None)
    rows = compare([shape], load, Prices(), measurement=found)["costs"]
    for design in Design:
        (row,) = (
            one for one in rows if one["design"] == design.value and one["embedding"] == "lazy"
        )
        recording_ms = found.cpu_ms_per_event[design, 100].value_ms * shape.events
        assert row["client_cpu_ms"] >= recording_ms


# ---------------------------------------------------------------- what ours is compared with


@pytest.fixture
async def served(places: tuple[str, Endpoint]) -> AsyncIterator[Place]:
    tables, meter = Tables.named("alternatives"), Meter()
    async with clients(endpoint(*places)) as (dynamodb, kms):
        await ensure_tables(dynamodb, tables)
        await ensure_key(kms)
        metered = Metered(dynamodb, meter), Metered(kms, meter)
        yield Place(*metered, tables, KEY_ALIAS, SystemClock(), meter)


numbers = count(1_000)


def shuffled(shape: Shape) -> list[Event]:
    """All events of a fresh turn, each twice, in any order."""
    events = events_of(shape, turn_key(next(numbers)), asks=False)
    both = [*events, *events]
    random.Random(7).shuffle(both)
    return both


@pytest.mark.parametrize("design", [Blob, Attributes])
async def test_the_alternatives_count_each_event_once_in_any_order_and_at_once(
    served: Place, design: type[Blob] | type[Attributes]
) -> None:
    shape = replace(Shape(payload_bytes=50), recorders=3)
    program, events = design(served, shape), shuffled(shape)
    turn = events[0].key.turn

    async def deliver(index: int, event: Event) -> None:
        recorder = program.recorders[index % 3]
        await program.event(event, recorder, embeds=False, ends=None)

    await asyncio.gather(*(deliver(index, event) for index, event in enumerate(events)))
    item = await program.get(schema.status_key(turn))
    assert item is not None
    key = await program.unwrap(program.reader, turn, bytes(item[schema.KEY]["B"]))
    wanted = {event.key.event: str(event.mark) for event in events}
    payloads = {event.payload.ref: event.payload for event in events if event.payload is not None}
    if isinstance(program, Blob):
        marks, texts = blob_read(program.unseal(key, turn, BLOB_REF, item[schema.BODY]["B"]))
        assert marks == wanted
        assert set(texts) == set(map(str, payloads))
        return
    status = schema.to_status(item)
    assert {name: str(mark) for name, mark in status.marks.items()} == wanted
    assert len([name for name in item if name.startswith(PAYLOAD_PREFIX)]) == len(payloads)
    for ref, payload in payloads.items():
        clear = program.unseal(key, turn, ref, item[attribute_of(ref)]["B"])
        assert clear == schema.pack(payload)


@pytest.mark.parametrize("design", [Blob, Attributes])
async def test_a_discarded_turn_leaves_no_text_in_the_alternatives(
    served: Place, design: type[Blob] | type[Attributes]
) -> None:
    shape = Shape(payload_bytes=500, recorders=1)
    program, turn = design(served, shape), turn_key(next(numbers))
    await program.play(turn, asks=False, eager=True)
    item = await program.get(schema.status_key(turn))
    assert item is not None
    assert item[schema.OUTCOME] == {"S": "discarded"}
    assert item_bytes(item) < 3 * 500, "the three texts are gone"
