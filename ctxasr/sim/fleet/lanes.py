"""What happened in each second of a fleet's run, folded as the seconds pass.

    lane.add({3: 40, 4: 12}, start=100)     a block's seconds, where the block lies in the run
    lane.close(104)                         no block that is still to come reaches below 104

Blocks begin one after the other and overlap at their ends, so that a second is known when a block
has begun behind it. What is closed goes into a line of at most POINTS_MAX points for drawing, and
into the peak; so a run of a week takes no more memory than one of an hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

POINTS_MAX: Final = 512
"""Points of a line; where there are more, two become one and stand for twice the time."""


@dataclass
class Lane:
    """One figure over time."""

    open: Counter[int] = field(default_factory=Counter)
    sums: list[int] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    """Of each point: all its seconds together, and the largest of them."""
    width_s: int = 1
    closed_s: int = 0
    total: int = 0
    peak: int = 0

    def add(self, seconds: Mapping[int, int], *, start: int = 0) -> None:
        """Put a block's seconds where they lie in the run; what was closed stays so."""
        for second, value in seconds.items():
            self.open[max(second + start, self.closed_s)] += value

    def close(self, until_s: int) -> None:
        """Everything before `until_s` is known."""
        for second in sorted(one for one in self.open if one < until_s):
            self._fold(second, self.open.pop(second))
        self.closed_s = max(self.closed_s, until_s)

    def finish(self) -> None:
        """The run is over."""
        self.close(1 + max(self.open, default=-1))

    def _fold(self, second: int, value: int) -> None:
        self.total += value
        self.peak = max(self.peak, value)
        while second // self.width_s >= POINTS_MAX:
            self.sums = [sum(self.sums[at : at + 2]) for at in range(0, len(self.sums), 2)]
            self.peaks = [max(self.peaks[at : at + 2]) for at in range(0, len(self.peaks), 2)]
            self.width_s *= 2
        at = second // self.width_s
        missing = at + 1 - len(self.sums)
        self.sums += [0] * missing
        self.peaks += [0] * missing
        self.sums[at] += value
        self.peaks[at] = max(self.peaks[at], value)

    def to_dict(self) -> dict[str, Any]:
        """For drawing: the mean of each point's seconds, and the largest second of each."""
        means = [round(one / self.width_s, 3) for one in self.sums]
        return {"width_s": self.width_s, "mean": means, "peak": list(self.peaks)}
