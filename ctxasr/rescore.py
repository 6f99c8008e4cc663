"""Hypotheses and bias to one text: the plain text, or one phrase put where it was said.

Every match of a phrase with words of a hypothesis is a candidate: that hypothesis with the words
replaced by the phrase. Keeping the plain text scores 0. A candidate scores

    w_0 + w_cost cost + w_relative cost / phones + w_gain gain + w_outside edits
        + w_phones phones + w_prior (log prior of the phrase - log KEEP_PROBABILITY)

and the best score above 0 wins: a log-linear model of the posterior whose first terms are the
likelihood of what was heard and whose last is the prior from the context. `edits` counts the words
beside the phrase that differ from the plain text; a phrase that stands in the plain text already
is not sought beside it, and a generic answer is taken for the whole utterance or not at all. The
weights are fitted by minimum expected word errors; `ctxasr train --part rescorer` prints them.
Without bias the result is the plain text, to the letter.

    heard     "the hour"      phones of the loop: B AW ER
    phrases   bauer           the hour -> bauer: one phone added, two dropped; nearer to the loop
              meg jones       nothing sounds like it

Source: D. Povey and P. Woodland, "Minimum phone error and I-smoothing", ICASSP 2002, for fitting
by expected errors over a list of candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ctxasr.bias import GENERIC_SIGNAL, Bias, BiasingPhrase
from ctxasr.hypotheses import PHRASES_MAX, Hypothesis, Recognition, Result
from ctxasr.ports import Match, PhraseAligner
from ctxasr.spelling import changes_between, cuts_a_sign, replaced, style_of

KEEP_PROBABILITY: Final = 0.1
"""How likely, before anything was heard, an answer names nothing of the context. Only a scale:
the fitted constant absorbs it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The log-linear model; one set for recognisers with a phone loop, one for those without."""

    constant: float
    cost: float
    relative_cost: float
    gain: float
    outside: float
    phones: float
    prior: float

    def score(self, features: tuple[float, ...]) -> float:
        weights = (
            self.constant, self.cost, self.relative_cost, self.gain, self.outside, self.phones,
            self.prior,
        )  # fmt: skip
        return sum(w * x for w, x in zip(weights, features, strict=True))


def features(match: Match, edits_outside: int, log_prior: float) -> tuple[float, ...]:
    """What the weights weigh, in the order of `Weights`."""
    return (
        1.0,
        match.cost,
        match.cost / max(1, match.phones),
        match.gain or 0.0,
        float(edits_outside),
        float(match.phones),
        log_prior - math.log(KEEP_PROBABILITY),
    )


WITH_PHONE_LOOP: Final = Weights(-2.06, -3.12, -1.0, 2.75, -2.55, 1.21, 1.96)
WITHOUT_PHONE_LOOP: Final = Weights(-1.93, -4.36, -1.4, 0.0, -2.56, 1.1, 2.22)
"""`ctxasr train --part rescorer --seed 7` on 500 answers, before generic answers were held to the
whole utterance. With that rule the same command prints bolder weights (-1.28, -3.39, -0.92, 2.77,
-2.05, 1.3, 1.54 and -1.64, -4.65, -1.27, 0, -2.14, 1.24, 1.57): more gain, and twice the harm from
lists that do not hold the name. These stand because harm is dearer."""


async def rescore(recognition: Recognition, bias: Bias, aligner: PhraseAligner) -> Result:
    """The most probable text given what was heard and what the context expects."""
    plain = recognition.plain
    if not bias.phrases or not recognition.hypotheses:
        return Result(plain, plain)
    weights = WITH_PHONE_LOOP if recognition.phones else WITHOUT_PHONE_LOOP
    best, chosen = 0.0, None
    for candidate in await candidates(recognition, bias, aligner):
        score = weights.score(candidate.features)
        if score > best:
            best, chosen = score, candidate
    if chosen is None:
        return Result(plain, plain)
    changes = changes_between(plain, chosen.text, chosen.cause.phrase)
    return Result(plain, chosen.text, changes) if changes else Result(plain, plain)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that a phrase makes possible, and what speaks for it."""

    text: str
    cause: BiasingPhrase
    features: tuple[float, ...]


async def candidates(
    recognition: Recognition, bias: Bias, aligner: PhraseAligner
) -> list[Candidate]:
    """Every text that some phrase of `bias` makes possible; the plain text may be among them."""
    phrases = bias.phrases[:PHRASES_MAX]
    matches = await aligner.align(recognition, [biasing.phrase.spelling for biasing in phrases])
    said = {match.phrase for match in matches if match.hypothesis == 0 and match.exact}
    style = style_of(recognition.hypotheses)
    found = []
    for match in matches:
        biasing, heard = phrases[match.phrase], recognition.hypotheses[match.hypothesis]
        if cuts_a_sign(heard.places, match.start, match.end):
            continue
        # "no thanks" is no part of an answer: "no thank you" must not become "no thanks you".
        partial = biasing.phrase.signal == GENERIC_SIGNAL and not _is_whole(recognition, match)
        as_heard = match.exact and match.hypothesis == 0
        if not partial and (match.phrase not in said or as_heard):
            seen = features(match, edits_outside(recognition, match), biasing.log_prior)
            base, start, end = _as_plain_has_it(recognition, match)
            text = heard.text if as_heard else replaced(base, start, end, biasing.phrase, style)
            found.append(Candidate(text, biasing, seen))
    return found


def _as_plain_has_it(recognition: Recognition, match: Match) -> tuple[Hypothesis, int, int]:
    """Where the phrase goes: into the plain text, if all around the match stands there as well.

    Another hypothesis may be written without the plain one's capitals and commas.
    """
    plain, heard = recognition.hypotheses[0], recognition.hypotheses[match.hypothesis]
    end = len(plain.places) - (len(heard.places) - match.end)
    around = heard.words[: match.start], heard.words[match.end :]
    same = match.start < end and (plain.words[: match.start], plain.words[end:]) == around
    if same and not cuts_a_sign(plain.places, match.start, end):
        return plain, match.start, end
    return heard, match.start, match.end


def _is_whole(recognition: Recognition, match: Match) -> bool:
    words = recognition.hypotheses[match.hypothesis].words
    return (match.start, match.end) == (0, len(words))


def edits_outside(recognition: Recognition, match: Match) -> int:
    """Word edits between the plain text and the match's hypothesis, before and after the match."""
    if match.hypothesis == 0:
        return 0
    plain = recognition.hypotheses[0].words
    words = recognition.hypotheses[match.hypothesis].words
    behind = len(words) - match.end
    before = _edits(words[: match.start], plain[: match.start])
    return before + _edits(words[match.end :], plain[len(plain) - behind :] if behind else ())


def _edits(ours: tuple[str, ...], theirs: tuple[str, ...]) -> int:
    """Levenshtein distance in words; long utterances run into the read budget, not into this."""
    row = list(range(len(theirs) + 1))
    for i, word in enumerate(ours, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(theirs, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
