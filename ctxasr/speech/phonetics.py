"""How far apart two sounds are, and the cheapest way from one sequence of phones to others.

The distance of two phones counts the articulatory features in which they differ: for consonants
place, manner and voice; for vowels height, backness, rounding and glide. A phone that is missing
or too much costs by how easily it is swallowed: HH, T, D and the schwa cheaply.

Sources: the feature set of P. Ladefoged, "A Course in Phonetics"; weighted edit distance of
R. Wagner and M. Fischer, "The string-to-string correction problem", J. ACM 1974, with the inner
row minimum as a running minimum (S. Altschul's affine trick without the opening cost).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

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
PAD: Final = len(PHONES)
"""Index after the last phone: fills up shorter rows."""

SKIP_COST: Final = 0.7
"""A phone of one side that has no counterpart on the other."""


@cache
def substitution_costs() -> Floats:
    """(39, 39): 0 on the diagonal, at most 1."""
    costs = np.ones((len(PHONES), len(PHONES)), np.float32)
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
    return costs


@cache
def skip_costs() -> Floats:
    """(39 + 1,): what it costs that a phone has no counterpart; padding costs nothing."""
    costs = [_SWALLOWED.get(phone, SKIP_COST) for phone in PHONES]
    return np.array([*costs, 0.0], np.float32)


_INDEX: Final = {phone: index for index, phone in enumerate(PHONES)}


def encode(phones: Sequence[str]) -> Ints:
    """Phone names to indices; unknown names are left out."""
    return np.array([_INDEX[phone] for phone in phones if phone in _INDEX], np.int64)


def pad(rows: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Stack sequences of unequal length: (n, longest) filled with PAD, and lengths (n,)."""
    lengths = np.array([len(row) for row in rows], np.int64)
    table = np.full((len(rows), max(1, int(lengths.max(initial=0)))), PAD, np.int64)
    for row, phones in zip(table, rows, strict=True):
        row[: len(phones)] = phones
    return table, lengths


def distances(rows: Ints, lengths: Ints, heard: Ints) -> Floats:
    """Weighted edit distance of each row (n, L) to `heard` (H,): (n,)."""
    ends, _ = _sweep(rows, heard, starts=np.array([0]))
    whole: Floats = ends[np.arange(len(rows)), lengths, len(heard)]
    return whole


def spans(rows: Ints, lengths: Ints, heard: Ints, starts: Ints, stops: Ints) -> tuple[Floats, Ints]:
    """Each row against every stretch of `heard` that begins in `starts` and ends in `stops`.

    Returns the cost of the best stretch ending at each stop, (n, stops), and where it begins.
    """
    costs, begins = _sweep(rows, heard, starts)
    picked = np.arange(len(rows))[:, None], lengths[:, None], stops[None, :]
    return costs[picked], begins[picked]


def _sweep(rows: Ints, heard: Ints, starts: Ints) -> tuple[Floats, Ints]:
    """Costs and begins of rows[:, :i] against heard[begin:j]; both (n, L + 1, H + 1)."""
    count, length = rows.shape
    width = len(heard) + 1
    skip = skip_costs()
    substitution = np.zeros((len(PHONES) + 1, len(heard)), np.float32)
    substitution[:PAD] = substitution_costs()[:, heard]
    # A stretch that grows by one unheard phone costs the sum of skips: running sums make the
    # minimum over all earlier columns one pass.
    run = np.concatenate([[0.0], np.cumsum(skip[heard])]).astype(np.float32)
    columns = np.arange(width)
    first = np.full(width, np.inf, np.float32)
    first[starts] = 0.0
    costs = np.empty((count, length + 1, width), np.float32)
    begins = np.empty((count, length + 1, width), np.int64)
    costs[:, 0], begins[:, 0] = _extend(first[None, :], columns[None, :], run, columns)
    for i in range(length):
        phones = rows[:, i]
        above, origin = costs[:, i], begins[:, i]
        unheard = above + skip[phones][:, None]  # (n, H + 1)
        cost, begin = unheard, origin
        diagonal = above[:, :-1] + substitution[phones]  # (n, H)
        better = diagonal < unheard[:, 1:]
        cost = unheard.copy()
        cost[:, 1:][better] = diagonal[better]
        begin = origin.copy()
        begin[:, 1:][better] = origin[:, :-1][better]
        costs[:, i + 1], begins[:, i + 1] = _extend(cost, begin, run, columns)
    return costs, begins


def _extend(cost: Floats, begin: Ints, run: Floats, columns: Ints) -> tuple[Floats, Ints]:
    """Let every stretch grow over heard phones that the row lacks."""
    level = cost - run
    lowest = np.minimum.accumulate(level, axis=1)
    at = np.maximum.accumulate(np.where(level <= lowest, columns, 0), axis=1)
    return lowest + run, np.take_along_axis(np.broadcast_to(begin, cost.shape), at, axis=1)
