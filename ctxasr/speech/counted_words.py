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


def is_part(words: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether the words are some of the whole, in order, and not all; both `without_small` ones."""
    if not 0 < len(words) < len(whole) or words[0] not in whole:  # by far the most
        return False
    return stand_in(words, whole)


def stand_in(words: Iterable[str], whole: Iterable[str]) -> bool:
    """Whether the words are among those of the whole, in their order."""
    rest = iter(whole)
    return all(word in rest for word in words)


def beside(words: Sequence[str], said: Sequence[str]) -> Sequence[str]:
    """The words but those that are said in the same order, as far as they go."""
    if set(words).isdisjoint(said):
        return words  # by far the most
    same = SequenceMatcher(a=words, b=said, autojunk=False).get_matching_blocks()
    kept = {block.a + i for block in same for i in range(block.size)}
    return [word for i, word in enumerate(words) if i not in kept]


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
