"""When dialogues begin over the day: 24 hourly weights, their cumulative rate and its inverse.

    instant_s(10.0, FLAT, 600.0)     60.0: at 10 a second, 600 dialogues have begun after a minute

The rate is constant within an hour, so both directions are piecewise linear (closed form).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

HOURS: Final = 24
HOUR_S: Final = 3_600.0
DAY_S: Final = HOURS * HOUR_S

FLAT: Final = (1.0,) * HOURS

DAY: Final = (
    0.25, 0.15, 0.10, 0.10, 0.15, 0.40, 1.00, 1.50, 1.40, 1.10, 1.00, 1.05,
    1.15, 1.10, 1.05, 1.10, 1.25, 1.50, 1.75, 1.80, 1.65, 1.35, 0.80, 0.40,
)  # fmt: skip
"""A day at home, from midnight: quiet nights, a peak at breakfast, a higher one in the evening.

An assumption of ours: we know of no public figures, so a service should use its own.
"""

CURVES: Final = {"flat": FLAT, "day": DAY}
"""By the names that the command line knows."""

_KEPT: Final = 64


@lru_cache(_KEPT)
def cumulative_h(curve: tuple[float, ...]) -> tuple[float, ...]:
    """At each of the 25 borders of the day's hours: hours of the mean rate that have passed."""
    total = sum(curve)
    return (*accumulate((one * HOURS / total for one in curve[:-1]), initial=0.0), float(HOURS))


def instant_s(rate: float, curve: tuple[float, ...], dialogues: float) -> float:
    """Seconds after the start at which `dialogues` have begun, on the mean."""
    border = cumulative_h(curve)
    days, rest = divmod(dialogues / rate / HOUR_S, HOURS)
    hour = min(bisect_right(border, rest), HOURS) - 1
    within = (rest - border[hour]) / (border[hour + 1] - border[hour])
    return (days * HOURS + hour + within) * HOUR_S


def begun(rate: float, curve: tuple[float, ...], at_s: float) -> float:
    """How many dialogues have begun at `at_s`, on the mean: the inverse of `instant_s`."""
    border = cumulative_h(curve)
    days, rest = divmod(at_s / HOUR_S, HOURS)
    hour = int(rest)
    passed = border[hour] + (border[hour + 1] - border[hour]) * (rest - hour)
    return (days * HOURS + passed) * HOUR_S * rate


def hourly(rate: float, curve: Sequence[float]) -> tuple[float, ...]:
    """Dialogues that begin in each hour of the day, on the mean."""
    total = sum(curve)
    return tuple(rate * DAY_S * one / total for one in curve)
