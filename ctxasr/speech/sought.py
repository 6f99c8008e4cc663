"""What is sought in an utterance: phrases as words and as phones, and lists of them made ready."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from ctxasr.speech.counted_words import beside, counts, parted, without_small
from ctxasr.speech.phonetics import PhoneTree, encode, in_bytes
from ctxasr.speech.phrase_graph import PhraseGraph
from ctxasr.speech.readings import Reading, Sounds
from ctxasr.words import Word, fold, normalise

VARIANTS_MAX: Final = 2
"""Pronunciations of a phrase that are tried; each further reading of it adds one."""

PHRASE_PRONUNCIATIONS_MAX: Final = 5
"""Pronunciations that are tried, whatever the number of readings."""

PHRASE_PHONES_MIN: Final = 2
"""A name of one phone ("A", "Eau") is heard everywhere, and so never sought."""

PHONES_MAX: Final = 60
"""Phones of a phrase that are compared; about 5 s of speech."""


class Pronunciations(Protocol):
    """What `speech.pronounce.Pronouncer` offers."""

    def sounds_of(self, text: str) -> Sounds: ...

    def readings(self, text: str, words: Sequence[Word]) -> list[tuple[Reading, ...]]: ...

    def first_phones(self, reading: Reading) -> tuple[str, ...]: ...

    def forget(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sought:
    """A phrase as words and as phones."""

    words: tuple[str, ...]
    readings: tuple[Reading, ...]
    variants: list[bytes]
    """Its pronunciations, one byte a phone."""
    numbered: tuple[tuple[list[str], list[str]], ...]
    """Of each reading the other words, and the numbers; nothing where none holds a number."""
    letters: dict[str, int]
    """The phrase and its readings as bare letters and digits, and of how many words at most."""
    lengths: dict[str, int]
    """The phones of each word that is said in it."""
    telling: tuple[list[str], ...]
    """Of each reading the words that say something."""

    def rest_of(self, said: Sequence[str]) -> int:
        """The phones of the phrase beside the words that it has in common with `said`, which are
        those that say something."""
        return min(
            (sum(self.lengths[word] for word in beside(one, said)) for one in self.telling),
            default=0,
        )


class SoughtList:
    """Phrases in their order, made ready once for every utterance that they are sought in."""

    def __init__(self, phrases: Sequence[Sought]) -> None:
        self.phrases = tuple(phrases)

    def __len__(self) -> int:
        return len(self.phrases)

    @cached_property
    def graph(self) -> PhraseGraph:
        """Their words, as written and as said."""
        return PhraseGraph(
            (number, path)
            for number, phrase in enumerate(self.phrases)
            for path in dict.fromkeys((phrase.words, *phrase.readings))
        )

    @cached_property
    def joined(self) -> dict[str, list[tuple[int, int]]]:
        """Bare letters to phrases, and of how many words these may come."""
        found: dict[str, list[tuple[int, int]]] = {}
        for number, phrase in enumerate(self.phrases):
            for run, count in phrase.letters.items():
                if run:
                    found.setdefault(run, []).append((number, count))
        return found

    @cached_property
    def longest(self) -> int:
        """Words of the phrase that has most."""
        return max((count for one in self.phrases for count in one.letters.values()), default=0)

    @cached_property
    def rows(self) -> list[tuple[int, bytes]]:
        """Every pronunciation, and whose it is."""
        return [(number, row) for number, one in enumerate(self.phrases) for row in one.variants]

    @cached_property
    def tree(self) -> PhoneTree:
        """The phones of `rows`."""
        return PhoneTree([phones for _, phones in self.rows])

    @cached_property
    def said(self) -> dict[tuple[str, ...], int]:
        """Their words, as written and as said, to their numbers; the first that has them."""
        found: dict[tuple[str, ...], int] = {}
        for number, one in enumerate(self.phrases):
            for path in (one.words, *one.readings):
                found.setdefault(path, number)
        return found


def seek(phrase: str, pronunciations: Pronunciations) -> Sought:
    """A phrase, as it is written, made ready."""
    sounds = pronunciations.sounds_of(phrase)
    tried = min(PHRASE_PRONUNCIATIONS_MAX, VARIANTS_MAX + len(sounds.readings) - 1)
    variants = [in_bytes(encode(phones[:PHONES_MAX])) for phones in sounds.phones[:tried]]
    heard = [phones for phones in variants if len(phones) >= PHRASE_PHONES_MIN]
    if variants and not heard:
        return Sought((), (), [], (), {}, {}, ())
    readings = tuple(tuple(map(str.lower, reading)) for reading in sounds.readings)
    numbered = tuple(map(parted, readings)) if any(map(counts, readings)) else ()
    words = tuple(normalise(phrase).split())
    lengths = {
        word.lower(): len(pronunciations.first_phones((word,)))
        for reading in sounds.readings
        for word in reading
    }
    by_length = sorted((words, *readings), key=len)
    runs = {letters(path): len(path) for path in by_length}
    telling = tuple(map(without_small, readings))
    return Sought(words, readings, heard, numbered, runs, lengths, telling)


def letters(words: Iterable[str]) -> str:
    """The words without accents, apostrophes and gaps."""
    return fold("".join(words).lower()).replace("'", "")
