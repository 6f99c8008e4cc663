"""The section about load: what was begun, what the store took, who encoded."""

from __future__ import annotations

from typing import Any, Final

from ctxasr.report.page import plots
from ctxasr.report.page.parts import Figures, Plot, Section, Table, count_of, number, percent
from ctxasr.report.page.plots import Panel

ROWS_OF_A_RUN: Final = 12
"""Rows of the table beside a plot over time; the plot has every point."""

_NAMES: Final = {
    "dialogues": "dialogues",
    "turns": "turns",
    "write_units": "write units",
    "read_units": "read units",
    "throttled": "throttled",
    "encoder_us": "encoder workers",
}


def load(figures: Figures) -> Section | None:
    """Load, capacity and encoder workers over the run."""
    lanes = figures.get("over_time", {})
    store, encoder = figures.get("store", {}), figures.get("encoder", {})
    if not (lanes or store or encoder):
        return None
    unit, per_unit_s = _time_unit(lanes)
    until = _load_s(lanes) / per_unit_s
    panels: list[Panel] = []
    series: dict[str, tuple[Figures, float]] = {}
    for names, title, scale, limit in (
        (("dialogues", "turns"), "begun a second", 1.0, None),
        (("write_units", "read_units"), "capacity units a second, both tables", 1.0, None),
        (("throttled",), "requests throttled a second", 1.0, None),
        (("encoder_us",), "encoder workers busy", 1e-6, encoder.get("workers")),
    ):
        curves = {
            _NAMES[name]: _curve(lanes[name], scale, per_unit_s)
            for name in names
            if name in lanes and any(lanes[name]["mean"])
        }
        if curves:
            label = f"needed: {number(limit)}" if limit else ""
            panels.append(Panel(title, curves, limit, label))
            series |= {_NAMES[name]: (lanes[name], scale) for name in names if name in lanes}
    tables = []
    if store or encoder:
        tables.append(_capacity_table(store, encoder))
    drawn = []
    if panels:
        svg = plots.over_time(
            "load-over-time",
            "Load, capacity and encoder workers over the run",
            f"{len(panels)} panels over {unit} since the start: "
            + "; ".join(panel.title for panel in panels),
            panels,
            x_label=f"{unit} since the start",
            until=until,
        )
        drawn.append(Plot(svg, "Means, from the first dialogue until the last turn has begun."))
        tables.append(_over_time_table(series, unit, per_unit_s, until))
    lead = []
    if store:
        lead.append(
            f"{count_of(store['throttled'], 'request')} of {number(store['requests'])} to the "
            "store met a throttle."
        )
    if encoder:
        lead.append(
            "No context was embedded."
            if not encoder["encodings"]
            else f"The busiest hour keeps {number(encoder['busy_busiest_hour'], 3)} encoder "
            f"workers busy; with {number(encoder['workers'])}, "
            f"{percent(encoder['waiting_share'])} of embeddings would find none free."
        )
    return Section("load", "Load and capacity", lead, drawn, tables)


def _time_unit(lanes: Figures) -> tuple[str, float]:
    run_s = _load_s(lanes)
    for unit, unit_s in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if run_s >= 3 * unit_s:
            return unit, unit_s
    return "seconds", 1.0


def _load_s(lanes: Figures) -> float:
    """Until when turns begin; what follows is the wait until the last payload has expired."""
    begun = [lanes[name] for name in ("turns", "dialogues") if name in lanes] or lanes.values()
    return max((float(one["width_s"] * len(one["mean"])) for one in begun), default=0.0)


def _curve(lane: Figures, scale: float, unit_s: float) -> list[tuple[float, float]]:
    width, means = lane["width_s"], lane["mean"]
    middles = [((at + 0.5) * width / unit_s, scale * mean) for at, mean in enumerate(means)]
    return [(0.0, scale * means[0]), *middles] if means else []


def _over_time_table(
    series: dict[str, tuple[Figures, float]], unit: str, unit_s: float, until: float
) -> Table:
    rows = []
    for row in range(ROWS_OF_A_RUN):
        begin, end = until * row / ROWS_OF_A_RUN, until * (row + 1) / ROWS_OF_A_RUN
        means = [
            number(scale * _mean(lane, begin * unit_s, end * unit_s), 3)
            for lane, scale in series.values()
        ]
        rows.append([number(begin, 3), *means])
    return Table(f"Means a second, from so many {unit} on", [unit, *series], rows)


def _mean(lane: Figures, begin_s: float, end_s: float) -> float:
    """Of a lane between two instants; where it has ended, nothing happened any more."""
    width = lane["width_s"]
    total = sum(
        mean * max(0.0, min(end_s, (at + 1) * width) - max(begin_s, at * width))
        for at, mean in enumerate(lane["mean"])
    )
    return float(total) / (end_s - begin_s)


def _capacity_table(store: Figures, encoder: Figures) -> Table:
    rows: list[list[str]] = []
    for key, name in (
        ("status_wcu", "write units, status table"),
        ("payload_wcu", "write units, payload table"),
        ("status_rcu", "read units, status table"),
        ("payload_rcu", "read units, payload table"),
    ):
        one: Any = store.get(key)
        if one:
            rows.append(
                [name, number(one["per_turn"], 3), number(one["per_s_busiest_hour"], 3), ""]
            )
    for key, name in (
        ("write_units_busiest_second", "write units, both"),
        ("read_units_busiest_second", "read units, both"),
    ):
        if key in store:
            rows.append([name, "", "", number(store[key], 3)])
    if encoder:
        rows.append([
            "encoder workers busy", "", number(encoder["busy_busiest_hour"], 3),
            number(encoder["busy_busiest_second"], 3) if store else "",
        ])  # fmt: skip
        rows.append(["encodings", number(encoder["per_turn"], 3), "", ""])
    return Table(
        "Capacity", ["", "a turn", "per s, busiest hour", "busiest second"], rows
    ).without_empty_columns()
