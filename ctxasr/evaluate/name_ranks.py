"""Where a name that was heard wrong stands among others, by how near they sound to what was heard.

For every turn whose first hypothesis neither is nor sounds like the name that was asked for, the
name is ranked among random others and among those that sound most like it, each by its nearest
pronunciation; under two sets of costs, so that they can be compared. Ties count half.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.evaluate.corpora.neighbours import Sounds
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.metrics import Estimate, error_rate
from ctxasr.speech.articulation import PhoneCosts
from ctxasr.speech.phonetics import PAD, Ints, encode, pad

RANDOM: Final = 999
"""Random names that a name is ranked among."""

NEAREST: Final = 99
"""Names that sound most like it, by the first of the two sets of costs."""

Floats = NDArray[np.float64]


def compare_ranks(
    turns: Sequence[Utterance], people: Sequence[str], one: PhoneCosts, other: PhoneCosts, seed: int
) -> dict[str, Any]:
    """Median rank and share of first places under both costs, and the share's difference with its
    interval by speaker."""
    names, sounds, rng = _Names(people), Sounds(), Random(seed)  # noqa: S311
    speakers: list[str] = []
    ranks: dict[str, list[tuple[float, float]]] = {"random": [], "nearest": []}
    place = {name: number for number, name in enumerate(people)}
    for turn in turns:
        text, number = turn.heard[0], place.get(turn.reference)
        if number is None or not sounds.of(text) or sounds.same(text, turn.reference):
            continue
        heard, said = (encode(sounds.of(name)[0]) for name in (text, turn.reference))
        alike = [n for n in range(len(people)) if sounds.same(people[n], turn.reference)]
        others = [n for n in rng.sample(range(len(people)), len(people)) if n not in alike]
        from_said = names.distances(said, one)
        near = sorted(others, key=lambda n: (from_said[n], n))[:NEAREST]
        by_one, by_other = names.distances(heard, one), names.distances(heard, other)
        speakers.append(turn.speaker)
        for kind, rivals in (("random", others[:RANDOM]), ("nearest", near)):
            ranks[kind].append((_rank(by_one, number, rivals), _rank(by_other, number, rivals)))
    return {"n": len(speakers)} | {
        kind: _figures(np.array(pairs).reshape(-1, 2), speakers, seed)
        for kind, pairs in ranks.items()
    }


def _figures(ranks: Floats, speakers: Sequence[str], seed: int) -> dict[str, Any]:
    if not len(ranks):
        return {}
    first = ranks == 1  # (turns, 2)
    gain: Estimate = error_rate(
        (first[:, 1].astype(float) - first[:, 0]).tolist(), [1.0] * len(ranks), speakers, seed
    )
    return {
        "median": np.median(ranks, axis=0).tolist(),
        "first": first.mean(axis=0).tolist(),
        "first_gained": [gain.value, gain.low, gain.high],
    }


def _rank(distances: Floats, number: int, rivals: Sequence[int]) -> float:
    own, theirs = distances[number], distances[list(rivals)]
    return float(1 + (theirs < own).sum() + (theirs == own).sum() / 2)


class _Names:
    """Names in all their pronunciations."""

    def __init__(self, people: Sequence[str]):
        sounds = Sounds()
        ways = [(n, encode(phones)) for n, name in enumerate(people) for phones in sounds.of(name)]
        self.owners = np.array([n for n, _ in ways], np.int64)
        self.table, self.lengths = pad([phones for _, phones in ways])
        self.count = len(people)

    def distances(self, heard: Ints, costs: PhoneCosts) -> Floats:
        """Of each name to `heard`, in UNITS: (names,)."""
        found = np.full(self.count, np.inf)
        np.minimum.at(found, self.owners, self._distances(heard, costs))
        return found

    def _distances(self, heard: Ints, costs: PhoneCosts) -> Floats:
        substitution = np.zeros((PAD + 1, PAD + 1))
        substitution[:PAD, :PAD] = costs.substitution
        skip = np.append(costs.skip, 0).astype(float)
        here = np.tile(np.append(0, np.cumsum(skip[heard])), (len(self.table), 1))  # (n, H + 1)
        found = here[:, -1].copy()
        for i, phones in enumerate(self.table.T):
            above, here = here, here + skip[phones][:, None]
            for j, phone in enumerate(heard):
                diagonal = above[:, j] + substitution[phones, phone]
                here[:, j + 1] = np.minimum(
                    np.minimum(here[:, j + 1], diagonal), here[:, j] + skip[phone]
                )
            found = np.where(self.lengths == i + 1, here[:, -1], found)
        return found
