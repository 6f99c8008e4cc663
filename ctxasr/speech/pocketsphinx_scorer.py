"""How well given texts fit a sound, by PocketSphinx: one search of a grammar that holds them all.

    "bauer"      start -> bauer     -> its own end      -118
    "power"      start -> power     -> its own end      -170
    "meg bauer"  start -> meg bauer -> its own end      -263      natural logarithms, before SCALE

A text is one entry of the dictionary, with a pronunciation for each way to say it, so that names
that no dictionary has are scored like any other, and silence may stand before and behind it. Each
has an end of its own: where paths meet, the search keeps the best alone. What is left at the last
frame are paths of all texts, and the best path through the lattice by each text is its score.

Scores of one search can be compared, those of two cannot: PocketSphinx subtracts from each frame
the best of the states that are active in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from ctxasr.hypotheses import Lattice
from ctxasr.speech.lexicon import Pronunciation
from ctxasr.speech.pocketsphinx_engine import decode, make_decoder, read_lattice
from ctxasr.speech.pronounce import Pronouncer

SCALE: Final = 0.02
"""Of logarithms: neighbouring frames say the same, which the model takes for new evidence. With it
the scores of what was said, of other hypotheses and of names that sound alike are nearest to
probabilities on 400 spoken answers (log loss 1.52; all alike 2.03, 0.03 gives 1.57)."""

OPTIONS: Final[dict[str, Any]] = {
    "cmn": "batch", "lm": None, "dict": None, "bestpath": False,
    "beam": 1e-300, "pbeam": 1e-300, "wbeam": 1e-300,
}  # fmt: skip
"""Beams that lose nothing: with 1e-100 one text in ten has no score."""

PAUSE: Final = "SIL"
"""The phone of silence."""

ENTRIES_MAX: Final = 2_000
"""Pronunciations in the decoder's dictionary; it is made anew, in 15 ms, before it has more."""


class FlatGrammar:
    """Scores texts in one search. For one thread."""

    def __init__(self, pronouncer: Pronouncer | None = None):
        self._pronouncer = pronouncer or Pronouncer()
        self._decoder: Any = None
        self._entries: dict[Pronunciation, str] = {}

    def load(self) -> None:
        """Make the decoder and read the dictionary now, not with the first texts."""
        if self._decoder is None:
            self._decoder = make_decoder(**OPTIONS)
            self._pronouncer.phrase_phones("hello")

    def log_likelihoods(self, sound: bytes, texts: Sequence[str]) -> list[float]:
        """A natural logarithm for each text, comparable within this call; -inf without a sound.

        `sound` is 16 kHz mono, 16 bit, trimmed and dithered as the recogniser has it.
        """
        said = [self._ways(text) for text in texts]
        if not any(said):
            return [-math.inf] * len(texts)
        self._make_room({way for ways in said for way in ways})
        names = [[self._entry(way) for way in ways] for ways in said]
        self._decoder.add_fsg("texts", self._grammar(names))
        self._decoder.activate_search("texts")
        decode(self._decoder, sound)
        lattice = read_lattice(self._decoder)
        scores = {} if lattice is None else best_through(lattice)
        return [
            SCALE * max((scores.get(name, -math.inf) for name in ways), default=-math.inf)
            for ways in names
        ]

    def _ways(self, text: str) -> list[Pronunciation]:
        """The pronunciations of a text; of several words also with a pause between them."""
        ways = list(self._pronouncer.phrase_phones(text))
        parts = [self._pronouncer.phrase_phones(word)[:1] for word in text.split()]
        words = [part[0] for part in parts if part]
        if len(words) > 1:
            paused = [phone for word in words for phone in (PAUSE, *word)][1:]
            ways.append(tuple(paused))
        return ways

    def _make_room(self, ways: set[Pronunciation]) -> None:
        if len(self._entries.keys() | ways) > ENTRIES_MAX:
            self._decoder = None
            self._entries.clear()
        self.load()

    def _entry(self, way: Pronunciation) -> str:
        """The dictionary's name of a pronunciation, which says nothing of the text."""
        name = self._entries.get(way)
        if name is None:
            name = self._entries[way] = f"entry{len(self._entries)}"
            self._decoder.add_word(name, " ".join(way), False)
        return name

    def _grammar(self, names: Sequence[Sequence[str]]) -> Any:
        last = len(names) + 1
        transitions: list[tuple[Any, ...]] = []
        for end, ways in enumerate(names, 1):
            transitions += [(0, end, 1.0, name) for name in ways]
            transitions.append((end, last, 1.0))
        return self._decoder.create_fsg("texts", 0, last, transitions)


def best_through(lattice: Lattice) -> dict[str, float]:
    """For each word of a lattice the best acoustic score of a whole path that holds it.

    The Viterbi recurrence forwards and backwards; an arc's path is the best one before it, the arc,
    and the best one behind it.
    """
    before = [-math.inf] * len(lattice.times_s)
    behind = [-math.inf] * len(lattice.times_s)
    before[0] = behind[-1] = 0.0
    for arc in lattice.arcs:  # by their sources, which stand in topological order
        before[arc.target] = max(before[arc.target], before[arc.source] + arc.acoustic)
    for arc in reversed(lattice.arcs):
        behind[arc.source] = max(behind[arc.source], behind[arc.target] + arc.acoustic)
    best: dict[str, float] = {}
    for arc in lattice.arcs:
        score = before[arc.source] + arc.acoustic + behind[arc.target]
        best[arc.word] = max(best.get(arc.word, -math.inf), score)
    return best
