"""Words as they are told apart: those that count something, small ones, and all the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

from ctxasr.speech.numbers import NUMBER_WORDS

SMALL: Final = frozenset("the and of in on at de la".split())
"""Words that say nothing by themselves."""


def goes_on(reading: Iterable[str]) -> bool:
    """Whether a number may go on in this word or beyond it."""
    return counts(reading) or not SMALL.isdisjoint(reading)


def counts(reading: Iterable[str]) -> bool:
    """Whether a number is among the words."""
    return not NUMBER_WORDS.isdisjoint(reading)


def is_part(said: Iterable[str], phrase: Iterable[str]) -> bool:
    """Whether the words are words of the phrase, in order, and leave out more than small ones."""
    words, whole = without_small(said), without_small(phrase)
    return 0 < len(words) < len(whole) and stand_in(words, whole)


def stand_in(words: Iterable[str], whole: Iterable[str]) -> bool:
    """Whether the words are among those of the whole, in their order."""
    rest = iter(whole)
    return all(word in rest for word in words)


def beside(phrase: Sequence[str], said: Sequence[str]) -> list[str]:
    """The words of the phrase but those that are said in the same order, as far as they go."""
    ours, theirs = without_small(phrase), without_small(said)
    same = SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    kept = {block.a + i for block in same for i in range(block.size)}
    return [word for i, word in enumerate(ours) if i not in kept]


def without_small(words: Iterable[str]) -> list[str]:
    """The words that say something."""
    return [word for word in words if word not in SMALL]


def parted(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words without numbers and small words, and the numbers."""
    said = [word.lower() for word in words]
    return (
        [word for word in said if word not in NUMBER_WORDS and word not in SMALL],
        [word for word in said if word in NUMBER_WORDS],
    )
