"""Pronunciations of words, without stress: CMUdict's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ctxasr.dictionary import VARIANT, dictionary

Pronunciation = tuple[str, ...]
Pronunciations = tuple[Pronunciation, ...]

PHONES: Final = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW "
    "V W Y Z ZH".split()
)
"""The ARPAbet of CMUdict without stress marks."""


def look_up(word: str) -> Pronunciations:
    """All pronunciations of a lower-case word; () if CMUdict has it not."""
    entries = dictionary()
    found: list[Pronunciation] = []
    line = entries.get(word)
    while line is not None:
        found.append(tuple(line.split()))
        line = entries.get(f"{word}({len(found) + 1})")
    return tuple(dict.fromkeys(found))


def cmudict_lexicon() -> Mapping[str, Pronunciations]:
    """All of CMUdict, parsed: what the grapheme-to-phoneme model learns from."""
    return {word: look_up(word) for word in dictionary() if not VARIANT.search(word)}


def strip_stress(phones: Iterable[str]) -> Pronunciation:
    """ "AW1" -> "AW"."""
    return tuple(phone.rstrip("012") for phone in phones)
