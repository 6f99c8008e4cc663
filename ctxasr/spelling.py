"""A phrase put into a text where it was said; what stands around it stays to the letter.

    "It's Meg Bower, please."   Bower -> "Bauer"           "It's Meg Bauer, please."
    "Bower's house."            Bower's -> "Bauer"         "Bauer's house."
    "Chicken light, please."    -> "kitchen light"         "Kitchen light, please."
    "the hour"                  -> "Bauer"                 "bauer"
    "CALL THE HOUR"             -> "Bauer"                 "CALL BAUER"

The phrase comes in its own spelling, unless the recogniser writes everything in one case and
without punctuation: then the phrase is written so as well, with figures where those are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from enum import Enum, auto
from typing import Final

from ctxasr.hypotheses import Change, Hypothesis, Phrase
from ctxasr.words import Word, words_in

_PUNCTUATION: Final = re.compile(r"[.,;:!?\u2026](?=\s|$)|[\"()\u201c\u201d\u00ab\u00bb]")
_FIGURES: Final = re.compile(r"[\d&%$€£#@+]")
"""Who writes these in small letters writes them in names as well."""
_SENTENCE_END: Final = re.compile(r"[.!?\u2026][\"')\u201d\u2019]?\s")
_CAPITALS_WORDS_MIN: Final = 2
"""So many words in capitals make a style: one alone may be "UFC", or the hour of "10 AM"."""
_CLITIC: Final = re.compile(r"'(?:s|ll|d|ve|re|m)$")


class Style(Enum):
    """How a recogniser writes."""

    WRITTEN = auto()
    """With case or punctuation."""
    LOWER = auto()
    """In lower case, without punctuation."""
    UPPER = auto()
    """In capitals, without punctuation."""


def style_of(hypotheses: Iterable[Hypothesis]) -> Style:
    """The style of an n-best list: all of it must be of one case to count as such.

    What has no letters, as "9:30", or but one word in capitals, as "UFC", tells nothing.
    """
    heard = list(hypotheses)
    text = "\n".join(one.text for one in heard)
    if _PUNCTUATION.search(text):
        return Style.WRITTEN
    if text.islower():
        return Style.LOWER
    words = {word.text for one in heard for word in one.places if word.cased.isupper()}
    several = sum(len(word) > 1 for word in words) >= _CAPITALS_WORDS_MIN
    return Style.UPPER if text.isupper() and several else Style.WRITTEN


def cuts_a_sign(places: Sequence[Word], start: int, end: int) -> bool:
    """Whether words `start` to `end` are but some of those that one sign stands for, as in "$5"."""
    before = start > 0 and places[start - 1].end > places[start].start
    return before or (end < len(places) and places[end].start < places[end - 1].end)


def replaced(heard: Hypothesis, start: int, end: int, phrase: Phrase, style: Style) -> str:
    """The text of `heard`, its words `start` to `end` (exclusive) replaced by the phrase."""
    first, last = heard.places[start], heard.places[end - 1]
    text, begin, stop = heard.text, first.start, last.end
    if style is Style.WRITTEN:
        put = phrase.spelling
        between = text[heard.places[start - 1].end : begin] if start else ""
        if first.cased[0].isupper() and (not start or _SENTENCE_END.search(between)):
            put = _capitalised(put)
        if text.isupper() and (text[:begin] + text[stop:]).isupper():
            put = put.upper()  # all of it is shouted, not the name alone
    else:
        put = phrase.spelling if _FIGURES.search(text) else phrase.text
        put = put.lower() if style is Style.LOWER else put.upper()
    put += _clitic(last.text, text[:stop], phrase)
    if put[-1] in ".!?" and text[stop : stop + 1] in (".", put[-1]):
        stop += 1
    return text[:begin] + put + text[stop:]


def changes_between(
    plain: str, text: str, phrases: Sequence[Phrase], *, probability: float, evidence: str
) -> tuple[Change, ...]:
    """What differs word by word, as it is written, each with the phrase that it comes from."""
    before, after = words_in(plain), words_in(text)
    matcher = SequenceMatcher(
        a=[word.text for word in before], b=[word.text for word in after], autojunk=False
    )
    changes = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        new = {word.text for word in after[c:d]}
        phrase = max(phrases, key=lambda one: len(new.intersection(one.text.split())))
        was, now = _stretch(plain, before[a:b]), _stretch(text, after[c:d])
        changes.append(
            Change(was, now, phrase.spelling, phrase.signal, phrase.id, probability, evidence)
        )
    return tuple(changes)


def _stretch(text: str, places: Sequence[Word]) -> str:
    return text[places[0].start : places[-1].end] if places else ""


def _capitalised(spelling: str) -> str:
    """As at the beginning of a sentence; a first word with capitals of its own stays ("iPhone")."""
    head = spelling.split(" ", 1)[0]
    return spelling[0].upper() + spelling[1:] if head == head.lower() else spelling


def _clitic(last: str, before: str, phrase: Phrase) -> str:
    """The "'s" of what was replaced, as it is written there, where the phrase has none itself."""
    found = _CLITIC.search(last)
    if found is None or _CLITIC.search(phrase.text):
        return ""
    if found[0] == "'s" and phrase.text.endswith("s") and not last[: found.start()].endswith("s"):
        return ""  # "power's" for "Powers": the name has the sound itself
    return before[-len(found[0]) :]
