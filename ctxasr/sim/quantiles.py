"""A distribution as its quantiles, drawn by a uniform number: latencies, durations, sizes.

    Quantiles.fit([4.1, 3.8, 17.2, ...]).draw(0.5)     the median of what was measured

Between two quantiles the distribution is uniform: draws are exact at the quantiles of the table and
never leave the range of what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final

STEPS: Final = 1024
"""Quantiles of a table are 1/1024 apart, so that the tail up to p99.9 is kept."""

P99: Final = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`table` holds STEPS + 1 quantiles, ascending, in the unit of what was measured."""

    table: tuple[float, ...]

    def draw(self, uniform: float) -> float:
        """The quantile at `uniform`, from [0, 1)."""
        at = uniform * STEPS
        step = int(at)
        low = self.table[step]
        return low + (self.table[step + 1] - low) * (at - step)

    @classmethod
    def fit(cls, measured: Sequence[float]) -> Quantiles:
        """The empirical distribution of what was measured.

        Raises:
            ValueError: nothing was measured, or something below 0.
        """
        if not measured or not all(0 <= one < math.inf for one in measured):
            raise ValueError("measurements are numbers from 0, at least one of them")
        ordered = sorted(measured)
        last = len(ordered) - 1
        table = []
        for step in range(STEPS + 1):
            at = step / STEPS * last
            low = ordered[math.floor(at)]
            table.append(low + (ordered[math.ceil(at)] - low) * (at - math.floor(at)))
        return cls(tuple(table))

    @classmethod
    @cache
    def lognormal(cls, median: float, p99: float) -> Quantiles:
        """The usual shape of latencies and sizes, by two figures; cut at 1/2048 of both ends."""
        spread = math.log(p99 / median) / P99
        normal = NormalDist(math.log(median), spread)
        ends = (0.5 / STEPS, 1 - 0.5 / STEPS)
        quantiles = (min(max(step / STEPS, ends[0]), ends[1]) for step in range(STEPS + 1))
        return cls(tuple(math.exp(normal.inv_cdf(one)) for one in quantiles))

    @classmethod
    def always(cls, value: float) -> Quantiles:
        """One value."""
        return cls((value,) * (STEPS + 1))
