"""What another design gains and loses against ours, from the figures of both.

Shares differ with Newcombe's interval, tails by their own intervals: `wins` is the design, the
what-if, or nobody, where the intervals leave it open. Both had the same dialogues, faults and
draws of luck, so most of the chance in either is in both: intervals are too wide, not too narrow.
Counts of a simulation (units, requests, dollars) have none; the smaller one wins by MATTERS. Units
are those of both tables, so that nobody wins by moving them from one to the other; encodings are
counted by the contexts that they put there in time, so that nobody wins by losing turns.

Source: R. Newcombe, "Interval estimation for the difference between independent proportions",
Statistics in Medicine 17, 1998, method 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

DESIGN, WHAT_IF, NOBODY = "design", "what-if", "nobody"

MATTERS: Final = 0.01
"""Counts that differ by less, relatively, are nobody's win: there is some chance in them, too."""


class Figure(NamedTuple):
    """A figure that designs are compared by, and whether more of it is better."""

    name: str
    path: tuple[str, ...]
    unit: str
    more_is_better: bool = False


SHARES: Final = (
    Figure("turns settled", ("outcomes", "settled"), "share", True),
    Figure("contexts in time", ("deadline", "hit"), "share", True),
    Figure("answers with context", ("answers", "hit"), "share", True),
    Figure("encodings wasted", ("encoder", "wasted"), "share"),
)
TAILS: Final = (
    Figure("added latency p50", ("added_ms", "all", "p50"), "ms"),
    Figure("added latency p99", ("added_ms", "all", "p99"), "ms"),
    Figure("added latency p99.9", ("added_ms", "all", "p99_9"), "ms"),
)
COUNTS: Final = (
    Figure("encodings a context", ("encoder", "per_context_in_time"), ""),
    Figure("encoder workers", ("encoder", "workers"), ""),
    Figure("WCU a turn", ("store", "wcu_per_turn"), "WCU"),
    Figure("RCU a turn", ("store", "rcu_per_turn"), "RCU"),
    Figure("requests an event", ("delivery", "requests_per_event"), ""),
    Figure("$ a million turns", ("costs", "total_usd_per_million"), "$"),
    Figure("violations", ("invariants", "violations"), ""),
)


def against(design: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a figure that both have: both values, the difference, who wins."""
    rows = [_of_shares(one, _at(design, one), _at(other, one)) for one in SHARES]
    rows += [_of_tails(one, _at(design, one), _at(other, one)) for one in TAILS]
    rows += [_of_counts(one, _at(design, one), _at(other, one)) for one in COUNTS]
    return [row for row in rows if row is not None]


def _at(figures: Mapping[str, Any], figure: Figure) -> Any:
    found: Any = figures
    for part in figure.path:
        found = None if found is None else found.get(part)
    return found


def _of_shares(figure: Figure, design: Any, other: Any) -> dict[str, Any] | None:
    if not design or not other or design["share"] is None or other["share"] is None:
        return None
    below, above = design["share"] - design["low"], design["high"] - design["share"]
    other_below, other_above = other["share"] - other["low"], other["high"] - other["share"]
    difference = other["share"] - design["share"]
    low = difference - math.hypot(other_below, above)
    high = difference + math.hypot(other_above, below)
    return _row(figure, design["share"], other["share"], low, high)


def _of_tails(figure: Figure, design: Any, other: Any) -> dict[str, Any] | None:
    if not design or not other or design["value"] is None or other["value"] is None:
        return None
    difference = other["value"] - design["value"]
    below = math.hypot(other["value"] - other["low"], design["high"] - design["value"])
    above = math.hypot(other["high"] - other["value"], design["value"] - design["low"])
    return _row(figure, design["value"], other["value"], difference - below, difference + above)


def _of_counts(figure: Figure, design: Any, other: Any) -> dict[str, Any] | None:
    if design is None or other is None:
        return None
    difference = other - design
    row = _row(figure, design, other, difference, difference)
    if abs(difference) < MATTERS * max(abs(design), abs(other)):
        row["wins"] = NOBODY
    return row


def _row(figure: Figure, design: float, other: float, low: float, high: float) -> dict[str, Any]:
    wins = NOBODY
    if low > 0.0 or high < 0.0:
        wins = WHAT_IF if (low > 0.0) == figure.more_is_better else DESIGN
    return {
        "figure": figure.name,
        "unit": figure.unit,
        "design": design,
        "what_if": other,
        "difference": other - design,
        "low": low,
        "high": high,
        "relative": (other - design) / design if design else None,
        "wins": wins,
    }
