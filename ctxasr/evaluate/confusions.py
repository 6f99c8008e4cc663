"""Learns what it costs that a phone was heard as another, from names that callers said.

Each hypothesis of a turn is aligned with the name that was asked for, by the costs so far, and what
stands opposite is counted. A count above what the costs by articulation expect makes a confusion
cheaper, one below makes it dearer; a pair that was never met nor expected keeps its cost:

    cost = prior - COST_PER_NAT * ln((counted + PRIOR_COUNT) / (expected + PRIOR_COUNT))

`expected` shares the counted confusions out among all pairs of phones, by how frequent both are and
by exp(-prior / COST_PER_NAT). Then everything is aligned again with the new costs (hard EM).
Confusions count in both directions, so the costs are symmetric. Nothing is drawn: the same data
give the same bytes.

Sources: E. S. Ristad and P. N. Yianilos, "Learning string-edit distance", IEEE Trans. PAMI 1998
(edit costs by EM over pairs); S. Henikoff and J. G. Henikoff, "Amino acid substitution matrices
from protein blocks", PNAS 1992 (costs as log odds against chance).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import DataError
from ctxasr.evaluate.corpora.neighbours import Sounds
from ctxasr.evaluate.corpora.people import read_people
from ctxasr.evaluate.corpora.reading import Split, read_evi
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.name_ranks import compare_ranks
from ctxasr.speech.articulation import PHONES, UNITS, PhoneCosts, articulatory_costs, quantised
from ctxasr.speech.phone_costs import write_costs
from ctxasr.speech.phonetics import encode
from ctxasr.words import normalise

ALIGNMENTS: Final = 2
"""Passes over the pairs, the first with the prior's costs; the second hardly changes the ranks."""

COST_PER_NAT: Final = 0.15
"""What a confusion e times as frequent as expected is cheaper by; of 0.05, 0.1 and 0.15 the best on
names of training that were held out, by speaker."""

PRIOR_COUNT: Final = 3.0
"""Confusions that the prior counts for, a pair of phones; chosen in the same way from 1 to 10."""

LEAST_COST: Final = 0.05
"""No two phones are the same."""

JUNK_COST: Final = 0.35
"""A hypothesis that costs more a phone says something else: another name, or nothing of it."""

SWALLOWED_PHONES: Final = 2
"""Phones in a row that are swallowed; more are a word that was not said, and are not counted."""

_SPLITS: Final[tuple[Split, Split]] = ("train", "dev")

Floats = NDArray[np.float64]
Row = list[int]
Steps = list[tuple[int | None, int | None]]
"""What stands opposite: the phone that was said and the one that was heard."""


class Pair(NamedTuple):
    """What was said and what was heard, in all their pronunciations, and how much it counts."""

    said: Sequence[Row]
    heard: Sequence[Row]
    weight: float


class Counts(NamedTuple):
    """Aligned phones (39, 39), those that were said or heard alone (39,), and pairs used."""

    together: Floats
    alone: Floats
    pairs: int


def make_costs(data: Path | None, path: Path, seed: int = 7) -> dict[str, Any]:
    """Learn from EVI's training split, write the table, and say what it was learnt from and how
    names of the development split rank by the prior's costs and by these; `seed` is the ranking's.

    Raises:
        DataError: the data are missing, or no hypothesis differs from what was said.
    """
    turns, held_out = (
        [turn for turn in read_evi(data, split) if turn.corpus == "evi-name"] for split in _SPLITS
    )
    prior = articulatory_costs()
    costs, counts = learn(list(pairs_of(turns)), prior)
    write_costs(costs, path)
    apart = counts.together.sum() - np.trace(counts.together)
    return {
        "turns": len(turns),
        "hypotheses": counts.pairs,
        "substitutions": round(float(apart), 1),
        "skipped": round(float(counts.alone.sum()), 1),
        "ranks": compare_ranks(held_out, read_people(data), prior, costs, seed),
    }


def pairs_of(turns: Iterable[Utterance]) -> Iterator[Pair]:
    """Every hypothesis with what was said; those of one turn share a weight of 1.

    A hypothesis with the right words was said as it was heard.
    """
    sounds = Sounds()
    for turn in turns:
        said = [encode(phones).tolist() for phones in sounds.of(turn.reference)]
        texts = dict.fromkeys(turn.heard)
        for text in texts:
            heard = [encode(phones).tolist() for phones in sounds.of(text)]
            if normalise(text) == normalise(turn.reference):
                heard = said
            if said and heard:
                yield Pair(said, heard, 1 / len(texts))


