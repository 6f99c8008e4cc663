"""Plays turns of each design against an endpoint: consumed capacity, bytes and CPU, beside the
formula.

    measurement = await measure(endpoint, "ctxasr", [Shape(payload_bytes=2048)], turns=20)

Capacity is the same each time, CPU is not: it is taken over `turns` turns of each kind, the designs
in turn about, and given as a median with its 95% interval. The server has to be another process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import count, product
from typing import Any, Final

import numpy as np

from ctxasr.app import SystemClock, default_encoder
from ctxasr.context import extend
from ctxasr.errors import LimitExceeded
from ctxasr.evaluate.costs.alternatives import Attributes, Blob
from ctxasr.evaluate.costs.capacity import Operation, Step
from ctxasr.evaluate.costs.designs import Design, Shape, text, turn_key
from ctxasr.evaluate.costs.metering import Meter, Metered, wire_counted
from ctxasr.evaluate.costs.programs import LeftToTtl, Place, Program, TwoTables
from ctxasr.evaluate.costs.walks import walk
from ctxasr.evaluate.metrics import CONFIDENCE, RESAMPLES
from ctxasr.events import Entity, TurnText
from ctxasr.store import schema
from ctxasr.store.clients import KEY_ALIAS, Clients, Endpoint, clients
from ctxasr.store.local import ensure_key, ensure_tables
from ctxasr.store.schema import Tables

TURNS_MAX: Final = 1_000
"""Turns of each design and kind; more would only narrow the intervals."""

WARM_UP: Final = 2
"""Turns of each design that are not counted: connections open, caches fill."""

LIFE_S: Final = 3_600
"""Until the rows of a measurement expire, should they not be removed."""

PROGRAMS: Final[dict[Design, type[Program]]] = {
    Design.TWO_TABLES: TwoTables,
    Design.LEFT_TO_TTL: LeftToTtl,
    Design.BLOB: Blob,
    Design.ATTRIBUTES: Attributes,
}

NAMES: Final = ("Meg Jones", "Meg Bauer", "Greg Baker", "Meghan Jonas", "Peg Bower")


@dataclass(frozen=True, slots=True)
class Median:
    """A median of `n` values in milliseconds, and its 95% interval."""

    value_ms: float
    low_ms: float
    high_ms: float
    n: int

    @classmethod
    def of(cls, values_ms: Sequence[float], seed: int = 7) -> Median:
        """By bootstrap (percentiles), seeded."""
        values = np.asarray(values_ms)
        drawn = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values)))
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(np.median(drawn, axis=1), [tail, 100 - tail])
        return cls(float(np.median(values)), float(low), float(high), len(values))

    def to_json(self) -> dict[str, float]:
        return {"value": self.value_ms, "low": self.low_ms, "high": self.high_ms, "n": self.n}


@dataclass(frozen=True, slots=True)
class Played:
    """One kind of turn, as the server counted it and by formula."""

    design: Design
    shape: Shape
    asks: bool
    eager: bool
    measured: tuple[Operation, ...]
    formula: tuple[Operation, ...]
    wire_bytes: int

    def units(self, operations: Sequence[Operation], *steps: Step) -> tuple[int, float, int]:
        """Write units, read units and KMS requests, of all steps or of some."""
        chosen = [one for one in operations if not steps or one.step in steps]
        return (
            sum(one.write_units for one in chosen),
            sum(one.read_units for one in chosen),
            sum(one.is_kms for one in chosen),
        )

    @property
    def agrees(self) -> bool:
        """Measured and formula are equal, to the unit, in every step."""
        return all(
            self.units(self.measured, step) == self.units(self.formula, step) for step in Step
        )

    def to_json(self) -> dict[str, Any]:
        writes, reads, kms = self.units(self.measured)
        formula = self.units(self.formula)
        moved = sum(one.sent_bytes + one.returned_bytes for one in self.formula)
        return {
            "design": self.design.value,
            "payload_bytes": self.shape.payload_bytes,
            "asks": self.asks,
            "embedding": "eager" if self.eager else "lazy",
            "measured": {
                "write_units": writes, "read_units": reads, "kms_requests": kms,
                "json_bytes": self.wire_bytes,
            },
            "formula": {
                "write_units": formula[0], "read_units": formula[1], "kms_requests": formula[2],
                "item_bytes": moved,
            },
            "equal": self.agrees,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """`constant` servers charge the same for an item of any size: theirs is no measurement."""

    endpoint: str
    constant: bool
    played: tuple[Played, ...]
    cpu_ms_per_event: dict[tuple[Design, int], Median]

    @property
    def agrees(self) -> bool:
        return not self.constant and all(one.agrees for one in self.played)

    def to_json(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "capacity_measured": not self.constant,
            "equals_formula": None if self.constant else self.agrees,
            "turns": [] if self.constant else [one.to_json() for one in self.played],
            "client_cpu_ms_per_event": [
                {"design": design.value, "payload_bytes": size, **median.to_json()}
                for (design, size), median in self.cpu_ms_per_event.items()
            ],
        }


async def measure(
    endpoint: Endpoint,
    name: str,
    shapes: Sequence[Shape],
    *,
    turns: int = 20,
    key_id: str = KEY_ALIAS,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Play turns in two tables that begin with `name`, made for this and removed afterwards.

    The KMS key `key_id` is made if there is none, and stays.

    CPU is measured over `turns` turns of each design that ask and as many that do not; with 0 it
    is left out.

    Raises:
        StoreUnavailable: DynamoDB or KMS at the endpoint does not answer.
        LimitExceeded: an item of one of the designs would be too large; more than TURNS_MAX turns.
    """
    if not 0 <= turns <= TURNS_MAX:
        raise LimitExceeded("TURNS_MAX", TURNS_MAX, turns, "turns, which are 0 or more")
    for design, shape in product(Design, shapes):  # before anything is written
        walk(design, shape, asks=True, eager=True)
    tables = Tables.named(name)
    async with clients(endpoint) as opened:
        await ensure_key(opened.kms, key_id)
        try:
            await ensure_tables(opened.dynamodb, tables)
            return await _measure(opened, str(endpoint), tables, key_id, shapes, turns, progress)
        finally:
            for table in (tables.status, tables.payload):
                with suppress(opened.dynamodb.exceptions.ResourceNotFoundException):
                    await opened.dynamodb.delete_table(TableName=table)


