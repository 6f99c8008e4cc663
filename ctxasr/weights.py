"""The weights of the rescorer's decision: what each kind of evidence says for a change of the text.

`ctxasr train --part rescorer` fits them on the training split of EVI, on right texts beside names
that sound alike, and on the `tuning` halves of the spoken corpora, heard by PocketSphinx with its
domain model and by Whisper base. Thresholds were chosen where two halves of that material, each
judged by weights that were fitted on the other, and EVI's dev split have the gain without the harm.
"""

from __future__ import annotations

from operator import mul
from typing import Final, NamedTuple

from ctxasr.evidence import Evidence, Heard
from ctxasr.hypotheses import Recognition


class Weights(NamedTuple):
    """The log-linear model: a weight for each kind of evidence, and for what the audio says; and
    the natural log of expected errors, plain over changed, above which a text is changed."""

    evidence: Evidence
    heard: Heard = Heard()
    threshold: float = 0.0

    def score(self, evidence: Evidence) -> float:
        """Of a candidate, where the plain text has 0; without the audio's part."""
        return float(sum(map(mul, self.evidence, evidence)))

    def score_heard(self, heard: Heard) -> float:
        """The audio's part."""
        return float(sum(map(mul, self.heard, heard)))


WITH_PHONE_LOOP: Final = Weights(
    Evidence(
        spans=-3.47, relative=0.0, phones=0.43, prior=0.3, part=0.49, generic=-0.2, gain=1.23,
        apart=-0.43, exact=2.25, place=-0.08, strange=-0.17, names=-1.34,
        support=0.41, alone=0.52, agreement=-0.53, homophone=0.7, everyday=-0.97, spelled=0.96,
        unasked=-1.87, sentence=0.05,
    ),
    threshold=0.25,
)  # fmt: skip
"""Where a phone loop has heard the utterance as well, without a look at the audio."""

WITHOUT_PHONE_LOOP: Final = Weights(
    Evidence(
        spans=-3.04, relative=0.0, phones=0.19, prior=0.3, part=0.23, generic=-0.11, gain=0.0,
        apart=-0.88, exact=3.26, place=0.0, strange=-0.43, names=-1.8, support=0.0,
        alone=0.5, agreement=-0.3, homophone=4.05, everyday=-1.18, spelled=1.27, unasked=-1.72,
        sentence=0.09,
    ),
    threshold=0.25,
)  # fmt: skip
"""By hypotheses alone."""

WITH_TOKENS: Final = Weights(
    Evidence(
        spans=0.24, relative=-0.25, phones=0.17, prior=0.3, part=0.38, generic=0.17, gain=0.0,
        apart=-0.39, exact=0.82, place=-0.18, strange=-0.53, names=-2.03,
        support=0.0, alone=-0.14, agreement=0.0, homophone=2.12, everyday=-1.7, spelled=4.06,
        unasked=-1.58, sentence=0.13,
    ),
    Heard(ratio=0.295),
    threshold=0.1,
)  # fmt: skip
"""Where the candidate was scored by a model of tokens (Whisper), without a phone loop."""

WITH_TOKENS_AND_PHONE_LOOP: Final = Weights(
    Evidence(
        spans=0.33, relative=-0.61, phones=0.18, prior=0.3, part=0.0, generic=-0.93,
        gain=1.02, apart=-0.51, exact=1.2, place=-0.31, strange=-0.87, names=-2.37,
        support=0.0, alone=-0.25, agreement=0.0, homophone=2.18, everyday=-1.62,
        spelled=3.25, unasked=-1.99, sentence=0.07,
    ),
    Heard(ratio=0.198, doubt=0.344, doubted_names=0.285),
    threshold=0.1,
)  # fmt: skip
"""The same, where a phone loop has heard the utterance as well."""

WITH_FRAMES: Final = Weights(
    Evidence(
        spans=-2.67, relative=0.0, phones=0.44, prior=0.3, part=0.3, generic=0.32, gain=0.94,
        apart=-0.22, exact=2.1, place=-0.2, strange=-0.13, names=-1.2, support=0.0,
        alone=0.15, agreement=-0.61, homophone=0.3, everyday=-1.18, spelled=0.91, unasked=-2.31,
        sentence=0.06,
    ),
    Heard(ratio=0.424),
    threshold=0.2,
)  # fmt: skip
"""Where it was scored by an acoustic model of frames (PocketSphinx), with a phone loop or not."""


def weights_by_text(recognition: Recognition) -> Weights:
    """Of a decision without a look at the audio."""
    return WITH_PHONE_LOOP if recognition.phones else WITHOUT_PHONE_LOOP


def weights_by_sound(recognition: Recognition) -> Weights:
    """Of a decision between texts that the recogniser's scorer has compared with the audio."""
    if recognition.scored_by == "frames":
        return WITH_FRAMES
    return WITH_TOKENS_AND_PHONE_LOOP if recognition.phones else WITH_TOKENS
