"""What a turn costs under each design: capacity, bytes, CPU, money; where one overtakes another.

    turn     = follow-up share * turn that asks + (1 - share) * turn that is discarded
    writes   = write units * price, reads and KMS requests likewise
    storage  = (bytes + 100 an item) * time until TTL has deleted them * price
    Lambda   = requests, and memory * (request time * requests in a row + CPU time / share of a CPU)
    SQS      = one send an event, one receive and one delete a batch
    a month  = 730 hours

Capacity follows `ctxasr.evaluate.costs.capacity`, which a test holds against a server. Storing and
processing are the same for lazy and eager embedding but for the turns that do not ask: eager ones
are embedded as well, and what was embedded is deleted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.evaluate.costs.capacity import Operation, Step
from ctxasr.evaluate.costs.designs import Design, Shape
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.costs.walks import walk

MONTH_S: Final = 730 * 3_600
WEEK_S: Final = 7 * 86_400
RATE_MAX: Final = 1e9
"""Interactions a second: a million times a billion a week."""

CPU_MS_PER_REQUEST: Final = 0.8
ENCODER_CPU_MS: Final = 2.4
CPU_SOURCE: Final = (
    "measured 2026-11 on a two-core machine against dynalite: client 0.76 to 0.83 ms a request "
    "(40 turns of each design), encoder 2.3 ms [2.3, 2.4] an embedding (n = 30)"
)
"""Defaults; `--measure` takes the machine's own."""

VCPU_MB: Final = 1_769
"""Lambda gives this much memory one whole CPU, and less memory a share of one."""

TTL_LAG_S: Final = 2 * 86_400
"""AWS deletes expired items typically within two days."""

