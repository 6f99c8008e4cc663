"""The sections that compare: cost by part, the design against what-ifs, sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
)
from ctxasr.report.page.plots import Difference, Point

DESIGN: Final = "the article's design"


def costs(figures: Figures, others: Mapping[str, Figures]) -> Section | None:
    """Dollars a million turns by what they are for, the design's beside the what-ifs'."""
    if not figures.get("costs"):
        return None
    found = {DESIGN: figures["costs"]} | {
        name: one["costs"] for name, one in others.items() if one.get("costs")
    }
    parts = list(dict.fromkeys(part for one in found.values() for part in one["usd_per_million"]))
    svg = plots.stacked(
        "cost-by-part",
        "Cost of a million turns by part",
        "; ".join(
            f"{name}: {number(one['total_usd_per_million'])} US dollars"
            for name, one in found.items()
        ),
        {name: one["usd_per_million"] for name, one in found.items()},
        x_label="US dollars a million turns",
    )
    rows = [
        [part, *(number(one["usd_per_million"].get(part), 3) for one in found.values())]
        for part in parts
    ]
    rows.append(["all", *(number(one["total_usd_per_million"]) for one in found.values())])
    dearest = max(parts, key=lambda part: found[DESIGN]["usd_per_million"].get(part, 0.0))
    lead = [
        f"A million turns cost {number(found[DESIGN]['total_usd_per_million'])} US dollars; the "
        f"largest part is {dearest}."
    ]
    left_out, prices = found[DESIGN].get("left_out", []), found[DESIGN].get("prices", {})
    notes = [f"Left out: {'; '.join(left_out)}."] if left_out else []
    if "region" in prices:
        notes.append(f"Prices of {prices['region']}, {prices.get('as_of', '')}.")
    return Section(
        "costs",
        "Cost",
        lead,
        [Plot(svg, "By what it pays for, at the prices of ctxasr costs.")],
        [Table("US dollars a million turns", ["", *found], rows)],
        notes,
    )


def what_ifs(others: Mapping[str, Figures]) -> Section | None:
    """By how much the design is better and worse than each of the others."""
    compared = {name: one["against"] for name, one in others.items() if one.get("against")}
    if not compared:
        return None
    lead = [_sentence(name, rows) for name, rows in compared.items()]
    panels = _panels(compared)
    svg = plots.differences(
        "what-if-differences",
        "What each what-if changes",
        "; ".join(
            f"{label}: " + ", ".join(f"{one.name} {number(one.y, 3)}" for one in panel)
            for label, panel in panels.items()
        ),
        panels,
    )
    caption = (
        f"What-if less design, with its {INTERVAL}; the line is the design. Full circle: the "
        "design is better; full square: the what-if is; hollow: the interval leaves it open. "
        "The table has every figure."
    )
    table = Table(
        f"{BETTER} the design is better, {WORSE} the what-if is, {OPEN} neither; in brackets, "
        f"{INTERVAL} of the difference",
        ["", "the design", *compared],
        _rows(compared),
    )
    drawn = [Plot(svg, caption)] if panels else []
    heading = "What if the design were another one?"
    return Section("what-ifs", heading, lead, drawn, [table], is_wide=True)


def sweep(points: Sequence[tuple[Mapping[str, str], Figures]]) -> Section | None:
    """What changes as parameters do: `points` are the parameters' values and the figures there."""
    if not points:
        return None
    names = list(points[0][0])
    rows = []
    for values, found in points:
        hit, one = found["deadline"]["hit"], found["added_ms"]["all"]["p99"]
        rows.append([
            ", ".join(values[name] for name in names),
            Cell(percent(hit["share"]), between_shares(hit)),
            Cell(number(one["value"], 3), between(one)),
            number(found["encoder"]["workers"]),
            number(found.get("costs", {}).get("total_usd_per_million")),
            number(found.get("invariants", {}).get("violations")),
        ])  # fmt: skip
    columns = [", ".join(names), "context in time", "added p99, ms", "workers", "$ a million"]
    columns.append("viola\N{SOFT HYPHEN}tions")
    x = _widest_number(points)
    drawn = []
    if x is not None:
        panels = _curves(points, x)
        svg = plots.sweep(
            "sweep-curves",
            f"What changes with {x}",
            f"panels over {x}: " + "; ".join(panels),
            panels,
            x_label=x,
        )
        drawn.append(Plot(svg, f"Shaded: {INTERVAL}s."))
    table = Table(f"Points of the sweep; below, {INTERVAL}s", columns, rows)
    tables = [table.without_empty_columns()]
    return Section("sweep", "Sweep", [_extremes(points)], drawn, tables)


BETTER, WORSE, OPEN = (
    "\N{BLACK CIRCLE}", "\N{BLACK SQUARE}", "\N{WHITE CIRCLE}"
)  # fmt: skip
SIDES: Final = {"design": True, "what-if": False}
SAID_FIRST: Final = ("violations", "turns settled", "$ a million", "contexts in time")
DIFFERENCES_SAID: Final = 3
DRAWN_FIRST: Final = (
    "turns settled", "contexts in time", "answers with context", "added latency p99,",
    "encodings a context", "encoder workers", "$ a million", "violations",
)  # fmt: skip
PANELS_DRAWN: Final = 8
"""Figures that differ and are drawn; the tables list all of them."""

CURVES_DRAWN: Final = 6
"""As many as the page has colours for; a sweep of more curves is told by its table."""


def _sentence(name: str, rows: Sequence[Figures]) -> str:
    better = [row for row in rows if row["wins"] == "design"]
    worse = [row for row in rows if row["wins"] == "what-if"]
    text = (
        f"Against {name} the design is better in {len(better)} of {count_of(len(rows), 'figure')}"
    )
    text += f" ({_most(better)})" if better else ""
    if not worse:
        return f"{text} and worse in none."
    return f"{text} and worse in {len(worse)} ({_most(worse)})."


