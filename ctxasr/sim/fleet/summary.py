"""Blocks merged in the order of their numbers: what is known of a whole fleet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ctxasr.sim.fleet.blocks import Block
from ctxasr.sim.fleet.lanes import Lane
from ctxasr.sim.fleet.measures import Measures
from ctxasr.sim.fleet.shares import Spread, shares_of
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.judging.watch import Violation

VIOLATIONS_MAX: Final = 50
"""Violations of one invariant that are named; more are counted."""


class Found(NamedTuple):
    """A violation, and the block in which it was found."""

    block: int
    violation: Violation


@dataclass
class Summary:
    """Of the blocks so far; `blocks` is how many."""

    blocks: int = 0
    measures: Measures = field(default_factory=Measures)
    coverage: Coverage = field(default_factory=Coverage)
    lanes: dict[str, Lane] = field(default_factory=dict)
    violations: list[Found] = field(default_factory=list)
    broken: Counter[int] = field(default_factory=Counter)
    """All violations, named or not, by invariant."""
    spreads: dict[str, Spread] = field(default_factory=dict)
    """Of each of `shares_of`."""
    unjudged: Counter[int] = field(default_factory=Counter)
    """By invariant: the blocks that say nothing about it."""
    why: dict[int, str] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        """The next block, in the order of their numbers."""
        self.measures.add(block.measures)
        self.coverage.counts.update(block.coverage)
        for name, seconds in block.measures.seconds.items():
            lane = self.lanes.setdefault(name, Lane())
            lane.close(block.start_s)
            lane.add(seconds, start=block.start_s)
        for name, (x, n) in shares_of(block.measures).items():
            self.spreads.setdefault(name, Spread()).add(x, n)
        self.broken.update(block.broken)
        named = Counter(one.violation.invariant for one in self.violations)
        for one in block.violations:
            named[one.invariant] += 1
            if named[one.invariant] <= VIOLATIONS_MAX:
                self.violations.append(Found(self.blocks, one))
        self.unjudged.update(list(block.not_judged))
        self.why.update(block.not_judged)
        self.blocks += 1

    @property
    def violations_count(self) -> int:
        """All violations, named or not."""
        return self.broken.total()

    def finish(self) -> None:
        """There are no more blocks."""
        for lane in self.lanes.values():
            lane.finish()

    def nothing_said(self) -> dict[int, str]:
        """The invariants that no block says anything about, and why."""
        return {number: why for number, why in sorted(self.why.items())
                if self.unjudged[number] == self.blocks}  # fmt: skip
