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
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import LimitExceeded

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Keys = NDArray[np.int32] | NDArray[np.int64]

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

_PADDING: Final = bytes([PAD])

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


def skip_cost(phones: Sequence[str]) -> float:
    """What it costs that none of the phones has a counterpart; their names are known."""
    return sum(_skip_costs_by_name()[phone] for phone in phones)


@cache
def _skip_costs_by_name() -> dict[str, float]:
    return dict(zip((*PHONES, ""), skip_costs().tolist(), strict=True))


_INDEX: Final = {phone: index for index, phone in enumerate(PHONES)}


def known(phones: Sequence[str]) -> Sequence[str]:
    """The names that are names of phones."""
    return [phone for phone in phones if phone in _INDEX]


def encode(phones: Sequence[str]) -> Ints:
    """Phone names to indices; unknown names are left out."""
    return np.array([_INDEX[phone] for phone in phones if phone in _INDEX], np.int64)


def in_bytes(phones: Ints) -> bytes:
    """Indices of phones, one a byte: short sequences are compared and joined faster so."""
    return phones.astype(np.uint8).tobytes()


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


class PhoneTree:
    """Sequences of phones as a tree of their beginnings: "meg bauer" goes on where "meg" ends.

    What several rows begin with is compared once; of a hundred names with their parts, and as many
    everyday answers, that leaves a third of the work. Node 0 is the root, and the nodes of one
    depth stand together:

        rows       M EH G,  M EH G B AW ER,  M AE T
        depth 1    M              (1)
        depth 2    AE, EH         (2, 3)
        depth 3    T, G           (4, 5: the ends of the last row and of the first)
    """

    def __init__(self, rows: Sequence[bytes]):
        """`rows` as `in_bytes` has them."""
        self.lengths = lengths = np.array([len(row) for row in rows], np.int64)
        longest = max(1, int(lengths.max(initial=0)))
        self.cells = len(rows) * longest
        order = np.array(sorted(range(len(rows)), key=rows.__getitem__), np.int64)
        padded = b"".join([rows[i].ljust(longest, _PADDING) for i in order.tolist()])
        phones = np.frombuffer(padded, np.uint8).reshape(len(rows), longest).T  # (L, n)
        depths = np.arange(longest)[:, None]
        new = np.ones(phones.shape, bool)
        np.not_equal(phones[:, 1:], phones[:, :-1], out=new[:, 1:])
        np.logical_or.accumulate(new, axis=0, out=new)
        new &= depths < lengths[order]
        nodes = np.cumsum(new).reshape(new.shape)  # (L, n): of row and depth, the latest new one
        above = np.concatenate([np.zeros((1, len(rows)), np.int64), nodes])  # (L + 1, n)
        self._ends = np.empty(len(rows), np.int64)
        self._ends[order] = above[lengths[order], np.arange(len(rows))]
        self._phones, self._parents = phones[new].astype(np.int64), above[:-1][new]  # (nodes,)
        skip, _, _ = _key_costs()
        self._skips = np.zeros(len(rows), np.int32)
        self._skips[order] = skip[phones].sum(axis=0)  # padding costs nothing
        self._depths = np.cumsum([0, *new.sum(axis=1)]).tolist()

    def spans(
        self, heard: Ints, starts: Ints, stops: Ints, rows: Ints | slice = slice(None)
    ) -> tuple[Floats, Ints]:
        """Each of the rows against every stretch of `heard` from one of `starts` to one of `stops`.

        Returns the cost of the best stretch ending at each stop, (rows, stops), and where it
        begins; of equally good ones the shortest.
        """
        ends, longest = self._ends[rows], int(self.lengths[rows].max(initial=0))
        keys, run = self._sweep(heard, starts, longest)
        picked = keys[ends[:, None], stops] + run[stops] + self._skips[rows, None]
        return _cost(picked), (HEARD_MAX - (picked & HEARD_MAX)).astype(np.int64)

    def _sweep(self, heard: Ints, starts: Ints, longest: int) -> tuple[Keys, Keys]:
        """Keys of each node down to depth `longest` against heard[begin:j], (nodes + 1, H + 1), and
        what to add to those of each j, (H + 1,); the skips of a row's own phones are to be added.

        A key holds a cost, in its high bits, and where the stretch begins, counted from HEARD_MAX
        down, in its low ones: the minimum of two keys is the cheaper stretch with its begin.

        All costs are less what skipping both sides would cost so far. So a phone of the row that is
        not heard costs nothing, nor does one that was heard and the row lacks: the minimum over all
        earlier columns is one pass. A pair of phones costs less than nothing.
        """
        if len(heard) > HEARD_MAX:
            raise LimitExceeded("HEARD_MAX", HEARD_MAX, len(heard), "phones")
        skip, swap, heard_skip = _key_costs()
        run = np.concatenate([[0], np.cumsum(heard_skip[heard], dtype=np.int64)])
        kind = np.int32 if run[-1] < _NOWHERE else np.int64  # minutes of speech need more bits
        run = run.astype(kind)
        pairs = np.zeros((len(swap), len(run)), kind)  # (39 + 1, H + 1)
        pairs[:, 1:] = swap[:, heard] - heard_skip[heard] - skip[:, None]
        keys = np.empty((self._depths[longest] + 1, len(run)), kind)
        keys[0] = _NOWHERE
        keys[0, starts] = HEARD_MAX - starts
        np.minimum.accumulate(keys[0] - run, out=keys[0])
        for first, last in pairwise(self._depths[: longest + 1]):
            above = keys.take(self._parents[first:last], axis=0)
            paired = pairs.take(self._phones[first:last], axis=0)
            paired.ravel()[1:] += above.ravel()[:-1]  # of the column before; faster than by rows
            paired[:, 0] = _NOWHERE
            np.minimum(above, paired, out=above)
            np.minimum.accumulate(above, axis=1, out=keys[first + 1 : last + 1])
        return keys, run


def distances(rows: Ints, lengths: Ints, heard: Ints) -> Floats:
    """Weighted edit distance of each row (n, L) to `heard` (H,): (n,)."""
    costs, _ = spans(rows, lengths, heard, np.array([0]), np.array([len(heard)]))
    return costs[:, 0]


def spans(rows: Ints, lengths: Ints, heard: Ints, starts: Ints, stops: Ints) -> tuple[Floats, Ints]:
    """`PhoneTree.spans` of rows (n, L), filled up with PAD, that are (n,) long."""
    cut = [in_bytes(row[:length]) for row, length in zip(rows, lengths.tolist(), strict=True)]
    return PhoneTree(cut).spans(heard, starts, stops)


def _cost(keys: Keys) -> Floats:
    return ((keys >> HEARD_MAX.bit_length()) / UNITS).astype(np.float32)


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
