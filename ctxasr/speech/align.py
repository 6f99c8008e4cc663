"""Where in the hypotheses a phrase may have been said: by its words, and by its sound.

Four steps, from cheap and many to dear and few:

1. word for word, as written and as said: the phrase graph walks every hypothesis; what it finds
   costs nothing ("rocky four" is "Rocky IV");
2. by sound: every pronunciation of every phrase against every stretch of whole words, with and
   without the small words beside it: of "the hour" the "the" may be part of the name;
3. alone: phrases that may be all that was said, against whole hypotheses;
4. the best of these, written out as whole texts, against all hypotheses, and against the phones
   that a phone loop heard.

The loop is what recovers names that the dictionary lacks: "the hour" and "power" are what the
vocabulary made of B AW ER, and the loop still holds the B.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ctxasr.hypotheses import Recognition
from ctxasr.ports import Match, PhraseLists
from ctxasr.speech.phonetics import HEARD_MAX, Ints, PhoneTree, encode, end_to_end
from ctxasr.speech.sought import PHONES_MAX, Pronunciations, Sought, SoughtList, seek
from ctxasr.speech.spoken import Spoken, speak

T = TypeVar("T")

HYPOTHESES_MAX: Final = 8
"""Depth of the n-best list that is searched: gains vanish past eight."""

MATCHES_MAX: Final = 40
"""Matches that are kept, the nearest: these are compared with all that was heard."""

ALONE_MATCHES_MAX: Final = 10
"""Phrases that may be all that was said: the nearest by sound to whole hypotheses."""

ALONE_HYPOTHESES_MAX: Final = 3
"""Hypotheses that whole phrases are compared with."""

ALONE_LONGER_MAX: Final = 2.5
"""How many times as long a phrase and a hypothesis may be that are said to be the same."""

LOOKED_AT_MAX: Final = 60
"""Nearest stretches that are looked at more closely; most of the rest say something else."""

OFFERED_CELLS_MAX: Final = 200_000
"""Phones of what is offered times phones of the first hypothesis."""

TEXT_PHONES_MAX: Final = 2 * PHONES_MAX
"""Phones of a whole text and of a phone loop's path that are compared, about 10 s of speech. Both
are cut alike: what is cut off from the path alone would speak for short texts."""

SEARCH_CELLS_MAX: Final = 24_000_000
"""Phones of all phrases times phones of all hypotheses that are compared for one utterance: some
3 s, in which everybody's utterances wait. Hypotheses past it are searched word for word only."""

CACHE_PHRASES_MAX: Final = 4_000
"""Phrases whose sound is remembered: those of a dozen contexts."""

CACHE_LISTS_MAX: Final = 16
"""Lists of phrases that are kept ready: those of the utterances that are being spoken."""

RANK_COST: Final = 0.15
"""Phones that one place in the n-best list costs when the best matches are picked."""

Place = tuple[int, int, int, int]
"""Hypothesis, start, end and phrase of a match."""

Found = dict[Place, tuple[Match, bytes]]
"""Matches with the pronunciation that was met."""


