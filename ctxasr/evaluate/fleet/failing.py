"""A violation of a fleet made small: the lines of its customer, shrunk while they still fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ctxasr.sim.fleet.blocks import Simulate, plan_of, setting_of
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.summary import Found, Summary
from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.faults import OF_A_REGION
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.plans.shrink import shrink

SHRUNK_MAX: Final = 5
"""Violations of a run that are made small; one of each invariant first."""

TRIES_MAX: Final = 400
"""Simulations of a few dialogues, some milliseconds each."""

FEW_CUSTOMERS: Final = 8

BLOCK_TRIES_MAX: Final = 30
"""Simulations of a whole block, about a second each, where all of it is needed to fail."""


class Small(NamedTuple):
    """A plan that still fails, and how."""

    found: Found
    plan: Plan
    violations: list[Violation]


def chosen(broken: Sequence[tuple[Question, Summary]]) -> list[tuple[Question, Found]]:
    """Those to make small: the first of each invariant, then that of each further question."""
    first: dict[int, tuple[Question, Found]] = {}
    further: list[tuple[Question, Found]] = []
    for question, summary in broken:
        of_question: dict[int, Found] = {}
        for one in summary.violations:
            of_question.setdefault(one.violation.invariant, one)
        for invariant, one in of_question.items():
            if invariant in first:
                further.append((question, one))
            else:
                first[invariant] = (question, one)
    return [*first.values(), *further][:SHRUNK_MAX]


def smallest(question: Question, found: Found, simulate: Simulate) -> Small:
    """Narrow the block's plan to the failing customer, or to as few as needed, and shrink it."""
    setting, plan = setting_of(question), plan_of(question, found.block)

    def violations(tried: Plan) -> list[Violation]:
        invariant = found.violation.invariant
        return [one for one in simulate(tried, setting).violations if one.invariant == invariant]

    def fails(tried: Plan) -> bool:
        return bool(violations(tried))

    narrow, customers = narrowed(plan, found.violation.turn, fails)
    few = customers <= FEW_CUSTOMERS
    small = shrink(narrow, fails, tries_max=TRIES_MAX if few else BLOCK_TRIES_MAX)
    return Small(found, small, violations(small))


def narrowed(plan: Plan, turn: str, fails: Callable[[Plan], bool]) -> tuple[Plan, int]:
    """The plan of as few customers as still fail, and how many they are.

    First the one whose turn it was ("c17/d0t1"); where it alone does not fail, or nobody is named,
    half of them at a time.
    """
    customers = sorted({one.customer for one in plan.deliveries})
    name = turn.partition("/")[0][1:]
    if name.isdecimal() and fails(alone := of_customers(plan, {int(name)})):
        return alone, 1
    smaller = True
    while smaller and len(customers) > 1:
        middle, smaller = len(customers) // 2, False
        for half in (customers[:middle], customers[middle:]):
            if not smaller and fails(of_customers(plan, set(half))):
                customers, smaller = half, True
    return of_customers(plan, set(customers)), len(customers)


def of_customers(plan: Plan, customers: set[int]) -> Plan:
    """Their lines, and the faults that befall everybody."""
    events = len(plan.deliveries)
    lines = [at for at, one in enumerate(plan.deliveries) if one.customer in customers]
    lines += [
        at for at, one in enumerate(plan.faults, events)
        if one.kind in OF_A_REGION or one.customer in customers
    ]  # fmt: skip
    return plan.only(lines)
