"""How far apart two sounds are, and the cheapest way from one sequence of phones to others.

The distance of two phones counts the articulatory features in which they differ: for consonants
place, manner and voice; for vowels height, backness, rounding and glide. A phone that is missing
or too much costs by how easily it is swallowed: HH, T, D and the schwa cheaply.

Sources: the feature set of P. Ladefoged, "A Course in Phonetics"; weighted edit distance of
R. Wagner and M. Fischer, "The string-to-string correction problem", J. ACM 1974.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import LimitExceeded

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

UNITS: Final = 256
"""Costs are whole multiples of 1/256, so that sums of them are exact in integers."""

HEARD_MAX: Final = 4_095
"""Phones of one utterance: about six minutes of speech; fits the low 12 bits of a key."""

GAP: Final = PAD
"""Index of what parts sequences that are laid end to end (`end_to_end`): no stretch crosses it."""

GAP_COST: Final = 60.0
"""Dearer than any stretch of one sequence that is looked for."""

_NOWHERE: Final = 2**30
"""Dearer than any stretch: 1,024 phones that all cost 1."""


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
    rounded: Floats = (np.rint(costs * UNITS) / UNITS).astype(np.float32)
    return rounded


@cache
def skip_costs() -> Floats:
    """(39 + 1,): what it costs that a phone has no counterpart; padding costs nothing."""
    costs = [_SWALLOWED.get(phone, SKIP_COST) for phone in PHONES]
    rounded: Floats = (np.rint(np.array([*costs, 0.0]) * UNITS) / UNITS).astype(np.float32)
    return rounded


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


def end_to_end(sequences: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Several sequences as one, with a GAP between them, and where each begins.

    One sweep over all of them costs a third of a sweep over each.
    """
    parts: list[Ints] = []
    for phones in sequences:
        parts += [phones, np.array([GAP], np.int64)]
    begins = np.cumsum([0, *(len(phones) + 1 for phones in sequences)])[:-1]
    joined = np.concatenate(parts[:-1]) if parts else np.zeros(0, np.int64)
    return joined, begins.astype(np.int64)


def distances(rows: Ints, lengths: Ints, heard: Ints) -> Floats:
    """Weighted edit distance of each row (n, L) to `heard` (H,): (n,)."""
    keys = _sweep(rows, heard, starts=np.array([0]))
    return _cost(keys[lengths, np.arange(len(rows)), len(heard)])


def spans(rows: Ints, lengths: Ints, heard: Ints, starts: Ints, stops: Ints) -> tuple[Floats, Ints]:
    """Each row against every stretch of `heard` that begins in `starts` and ends in `stops`.

    Returns the cost of the best stretch ending at each stop, (n, stops), and where it begins; of
    equally good ones the shortest.
    """
    keys = _sweep(rows, heard, starts)
    picked = keys[lengths[:, None], np.arange(len(rows))[:, None], stops[None, :]]
    return _cost(picked), (HEARD_MAX - picked % (HEARD_MAX + 1)).astype(np.int64)


def _cost(keys: NDArray[np.int32]) -> Floats:
    return (keys // (HEARD_MAX + 1) / UNITS).astype(np.float32)


def _sweep(rows: Ints, heard: Ints, starts: Ints) -> NDArray[np.int32]:
    """Keys of rows[:, :i] against heard[begin:j]; (L + 1, n, H + 1).

    A key holds a cost, in its high bits, and where the stretch begins, counted from HEARD_MAX
    down, in its low ones: the minimum of two keys is the cheaper stretch with its begin.
    """
    if len(heard) > HEARD_MAX:
        raise LimitExceeded("HEARD_MAX", HEARD_MAX, len(heard), "phones")
    count, length = rows.shape
    width = len(heard) + 1
    skip, swap, heard_skip = _key_costs()
    substitution = swap[:, heard]  # (39 + 1, H)
    # A stretch that grows by one phone that the row lacks costs the sum of skips: with running
    # sums taken off, the minimum over all earlier columns is one pass.
    run = np.concatenate([[0], np.cumsum(heard_skip[heard])]).astype(np.int32)
    keys = np.empty((length + 1, count, width), np.int32)
    first = np.full(width, _NOWHERE, np.int32)
    first[starts] = HEARD_MAX - starts
    keys[0] = np.minimum.accumulate(first - run) + run
    for i in range(length):
        phones, here = rows[:, i], keys[i + 1]
        np.add(keys[i], skip[phones][:, None], out=here)  # a phone of the row is not heard
        np.minimum(here[:, 1:], keys[i][:, :-1] + substitution[phones], out=here[:, 1:])
        here -= run
        np.minimum.accumulate(here, axis=1, out=here)
        here += run
    return keys


@cache
def _key_costs() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Costs as they are added to keys: of a skipped phone of a row, of a substitution (row, heard),
    of a skipped phone that was heard. In a row padding costs nothing, among the heard a gap much.
    """
    scale = UNITS * (HEARD_MAX + 1)
    skip = np.rint(skip_costs() * scale).astype(np.int32)
    heard_skip = skip.copy()
    heard_skip[GAP] = int(GAP_COST * scale)
    substitution = np.zeros((len(PHONES) + 1, len(PHONES) + 1), np.int32)
    substitution[:PAD, :PAD] = np.rint(substitution_costs() * scale)
    substitution[:, GAP] = int(GAP_COST * scale)
    return skip, substitution, heard_skip
