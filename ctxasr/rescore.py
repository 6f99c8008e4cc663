"""Hypotheses and bias to one text: the plain text, or phrases put where they were said.

By Bayes' rule, a candidate is as probable as it explains what was heard, times how probable its
words were before. Keeping the plain text scores 0, a candidate scores

    weights . evidence [ + audio weight * (log P(candidate | audio) - log P(plain | audio)) ]

and its log odds against all the rest decide: the text is changed where they pass a threshold. The
evidence of the text alone picks the few candidates that are scored against the audio, and decides
by itself, under stricter weights, where there is no audio or no time. An everyday answer is never
changed by text alone. Without bias the result is the plain text, to the letter.

The weights are fitted by minimum expected word errors; `ctxasr train --part rescorer` prints them.

Source: D. Povey and P. Woodland, "Minimum phone error and I-smoothing", ICASSP 2002, for fitting
by expected errors over a list of candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctxasr.bias import Bias
from ctxasr.candidates import Candidate, candidates, text_of
from ctxasr.errors import ContextUnavailable
from ctxasr.everyday import is_everyday
from ctxasr.hypotheses import Recognition, Result
from ctxasr.ports import AcousticScorer, PhraseAligner
from ctxasr.spelling import changes_between, style_of
from ctxasr.weights import WITH_PHONE_LOOP, WITH_SOUND, WITHOUT_PHONE_LOOP, Weights

SCORED_MAX: Final = 7
"""Candidates that are scored against the audio, beside the plain text."""

EVERYDAY_AUDIO_MIN: Final = 3.0
"""Natural log by which the audio must prefer a text to an everyday answer: twenty to one."""

WORDS_APART_MAX: Final = 1
"""Words that a hypothesis may have more or less than the first to take its place by text alone:
both were heard in the same sound."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The most probable candidate, and its natural log odds against all the rest."""

    candidate: Candidate
    text: str
    log_odds: float
    margin: float
    """How far the log odds pass the threshold: a positive one changes the text."""
    heard: bool = False
    """Whether it was scored against the audio."""

    @property
    def probability(self) -> float:
        return 1.0 / (1.0 + math.exp(-max(-700.0, self.log_odds)))

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Proposal(log odds {self.log_odds:.1f})"


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What one utterance may have been, by text alone: scores, the best first."""

    recognition: Recognition
    scored: tuple[tuple[float, Candidate], ...]
    weights: Weights

    def by_text(self) -> Proposal | None:
        """The best of them without a look at the audio."""
        hypotheses = self.recognition.hypotheses
        if not self.scored or is_everyday(hypotheses[0].words):
            return None
        words = len(hypotheses[0].words)
        scored = [
            (score, one)
            for score, one in self.scored
            if not one.less_likely
            and not (one.evidence.exact and abs(len(one.words) - words) > WORDS_APART_MAX)
        ]
        return _best(self.recognition, scored, self.weights.threshold, heard=False)

    async def by_sound(self, scorer: AcousticScorer) -> Proposal | None:
        """The best of them under the audio: the few that text makes most probable are scored."""
        style = style_of(self.recognition.hypotheses)
        kept = [one for _, one in self.scored if one.unchanged]
        alike = {one.words for _, one in self.scored if one.evidence.homophone}
        others: dict[tuple[str, ...], Candidate] = {}
        for _, one in self.scored:
            deaf = one.less_likely and one.words in alike  # sound cannot tell them apart
            if not one.unchanged and not deaf and len(others) < SCORED_MAX:
                others.setdefault(one.words, one)
        if not others:
            return None
        texts = [text_of(one, self.recognition, style) for one in others.values()]
        plain, *fits = await scorer.log_likelihoods(
            self.recognition, [self.recognition.plain, *texts]
        )
        if not math.isfinite(plain):
            return self.by_text()
        clear = (
            EVERYDAY_AUDIO_MIN if is_everyday(self.recognition.hypotheses[0].words) else -math.inf
        )
        heard = [
            (WITH_SOUND.score(one.evidence) + WITH_SOUND.audio * (fit - plain), one)
            for fit, one in zip(fits, others.values(), strict=True)
            if math.isfinite(fit) and fit - plain > clear
        ]
        unchanged = [(WITH_SOUND.score(one.evidence), one) for one in kept]
        return _best(self.recognition, [*unchanged, *heard], WITH_SOUND.threshold, heard=True)


async def shortlist(recognition: Recognition, bias: Bias, aligner: PhraseAligner) -> Shortlist:
    """The candidates of an utterance with their scores by text."""
    weights = WITH_PHONE_LOOP if recognition.phones else WITHOUT_PHONE_LOOP
    if not bias.phrases or not recognition.hypotheses:
        return Shortlist(recognition, (), weights)
    found = await candidates(recognition, bias, aligner)
    scored = [(_score(weights, one), one) for one in found]
    return Shortlist(recognition, tuple(sorted(scored, key=lambda pair: -pair[0])), weights)


def _score(weights: Weights, candidate: Candidate) -> float:
    """By text. Where two names of the context sound the same, only the context tells them apart."""
    if candidate.evidence.homophone and candidate.log_prior_gain > 0.0:
        return candidate.log_prior_gain
    return weights.score(candidate.evidence)


async def propose(
    recognition: Recognition,
    bias: Bias,
    aligner: PhraseAligner,
    scorer: AcousticScorer | None = None,
) -> Proposal | None:
    """The best candidate with its log odds, whether they pass the threshold or not."""
    found = await shortlist(recognition, bias, aligner)
    if scorer is None or not can_be_scored(recognition):
        return found.by_text()
    try:
        return await found.by_sound(scorer)
    except ContextUnavailable:  # the recogniser has let go of the sound
        return found.by_text()


def can_be_scored(recognition: Recognition) -> bool:
    """Whether texts are scored against its audio before one is taken.

    Where there is a phone loop, that is the second evidence: PocketSphinx's likelihoods have a
    scale of their own, for which no weights were fitted.
    """
    return recognition.sound is not None and not recognition.phones


async def rescore(
    recognition: Recognition,
    bias: Bias,
    aligner: PhraseAligner,
    scorer: AcousticScorer | None = None,
) -> Result:
    """The most probable text given what was heard and what the context expects."""
    return result_of(recognition, await propose(recognition, bias, aligner, scorer))


def result_of(recognition: Recognition, proposal: Proposal | None) -> Result:
    """The text of an accepted proposal; else the plain one, to the letter."""
    plain = recognition.plain
    if proposal is None or proposal.margin <= 0.0:
        return Result(plain, plain)
    phrases = [cause.phrase for cause in proposal.candidate.causes]
    evidence = "sound" if proposal.heard else "text"
    changes = changes_between(
        plain, proposal.text, phrases, probability=proposal.probability, evidence=evidence
    )
    return Result(plain, proposal.text, changes) if changes else Result(plain, plain)


def _best(
    recognition: Recognition,
    scored: Sequence[tuple[float, Candidate]],
    threshold: float,
    *,
    heard: bool,
) -> Proposal | None:
    """The likeliest text; candidates that say the same add up, and the plain text scores 0."""
    plain, together = [0.0], dict[tuple[str, ...], list[tuple[float, Candidate]]]()
    for score, candidate in scored:
        if candidate.unchanged:
            plain.append(score)
        else:
            together.setdefault(candidate.words, []).append((score, candidate))
    if not together:
        return None
    scores = {words: _log_sum([score for score, _ in same]) for words, same in together.items()}
    words = max(scores, key=lambda one: scores[one])
    rest = [_log_sum(plain), *(score for other, score in scores.items() if other != words)]
    candidate = max(together[words], key=lambda pair: pair[0])[1]
    text = text_of(candidate, recognition)
    log_odds = scores[words] - _log_sum(rest)
    return Proposal(candidate, text, log_odds, log_odds - threshold, heard)


def _log_sum(scores: Sequence[float]) -> float:
    top = max(scores)
    if len(scores) == 1:
        return top
    return top + math.log(sum(math.exp(score - top) for score in scores))