async def _measure(
    opened: Clients,
    name: str,
    tables: Tables,
    key_id: str,
    shapes: Sequence[Shape],
    turns: int,
    progress: Callable[[int, int], None] | None,
) -> Measurement:
    meter, numbers = Meter(), count(1)
    dynamodb, kms = Metered(opened.dynamodb, meter), Metered(opened.kms, meter)
    place = Place(dynamodb, kms, tables, key_id, SystemClock(), meter)
    constant = await _is_constant(place, numbers)
    fresh = await opened.kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    expires_at_s = int(time.time()) + LIFE_S
    played: list[Played] = []
    cpu_ms: dict[tuple[Design, int], list[float]] = {}
    with ExitStack() as stack:
        stack.enter_context(wire_counted(opened.dynamodb, meter))
        for number, given in enumerate(shapes):
            shape = replace(
                given, wrapped_key_bytes=len(fresh["CiphertextBlob"]), expires_at_s=expires_at_s
            )
            programs = {design: PROGRAMS[design](place, shape) for design in Design}
            for design, asks, eager in product(Design, (False, True), (False, True)):
                meter.clear()
                turn = turn_key(next(numbers))
                await programs[design].play(turn, asks=asks, eager=eager)
                formula = walk(design, shape, asks=asks, eager=eager).operations
                measured, wire_bytes = tuple(meter.operations), meter.wire_bytes
                played.append(
                    Played(design, shape, asks, eager, measured, tuple(formula), wire_bytes)
                )
            for _, design, asks in _rounds(turns):
                meter.clear()
                await programs[design].play(turn_key(next(numbers)), asks=asks, eager=False)
                spent_ms = meter.cpu_s[Step.RECORD] * 1_000.0 / shape.events
                cpu_ms.setdefault((design, given.payload_bytes), []).append(spent_ms)
            if progress is not None:
                progress(number + 1, len(shapes))
    skipped = WARM_UP * 2
    medians = {what: Median.of(values[skipped:]) for what, values in cpu_ms.items()}
    return Measurement(name, constant, tuple(played), medians)


def _rounds(turns: int) -> Iterator[tuple[int, Design, bool]]:
    """The designs in turn about: what slows the machine down for a while slows all of them."""
    return product(range(turns + WARM_UP if turns else 0), Design, (False, True))


async def _is_constant(place: Place, numbers: Iterator[int]) -> bool:
    """Whether a large item costs as much as a small one, as with moto."""
    consumed = []
    for length in (1, 3_000):
        place.meter.clear()
        key = schema.status_key(turn_key(next(numbers)))
        item = {**key, schema.TURN: text("x" * length)}
        await place.dynamodb.put_item(TableName=place.tables.status, Item=item)
        consumed.append(place.meter.total(lambda one: one.write_units))
    return consumed[0] == consumed[1]


async def encoder_cpu_ms(n: int = 30) -> Median:
    """CPU of one embedding by the shipped encoder, with the phrases' rows and the packing.

    The turn is the README's: an utterance, a reply and five names. Loading is not counted.
    """
    encoder = default_encoder()
    said = TurnText(
        "call meg",
        "Do you mean Meg Jones or Meg Bauer?",
        tuple(Entity("contact", name) for name in NAMES),
    )
    spent_ms = []
    for round_ in range(n + WARM_UP):
        began_s = time.process_time()
        (await extend(said, None, encoder)).to_bytes()
        if round_ >= WARM_UP:
            spent_ms.append((time.process_time() - began_s) * 1_000.0)
    return Median.of(spent_ms)
