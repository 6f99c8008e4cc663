"""How well the prior fits: against baselines, against another dialogue's vector, by source.

All figures are means over steps with a 95% interval from 1000 bootstrap samples of dialogues.

    recall@k, MRR   over steps whose answer contains a phrase on offer, ranked among the phrases
    log loss        over all steps, 'none of these' included, in nats; perplexity is its exponential
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ctxasr.encoder import assistant, weights
from ctxasr.encoder.batches import collate, log_losses, log_probabilities, towers
from ctxasr.encoder.sgd import read_catalogue, read_split
from ctxasr.encoder.tasks import SOURCES, Dialogue, Example, pose_all
from ctxasr.encoder.tokens import ITEMS_MAX
from ctxasr.encoder.transformer import ContextModel

BOOTSTRAP_SAMPLES: Final = 1000
EVALUATION_SEED: Final = 20_261
ASSISTANT_DIALOGUES: Final = 1500
BATCH_DIALOGUES: Final = 24
SMOOTHING: Final = 1.0
"""Added to the counts of the source baseline, so that no probability is zero."""


ALIKE: Final = {"distractor": "catalogue", "stranger": "results"}
"""What no system can tell from the right one by its source."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `n` steps with its 95% interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


@dataclass(slots=True)
class EncoderReport:
    """Figures by system (`encoder`, `other dialogue`, ...), then by measure."""

    split: str
    dialogues: int
    systems: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Scored:
    """One step's scores (C + 1,) of one system, log probabilities where it has them."""

    example: Example
    dialogue: int
    scores: NDArray[np.float64]
    is_log_p: bool


def pose_fixed(
    dialogues: Sequence[Dialogue], catalogue: dict[str, list[str]], seed: int
) -> list[list[Example]]:
    """One fixed draw of examples a dialogue."""
    rng = Random(seed)  # noqa: S311 - repeatable, no secret
    return pose_all(dialogues, catalogue, rng, ITEMS_MAX)


def assistant_dialogues(
    seed: int = EVALUATION_SEED, count: int = ASSISTANT_DIALOGUES
) -> list[Dialogue]:
    """Generated dialogues with held-out names."""
    rng = Random(seed)  # noqa: S311 - repeatable, no secret
    return [assistant.generate(n, rng, held_out=True) for n in range(count)]


