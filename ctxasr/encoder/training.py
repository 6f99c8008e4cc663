"""Training of the context encoder: seeded, by steps and not by time, so it can be repeated.

One step is a batch of dialogues, from the data and generated; the loss is the mean cross-entropy
over the phrases on offer. Steps of the data where the answer contains no phrase are
kept at NONE_RATE, for their share depends on how turns were chosen. Afterwards temperature is
fitted on the dev split (Guo et al., 2017, arXiv:1706.04599), and the figures go into a model card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import torch

from ctxasr.encoder import assistant, card, weights
from ctxasr.encoder.batches import Batch, collate, log_losses, log_probabilities, towers
from ctxasr.encoder.evaluation import (
    ASSISTANT_DIALOGUES,
    EVALUATION_SEED,
    EncoderReport,
    assistant_dialogues,
    evaluate_encoder,
    pose_fixed,
    report,
    source_shares,
    temperature_of_least_loss,
)
from ctxasr.encoder.sgd import read_catalogue, read_split
from ctxasr.encoder.tasks import Catalogue, Dialogue, Example, pose_all
from ctxasr.encoder.transformer import ContextModel, EncoderConfig

__all__ = ["Progress", "TrainingReport", "evaluate_encoder", "fit", "train"]

STEPS: Final = 1700
DIALOGUES_A_STEP: Final = 10
"""Of the data; their steps are twice as many as those of a generated dialogue."""

GENERATED_A_STEP: Final = 24

LEARNING_RATE: Final = 2e-3
WARM_UP_SHARE: Final = 0.05
WEIGHT_DECAY: Final = 0.01
GRADIENT_NORM_MAX: Final = 1.0
"""Longer gradients are shortened to this."""

NONE_RATE: Final = 0.3
ITEMS_A_TURN: Final = (12, 12, 24, 24, 48, 100)
"""Entities of one turn in training, drawn for each batch: long lists cost time."""

STEPS_A_WINDOW: Final = 4
"""Consecutive steps of a dialogue in one batch: three turns of past for the last."""

CALIBRATION_DIALOGUES: Final = 1500
"""About so many of dev, evenly spread, for the temperature."""

TEMPERATURES: Final = tuple(0.6 + 0.05 * step for step in range(25))

Progress = Callable[[int, int, float], None]
"""Called with the steps done, the steps in all, and the mean loss of late in nats."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What was trained and where it lies."""

    weights: Path
    seed: int
    steps: int
    dialogues: int
    loss: float
    """Mean over the last tenth of the steps, in nats."""

    temperature: float
    evaluations: tuple[EncoderReport, ...]


def train(
    data: Path,
    out: Path,
    seed: int = 7,
    steps: int = STEPS,
    progress: Progress | None = None,
    *,
    config: EncoderConfig | None = None,
    generated: int = ASSISTANT_DIALOGUES,
) -> TrainingReport:
    """Train on `data`, write `context.safetensors`, `figures.json` and MODEL_CARD.md into `out`.

    `generated` dialogues of our templates join calibration and figures. The same data, seed, steps
    and torch build give the same bytes. Nothing is written before the training has ended.

    Raises:
        DataError: the data are missing or malformed; names file and line.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 is wanted")
    catalogue = read_catalogue(data)
    dev, test = read_split(data, "dev"), read_split(data, "test")
    dialogues = read_split(data, "train")
    out.mkdir(parents=True, exist_ok=True)
    model, loss = fit(dialogues, catalogue, seed, steps, progress=progress, config=config)
    calibration = pose_fixed(dev[:: max(1, len(dev) // CALIBRATION_DIALOGUES)], catalogue, seed)
    calibration += pose_fixed(assistant_dialogues(seed, generated), catalogue, seed)
    model.temperature.fill_(temperature_of_least_loss(model, calibration, TEMPERATURES))
    path = out / weights.FILE_NAME
    weights.save(model, path)
    model = weights.load(path)  # the figures are those of the rounded weights
    shares = source_shares(pose_fixed(dev, catalogue, EVALUATION_SEED + 1))
    evaluations = tuple(
        report(model, pose_fixed(chosen, catalogue, EVALUATION_SEED), split, shares)
        for split, chosen in (
            ("dev", dev),
            ("test", test),
            ("assistant", assistant_dialogues(count=generated)),
        )
    )
    result = TrainingReport(
        weights=path,
        seed=seed,
        steps=steps,
        dialogues=len(dialogues),
        loss=loss,
        temperature=float(model.temperature),
        evaluations=evaluations,
    )
    figures = [evaluation.as_json() for evaluation in evaluations]
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = card.write(
        {**asdict(model.config)},
        evaluations,
        seed=seed,
        steps=steps,
        dialogues=len(dialogues),
        generated=steps * GENERATED_A_STEP,
        none_rate=NONE_RATE,
        temperature=result.temperature,
        size_bytes=path.stat().st_size,
    )
    (out / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    return result


def fit(
    dialogues: Sequence[Dialogue],
    catalogue: Catalogue,
    seed: int,
    steps: int,
    *,
    progress: Progress | None = None,
    config: EncoderConfig | None = None,
) -> tuple[ContextModel, float]:
    """The trained model, not yet calibrated, and the mean loss of the last tenth of the steps."""
    torch.set_num_threads(1)  # sums in one order: the same bits each time
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ContextModel(config or EncoderConfig())
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: _rate(s, steps))
        losses: list[float] = []
        rng = Random(seed)  # noqa: S311 - repeatable, no secret
        order: list[int] = []
        model.train()
        for step in range(steps):
            if len(order) < DIALOGUES_A_STEP:
                order = rng.sample(range(len(dialogues)), len(dialogues))
            drawn = [dialogues[order.pop()] for _ in range(min(DIALOGUES_A_STEP, len(order)))]
            chosen = [_window(dialogue, rng) for dialogue in drawn]
            chosen += [assistant.generate(step, rng) for _ in range(GENERATED_A_STEP)]
            items_max = rng.choice(ITEMS_A_TURN)
            rng.shuffle(chosen)
            posed = pose_all(chosen, catalogue, rng, items_max)
            counted = _counted(chosen, posed, rng)
            loss = _loss(model, collate(posed), counted)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_MAX)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            if progress is not None:
                late = losses[-50:]
                progress(step + 1, steps, sum(late) / len(late))
    late = losses[-max(1, steps // 10) :]
    return model.eval(), sum(late) / len(late)


def _window(dialogue: Dialogue, rng: Random) -> Dialogue:
    """Some consecutive steps, the first ones as often as any other."""
    start = rng.randrange(max(1, len(dialogue.steps) - STEPS_A_WINDOW + 1))
    return replace(dialogue, steps=dialogue.steps[start : start + STEPS_A_WINDOW])


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    warm = max(1, round(WARM_UP_SHARE * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _counted(
    dialogues: Sequence[Dialogue], posed: Sequence[Sequence[Example]], rng: Random
) -> torch.Tensor:
    """(N,): 1 for steps that the loss counts."""
    return torch.tensor(
        [
            float(
                dialogue.origin == "assistant"
                or example.targets != (0,)
                or rng.random() < NONE_RATE
            )
            for dialogue, examples in zip(dialogues, posed, strict=True)
            for example in examples
        ]
    )


def _loss(model: ContextModel, batch: Batch, counted: torch.Tensor) -> torch.Tensor:
    vectors, rows = towers(model, batch)
    losses = log_losses(log_probabilities(vectors, rows, batch.offered), batch.targets)
    return (losses * counted).sum() / counted.sum().clamp(min=1.0)
