"""What the rescorer would make of an utterance, and how sure it is, before any threshold."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctxasr.bias import Bias
from ctxasr.hypotheses import Recognition
from ctxasr.ports import AcousticScorer, PhraseAligner
from ctxasr.rescore import WITH_PHONE_LOOP, WITHOUT_PHONE_LOOP, candidates

THRESHOLD: Final = 0.0
"""Log odds above which the shipped rescorer changes a text."""


class Proposed(NamedTuple):
    """The best text of a context, and its natural log odds against the plain one."""

    text: str
    log_odds: float


async def propose(
    recognition: Recognition,
    bias: Bias,
    aligner: PhraseAligner,
    scorer: AcousticScorer | None = None,
) -> Proposed | None:
    """The best candidate; None where there is none."""
    del scorer  # this rescorer has no second evidence
    if not bias.phrases or not recognition.hypotheses:
        return None
    weights = WITH_PHONE_LOOP if recognition.phones else WITHOUT_PHONE_LOOP
    found = [
        Proposed(candidate.text, weights.score(candidate.features))
        for candidate in await candidates(recognition, bias, aligner)
    ]
    return max(found, key=lambda one: one.log_odds, default=None)
