"""What a replay fills and the reports draw: points in time, and one report a turn.

A trace point holds names and numbers only. A turn report holds the texts, because to show them is
its purpose; its `repr` does not.

The terminal and the other reports know these names:

    lane        name                      what it is
    events      as in a scenario file     an event arrived; `again=1` for a repeated one;
                                          also speech_finished and speech_interrupted
    store       the operation             update, put, get, claim, settle, delete, ...
    reply       reply                     from its start to its end, or to the barge-in
    context     window                    from expect-speech to the end of the reply
                embed                     the context embedding; `missed=1` if it was stopped
                missed                    the turn's context was given up
    recogniser  recognise, rescore        work on this turn's utterance
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ctxasr.hypotheses import Change

Lane = Literal["events", "store", "reply", "context", "recogniser"]

_NAME: Final = re.compile(r"[\w.#:/+-]{1,80}")


@dataclass(frozen=True, slots=True)
class TracePoint:
    """Something that happened at `at_ms` (of any clock that is one for the turn).

    Raises:
        ValueError: a name or a fact could hold a sentence; texts have no place in a trace.
    """

    name: str
    lane: Lane
    at_ms: float
    duration_ms: float = 0.0
    facts: Mapping[str, str | float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = [self.name, *self.facts]
        words += [fact for fact in self.facts.values() if isinstance(fact, str)]
        if not all(_NAME.fullmatch(word) for word in words):
            raise ValueError("a trace point takes names (one word) and numbers, never texts")

    @property
    def end_ms(self) -> float:
        return self.at_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not hold: the field path and line in the scenario file."""

    field: str
    line: int
    expected: str
    got: str

    def __repr__(self) -> str:
        return f"Failure({self.field}, line {self.line})"


@dataclass(frozen=True, slots=True)
class TurnReport:
    """What came out of one turn of a scenario.

    `outcome` is the turn's own. `context`, `window_ms` and `context_ms` are of the context that
    this utterance could use: the window that the turn before left, and how long its embedding
    took. `added_ms` is what fetching and rescoring took after the plain result.
    """

    scenario: str
    turn: int
    """From 1."""
    outcome: str | None
    context: str
    window_ms: float | None
    context_ms: float | None
    plain_text: str
    text: str
    changes: tuple[Change, ...] = ()
    reason: str = ""
    """Why the text is what it is, in a sentence."""
    passed: bool = True
    failures: tuple[Failure, ...] = ()
    added_ms: float = 0.0
    reference: str = ""
    """What was really said, where the scenario knows it."""
    points: tuple[TracePoint, ...] = ()
    left_out: int = 0
    """Names that a limit has kept from the context."""
    unpronounceable: int = 0
    """Names of the context that have no sound in English, or no letter."""
    file: str = ""
    """The scenario file."""

    def __repr__(self) -> str:
        return f"TurnReport({self.scenario}, turn {self.turn}, passed={self.passed})"

    def to_json(self) -> dict[str, Any]:
        """The object that `ctxasr replay --json` prints."""
        return {
            "scenario": self.scenario,
            "turn": self.turn,
            "outcome": self.outcome,
            "context": self.context,
            "window_ms": _rounded(self.window_ms),
            "context_ms": _rounded(self.context_ms),
            "plain_text": self.plain_text,
            "text": self.text,
            "changes": [change.to_json() for change in self.changes],
            "passed": self.passed,
            "failures": [
                {
                    "field": failure.field,
                    "line": failure.line,
                    "expected": failure.expected,
                    "got": failure.got,
                }
                for failure in self.failures
            ],
            "reason": self.reason,
            "left_out": self.left_out,
            "unpronounceable": self.unpronounceable,
            "added_ms": _rounded(self.added_ms),
        }


def _rounded(duration_ms: float | None) -> float | None:
    return None if duration_ms is None else round(duration_ms, 1)
