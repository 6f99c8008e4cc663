"""The shares that are told of a fleet, and by how much its blocks differ in them.

    shares_of(measures)["turns embedded"]      (412, 640): so many of so many

What befalls a node or a region is drawn for a block and hits all of its turns at once. So blocks,
not turns, are drawn independently, and sums of squares over blocks are kept of every share.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from ctxasr.sim.fleet.measures import REPLY_EDGES_MS, UNSETTLED, Measures

OUTCOMES: Final = ("embedded", "missed", "discarded", UNSETTLED)
STATES: Final = ("hit", "missed", "none")


def shares_of(measures: Measures) -> dict[str, tuple[int, int]]:
    """Count and number of every share."""
    counts = measures.counts
    turns = counts["turns"]
    found = {f"turns {name}": (counts[f"turns {name}"], turns) for name in OUTCOMES}
    found["turns settled"] = (sum(counts[f"turns {name}"] for name in OUTCOMES[:3]), turns)
    asked = sum(counts[f"asked {name}"] for name in OUTCOMES)
    found["asked embedded"] = (counts["asked embedded"], asked)
    hits, missed = (measures.bins.get(f"reply_ms {name}", Counter()) for name in ("hit", "missed"))
    for edge in REPLY_EDGES_MS:
        if hits[edge] + missed[edge]:
            found[f"reply_ms {edge}"] = (hits[edge], hits[edge] + missed[edge])
    answers = sum(counts[f"answers {name}"] for name in STATES)
    for name in (*STATES, "changed"):
        found[f"answers {name}"] = (counts[f"answers {name}"], answers)
    started, deliveries = counts["encodings"], counts["deliveries"]
    found["encodings wasted"] = (max(0, started - counts["asked embedded"]), started)
    found["redelivered"] = (max(0, deliveries - counts["events"]), deliveries)
    return found


@dataclass(slots=True)
class Spread:
    """Sums over blocks, of x counted in n."""

    xx: int = 0
    xn: int = 0
    nn: int = 0

    def add(self, x: int, n: int) -> None:
        """One more block."""
        self.xx, self.xn, self.nn = self.xx + x * x, self.xn + x * n, self.nn + n * n
