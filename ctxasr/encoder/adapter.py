"""The context encoder behind its port: torch in one worker thread, beside the event loop.

    event loop   encode() ---- submit ------------------------- result
    worker               layer | layer | sequence | numpy
    cancelled:           layer | flag seen -> stop              (the loop waits for nothing)

One thread keeps a context from delaying another dialogue's words by more than its own few
milliseconds, and sums are added in one order, so that equal turns give equal vectors.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ctxasr.encoder.tokens import WordTable, pack_phrases, pack_turns
from ctxasr.errors import ContextUnavailable, LimitExceeded
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import PHRASES_MAX, Phrase
from ctxasr.ports import Matrix, Vector

if TYPE_CHECKING:
    from ctxasr.encoder.transformer import Between, ContextModel

T = TypeVar("T")


class TorchContextEncoder:
    """Implements `ports.ContextEncoder`. Vectors are float32; `model` is a hash of the weights."""

    def __init__(self, model: ContextModel) -> None:
        """Use `load`, which reads the weights and warms up."""
        self._model = model
        self.dimensions, self.model = model.config.vector, _fingerprint(model)
        self._worker = ThreadPoolExecutor(1, "context-encoder", initializer=_one_thread)

    @classmethod
    def load(cls, path: Path | None = None) -> TorchContextEncoder:
        """Import torch, read the weights (the shipped ones by default) and encode once.

        It takes a second or more and blocks: call it before serving.

        Raises:
            MissingPart: the weights are missing.
            DataError: the weights are damaged or of another version.
        """
        from ctxasr.encoder import weights

        encoder = cls(weights.load(path))
        turn = TurnText("call", "which one", (Entity("contact", "nobody"),))
        encoder._worker.submit(encoder._encode, turn, encoder._no_past(), _go_on).result()
        encoder._worker.submit(encoder._embed, [Phrase("nobody", "reply")], _go_on).result()
        return encoder

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        """The vector of this turn after the turns in `past` (n, d), oldest first; returns (d,).

        Cancelling stops the computation before its next layer.

        Raises:
            ContextUnavailable: `past` has another width or is not finite, as vectors of other
                weights would.
        """
        if past.ndim != 2 or past.shape[1] != self.dimensions:
            raise ContextUnavailable(
                f"past vectors have shape {past.shape}, wanted (n, {self.dimensions})"
            )
        if not np.isfinite(past).all():
            raise ContextUnavailable("past vectors are not finite")
        return await self._run(lambda between: self._encode(turn, past, between))

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        """Rows whose product with a context vector is a logit: (n + 1, d), row 0 'none of these'.

        Raises:
            LimitExceeded: more than PHRASES_MAX phrases.
        """
        if len(phrases) > PHRASES_MAX:
            raise LimitExceeded("PHRASES_MAX", PHRASES_MAX, len(phrases), "phrases")
        return await self._run(lambda between: self._embed(phrases, between))

    def close(self) -> None:
        """End the worker thread; what waits in its queue is dropped."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[Between], T]) -> T:
        stopped = threading.Event()

        def between() -> None:
            if stopped.is_set():
                raise _Stopped

        try:
            return await asyncio.wrap_future(self._worker.submit(work, between))
        finally:
            stopped.set()

    def _no_past(self) -> Matrix:
        return np.zeros((0, self.dimensions), dtype=np.float32)

    def _encode(self, turn: TurnText, past: Matrix, between: Between) -> Vector:
        import torch

        between()
        table = WordTable()
        batch = pack_turns([turn], table)
        with torch.inference_mode():
            local = self._model.turns(self._model.lexicon(table.words()), batch, between)
            earlier = torch.from_numpy(np.array(past, dtype=np.float32))[None]  # -> (1, n, d)
            known = torch.ones(1, len(past), dtype=torch.bool)
            vector: Vector = self._model.running(local, earlier, known)[0].numpy()
        return vector

    def _embed(self, phrases: Sequence[Phrase], between: Between) -> Matrix:
        import torch

        between()
        table = WordTable()
        batch = pack_phrases([phrases], table)
        with torch.inference_mode():
            rows: Matrix = self._model.phrases(self._model.lexicon(table.words()), batch)[0].numpy()
        return rows


class _Stopped(Exception):
    """The awaiting task is gone; seen by nobody."""


def _go_on() -> None:
    return None


def _one_thread() -> None:
    """Two intra-op threads on a busy two-core machine are twenty times slower than one."""
    import torch

    torch.set_num_threads(1)


def _fingerprint(model: ContextModel) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()[:16]
