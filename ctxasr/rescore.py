"""Hypotheses and bias to one text: the plain text, or one phrase put where it was said.

Every match of a phrase with words of a hypothesis is a candidate: that hypothesis with the words
replaced by the phrase. Keeping the plain text scores 0. A candidate scores

    w_0 + w_cost cost + w_relative cost / phones + w_rank min(rank, 4) + w_gain gain
        + w_phones phones + w_prior (log prior of the phrase - log of KEEP_PROBABILITY)

and the best score above 0 wins: a log-linear model of the posterior whose first terms are the
likelihood of what was heard and whose last is the prior from the context. Its weights are fitted
by minimum expected word errors; `ctxasr train --part rescorer` prints them. Without bias the
result is the plain text, to the letter.

    heard     "the hour"      phones of the loop: B AW ER
    phrases   bauer           the hour -> bauer: one phone added, two dropped; nearer to the loop
              meg jones       nothing sounds like it

Source: D. Povey and P. Woodland, "Minimum phone error and I-smoothing", ICASSP 2002, for fitting
by expected errors over a list of candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from ctxasr.bias import Bias, BiasingPhrase
from ctxasr.hypotheses import PHRASES_MAX, Change, Recognition, Result
from ctxasr.ports import Match, PhraseAligner

RANK_MAX: Final = 4
"""Deeper in the n-best list all hypotheses are about equally unlikely."""

KEEP_PROBABILITY: Final = 0.1
"""How likely, before anything was heard, an answer names nothing of the context. Only a scale:
the fitted constant absorbs it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The log-linear model; one set for recognisers with a phone loop, one for those without."""

    constant: float
    cost: float
    relative_cost: float
    rank: float
    gain: float
    phones: float
    prior: float

    def score(self, match: Match, log_prior: float) -> float:
        return (
            self.constant
            + self.cost * match.cost
            + self.relative_cost * match.cost / max(1, match.phones)
            + self.rank * min(match.hypothesis, RANK_MAX)
            + self.gain * (match.gain or 0.0)
            + self.phones * match.phones
            + self.prior * (log_prior - math.log(KEEP_PROBABILITY))
        )


WITH_PHONE_LOOP: Final = Weights(-1.24, -3.29, -2.44, -0.87, 3.22, 1.29, 2.05)
WITHOUT_PHONE_LOOP: Final = Weights(0.4, -5.7, -2.7, -1.6, 0.0, 1.08, 1.05)


def rescore(
    recognition: Recognition,
    bias: Bias,
    aligner: PhraseAligner,
    *,
    with_loop: Weights = WITH_PHONE_LOOP,
    without_loop: Weights = WITHOUT_PHONE_LOOP,
) -> Result:
    """The most probable text given what was heard and what the context expects."""
    plain = recognition.plain
    if not bias.phrases or not recognition.hypotheses:
        return Result(plain, plain)
    phrases = bias.phrases[:PHRASES_MAX]
    weights = with_loop if recognition.phones else without_loop
    best, text, cause = 0.0, plain, None
    for match in aligner.align(recognition, [biasing.phrase.text for biasing in phrases]):
        biasing = phrases[match.phrase]
        score = weights.score(match, biasing.log_prior)
        if score > best:
            best, text, cause = score, _substitute(recognition, match, biasing), biasing
    if cause is None or text == plain:
        return Result(plain, plain)
    return Result(plain, text, tuple(_changes(plain, text, cause)))


def _substitute(recognition: Recognition, match: Match, biasing: BiasingPhrase) -> str:
    words = recognition.hypotheses[match.hypothesis].words
    return " ".join([*words[: match.start], biasing.phrase.text, *words[match.end :]])


def _changes(plain: str, text: str, cause: BiasingPhrase) -> list[Change]:
    """What differs word by word; all of it comes from the one phrase."""
    before, after = plain.split(), text.split()
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        Change(" ".join(before[a:b]), " ".join(after[c:d]), cause.phrase.text, cause.phrase.signal)
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]
