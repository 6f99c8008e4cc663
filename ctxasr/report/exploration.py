"""What `ctxasr explore` prints: a table of explorations, and the steps to what does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ctxasr.report.output import Out
from ctxasr.sim.exploration.one_by_one import Step
from ctxasr.sim.exploration.search import Exploration


def print_exploration(found: Exploration, took_s: float, steps: Sequence[Step], out: Out) -> None:
    """One exploration in a few lines; `steps` lead to its violation, if there is one."""
    what_if = f", what if {found.what_if}" if found.what_if else ""
    out.print(
        f"{found.turn}: {found.recorders} recorders, faults {found.faults}{what_if}", style="bold"
    )
    if found.violation is not None:
        out.print(f"  does not hold after {found.states:,} states: {found.violation.what}")
        out.print(steps_table(steps))
        return
    if found.is_cut:
        out.print(f"  CUT OFF at {found.states:,} states: nothing is proved; raise --states-max")
        return
    outcomes = ", ".join(f"{name} {count:,}" for name, count in found.outcomes.items())
    out.print(f"  {found.interleavings:,} interleavings, all hold: {outcomes}")
    out.print(
        f"  {found.states:,} states, {found.steps:,} steps between them, {found.merged:,} of them "
        f"to a known state; {found.ends:,} ends, the longest after {found.longest} steps"
    )
    out.print(
        f"  {found.handler_runs:,} runs of a handler, {found.store_operations:,} operations of the "
        f"stores, {took_s:.1f} s; contexts stored at once: {found.contexts_max}"
    )


def steps_table(steps: Sequence[Step]) -> Table:
    """The steps of one interleaving, with the turn's item after each."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("step", justify="right")
    for name in ("handler", "operation", "fault", "the turn's item then"):
        table.add_column(name)
    for number, step in enumerate(steps, start=1):
        table.add_row(str(number), step.process, step.operation, step.fault, step.item)
    return table


def as_document(found: Exploration, steps: Sequence[Step], run_one_by_one: int | None) -> Any:
    """The same for JSON; no times, so that it is equal from run to run."""
    document = asdict(found)
    if found.violation is not None:
        document["violation"] = {
            "what": found.violation.what,
            "steps": [asdict(step) for step in steps],
        }
    if run_one_by_one is not None:
        document["run_one_by_one"] = run_one_by_one
    return document | {"holds": found.holds}
