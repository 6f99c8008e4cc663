"""A phrase graph: which biasing phrases stand, word for word, in a hypothesis.

Each phrase is one path of words from the root, or several where it is said in several ways. From
every word of a hypothesis the graph is walked as far as the words lead, and each end of a phrase on
the way is a find. Of finds that overlap the longest stays. What a found phrase is worth, the
rescorer's log-linear model says: here it becomes a match of cost 0.

    phrases            meg bauer, bauer
    call meg bauer     begun at "meg", ended at "bauer": found, and "bauer" inside it is not
    call meg jones     begun at "meg", left at "jones": nothing
    bauer meg          "bauer" found; "meg" begun and unfinished

Building takes one step for each word of the phrases. Walking takes, for each word of a hypothesis,
at most as many steps as the longest phrase has words.

Source: as a decoding graph, the contextual biasing of D. Zhao and others, "Shallow-fusion
end-to-end contextual biasing", Interspeech 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class _State:
    phrase: int | None = None
    next: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Words `start` to `end` (exclusive) are phrase number `phrase`."""

    phrase: int
    start: int
    end: int


class PhraseGraph:
    """Built once for a list of phrases; `paths` are (phrase number, its words)."""

    def __init__(self, paths: Iterable[tuple[int, Sequence[str]]]):
        self._states = [_State()]
        for number, words in paths:
            self._add(number, words)

    def __len__(self) -> int:
        """Its states, the root among them: at most one more than the phrases have words."""
        return len(self._states)

    def walk(self, words: Sequence[str]) -> list[Found]:
        """The longest phrases that stand in `words`, without overlaps, in order."""
        found = [hit for start in range(len(words)) for hit in self._from(words, start)]
        taken = [False] * len(words)
        kept: list[Found] = []
        for hit in sorted(found, key=lambda hit: (hit.start - hit.end, hit.start)):
            # What is taken is at least as long, so it covers an end of whatever it overlaps.
            if not taken[hit.start] and not taken[hit.end - 1]:
                taken[hit.start : hit.end] = [True] * (hit.end - hit.start)
                kept.append(hit)
        return sorted(kept, key=lambda hit: hit.start)

    def _from(self, words: Sequence[str], start: int) -> Iterable[Found]:
        state, position = self._states[0], start
        while position < len(words) and state.next:
            at = state.next.get(words[position])
            if at is None:
                return
            state, position = self._states[at], position + 1
            if state.phrase is not None:
                yield Found(state.phrase, start, position)

    def _add(self, number: int, words: Sequence[str]) -> None:
        at = 0
        for word in words:
            if word not in self._states[at].next:
                self._states[at].next[word] = len(self._states)
                self._states.append(_State())
            at = self._states[at].next[word]
        if words and self._states[at].phrase is None:
            self._states[at].phrase = number
