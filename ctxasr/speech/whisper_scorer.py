"""How likely given texts are under the audio that Whisper has encoded, their ends included.

Whisper's decoder, run once over all texts as one tree:

    <start> <en> <transcribe> <notimestamps> +- B - auer - .
                                             +- power - .

Texts that begin alike share their nodes, and all nodes share the keys and values of the audio,
which CTranslate2's `align` computes again for every text. The weights are int8, as in the
recogniser.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nn

from ctxasr.speech.model_file import Tensors, read_tensors

FULL_STOP: Final = "."
"""A text may end after it; then something else may follow as well ("No. Bauer.")."""

ENDINGS: Final = ("?", "!")
"""Taken for ends: hardly anything follows them, and each node takes its time."""

PUNCTUATION: Final = ".?!,;: "
"""At the end of a text it is no part of what was said."""

TOKENS_MAX: Final = 220
"""Tokens of a text, some 80 s of speech; the decoder knows 448 positions."""

TITLE_WORDS_MAX: Final = 3
"""Words of a text that may be a name, each of which is written large."""

ROWS: Final = 32
"""Nodes whose distributions over the vocabulary are computed at once: 7 MB."""

NEVER: Final = -math.inf

Encoded = NDArray[np.float32]
"""What the encoder makes of an utterance, (frames, width)."""

Encode = Callable[[str], list[int]]


def forms(text: str) -> list[str]:
    """How a recogniser may write `text`: as given, and as a name or as a sentence; each once."""
    bare = text.strip().rstrip(PUNCTUATION)
    words = bare.split()
    large = len(words) if len(words) <= TITLE_WORDS_MAX else 1
    other = [word[:1].upper() + word[1:] for word in words[:large]] + words[large:]
    return list(dict.fromkeys((bare, " ".join(other))))


class TextScorer:
    """Whisper's decoder for texts that are known; for one thread."""

    def __init__(self, folder: Path, encode: Encode, start: Sequence[int], end: int):
        """`encode` gives a text's tokens; `start` and `end` are those round every text.

        Raises:
            DataError: the folder's model.bin is not one of Whisper's.
        """
        torch.set_num_threads(1)  # a second one spins for a core that others use: 10 times slower
        tensors = read_tensors(folder / "model.bin", lambda name: name.startswith("decoder/"))
        self._decoder = _Decoder(tensors)
        self._encode, self._start = encode, tuple(start)
        self._full_stop = encode(FULL_STOP)[0]
        self._ends = [end, *(encode(mark)[0] for mark in ENDINGS)]

    def log_likelihoods(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        """log P(text, end | audio) of each text, the best of its `forms`; -inf if too long."""
        tree = _Tree(self._start)
        places: list[list[tuple[int, int]]] = []
        for text in texts:
            tokens = [self._encode(f" {form}") if form else [] for form in forms(text)]
            short = [some for some in tokens if len(some) <= TOKENS_MAX]
            places.append([(tree.add(some), tree.add((*some, self._full_stop))) for some in short])
        upto, ends = self._decoder.log_probabilities(torch.from_numpy(encoded), tree, self._ends)
        whole = np.logaddexp.reduce(ends, axis=1)  # that the text ends at this node
        whole[tree.root :] += upto[tree.root :]
        stopped = upto + ends[:, 0]  # that it ended with this full stop
        return [
            max((float(np.logaddexp(whole[a], stopped[b])) for a, b in found), default=NEVER)
            for found in places
        ]


class _Tree:
    """Tokens of many texts; each node is a token after those of its parents."""

    def __init__(self, start: Sequence[int]):
        self.tokens = list(start)
        self.parents = [max(0, place - 1) for place in range(len(start))]
        self.depths = list(range(len(start)))
        self.root = len(start) - 1
        self._children: dict[tuple[int, int], int] = {}

    def add(self, tokens: Sequence[int]) -> int:
        """The node at which a text of these tokens ends."""
        node = self.root
        for token in tokens:
            child = self._children.setdefault((node, token), len(self.tokens))
            if child == len(self.tokens):
                self.tokens.append(token)
                self.parents.append(node)
                self.depths.append(self.depths[node] + 1)
            node = child
        return node

    def sight(self) -> Tensor:
        """What each node sees: itself and what comes before it. -> (nodes, nodes)"""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node in range(1, len(self.tokens)):
            seen[node] |= seen[self.parents[node]]
        return seen


class _Matrix:
    """A linear layer; its weights are kept in int8 where torch has a kernel for them.

    The rows of x are scaled to one another first: torch has one scale for all of them, and the
    largest would leave the others few steps of the 256.
    """

    def __init__(self, weight: NDArray[np.float32], bias: NDArray[np.float32] | None):
        self._weight: Any = torch.from_numpy(weight)
        self._bias = None if bias is None else torch.from_numpy(bias)
        self._packed = has_int8()
        if self._packed:
            self._weight = _packed(self._weight)

    def __call__(self, x: Tensor) -> Tensor:
        if not self._packed:
            return nn.linear(x, self._weight, self._bias)
        scale = x.abs().amax(dim=-1, keepdim=True).clamp_min(ZERO_SCALE)
        y: Tensor = torch.ops.quantized.linear_dynamic(x / scale, self._weight)
        return y * scale if self._bias is None else torch.addcmul(self._bias, y, scale)


ZERO_SCALE: Final = 1e-9
"""At least, for a row that is all zero."""


def _packed(weight: Tensor) -> Any:
    """`weight` (rows, columns) as torch's int8 kernels take it, each row with its own scale."""
    scale = weight.abs().amax(dim=1).clamp_min(ZERO_SCALE).double() / 127.0
    zeros = torch.zeros(len(scale), dtype=torch.long)
    rows = torch.quantize_per_channel(weight, scale, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(rows, None)


@functools.cache
def has_int8() -> bool:
    """Whether torch multiplies int8 here as it should.

    On processors without the instructions (VNNI) pairs of products overflow 16 bits, and not every
    build of torch has kernels at all.
    """
    # torch means to replace what makes these tensors; where it is gone, float32 takes its place.
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
    try:
        found = torch.ops.quantized.linear_dynamic(torch.ones(1, 64), _packed(torch.ones(8, 64)))
    except (AttributeError, RuntimeError):
        return False
    return bool((found - 64.0).abs().max() < 1.0)


class _Norm:
    def __init__(self, tensors: Tensors, name: str):
        self._weight = torch.from_numpy(tensors[f"{name}/gamma"])
        self._bias = torch.from_numpy(tensors[f"{name}/beta"])

    def __call__(self, x: Tensor) -> Tensor:
        return nn.layer_norm(x, self._weight.shape, self._weight, self._bias)


class _Decoder:
    def __init__(self, tensors: Tensors):
        self._embeddings = torch.from_numpy(tensors["decoder/embeddings/weight"]).half()
        self._positions = torch.from_numpy(tensors["decoder/position_encodings/encodings"])
        heads = int(tensors["decoder/num_heads"])
        tanh = int(tensors.get("decoder/activation", 0)) == _GELU_TANH
        self._layers: list[_Layer] = []
        while f"decoder/layer_{len(self._layers)}/ffn/linear_0/weight" in tensors:
            name = f"decoder/layer_{len(self._layers)}"
            self._layers.append(_Layer(tensors, name, heads, "tanh" if tanh else "none"))
        self._norm = _Norm(tensors, "decoder/layer_norm")
        self._projection = _Matrix(tensors["decoder/projection/weight"], None)

    @torch.inference_mode()
    def log_probabilities(
        self, encoded: Tensor, tree: _Tree, ends: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Run all nodes of `tree` over the audio `encoded` (frames, width).

        Returns:
            (nodes,): of the tokens from the root to this node.
            (nodes, ends): of each of the tokens `ends` after this node.
        """
        tokens, parents = torch.tensor(tree.tokens), torch.tensor(tree.parents)
        x = self._embeddings[tokens].float() + self._positions[torch.tensor(tree.depths)]
        sight = tree.sight()
        for layer in self._layers:
            x = layer(x, sight, encoded)  # (nodes, width)
        x, nodes, root = self._norm(x), len(tokens), tree.root
        upto, after = torch.zeros(nodes), torch.full((nodes, len(ends)), NEVER)
        for first in range(root, nodes, ROWS):
            rows = x[first : first + ROWS]
            log_p = torch.log_softmax(self._projection(rows), dim=-1)  # (rows, vocabulary)
            after[first : first + ROWS] = log_p[:, list(ends)]
            own = (parents >= first) & (parents < first + len(rows))
            own[: root + 1] = False  # the start is given
            upto[own] = log_p[parents[own] - first, tokens[own]]
        sums = upto.double().numpy()
        for node in range(root + 1, nodes):  # a parent stands before its children
            sums[node] += sums[tree.parents[node]]
        return sums, after.double().numpy()


_GELU_TANH: Final = 1


class _Layer:
    """Self-attention along the tree, attention to the audio, and a feed-forward net."""

    def __init__(self, tensors: Tensors, name: str, heads: int, gelu: str):
        def matrix(part: str) -> _Matrix:
            weight = tensors[f"{name}/{part}/weight"]
            return _Matrix(weight, tensors.get(f"{name}/{part}/bias"))

        self._heads, self._gelu = heads, gelu
        self._norms = [
            _Norm(tensors, f"{name}/{part}/layer_norm")
            for part in ("self_attention", "attention", "ffn")
        ]
        self._inner, self._inner_out = (matrix(f"self_attention/linear_{n}") for n in (0, 1))
        self._query, self._audio, self._out = (matrix(f"attention/linear_{n}") for n in (0, 1, 2))
        self._wide, self._narrow = (matrix(f"ffn/linear_{n}") for n in (0, 1))

    def __call__(self, x: Tensor, sight: Tensor, encoded: Tensor) -> Tensor:
        """(nodes, width) -> (nodes, width); `encoded` is (frames, width)."""
        query, key, value = self._inner(self._norms[0](x)).chunk(3, dim=-1)
        x = x + self._inner_out(self._attend(query, key, value, sight))
        key, value = self._audio(encoded).chunk(2, dim=-1)  # the same for all nodes
        x = x + self._out(self._attend(self._query(self._norms[1](x)), key, value, None))
        wide = nn.gelu(self._wide(self._norms[2](x)), approximate=self._gelu)
        return x + self._narrow(wide)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, sight: Tensor | None) -> Tensor:
        def heads(x: Tensor) -> Tensor:
            return x.reshape(len(x), self._heads, -1).transpose(0, 1)  # -> (heads, len, d/heads)

        mixed = nn.scaled_dot_product_attention(heads(query), heads(key), heads(value), sight)
        return mixed.transpose(0, 1).reshape(len(query), -1)
