"""Time-marked words (CTM), with alternatives: a confusion network.

    ;; a comment
    a1 A 0.30 0.35 meg 0.98     file, channel, begin and duration (s), word, confidence
    a1 A * * <ALT_BEGIN>
    a1 A 0.70 0.40 power 0.61
    a1 A * * <ALT>
    a1 A 0.70 0.40 bauer 0.30
    a1 A * * <ALT>
    a1 A * * @                  nothing was said there
    a1 A * * <ALT_END>

Each file and channel is an utterance. An alternative of several words has the product of their
confidences; without confidences the alternatives of a place are equally likely, and they come in
the order of the file.

Source: NIST SCTK, doc/infmts.htm, "ctm".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctxasr.hypotheses import ConfusionNetwork
from ctxasr.speech.lattice import written_words
from ctxasr.speech.outputs.source import PROBABILITY_MIN, Source, Utterance, number_of

_NO_WORD: Final = "@"
_MARKS: Final = ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")
_RIGHT: Final = "'file channel begin duration word [confidence]' is right"

FIELDS: Final = (5, 6, 7)
"""How many a line may have; the sixth is a confidence, the seventh the type of the word."""

_Word = tuple[str, float | None]


@dataclass(slots=True, repr=False)
class _Words:
    """What is read so far of one file and channel."""

    line: int
    slots: list[tuple[tuple[str, float], ...]] = field(default_factory=list)
    open_line: int = 0
    alternatives: list[list[_Word]] = field(default_factory=list)
    end_s: float = 0.0


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file and line.
        LimitExceeded: a text is too long.
    """
    found: dict[tuple[str, str], _Words] = {}
    for line, text in source.lines():
        parts = text.split()
        if not parts or text.lstrip().startswith(";;"):
            continue
        if len(parts) not in FIELDS:
            raise source.wrong(f"has {len(parts)} fields; {_RIGHT}", line)
        words = found.setdefault((parts[0], parts[1]), _Words(line))
        if parts[4].upper() in _MARKS:
            _mark(source, words, parts[4].upper(), line)
            continue
        word = _word(source, words, parts, line)
        if words.open_line:
            words.alternatives[-1].append(word)
        else:
            words.slots.append(_slot([[word]]))
    channels = {name for name, _ in found}
    for (name, channel), words in found.items():
        if words.open_line:
            raise source.wrong("no <ALT_END> follows; the file may be cut off", words.open_line)
        yield source.utterance(
            [],
            words.line,
            id=name if len(channels) == len(found) else f"{name}-{channel}",
            duration_s=words.end_s,
            network=ConfusionNetwork(tuple(words.slots)),
        )


def _mark(source: Source, words: _Words, mark: str, line: int) -> None:
    if (mark == "<ALT_BEGIN>") == bool(words.open_line):
        what = "begins inside another one" if words.open_line else "has no <ALT_BEGIN> before it"
        raise source.wrong(f"a place with alternatives {what}", line)
    if mark == "<ALT_END>":
        words.slots.append(_slot(words.alternatives))
        words.open_line, words.alternatives = 0, []
    else:
        words.open_line = words.open_line or line
        words.alternatives.append([])


def _word(source: Source, words: _Words, parts: Sequence[str], line: int) -> _Word:
    if parts[2:4] != ["*", "*"] or parts[4] != _NO_WORD:
        begin_s, duration_s = (number_of(part) for part in parts[2:4])
        if begin_s is None or duration_s is None or min(begin_s, duration_s) < 0.0:
            raise source.wrong("begin and duration must be seconds, at least 0", line)
        words.end_s = max(words.end_s, begin_s + duration_s)
    confidence = None
    if len(parts) > 5 and parts[5].upper() != "NA":
        confidence = number_of(parts[5])
        if confidence is None or not 0.0 <= confidence <= 1.0:
            raise source.wrong("the confidence must be a number from 0 to 1", line)
    return ("" if parts[4] == _NO_WORD else written_words(parts[4])), confidence


def _slot(alternatives: Sequence[Sequence[_Word]]) -> tuple[tuple[str, float], ...]:
    """Texts with their probabilities."""
    equal = 1.0 / len(alternatives)
    return tuple(
        (
            " ".join(word for word, _ in words if word),
            max(PROBABILITY_MIN, math.prod(known) if (known := _confidences(words)) else equal),
        )
        for words in alternatives
    )


def _confidences(words: Sequence[_Word]) -> list[float]:
    return [confidence for _, confidence in words if confidence is not None]