def learn(pairs: Sequence[Pair], prior: PhoneCosts) -> tuple[PhoneCosts, Counts]:
    """The costs by hard EM, and the last counts that they are made of.

    Raises:
        DataError: all that was heard was said.
    """
    costs, counts = prior, count(pairs, prior)
    for left in reversed(range(ALIGNMENTS)):
        costs = costs_of(counts, prior)
        if left:
            counts = count(pairs, costs)
    return costs, counts


def count(pairs: Iterable[Pair], costs: PhoneCosts) -> Counts:
    """Align every pair, in the pronunciations that are nearest, and count what stands opposite."""
    together, alone, used = np.zeros((len(PHONES), len(PHONES))), np.zeros(len(PHONES)), 0
    substitution, skip = costs.substitution.tolist(), costs.skip.tolist()
    for said, heard, weight in pairs:
        same = said[0] == heard[0]
        ways = [(said[0], heard[0])] if same else [(a, b) for a in said for b in heard]
        aligned = [align(a, b, substitution, skip) for a, b in ways]
        cost, steps = min(aligned, key=lambda way: way[0])
        if cost > JUNK_COST * UNITS * _longer(steps):
            continue
        used += 1
        for one, other in _counted(steps):
            if one is not None and other is not None:
                together[one, other] += weight
            else:
                alone[one if one is not None else other] += weight
    return Counts(together, alone, used)


def _longer(steps: Steps) -> int:
    """Phones of the longer side."""
    return max(sum(step[side] is not None for step in steps) for side in (0, 1))


def _counted(steps: Steps) -> Steps:
    """Without whole words that are missing or too much."""
    kept: Steps = []
    skipped: Steps = []
    for step in [*steps, (0, 0)]:
        if None in step:
            skipped.append(step)
            continue
        kept += skipped if len(skipped) <= SWALLOWED_PHONES else []
        kept.append(step)
        skipped = []
    return kept[:-1]


def align(said: Row, heard: Row, substitution: Sequence[Row], skip: Row) -> tuple[int, Steps]:
    """The cheapest alignment of two sequences of phones: its cost in UNITS, and its steps."""
    table = [[0] * (len(heard) + 1) for _ in range(len(said) + 1)]  # (S + 1, H + 1)
    for i, phone in enumerate(said):
        table[i + 1][0] = table[i][0] + skip[phone]
    for j, phone in enumerate(heard):
        table[0][j + 1] = table[0][j] + skip[phone]
    for i, one in enumerate(said):
        costs, above, row = substitution[one], table[i], table[i + 1]
        for j, other in enumerate(heard):
            row[j + 1] = min(
                above[j] + costs[other], above[j + 1] + skip[one], row[j] + skip[other]
            )
    steps: Steps = []
    i, j = len(said), len(heard)
    while i or j:
        here = table[i][j]
        if i and j and here == table[i - 1][j - 1] + substitution[said[i - 1]][heard[j - 1]]:
            i, j = i - 1, j - 1
            steps.append((said[i], heard[j]))
        elif i and here == table[i - 1][j] + skip[said[i - 1]]:
            i -= 1
            steps.append((said[i], None))
        else:
            j -= 1
            steps.append((None, heard[j]))
    return table[-1][-1], steps[::-1]


def costs_of(counts: Counts, prior: PhoneCosts) -> PhoneCosts:
    """The prior's costs, corrected by what was counted against what they expect.

    Raises:
        DataError: no phone was heard as another.
    """
    confused = counts.together + counts.together.T  # both directions
    np.fill_diagonal(confused, 0)
    if not confused.sum():
        raise DataError("every phone was heard as it was said; nothing can be learnt of that")
    frequent = counts.together.sum(axis=0) + counts.together.sum(axis=1) + counts.alone  # (39,)
    frequent /= frequent.sum()
    by_chance = np.outer(frequent, frequent)
    np.fill_diagonal(by_chance, 0)
    substitution = _corrected(prior.substitution / UNITS, confused, by_chance)
    np.fill_diagonal(substitution, 0)
    skip = _corrected(prior.skip / UNITS, counts.alone, frequent)
    return PhoneCosts(quantised(substitution), quantised(skip))


def _corrected(prior: Floats, counted: Floats, by_chance: Floats) -> Floats:
    expected = by_chance * np.exp(-prior / COST_PER_NAT)
    expected *= counted.sum() / expected.sum()
    odds = np.log((counted + PRIOR_COUNT) / (expected + PRIOR_COUNT))
    corrected: Floats = np.clip(prior - COST_PER_NAT * odds, LEAST_COST, 1.0)
    return corrected
