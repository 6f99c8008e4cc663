"""The sections that say how far to trust a run: what held, what was reached, what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ctxasr.report.page.parts import Cell, Figures, Section, Table, count_of, number, words

EQUALS_LISTED: Final = 3
"""Equal values that are listed; more are said once."""


def safety(figures: Figures) -> Section | None:
    """What had to hold, and what the run has reached."""
    found, faults = figures.get("invariants"), figures.get("faults", {})
    branches, left_out = figures.get("branches", {}), figures.get("never_reached", [])
    if found is None:
        return None
    count, tables, notes = found["violations"], [], []
    lead = [
        f"{count_of(count, 'violation')} of what must always hold."
        if count
        else "Everything that must always hold did hold, in every block."
    ]
    if count:
        rows = [
            [str(one["invariant"]), number(one["block"]), words(one["turn"]), words(one["what"])]
            for one in found["found"]
        ]
        tables.append(
            Table(
                "Violations",
                ["invariant", "block", words("turn"), words("what")],
                rows,
                is_wide=True,
            )
        )
        if count > len(rows):
            lead.append(f"The first {number(len(rows))} are listed.")
    for caption, column, counts in (
        ("Faults", "fault", faults),
        ("Branches of the protocol", "branch", branches),
    ):
        if any(counts.values()):
            rows = [
                [name, number(times) if times else Cell(_never(name, figures))]
                for name, times in counts.items()
            ]
            tables.append(Table(caption, [column, "times"], rows))
    if left_out:
        possible = len(faults) + len(branches) - len(figures.get("not_in_the_profile", ()))
        lead.append(
            f"Of {possible} faults and branches of the protocol that these faults allow, the run "
            f"reached {possible - len(left_out)}; of the others it says nothing."
        )
    notes += [
        f"Nothing is said about invariant {which}: {why}."
        for which, why in found.get("nothing_said", {}).items()
    ]
    return Section("safety", "What must always hold", lead, tables=tables, notes=notes)


def asked(parameters: Figures) -> Section | None:
    """What the answer is to, so that it can be asked again."""
    plain = {name: value for name, value in parameters.items() if not isinstance(value, Mapping)}
    tables = [Table("The question", ["parameter", words("value")], _parameters(plain))]
    workload = parameters.get("workload", {})
    apart = {name: value for name, value in workload.items() if name != "latencies"}
    for caption, values in (("Workload", apart), ("Latencies", workload.get("latencies", {}))):
        if values:
            tables.append(Table(caption, ["parameter", words("value")], _parameters(values)))
    return Section("asked", "What was asked", [], tables=tables) if parameters else None


def _parameters(values: Figures) -> list[list[str]]:
    return [
        [name.replace("_", " "), words(_parameter(value))]
        for name, value in values.items()
        if value not in ("", [], False)
    ]


def _parameter(value: Any) -> str:
    match value:
        case {"median": median, "p99": p99}:
            return f"median {number(median)}, p99 {number(p99)}"
        case {"table": [only]}:
            return f"always {number(only)}"
        case {"table": [*table]}:
            return f"fitted: median {number(table[len(table) // 2])}, at most {number(table[-1])}"
        case [first, *rest] if len(rest) > EQUALS_LISTED and all(one == first for one in rest):
            return f"{number(first)}, {len(rest) + 1} times"
        case list():
            return ", ".join(map(_parameter, value))
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int() | float():
            return _exact(value)
    return str(value)


def _exact(value: float) -> str:
    """A seed keeps all its digits."""
    return f"{value:,}" if isinstance(value, int) else number(value, 6)


def _never(name: str, figures: Figures) -> str:
    return "not asked for" if name in figures.get("not_in_the_profile", ()) else "never"
