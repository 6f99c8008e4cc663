"""What the answer may be: phrases named by the context, each with its weight and its signal.

A list says whole names ("Meg Bauer", "kitchen light"), the customer says a part ("Bauer", "the
kitchen one"). So each name stands for itself and for the parts that tell it from the others.

The weights are log probabilities over all phrases and 'none of these', from the context encoder.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxasr.english.everyday import EVERYDAY_ANSWERS
from ctxasr.events import TurnText
from ctxasr.hypotheses import PHRASE_CHARS_MAX, Phrase
from ctxasr.words import Word, is_said, normalise, seen_in, stands_in, words_in

GENERIC_SIGNAL: Final = "expect_speech"
"""The signal of answers that any question may get."""

GENERIC_ANSWERS: Final = EVERYDAY_ANSWERS
"""They compete with the names: without them a 'no thanks' is taken for whatever sounds nearest."""

_GENERIC: Final = tuple(
    Phrase(text, GENERIC_SIGNAL, written=re.sub(r"\bi\b", "I", text) if "i" in text.split() else "")
    for text in GENERIC_ANSWERS
)

PART_CHARS_MIN: Final = 3
"""A part shorter than this is heard everywhere."""

COMPOSED_CHARS_MAX: Final = 2 * PHRASE_CHARS_MAX
"""Characters of a name's compatibility form: one character may stand for eighteen."""

PARTS_WORDS_MAX: Final = 6
"""Names longer than this (addresses, titles) are not split into parts."""

_TINY: Final = 1e-30
"""Of probabilities: none is so small that its logarithm is not finite."""

_PART_STOP: Final = frozenset(
    "the and for with from near one of at in on to a an my your or is it mr mrs ms dr".split()
)
_QUESTION_WORDS: Final = frozenset(
    "do did does is are was which what who where when how should would could can shall will i you "
    "or here there the your my in on at for it sorry okay sure found got and".split()
)
_COUNTS: Final = frozenset("one two three four five six seven eight nine ten none all both".split())
"""What a sentence may begin with, and what names nothing by itself: "Two of them are open."."""
_LINKS: Final = frozenset("of and the de la".split())
"""Small words that may stand inside a name, one at a time."""
_GLUE: Final = re.compile("[-\u2010\u2011'.:/*]?")
"""What may stand between the words of "Coca-Cola" and "10:30"."""
_ABBREVIATION_CHARS_MAX: Final = 3
"""Up to this length a word with a full stop ("St.", "Dr.") goes on."""


@dataclass(frozen=True, slots=True)
class BiasingPhrase:
    """A phrase and the log probability, before anything was heard, that the answer contains it."""

    phrase: Phrase
    log_prior: float


@dataclass(frozen=True, slots=True)
class Bias:
    """All that may pull at the hypotheses; empty means that nothing does."""

    phrases: tuple[BiasingPhrase, ...] = ()

    def __repr__(self) -> str:
        return f"Bias({len(self.phrases)} phrases)"


class Named(NamedTuple):
    """A whole name as it is written, its words, and how it is compared.

    One that can be no phrase has no words, and is compared as it is written.
    """

    phrase: Phrase
    words: tuple[Word, ...]
    text: str

    @property
    def has_sound(self) -> bool:
        """False for what English cannot say; a name that can be no phrase is not looked at."""
        too_long = not self.words and self.text != ""
        return too_long or any(is_said(word.text) for word in self.words)


def taken_apart(name: Phrase) -> Named:
    """The name with its words: what takes time of all that is done with it."""
    if is_too_long(name.text):
        return Named(name, (), name.text)
    words = words_in(name.text)
    return Named(name, words, " ".join(word.text for word in words))


def phrases_of(turn: TurnText) -> Iterator[Phrase]:
    """What a turn names, whole names before parts, each text once, most telling signal first."""
    return phrases_in([taken_apart(name) for name in named_by(turn)])


def phrases_in(named: Sequence[Named]) -> Iterator[Phrase]:
    """The same of names that were taken apart already."""
    seen: set[str] = set()
    yield from _once(((one.words, one.phrase) for one in named), seen)
    counts = _word_counts(seen)
    parts = (
        (
            part,
            replace(one.phrase, text=one.phrase.text[part[0].start : part[-1].end], whole=one.text),
        )
        for one in named
        for part in parts_of(one.words, counts)
    )
    yield from _once(parts, seen)