class SoundAligner:
    """The PhraseAligner by pronunciations; works in a thread of its own, off the event loop."""

    def __init__(self, pronunciations: Pronunciations):
        self._pronunciations = pronunciations
        self._sought = lru_cache(maxsize=CACHE_PHRASES_MAX)(self._seek)
        self._lists = lru_cache(maxsize=CACHE_LISTS_MAX)(self._listed)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="align")

    async def prepare(self, phrases: Sequence[str]) -> None:
        # One job a phrase: nobody's utterance waits for another customer's list of names.
        for phrase in phrases:
            await self._run(partial(self._sought, phrase))

    def forget(self) -> None:
        self._lists.cache_clear()
        self._sought.cache_clear()
        self._pronunciations.forget()

    async def align(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        """At most MATCHES_MAX matches of those asked for, as many of the others, and twice
        ALONE_MATCHES_MAX of whole utterances, beside those `offered`; the phone loop, where there
        is one, counts."""
        return await self._run(partial(self.align_now, recognition, phrases))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _seek(self, phrase: str) -> Sought:
        return seek(phrase, self._pronunciations)

    def _listed(self, phrases: tuple[str, ...]) -> SoughtList:
        return SoughtList([self._sought(phrase) for phrase in phrases])

    def align_now(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        """`align`, for synchronous callers."""
        heard = recognition.hypotheses[:HYPOTHESES_MAX]
        spoken = [speak(one, self._pronunciations) for one in heard]
        best, first = dict[Place, tuple[Match, bytes]](), 0
        searches = (_inside_or_alone, _inside_or_alone, _alone, _offered)
        for some, seek_in in zip(phrases, searches, strict=True):
            listed = self._lists(some)
            if len(listed) and spoken:
                found = seek_in(spoken, listed)
                best |= _renumbered(found, first) if first else found
            first += len(some)
        return _compared(list(best.values()), spoken, encode(recognition.phones[:TEXT_PHONES_MAX]))


def _inside_or_alone(spoken: list[Spoken], listed: SoughtList) -> Found:
    found = _inside(spoken, listed)
    return found | _alone(spoken, listed) | found


def _offered(spoken: list[Spoken], listed: SoughtList) -> Found:
    """Each phrase in place of the whole first hypothesis, whatever that says."""
    heard = spoken[0]
    if not listed.rows or not 0 < listed.tree.cells * len(heard.phones) <= OFFERED_CELLS_MAX:
        return {}
    starts, stops = np.zeros(1, np.int64), np.array([len(heard.phones)])
    costs, _ = listed.tree.spans(heard.phones, starts, stops)
    found: Found = {}
    for row in costs[:, 0].argsort(kind="stable").tolist():
        phrase, phones = listed.rows[row]
        match = Match(0, 0, len(heard.words), phrase, float(costs[row, 0]), len(phones), None)
        found.setdefault(_place(match), (match, phones))
    return found


def _inside(spoken: list[Spoken], listed: SoughtList) -> Found:
    """The nearest matches by word and by sound."""
    found = _by_word(spoken, listed)
    for match, variant in _by_sound(spoken, listed):
        place = _place(match)
        if place not in found or match.cost < found[place][0].cost:
            found[place] = match, variant
    return dict(sorted(found.items(), key=lambda item: _rank(item[1][0]))[:MATCHES_MAX])


def _renumbered(found: Found, first: int) -> Found:
    """The same of a list whose first phrase is number `first`."""
    return {
        (*place[:3], place[3] + first): (match._replace(phrase=match.phrase + first), phones)
        for place, (match, phones) in found.items()
    }


def _place(match: Match) -> Place:
    return match.hypothesis, match.start, match.end, match.phrase


def _rank(match: Match) -> float:
    return (match.cost + RANK_COST * match.hypothesis) / (1 + match.phones)


def _by_word(spoken: list[Spoken], names: SoughtList) -> Found:
    found: Found = {}
    for h, hypothesis in enumerate(spoken):
        hits = [
            *hypothesis.walked_by(names.graph), *hypothesis.joined_in(names.joined, names.longest)
        ]  # fmt: skip
        for hit in hits:
            said = hypothesis.sound[hypothesis.bounds[hit.start] : hypothesis.bounds[hit.end]]
            variants = names.phrases[hit.phrase].variants
            length = len(variants[0]) if variants else len(said)
            match = Match(h, hit.start, hit.end, hit.phrase, 0.0, length, None, exact=True)
            found[_place(match)] = match, said
    return found


def _by_sound(spoken: list[Spoken], names: SoughtList) -> list[tuple[Match, bytes]]:
    lengths = names.tree.lengths
    searched = _searched(spoken, names.tree.cells) if names.rows else []
    if not searched:
        return []
    joined, offsets = end_to_end([spoken[h].phones for h in searched])
    starts: list[int] = []
    ends: list[tuple[int, int]] = []  # place in `searched`, and the phone behind a word
    words: list[dict[int, int]] = []  # the first word that begins with or behind a phone
    for place, (h, offset) in enumerate(zip(searched, offsets.tolist(), strict=True)):
        bounds = spoken[h].bounds
        starts += [offset + bound for bound in dict.fromkeys(bounds[:-1])]
        ends += [(place, offset + bound) for bound in dict.fromkeys(bounds[1:])]
        words.append({offset + bound: i for i, bound in reversed(list(enumerate(bounds)))})
    stops, places = np.array([stop for _, stop in ends]), np.array([place for place, _ in ends])
    costs, begins = names.tree.spans(joined, np.array(starts), stops)
    ranks = (costs + RANK_COST * np.array(searched)[places]) / (1 + lengths[:, None])
    rows, columns = _least(ranks, LOOKED_AT_MAX)
    found: list[tuple[Match, bytes]] = []
    nearest = rows, columns, begins[rows, columns], costs[rows, columns]
    for row, column, begin, cost in _in_step(*nearest):
        place, stop = ends[column]
        phrase, phones = names.rows[row]
        h, hypothesis = searched[place], spoken[searched[place]]
        first, last = words[place][begin], words[place][stop]
        for start, past, more in hypothesis.widened(first, last):
            if not hypothesis.is_other_than(start, past, names.phrases[phrase], cost + more):
                match = Match(h, start, past, phrase, cost + more, len(phones), None)
                found.append((match, phones))
        if len(found) >= MATCHES_MAX:
            break
    return found


def _searched(spoken: list[Spoken], row_cells: int) -> list[int]:
    """The hypotheses that are searched by sound: what SEARCH_CELLS_MAX and HEARD_MAX allow."""
    searched, phones, gaps = [], 0, 0
    for h, hypothesis in enumerate(spoken):
        phones += len(hypothesis.phones)
        room = phones * row_cells <= SEARCH_CELLS_MAX and phones + gaps <= HEARD_MAX
        if len(hypothesis.phones) and room:
            searched.append(h)
            gaps += 1
    return searched


def _alone(spoken: list[Spoken], listed: SoughtList) -> Found:
    """The phrases that may be all that was said: word for word, and the nearest by sound."""
    found: Found = {}
    for h, hypothesis in enumerate(spoken):
        number = listed.said.get(hypothesis.words)
        if number is not None and hypothesis.words:
            phones, end = hypothesis.sound, len(hypothesis.words)
            match = Match(h, 0, end, number, 0.0, len(phones), None, exact=True)
            found[_place(match)] = match, phones
    taken: set[int] = set()
    for match, phones in _nearest(spoken, listed):
        phrase, hypothesis = listed.phrases[match.phrase], spoken[match.hypothesis]
        new = match.phrase not in taken
        if new and not hypothesis.is_other_than(0, match.end, phrase, match.cost):
            found.setdefault(_place(match), (match, phones))
        taken.add(match.phrase)
        if len(taken) >= ALONE_MATCHES_MAX:
            break
    return found


def _nearest(spoken: list[Spoken], listed: SoughtList) -> Iterator[tuple[Match, bytes]]:
    """Whole hypotheses as phrases, the nearest by sound first, and their pronunciations."""
    heard = _searched(spoken[:ALONE_HYPOTHESES_MAX], 1)
    lengths = listed.tree.lengths
    longest = max((len(spoken[h].phones) for h in heard), default=0)
    near = np.flatnonzero(
        (lengths <= ALONE_LONGER_MAX * longest) & (longest <= ALONE_LONGER_MAX * lengths)
    )
    if not len(near) or len(near) * longest * longest > SEARCH_CELLS_MAX:
        return
    joined, starts = end_to_end([spoken[h].phones for h in heard])
    stops = starts + np.array([len(spoken[h].phones) for h in heard])
    costs, _ = listed.tree.spans(joined, starts, stops, near)
    ranks = (costs + RANK_COST * np.array(heard)) / (1 + lengths[near][:, None])
    rows, columns = _least(ranks, 3 * ALONE_MATCHES_MAX)
    for row, place, cost in _in_step(near[rows], columns, costs[rows, columns]):
        h, (phrase, phones) = heard[place], listed.rows[row]
        end = len(spoken[h].words)
        yield Match(h, 0, end, phrase, cost, len(phones), None), phones


def _least(ranks: NDArray[np.floating[Any]], size: int) -> tuple[Ints, Ints]:
    """Rows and columns of the `size` least, the least first."""
    flat = ranks.ravel()
    best = flat.argpartition(min(size, ranks.size) - 1)[:size]
    best = best[flat[best].argsort(kind="stable")]
    return best // ranks.shape[1], best % ranks.shape[1]


def _in_step(*columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """The entries of arrays of one length, side by side."""
    return zip(*(column.tolist() for column in columns), strict=True)


def _compared(found: list[tuple[Match, bytes]], spoken: list[Spoken], loop: Ints) -> list[Match]:
    """Fill in how far each match takes the whole text from all that was heard."""
    if not found:
        return []
    texts = [spoken[0].sound]
    for match, phones in found:
        said = spoken[match.hypothesis]
        begin, end = said.bounds[match.start], said.bounds[match.end]
        texts.append(said.sound[:begin] + phones + said.sound[end:])
    tree = PhoneTree([text[:TEXT_PHONES_MAX] for text in texts])
    heard = [one.phones[:TEXT_PHONES_MAX] for one in spoken if len(one.phones)]
    joined, offsets = end_to_end([*heard, loop] if len(loop) else heard)
    stops = [o + len(one) for o, one in zip(offsets, [*heard, loop], strict=False)]
    far, _ = tree.spans(joined, offsets, np.array(stops, np.int64))
    apart = far[:, : len(heard)].mean(axis=1) if heard else np.zeros(len(texts))
    gains = far[0, -1] - far[:, -1] if len(loop) else None
    farther = (apart[1:] - apart[0]).tolist()
    nearer = [None] * len(found) if gains is None else gains[1:].tolist()
    return [
        Match(m.hypothesis, m.start, m.end, m.phrase, m.cost, m.phones, gain, m.exact, more)
        for (m, _), gain, more in zip(found, nearer, farther, strict=True)
    ]
