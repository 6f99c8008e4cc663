"""How long requests take: a distribution as its quantiles, drawn by a uniform number.

    Latency.fit([4.1, 3.8, 17.2, ...]).draw(0.5)     the median of what was measured, in ms

Between two quantiles the distribution is uniform: draws are exact at the quantiles of the table and
never leave the range of what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist
from typing import Final

STEPS: Final = 1024
"""Quantiles of a table are 1/1024 apart, so that the tail up to p99.9 is kept."""

P99: Final = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations in ms; `table_ms` holds STEPS + 1 quantiles, ascending."""

    table_ms: tuple[float, ...]

    def draw(self, uniform: float) -> float:
        """The quantile at `uniform`, from [0, 1)."""
        at = uniform * STEPS
        step = int(at)
        low = self.table_ms[step]
        return low + (self.table_ms[step + 1] - low) * (at - step)

    @classmethod
    def fit(cls, measured_ms: Sequence[float]) -> Latency:
        """The empirical distribution of measured durations.

        Raises:
            ValueError: nothing was measured, or something that is no duration.
        """
        if not measured_ms or not all(0 <= one < math.inf for one in measured_ms):
            raise ValueError("durations are numbers from 0, at least one of them")
        ordered = sorted(measured_ms)
        last = len(ordered) - 1
        table = []
        for step in range(STEPS + 1):
            at = step / STEPS * last
            low = ordered[math.floor(at)]
            table.append(low + (ordered[math.ceil(at)] - low) * (at - math.floor(at)))
        return cls(tuple(table))

    @classmethod
    @cache
    def lognormal(cls, median_ms: float, p99_ms: float) -> Latency:
        """The usual shape of a service's latency, by two figures; cut at 1/2048 of both ends."""
        spread = math.log(p99_ms / median_ms) / P99
        normal = NormalDist(math.log(median_ms), spread)
        ends = (0.5 / STEPS, 1 - 0.5 / STEPS)
        quantiles = (min(max(step / STEPS, ends[0]), ends[1]) for step in range(STEPS + 1))
        return cls(tuple(math.exp(normal.inv_cdf(one)) for one in quantiles))

    @classmethod
    def always(cls, duration_ms: float) -> Latency:
        """One duration."""
        return cls((duration_ms,) * (STEPS + 1))


@dataclass(frozen=True, slots=True)
class Latencies:
    """What takes how long.

    Of DynamoDB AWS says 'single-digit milliseconds', of which the medians here are the middle. The
    p99s, KMS and encoder are assumptions of ours, to be replaced by `Latency.fit` of a trace.
    """

    write: Latency = field(default_factory=lambda: Latency.lognormal(5.0, 20.0))
    read: Latency = field(default_factory=lambda: Latency.lognormal(3.5, 15.0))
    kms: Latency = field(default_factory=lambda: Latency.lognormal(8.0, 40.0))
    replication: Latency = field(default_factory=lambda: Latency.lognormal(10.0, 200.0))
    """From the leader to a follower."""
    encoder: Latency = field(default_factory=lambda: Latency.lognormal(60.0, 250.0))
    aligner: Latency = field(default_factory=lambda: Latency.lognormal(4.0, 20.0))

    @classmethod
    def none(cls) -> Latencies:
        """Nothing takes any time."""
        at_once = Latency.always(0.0)
        return cls(at_once, at_once, at_once, at_once, at_once, at_once)
