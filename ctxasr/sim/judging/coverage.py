"""How often every fault fired and every branch of the protocol was reached.

A green run that has never met a lost claim says nothing about lost claims: `missing` names what a
run has left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from ctxasr.sim.plans.faults import FaultKind

OF_A_FORGET: Final = (
    "forgotten", "acknowledged across a forget", "sealed again",
    "claim refused: the item was made anew",
)  # fmt: skip
"""Those that are reached where customers are forgotten; a workload's are not."""

BRANCHES: Final = (
    "decided to wait", "decided to compute", "decided to discard", "claimed by another event",
    "settled already", "claim lost to another", "owner found itself again",
    "waited for an earlier delivery here", "waited for another's claim",
    "worked in place of the owner",
    "outcome: embedded", "outcome: missed", "outcome: discarded",
    "missed by deadline", "missed by failure", "swept: missed", "swept: discarded",
    "payload came after closing", "late expect-speech found the turn discarded",
    "claim carried out without an answer", "settle carried out without an answer",
    "barge-in shortened a window", "two attempts stored a context",
    "key race lost", "duplicate changed nothing", "redelivered",
    "answer: hit", "answer: missed", "answer: none", "answer: changed by context",
    "answer: read budget exceeded", "answer: settled at the second look",
    "request carried out after its sender had given up", "request given up: store unavailable",
    "answer after a repeated request", "payload expired", "probe: expired row still there",
    *OF_A_FORGET,
)  # fmt: skip
"""Branches of the protocol that a long enough run reaches."""


class Coverage:
    """Counts of what was reached; add those of several runs."""

    __slots__ = ("counts",)

    def __init__(self, counts: Iterable[tuple[str, int]] = ()) -> None:
        self.counts: Counter[str] = Counter(dict(counts))

    def hit(self, branch: str) -> None:
        """A branch was reached."""
        self.counts[branch] += 1

    def fired(self, kind: FaultKind) -> None:
        """A fault did its harm."""
        self.counts[f"fault: {kind}"] += 1

    def add(self, other: Coverage) -> None:
        """Take over another run's counts."""
        self.counts.update(other.counts)

    def table(self) -> list[tuple[str, int]]:
        """Every fault kind and branch with its count, 0 included, in the order of their lists."""
        names = [f"fault: {kind}" for kind in FaultKind] + list(BRANCHES)
        return [(name, self.counts[name]) for name in names]

    def missing(self, *, but: Iterable[str] = ()) -> list[str]:
        """What was never reached; `but` names what this run cannot reach."""
        left_out = set(but)
        return [name for name, count in self.table() if not count and name not in left_out]
