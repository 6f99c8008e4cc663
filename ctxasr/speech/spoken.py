"""A hypothesis as words and as phones, and where in it a phrase may stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Final

import numpy as np

from ctxasr.hypotheses import WORDS_MAX, Hypothesis
from ctxasr.speech.counted_words import counts, goes_on, is_part, parted, stand_in
from ctxasr.speech.phonetics import Ints, encode, skip_costs
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
    bounds: Ints
    skips: tuple[float, ...]
    """What it costs that a whole word has no counterpart; infinite for words that are not small."""

    def widened(self, start: int, end: int) -> list[tuple[int, int, float]]:
        """Words `start` to `end`, also with a small word before or behind, and what that costs."""
        if start >= end:
            return []
        found = [(start, end, 0.0)]
        if start > 0:
            found.append((start - 1, end, self.skips[start - 1]))
        if end < len(self.words):
            found.append((start, end + 1, self.skips[end]))
        return [wide for wide in found if wide[2] < np.inf]

    def walked_by(self, graph: PhraseGraph) -> Iterator[Found]:
        """The phrases that stand in it as it is written, as it is said, and before an "'s"."""
        yield from graph.walk(self.words)
        said = [word.lower() for reading in self.said for word in reading]
        ends = list(accumulate(len(reading) for reading in self.said))
        starts = {end - len(self.said[i]): i for i, end in enumerate(ends) if self.said[i]}
        stops = {end: i + 1 for i, end in enumerate(ends)}
        ways = [said, [word.removesuffix("'s") for word in said]]
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
        said = [word.lower() for reading in self.said[start:end] for word in reading]
        if any(is_part(said, reading) for reading in phrase.readings):
            return True
        counted = [word.lower() for reading in self.counted[start:end] for word in reading]
        if not phrase.numbered and not counts(counted):
            return False
        for way in (said, counted):
            rest, numbers = parted(way)
            if any(others == rest and numbers != theirs for others, theirs in phrase.numbered):
                return True
        numbers = self._numbers_around(start, end)
        if phrase.numbered and not any(stand_in(numbers, theirs) for _, theirs in phrase.numbered):
            return True
        return cost > REST_COST * min(phrase.rest_of(said), phrase.rest_of(counted))

    def _numbers_around(self, start: int, end: int) -> list[str]:
        """The numbers of words `start` to `end`, and those that go on beside them: of "ten
        thousand" no word is a number by itself, and "Henry the Sixth" is none without his.
        """
        before = list(takewhile(goes_on, reversed(self.counted[:start])))
        behind = takewhile(goes_on, self.counted[end:])
        return parted(
            word
            for reading in (*reversed(before), *self.counted[start:end], *behind)
            for word in reading
        )[1]


def speak(heard: Hypothesis, pronunciations: Pronunciations) -> Spoken:
    """The first reading and pronunciation of every word; a word without any is silent."""
    places = heard.places[:WORDS_MAX]
    readings = pronunciations.readings(heard.text, places)
    said = tuple(ways[0] for ways in readings)
    counted = tuple(next(filter(counts, ways), ways[0]) for ways in readings)
    sounds = [encode(pronunciations.first_phones(reading)) for reading in said]
    bounds = np.concatenate([[0], np.cumsum([len(sound) for sound in sounds])]).astype(np.int64)
    costs = skip_costs()
    small = [
        SMALL_WORD_DISCOUNT * float(costs[sound].sum())
        if len(sound) <= SMALL_WORD_PHONES
        else np.inf
        for sound in sounds
    ]
    joined = np.concatenate([*sounds, np.zeros(0, np.int64)])
    words = tuple(place.text for place in places)
    return Spoken(words, said, counted, joined, bounds, tuple(small))
