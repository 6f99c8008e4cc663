"""Examples of whole dialogues as one batch, and the model's log probabilities for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ctxasr.encoder.tasks import Example
from ctxasr.encoder.tokens import (
    PhraseBatch,
    TurnBatch,
    Words,
    WordTable,
    pack_phrases,
    pack_turns,
)
from ctxasr.encoder.transformer import ContextModel


@dataclass(frozen=True, slots=True)
class Batch:
    """B dialogues with N steps in all, at most T each and C phrases a step."""

    words: Words
    turns: TurnBatch
    phrases: PhraseBatch
    layout: Tensor  # (B, T): rows of N, -1 where the dialogue has ended
    offered: Tensor  # (N, C + 1): false on padding
    targets: Tensor  # (N, C + 1): a distribution, equal shares over the targets


def collate(dialogues: Sequence[Sequence[Example]]) -> Batch:
    """Whole dialogues, each a list of its steps' examples in their order."""
    examples = [example for dialogue in dialogues for example in dialogue]
    table = WordTable()
    turns = pack_turns([example.turn for example in examples], table)
    phrases = pack_phrases([example.phrases for example in examples], table)
    layout = np.full((len(dialogues), max(map(len, dialogues))), -1, dtype=np.int64)
    start = 0
    for row, dialogue in enumerate(dialogues):
        layout[row, : len(dialogue)] = np.arange(start, start + len(dialogue))
        start += len(dialogue)
    width = phrases.signals.shape[1] + 1
    offered = np.zeros((len(examples), width), dtype=np.bool_)
    targets = np.zeros((len(examples), width), dtype=np.float32)
    for row, example in enumerate(examples):
        offered[row, : len(example.phrases) + 1] = True
        targets[row, list(example.targets)] = 1.0 / len(example.targets)
    return Batch(
        words=table.words(),
        turns=turns,
        phrases=phrases,
        layout=torch.from_numpy(layout),
        offered=torch.from_numpy(offered),
        targets=torch.from_numpy(targets),
    )


def towers(model: ContextModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Context vectors (N, d) and phrase rows (N, C + 1, d)."""
    lexicon = model.lexicon(batch.words)
    vectors = model.sequence(model.turns(lexicon, batch.turns), batch.layout)  # (B, T, d)
    return vectors[batch.layout >= 0], model.phrases(lexicon, batch.phrases)  # -> (N, d)


def log_probabilities(vectors: Tensor, rows: Tensor, offered: Tensor) -> Tensor:
    """(N, d), (N, C + 1, d), (N, C + 1) -> (N, C + 1), -inf on padding."""
    logits = (rows @ vectors.unsqueeze(-1)).squeeze(-1)
    return F.log_softmax(logits.masked_fill(~offered, -torch.inf), dim=-1)


def log_losses(log_p: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of every step in nats: (N, C + 1) twice -> (N,)."""
    return -(targets * log_p.masked_fill(targets == 0, 0.0)).sum(dim=-1)
