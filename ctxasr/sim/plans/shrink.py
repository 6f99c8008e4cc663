"""A failing plan made small: lines are deleted while it still fails.

First in chunks that halve, then line by line until no single line can go; then what is left is
made plain where it still fails (less announced, the usual expiry, all on one node), and lines
that are of no use any more go as well. The same plan shrinks to the same lines.

Source: A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
Transactions on Software Engineering 28(2), 2002 (delta debugging).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ctxasr.pipeline import PAYLOAD_TTL_S
from ctxasr.sim.plans.plan import Plan

TRIES_MAX: Final = 2_000
"""Simulations of one shrinking; after that the smallest plan so far stands."""


def shrink(plan: Plan, fails: Callable[[Plan], bool], *, tries_max: int = TRIES_MAX) -> Plan:
    """A plan that still fails and of which no single line can be deleted, within `tries_max`.

    `fails` says whether a plan fails, in the way that is looked for.
    """
    left = [tries_max]

    def still_fails(tried: Plan) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(tried)

    smallest = _fewest_lines(plan, still_fails)
    for simplify in (_nothing_announced, _one_service_less, _usual_ttl, _one_node):
        for simpler in simplify(smallest):
            if simpler != smallest and still_fails(simpler):
                smallest = _fewest_lines(simpler, still_fails)
                break
    return _that_befall(smallest)


def _that_befall(plan: Plan) -> Plan:
    """Without faults of what was deleted, which nothing has noticed; only after the last try."""
    places = plan.places
    kept = (one for one in plan.faults if one.place is None or one.place in places)
    return replace(plan, faults=tuple(kept))


def _fewest_lines(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Delete in chunks that halve, until no single line can go."""
    lines = list(range(len(plan)))
    size = max(1, len(lines) // 2)
    while True:
        kept = _without_chunks(plan, lines, size, fails)
        if kept == lines and size == 1:
            return plan.only(lines)
        size = max(1, min(size // 2 if kept == lines else size, len(kept) // 2))
        lines = kept


def _without_chunks(
    plan: Plan, lines: list[int], size: int, fails: Callable[[Plan], bool]
) -> list[int]:
    """Drop every chunk of `size` lines whose absence leaves the failure, last ones first."""
    for begin in range((len(lines) - 1) // size * size, -1, -size):
        rest = lines[:begin] + lines[begin + size :]
        if fails(plan.only(rest)):
            lines = rest
    return lines


def _nothing_announced(plan: Plan) -> Iterator[Plan]:
    """Service payloads that are not waited for can be deleted."""
    yield _announcing(plan, lambda number: 0)


def _one_service_less(plan: Plan) -> Iterator[Plan]:
    """Where one has to be waited for, the other need not: it goes and is not announced."""
    fewer = _announcing(plan, lambda number: max(0, number - 1))
    for at, one in enumerate(plan.deliveries):
        if one.event.endswith((".entities", ".screen")):
            yield fewer.only(line for line in range(len(plan)) if line != at)


def _announcing(plan: Plan, how_many: Callable[[int], int]) -> Plan:
    return replace(
        plan,
        deliveries=tuple(
            replace(one, number=how_many(one.number)) if one.event.endswith(".expect") else one
            for one in plan.deliveries
        ),
    )


def _usual_ttl(plan: Plan) -> Iterator[Plan]:
    yield replace(plan, payload_ttl_s=PAYLOAD_TTL_S)


def _one_node(plan: Plan) -> Iterator[Plan]:
    yield replace(plan, deliveries=tuple(replace(one, node=0) for one in plan.deliveries))
