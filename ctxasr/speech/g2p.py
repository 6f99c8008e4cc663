"""Grapheme to phoneme: how a word that no dictionary knows is likely to sound.

A small bidirectional GRU reads the letters and, for each letter, gives the distribution of two
output frames over the 39 phones and a blank. The frames are collapsed by the CTC rule: runs of a
phone count once, blanks fall out. No alignment of letters and phones is needed to train it, and
the whole word costs one pass, which numpy does in about a millisecond.

    letters   b       a       u       e       r
    frames    B  -    AW -    -  -    ER -    -  -     ->  B AW ER

Sources: A. Graves and others, "Connectionist temporal classification", ICML 2006 (the loss and
the prefix beam search); K. Rao and others, "Grapheme-to-phoneme conversion using long short-term
memory recurrent neural networks", ICASSP 2015 (CTC for this task). `ctxasr train --part g2p`
makes the weights; weights/MODEL_CARD.md has the figures.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import DataError
from ctxasr.speech.lexicon import PHONES, Pronunciation, cmudict_lexicon

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz'"

WORD_LETTERS_MAX: Final = 40
"""Longer words are cut: CMUdict's longest has 34 letters."""

FRAMES_PER_LETTER: Final = 2
"""'x' is K S and 'u' is Y UW; three phones of one letter do not occur outside acronyms."""

BEAM: Final = 8
"""Prefixes kept a frame; 4 and 16 made as many phone errors on 2,451 words."""

SYMBOLS_PER_FRAME: Final = 5
"""Phones tried a frame."""

WEIGHTS: Final = Path(__file__).parent / "weights" / "g2p.safetensors"

WEIGHTS_BYTES_MAX: Final = 10_000_000
"""Refused beyond this: the shipped model has 1.1 MB."""

SIZES_MAX: Final = {"layers": 8, "hidden": 1_024, "letter_dim": 512}
"""What a file's configuration may say."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class G2PConfig:
    """Sizes of the model and how it is trained."""

    letter_dim: int = 48
    hidden: int = 144
    layers: int = 2
    dropout: float = 0.15
    epochs: int = 10
    batch: int = 64
    learning_rate: float = 4e-3
    held_out_percent: float = 2.0


# ---------------------------------------------------------------- inference, numpy alone


class G2P:
    """The trained model. Safe to share between threads: nothing is written after loading."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], layers: int):
        self._layers = layers
        self._w: dict[str, Floats] = {
            name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()
        }

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> G2P:
        """Read weights.

        Raises:
            DataError: the file is missing or is no model of this kind.
        """
        from safetensors import SafetensorError, safe_open

        try:
            if path.stat().st_size > WEIGHTS_BYTES_MAX:
                raise DataError(f"{path.name}: larger than {WEIGHTS_BYTES_MAX} bytes; no weights")
            with safe_open(path, framework="numpy") as file:
                config = json.loads((file.metadata() or {})["config"])
                names = list(file.keys())
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
                layers, hidden, letters = (
                    _size(path, config, name) for name in ("layers", "hidden", "letter_dim")
                )
                if shapes != shapes_of(layers, hidden, letters):
                    raise DataError(f"{path.name}: configuration and tensors do not fit each other")
                weights = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError):
            raise DataError(
                f"{path.name}: no grapheme-to-phoneme weights; `ctxasr train --part g2p` makes them"
            ) from None
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise DataError(f"{path.name}: a tensor holds values that are not finite")
        return cls(weights, layers)

    def pronounce(self, word: str, variants: int = 1) -> tuple[tuple[Pronunciation, float], ...]:
        """The most likely pronunciations with their log probabilities, best first.

        `word` holds LETTERS; anything else is skipped. Without a letter the result is empty.
        """
        letters = [LETTERS.index(c) for c in word[:WORD_LETTERS_MAX] if c in LETTERS]
        if not letters:
            return ()
        found = _prefix_beam(self._frames(letters))
        return tuple(found[:variants])

    def _frames(self, letters: Sequence[int]) -> Floats:
        """Log probabilities: (n,) letters -> (FRAMES_PER_LETTER * n, 1 + phones)."""
        w = self._w
        x = w["letters.weight"][np.asarray(letters)]  # (n, letter_dim)
        for layer in range(self._layers):
            forward = _gru(x, w, f"l{layer}")
            backward = _gru(x[::-1], w, f"l{layer}_reverse")[::-1]
            x = np.concatenate([forward, backward], axis=1)  # (n, 2 hidden)
        logits = x @ w["out.weight"].T + w["out.bias"]  # (n, frames * (1 + phones))
        logits = logits.reshape(-1, 1 + len(PHONES))
        logits -= logits.max(axis=1, keepdims=True)
        out: Floats = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return out


