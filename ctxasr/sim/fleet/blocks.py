"""One block of a fleet: its plan, carried out in a world of its own, and what is kept of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from ctxasr.sim.fleet.measures import Measures
from ctxasr.sim.fleet.question import DIALOGUES_PER_BLOCK, Question
from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.draw import PROFILES
from ctxasr.sim.plans.faults import OF_A_REGION
from ctxasr.sim.plans.plan import Delivery, Plan
from ctxasr.sim.plans.templates import SWEEP
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.sim.runs import Run, Setting
from ctxasr.sim.workload.blocks import block_start_ms, draw_block
from ctxasr.trigger import GRACE_MS

Simulate = Callable[[Plan, Setting], Run]
"""`app.simulated`, or another way to carry out a plan."""


@dataclass
class Block:
    """What a worker hands back: plain data of some kB."""

    start_s: int
    """When it begins, in whole seconds of the run."""
    measures: Measures
    coverage: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    """Those that are named; `broken` counts all, by invariant."""
    broken: dict[int, int] = field(default_factory=dict)
    not_judged: dict[int, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "start_s": self.start_s,
            "measures": self.measures.to_dict(),
            "coverage": dict(sorted(self.coverage.items())),
            "violations": [list(one) for one in self.violations],
            "broken": {str(number): count for number, count in sorted(self.broken.items())},
            "not_judged": {str(number): why for number, why in self.not_judged.items()},
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            document["start_s"],
            Measures.from_dict(document["measures"]),
            document["coverage"],
            [Violation(*one) for one in document["violations"]],
            {int(number): count for number, count in document["broken"].items()},
            {int(number): why for number, why in document["not_judged"].items()},
        )


SWEEPS_MS: Final = (GRACE_MS + 5_000.0, GRACE_MS + 180_000.0)
"""After a dialogue's last event: as recorders arrange it, and when what was delayed has come."""


def plan_of(question: Question, block: int) -> Plan:
    """The plan of a block; a dialogue's number in the whole run draws it, whatever its block."""
    first = block * DIALOGUES_PER_BLOCK
    profile = PROFILES[question.faults]
    plan = draw_block(question.workload, question.seed, first, question.count_in(block), profile)
    return with_sweeps(replace(plan, payload_ttl_s=question.payload_ttl_s))


def with_sweeps(plan: Plan) -> Plan:
    """The plan with sweeps where they are due: nobody else settles a turn before it expires.

    Recorders arrange for every turn's sweep, and nearly all find it settled. Here those are carried
    out that may not: of dialogues with a turn whose directives do not end, or with a fault.
    """
    ended_ms: dict[int, float] = {}
    open_turns: dict[int, set[str]] = defaultdict(set)
    for one in plan.deliveries:
        ended_ms[one.customer] = max(one.at_ms, ended_ms.get(one.customer, 0.0))
        turn, _, what = one.event.partition(".")
        if what == "recognize":
            open_turns[one.customer].add(turn)
        elif what == "completed":
            open_turns[one.customer].discard(turn)
    faulty = {one.customer for one in plan.faults if one.kind not in OF_A_REGION}
    due: list[tuple[int, tuple[float, ...]]] = [
        (customer, SWEEPS_MS) for customer in sorted(faulty)
    ]
    due += [
        (one, SWEEPS_MS[:1]) for one in sorted(open_turns) if open_turns[one] and one not in faulty
    ]
    sweeps = [
        Delivery(SWEEP, ended_ms[customer] + after_ms, customer, customer % plan.nodes)
        for customer, times_ms in due
        for after_ms in times_ms
        if customer in ended_ms
    ]
    deliveries = sorted((*plan.deliveries, *sweeps), key=lambda one: one.at_ms)
    return replace(plan, deliveries=tuple(deliveries))


def setting_of(question: Question) -> Setting:
    """How its worlds are set up."""
    return Setting(
        latencies=question.latencies,
        read_budget_ms=question.read_budget_ms,
        what_if=WhatIf(question.what_if) if question.what_if else None,
        trace=False,
    )


def carry_out(question: Question, block: int, simulate: Simulate) -> Block:
    """Draw a block's plan, simulate it, keep what adds up."""
    if question.twin:
        from ctxasr.sim.fleet.twins import by_twin  # numpy's arrays, which a world does without

        return Block(0, by_twin(question))
    run = simulate(plan_of(question, block), setting_of(question))
    start_ms = block_start_ms(question.workload, block * DIALOGUES_PER_BLOCK)
    return Block(
        int(start_ms / 1_000.0),
        run.measures,
        dict(run.coverage.counts),
        run.violations,
        run.broken,
        run.not_judged,
    )
