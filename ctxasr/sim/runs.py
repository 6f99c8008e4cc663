"""How a simulation is set up beside its plan, and what comes of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from ctxasr.pipeline import READ_BUDGET_MS
from ctxasr.sim.fleet.measures import Measures
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.judging.watch import Step, Violation
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.region.buckets import CONTEXT_BYTES
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.tables import Usage
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.trigger import GRACE_MS


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs between simulations, beside their plans.

    `context_bytes` is how much longer a stored context is than the simulated one.
    """

    latencies: Latencies = field(default_factory=Latencies)
    read_budget_ms: float = READ_BUDGET_MS
    grace_ms: float = GRACE_MS
    what_if: WhatIf | None = None
    context_bytes: int = CONTEXT_BYTES
    fifo: bool = False
    trace: bool = True
    probe: bool = True
    """Whether somebody tries to read what has expired."""


@dataclass
class Run:
    """What came of a plan."""

    plan: Plan
    violations: list[Violation]
    broken: dict[int, int]
    """Violations by invariant; `violations` names FOUND_MAX of each."""
    not_judged: dict[int, str]
    """Invariants that this run says nothing about, and why."""
    coverage: Coverage
    trace: list[Step]
    outcomes: dict[str, int]
    steps: int
    virtual_s: float
    measures: Measures
    used: Usage = field(default_factory=Usage)
    """What was asked of the tables, of KMS and of the context model."""

    @cached_property
    def trace_hash(self) -> str:
        """16 hex digits that are equal when every step was."""
        text = "\n".join(f"{one.at_ms} {one[1:]}" for one in self.trace)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
