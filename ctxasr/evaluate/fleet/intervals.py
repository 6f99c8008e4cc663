"""How sure a share of a fleet is: 95 % intervals, of independent turns or of whole blocks.

A share has Wilson's interval. Where a profile's faults befall a node or a region, they hit all
turns of a block at once, and n turns tell no more than n / deff independent ones would. The design
effect `deff` is the variance of the ratio of two sums over blocks, divided by that of as many
independent turns; it is never taken for less than 1. As it is estimated itself, n is made smaller
still, by the ratio of the quantiles of the normal and of Student's distribution.

BLOCKS_MIN blocks are needed to estimate it. With fewer, and for a share of exactly 0 or 1, in
which blocks show no difference, all turns of a block are taken for one: no interval is wider.

Sources: L. Kish, "Survey Sampling", 1965, sections 5.4, 6.4 and 8.2; E. Korn and B. Graubard,
"Confidence intervals for proportions with small expected number of positive counts estimated from
survey data", Survey Methodology 24, 1998.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.shares import Spread, shares_of
from ctxasr.sim.fleet.summary import Summary
from ctxasr.sim.plans.draw import PROFILES
from ctxasr.sim.plans.faults import OF_A_REGION

Z95: Final = 1.959963984540054

BLOCKS_MIN: Final = 10
"""Fewer do not tell by how much blocks differ."""


class Shares:
    """The shares of a summary by name, each with its interval."""

    def __init__(self, summary: Summary, question: Question) -> None:
        self._shares, self._spreads = shares_of(summary.measures), summary.spreads
        self._blocks = summary.blocks
        kinds = () if question.twin else PROFILES[question.faults].kinds
        self.by_block = bool(OF_A_REGION.intersection(kinds))
        """Whether blocks, not turns, are what is independent."""

    def __contains__(self, name: str) -> bool:
        return name in self._shares

    def __getitem__(self, name: str) -> dict[str, Any]:
        count, n = self._shares[name]
        if not self.by_block or not n:
            return share(count, n)
        effective = effective_n(count, n, self._spreads[name], self._blocks)
        return share(count, n, effective) | {"design_effect": n / effective}

    def basis(self) -> dict[str, Any]:
        """What the intervals stand on, for the document."""
        if not self.by_block:
            return {"independent": "turns", "note": ""}
        note = (
            "faults of a region or a clock hit whole blocks, so intervals of shares are of blocks; "
            "those of quantiles take answers for independent and are too narrow"
        )
        if self._blocks < BLOCKS_MIN:
            note += (
                f"; {self._blocks} of {BLOCKS_MIN} blocks that would tell how they differ: a block "
                "counts as one turn, the widest interval"
            )
        return {"independent": "blocks", "note": note}


def effective_n(count: int, n: int, spread: Spread, blocks: int) -> float:
    """As many independent turns as tell as much as n turns of blocks."""
    if blocks < BLOCKS_MIN or count in (0, n):
        return float(min(n, blocks))
    from scipy.special import stdtrit

    student = float(stdtrit(blocks - 1, 0.975))
    return n / design_effect(count, n, spread, blocks) * (Z95 / student) ** 2


def design_effect(count: int, n: int, spread: Spread, blocks: int) -> float:
    """By how much blocks make the variance of a share larger; 1 at least."""
    ratio = count / n
    squares = spread.xx - 2.0 * ratio * spread.xn + ratio * ratio * spread.nn
    return max(1.0, blocks / (blocks - 1) * squares / (n * ratio * (1.0 - ratio)))


def share(count: int, of: int, effective: float | None = None) -> dict[str, Any]:
    """A share with Wilson's 95 % interval, of `effective` independent ones if given.

    Without anything to count, no figures.
    """
    if not of:
        return {"count": count, "n": of, "share": None, "low": None, "high": None}
    n, at = float(of) if effective is None else effective, count / of
    middle, width = at + Z95 * Z95 / (2.0 * n), 1.0 + Z95 * Z95 / n
    half = Z95 * math.sqrt(at * (1.0 - at) / n + Z95 * Z95 / (4.0 * n * n))
    low = 0.0 if count == 0 else (middle - half) / width
    high = 1.0 if count == of else (middle + half) / width
    return {"count": count, "n": of, "share": at, "low": low, "high": high}
