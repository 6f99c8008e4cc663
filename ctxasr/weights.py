"""The weights of the rescorer's decision: what each kind of evidence says for a change of the text.

Fitted by `ctxasr.evaluate.fitting` on the training split of EVI, on right texts beside names that
sound alike, and on the `tuning` halves of the spoken corpora, heard by PocketSphinx with its domain
model and by Whisper base; thresholds chosen on EVI's dev split and on the tuning halves.
`ctxasr train --part rescorer` fits them again. `ordinary` of WITH_SOUND was set by hand on the
tuning half of the everyday answers: the fit sees too few that EVERYDAY_ANSWERS does not hold.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctxasr.candidates import Evidence


class Weights(NamedTuple):
    """The log-linear model: a weight for each kind of evidence, and one for the audio's; and the
    natural log odds above which a text is changed."""

    evidence: Evidence
    audio: float = 0.0
    threshold: float = 0.0

    def score(self, evidence: Evidence) -> float:
        """Of a candidate, where the plain text has 0; without the audio's part."""
        return sum(w * x for w, x in zip(self.evidence, evidence, strict=True))


WITH_PHONE_LOOP: Final = Weights(
    Evidence(
        spans=-3.94, cost=1.35, relative=-3.86, phones=0.33, prior=0.3, part=3.18, generic=-1.76,
        gain=4.52, apart=-1.57, exact=3.27, place=-0.64, outside=-3.28, strange=-2.15,
        frequency=-0.25, names=-3.07, common=-1.05, unknown=3.14, support=2.63, hypotheses=-0.12,
        alone=1.1, common_alone=0.95, agreement=-1.2, homophone=-0.08, everyday=-5.0, ordinary=0.0,
        spelled=-0.61, unasked=-2.19,
    ),
    audio=0.0,
    threshold=-0.3,
)  # fmt: skip
"""Where a phone loop has heard the utterance as well, without a look at the audio."""

WITHOUT_PHONE_LOOP: Final = Weights(
    Evidence(
        spans=-7.21, cost=-0.87, relative=-5.18, phones=0.49, prior=0.3, part=-0.65, generic=-4.48,
        gain=0.0, apart=-3.97, exact=3.58, place=-0.3, outside=-4.62, strange=-2.08,
        frequency=-0.25, names=-5.37, common=0.04, unknown=0.1, support=5.47, hypotheses=0.29,
        alone=1.85, common_alone=2.61, agreement=-1.86, homophone=3.26, everyday=-6.44,
        ordinary=0.0, spelled=2.45, unasked=-1.5,
    ),
    audio=0.0,
    threshold=1.0,
)  # fmt: skip
"""By hypotheses alone."""

WITH_SOUND: Final = Weights(
    Evidence(
        spans=0.3, cost=1.09, relative=-3.89, phones=0.53, prior=0.3, part=-1.32, generic=-5.91,
        gain=0.0, apart=-2.61, exact=0.4, place=0.6, outside=-3.33, strange=-1.19, frequency=-0.24,
        names=-2.9, common=1.07, unknown=1.03, support=0.69, hypotheses=0.39, alone=3.49,
        common_alone=-1.23, agreement=-0.01, homophone=2.47, everyday=-6.87, ordinary=-2.0,
        spelled=3.11, unasked=-1.48,
    ),
    audio=0.674,
    threshold=1.0,
)  # fmt: skip
"""Where the candidate was scored against the audio; the scale is that of Whisper's logarithms."""
