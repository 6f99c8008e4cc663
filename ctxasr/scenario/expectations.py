"""Does a turn's report hold what its scenario expects?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxasr.report.trace import Failure, TurnReport
from ctxasr.scenario.model import Scenario
from ctxasr.speech.readings import as_said
from ctxasr.words import normalise


def check(scenario: Scenario, index: int, report: TurnReport) -> Iterator[Failure]:
    """Every expectation of turn `index` (from 0) that does not hold."""
    expect = scenario.turns[index].expect

    def failure(name: str, expected: object, got: object) -> Failure:
        field = f"turns.{index}.expect.{name}"
        return Failure(field, scenario.line_of(field), str(expected), str(got))

    for name, expected, got in (
        ("outcome", expect.outcome, report.outcome),
        ("context", expect.context, report.context),
    ):
        if expected is not None and expected != got:
            yield failure(name, expected, got)
    for name, wanted, text in (
        ("text", expect.text, report.text),
        ("plain_text", expect.plain_text, report.plain_text),
    ):
        if wanted is not None and as_said(wanted) != as_said(text):
            yield failure(name, normalise(wanted), normalise(text))
    for phrase in expect.contains:
        if not has(report.text, phrase):
            yield failure("contains", phrase, report.text)
    for phrase in expect.lacks:
        if has(report.text, phrase):
            yield failure("lacks", f"no {phrase!r}", report.text)
    for phrase in expect.plain_lacks:
        if has(report.plain_text, phrase):
            yield failure("plain_lacks", f"no {phrase!r}", report.plain_text)
    same = report.text == report.plain_text
    if expect.same_as_plain is not None and expect.same_as_plain != same:
        wanted = report.plain_text if expect.same_as_plain else f"not {report.plain_text!r}"
        yield failure("same_as_plain", wanted, report.text)
    signals = sorted({change.signal for change in report.changes})
    if expect.signals is not None and sorted(expect.signals) != signals:
        yield failure("signals", _list(sorted(expect.signals)), _list(signals))


def has(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand in `text`, one after the other."""
    return f" {normalise(phrase)} " in f" {normalise(text)} "


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(values)}]"
