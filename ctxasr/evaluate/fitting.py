"""Fits the rescorer's weights: fewest expected word errors over lists of candidates.

Keeping the plain text scores 0 and makes 0 more errors; candidate c scores w . x_c and makes e_c
more. Under the softmax of the scores the expected errors are differentiable in w, and Adam walks
them down. Turns under a wrong or an emptied context weigh more: harm is dearer than a missed gain.

Source: D. Povey and P. Woodland, "Minimum phone error and I-smoothing", ICASSP 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

from ctxasr.rescore import Weights

STEPS: Final = 250
LEARNING_RATE: Final = 0.05
RIDGE: Final = 1e-3
WRONG_WEIGHT: Final = 2.0

START: Final = Weights(-1.0, -3.0, -2.0, 3.0, -1.0, 1.0, 2.0)
"""Signs and sizes that make sense; the fit has local optima where nothing is ever changed."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One utterance under one context: features (candidates, 7) and errors beyond the plain's."""

    features: tuple[tuple[float, ...], ...]
    more_errors: tuple[int, ...]
    right_context: bool


def fit(choices: Sequence[Choices], *, use_gain: bool = True) -> Weights:
    """Weights with the fewest expected errors; the same for the same choices.

    Without `use_gain` the weight of the phone loop's gain stays 0.
    """
    import torch

    width = len(astuple(START))
    longest = max((len(choice.features) for choice in choices), default=0)
    x = torch.zeros(len(choices), longest, width)  # (n, c, 7)
    errors = torch.zeros(len(choices), longest)
    padding = torch.ones(len(choices), longest, dtype=torch.bool)
    importance = torch.tensor([1.0 if c.right_context else WRONG_WEIGHT for c in choices])
    for i, choice in enumerate(choices):
        count = len(choice.features)
        if count:
            x[i, :count] = torch.tensor(choice.features)
            errors[i, :count] = torch.tensor(choice.more_errors, dtype=torch.float32)
            padding[i, :count] = False
    used = torch.ones(width)
    if not use_gain:
        used[list(Weights.__dataclass_fields__).index("gain")] = 0.0
    weights = torch.tensor(astuple(START), requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=LEARNING_RATE)
    keep = torch.zeros(len(choices), 1)
    for _ in range(STEPS):
        scores = (x @ (weights * used)).masked_fill(padding, -1e9)  # (n, c)
        chosen = torch.softmax(torch.cat([keep, scores], dim=1), dim=1)[:, 1:]
        risk = ((chosen * errors).sum(dim=1) * importance).mean()
        loss = risk + RIDGE * (weights * used).square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return Weights(*(round(float(w), 2) for w in (weights * used).detach()))


def change_of_errors(choices: Sequence[Choices], weights: Weights) -> int:
    """Word errors beyond the plain's if every utterance takes its best candidate."""
    total = 0
    for choice in choices:
        scored = zip(map(weights.score, choice.features), choice.more_errors, strict=True)
        best = max(scored, default=(0.0, 0), key=lambda pair: pair[0])
        total += best[1] if best[0] > 0 else 0
    return total
