"""The heaviest phrases that a format can write and has room for; the rest is counted, by reason.

    weights   Meg Bauer -0.7, Jones -1.1, yes -4.0     room for 10 characters
    chosen    Meg Bauer                                left out: 1 no room, 1 generic

A phrase stands in its original spelling; where a format wants another case (`Case`), in that.

Phrases come by weight, equal ones in the order of the bias (whole names before parts). One that
does not fit makes room for lighter, shorter ones. No phrase is ever cut. Blanks of any kind and
number count as one; a format may refuse further characters. Generic answers ("yes", "cancel") are
left out: they compete with the names in our own rescorer, and others know them well enough.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ctxasr.bias import GENERIC_SIGNAL, BiasingPhrase
from ctxasr.hypotheses import PHRASES_MAX
from ctxasr.speech.readings import as_said
from ctxasr.words import stands_in


class Left(StrEnum):
    """Why a phrase was left out."""

    GENERIC = "answers that any question may get"
    UNWEIGHTED = "without a weight"
    EMPTY = "empty"
    CHARACTERS = "with characters that the format does not take"
    TOO_LONG = "longer than an entry may be"
    DUPLICATE = "the same as a heavier one"
    NO_ROOM = "for which there was no room"
    WITHIN = "part of one that is in"
    CONTEXT = "for which the context had no room"


class Case(StrEnum):
    """How words are written: as they were, or as the tokens of the other recogniser's model are.

    A model without small letters, or without large ones, mostly has neither punctuation nor
    figures: there the words stand as they are said, "ROCKY FOUR" for "Rocky IV".
    """

    WRITTEN = "written"
    UPPER = "upper"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Options:
    """What an exporter may be told beside the phrases; each reads what its format has a place for.

    `reply` is what the assistant has just said, `intent` whose slots Lex shall expect.
    """

    reply: str = ""
    case: Case = Case.WRITTEN
    intent: str = ""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Options({self.case}, {self.intent!r})"


PLAIN: Final = Options()


@dataclass(frozen=True, slots=True)
class Exported:
    """What goes to the other recogniser: a text, or an object to be sent as JSON.

    `kept` phrases are in it; `left_out` counts the others. Together they are all that were given.
    """

    target: str
    content: str | dict[str, Any]
    kept: int
    left_out: dict[Left, int]

    def __repr__(self) -> str:  # its content names names
        return f"Exported({self.target}, {self.kept} phrases)"

    @property
    def text(self) -> str:
        """The content as it is written to a file; an object is one line of JSON."""
        if isinstance(self.content, str):
            return self.content
        return json.dumps(self.content) + "\n"

    @property
    def reasons(self) -> str:
        """The count of those left out by reason, as in "generic=23, no_room=4"; perhaps empty."""
        return ", ".join(f"{one.name.lower()}={count}" for one, count in self.left_out.items())

    def to_json(self) -> dict[str, Any]:
        """The object that `ctxasr export --json` prints."""
        left_out = {reason.name.lower(): count for reason, count in self.left_out.items()}
        return {
            "target": self.target,
            "kept": self.kept,
            "left_out": left_out,
            "content": self.content,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A phrase as a format writes it, and its weight, a log probability."""

    phrase: BiasingPhrase
    written: str

    def __repr__(self) -> str:
        return f"Entry({self.phrase.log_prior:g})"


@dataclass(frozen=True, slots=True)
class Format:
    """How a format writes a phrase, and how much it holds.

    `write` gets a text without double blanks and control characters, and returns it as it stands in
    the format, or why it cannot. `size` is what an entry takes of `room`, separators included.
    Entries with the same `key` are the same. At most `entries_max` are taken. Without `parts` whole
    names come first, and what is a part of one that is in ("Bauer" of "Meg Bauer") stays out: a
    text that a model reads says it already.
    """

    write: Callable[[str], str | Left]
    size: Callable[[str], int] = len
    room: int | None = None
    key: Callable[[str], str] = str.casefold
    entries_max: int = PHRASES_MAX
    case: Case = Case.WRITTEN
    parts: bool = True


@dataclass(slots=True)
class Chosen:
    """The entries by weight, heaviest first, and the count of those left out."""

    entries: list[Entry] = field(default_factory=list)
    left_out: Counter[Left] = field(default_factory=Counter)

    def __repr__(self) -> str:
        return f"Chosen({len(self.entries)} phrases)"

    @property
    def written(self) -> list[str]:
        return [entry.written for entry in self.entries]

    @property
    def texts(self) -> list[str]:
        """As they are compared."""
        return [entry.phrase.phrase.text for entry in self.entries]

    def exported(self, target: str, content: str | dict[str, Any]) -> Exported:
        left_out = {reason: self.left_out[reason] for reason in Left if self.left_out[reason]}
        return Exported(target, content, len(self.entries), left_out)


def choose(phrases: Sequence[BiasingPhrase], form: Format) -> Chosen:
    """Fill the format, heaviest phrases first."""
    chosen, taken, seen = Chosen(), 0, set[str]()
    weighed = [phrase for phrase in phrases if not math.isnan(phrase.log_prior)]
    chosen.left_out[Left.UNWEIGHTED] = len(phrases) - len(weighed)
    order = sorted(weighed, key=lambda one: -one.log_prior)  # stable: equal ones keep their order
    if not form.parts:
        texts = [one.phrase.text for one in order]
        order.sort(key=lambda one: _within(one.phrase.text, texts))
    for phrase in order:
        written = _written(phrase, form)
        size = 0 if isinstance(written, Left) else form.size(written)
        if isinstance(written, Left):
            chosen.left_out[written] += 1
        elif form.key(written) in seen:
            chosen.left_out[Left.DUPLICATE] += 1
        elif not form.parts and _within(phrase.phrase.text, chosen.texts):
            chosen.left_out[Left.WITHIN] += 1
        elif len(chosen.entries) >= form.entries_max or (
            form.room is not None and taken + size > form.room
        ):
            chosen.left_out[Left.NO_ROOM] += 1
        else:
            taken += size
            seen.add(form.key(written))
            chosen.entries.append(Entry(phrase, written))
    return chosen


def _within(text: str, others: Sequence[str]) -> bool:
    """Whether the text is a run of words of another one."""
    return any(stands_in(text, other) for other in others if len(other) > len(text))


def _written(phrase: BiasingPhrase, form: Format) -> str | Left:
    if phrase.phrase.signal == GENERIC_SIGNAL:
        return Left.GENERIC
    named = phrase.phrase
    text = " ".join(named.spelling.split())
    if form.case is not Case.WRITTEN:
        text = as_said(text) or named.text
        text = text.upper() if form.case is Case.UPPER else text.lower()
    if not text:
        return Left.EMPTY
    # Control characters, and halves of surrogate pairs, which no UTF-8 can hold.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return Left.CHARACTERS
    return form.write(text)
