"""The plots of a simulated fleet: rates, tails, shares, a day, differences, sweeps.

Each returns the SVG of `ctxasr.report.page.svg.inline`. What differs by colour
differs by mark, hatch or place as well. Shares are from 0 to 1, durations in the unit that the axis
names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctxasr.report.page.parts import percent as written
from ctxasr.report.page.svg import INK, MUTED, PAPER, SERIES, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HATCHES: Final = ("", "//", "\\\\", "--", "||", "xx")
DASHES: Final = ("solid", "dashed", "dotted", "dashdot", "solid", "dashed")
MARKS: Final = ("o", "s", "^", "D", "v", "P")

BAR_PX: Final = 40
"""Height that one row of a bar plot takes."""

LABEL_SHARE: Final = 0.1
"""A part of a bar at least this wide holds its own label; narrower ones are in the table."""


@dataclass(frozen=True, slots=True)
class Point:
    """`x`, what was measured there, and its interval; `x_to` ends a bin."""

    x: float
    y: float
    low: float
    high: float
    x_to: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over the same time; `limit` is a line of its own, named `limit_name`."""

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    limit: float | None = None
    limit_name: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a what-if differs from the design: `better` says for whom, None where it is open."""

    name: str
    y: float
    low: float
    high: float
    design_is_better: bool | None


def rate_by_bin(
    name: str, title: str, description: str, bins: Sequence[Point], *, x_label: str, y_label: str
) -> str:
    """A share in each bin with its interval; below, how many the bin holds.

    Bins of any width are drawn equally wide, their edges named; there is at least one bin.
    """

    edges = sorted({point.x for point in bins} | {point.x_to or point.x for point in bins})
    ends = edges if bins[-1].x_to is not None else [*edges, math.inf]
    labels = ["" if edge == math.inf else f"{edge:g}" for edge in ends]

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
        for point in bins:
            at = edges.index(point.x)
            end = ends.index(math.inf if point.x_to is None else point.x_to)
            above.fill_between((at, end), point.low, point.high, color=SERIES[0], alpha=0.25,
                               linewidth=0.0)  # fmt: skip
            above.plot((at, end), (point.y, point.y), color=SERIES[0], linewidth=2.5)
            below.bar(at, point.n, end - at, align="edge", color=MUTED, alpha=0.6,
                      edgecolor=PAPER, linewidth=0.8)  # fmt: skip
        below.set_xticks(range(len(ends)), labels, fontsize=10)
        floor = min((point.low for point in bins), default=0.0)
        above.set_ylim(0.0 if floor < 0.5 else max(0.0, floor - 0.25 * (1.0 - floor) - 0.01), 1.005)
        _in_percent(above)
        above.set_ylabel(y_label)
        below.set_ylabel("n")
        below.set_xlabel(x_label)
        below.locator_params(axis="y", nbins=2)
        below.grid(visible=False, axis="x")

    return inline(name, title, description, 360, draw)


def tail(
    name: str,
    title: str,
    description: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    budget_ms: float | None,
    marks: Sequence[tuple[str, float, float]] = (),
) -> str:
    """The share of answers that waited longer than x ms, on a logarithmic scale, as steps.

    `marks` are quantiles: what they are called, where they lie, and the share above them.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (label, points) in enumerate(curves.items()):
            seen = [(x, share) for x, share in points if share > 0]
            seen += [(points[-1][0], seen[-1][1])] if seen else []  # until the largest of all
            axes.step(*_columns(seen), where="post", label=label, linewidth=2.0,
                      color=SERIES[number], linestyle=DASHES[number])  # fmt: skip
        for label, x, share in marks:
            axes.plot(x, share, marker="o", color=INK, markersize=5)
            axes.annotate(label, (x, share), xytext=(7, 5), textcoords="offset points")
        axes.set_yscale("log")
        axes.set_ylim(top=1.0)
        if budget_ms is not None:
            _marked(axes, budget_ms, f"read budget {budget_ms:g} ms")
            axes.set_xlim(left=0.0, right=max(1.1 * axes.dataLim.x1, 1.1 * budget_ms))
        axes.set_xlabel("added to the plain recogniser's answer, ms")
        axes.set_ylabel("answers that waited longer")
        axes.yaxis.set_major_formatter(lambda share, _: _percent(share))
        axes.minorticks_off()
        if len(curves) > 1:
            axes.legend(loc="upper right")

    return inline(name, title, description, 340, draw)


