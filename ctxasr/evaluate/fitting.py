"""Fits the rescorer's weights: the right text is to be the most probable of those that compete.

Keeping the plain text scores 0, candidate c scores w . x_c, and the softmax of the scores is how
probable each text is. The weights maximise the log probability of the texts with the fewest word
errors: of the plain one alone where nothing has fewer. So probabilities are calibrated, and the
rescorer decides by the errors that it expects under them. Each utterance under one context counts
by its `importance`, so that large sets of data do not drown small ones.

Source: A. Berger, S. and V. Della Pietra, "A maximum entropy approach to natural language
processing", Computational Linguistics 22, 1996; R. Riezler et al. (ACL 2002) for several right
answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctxasr.evidence import Evidence, Heard
from ctxasr.weights import Weights

STEPS: Final = 400
LEARNING_RATE: Final = 0.05
RIDGE: Final = 1e-3
LISTED_MAX: Final = 48
"""Of one utterance; those with the fewest phrases, and the nearest of them by sound."""

PRIOR_MIN: Final = 0.3
"""Of the weight of the context's probability: corpora with short lists know too little of it."""

AGAINST: Final = frozenset("relative apart place strange names agreement everyday unasked".split())
"""Evidence that never speaks for a change: where several kinds say much the same, the likeliest
weights may be of opposite signs, and odd evidence would count for its contrary."""

FOR: Final = frozenset("gain exact support sentence ratio doubt doubted_names".split())
"""Evidence that never speaks against one."""

START: Final = Evidence(**dict.fromkeys(Evidence._fields, 0.0))._replace(
    spans=-2.0, relative=-1.0, prior=0.3, part=-0.5, gain=2.0, apart=-1.0, exact=2.0,
    strange=-0.5, names=-0.5, support=1.0, sentence=0.05,
)  # fmt: skip

SCALES: Final = Evidence(**dict.fromkeys(Evidence._fields, 1.0))._replace(
    phones=0.1, prior=0.3, place=0.3, sentence=0.1
)
"""Evidence of large numbers is made small for the fit."""

HEARD_SCALES: Final = Heard(ratio=0.2, doubt=0.3, doubted_names=0.25)
HEARD_START: Final = Heard(ratio=0.2)

UNHEARD: Final = Heard()

_NEVER: Final = -1e9


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate: its evidence, its errors beyond the plain's, whether it changes nothing, and
    what the audio says, where it was asked."""

    evidence: Evidence
    more_errors: int
    unchanged: bool = False
    heard: Heard = UNHEARD


@dataclass(frozen=True, slots=True)
class Choices:
    """One utterance under one context."""

    choices: tuple[Choice, ...]
    importance: float = 1.0


def fit(lists: Sequence[Choices], *, unused: Sequence[str] = ()) -> Weights:
    """The likeliest weights; the same for the same lists.

    The weight of the prior is at least PRIOR_MIN. Those of `unused` evidence stay 0, as do those of
    evidence that no candidate has.
    """
    import torch

    names = (*Evidence._fields, *Heard._fields)
    width = len(names)
    longest = min(LISTED_MAX, max((len(one.choices) for one in lists), default=0))
    x = torch.zeros(len(lists), longest, width)  # (n, c, names)
    more = torch.zeros(len(lists), longest)
    listed = torch.zeros(len(lists), longest, dtype=torch.bool)
    kept = torch.zeros(len(lists), longest, dtype=torch.bool)
    for i, one in enumerate(lists):
        for j, choice in enumerate(_nearest(one.choices)[:longest]):
            x[i, j] = torch.tensor([*choice.evidence, *choice.heard])
            more[i, j], listed[i, j], kept[i, j] = choice.more_errors, True, choice.unchanged
    fewest = more.masked_fill(~listed, 0.0).amin(dim=1).clamp_max(0.0)  # (n,): the plain has 0
    plain_is_right = fewest >= 0.0
    right = listed & (more <= fewest[:, None]) & (kept | ~plain_is_right[:, None])
    plain = torch.zeros(len(lists), 1)
    plain_right = plain.masked_fill(~plain_is_right[:, None], _NEVER)
    scales = torch.tensor([*SCALES, *HEARD_SCALES])
    used = torch.tensor([float(name not in unused) for name in names])
    used *= (x != 0.0).any(dim=0).any(dim=0)
    least = torch.tensor([0.0 if name in FOR else -float("inf") for name in names])
    most = torch.tensor([0.0 if name in AGAINST else float("inf") for name in names])
    least[names.index("prior")] = PRIOR_MIN / SCALES.prior
    importance = torch.tensor([one.importance for one in lists])
    weights = (torch.tensor([*START, *HEARD_START]) / scales).requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=LEARNING_RATE)
    x = x * scales
    for _ in range(STEPS):
        scores = (x @ (weights * used)).masked_fill(~listed, _NEVER)  # (n, c)
        whole = torch.cat([plain, scores], dim=1).logsumexp(dim=1)
        best = torch.cat([plain_right, scores.masked_fill(~right, _NEVER)], dim=1).logsumexp(dim=1)
        loss = ((whole - best) * importance).sum() + RIDGE * (weights * used).square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            weights.clamp_(least, most)
    found = weights * used * scales
    fitted = [round(float(w), 3) for w in found.detach()]
    kinds = len(Evidence._fields)
    return Weights(Evidence(*fitted[:kinds]), Heard(*fitted[kinds:]))


def _nearest(choices: Sequence[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda one: (one.evidence.spans, one.evidence.apart))
