"""A hypothesis as words and as phones, and where in it a phrase may stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, takewhile
from math import inf
from typing import Final

from ctxasr.hypotheses import WORDS_MAX, Hypothesis
from ctxasr.speech.counted_words import (
    counts,
    goes_on,
    is_part,
    parted,
    stand_in,
    without_small,
)
from ctxasr.speech.phonetics import Ints, encode, in_bytes, known, skip_cost
from ctxasr.speech.phrase_graph import Found, PhraseGraph
from ctxasr.speech.readings import Reading
from ctxasr.speech.sought import Pronunciations, Sought, letters

SMALL_WORD_PHONES: Final = 3
"""A word of up to so many phones beside a stretch may be a misheard piece of the phrase."""

SMALL_WORD_DISCOUNT: Final = 0.5
"""Such a word costs half its phones: language models put in more "the"s than people say."""

REST_COST: Final = 0.3
"""Where numbers are said or named, by phone: so much the words may differ that differ."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A hypothesis as phones: `bounds[i]` is where word i begins, the last where all ends."""

    words: tuple[str, ...]
    said: tuple[Reading, ...]
    """How each word is read."""
    counted: tuple[Reading, ...]
    """The same, but a numeral as its number: "V" as five."""
    phones: Ints
    sound: bytes
    """The phones, one a byte."""
    bounds: tuple[int, ...]
    skips: tuple[float, ...]
    """What it costs that a whole word has no counterpart; infinite for words that are not small."""
    _stretches: dict[tuple[int, int], _Stretch] = field(default_factory=dict, compare=False)

    def widened(self, start: int, end: int) -> list[tuple[int, int, float]]:
        """Words `start` to `end`, also with a small word before or behind, and what that costs."""
        if start >= end:
            return []
        found = [(start, end, 0.0)]
        if start > 0:
            found.append((start - 1, end, self.skips[start - 1]))
        if end < len(self.words):
            found.append((start, end + 1, self.skips[end]))
        return [wide for wide in found if wide[2] < inf]

    def walked_by(self, graph: PhraseGraph) -> Iterator[Found]:
        """The phrases that stand in it as it is written, as it is said, and before an "'s"."""
        yield from graph.walk(self.words)
        said = _lower(self.said)
        ways = [said, [word.removesuffix("'s") for word in said]]
        if ways[0] == ways[1] == list(self.words):
            return  # by far the most
        ends = list(accumulate(len(reading) for reading in self.said))
        starts = {end - len(self.said[i]): i for i, end in enumerate(ends) if self.said[i]}
        stops = {end: i + 1 for i, end in enumerate(ends)}
        for way in ways if ways[0] != ways[1] else ways[:1]:
            for hit in graph.walk(way):
                if hit.start in starts and hit.end in stops:
                    yield Found(hit.phrase, starts[hit.start], stops[hit.end])

    def joined_in(self, phrases: dict[str, list[tuple[int, int]]], longest: int) -> Iterator[Found]:
        """The phrases that are said letter by letter, in whatever spelling, or run together.

        "second" says "2nd", "USA" "U.S.A.", "wifi" "Wi-Fi", and "beyonce" "Beyoncé". What was taken
        apart is put together again: "wal greens" is no "Walgreens".
        """
        ways = [[(word,) for word in self.words], self.said]
        for way in ways:
            runs = [(letters(words), len(words)) for words in way]
            for start in range(len(runs)):
                run, count = "", 0
                for end in range(start, len(runs)):
                    run, count = run + runs[end][0], count + runs[end][1]
                    if count > longest:
                        break
                    for phrase, most in phrases.get(run, ()):
                        if count <= most:
                            yield Found(phrase, start, end + 1)

    def is_other_than(self, start: int, end: int, phrase: Sought, cost: float) -> bool:
        """Whether words `start` to `end` say something that is no misheard form of the phrase.

        Numbers are everyday words, and rarely misheard: "episode five" is not "episode four". And
        whoever says a part in so many words says no more: "9:30" is not "9:30 AM". Nor does a
        number speak for the words beside it: "7, please" is not "7 PM".
        """
        stretch = self._stretches.get((start, end))
        if stretch is None:
            stretch = _Stretch(self.said[start:end], self.counted, start, end)
            self._stretches[start, end] = stretch
        for whole in phrase.telling:
            if is_part(stretch.said, whole):
                return True
        if not phrase.numbered and not stretch.counts:
            return False
        for rest, numbers in stretch.parted if phrase.numbered else ():
            if any(others == rest and numbers != theirs for others, theirs in phrase.numbered):
                return True
        if phrase.numbered:
            numbers = stretch.numbers_around
            if not any(stand_in(numbers, theirs) for _, theirs in phrase.numbered):
                return True
        return cost > REST_COST * min(map(phrase.rest_of, stretch.ways))


class _Stretch:
    """Words `start` to `end` of a hypothesis, which many phrases are compared with."""

    def __init__(
        self, said: tuple[Reading, ...], all_counted: tuple[Reading, ...], start: int, end: int
    ) -> None:
        self._all_counted, self._start, self._end = all_counted, start, end
        counted = all_counted[start:end]
        self._ways = [_lower(said)] if said == counted else [_lower(said), _lower(counted)]
        self.counts = counts(self._ways[-1])
        self.ways = [without_small(way) for way in self._ways]
        """As they are said, and with numerals as numbers where that differs; no small words."""
        self.said = self.ways[0]

    @cached_property
    def parted(self) -> list[tuple[list[str], list[str]]]:
        return [parted(way) for way in self._ways]

    @cached_property
    def numbers_around(self) -> list[str]:
        """Their numbers, and those that go on beside them: of "ten thousand" no word is a number
        by itself, and "Henry the Sixth" is none without his.
        """
        counted, start, end = self._all_counted, self._start, self._end
        before = list(takewhile(goes_on, reversed(counted[:start])))
        behind = takewhile(goes_on, counted[end:])
        return parted(_lower([*reversed(before), *counted[start:end], *behind]))[1]


def _lower(readings: Sequence[Reading]) -> list[str]:
    return [word.lower() for reading in readings for word in reading]


def speak(heard: Hypothesis, pronunciations: Pronunciations) -> Spoken:
    """The first reading and pronunciation of every word; a word without any is silent."""
    places = heard.places[:WORDS_MAX]
    readings = pronunciations.readings(heard.text, places)
    said = tuple(ways[0] for ways in readings)
    counted = tuple(next(filter(counts, ways), ways[0]) for ways in readings)
    sounds = [known(pronunciations.first_phones(reading)) for reading in said]
    bounds = tuple(accumulate(map(len, sounds), initial=0))
    small = [
        SMALL_WORD_DISCOUNT * skip_cost(sound) if len(sound) <= SMALL_WORD_PHONES else inf
        for sound in sounds
    ]
    joined = encode([phone for sound in sounds for phone in sound])
    return Spoken(
        heard.words[:WORDS_MAX], said, counted, joined, in_bytes(joined), bounds, tuple(small)
    )