def evaluate_encoder(
    data: Path,
    split: str,
    weights_path: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EncoderReport:
    """Figures on `dev` or `test` of the data, or on `assistant`, the generated dialogues.

    Raises:
        DataError: data or weights are missing or malformed.
    """
    model = weights.load(weights_path)
    catalogue = read_catalogue(data)
    dialogues = assistant_dialogues() if split == "assistant" else read_split(data, split)
    shares = source_shares(pose_fixed(read_split(data, "dev"), catalogue, EVALUATION_SEED + 1))
    posed = pose_fixed(dialogues, catalogue, EVALUATION_SEED)
    return report(model, posed, split, shares, progress)


def report(
    model: ContextModel,
    posed: Sequence[Sequence[Example]],
    split: str,
    shares: dict[str, float],
    progress: Callable[[int, int], None] | None = None,
) -> EncoderReport:
    """Figures of all systems on posed dialogues."""
    found = EncoderReport(split, len(posed))
    right, other = _run(model, posed, progress)
    found.systems["encoder"] = measures(right)
    found.systems["encoder, another dialogue's vector"] = measures(other)
    for name, score, is_log_p in (
        ("uniform", lambda e: np.full(len(e.phrases) + 1, -math.log(len(e.phrases) + 1)), True),
        ("share of the source", lambda e: _by_source(e, shares), True),
        ("first in the reply", lambda e: _by_place(e, latest=False), False),
        ("most recent", lambda e: _by_place(e, latest=True), False),
    ):
        scored = [_Scored(s.example, s.dialogue, score(s.example), is_log_p) for s in right]
        found.systems[name] = measures(scored)
    for source in SOURCES:
        chosen = [
            item
            for item in right
            if any(t and item.example.sources[t - 1] == source for t in item.example.targets)
        ]
        if chosen:
            found.systems[f"encoder, target in {source}"] = measures(chosen)
    none = [s for s in right if s.example.targets == (0,)]
    if none:
        found.systems["encoder, none of these"] = measures(none)
    return found


def _run(
    model: ContextModel,
    posed: Sequence[Sequence[Example]],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[_Scored], list[_Scored]]:
    """Scores with the right vector, and with that of the next dialogue in the batch."""
    right: list[_Scored] = []
    other: list[_Scored] = []
    model.eval()
    for start in range(0, len(posed), BATCH_DIALOGUES):
        chunk = posed[start : start + BATCH_DIALOGUES]
        batch = collate(chunk)
        owners = [start + row for row, dialogue in enumerate(chunk) for _ in dialogue]
        with torch.inference_mode():
            vectors, rows = towers(model, batch)
            for kept, vector in ((right, vectors), (other, vectors[_of_the_next(chunk)])):
                log_p = log_probabilities(vector, rows, batch.offered).double().numpy()
                examples = [example for dialogue in chunk for example in dialogue]
                kept += [
                    _Scored(example, owner, line[: len(example.phrases) + 1], True)
                    for example, owner, line in zip(examples, owners, log_p, strict=True)
                ]
        if progress is not None:
            progress(min(start + BATCH_DIALOGUES, len(posed)), len(posed))
    return right, other


def _of_the_next(chunk: Sequence[Sequence[Example]]) -> list[int]:
    """For every step, a step of the next dialogue, as far into it as it goes."""
    starts = np.cumsum([0, *map(len, chunk)])
    return [
        int(starts[(row + 1) % len(chunk)]) + min(step, len(chunk[(row + 1) % len(chunk)]) - 1)
        for row, dialogue in enumerate(chunk)
        for step in range(len(dialogue))
    ]


def source_shares(posed: Sequence[Sequence[Example]]) -> dict[str, float]:
    """How often a phrase of each source is a target, and 'none' ('' here) a step."""
    offered: dict[str, float] = dict.fromkeys(("", *SOURCES), SMOOTHING)
    hit = dict.fromkeys(offered, SMOOTHING / 10)
    for example in (example for dialogue in posed for example in dialogue):
        for place, source in enumerate(("", *example.sources)):
            seen = ALIKE.get(source, source)
            offered[seen] += 1
            hit[seen] += (place in example.targets) / len(example.targets)
    shares = {source: hit[source] / offered[source] for source in offered}
    return shares | {source: shares[seen] for source, seen in ALIKE.items()}


def _by_source(example: Example, shares: dict[str, float]) -> NDArray[np.float64]:
    found = np.array([shares[source] for source in ("", *example.sources)])
    return np.asarray(np.log(found / found.sum()))


def _by_place(example: Example, *, latest: bool) -> NDArray[np.float64]:
    """Names in the reply by place (first or last wins), then the other sources in their order."""
    padded = f" {' '.join(example.turn.reply.lower().split())} "
    scores = [0.0]
    for phrase, source in zip(example.phrases, example.sources, strict=True):
        place = padded.rfind(phrase.text) if latest else -padded.find(phrase.text)
        scores.append(
            -1e6 * SOURCES.index(ALIKE.get(source, source)) + (place if source == "reply" else 0)
        )
    return np.array(scores)


def measures(scored: Sequence[_Scored]) -> dict[str, Figure]:
    """recall@1, recall@5, MRR and log loss of one system."""
    rows: dict[str, list[tuple[int, float]]] = {"recall@1": [], "recall@5": [], "mrr": []}
    losses: list[tuple[int, float]] = []
    for item in scored:
        targets = [target for target in item.example.targets if target]
        if targets:
            # ties count against the system as much as for it: half of them stand before
            others = np.delete(item.scores, [0, *targets])
            best = float(item.scores[targets].max())
            rank = 1 + float((others > best).sum()) + float((others == best).sum()) / 2
            rows["recall@1"].append((item.dialogue, float(rank <= 1)))
            rows["recall@5"].append((item.dialogue, float(rank <= 5)))
            rows["mrr"].append((item.dialogue, 1.0 / rank))
        if item.is_log_p:
            share = 1.0 / len(item.example.targets)
            loss = -sum(share * float(item.scores[t]) for t in item.example.targets)
            losses.append((item.dialogue, loss))
    if losses:
        rows["log loss"] = losses
    return {name: _interval(values) for name, values in rows.items() if values}


def _interval(values: Sequence[tuple[int, float]]) -> Figure:
    dialogues = np.array([dialogue for dialogue, _ in values])
    numbers = np.array([value for _, value in values])
    _, owner = np.unique(dialogues, return_inverse=True)
    sums, counts = np.bincount(owner, weights=numbers), np.bincount(owner)
    rng = np.random.default_rng(EVALUATION_SEED)
    draws = rng.integers(0, len(sums), size=(BOOTSTRAP_SAMPLES, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Figure(float(numbers.mean()), float(low), float(high), len(values))


def temperature_of_least_loss(
    model: ContextModel, posed: Sequence[Sequence[Example]], temperatures: Sequence[float]
) -> float:
    """By which the model's logits are best divided; the model's own temperature must be 1."""
    total = torch.zeros(len(temperatures), dtype=torch.float64)
    model.eval()
    for start in range(0, len(posed), BATCH_DIALOGUES):
        batch = collate(posed[start : start + BATCH_DIALOGUES])
        with torch.inference_mode():
            vectors, rows = towers(model, batch)
            for place, temperature in enumerate(temperatures):
                log_p = log_probabilities(vectors, rows / temperature, batch.offered)
                total[place] += log_losses(log_p, batch.targets).sum()
    return temperatures[int(total.argmin())]