def _size(path: Path, config: Any, name: str) -> int:
    """A size that the file states, within its limit."""
    size = config[name]
    if type(size) is not int or not 1 <= size <= SIZES_MAX[name]:
        raise DataError(
            f"{path.name}: config.{name} is no whole number from 1 to {SIZES_MAX[name]}"
        )
    return size


def shapes_of(layers: int, hidden: int, letter_dim: int) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a model of these sizes."""
    outputs = FRAMES_PER_LETTER * (1 + len(PHONES))
    shapes: dict[str, tuple[int, ...]] = {
        "letters.weight": (len(LETTERS), letter_dim),
        "out.weight": (outputs, 2 * hidden),
        "out.bias": (outputs,),
    }
    for layer in range(layers):
        for end in (f"l{layer}", f"l{layer}_reverse"):
            shapes[f"gru.weight_ih_{end}"] = (3 * hidden, 2 * hidden if layer else letter_dim)
            shapes[f"gru.weight_hh_{end}"] = (3 * hidden, hidden)
            shapes[f"gru.bias_ih_{end}"] = shapes[f"gru.bias_hh_{end}"] = (3 * hidden,)
    return shapes


def _gru(x: Floats, w: Mapping[str, Floats], name: str) -> Floats:
    """One direction of a GRU layer, the equations of torch.nn.GRU; (n, d) -> (n, hidden)."""
    inputs = x @ w[f"gru.weight_ih_{name}"].T + w[f"gru.bias_ih_{name}"]  # (n, 3 hidden)
    recurrent, bias = w[f"gru.weight_hh_{name}"], w[f"gru.bias_hh_{name}"]
    size = recurrent.shape[1]
    h = np.zeros(size, np.float32)
    out = np.empty((len(x), size), np.float32)
    for i, row in enumerate(inputs):
        # einsum and not @: BLAS threads on a busy two-core machine make this ten times slower.
        hidden = np.einsum("ij,j->i", recurrent, h) + bias
        gates = 1.0 / (1.0 + np.exp(-(row[: 2 * size] + hidden[: 2 * size])))
        reset, update = gates[:size], gates[size:]
        candidate = np.tanh(row[2 * size :] + reset * hidden[2 * size :])
        h = candidate + update * (h - candidate)
        out[i] = h
    return out


def _prefix_beam(frames: Floats) -> list[tuple[Pronunciation, float]]:
    """CTC prefix beam search; symbol 0 is the blank. Ties are broken by the prefix itself.

    A prefix's probability is kept in two parts, by whether its last frame was a blank: only after
    a blank does the same phone again lengthen the prefix.
    """
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}  # (blank, phone)
    likely = np.argsort(-frames[:, 1:], axis=1, kind="stable")[:, :SYMBOLS_PER_FRAME] + 1
    for probability, symbols in zip(np.exp(frames).tolist(), likely.tolist(), strict=True):
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (blank, phone) in beams.items():
            total = blank + phone
            last = prefix[-1] if prefix else 0
            was_blank, was_phone = grown.get(prefix, (0.0, 0.0))
            stay = phone * probability[last] if last else 0.0
            grown[prefix] = (was_blank + total * probability[0], was_phone + stay)
            for symbol in symbols:
                gain = probability[symbol] * (blank if symbol == last else total)
                longer = (*prefix, symbol)
                was_blank, was_phone = grown.get(longer, (0.0, 0.0))
                grown[longer] = (was_blank, was_phone + gain)
        kept = sorted(grown.items(), key=lambda item: (-sum(item[1]), item[0]))[:BEAM]
        beams = dict(kept)
    return [
        (tuple(PHONES[symbol - 1] for symbol in prefix), math.log(max(sum(parts), 1e-30)))
        for prefix, parts in beams.items()
    ]


@cache
def default_g2p() -> G2P:
    """The packaged model, loaded once."""
    return G2P.load()


# ---------------------------------------------------------------- training


def is_held_out(word: str, percent: float) -> bool:
    """The split hangs on the word alone, so that all its pronunciations fall on one side."""
    bucket = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % 10_000
    return bucket < percent * 100


def phone_edits(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance in phones."""
    row = list(range(len(heard) + 1))
    for i, phone in enumerate(reference, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (phone != other))
    return row[-1]


