"""Poisoned embedding: a context that is properly encrypted, and made to harm whoever reads it.

Numbers that are none, rows that do not fit, twenty thousand names to be compared with every word:
the recogniser's process would stand still for all its customers.

Attacker: has taken over a process that embeds, and so holds a turn's data key; wants the others.
Holds against it: an embedding is checked against every limit when it is read.
"""

import json
from typing import Any

import numpy as np
from _lab import ANSWER, HEARD, MINE, Gained, Mutant, World, carry_out, turn
from safetensors.numpy import save

from ctxasr.context import CONTEXT_PHRASES_MAX, FORMAT_VERSION, TURNS_KEPT
from ctxasr.events import PayloadKind, TurnKey

MUTANT: Mutant = ("context.py", "or len(self.phrases) > CONTEXT_PHRASES_MAX", "or False")
GAINS = "the embedding was put to use"

TEXT = ["power", "entities", "contact"]


def forged(
    phrases: list[Any], *, turns: int = 1, fill: float = 1.0, rows: int | None = None, **about: Any
) -> bytes:
    """An embedding with one dimension, as its writer would save it."""
    told = {"version": FORMAT_VERSION, "model": "letters", **about}
    rows = len(phrases) + 1 if rows is None else rows
    return save(
        {
            "vectors": np.full((turns, 1), fill, np.float32),
            "phrase_matrix": np.full((rows, 1), fill, np.float16),
            "about": np.frombuffer(json.dumps(told).encode(), np.uint8),
            "phrases": np.frombuffer(json.dumps(phrases).encode(), np.uint8),
            "computed": np.zeros(2),
        }
    )


async def attack() -> str:
    world, here = World(), TurnKey(MINE, "turn-1")
    await world.deliver(list(turn().values()))
    status = await world.status()
    assert status.wrapped_key is not None
    (ref,) = (ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT)

    async def heard_under(blob: bytes) -> Any:
        await world.vault.put_blob(status.wrapped_key or b"", here, ref, blob, status.expires_at_s)
        return await world.answer(ANSWER, *HEARD)

    many = [[f"name {number}", "entities", ""] for number in range(10_000)]
    blobs = {
        "10,000 names": forged(many),
        "one name more than fit": forged(many[: CONTEXT_PHRASES_MAX + 1]),
        "numbers that are none": forged([TEXT], fill=float("nan")),
        "numbers without an end": forged([TEXT], fill=float("inf")),
        "a turn more than fit": forged([TEXT], turns=TURNS_KEPT + 1),
        "no turn": forged([TEXT], turns=0),
        "rows that do not fit": forged([TEXT], rows=7),
        "another version": forged([TEXT], version=FORMAT_VERSION + 1),
        "nesting": forged([[[[[["x"]]]]]]),
        "a length that lies": b"\xff" * 8 + b"{}",
        "a pickle": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        "nothing": b"",
    }
    for name, blob in blobs.items():
        result = await heard_under(blob)
        if result.result.text != HEARD[0]:
            raise Gained(f"{name}: the answer was bent")
        if result.context == "hit":
            raise Gained(f"{name}: the embedding was put to use")
    fits = await heard_under(forged([["bauer", "entities", "contact"]], fill=2.0))
    assert fits.context == "hit", "one that fits is read"
    return f"{len(blobs)} forged embeddings are refused, and the plain text stands"


if __name__ == "__main__":
    carry_out(attack)
