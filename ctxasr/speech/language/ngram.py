"""A back-off n-gram model by interpolated absolute discounting, written as ARPA.

    P(w | h)  =  max(c(hw) - D, 0) / c(h)  +  b(h) P(w | h')        h' is h without its first word
    b(h)      =  what the discounts, and n-grams too rare to keep, leave of 1

Unigrams mix the counts with a given distribution over more words, so that every word of the
vocabulary can be heard. In ARPA an n-gram's entry is the whole of P(w | h), and b(h) its back-off
weight, so what is written is exactly what is computed here.

Source: H. Ney, U. Essen and R. Kneser, "On structuring probabilistic dependences in stochastic
language modelling", Computer Speech and Language 8, 1994; D = n1 / (n1 + 2 n2), by the numbers of
n-grams that were seen once and twice.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ctxasr.errors import DataError

ORDER: Final = 3

START: Final = "<s>"
END: Final = "</s>"

LOG_NEVER: Final = -99.0
"""How ARPA writes the probability of what is never predicted, such as START."""

Gram = tuple[str, ...]


class NGrams:
    """Probabilities and back-off weights of all n-grams that are kept.

    `rare` is the count below which n-grams of the highest order are left out; `others` is a
    distribution over words that gets `others_share` of the unigrams.

    Raises:
        DataError: no sentence, or `others` sums to nothing.
    """

    def __init__(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        rare: int = 2,
        others: Mapping[str, float] | None = None,
        others_share: float = 0.0,
    ):
        counts = _counted(sentences)
        if not counts[0]:
            raise DataError("no sentence to count n-grams in")
        self.probabilities: list[dict[Gram, float]] = [_unigrams(counts[0], others, others_share)]
        self.back_off: dict[Gram, float] = {}
        for order in range(2, ORDER + 1):
            keep = rare if order == ORDER else 1
            self.probabilities.append(self._discounted(counts[order - 1], keep))

    def _discounted(self, counts: Counter[Gram], keep: int) -> dict[Gram, float]:
        discount = _discount(counts)
        totals: defaultdict[Gram, int] = defaultdict(int)
        taken: defaultdict[Gram, float] = defaultdict(float)
        kept: list[tuple[Gram, int]] = []
        for gram, count in counts.items():
            totals[gram[:-1]] += count
            if count >= keep:
                taken[gram[:-1]] += count - discount
                kept.append((gram, count))
        for history, some in taken.items():
            self.back_off[history] = (totals[history] - some) / totals[history]
        lower = self.probabilities[-1]
        return {
            gram: (count - discount) / totals[gram[:-1]]
            + self.back_off[gram[:-1]] * lower[gram[1:]]
            for gram, count in kept
        }

    def probability(self, word: str, *history: str) -> float:
        """P(word | history), by backing off as a reader of the ARPA file does."""
        history = history[-(ORDER - 1) :]
        found = self.probabilities[len(history)].get((*history, word))
        if found is not None or not history:
            return found or 0.0
        return self.back_off.get(history, 1.0) * self.probability(word, *history[1:])

    def arpa(self) -> Iterator[str]:
        """The lines of the ARPA file, in the order of the alphabet."""
        yield "\\data\\"
        for order, grams in enumerate(self.probabilities, 1):
            yield f"ngram {order}={len(grams) + (order == 1)}"
        for order, grams in enumerate(self.probabilities, 1):
            yield f"\n\\{order}-grams:"
            if order == 1:
                yield self._line((START,), 0.0, last=False)
            for gram, probability in sorted(grams.items()):
                yield self._line(gram, probability, last=order == ORDER)
        yield "\n\\end\\"

    def _line(self, gram: Gram, probability: float, *, last: bool) -> str:
        line = f"{_log10(probability):.4f}\t{' '.join(gram)}"
        return line if last else f"{line}\t{_log10(self.back_off.get(gram, 1.0)):.4f}"


def _counted(sentences: Iterable[Sequence[str]]) -> list[Counter[Gram]]:
    counts: list[Counter[Gram]] = [Counter() for _ in range(ORDER)]
    for words in sentences:
        row = (START, *words, END)
        for order in range(1, ORDER + 1):
            counts[order - 1].update(
                row[end - order : end] for end in range(max(order, 2), len(row) + 1)
            )
    return counts


def _unigrams(
    counts: Counter[Gram], others: Mapping[str, float] | None, share: float
) -> dict[Gram, float]:
    total = counts.total()
    mixed = {gram: (1.0 - share) * count / total for gram, count in counts.items()}
    if others:
        whole = sum(others.values())
        if whole <= 0.0:
            raise DataError("the other words have no probability")
        for word, weight in others.items():
            mixed[word,] = mixed.get((word,), 0.0) + share * weight / whole
    return mixed


def _discount(counts: Counter[Gram]) -> float:
    seen = Counter(counts.values())
    once, twice = seen[1], seen[2]
    return once / (once + 2 * twice) if once else 0.5


def _log10(probability: float) -> float:
    return math.log10(probability) if probability > 0.0 else LOG_NEVER
