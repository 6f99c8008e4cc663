"""Fits the rescorer's weights: fewest expected word errors over lists of candidates.

Keeping the plain text scores 0 and makes 0 more errors; candidate c scores w . x_c and makes e_c
more. Under the softmax of the scores the expected errors are differentiable in w, and Adam walks
them down. Each utterance under one context counts by its `importance`: harm is dearer than a missed
gain, and large sets of data do not drown small ones.

Source: D. Povey and P. Woodland, "Minimum phone error and I-smoothing", ICASSP 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctxasr.candidates import Evidence
from ctxasr.weights import Weights

STEPS: Final = 300
LEARNING_RATE: Final = 0.05
RIDGE: Final = 2e-3
LISTED_MAX: Final = 64
"""Of one utterance; the nearest by sound."""

START: Final = Evidence(**dict.fromkeys(Evidence._fields, 0.0))._replace(
    spans=-2.0, cost=-1.5, relative=-1.0, prior=1.0, part=-0.5, gain=2.0, apart=-1.0, exact=2.0,
    outside=-1.0, strange=-0.5, names=-0.5, common=0.5, support=1.0,
)  # fmt: skip
"""Signs and sizes that make sense; the fit has local optima where nothing is ever changed."""

SCALES: Final = Evidence(**dict.fromkeys(Evidence._fields, 1.0))._replace(
    phones=0.1, prior=0.3, frequency=0.1, hypotheses=0.2, place=0.3
)
"""Evidence of large numbers is made small for the fit."""

AUDIO_SCALE: Final = 0.2
AUDIO_START: Final = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate: its evidence, its errors beyond the plain's, whether it changes nothing, and
    its log likelihood under the audio against the plain's, where there is one."""

    evidence: Evidence
    more_errors: int
    unchanged: bool = False
    audio: float = 0.0


@dataclass(frozen=True, slots=True)
class Choices:
    """One utterance under one context."""

    choices: tuple[Choice, ...]
    importance: float = 1.0


def fit(lists: Sequence[Choices], *, unused: Sequence[str] = (), audio: bool = False) -> Weights:
    """Weights with the fewest expected errors; the same for the same lists.

    The weights of `unused` evidence stay 0.
    """
    import torch

    width = len(Evidence._fields) + 1
    longest = min(LISTED_MAX, max((len(one.choices) for one in lists), default=0))
    x = torch.zeros(len(lists), longest, width)  # (n, c, evidence and audio)
    errors = torch.zeros(len(lists), longest)
    padding = torch.ones(len(lists), longest, dtype=torch.bool)
    kept = torch.zeros(len(lists), longest, dtype=torch.bool)
    for i, one in enumerate(lists):
        nearest = sorted(one.choices, key=lambda choice: choice.evidence.apart)[:longest]
        for j, choice in enumerate(nearest):
            x[i, j] = torch.tensor([*choice.evidence, choice.audio])
            errors[i, j], padding[i, j], kept[i, j] = choice.more_errors, False, choice.unchanged
    scales = torch.tensor([*SCALES, AUDIO_SCALE])
    used = torch.tensor([float(name not in unused) for name in (*Evidence._fields, "audio")])
    used[-1] = float(audio)
    importance = torch.tensor([one.importance for one in lists])
    weights = torch.tensor([*START, AUDIO_START], requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=LEARNING_RATE)
    x = x * scales
    plain = torch.zeros(len(lists), 1)
    for _ in range(STEPS):
        scores = (x @ (weights * used)).masked_fill(padding, -1e9)  # (n, c)
        chosen = torch.softmax(torch.cat([plain, scores], dim=1), dim=1)[:, 1:]
        risk = ((chosen * errors).sum(dim=1) * importance).sum()
        loss = risk + RIDGE * (weights * used).square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    fitted = [round(float(w), 3) for w in (weights * used * scales).detach()]
    return Weights(Evidence(*fitted[:-1]), fitted[-1])
