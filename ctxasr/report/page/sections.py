"""The sections about turns and answers: what each says, draws and lists, from the document.

A section is there if its part of the document is; so the page of a run without faults, or of a
document that says more than this module knows, is whole as well.
"""

from __future__ import annotations

from typing import Final

from ctxasr.report.page import plots
from ctxasr.report.page.parts import (
    INTERVAL,
    Cell,
    Figures,
    Plot,
    Section,
    Table,
    between,
    between_shares,
    count_of,
    number,
    percent,
    seconds,
    share_and_interval,
)
from ctxasr.report.page.plots import Point

OUTCOMES: Final = {
    "embedded": "embedded",
    "missed": "missed",
    "discarded": "discarded",
    "unsettled": "not settled",
    "deleted": "deleted since",
}
ANSWERS: Final = {"hit": "with context", "missed": "context late", "none": "nothing to use"}


def outcomes(figures: Figures) -> Section | None:
    """Turns by outcome, answers by what they could use."""
    found = figures.get("outcomes")
    if not found:
        return None
    turns = {name: found[key] for key, name in OUTCOMES.items() if found.get(key, {}).get("count")}
    drawn = [_shares_plot("outcomes-of-turns", "Turns by outcome", "turns", turns)]
    tables = [_shares_table("Turns", turns)]
    lead = [
        f"Of {count_of(figures['turns'], 'turn')}, {_of(found['embedded'])} asked something and "
        "had their context embedded before the reply ended; "
        f"{_of(found['missed'])} asked and were too late; {_of(found['discarded'])} asked nothing, "
        "and no model ran for them."
    ]
    answers = figures.get("answers", {})
    if answers.get("n"):
        states = {name: answers[key] for key, name in ANSWERS.items() if answers[key]["count"]}
        drawn.append(_shares_plot("outcomes-of-answers", "Answers by context", "answers", states))
        tables.append(_shares_table("Answers", states))
        lead.append(
            f"{percent(answers['hit']['share'])} of {count_of(answers['n'], 'answer')} could use "
            "the context of the turn before."
        )
    return Section("outcomes", "What became of the turns", lead, drawn, tables)


def deadline(figures: Figures) -> Section | None:
    """Deadline hits against the length of the reply."""
    found = figures.get("deadline")
    if not found or not found["by_reply_ms"]:
        return None
    bins = found["by_reply_ms"]
    points = [
        Point(
            one["from_ms"] / 1_000.0,
            one["share"],
            one["low"],
            one["high"],
            None if one["to_ms"] is None else one["to_ms"] / 1_000.0,
            one["n"],
        )
        for one in bins
    ]
    lead = [
        f"{share_and_interval(found['hit'])} of the {number(found['hit']['n'])} turns that asked "
        "had their context before the reply had been spoken. The work hides under the reply: the "
        "longer it plays, the more time there is."
    ]
    svg = plots.rate_by_bin(
        "deadline-by-reply",
        "Context in time, by the length of the reply",
        "; ".join(f"{_bin(one)} seconds: {percent(one['share'])}" for one in bins),
        points,
        x_label="length of the reply, seconds",
        y_label="context in time",
    )
    rows = [
        [_bin(one), number(one["n"]), percent(one["share"]), between_shares(one)] for one in bins
    ]
    table = Table(
        "Turns that asked, by the length of the reply",
        ["reply, s", "turns", "in time", INTERVAL],
        rows,
    )
    caption = (
        f"Share of turns whose context was in time, with its {INTERVAL} (shaded), and how many "
        "turns each bin holds. Bins are drawn equally wide."
    )
    return Section("deadline", "The deadline", lead, [Plot(svg, caption)], [table])


def added(figures: Figures, budget_ms: float | None) -> Section | None:
    """What the context cost after the recogniser's result."""
    found = figures.get("added_ms")
    if not found or not found["all"]["n"]:
        return None
    total = found["all"]
    steps = [(0.0, 1.0), *((ms, 1.0 - share) for ms, share in found.get("cumulative", []))]
    named = {"p50": ("p50", 0.5), "p99": ("p99", 0.01), "p99_9": ("p99.9", 0.001)}
    marks = [(name, total[key]["value"], above) for key, (name, above) in named.items()
             if total.get(key)]  # fmt: skip
    svg = plots.tail(
        "added-latency",
        "Share of answers that waited longer than so many milliseconds",
        ", ".join(f"{name} {number(ms)} ms" for name, ms, _ in marks),
        {"all answers": steps},
        budget_ms=budget_ms,
        marks=marks,
    )
    columns = ["answers", "n", "p50", "p90", "p99", "p99.9"]
    rows = []
    for key, name in {"all": "all", **ANSWERS}.items():
        one = found.get(key)
        if one and one["n"]:
            tails = [
                Cell(number(one[at]["value"], 3), between(one[at]))
                for at in ("p50", "p90", "p99", "p99_9")
            ]
            rows.append([name, number(one["n"]), *tails])
    budget = "" if budget_ms is None else f" The read budget is {budget_ms:g} ms."
    lead = [
        "Reading the context and rescoring under it added "
        f"{number(total['p50']['value'], 3)} ms to half of {count_of(total['n'], 'answer')}, "
        f"{number(total['p99']['value'], 3)} ms at p99 and "
        f"{number(total['p99_9']['value'], 3)} ms at p99.9.{budget}"
    ]
    caption = "Logarithmic: each line down is ten times rarer."
    return Section("latency", "Added latency", lead, [Plot(svg, caption)],
                   [Table(f"Added to the plain recogniser's answer, ms; below, {INTERVAL}s",
                          columns, rows)])  # fmt: skip


def _shares_plot(name: str, title: str, unit: str, shares: dict[str, Figures]) -> Plot:
    svg = plots.stacked(
        name,
        title,
        ", ".join(f"{part} {percent(one['share'])}" for part, one in shares.items()),
        {unit: {part: one["share"] for part, one in shares.items()}},
        x_label=f"share of {unit}",
        percent=True,
    )
    return Plot(svg, f"{title}.")


def _shares_table(caption: str, shares: dict[str, Figures]) -> Table:
    rows = [
        [part, number(one["count"]), percent(one["share"]), between_shares(one)]
        for part, one in shares.items()
    ]
    return Table(caption, ["outcome", "n", "share", f"{INTERVAL}, %"], rows)


def _of(found: Figures) -> str:
    return percent(found["share"])


def _bin(one: Figures) -> str:
    if one["to_ms"] is None:
        return f"{seconds(one['from_ms'])} and more"
    return f"{seconds(one['from_ms'])}\N{EN DASH}{seconds(one['to_ms'])}"
