"""One turn as rows of text: its events, the store, the reply, the embedding under it.

    events      ││                          │
                ││                          └ speech_finished
                │└ expect_speech · reply
                └ recognize · utterance
    store       ▪▪▪▪                          9 operations
    reply        ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇  2.1s
    context      ████████╌╌╌ slack 1.7s ╌╌╌╌  412ms

Everything is put on one scale; a margin at the right takes the last labels, so that none is cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from ctxasr.report.trace import Lane, TracePoint

LABEL_CELLS: Final = 12
MARGIN_CELLS: Final = 20
PLOT_CELLS_MIN: Final = 20
"""Narrower terminals get lines that wrap."""

TICKS_MAX: Final = 6
"""Labels of the time axis; more run into each other at 80 columns."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs to draw with."""

    stem: str = "│"
    corner: str = "└"
    dot: str = "·"
    op: str = "▪"
    reply: str = "▇"
    embed: str = "█"
    dash: str = "╌"
    late: str = "▒"
    axis: str = "─"
    arrow: str = "→"
    yes: str = "✓"
    no: str = "✗"


ASCII: Final = Glyphs("|", "`", "+", "'", "=", "#", "-", "%", "-", "->", "ok", "XX")


@dataclass(frozen=True, slots=True)
class Scale:
    """Milliseconds -> columns."""

    start_ms: float
    end_ms: float
    cells: int

    def column(self, at_ms: float) -> int:
        share = (at_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return min(self.cells - 1, max(0, round(share * (self.cells - 1))))


def draw(points: Sequence[TracePoint], width: int, glyphs: Glyphs) -> list[Text]:
    """The rows of one turn's time line, at most `width` cells wide."""
    if not points:
        return []
    start_ms = min(point.at_ms for point in points)
    # a window that was interrupted ends with the reply, not where it was going to end
    end_ms = max(point.end_ms if point.name != "window" else point.at_ms for point in points)
    cells = max(PLOT_CELLS_MIN, width - LABEL_CELLS - MARGIN_CELLS)
    scale = Scale(start_ms, max(end_ms, start_ms + 1.0), cells)
    lanes: dict[Lane, list[TracePoint]] = {}
    for point in sorted(points, key=lambda point: point.at_ms):
        lanes.setdefault(point.lane, []).append(point)
    rows = [_axis(scale, glyphs)]
    rows += _events(lanes.get("events", []), scale, glyphs, width)
    rows += _store(lanes.get("store", []), scale, glyphs)
    rows += _reply(lanes.get("reply", []), scale, glyphs)
    rows += _context(lanes, scale, glyphs)
    rows += _recogniser(lanes.get("recogniser", []), scale, glyphs)
    return rows


def human(duration_ms: float) -> str:
    """A duration for people: 8.4ms, 412ms, 2.1s, 3m 20s."""
    size = abs(duration_ms)
    if size < 9.95:
        return f"{duration_ms:.1f}".removesuffix(".0") + "ms"
    if size < 999.5:
        return f"{duration_ms:.0f}ms"
    if size < 99_950:
        return f"{duration_ms / 1000:.1f}".removesuffix(".0") + "s"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes}m {seconds}s"


class _Canvas:
    """A row of cells, each with a sign and a style."""

    def __init__(self, label: str, cells: int, note: str = "", note_style: str = "dim") -> None:
        self.label, self.note, self.note_style = label, note, note_style
        self.signs = [" "] * cells
        self.styles = [""] * cells

    def put(self, column: int, text: str, style: str) -> None:
        for offset, sign in enumerate(text):
            if 0 <= column + offset < len(self.signs):
                self.signs[column + offset] = sign
                self.styles[column + offset] = style

    def text(self) -> Text:
        row = Text.assemble((self.label.ljust(LABEL_CELLS), "dim"))
        for sign, style in zip(self.signs, self.styles, strict=True):
            row.append(sign, style)
        if self.note:
            row.append(f"  {self.note}", self.note_style)
        row.rstrip()
        return row


def _axis(scale: Scale, glyphs: Glyphs) -> Text:
    """Round times along the top: 0  0.5s  1s  ..."""
    span_ms = scale.end_ms - scale.start_ms
    step_ms = _round_step(span_ms / TICKS_MAX)
    row = _Canvas("", scale.cells)
    at_ms, free = 0.0, 0
    while at_ms <= span_ms:
        column = scale.column(scale.start_ms + at_ms)
        label = human(at_ms) if at_ms else "0"
        if column >= free and column + len(label) <= scale.cells:
            row.put(column, label, "dim")
            free = column + len(label) + 2
        at_ms += step_ms
    return row.text()