def is_too_long(name: str) -> bool:
    """Whether a name can be no phrase: this is seen before it is taken apart, which takes time."""
    if len(name) > COMPOSED_CHARS_MAX:
        return True
    return not name.isascii() and len(unicodedata.normalize("NFKC", name)) > COMPOSED_CHARS_MAX


def named_by(turn: TurnText) -> list[Phrase]:
    """The whole names of a turn, as they are written, most telling signal first."""
    named = [
        *(Phrase(one.text, "entities", one.kind, id=one.id) for one in turn.entities),
        *(Phrase(text, "screen", turn.slot) for text in turn.screen),
        *(Phrase(text, "reply", turn.slot) for text in names_in(turn.reply)),
        *(Phrase(text, "utterance") for text in names_in(turn.utterance)),
    ]
    asked = normalise(turn.reply)
    spoken_of = [normalise(one.text) for one in named if one.signal == "reply"]
    return [
        replace(
            one,
            text=text,
            asked=one.signal == "reply" or _is_in(asked, text) or _is_one_of(spoken_of, text),
        )
        for one in named
        for text in [_on_one_line(one.text)]
    ]


def _is_one_of(spoken_of: Sequence[str], name: str) -> bool:
    """Whether it has what the reply names in it: "Which Meg?" asks for Meg Bauer."""
    folded = name.casefold()
    near = [text for text in spoken_of if text in folded]  # mostly none: comparing takes time
    if not near or is_too_long(name):
        return False
    words = normalise(name)
    return any(stands_in(text, words) for text in near)


def _is_in(asked: str, name: str) -> bool:
    """Whether the words of a name stand in `asked`, the words of the reply."""
    if len(name) > len(asked) + 2 or name[:PART_CHARS_MIN].casefold() not in asked:
        return False  # most names end here: comparing words takes time
    return not is_too_long(name) and stands_in(normalise(name), asked)


def bias_of(phrases: Sequence[Phrase], logits: NDArray[np.float32]) -> Bias:
    """Weigh `phrases` by the encoder's `logits`, (phrases + 1,), whose first is 'none of these'.

    A whole name and its parts share one probability, so that a hundred names with their parts
    weigh no more than a hundred names: their logits are averaged, and parted again within them.
    The generic answers share what 'none of these' gets. No phrases, no bias.
    """
    if not phrases:
        return Bias()
    places = {phrase.text: place for place, phrase in enumerate(phrases) if not phrase.whole}
    owners = np.array([places.get(one.whole, place) for place, one in enumerate(phrases)])
    weights = np.exp(logits[1:].astype(np.float64) - float(logits.max()))
    sums = np.bincount(owners, weights, minlength=len(phrases))
    counts = np.bincount(owners, minlength=len(phrases))
    means = sums / np.maximum(counts, 1)
    none = float(np.exp(float(logits[0]) - float(logits.max())))
    total = none + float(means.sum())
    priors = means[owners] / total * weights / np.maximum(sums[owners], _TINY)
    log_priors = np.log(np.maximum(priors, _TINY))
    weighted = [
        BiasingPhrase(phrase, float(log_prior))
        for phrase, log_prior in zip(phrases, log_priors, strict=True)
    ]
    taken = {phrase.text for phrase in phrases}
    each = float(np.log(max(none / total, _TINY))) - float(np.log(len(GENERIC_ANSWERS)))
    weighted += [BiasingPhrase(one, each) for one in _GENERIC if one.text not in taken]
    return Bias(tuple(weighted))


def generic_alone() -> Bias:
    """The generic answers, and nothing that a context names: what hints are put beside."""
    each = -float(np.log(len(GENERIC_ANSWERS)))
    return Bias(tuple(BiasingPhrase(one, each) for one in _GENERIC))


