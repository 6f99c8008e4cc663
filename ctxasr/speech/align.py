"""Where in the hypotheses a phrase may have been said: by its words, and by its sound.

Three steps, from cheap and many to dear and few:

1. word for word, as written and as said: the phrase graph walks every hypothesis; what it finds
   costs nothing ("rocky four" is "Rocky IV");
2. by sound: every pronunciation of every phrase against every stretch of whole words, with and
   without the small words beside it: of "the hour" the "the" may be part of the name;
3. the best of these, written out as whole texts, against the phones that a phone loop heard.

The third step is what recovers names that the dictionary lacks: "the hour" and "power" are what
the vocabulary made of B AW ER, and the loop still holds the B.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache, partial
from itertools import accumulate, takewhile
from typing import Final, Protocol, TypeVar

import numpy as np

from ctxasr.hypotheses import WORDS_MAX, Hypothesis, Recognition
from ctxasr.ports import Match
from ctxasr.speech.numbers import NUMBER_WORDS
from ctxasr.speech.phonetics import Floats, Ints, distances, encode, pad, skip_costs, spans
from ctxasr.speech.phrase_graph import Found, PhraseGraph
from ctxasr.speech.readings import Reading, Sounds
from ctxasr.words import Word, fold, normalise

T = TypeVar("T")

HYPOTHESES_MAX: Final = 8
"""Depth of the n-best list that is searched: gains vanish past eight."""

VARIANTS_MAX: Final = 2
"""Pronunciations of a phrase that are tried; each further reading of it adds one."""

PHRASE_PRONUNCIATIONS_MAX: Final = 5
"""Pronunciations that are tried, whatever the number of readings."""

PHRASE_PHONES_MIN: Final = 2
"""A name of one phone ("A", "Eau") is heard everywhere, and so never sought."""

SMALL_WORD_PHONES: Final = 3
"""A word of up to so many phones beside a stretch may be a misheard piece of the phrase."""

SMALL_WORD_DISCOUNT: Final = 0.5
"""Such a word costs half its phones: language models put in more "the"s than people say."""

MATCHES_MAX: Final = 80
"""Matches kept of one hypothesis, and of all: these are compared with the phone loop."""

SEARCH_CELLS_MAX: Final = 24_000_000
"""Phones of all phrases times phones of all hypotheses that are compared for one utterance: some
3 s, in which everybody's utterances wait. Hypotheses past it are searched word for word only."""

PHONES_MAX: Final = 60
"""Phones of a phrase or of a phone loop's path that are compared; about 5 s of speech."""

CACHE_PHRASES_MAX: Final = 4_000
"""Phrases whose sound is remembered: those of a dozen contexts."""

RANK_COST: Final = 0.15
"""Phones that one place in the n-best list costs when the best matches are picked."""


REST_COST: Final = 0.3
"""Where numbers are said or named, by phone: so much the words may differ that differ."""

_SMALL: Final = frozenset("the and of in on at de la".split())


