"""Does a turn's report hold what its scenario expects?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxasr.report.trace import Failure, TurnReport
from ctxasr.scenario.model import Expect, Scenario
from ctxasr.speech.readings import as_said
from ctxasr.words import normalise


def check(
    scenario: Scenario, index: int, report: TurnReport, *, heard_as_usual: bool = True
) -> Iterator[Failure]:
    """Every expectation of turn `index` (from 0) that does not hold.

    What the recogniser alone hears, and so which signals have to mend it, is expected of the
    embedded recogniser; `heard_as_usual` says that it was the one.
    """
    expect = scenario.turns[index].expect

    def failure(name: str, expected: object, got: object) -> Failure:
        field = f"turns.{index}.expect.{name}"
        return Failure(field, scenario.line_of(field), str(expected), str(got))

    for name, wanted, found in (
        ("outcome", expect.outcome, report.outcome),
        ("context", expect.context, report.context),
    ):
        if wanted is not None and wanted != found:
            yield failure(name, wanted, found)
    if expect.text is not None and as_said(expect.text) != as_said(report.text):
        yield failure("text", normalise(expect.text), normalise(report.text))
    for phrase in expect.contains:
        if not has(report.text, phrase):
            yield failure("contains", phrase, report.text)
    for phrase in expect.lacks:
        if has(report.text, phrase):
            yield failure("lacks", f"no {phrase!r}", report.text)
    for name, expected, got in _of_the_plain_text(expect, report) if heard_as_usual else ():
        yield failure(name, expected, got)


def _of_the_plain_text(expect: Expect, report: TurnReport) -> Iterator[tuple[str, str, str]]:
    """What the recogniser alone was expected to hear, and what had to become of it."""
    wanted, plain = expect.plain_text, report.plain_text
    if wanted is not None and as_said(wanted) != as_said(plain):
        yield "plain_text", normalise(wanted), normalise(plain)
    for phrase in expect.plain_lacks:
        if has(plain, phrase):
            yield "plain_lacks", f"no {phrase!r}", plain
    same = report.text == plain
    if expect.same_as_plain is not None and expect.same_as_plain != same:
        yield "same_as_plain", plain if expect.same_as_plain else f"not {plain!r}", report.text
    signals = sorted({change.signal for change in report.changes})
    if expect.signals is not None and sorted(expect.signals) != signals:
        yield "signals", _list(sorted(expect.signals)), _list(signals)


def has(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand in `text`, one after the other."""
    return f" {normalise(phrase)} " in f" {normalise(text)} "


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(values)}]"
