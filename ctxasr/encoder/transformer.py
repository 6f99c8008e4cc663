"""The model: a turn encoder, a running sequence of turn vectors, and a phrase tower.

    turn text and items --layers--> states --+-- copy: sum of weighted word vectors     (lexical)
                                             +-- start state: what sort of thing comes  (semantic)
    [copy | semantic] --running sequence over the past vectors--> context vector (d,)
    phrase text, kind, signal --> [word vectors | semantic | bias] (d,)
    logit of a phrase = phrase row . context vector

The towers meet only in the product, so another dialogue's vector can stand in the place of the
right one. The lexical part of both is made of the same unit word vectors, hashed identities and
learnt ones side by side: a word that the turn puts forward raises every phrase and every kind with
that word, known or not (the copying of a pointer network, Vinyals et al., 2015, arXiv:1506.03134,
in two-tower form). Attention: Vaswani et al., 2017, arXiv:1706.03762, with normalisation first and
the sinusoids of its section 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ctxasr.encoder.tokens import (
    BUCKETS,
    IDENTITY_BITS,
    SIGNALS,
    PhraseBatch,
    Segment,
    TurnBatch,
    Words,
)

PAST_MAX: Final = 32
"""Past turn vectors that the running sequence reads; the newest are kept."""

WORD_DROPOUT: Final = 0.2
"""How often a word's own bucket is hidden in training, so that trigrams carry unseen names."""

Between = Callable[[], None]
"""Called between layers; raises to stop the computation."""


def _go_on() -> None:
    return None


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes. `vector` (d) is copy + semantic + the constant dimension for biases."""

    width: int = 128
    heads: int = 4
    layers: int = 2
    hidden: int = 256
    phrase_hidden: int = 192
    semantic: int = 127
    dropout: float = 0.1

    @property
    def vector(self) -> int:
        return self.lexical + self.semantic + 1

    @property
    def lexical(self) -> int:
        """Identity and learnt vector of a word, side by side."""
        return IDENTITY_BITS + self.width


def sinusoid(positions: Tensor, width: int) -> Tensor:
    """(...,) -> (..., width): sine and cosine at wavelengths from 2 pi to 10000 * 2 pi."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = positions.unsqueeze(-1).float() * rates  # (...) -> (..., width/2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Layer(nn.Module):
    """Self-attention and feed-forward, each on normalised input and added to it."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed_in = nn.Linear(config.width, config.hidden)
        self.feed_out = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (N, S, w), valid (N, S) -> (N, S, w)."""
        n, s, w = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(n, s, 3, self.heads, w // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (N, S, 3, h, w/h) -> 3 x (N, h, S, w/h)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=valid[:, None, None, :])
        x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(n, s, w)))  # -> (N, S, w)
        fed: Tensor = self.feed_out(F.gelu(self.feed_in(self.norm_feed(x))))
        out: Tensor = x + self.dropout(fed)
        return out


