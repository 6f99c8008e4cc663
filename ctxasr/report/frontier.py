"""Gain against harm over all thresholds, as an SVG or PNG file that stands by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctxasr.errors import InputError

SUFFIXES: Final = (".svg", ".png")

_COLOURS: Final = ("#0b6e99", "#c8553d", "#4f772d", "#7b4b94", "#b8860b", "#444444")
_DASHES: Final = ("solid", "dashed", "dotted", "dashdot", "solid", "dashed")
_PANEL_INCHES: Final = (5.2, 4.2)

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "frontier",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.4,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
}


@dataclass(frozen=True, slots=True)
class Axes:
    """One panel: lines of points (harm, gain), and where the shipped threshold stands on each."""

    title: str
    harm: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    at: Mapping[str, tuple[float, float]]


def check(path: Path) -> None:
    """That a plot can be written there, before anything takes long.

    Raises:
        InputError: the name ends otherwise than in .svg or .png, or the folder is not there.
        ImportError: matplotlib is not installed.
    """
    import matplotlib  # noqa: F401

    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a plot's name ends in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no such folder")


def draw_frontier(path: Path, panels: Sequence[Axes]) -> None:
    """Write the panels, one or more, side by side; equal figures give equal bytes.

    Raises:
        OSError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(width * len(panels), height), layout="constrained")
        every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, panel in zip(every, panels, strict=True):
            for number, (name, line) in enumerate(panel.lines.items()):
                look = {
                    "color": _COLOURS[number % len(_COLOURS)],
                    "linestyle": _DASHES[number % len(_DASHES)],
                }
                axes.plot(*_columns(line), label=name, linewidth=1.8, **look)
                axes.plot(*panel.at[name], marker="o", color=look["color"], markersize=5)
            axes.set_title(panel.title)
            axes.set_xlabel(panel.harm)
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:+.0%}")
            axes.yaxis.set_major_formatter(lambda y, _: f"{y:+.0%}")
        every[0].set_ylabel("word errors with the answer on offer")
        handles, names = every[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3)
        part = path.with_name(f".part-{path.name}")
        try:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(part, format=path.suffix[1:], metadata=metadata)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _columns(line: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in line], [y for _, y in line]
