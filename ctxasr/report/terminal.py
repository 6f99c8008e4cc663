"""Draw a scenario's reports in the terminal: time lines, texts with their differences, a summary.

Everything can be read without colour: a replaced span is written [power → bauer].
Texts come from outside: they are never read as markup, and control characters are not printed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ctxasr.report.timeline import ASCII, Glyphs, draw, human
from ctxasr.report.trace import Failure, TurnReport

WIDTH_MAX: Final = 120
"""Wider terminals are not filled: a time line that long is hard to follow."""

_LABEL: Final = 12
_CONTEXT_STYLES: Final = {"hit": "green", "missed": "red", "none": "dim"}


def counted_names(left_out: int, unpronounceable: int) -> list[str]:
    """What is said of the names of a context that cannot help."""
    said = {
        f"{left_out} names had no room": left_out,
        f"{unpronounceable} names have no sound in English: they are never heard": unpronounceable,
    }
    return [line for line, count in said.items() if count]


def print_reports(reports: Sequence[TurnReport], console: Console, *, summary: bool = True) -> None:
    """All turns of all scenarios in their order, then a table over the scenarios."""
    for _, turns in groupby(reports, key=lambda report: (report.scenario, report.file)):
        print_scenario(list(turns), console)
    if summary:
        print_summary(reports, console)


def print_scenario(reports: Sequence[TurnReport], console: Console) -> None:
    """The turns of one scenario."""
    if not reports:
        return
    glyphs = _glyphs(console)
    passed = all(report.passed for report in reports)
    sign, style = (glyphs.yes, "bold green") if passed else (glyphs.no, "bold red")
    title = Text.assemble((f"{sign} ", style), (_clean(reports[0].scenario), "bold"))
    width = min(console.width, WIDTH_MAX)
    console.print(Rule(title, align="left", characters=glyphs.axis, style="dim"), width=width)
    for report in reports:
        for line in turn_lines(report, console, width):
            console.print(line, soft_wrap=True)
        console.print()


def print_summary(reports: Sequence[TurnReport], console: Console) -> None:
    """One line a scenario: how many turns, how many passed, what context they had."""
    if reports:
        console.print(_summary(reports, _glyphs(console)))


def scenario_text(reports: Sequence[TurnReport], width: int = 80) -> str:
    """The same without colour, as a text: for test reports and logs that may hold texts."""
    console = Console(width=width, no_color=True, force_terminal=False, color_system=None)
    with console.capture() as capture:
        print_scenario(reports, console)
    return capture.get()


def turn_lines(report: TurnReport, console: Console, width: int) -> list[Text]:
    """One turn: a head line, the time line, the texts, the reason, what failed."""
    glyphs = _glyphs(console)
    lines = [*_head(report, glyphs).wrap(console, width), *draw(report.points, width, glyphs)]
    rows = _texts(report, glyphs)
    rows += [_failure(failure, report.file, glyphs) for failure in report.failures]
    for label, text in rows:
        beside = text.wrap(console, max(_LABEL, width - _LABEL))
        for number, line in enumerate(beside):
            style = "bold red" if label.startswith(glyphs.no) else "dim"
            head = (label if number == 0 else "").ljust(_LABEL)
            lines.append(Text.assemble((head, style), line))
    for line in lines:
        line.rstrip()
    return lines


def mark_differences(before: str, after: str, arrow: str = "→") -> Text:
    """`after`, each span that differs from `before` written [old → new]; by words.

    >>> mark_differences("call power now", "call bauer now").plain
    'call [power → bauer] now'
    """
    old, new = _clean(before).split(), _clean(after).split()
    marked = Text()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if marked:
            marked.append(" ")
        if kind == "equal":
            marked.append(" ".join(new[new_start:new_end]))
            continue
        gone, come = " ".join(old[start:end]), " ".join(new[new_start:new_end])
        marked.append("[", "bold")
        marked.append(gone, "red strike")
        marked.append(f"{' ' if gone else ''}{arrow}{' ' if come else ''}", "dim")
        marked.append(come, "bold green")
        marked.append("]", "bold")
    return marked


def _head(report: TurnReport, glyphs: Glyphs) -> Text:
    """turn 2 · context hit: 412ms of 2.1s · outcome embedded."""
    head = Text.assemble((f"turn {report.turn}", "bold"), "  ")
    head.append(f"context {report.context}", _CONTEXT_STYLES.get(report.context, ""))
    if report.context_ms is not None and report.window_ms is not None:
        head.append(f" ({human(report.context_ms)} of a {human(report.window_ms)} window)", "dim")
    if report.outcome is not None:
        style = "red" if report.outcome == "missed" else "dim"
        head.append(f" {glyphs.dot} ", "dim")
        head.append(f"outcome {report.outcome}", style)
    if not report.passed:
        head.append(f" {glyphs.dot} ", "dim")
        head.append("failed", "bold red")
    return head


def _texts(report: TurnReport, glyphs: Glyphs) -> list[tuple[str, Text]]:
    """The plain and the contextual text, who caused the changes, and why; each with a label."""
    rows = []
    if report.reference:
        rows.append(("said", Text(_clean(report.reference), "italic")))
    rows.append(("plain", Text(_clean(report.plain_text) or "(nothing heard)")))
    if report.text == report.plain_text:
        rows.append(("result", Text("the same", "dim")))
    else:
        rows.append(("result", mark_differences(report.plain_text, report.text, glyphs.arrow)))
    for change in report.changes:
        cause = f" from '{_clean(change.phrase)}' ({_clean(change.signal)})"
        rows.append(("", Text.assemble((_clean(change.after), "green"), (cause, "dim"))))
    for line in counted_names(report.left_out, report.unpronounceable):
        rows.append(("names", Text(line, "yellow")))
    if report.reason:
        reason = Text(_clean(report.reason))
        if report.added_ms:
            reason.append(f" (+{human(report.added_ms)})", "dim")
        rows.append(("why", reason))
    return rows


def _failure(failure: Failure, file: str, glyphs: Glyphs) -> tuple[str, Text]:
    where = f"{_clean(file)}:{failure.line}: {_clean(failure.field)}"
    text = Text.assemble(
        (where, "red"),
        ("\nexpected ", "dim"), (_clean(failure.expected), "green"),
        ("\ngot      ", "dim"), (_clean(failure.got), "red"),
    )  # fmt: skip
    return f"{glyphs.no} failed", text


def _summary(reports: Sequence[TurnReport], glyphs: Glyphs) -> RenderableType:
    table = Table(
        box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, safe_box=True, padding=(0, 1, 0, 0)
    )
    rows = [
        (_clean(name), list(turns))
        for (name, _), turns in groupby(reports, key=lambda report: (report.scenario, report.file))
    ]
    passed = sum(all(turn.passed for turn in turns) for _, turns in rows)
    table.add_column("scenario", f"{passed} of {len(rows)} passed", overflow="fold")
    heads = ("turns", "passed", "hit", "missed", "none", "changed")
    for place, head in enumerate(heads):
        table.add_column(head, _counts(reports)[place], justify="right")
    longest_ms = max(report.added_ms for report in reports)
    table.add_column("added", human(longest_ms), justify="right")
    for name, turns in rows:
        held = all(turn.passed for turn in turns)
        sign = Text(f"{glyphs.yes if held else glyphs.no} ", "green" if held else "bold red")
        table.add_row(
            sign.append(name, "" if held else "bold"),
            *_counts(turns),
            human(max(turn.added_ms for turn in turns)),
        )
    return Padding(table, (0, 0, 1, 0))


def _counts(turns: Sequence[TurnReport]) -> list[str]:
    """Turns, passed, hit, missed, none, changed; nothing where nothing is."""
    contexts = [turn.context for turn in turns]
    numbers: Iterable[int] = (
        len(turns),
        sum(turn.passed for turn in turns),
        contexts.count("hit"),
        contexts.count("missed"),
        contexts.count("none"),
        sum(turn.text != turn.plain_text for turn in turns),
    )
    return [str(number or "-") for number in numbers]


def _clean(text: str) -> str:
    """Without control characters: a text cannot move the cursor or change a colour."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _glyphs(console: Console) -> Glyphs:
    return ASCII if console.options.ascii_only else Glyphs()
