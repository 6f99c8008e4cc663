"""How far apart two phones are by how they are made: the costs before any data were seen.

The distance of two phones counts the articulatory features in which they differ: for consonants
place, manner and voice; for vowels height, backness, rounding and glide. A phone that is missing
or too much costs by how easily it is swallowed: HH, T, D and the schwa cheaply.

    P and B    differ in voice        0.2
    P and S    in place and manner    0.96

`evaluate.confusions` corrects them by what was heard. Source: the feature set of P. Ladefoged, "A
Course in Phonetics".
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# place 0 (lips) .. 7 (glottis); manner; voice
_CONSONANTS: Final = {
    "P": (0, "stop", 0), "B": (0, "stop", 1), "T": (3, "stop", 0), "D": (3, "stop", 1),
    "K": (6, "stop", 0), "G": (6, "stop", 1), "CH": (4, "affricate", 0), "JH": (4, "affricate", 1),
    "F": (1, "fricative", 0), "V": (1, "fricative", 1), "TH": (2, "fricative", 0),
    "DH": (2, "fricative", 1), "S": (3, "fricative", 0), "Z": (3, "fricative", 1),
    "SH": (4, "fricative", 0), "ZH": (4, "fricative", 1), "HH": (7, "fricative", 0),
    "M": (0, "nasal", 1), "N": (3, "nasal", 1), "NG": (6, "nasal", 1),
    "L": (3, "liquid", 1), "R": (4, "liquid", 1), "W": (0, "glide", 1), "Y": (5, "glide", 1),
}  # fmt: skip
# height 0 (open) .. 3 (close); backness 0 (front) .. 2 (back); rounding; the glide's end or ""
_VOWELS: Final = {
    "IY": (3, 0, 0, ""), "IH": (2.6, 0.4, 0, ""), "EH": (1.6, 0.2, 0, ""), "AE": (0.6, 0, 0, ""),
    "AA": (0, 1.8, 0, ""), "AO": (1, 2, 1, ""), "AH": (1.3, 1.2, 0, ""), "UH": (2.5, 1.7, 1, ""),
    "UW": (3, 2, 1, ""), "ER": (1.6, 1, 0.6, "R"), "EY": (2, 0, 0, "Y"), "AY": (0.3, 1, 0, "Y"),
    "OY": (1.2, 2, 1, "Y"), "AW": (0.3, 1.2, 0.3, "W"), "OW": (1.8, 2, 1, "W"),
}  # fmt: skip
_MANNER: Final = {
    frozenset({"stop", "affricate"}): 0.5, frozenset({"affricate", "fricative"}): 0.4,
    frozenset({"stop", "fricative"}): 0.6, frozenset({"liquid", "glide"}): 0.5,
    frozenset({"nasal", "liquid"}): 0.7, frozenset({"nasal", "stop"}): 0.7,
}  # fmt: skip
_SWALLOWED: Final = {"HH": 0.4, "AH": 0.45, "T": 0.5, "D": 0.5, "IH": 0.55, "Y": 0.5, "R": 0.6}

PHONES: Final = (*sorted(_CONSONANTS), *sorted(_VOWELS))

SKIP_COST: Final = 0.7
"""A phone of one side that has no counterpart on the other."""

UNITS: Final = 256
"""Costs are whole multiples of 1/256, so that sums of them are exact in integers."""


class PhoneCosts(NamedTuple):
    """Costs in UNITS: of phones said and heard, (39, 39), and of phones without a counterpart,
    (39,)."""

    substitution: NDArray[np.int64]
    skip: NDArray[np.int64]


def articulatory_costs() -> PhoneCosts:
    """The costs by features: substitution is symmetric, 0 on the diagonal and at most 1."""
    costs = np.ones((len(PHONES), len(PHONES)), np.float64)
    for i, a in enumerate(PHONES):
        for j, b in enumerate(PHONES):
            if a == b:
                costs[i, j] = 0
            elif a in _CONSONANTS and b in _CONSONANTS:
                (place, manner, voice), (place2, manner2, voice2) = _CONSONANTS[a], _CONSONANTS[b]
                apart = 0.0 if manner == manner2 else _MANNER.get(frozenset({manner, manner2}), 0.8)
                costs[i, j] = min(
                    1.0, 0.12 * abs(place - place2) + apart + 0.2 * abs(voice - voice2)
                )
            elif a in _VOWELS and b in _VOWELS:
                va, vb = _VOWELS[a], _VOWELS[b]
                costs[i, j] = min(
                    1.0,
                    0.22 * abs(va[0] - vb[0])
                    + 0.18 * abs(va[1] - vb[1])
                    + 0.1 * abs(va[2] - vb[2])
                    + (0.15 if va[3] != vb[3] else 0.0),
                )
    for a, b, cost in (("R", "ER", 0.3), ("W", "UW", 0.4), ("Y", "IY", 0.4), ("L", "OW", 0.6)):
        i, j = PHONES.index(a), PHONES.index(b)
        costs[i, j] = costs[j, i] = cost
    skips = [_SWALLOWED.get(phone, SKIP_COST) for phone in PHONES]
    return PhoneCosts(quantised(costs), quantised(np.array(skips)))


def quantised(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole UNITS."""
    return np.rint(costs * UNITS).astype(np.int64)
