"""The heaviest phrases that a format can write and has room for; the rest is counted, by reason.

    weights   meg bauer -0.7, jones -1.1, yes -4.0     room for 10 characters
    chosen    meg bauer                                left out: 1 no room, 1 generic

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
from typing import Any

from ctxasr.bias import GENERIC_SIGNAL, BiasingPhrase
from ctxasr.hypotheses import PHRASES_MAX


class Left(StrEnum):
    """Why a phrase was left out."""

    GENERIC = "answers that any question may get"
    UNWEIGHTED = "without a weight"
    EMPTY = "empty"
    CHARACTERS = "with characters that the format does not take"
    TOO_LONG = "longer than an entry may be"
    DUPLICATE = "the same as a heavier one"
    NO_ROOM = "for which there was no room"


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
    Entries with the same `key` are the same. At most `entries_max` are taken.
    """

    write: Callable[[str], str | Left]
    size: Callable[[str], int] = len
    room: int | None = None
    key: Callable[[str], str] = str
    entries_max: int = PHRASES_MAX


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

    def exported(self, target: str, content: str | dict[str, Any]) -> Exported:
        left_out = {reason: self.left_out[reason] for reason in Left if self.left_out[reason]}
        return Exported(target, content, len(self.entries), left_out)


def choose(phrases: Sequence[BiasingPhrase], form: Format) -> Chosen:
    """Fill the format, heaviest phrases first."""
    chosen, taken, seen = Chosen(), 0, set[str]()
    weighed = [phrase for phrase in phrases if not math.isnan(phrase.log_prior)]
    chosen.left_out[Left.UNWEIGHTED] = len(phrases) - len(weighed)
    for phrase in sorted(weighed, key=lambda one: -one.log_prior):  # stable: equal ones keep order
        written = _written(phrase, form)
        size = 0 if isinstance(written, Left) else form.size(written)
        if isinstance(written, Left):
            chosen.left_out[written] += 1
        elif form.key(written) in seen:
            chosen.left_out[Left.DUPLICATE] += 1
        elif len(chosen.entries) >= form.entries_max or (
            form.room is not None and taken + size > form.room
        ):
            chosen.left_out[Left.NO_ROOM] += 1
        else:
            taken += size
            seen.add(form.key(written))
            chosen.entries.append(Entry(phrase, written))
    return chosen


def _written(phrase: BiasingPhrase, form: Format) -> str | Left:
    if phrase.phrase.signal == GENERIC_SIGNAL:
        return Left.GENERIC
    text = " ".join(phrase.phrase.text.split())
    if not text:
        return Left.EMPTY
    # Control characters, and halves of surrogate pairs, which no UTF-8 can hold.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return Left.CHARACTERS
    return form.write(text)
