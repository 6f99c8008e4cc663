"""Word error rate, its oracles and its confidence interval.

Errors are counted by jiwer over texts as they are said: without case and punctuation, "dr" the same
as "doctor" and "2nd" as "second". Intervals come from scipy's bootstrap, resampled
by dialogue, because the turns of one dialogue share voice, names and noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.hypotheses import Hypothesis
from ctxasr.speech.readings import as_said

RESAMPLES: Final = 2_000
CONFIDENCE: Final = 0.95

Sums = NDArray[np.float64]
"""Errors or words, summed over each dialogue; (dialogues,)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval; the interval is None where there is one dialogue only."""

    value: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


def word_edits(reference: str, text: str) -> int:
    """Substitutions, deletions and insertions between two texts, as they are said."""
    import jiwer

    reference, text = as_said(reference), as_said(text)
    if not reference:
        return len(text.split())
    counted = jiwer.process_words(reference, text)
    return int(counted.substitutions + counted.deletions + counted.insertions)


def best_edits(reference: str, hypotheses: Iterable[Hypothesis]) -> int:
    """The n-best oracle: the errors of the hypothesis that has fewest."""
    return min((word_edits(reference, h.text) for h in hypotheses), default=word_count(reference))


def word_count(reference: str) -> int:
    """Words of a reference, as it is said."""
    return len(as_said(reference).split())


def error_rate(
    edits: Sequence[float], words: Sequence[float], dialogues: Sequence[str], seed: int
) -> Estimate:
    """Word error rate over turns, all of the same length: errors / words."""
    sums = _by_dialogue(dialogues, edits, words)
    return _ratio(sums[0], sums[1], seed)


def relative_change(
    edits: Sequence[float], baseline: Sequence[float], dialogues: Sequence[str], seed: int
) -> Estimate:
    """(errors - baseline errors) / baseline errors; -0.3 takes 30% of the baseline's errors."""
    sums = _by_dialogue(dialogues, edits, baseline)
    return _ratio(sums[0] - sums[1], sums[1], seed)


def _by_dialogue(dialogues: Sequence[str], *columns: Sequence[float]) -> list[Sums]:
    names = sorted(set(dialogues))
    place = {name: i for i, name in enumerate(names)}
    sums = [np.zeros(len(names)) for _ in columns]
    for total, column in zip(sums, columns, strict=True):
        for dialogue, value in zip(dialogues, column, strict=True):
            total[place[dialogue]] += value
    return sums


def _ratio(over: Sums, under: Sums, seed: int) -> Estimate:
    def ratio(a: Sums, b: Sums, axis: int = -1) -> Sums:
        totals = b.sum(axis=axis)
        rates: Sums = a.sum(axis=axis) / np.where(totals == 0, 1, totals)
        return rates

    value = float(ratio(over, under))
    if len(over) < 2:
        return Estimate(value, None, None)
    from scipy.stats import bootstrap

    found = bootstrap(
        (over, under),
        ratio,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(found.low), float(found.high))