class RunningSequence(nn.Module):
    """Extends a dialogue's sequence of vectors by one turn; looks at the past only."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.parts = [config.lexical, config.semantic, 1]
        self.width = config.width
        self.query = nn.Linear(config.semantic, config.width)
        self.key = nn.Linear(config.semantic, config.width)
        self.age = nn.Linear(config.width, config.width)
        self.carry = nn.Linear(config.semantic, 1)
        self.semantic_in = nn.Linear(2 * config.semantic, config.semantic)
        self.semantic_out = nn.Linear(config.semantic, config.semantic)

    def forward(self, local: Tensor, past: Tensor, valid: Tensor) -> Tensor:
        """Local (B, d), past (B, n, d) oldest first, valid (B, n) -> (B, d)."""
        past, valid = past[:, -PAST_MAX:], valid[:, -PAST_MAX:]
        copy, semantic, one = torch.split(local, self.parts, dim=-1)
        known = torch.cat([past, local[:, None]], dim=1)  # (B, n, d) -> (B, n+1, d)
        known_copy, known_semantic, _ = torch.split(known, self.parts, dim=-1)
        ages = torch.arange(known.shape[1] - 1, -1, -1)  # of the turns: newest 0
        keys = self.key(known_semantic) + self.age(sinusoid(ages, self.width))
        scores = (keys @ self.query(semantic).unsqueeze(-1)).squeeze(-1)  # (B, n+1)
        here = torch.cat([valid, valid.new_ones(len(valid), 1)], dim=1)
        scores = (scores / math.sqrt(self.width)).masked_fill(~here, -torch.inf)
        weights = scores.softmax(dim=-1).unsqueeze(1)  # (B, 1, n+1)
        old_copy = (weights[:, :, :-1] @ known_copy[:, :-1]).squeeze(1)  # -> (B, lexical)
        old_semantic = (weights @ known_semantic).squeeze(1)
        carried = torch.sigmoid(self.carry(semantic)) * old_copy
        change = self.semantic_in(torch.cat([semantic, old_semantic], dim=-1))
        semantic = semantic + self.semantic_out(F.gelu(change))
        return torch.cat([copy + carried, semantic, one], dim=-1)


class ContextModel(nn.Module):
    """Both towers. All methods take what `WordTable.words` and the pack functions return."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.buckets = nn.EmbeddingBag(BUCKETS, width, mode="mean", padding_idx=0)
        self.segment = nn.Embedding(len(Segment), width)
        self.signal = nn.Embedding(len(SIGNALS), width)
        self.item_kind = nn.Linear(width, width)
        self.start = nn.Parameter(nn.init.normal_(torch.empty(width), std=0.1))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.copy_weight = nn.Linear(width, 2)  # of identities, of learnt vectors
        self.meaning = nn.Linear(width, config.semantic)
        self.running = RunningSequence(config)
        self.phrase_in = nn.Linear(3 * width, config.phrase_hidden)
        self.phrase_out = nn.Linear(config.phrase_hidden, config.semantic + 1)
        self.none = nn.Parameter(nn.init.normal_(torch.empty(config.vector), std=0.1))
        self.copy_scale = nn.Parameter(torch.tensor([3.0, 1.5]))
        self.kind_scale = nn.Parameter(torch.tensor([1.0, 1.0]))
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor(1.0))
        nn.init.normal_(self.buckets.weight, std=0.15)
        nn.init.normal_(self.segment.weight, std=0.05)
        nn.init.constant_(self.copy_weight.bias, 0.2)
        nn.init.zeros_(self.copy_weight.weight)
        with torch.no_grad():
            self.buckets.weight[0] = 0.0

    def lexicon(self, words: Words) -> Tensor:
        """Identities and learnt unit vectors: (U + 1, lexical); row 0 stays zero."""
        ids = torch.from_numpy(words.features)
        if self.training:
            hidden = torch.rand(len(ids)) < WORD_DROPOUT
            ids = ids.clone()
            ids[hidden & (ids[:, 1] > 0), 0] = 0
        found: Tensor = self.buckets(ids)
        identities = torch.from_numpy(words.identities)
        return torch.cat([identities, F.normalize(found, dim=-1)], dim=-1)

    def turns(self, lexicon: Tensor, batch: TurnBatch, between: Between = _go_on) -> Tensor:
        """Local vectors of N turns, before any past: (N, d)."""
        n, width = len(batch.words), self.config.width
        words = torch.from_numpy(batch.words)
        item_words = torch.from_numpy(batch.items)
        text = lexicon[words]  # (N, L) -> (N, L, lexical)
        items = pool(lexicon, item_words)  # (N, M, PW) -> (N, M, lexical)
        learnt = lexicon[:, IDENTITY_BITS:]  # (U+1, w)
        x_text = text[..., IDENTITY_BITS:] + self.segment(torch.from_numpy(batch.segments))
        x_text = x_text + 0.3 * sinusoid(torch.from_numpy(batch.positions), width) / 8.0
        x_items = self.item_kind(pool(learnt, torch.from_numpy(batch.kinds)))
        x_items = x_items + items[..., IDENTITY_BITS:]
        x_items = x_items + self.segment(torch.from_numpy(batch.item_segments))
        x_items = x_items + 0.3 * sinusoid(torch.arange(items.shape[1]), width) / 8.0
        x = torch.cat([self.start.expand(n, 1, width), x_text, x_items], dim=1)  # (N, S, w)
        x = x * math.sqrt(width) / 4.0
        valid = torch.cat(
            [words.new_ones(n, 1) > 0, words > 0, item_words[..., 0] > 0], dim=1
        )  # (N, S)
        for layer in self.layers:
            between()
            x = layer(x, valid)
        between()
        x = self.norm(x)
        weights = self.by_part(self.copy_weight(x[:, 1:]) * valid[:, 1:, None])
        copy = (weights * torch.cat([text, items], dim=1)).sum(dim=1)  # -> (N, lexical)
        return torch.cat([copy, self.meaning(x[:, 0]), copy.new_ones(n, 1)], dim=-1)

    def by_part(self, weights: Tensor) -> Tensor:
        """(..., 2) -> (..., lexical): one number for identities, one for learnt vectors."""
        identity = weights[..., :1].expand(*weights.shape[:-1], IDENTITY_BITS)
        learnt = weights[..., 1:].expand(*weights.shape[:-1], self.config.width)
        return torch.cat([identity, learnt], dim=-1)

    def sequence(self, local: Tensor, layout: Tensor) -> Tensor:
        """Vectors of whole dialogues: local (N, d), layout (B, T) of rows or -1 -> (B, T, d)."""
        present = layout >= 0
        rows = local[layout.clamp(min=0)]  # (B, T) -> (B, T, d)
        done: list[Tensor] = []
        for step in range(layout.shape[1]):
            past = torch.stack(done, dim=1) if done else rows[:, :0]
            done.append(self.running(rows[:, step], past, present[:, :step]))
        return torch.stack(done, dim=1)

    def phrases(self, lexicon: Tensor, batch: PhraseBatch) -> Tensor:
        """Rows of N lists of phrases, 'none of these' first: (N, C + 1, d)."""
        words = torch.from_numpy(batch.words)
        text = pool(lexicon, words)  # (N, C, PW) -> (N, C, lexical)
        kind = pool(lexicon, torch.from_numpy(batch.kinds))
        signal = self.signal(torch.from_numpy(batch.signals))
        learnt = (text[..., IDENTITY_BITS:], kind[..., IDENTITY_BITS:], signal)
        inner = F.gelu(self.phrase_in(torch.cat(learnt, dim=-1)))  # 3 x (N, C, w) -> (N, C, h)
        lexical = text * self.by_part(self.copy_scale) + kind * self.by_part(self.kind_scale)
        rows = torch.cat([lexical, self.phrase_out(inner)], dim=-1)  # -> (N, C, d)
        none = self.none.expand(len(words), 1, -1)
        return torch.cat([none, rows], dim=1) / self.temperature


def pool(lexicon: Tensor, words: Tensor) -> Tensor:
    """Sum of word vectors over the root of their number: (..., W) -> (..., lexical)."""
    count = (words > 0).sum(dim=-1, keepdim=True).clamp(min=1)
    return lexicon[words].sum(dim=-2) / count.sqrt()
