"""How far apart two sounds are, and the cheapest way from one sequence of phones to others.

What it costs that one phone was heard as another, or not at all, was learnt from what recognisers
made of names (`phone_costs`).

Source: weighted edit distance of R. Wagner and M. Fischer, "The string-to-string correction
problem", J. ACM 1974.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import LimitExceeded
from ctxasr.speech.articulation import PHONES, UNITS
from ctxasr.speech.phone_costs import shipped_costs

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Keys = NDArray[np.int32] | NDArray[np.int64]

PAD: Final = len(PHONES)
"""Index after the last phone: fills up shorter rows."""

_PADDING: Final = bytes([PAD])

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
    """(39, 39), said and heard: 0 on the diagonal, elsewhere above 0 and at most 1."""
    return (shipped_costs().substitution / UNITS).astype(np.float32)


@cache
def skip_costs() -> Floats:
    """(39 + 1,): what it costs that a phone has no counterpart; padding costs nothing."""
    return (np.append(shipped_costs().skip, 0) / UNITS).astype(np.float32)


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
