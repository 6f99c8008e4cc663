"""How often English says a word, and which words are names: a prior of what is said anywhere.

    log_frequency("power")  -8.4       log_frequency("zwingli")  LOG_FREQUENCY_MIN
    is_name("bauer")        True

The table is made by `ctxasr train --part vocabulary`; its card is MODEL_CARD.md beside it.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

TABLE: Final = Path(__file__).with_name("vocabulary.tsv.gz")

LOG_FREQUENCY_MIN: Final = -15.0
"""Natural log probability of a word that the table has not: a third of the rarest it has."""


class _Entry(NamedTuple):
    log_frequency: float
    is_name: bool


_UNKNOWN: Final = _Entry(LOG_FREQUENCY_MIN, False)


def log_frequency(word: str) -> float:
    """Natural log probability of a lower-case word among all that is said, alone."""
    return _entry(word).log_frequency


def is_name(word: str) -> bool:
    """Whether people are called so, by first or by last name; "bauer's" as well."""
    return _entry(word).is_name or _entry(word.removesuffix("'s")).is_name


def frequencies() -> dict[str, float]:
    """The `log_frequency` of every word of the table that is no name."""
    return {word: one.log_frequency for word, one in _table().items() if not one.is_name}


def _entry(word: str) -> _Entry:
    return _table().get(word, _UNKNOWN)


@cache
def _table() -> dict[str, _Entry]:
    entries = {}
    for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
        word, tenths, *marks = line.split("\t")
        frequency = -float(tenths) / 10.0 if tenths else LOG_FREQUENCY_MIN
        entries[word] = _Entry(frequency, marks == ["n"])
    return entries