SQS_CHUNK_BYTES: Final = 65_536
SCAN_STEP_BYTES: Final = 64
SCAN_BYTES_MAX: Final = 16_384
"""Break-even is looked for up to here, in these steps: units are steps too."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How often, how large, and what the machines do. Rates are interactions a second.

    `client_cpu_ms` is measured CPU an event by design; without it CPU_MS_PER_REQUEST counts.

    Raises:
        InputError: a number is out of its range; LimitExceeded: a rate over RATE_MAX.
    """

    rate: float
    follow_up_share: float = 0.1
    request_ms: float = 5.0
    recorder_memory_mb: int = 512
    encoder_memory_mb: int = VCPU_MB
    batch: int = 10
    ttl_s: int = 3_600
    encoder_cpu_ms: float = ENCODER_CPU_MS
    client_cpu_ms: Mapping[tuple[Design, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rate > RATE_MAX:
            raise LimitExceeded("RATE_MAX", RATE_MAX, self.rate, "interactions a second")
        for what, value, good in (
            ("the rate", self.rate, 0 < self.rate < math.inf),
            ("the follow-up share", self.follow_up_share, 0 <= self.follow_up_share <= 1),
            ("the time of a request", self.request_ms, 0 <= self.request_ms < math.inf),
            ("the encoder's CPU time", self.encoder_cpu_ms, 0 <= self.encoder_cpu_ms < math.inf),
        ):
            if not good:
                zero = "above 0" if "rate" in what else "from 0"
                right = "0 to 1" if "share" in what else f"a number {zero}"
                raise InputError(f"{what} is {value}; {right} would be right")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one turn, as the mean over turns that ask and turns that do not."""

    write_units: float = 0.0
    read_units: float = 0.0
    requests: float = 0.0
    kms_requests: float = 0.0
    moved_bytes: float = 0.0
    client_cpu_ms: float = 0.0
    encoder_cpu_ms: float = 0.0
    usd: Mapping[str, float] = field(default_factory=dict)
    """What the money is for: writes, reads, KMS, storage, Lambda, SQS."""

    @property
    def total_usd(self) -> float:
        return sum(self.usd.values())

    def mixed(self, other: Cost, share: float) -> Cost:
        """`share` of this and the rest of `other`."""

        def mean(one: float, two: float) -> float:
            return share * one + (1 - share) * two

        names = ("write_units", "read_units", "requests", "kms_requests", "moved_bytes",
                 "client_cpu_ms", "encoder_cpu_ms")  # fmt: skip
        means = {name: mean(getattr(self, name), getattr(other, name)) for name in names}
        usd = {name: mean(self.usd[name], other.usd[name]) for name in self.usd}
        return Cost(**means, usd=usd)

    def to_json(self, load: Workload) -> dict[str, Any]:
        per_month = load.rate * MONTH_S
        return {
            "write_units": self.write_units,
            "read_units": self.read_units,
            "write_units_per_s": self.write_units * load.rate,
            "read_units_per_s": self.read_units * load.rate,
            "dynamodb_requests": self.requests,
            "kms_requests": self.kms_requests,
            "moved_bytes": self.moved_bytes,
            "client_cpu_ms": self.client_cpu_ms,
            "encoder_cpu_ms": self.encoder_cpu_ms,
            "cpu_cores": (self.client_cpu_ms + self.encoder_cpu_ms) * load.rate / 1_000.0,
            "usd_per_million": {name: value * 1e6 for name, value in self.usd.items()},
            "total_usd_per_million": self.total_usd * 1e6,
            "total_usd_per_month": self.total_usd * per_month,
        }


def cost_of(
    design: Design, shape: Shape, load: Workload, prices: Prices, *, eager: bool = False
) -> Cost:
    """The mean cost of a turn.

    Raises:
        LimitExceeded: an item of this design would be too large.
    """
    asks, closes = (
        _of_kind(design, shape, load, prices, asks=asks, eager=eager) for asks in (True, False)
    )
    return asks.mixed(closes, load.follow_up_share)


def _of_kind(
    design: Design, shape: Shape, load: Workload, prices: Prices, *, asks: bool, eager: bool
) -> Cost:
    counts = _counted(design, shape, asks, eager)
    encoder_ms = load.encoder_cpu_ms if asks or eager else 0.0
    cpu_ms = counts.requests * CPU_MS_PER_REQUEST
    measured_ms = load.client_cpu_ms.get((design, shape.payload_bytes))
    if measured_ms is not None:  # recording as measured, the other steps by their requests
        others = counts.requests - counts.recording
        cpu_ms = measured_ms * shape.events + others * CPU_MS_PER_REQUEST
    usd = {
        "writes": counts.writes * prices.write_usd_per_million / 1e6,
        "reads": counts.reads * prices.read_usd_per_million / 1e6,
        "KMS": counts.kms * prices.kms_usd_per_million / 1e6,
        "storage": _storage_usd(counts, load, prices),
        "Lambda": _lambda_usd(counts, shape, load, prices, cpu_ms, encoder_ms),
        "SQS": _sqs_usd(shape, load, prices),
    }
    return Cost(
        counts.writes,
        counts.reads,
        counts.requests - counts.kms,
        counts.kms,
        counts.moved_bytes,
        cpu_ms,
        encoder_ms,
        usd,
    )


class _Counts(NamedTuple):
    """What a walk comes to; `requests` are those to KMS and DynamoDB."""

    writes: float
    reads: float
    kms: float
    requests: float
    recording: float
    embedding: float
    looks: float
    moved_bytes: float
    left_bytes: float


@functools.lru_cache(maxsize=4_096)  # a break-even asks for the same turns again and again
def _counted(design: Design, shape: Shape, asks: bool, eager: bool) -> _Counts:
    ledger = walk(design, shape, asks=asks, eager=eager)
    return _Counts(
        writes=ledger.total(lambda one: one.write_units),
        reads=ledger.total(lambda one: one.read_units),
        kms=ledger.total(lambda one: one.is_kms),
        requests=ledger.total(_one),
        recording=ledger.total(_one, Step.RECORD),
        embedding=ledger.total(_one, Step.EMBED),
        looks=ledger.total(_one, Step.FOLLOW_UP),
        moved_bytes=ledger.total(lambda one: one.sent_bytes + one.returned_bytes),
        left_bytes=ledger.left_bytes,
    )


def _one(operation: Operation) -> float:
    return 1.0


def _storage_usd(counts: _Counts, load: Workload, prices: Prices) -> float:
    months = (load.ttl_s + TTL_LAG_S) / MONTH_S
    return counts.left_bytes / 2**30 * months * prices.storage_usd_per_gb_month


def _lambda_usd(
    counts: _Counts, shape: Shape, load: Workload, prices: Prices, cpu_ms: float, encoder_ms: float
) -> float:
    """The recorder does all steps but embedding; requests wait for one another in all of them."""
    calls = shape.events / load.batch + bool(counts.looks) + bool(counts.embedding)
    elsewhere = counts.requests - counts.embedding
    embedding_ms = cpu_ms * counts.embedding / counts.requests
    gb_s = _gb_s(load.recorder_memory_mb, elsewhere, cpu_ms - embedding_ms, load)
    gb_s += _gb_s(load.encoder_memory_mb, counts.embedding, embedding_ms + encoder_ms, load)
    return calls * prices.lambda_usd_per_million / 1e6 + gb_s * prices.lambda_usd_per_gb_s


def _gb_s(memory_mb: int, requests: float, cpu_ms: float, load: Workload) -> float:
    slower = max(1.0, VCPU_MB / memory_mb)
    return (requests * load.request_ms + cpu_ms * slower) / 1_000.0 * memory_mb / 1_024


def _sqs_usd(shape: Shape, load: Workload, prices: Prices) -> float:
    chunks = max(1, math.ceil(shape.payload_bytes / SQS_CHUNK_BYTES))
    sends = shape.events - shape.payloads + shape.payloads * chunks
    return (sends + 2 * shape.events / load.batch) * prices.sqs_usd_per_million / 1e6


# ---------------------------------------------------------------- break-even


def cheaper_from_bytes(
    design: Design, other: Design, shape: Shape, load: Workload, prices: Prices
) -> int | None:
    """The payload size from which `design` is and stays the cheaper one, up to SCAN_BYTES_MAX.

    0: at any size. None: at none, or not to the end. CPU counts by formula, whatever was measured.
    """
    plain = replace(load, client_cpu_ms={})
    first: int | None = None
    for size in range(0, SCAN_BYTES_MAX + 1, SCAN_STEP_BYTES):
        given = replace(shape, payload_bytes=size)
        if _difference(design, other, given, plain, prices) < 0:
            first = size if first is None else first
        else:
            first = None
    return first


def equal_at_share(
    design: Design, other: Design, shape: Shape, load: Workload, prices: Prices
) -> tuple[float | None, bool]:
    """The follow-up share at which both cost the same, and whether `design` is cheaper below it.

    None: one of them is cheaper at any share; the flag says whether it is `design`.

        share * (difference of turns that ask) + (1 - share) * (difference of others) = 0
    """
    none, all_ = (
        _difference(design, other, shape, replace(load, follow_up_share=share), prices)
        for share in (0.0, 1.0)
    )
    if math.isinf(none) or none * all_ >= 0:
        return None, none < 0
    return none / (none - all_), none < 0


def _difference(
    design: Design, other: Design, shape: Shape, load: Workload, prices: Prices
) -> float:
    mine = cost_of(design, shape, load, prices).total_usd
    return mine - _or_infinite(lambda: cost_of(other, shape, load, prices).total_usd)


def _or_infinite(cost: Callable[[], float]) -> float:
    """What does not fit costs more than anything."""
    try:
        return cost()
    except LimitExceeded:
        return math.inf


def eager_equals_lazy_at(
    design: Design, shape: Shape, load: Workload, prices: Prices
) -> tuple[float | None, bool]:
    """The follow-up share at which both cost the same, and whether lazy is cheaper below it.

    None: one of them is cheaper at any share from 0 up to, and without, 1; lazy if the flag is set.

        share * (eager - lazy of a turn that asks) + (1 - share) * (... that does not) = 0
    """

    def extra(share: float) -> float:
        given = replace(load, follow_up_share=share)
        eager = cost_of(design, shape, given, prices, eager=True).total_usd
        return eager - cost_of(design, shape, given, prices).total_usd

    none, all_ = extra(0.0), extra(1.0)
    if none * all_ >= 0:
        return None, none > 0
    return none / (none - all_), none > 0
