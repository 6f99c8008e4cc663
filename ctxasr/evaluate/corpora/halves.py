"""The two halves of names, answers and voices: one to tune on, one that tuning never met."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

Half = Literal["tuning", "held-out"]

HELD_OUT_SEEDS: Final = {"names": 20_261_201, "followups": 20_261_202, "everyday": 20_261_203}
"""Of the held-out corpora whose figures are quoted. Fixed before anything was fitted."""

TUNING_SEED: Final = 7


def half_of(text: str) -> Half:
    """The half that a name or an answer belongs to; the same on every machine."""
    digest = hashlib.sha256(text.lower().encode()).digest()
    return "held-out" if digest[0] % 2 else "tuning"


def of_half(half: Half, texts: Iterable[str]) -> list[str]:
    """Those of `texts` that belong to it, each once, in their order."""
    return [text for text in dict.fromkeys(texts) if half_of(text) == half]


def seed_for(kind: str, half: Half) -> int:
    """The seed that a corpus is drawn with where none is given."""
    return TUNING_SEED if half == "tuning" else HELD_OUT_SEEDS[kind]
