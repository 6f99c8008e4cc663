"""Hypotheses and bias to one text: the plain text, or phrases put where they were said.

By Bayes' rule, a candidate is as probable as it explains what was heard, times how probable its
words were before. Keeping the plain text scores 0, a candidate scores

    w . evidence [ + w . (log P(candidate | audio) - log P(plain | audio), doubt, doubted names) ]

and the softmax of all scores is how probable each text is. The likeliest other text is taken where
the plain one is expected to have more word errors, each text being right with its probability: the
log ratio of the two expectations must pass a threshold. Of two texts alone it is the log odds of
one against the other; and names that sound alike, of which none is likely by itself, speak together
against a text that is like none of them. Few candidates are scored against the audio, those that
are likeliest before it; where there is no audio or no time, text decides by itself under weights of
its own. An everyday answer is never changed by text alone. Without bias the result is the plain
text, to the letter.

The weights are fitted by maximum likelihood; `ctxasr train --part rescorer` prints them.

Source: V. Goel and W. Byrne, "Minimum Bayes-risk automatic speech recognition", Computer Speech
and Language 14, 2000, for deciding by expected errors over a list of texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctxasr.bias import Bias
from ctxasr.candidates import Candidate, candidates, text_of
from ctxasr.english.everyday import is_everyday
from ctxasr.errors import ContextUnavailable
from ctxasr.evidence import heard_of
from ctxasr.hypotheses import Recognition, Result
from ctxasr.ports import AcousticScorer, PhraseAligner
from ctxasr.spelling import changes_between, style_of
from ctxasr.weights import Weights, weights_by_sound, weights_by_text
from ctxasr.words import edits_between

SCORED_MAX: Final = 7
"""Candidates that are scored against the audio, beside the plain text."""

COMPARED_MAX: Final = 10
"""Texts that are compared with one another, the most probable; the rest have no weight."""

TINY_ERRORS: Final = 1e-9
"""Added to expected errors, so that they have a logarithm."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The likeliest candidate."""

    candidate: Candidate
    text: str
    probability: float
    """Of this text among all."""
    margin: float
    """The natural log of the plain text's expected word errors over its own, beyond the threshold:
    a positive one changes the text."""
    heard: bool = False
    """Whether it was scored against the audio."""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Proposal(margin {self.margin:.1f})"


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
        scored = [
            (score, one)
            for score, one in self.scored
            if not one.less_likely and not one.by_sound_alone
        ]
        return _best(self.recognition, scored, self.weights.threshold, heard=False)

    async def by_sound(self, scorer: AcousticScorer) -> Proposal | None:
        """The best of them under the audio: the few that are likeliest before it are scored."""
        style = style_of(self.recognition.hypotheses)
        weights = weights_by_sound(self.recognition)
        unheard = [(weights.score(one.evidence), one) for _, one in self.scored]
        alike = {one.words for _, one in unheard if one.evidence.homophone}
        everyday = bool(unheard) and is_everyday(self.recognition.hypotheses[0].words)
        others: dict[tuple[str, ...], Candidate] = {}
        for _, one in sorted(unheard, key=lambda pair: -pair[0]):
            # Sound cannot tell them apart, and an answer is not spelled in another way.
            deaf = one.words in alike and (one.less_likely or (everyday and is_everyday(one.words)))
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
        clear = 0.0 if everyday else -math.inf  # the audio must prefer it to an everyday answer
        fitting = {
            words: fit
            for words, fit in zip(others, fits, strict=True)
            if math.isfinite(fit) and fit - plain > clear
        }
        heard = []
        for score, one in unheard:
            if one.unchanged:
                heard.append((score, one))
            elif (fit := fitting.get(one.words)) is not None:
                evidence = heard_of(fit, plain, one.evidence)
                heard.append((score + weights.score_heard(evidence), one))
        return _best(self.recognition, heard, weights.threshold, heard=True)


async def shortlist(recognition: Recognition, bias: Bias, aligner: PhraseAligner) -> Shortlist:
    """The candidates of an utterance with their scores by text."""
    weights = weights_by_text(recognition)
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
    """The likeliest candidate with its margin, whether that passes the threshold or not."""
    found = await shortlist(recognition, bias, aligner)
    if scorer is None or not can_be_scored(recognition):
        return found.by_text()
    try:
        return await found.by_sound(scorer)
    except ContextUnavailable:  # the recogniser has let go of the sound
        return found.by_text()


def can_be_scored(recognition: Recognition) -> bool:
    """Whether texts are scored against its audio before one is taken."""
    return recognition.sound is not None


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
    """The likeliest text but the plain one, which scores 0, and what either is expected to cost."""
    plain = recognition.hypotheses[0].words
    saying: dict[tuple[str, ...], list[tuple[float, Candidate]]] = {}
    unchanged = [0.0]
    for score, candidate in scored:
        if candidate.unchanged:
            unchanged.append(score)
        else:
            saying.setdefault(candidate.words, []).append((score, candidate))
    if not saying:
        return None
    scores = {words: _log_sum([score for score, _ in same]) for words, same in saying.items()}
    scores[plain] = _log_sum(unchanged)
    whole = _log_sum(list(scores.values()))
    likely = sorted(scores, key=lambda words: -scores[words])[:COMPARED_MAX]
    shares = {words: math.exp(scores[words] - whole) for words in (plain, *likely)}
    best = next(words for words in likely if words != plain)
    candidate = max(saying[best], key=lambda pair: pair[0])[1]
    kept, changed = (_expected_errors(words, shares) for words in (plain, best))
    margin = math.log(kept + TINY_ERRORS) - math.log(changed + TINY_ERRORS)
    text = text_of(candidate, recognition)
    return Proposal(candidate, text, shares[best], margin - threshold, heard)


def _expected_errors(words: tuple[str, ...], shares: dict[tuple[str, ...], float]) -> float:
    """Of a text, if each text is the right one with its share of the probability."""
    return sum(share * edits_between(other, words) for other, share in shares.items())


def _log_sum(scores: Sequence[float]) -> float:
    if len(scores) == 1:
        return scores[0]
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores))
