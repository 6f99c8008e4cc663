"""The whole comparison as one document: what `ctxasr costs --json` prints and the table is made of.

document = compare([Shape(payload_bytes=2048)], Workload(rate=1653), Prices())
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ctxasr.errors import LimitExceeded
from ctxasr.evaluate.costs.capacity import Operation, Step
from ctxasr.evaluate.costs.designs import CONTEXT_BYTES, Design, Shape
from ctxasr.evaluate.costs.money import (
    CPU_MS_PER_REQUEST,
    CPU_SOURCE,
    MONTH_S,
    TTL_LAG_S,
    WEEK_S,
    Workload,
    cheaper_from_bytes,
    cost_of,
    eager_equals_lazy_at,
    equal_at_share,
)
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.costs.walks import walk

if TYPE_CHECKING:  # measuring loads aioboto3's adapters and numpy
    from ctxasr.evaluate.costs.measuring import Measurement, Median

PAYLOAD_SIZES_MAX: Final = 16
"""Payload sizes in one comparison: each is a table."""

FORMULA: Final = (
    "a write: 1 unit for each started KB of the larger of the item before and after",
    "a consistent read: 1 unit for each started 4 KB of each item; half for an eventual one",
    "a turn: follow-up share x turn that asks + (1 - share) x turn that is discarded",
    "money: units x price, KMS requests, storage until TTL, Lambda time and requests, SQS",
)

_OURS: Final = (Design.TWO_TABLES, Design.LEFT_TO_TTL)
_OTHERS: Final = (Design.BLOB, Design.ATTRIBUTES)


def compare(
    shapes: Sequence[Shape],
    load: Workload,
    prices: Prices,
    *,
    measurement: Measurement | None = None,
    encoder: Median | None = None,
) -> dict[str, Any]:
    """Costs of all designs, lazy and eager, at each shape's payload size, and all break-evens.

    `encoder` is the measured CPU time that `load.encoder_cpu_ms` came from.

    Raises:
        LimitExceeded: more than PAYLOAD_SIZES_MAX shapes.
    """
    if len(shapes) > PAYLOAD_SIZES_MAX:
        raise LimitExceeded("PAYLOAD_SIZES_MAX", PAYLOAD_SIZES_MAX, len(shapes), "payload sizes")
    first = shapes[0]
    return {
        "interactions_per_s": load.rate,
        "interactions_per_week": load.rate * WEEK_S,
        "interactions_per_month": load.rate * MONTH_S,
        "follow_up_share": load.follow_up_share,
        "events": first.events,
        "payloads": first.payloads,
        "recorders": first.processes,
        "assumptions": _assumptions(first, load, encoder),
        "prices": prices.to_json(),
        "designs": {design.value: design.description for design in Design},
        "formula": list(FORMULA),
        "costs": [row for shape in shapes for row in _rows(shape, load, prices)],
        "eager_or_lazy": [row for shape in shapes for row in _embedding(shape, load, prices)],
        "break_even": _crossings(shapes, load, prices),
        "measured": None if measurement is None else measurement.to_json(),
    }


def _assumptions(shape: Shape, load: Workload, encoder: Median | None) -> dict[str, Any]:
    return {
        "request_ms": load.request_ms,
        "recorder_memory_mb": load.recorder_memory_mb,
        "encoder_memory_mb": load.encoder_memory_mb,
        "batch": load.batch,
        "ttl_s": load.ttl_s,
        "ttl_lag_s": TTL_LAG_S,
        "context_bytes": shape.context_bytes,
        "context_bytes_source": "assumed; 5,872 measured 2026-11 with 4 phrases, 13,104 with 13"
        if shape.context_bytes == CONTEXT_BYTES
        else "given",
        "wrapped_key_bytes": shape.wrapped_key_bytes,
        "client_cpu_ms_per_request": CPU_MS_PER_REQUEST,
        "client_cpu_measured_here": bool(load.client_cpu_ms),
        "encoder_cpu_ms": load.encoder_cpu_ms,
        "encoder_cpu_measured_here": None if encoder is None else encoder.to_json(),
        "cpu_source_of_defaults": CPU_SOURCE,
    }


def _rows(shape: Shape, load: Workload, prices: Prices) -> Iterator[dict[str, Any]]:
    for design in Design:
        for eager in (False, True):
            row: dict[str, Any] = {
                "payload_bytes": shape.payload_bytes,
                "design": design.value,
                "embedding": "eager" if eager else "lazy",
            }
            try:
                cost = cost_of(design, shape, load, prices, eager=eager)
                asking = walk(design, shape, asks=True, eager=eager)
                reads = asking.total(_read_units), asking.total(_read_units, Step.FOLLOW_UP)
                row |= {"asking_read_units": reads[0], "follow_up_read_units": reads[1]}
                yield {**row, "fits": True, **cost.to_json(load)}
            except LimitExceeded as error:
                yield {**row, "fits": False, "why": str(error)}


def _read_units(operation: Operation) -> float:
    return operation.read_units


def _embedding(shape: Shape, load: Workload, prices: Prices) -> Iterator[dict[str, Any]]:
    for design in Design:
        try:
            lazy, eager = (
                cost_of(design, shape, load, prices, eager=eager).total_usd
                for eager in (False, True)
            )
            share, lazy_below = eager_equals_lazy_at(design, shape, load, prices)
        except LimitExceeded:
            continue
        yield {
            "payload_bytes": shape.payload_bytes,
            "design": design.value,
            "lazy_saves_usd_per_month": (eager - lazy) * load.rate * MONTH_S,
            "equal_at_follow_up_share": share,
            "lazy_cheaper_below": lazy_below,
        }


def _crossings(shapes: Sequence[Shape], load: Workload, prices: Prices) -> list[dict[str, Any]]:
    return [
        {
            "design": design.value,
            "other": other.value,
            "cheaper_from_payload_bytes": cheaper_from_bytes(
                design, other, shapes[0], load, prices
            ),
            "follow_up_shares": list(_shares(design, other, shapes, load, prices)),
        }
        for design in _OURS
        for other in _OTHERS
    ]


def _shares(
    design: Design, other: Design, shapes: Sequence[Shape], load: Workload, prices: Prices
) -> Iterator[dict[str, Any]]:
    for shape in shapes:
        share, below = equal_at_share(design, other, shape, load, prices)
        yield {
            "payload_bytes": shape.payload_bytes,
            "equal_at_follow_up_share": share,
            "cheaper_below": below,
        }


def with_measured(load: Workload, measurement: Measurement, encoder: Median | None) -> Workload:
    """The same load with this machine's CPU times."""
    medians = measurement.cpu_ms_per_event
    client = {place: median.value_ms for place, median in medians.items()}
    encoder_ms = load.encoder_cpu_ms if encoder is None else encoder.value_ms
    return replace(load, client_cpu_ms=client, encoder_cpu_ms=encoder_ms)
