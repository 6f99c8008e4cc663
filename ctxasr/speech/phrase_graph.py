"""A phrase graph: which biasing phrases stand, word for word, in a hypothesis.

Each phrase is a path of words from the root. A hypothesis walks the graph once. Where its next
word leaves a path, what was begun is cancelled, and the walk goes on from the longest suffix that
still is the beginning of a phrase; only phrases walked to their end are found. What a found phrase
is worth, the rescorer's log-linear model says: here it becomes a match of cost 0.

    phrases            meg bauer, bauer
    call meg bauer     begun at "meg", ended at "bauer": found, and "bauer" inside it is not
    call meg jones     begun at "meg", cancelled at "jones": nothing
    bauer meg          "bauer" found; "meg" begun, unfinished, cancelled at the end

Source: A. Aho and M. Corasick, "Efficient string matching", CACM 1975; as a decoding graph with
cancellation, the contextual biasing of D. Zhao and others, "Shallow-fusion end-to-end contextual
biasing", Interspeech 2019.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class _State:
    length: int = 0
    phrase: int | None = None
    next: dict[str, int] = field(default_factory=dict)
    fail: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Words `start` to `end` (exclusive) are phrase number `phrase`."""

    phrase: int
    start: int
    end: int


class PhraseGraph:
    """Built once for a list of phrases; building and walking are linear in words."""

    def __init__(self, phrases: Sequence[str]):
        self._states = [_State()]
        for number, phrase in enumerate(phrases):
            self._add(number, phrase.split())
        self._link()

    def walk(self, words: Sequence[str]) -> list[Found]:
        """The longest phrases that stand in `words`, without overlaps, in order."""
        found: list[Found] = []
        at = 0
        for position, word in enumerate(words):
            at = self._step(at, word)
            ending = at
            while ending:  # suffixes of the path may be phrases too
                state = self._states[ending]
                if state.phrase is not None:
                    found.append(Found(state.phrase, position + 1 - state.length, position + 1))
                ending = state.fail
        kept: list[Found] = []
        for match in sorted(found, key=lambda m: (m.start - m.end, m.start)):
            if all(match.end <= other.start or other.end <= match.start for other in kept):
                kept.append(match)
        return sorted(kept, key=lambda match: match.start)

    def _step(self, at: int, word: str) -> int:
        while at and word not in self._states[at].next:
            at = self._states[at].fail
        return self._states[at].next.get(word, 0)

    def _add(self, number: int, words: list[str]) -> None:
        at = 0
        for length, word in enumerate(words, start=1):
            if word not in self._states[at].next:
                self._states[at].next[word] = len(self._states)
                self._states.append(_State(length))
            at = self._states[at].next[word]
        if words and self._states[at].phrase is None:
            self._states[at].phrase = number

    def _link(self) -> None:
        queue = deque(self._states[0].next.values())
        while queue:
            at = queue.popleft()
            for word, child in self._states[at].next.items():
                self._states[child].fail = self._step(self._states[at].fail, word)
                queue.append(child)
