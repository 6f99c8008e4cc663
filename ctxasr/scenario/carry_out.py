"""Carries simulated scenarios out, in virtual time, and holds them against what they expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ctxasr.app import simulated
from ctxasr.report.plan_run import PlanReport
from ctxasr.report.trace import Failure
from ctxasr.scenario.planned import SimulatedScenario
from ctxasr.sim.judging.watch import Violation

_UNSETTLED: Final = {"None": "unsettled"}


def carry_out(scenario: SimulatedScenario) -> PlanReport:
    """Run the plan to its end; each violation of an invariant is a failure of the report."""
    plan = scenario.to_plan()
    run = simulated(plan, scenario.setting())
    outcomes = {_UNSETTLED.get(name, name): count for name, count in run.outcomes.items()}
    once = "" if scenario.found is None else f"invariant {scenario.found.invariant}"
    return PlanReport(
        scenario=scenario.name,
        file=str(scenario.path),
        seed=plan.seed,
        lines=len(plan),
        once_broke=once,
        outcomes=outcomes,
        violations=tuple(run.violations),
        failures=tuple(_check(scenario, run.violations, outcomes)),
        steps=tuple(run.trace),
        trace_hash=run.trace_hash,
        virtual_s=run.virtual_s,
    )


def _check(
    scenario: SimulatedScenario, violations: Sequence[Violation], outcomes: Mapping[str, int]
) -> Iterator[Failure]:
    """Every violation, and every count of outcomes that is another one."""
    for violation in violations:
        number, _, what = str(violation).partition(": ")
        yield Failure("plan", scenario.line_of("plan"), f"{number} holds", what)
    for name, expected in scenario.expect.outcomes.model_dump(exclude_none=True).items():
        field, got = f"expect.outcomes.{name}", outcomes.get(name, 0)
        if got != expected:
            yield Failure(field, scenario.line_of(field), str(expected), str(got))