def _round_step(at_least_ms: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ..."""
    step_ms = 1.0
    while True:
        for factor in (1, 2, 5):
            if step_ms * factor >= at_least_ms:
                return step_ms * factor
        step_ms *= 10


def _events(points: Iterable[TracePoint], scale: Scale, glyphs: Glyphs, width: int) -> list[Text]:
    """Labelled ticks: a row of stems, then the labels from the right to the left under them."""
    columns: dict[int, list[str]] = {}
    for point in points:
        columns.setdefault(scale.column(point.at_ms), []).append(point.name)
    if not columns:
        return []
    row = _Canvas("events", scale.cells)
    for column in columns:
        row.put(column, glyphs.stem, "cyan")
    rows = [row.text()]
    waiting = sorted(columns)
    while waiting:
        column = waiting.pop()
        room = width - LABEL_CELLS - column - 2
        for number, line in enumerate(_wrap(_counted(columns[column]), room, glyphs)):
            text = _Canvas("", scale.cells)
            for stem in waiting:
                text.put(stem, glyphs.stem, "dim cyan")
            label = text.text()
            label.append(" " * (LABEL_CELLS + column - cell_len(label.plain)))
            label.append(glyphs.corner if number == 0 else " ", "cyan")
            label.append(f" {line}", "cyan")
            rows.append(label)
    return rows


def _counted(names: Sequence[str]) -> list[str]:
    """Names in the order of their first arrival, with how often they came."""
    return [name if count == 1 else f"{name} x{count}" for name, count in Counter(names).items()]


def _wrap(names: Sequence[str], room: int, glyphs: Glyphs) -> list[str]:
    """The names joined by dots, on as many lines as `room` cells need."""
    lines: list[str] = []
    for name in names:
        joined = f"{lines[-1]} {glyphs.dot} {name}" if lines else ""
        if lines and cell_len(joined) <= room:
            lines[-1] = joined
        else:
            lines.append(name)
    return lines


def _store(points: Sequence[TracePoint], scale: Scale, glyphs: Glyphs) -> list[Text]:
    """A mark for each operation, and how many there were and how long they took together."""
    if not points:
        return []
    total_ms = sum(point.duration_ms for point in points)
    plural = "" if len(points) == 1 else "s"
    row = _Canvas("store", scale.cells, f"{len(points)} op{plural}, {human(total_ms)}")
    for point in points:
        row.put(scale.column(point.at_ms), glyphs.op, "magenta")
    return [row.text()]


def _reply(points: Sequence[TracePoint], scale: Scale, glyphs: Glyphs) -> list[Text]:
    """The reply as a band from its start to its end or interruption."""
    if not points:
        return []
    total_ms = sum(point.duration_ms for point in points)
    row = _Canvas("reply", scale.cells, human(total_ms))
    for point in points:
        first, last = scale.column(point.at_ms), scale.column(point.end_ms)
        row.put(first, glyphs.reply * (last - first + 1), "blue")
    return [row.text()]


def _recogniser(points: Sequence[TracePoint], scale: Scale, glyphs: Glyphs) -> list[Text]:
    """Recognition, and in another colour what context adds after it."""
    if not points:
        return []
    note = " + ".join(human(point.duration_ms) for point in points)
    if cell_len(note) > MARGIN_CELLS - 2:
        note = human(sum(point.duration_ms for point in points))
    row = _Canvas("recogniser", scale.cells, note)
    for point in points:
        first, last = scale.column(point.at_ms), scale.column(point.end_ms)
        style = "yellow" if point.name == "recognise" else "green"
        row.put(first, glyphs.embed * (last - first + 1), style)
    return [row.text()]


def _context(lanes: dict[Lane, list[TracePoint]], scale: Scale, glyphs: Glyphs) -> list[Text]:
    """The embedding, then the slack up to the end of the window or what lies past it."""
    points = lanes.get("context", [])
    embeds = [point for point in points if point.name == "embed"]
    gone = any(point.name == "missed" or point.facts.get("missed") for point in points)
    if not embeds:
        return [_Canvas("context", scale.cells, "missed", "bold red").text()] if gone else []
    start_ms, end_ms = embeds[0].at_ms, embeds[-1].end_ms
    slack_ms = _deadline_ms(lanes, end_ms) - end_ms
    missed = gone or slack_ms < 0
    row = _Canvas("context", scale.cells, human(end_ms - start_ms), "dim")
    first, last, deadline = (scale.column(at) for at in (start_ms, end_ms, end_ms + slack_ms))
    if missed:
        inside = min(last, max(first, deadline))
        row.put(first, glyphs.embed * (inside - first + 1), "red")
        row.put(inside + 1, glyphs.late * (last - inside), "red")
        row.note_style = "bold red"
        row.note = "missed, stopped" if gone else f"missed by {human(-slack_ms)}"
        return [row.text()]
    row.put(first, glyphs.embed * (last - first + 1), "green")
    row.put(last + 1, glyphs.dash * (deadline - last), "dim green")
    word = f" slack {human(slack_ms)} "
    if len(word) + 2 <= deadline - last:
        row.put(last + 1 + (deadline - last - len(word)) // 2, word, "green")
    else:
        row.note += f", slack {human(slack_ms)}"
    return [row.text()]


def _deadline_ms(lanes: dict[Lane, list[TracePoint]], otherwise_ms: float) -> float:
    """The end of the compute window: of the reply, or of the part of it that was heard."""
    windows = [point for point in lanes.get("context", []) if point.name == "window"]
    replies = [point for point in lanes.get("reply", []) if point.name == "reply"]
    interrupted = any(point.name == "speech_interrupted" for point in lanes.get("events", []))
    ends = [point.end_ms for point in windows[:1] or replies[:1]]
    ends += [point.end_ms for point in replies if interrupted]
    return min(ends, default=otherwise_ms)