def parts_of(words: Sequence[Word], counts: dict[str, int]) -> Iterator[Sequence[Word]]:
    """The parts by which a name is told from others: its ends, and words that it alone has."""
    if not 1 < len(words) <= PARTS_WORDS_MAX:
        return
    for size in range(len(words) - 1, 0, -1):
        for start in sorted({0, len(words) - size}, reverse=True):
            part = words[start : start + size]
            if part[0].text in _PART_STOP or part[-1].text in _PART_STOP:
                continue
            rest = (*words[:start][-1:], *words[start + size :][:1])
            if any(beside.start in (part[0].start, part[-1].start) for beside in rest):
                continue  # of "10½" there is no part "half"
            if all(_is_sign(word) for word in part) or _is_torn(words, start, start + size):
                continue
            chars = len(" ".join(word.text for word in part))
            if chars >= PART_CHARS_MIN and min(counts.get(word.text, 0) for word in part) <= 1:
                yield part


def _is_torn(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether words `start` to `end` end amid figures or signs, as "2.", "C+" and "30 PM"."""
    for at, inside, outside in ((start, start, start - 1), (end, end - 1, end)):
        if not 0 < at < len(words):
            continue
        touching = words[at - 1].end == words[at].start
        if _is_sign(words[inside]) and (touching or not _touches(words, inside, start, end)):
            return True
        if touching and words[outside].cased in (".", "&"):
            return True
        beside = words[at].start - words[at - 1].end == 1
        if beside and words[at - 1].cased[-1].isdecimal() and words[at].cased[0].isdecimal():
            return True
    return False


def _touches(words: Sequence[Word], i: int, start: int, end: int) -> bool:
    """Whether word `i` hangs together with a neighbour among words `start` to `end`."""
    before = i > start and words[i - 1].end == words[i].start
    return before or (i + 1 < end and words[i].end == words[i + 1].start)


def _is_sign(word: Word) -> bool:
    """Whether the word is what a sign stands for, as "plus"."""
    return not any(char.isalnum() for char in word.cased)


def names_in(text: str) -> Iterator[str]:
    """Runs of capitalised words that are no question words: 'Meg Jones', 'Barnes and Noble'."""
    run: list[Word] = []
    link: list[Word] = []
    before: Word | None = None
    for word in words_in(text):
        gap = seen_in(text[before.end : word.start]) if before is not None else ""
        glued = bool(run) and not link and _GLUE.fullmatch(gap) is not None
        stop = gap[:1] == "." and len(before.text if before else "") <= _ABBREVIATION_CHARS_MAX
        if gap.strip() and not glued and not (stop and not gap[1:].strip()):
            yield from _name(text, run)
            run, link = [], []
        if glued or word.cased[0].isupper() or word.text[0].isdigit():
            run += [*link, word]
            link = []
        elif run and not link and word.text in _LINKS:
            link = [word]
        else:
            yield from _name(text, run)
            run, link = [], []
        before = word
    yield from _name(text, run)


def _name(text: str, run: list[Word]) -> Iterator[str]:
    """The run without question words at its head, if anything worth naming is left."""
    at = 0
    while at < len(run) and run[at].text in _QUESTION_WORDS and not _touch(run[at : at + 2]):
        at += 1
    name = text[run[at].start : run[-1].end] if at < len(run) else ""
    counts = len(run) == at + 1 and run[at].text in _COUNTS
    if len(name) >= PART_CHARS_MIN and not counts:
        yield name


def _touch(words: list[Word]) -> bool:
    """Whether two words stand together, as in "AT&T"."""
    return len(words) == 2 and words[0].end == words[1].start


def _once(phrases: Iterable[tuple[Sequence[Word], Phrase]], seen: set[str]) -> Iterator[Phrase]:
    """With texts as they are compared, and their spelling beside."""
    for words, phrase in phrases:
        text = " ".join(word.text for word in words)
        if text and text not in seen and max(len(text), len(phrase.text)) <= PHRASE_CHARS_MAX:
            seen.add(text)
            written = "" if phrase.text == text else phrase.text
            yield replace(phrase, text=text, written=written)


def _on_one_line(text: str) -> str:
    """Single blanks, no control characters, no halves of surrogate pairs."""
    if text.isprintable():
        return " ".join(text.split())
    whole = text.encode("utf-8", "replace").decode()
    seen = (" " if unicodedata.category(char) == "Cc" else char for char in whole)
    return " ".join("".join(seen).split())


def _word_counts(names: set[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in sorted(names):
        for word in set(name.split()):
            counts[word] = counts.get(word, 0) + 1
    return counts