def _most(rows: Sequence[Figures]) -> str:
    """What matters most, then what differs most."""

    def place(row: Figures) -> tuple[int, float]:
        known = [at for at, name in enumerate(SAID_FIRST) if row["figure"].startswith(name)]
        relative = math.inf if row["relative"] is None else abs(row["relative"])
        return (known or [len(SAID_FIRST)])[0], -relative

    return "; ".join(
        f"{row['figure']}: {_value(row, row['design'])} against {_value(row, row['what_if'])}"
        for row in sorted(rows, key=place)[:DIFFERENCES_SAID]
    )


def _panels(compared: Mapping[str, Sequence[Figures]]) -> dict[str, list[Difference]]:
    found: dict[str, list[Difference]] = {}
    for name, rows in compared.items():
        for row in rows:
            scale = 100.0 if row["unit"] == "share" else 1.0
            found.setdefault(_titled(row), []).append(
                Difference(
                    name,
                    scale * row["difference"],
                    scale * row["low"],
                    scale * row["high"],
                    SIDES.get(row["wins"]),
                )
            )
    decided = [title for title, panel in found.items()
               if any(one.design_is_better is not None for one in panel)]  # fmt: skip
    decided.sort(key=lambda title: not title.startswith(DRAWN_FIRST))
    return {title: found[title] for title in decided[:PANELS_DRAWN]}


def _titled(row: Figures) -> str:
    unit = {"share": "points", "$": ""}.get(row["unit"], row["unit"])
    unit = "" if unit and f" {unit} " in row["figure"] else unit
    return f"{row['figure']}, {unit}" if unit else row["figure"]


def _rows(compared: Mapping[str, Sequence[Figures]]) -> list[list[str]]:
    """A row a figure; a cell a design, with its difference below."""
    named = {name: {row["figure"]: row for row in rows} for name, rows in compared.items()}
    figures = dict.fromkeys(figure for rows in named.values() for figure in rows)
    found = []
    for figure in figures:
        rows = [one.get(figure) for one in named.values()]
        design = next(row for row in rows if row is not None)
        cells = [Cell("") if row is None else _difference(row) for row in rows]
        found.append([figure, _value(design, design["design"]), *cells])
    return found


def _difference(row: Figures) -> Cell:
    mark, tone = {"design": (BETTER, "good"), "what-if": (WORSE, "bad")}.get(
        row["wins"], (OPEN, "")
    )
    text = f"{mark} {_value(row, row['what_if'])}"
    relative, points = row["relative"], row["unit"] == "share"
    is_exact = row["low"] == row["high"]
    if not row["difference"] and is_exact:
        below = "equal"
    elif is_exact and relative is not None:
        below = f"{_plus(relative)}{percent(relative, 1)}"
    else:
        below = _value(row, row["difference"], signed=True)
    if not is_exact:
        below += f" ({between_shares(row) if points else between(row)})"
    return Cell(text, below, tone=tone)


def _value(row: Figures, value: float, signed: bool = False) -> str:
    plus = _plus(value) if signed else ""
    if row["unit"] == "share":
        return plus + (f"{number(100 * value, 3)} points" if signed else percent(value))
    if row["unit"] == "$":
        return f"{plus}{number(value, 4)} $"
    return f"{plus}{number(value, 3 if signed else 4)} {row['unit']}".strip()


def _plus(value: float) -> str:
    return "+" if value > 0 else ""


def _widest_number(points: Sequence[tuple[Mapping[str, str], Figures]]) -> str | None:
    """The parameter with the most values, all numbers, if the others' make few curves."""
    best, most = None, 1
    for name in points[0][0]:
        values = {of[name] for of, _ in points}
        others = {tuple(value for key, value in of.items() if key != name) for of, _ in points}
        if len(values) > most and len(others) <= CURVES_DRAWN and all(map(_is_number, values)):
            best, most = name, len(values)
    return best


def _curves(
    points: Sequence[tuple[Mapping[str, str], Figures]], x: str
) -> dict[str, dict[str, list[Point]]]:
    panels: dict[str, dict[str, list[Point]]] = {}
    for of, found in sorted(points, key=lambda point: float(point[0][x])):
        at = float(of[x])
        curve = ", ".join(f"{name} {value}" for name, value in of.items() if name != x)
        hit, added = found["deadline"]["hit"], found["added_ms"]["all"]["p99"]
        workers, usd = (
            found["encoder"]["workers"],
            found.get("costs", {}).get("total_usd_per_million"),
        )
        for title, value, low, high, scale in (
            ("context in time, %", hit["share"], hit["low"], hit["high"], 100.0),
            ("added latency at p99, ms", added["value"], added["low"], added["high"], 1.0),
            ("encoder workers", workers, workers, workers, 1.0),
            ("US dollars a million turns", usd, usd, usd, 1.0),
        ):
            if value is not None:
                panels.setdefault(title, {}).setdefault(curve, []).append(
                    Point(at, scale * value, scale * low, scale * high)
                )
    return panels


def _extremes(points: Sequence[tuple[Mapping[str, str], Figures]]) -> str:
    """Where fewest and most contexts are in time."""
    found = [
        (one["deadline"]["hit"]["share"], " ".join(f"{name}={value}" for name, value in of.items()))
        for of, one in points
        if one["deadline"]["hit"]["share"] is not None
    ]
    if not found:
        return f"{count_of(len(points), 'point')}; no turn asked."
    (low, at_low), (high, at_high) = min(found), max(found)
    return (
        f"Contexts in time range from {percent(low)} at {at_low} to {percent(high)} at {at_high}."
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