class Pronunciations(Protocol):
    """What `speech.pronounce.Pronouncer` offers."""

    def sounds_of(self, text: str) -> Sounds: ...

    def readings(self, text: str, words: Sequence[Word]) -> list[tuple[Reading, ...]]: ...

    def first_phones(self, reading: Reading) -> tuple[str, ...]: ...

    def forget(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Sought:
    """A phrase as words and as phones."""

    words: tuple[str, ...]
    readings: tuple[Reading, ...]
    variants: list[Ints]
    numbered: tuple[tuple[list[str], list[str]], ...]
    """Of each reading the other words, and the numbers; nothing where none holds a number."""
    letters: dict[str, int]
    """The phrase and its readings as bare letters and digits, and of how many words at most."""
    lengths: dict[str, int]
    """The phones of each word that is said in it."""

    def rest_of(self, said: Sequence[str]) -> int:
        """The phones of the phrase beside the words that it has in common with `said`."""
        return min(
            (sum(self.lengths[word] for word in _beside(one, said)) for one in self.readings),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class _Spoken:
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
            letters = [(_letters(words), len(words)) for words in way]
            for start in range(len(letters)):
                run, count = "", 0
                for end in range(start, len(letters)):
                    run, count = run + letters[end][0], count + letters[end][1]
                    if count > longest:
                        break
                    for phrase, most in phrases.get(run, ()):
                        if count <= most:
                            yield Found(phrase, start, end + 1)

    def is_other_than(self, start: int, end: int, phrase: _Sought, cost: float) -> bool:
        """Whether words `start` to `end` say something that is no misheard form of the phrase.

        Numbers are everyday words, and rarely misheard: "episode five" is not "episode four". And
        whoever says a part in so many words says no more: "9:30" is not "9:30 AM". Nor does a
        number speak for the words beside it: "7, please" is not "7 PM".
        """
        said = [word.lower() for reading in self.said[start:end] for word in reading]
        if any(_is_part(said, reading) for reading in phrase.readings):
            return True
        counted = [word.lower() for reading in self.counted[start:end] for word in reading]
        if not phrase.numbered and not _counts(counted):
            return False
        for way in (said, counted):
            rest, numbers = _parted(way)
            if any(others == rest and numbers != theirs for others, theirs in phrase.numbered):
                return True
        numbers = self._numbers_around(start, end)
        if phrase.numbered and not any(_stand_in(numbers, theirs) for _, theirs in phrase.numbered):
            return True
        return cost > REST_COST * min(phrase.rest_of(said), phrase.rest_of(counted))

    def _numbers_around(self, start: int, end: int) -> list[str]:
        """The numbers of words `start` to `end`, and those that go on beside them: of "ten
        thousand" no word is a number by itself, and "Henry the Sixth" is none without his.
        """
        before = list(takewhile(_goes_on, reversed(self.counted[:start])))
        behind = takewhile(_goes_on, self.counted[end:])
        return _parted(
            word
            for reading in (*reversed(before), *self.counted[start:end], *behind)
            for word in reading
        )[1]


class SoundAligner:
    """The PhraseAligner by pronunciations; works in a thread of its own, off the event loop."""

    def __init__(self, pronunciations: Pronunciations):
        self._pronunciations = pronunciations
        self._sought = lru_cache(maxsize=CACHE_PHRASES_MAX)(self._seek)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="align")

    async def prepare(self, phrases: Sequence[str]) -> None:
        # One job a phrase: nobody's utterance waits for another customer's list of names.
        for phrase in phrases:
            await self._run(partial(self._sought, phrase))

    def forget(self) -> None:
        self._sought.cache_clear()
        self._pronunciations.forget()

    async def align(self, recognition: Recognition, phrases: Sequence[str]) -> list[Match]:
        """At most MATCHES_MAX matches; the recognition's phone loop, where there is one, counts."""
        return await self._run(lambda: self.align_now(recognition, phrases))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def align_now(self, recognition: Recognition, phrases: Sequence[str]) -> list[Match]:
        """`align`, for synchronous callers."""
        spoken = [self._speak(heard) for heard in recognition.hypotheses[:HYPOTHESES_MAX]]
        sought = [self._sought(phrase) for phrase in phrases]
        found = self._by_word(spoken, sought)
        for match, variant in self._by_sound(spoken, sought):
            place = (match.hypothesis, match.start, match.end, match.phrase)
            if place not in found or match.cost < found[place][0].cost:
                found[place] = match, variant
        best = sorted(found.values(), key=lambda item: _rank(item[0]))[:MATCHES_MAX]
        heard = encode(recognition.phones[:PHONES_MAX])
        if not len(heard):
            return [match for match, _ in best]
        return _with_gain(best, spoken, heard)

    def _by_word(
        self, spoken: list[_Spoken], sought: list[_Sought]
    ) -> dict[tuple[int, int, int, int], tuple[Match, Ints]]:
        graph = PhraseGraph(
            (number, path)
            for number, phrase in enumerate(sought)
            for path in dict.fromkeys((phrase.words, *phrase.readings))
        )
        joined: dict[str, list[tuple[int, int]]] = {}
        for number, phrase in enumerate(sought):
            for letters, count in phrase.letters.items():
                if letters:
                    joined.setdefault(letters, []).append((number, count))
        longest = max((count for one in sought for count in one.letters.values()), default=0)
        found = {}
        for h, hypothesis in enumerate(spoken):
            hits = [*hypothesis.walked_by(graph), *hypothesis.joined_in(joined, longest)]
            for hit in hits:
                said = hypothesis.phones[hypothesis.bounds[hit.start] : hypothesis.bounds[hit.end]]
                variants = sought[hit.phrase].variants
                length = len(variants[0]) if variants else len(said)
                match = Match(h, hit.start, hit.end, hit.phrase, 0.0, length, None, exact=True)
                found[h, hit.start, hit.end, hit.phrase] = match, said
        return found

    def _by_sound(self, spoken: list[_Spoken], sought: list[_Sought]) -> list[tuple[Match, Ints]]:
        rows = [(number, phones) for number, one in enumerate(sought) for phones in one.variants]
        if not rows:
            return []
        table, lengths = pad([phones for _, phones in rows])
        found, cells = [], 0
        for h, hypothesis in enumerate(spoken):
            cells += table.size * len(hypothesis.phones)
            if not len(hypothesis.phones) or cells > SEARCH_CELLS_MAX:
                continue
            starts, stops = np.unique(hypothesis.bounds[:-1]), np.unique(hypothesis.bounds[1:])
            costs, begins = spans(table, lengths, hypothesis.phones, starts, stops)
            ranks = (costs + RANK_COST * h) / (1 + lengths[:, None])
            best = np.argsort(ranks, axis=None, kind="stable")[:MATCHES_MAX]
            first = {int(bound): i for i, bound in reversed(list(enumerate(hypothesis.bounds)))}
            for row, stop in zip(*np.unravel_index(best, ranks.shape), strict=True):
                phrase, phones = rows[row]
                begin, end = first[int(begins[row, stop])], first[int(stops[stop])]
                cost = float(costs[row, stop])
                for start, past, more in hypothesis.widened(begin, end):
                    if not hypothesis.is_other_than(start, past, sought[phrase], cost + more):
                        match = Match(h, start, past, phrase, cost + more, len(phones), None)
                        found.append((match, phones))
        return found

    def _speak(self, heard: Hypothesis) -> _Spoken:
        """The first reading and pronunciation of every word; a word without any is silent."""
        places = heard.places[:WORDS_MAX]
        readings = self._pronunciations.readings(heard.text, places)
        said = tuple(ways[0] for ways in readings)
        counted = tuple(next(filter(_counts, ways), ways[0]) for ways in readings)
        sounds = [encode(self._pronunciations.first_phones(reading)) for reading in said]
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
        return _Spoken(words, said, counted, joined, bounds, tuple(small))

    def _seek(self, phrase: str) -> _Sought:
        sounds = self._pronunciations.sounds_of(phrase)
        tried = min(PHRASE_PRONUNCIATIONS_MAX, VARIANTS_MAX + len(sounds.readings) - 1)
        variants = [encode(phones[:PHONES_MAX]) for phones in sounds.phones[:tried]]
        heard = [phones for phones in variants if len(phones) >= PHRASE_PHONES_MIN]
        if variants and not heard:
            return _Sought((), (), [], (), {}, {})
        readings = tuple(tuple(map(str.lower, reading)) for reading in sounds.readings)
        numbered = tuple(map(_parted, readings)) if any(map(_counts, readings)) else ()
        words = tuple(normalise(phrase).split())
        lengths = {
            word.lower(): len(self._pronunciations.first_phones((word,)))
            for reading in sounds.readings
            for word in reading
        }
        by_length = sorted((words, *readings), key=len)
        letters = {_letters(path): len(path) for path in by_length}
        return _Sought(words, readings, heard, numbered, letters, lengths)


def _letters(words: Iterable[str]) -> str:
    """The words without accents, apostrophes and gaps."""
    return fold("".join(words).lower()).replace("'", "")


def _goes_on(reading: Iterable[str]) -> bool:
    """Whether a number may go on in this word or beyond it."""
    return _counts(reading) or not _SMALL.isdisjoint(reading)


def _counts(reading: Iterable[str]) -> bool:
    return not NUMBER_WORDS.isdisjoint(reading)


def _is_part(said: Iterable[str], phrase: Iterable[str]) -> bool:
    """Whether the words are words of the phrase, in order, and leave out more than small ones."""
    words, whole = _without_small(said), _without_small(phrase)
    return 0 < len(words) < len(whole) and _stand_in(words, whole)


def _stand_in(words: Iterable[str], whole: Iterable[str]) -> bool:
    """Whether the words are among those of the whole, in their order."""
    rest = iter(whole)
    return all(word in rest for word in words)


def _beside(phrase: Sequence[str], said: Sequence[str]) -> list[str]:
    """The words of the phrase but those that are said in the same order, as far as they go."""
    ours, theirs = _without_small(phrase), _without_small(said)
    same = SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    kept = {block.a + i for block in same for i in range(block.size)}
    return [word for i, word in enumerate(ours) if i not in kept]


def _without_small(words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in _SMALL]


def _parted(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words without numbers and small words, and the numbers."""
    said = [word.lower() for word in words]
    return (
        [word for word in said if word not in NUMBER_WORDS and word not in _SMALL],
        [word for word in said if word in NUMBER_WORDS],
    )


def _rank(match: Match) -> float:
    return (match.cost + RANK_COST * match.hypothesis) / (1 + match.phones)


def _with_gain(found: list[tuple[Match, Ints]], spoken: list[_Spoken], heard: Ints) -> list[Match]:
    """Fill in how much nearer each match brings the whole text to the phone loop."""
    texts = [spoken[0].phones]
    for match, phones in found:
        said = spoken[match.hypothesis]
        begin, end = said.bounds[match.start], said.bounds[match.end]
        texts.append(np.concatenate([said.phones[:begin], phones, said.phones[end:]]))
    table, lengths = pad([text[: 2 * PHONES_MAX] for text in texts])
    far: Floats = distances(table, lengths, heard)
    return [
        replace(match, gain=float(far[0] - there))
        for (match, _), there in zip(found, far[1:], strict=True)
    ]
