"""Word lattices as recognisers write them: HTK Standard Lattice Format, words at the nodes.

PocketSphinx gives a link the acoustic score of the word at its source and no language score:

    I=3  t=0.23  W=call  v=1                 node 3: "call" starts at 0.23 s
    J=7  S=3  E=5  a=-98.1  p=0.62           ... and ends where node 5 starts

becomes Arc(source=3, target=5, word="call", acoustic=-98.1, posterior=0.62). Fillers (silence,
noise, sentence ends) become arcs with the word "".

Source: S. Young and others, The HTK Book 3.4, chapter "HTK Standard Lattice Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.dictionary import VARIANT
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.hypotheses import Arc, Lattice
from ctxasr.words import normalise

LATTICE_BYTES_MAX: Final = 32_000_000
"""Length of the text; a minute of noisy speech makes some 10 MB."""

LATTICE_ARCS_MAX: Final = 500_000
"""Arcs of one lattice; a minute of noisy speech has about a tenth."""

_FILLER: Final = re.compile(r"!.*|<.*>|\[.*\]|\+\+.*\+\+|-pau-")


def written_words(text: str) -> str:
    """A recogniser's raw output as it is written: no fillers, no variant numbers."""
    words = (VARIANT.sub("", word) for word in text.split() if not _FILLER.fullmatch(word))
    return " ".join(words)


def clean_words(text: str) -> str:
    """The same in the form in which words are compared."""
    return normalise(written_words(text))


def read_htk(text: str) -> Lattice:
    """Parse HTK lattice text; nodes are renumbered in topological order.

    Raises:
        LimitExceeded: longer than LATTICE_BYTES_MAX or with more arcs than LATTICE_ARCS_MAX.
        InputError: not such a lattice, an arc to no node, or a cycle; names the line.
    """
    if len(text) > LATTICE_BYTES_MAX:
        raise LimitExceeded("LATTICE_BYTES_MAX", LATTICE_BYTES_MAX, len(text), "lattice")
    times: dict[int, tuple[float, str]] = {}
    links: list[tuple[int, int, float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("I=", "J=")):
            try:
                fields = dict(field.split("=", 1) for field in line.split())
                if "I" in fields:
                    word = clean_words(fields["W"].replace("\\", ""))
                    times[int(fields["I"])] = (float(fields["t"]), word)
                else:
                    scores = (float(fields["a"]), float(fields["p"]))
                    links.append((int(fields["S"]), int(fields["E"]), *scores))
            except (KeyError, ValueError):
                raise InputError(f"lattice line {number}: a field is missing or wrong") from None
            if len(links) > LATTICE_ARCS_MAX:
                raise LimitExceeded("LATTICE_ARCS_MAX", LATTICE_ARCS_MAX, len(links), "lattice")
    unknown = next((link for link in links if not {link[0], link[1]} <= times.keys()), None)
    if unknown is not None:
        raise InputError(f"lattice: an arc from {unknown[0]} to {unknown[1]} has no such node")
    order = _topological(times.keys(), links)
    place = {node: i for i, node in enumerate(order)}
    arcs = [
        Arc(place[source], place[target], times[source][1], acoustic, posterior)
        for source, target, acoustic, posterior in links
    ]
    arcs.sort(key=lambda arc: (arc.source, arc.target))
    return Lattice(tuple(times[node][0] for node in order), tuple(arcs))


def _topological(nodes: Iterable[int], links: Sequence[tuple[int, int, float, float]]) -> list[int]:
    """Kahn's algorithm; among free nodes the one that the file names last goes first."""
    followers: dict[int, list[int]] = {}
    waits: dict[int, int] = dict.fromkeys(nodes, 0)
    for source, target, *_ in links:
        followers.setdefault(source, []).append(target)
        waits[target] += 1
    free = [node for node, count in waits.items() if count == 0]
    order: list[int] = []
    while free:
        node = free.pop()
        order.append(node)
        for follower in followers.get(node, ()):
            waits[follower] -= 1
            if waits[follower] == 0:
                free.append(follower)
    if len(order) < len(waits):
        raise InputError("lattice: has a cycle; words must follow each other in time")
    return order


def oracle_edits(lattice: Lattice, reference: Sequence[str]) -> int:
    """Fewest word edits from `reference` to any path from the first to the last node.

    A Levenshtein row (len(reference) + 1,) per node, the least over its incoming arcs; the same
    recurrence as between two strings, with a set of predecessors in place of one.
    """
    if not lattice.times_s:
        return len(reference)
    columns = np.arange(len(reference) + 1, dtype=np.int64)
    far = np.iinfo(np.int64).max // 4
    rows: NDArray[np.int64] = np.full((len(lattice.times_s), len(columns)), far)
    rows[0] = columns
    matches: dict[str, NDArray[np.int64]] = {}
    for arc in lattice.arcs:  # sorted by source, and sources stand in topological order
        row = rows[arc.source]
        if row[-1] >= far:
            continue
        if arc.word:
            if arc.word not in matches:
                matches[arc.word] = np.array([word != arc.word for word in reference], np.int64)
            step = row + 1  # the arc's word is an insertion
            step[1:] = np.minimum(step[1:], row[:-1] + matches[arc.word])
            # deletions: reference words without an arc, left to right
            row = np.minimum.accumulate(step - columns) + columns
        np.minimum(rows[arc.target], row, out=rows[arc.target])
    return int(min(rows[-1][-1], far))