def measure(model: G2P, words: Mapping[str, Sequence[Pronunciation]]) -> dict[str, float]:
    """Phone and word error rate against each word's closest pronunciation, and ms a word."""
    edits = phones = wrong = 0
    started = time.perf_counter()
    heard = {word: model.pronounce(word)[0][0] for word in words}
    took_ms = 1_000 * (time.perf_counter() - started) / max(1, len(words))
    for word, references in words.items():
        best = min(references, key=lambda reference: phone_edits(reference, heard[word]))
        distance = phone_edits(best, heard[word])
        edits, phones, wrong = edits + distance, phones + len(best), wrong + (distance > 0)
    return {
        "words": len(words),
        "phone_error_rate": edits / max(1, phones),
        "word_error_rate": wrong / max(1, len(words)),
        "ms_per_word": took_ms,
    }


def train_g2p(
    seed: int = 0,
    out: Path = WEIGHTS,
    progress: Callable[[str], None] = lambda line: None,
    *,
    lexicon: Mapping[str, Sequence[Pronunciation]] | None = None,
    config: G2PConfig | None = None,
) -> dict[str, float]:
    """Train on CMUdict, or on `lexicon` (word -> pronunciations), and write fp16 weights to `out`.

    Returns the figures of `measure` on the words that were held out. Needs torch. The same seed
    on the same machine and torch gives the same weights.

    Raises:
        DataError: too few words to train and to measure.
    """
    import torch
    from safetensors.numpy import save_file
    from torch import nn

    config = config or G2PConfig()
    lexicon = cmudict_lexicon() if lexicon is None else lexicon
    usable = {w: p for w, p in lexicon.items() if w and set(w) <= set(LETTERS) and any(p)}
    held = {w: p for w, p in usable.items() if is_held_out(w, config.held_out_percent)}
    pairs = [(w, p) for w, ps in usable.items() if w not in held for p in ps if _fits(w, p)]
    if not held or not pairs:
        raise DataError(f"{len(usable)} usable words are too few to train and hold some out")
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = nn.ModuleDict(
        {
            "letters": nn.Embedding(len(LETTERS), config.letter_dim),
            "gru": nn.GRU(
                config.letter_dim,
                config.hidden,
                config.layers,
                batch_first=True,
                bidirectional=True,
                dropout=config.dropout,
            ),
            "drop": nn.Dropout(config.dropout),
            "out": nn.Linear(2 * config.hidden, FRAMES_PER_LETTER * (1 + len(PHONES))),
        }
    )
    batches = _batches(pairs, config.batch)
    steps = config.epochs * len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=steps, pct_start=0.15
    )
    ctc = nn.CTCLoss(zero_infinity=True)
    for epoch in range(config.epochs):
        total = 0.0
        for index in torch.randperm(len(batches), generator=generator).tolist():
            letters, targets, lengths = (torch.as_tensor(part) for part in batches[index])
            x, _ = model["gru"](model["drop"](model["letters"](letters)))  # (B, n, 2 hidden)
            logits = model["out"](model["drop"](x))  # (B, n, frames * symbols)
            logits = logits.view(len(letters), -1, 1 + len(PHONES))  # (B, T, symbols)
            log_probs = logits.log_softmax(-1).transpose(0, 1)  # (T, B, symbols)
            frames = torch.full_like(lengths, len(log_probs))
            loss = ctc(log_probs, targets, frames, lengths)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        progress(f"epoch {epoch + 1}/{config.epochs}: loss {total / len(batches):.4f}")
    weights = {name: value.numpy().astype(np.float16) for name, value in model.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    # One key only: safetensors writes several in an order that changes from run to run.
    about = json.dumps({**asdict(config), "seed": seed})
    save_file(weights, out, metadata={"config": about})
    out.chmod(0o644)  # safetensors writes for the owner alone; a package's files are for all
    figures = measure(G2P.load(out), held)
    progress(f"held out: {figures}")
    return figures


def _fits(word: str, phones: Pronunciation) -> bool:
    """Whether CTC can write the phones in the word's frames (a repeated phone needs a blank)."""
    repeats = sum(a == b for a, b in pairwise(phones))
    return 0 < len(phones) + repeats <= FRAMES_PER_LETTER * len(word)


def _batches(
    pairs: Sequence[tuple[str, Pronunciation]], size: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Words of one length to a batch, so that nothing is padded: letters, phones, lengths."""
    groups: dict[int, list[tuple[str, Pronunciation]]] = {}
    for word, phones in sorted(pairs, key=lambda pair: hashlib.sha256(pair[0].encode()).digest()):
        groups.setdefault(len(word), []).append((word, phones))
    index = {phone: i for i, phone in enumerate(PHONES, 1)}
    made = []
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), size):
            part = group[start : start + size]
            letters = np.array([[LETTERS.index(c) for c in word] for word, _ in part])
            targets = np.array([index[phone] for _, phones in part for phone in phones])
            made.append((letters, targets, np.array([len(phones) for _, phones in part])))
    return made