def stacked(
    name: str,
    title: str,
    description: str,
    rows: Mapping[str, Mapping[str, float]],
    *,
    x_label: str,
    percent: bool = False,
) -> str:
    """One bar a row, made of the same parts in the same order."""
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    widest = max((sum(row.values()) for row in rows.values()), default=1.0) or 1.0

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = list(rows)
        ends = [0.0] * len(names)
        for number, part in enumerate(parts):
            values = [rows[row].get(part, 0.0) for row in names]
            colour = SERIES[number % len(SERIES)]
            bars = axes.barh(
                range(len(names)), values, left=ends, label=part, height=0.62, color=colour,
                edgecolor=PAPER, linewidth=1.0, hatch=HATCHES[number % len(HATCHES)],
            )  # fmt: skip
            shown = [
                ""
                if value < LABEL_SHARE * widest
                else written(value)
                if percent
                else f"{value:.2f}"
                for value in values
            ]
            for text in axes.bar_label(bars, shown, label_type="center", color=INK, fontsize=11):
                text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
            ends = [end + value for end, value in zip(ends, values, strict=True)]
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(x_label)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        if percent:
            axes.set_xlim(0.0, 1.0)
            axes.xaxis.set_major_formatter(lambda share, _: _percent(share))
        if len(names) == 1:
            axes.set_yticks([])
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.2)

    return inline(
        name, title, description, 70 + BAR_PX * len(rows) + 20 * -(-len(parts) // 3), draw
    )


def over_time(
    name: str, title: str, description: str, panels: Sequence[Panel], *, x_label: str, until: float
) -> str:
    """Panels above one another over the same time, from 0 until `until`."""

    def draw(figure: Figure) -> None:
        for axes, panel in zip(_stack(figure, len(panels)), panels, strict=True):
            for number, (label, points) in enumerate(panel.curves.items()):
                xs, ys = _columns(points)
                axes.plot(xs, ys, color=SERIES[number], linestyle=DASHES[number], linewidth=1.8,
                          label=label)  # fmt: skip
                if number == 0:
                    axes.fill_between(xs, ys, color=SERIES[number], alpha=0.15, linewidth=0.0)
            if panel.limit is not None:
                axes.axhline(panel.limit, color=INK, linestyle="dashed", linewidth=1.0)
                axes.annotate(panel.limit_name, (1.0, panel.limit), va="bottom", ha="right",
                              xycoords=("axes fraction", "data"), xytext=(0, 2),
                              textcoords="offset points")  # fmt: skip
            axes.set_title(panel.title)
            axes.set_ylim(bottom=0.0, top=axes.get_ylim()[1] * (1.15 if panel.limit else 1.0))
            if len(panel.curves) > 1:
                _legend(axes)
        axes.set_xlabel(x_label)
        axes.set_xlim(0.0, until)

    return inline(name, title, description, 60 + 130 * len(panels), draw)


def differences(
    name: str, title: str, description: str, panels: Mapping[str, Sequence[Difference]]
) -> str:
    """For each figure, what every what-if changes: a point, its interval, and zero, the design.

    A full circle where the design is better, a full square where the what-if is, hollow where the
    interval leaves it open.
    """
    rows = max((len(panel) for panel in panels.values()), default=0)
    high = -(-len(panels) // 2)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(high, 2, squeeze=False)
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        for number, (axes, (label, panel)) in enumerate(
            zip(grid.flat, panels.items(), strict=False)
        ):
            axes.axvline(0.0, color=INK, linewidth=1.0)
            for row, one in enumerate(panel):
                side = {True: 0, False: 1, None: None}[one.design_is_better]
                colour = MUTED if side is None else SERIES[side]
                axes.plot((one.low, one.high), (row, row), color=colour, linewidth=2.0)
                axes.plot(one.y, row, color=colour, marker=MARKS[side or 0], markersize=7,
                          markerfacecolor=PAPER if side is None else colour)  # fmt: skip
            names = [one.name for one in panel] if number % 2 == 0 else []
            axes.set_yticks(range(len(panel)), names or [""] * len(panel), color=INK)
            axes.set_ylim(len(panel) - 0.4, -0.6)
            axes.set_title(label)
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.margins(x=0.12)
            axes.locator_params(axis="x", nbins=4)

    return inline(name, title, description, 20 + high * (62 + 24 * rows), draw)


def sweep(
    name: str,
    title: str,
    description: str,
    panels: Mapping[str, Mapping[str, Sequence[Point]]],
    *,
    x_label: str,
) -> str:
    """What changes as one parameter does, with intervals; the curves of all panels are the same."""

    def draw(figure: Figure) -> None:
        stack = _stack(figure, len(panels))
        for axes, (label, curves) in zip(stack, panels.items(), strict=True):
            for number, (curve, points) in enumerate(curves.items()):
                xs, colour = [point.x for point in points], SERIES[number]
                lows, highs = [point.low for point in points], [point.high for point in points]
                axes.fill_between(xs, lows, highs, color=colour, alpha=0.2, linewidth=0.0)
                axes.plot(xs, [point.y for point in points], color=colour, linewidth=2.0,
                          marker=MARKS[number], markersize=5, linestyle=DASHES[number],
                          label=curve)  # fmt: skip
            axes.set_title(label)
            xs = sorted({point.x for points in curves.values() for point in points})
            if min(xs) > 0 and max(xs) > 20 * min(xs):
                axes.set_xscale("log")
                axes.set_xticks(xs, [f"{x:g}" for x in xs])
                axes.minorticks_off()
        axes.set_xlabel(x_label)
        handles, labels = stack[0].get_legend_handles_labels()
        if len(labels) > 1:
            figure.legend(handles, labels, loc="outside upper left", ncols=3)

    return inline(name, title, description, 90 + 140 * len(panels), draw)


def _stack(figure: Figure, count: int) -> list[Axes]:
    return list(figure.subplots(count, sharex=True, squeeze=False)[:, 0])


def _legend(axes: Axes) -> None:
    """Right of the title, where no curve runs."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, ncols=3)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _marked(axes: Axes, x: float, label: str) -> None:
    axes.axvline(x, color=INK, linestyle="dashed", linewidth=1.0)
    axes.annotate(label, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(-6, -4),
                  textcoords="offset points", ha="right", va="top")  # fmt: skip


def _in_percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda share, _: _percent(share))


def _percent(share: float) -> str:
    return f"{100 * share:.6g}%"
