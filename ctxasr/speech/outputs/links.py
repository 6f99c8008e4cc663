"""Links between numbered nodes, as lattice files list them -> a `Lattice`.

    0 -> 1 "meg"                      nodes in topological order, the first and the last as the
    1 -> 2 "power"                    file names them; what lies on no path between these is left
    1 -> 2 "bauer"                    out, and posteriors are computed where the file has none

Where a lattice may end at several nodes, or at one with a score of its own, a node is added to
which they all lead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.hypotheses import Arc, Lattice
from ctxasr.speech.lattice import LATTICE_ARCS_MAX


class Link(NamedTuple):
    """One link and the line that names it; scores are natural logarithms, scaled."""

    source: int
    target: int
    word: str
    acoustic: float
    language: float
    line: int
    posterior: float | None = None

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Link({self.source} -> {self.target})"


def lattice_of(
    links: Sequence[Link],
    first: int,
    ends: Mapping[int, tuple[float, float]],
    times_s: Mapping[int, float],
    wrong: Callable[[str, int], InputError],
) -> Lattice:
    """The lattice of all paths from `first` to one of `ends`.

    `ends` are nodes with what it adds to end there, acoustic and language; `times_s` are seconds
    for the nodes that have one. `wrong` makes the error of a line.

    Raises:
        InputError: there is a cycle, or no such path; the line is that of a link.
    """
    order = topological(links, wrong)
    line = links[0].line if links else 0
    kept = _reached({first}, links, order) & _reached(set(ends), links, order, backwards=True)
    if first not in kept:
        raise wrong("no path leads from the first node of the lattice to its end", line)
    nodes = [node for node in (order or [first]) if node in kept]
    links = [one for one in links if one.source in kept and one.target in kept]
    (last, *others) = (node for node in nodes if node in ends)
    leaves = {one.source for one in links}
    if others or last in leaves or ends[last] != (0.0, 0.0):
        end = max(nodes) + 1
        links = [
            *links,
            *(Link(node, end, "", *ends[node], line, None) for node in nodes if node in ends),
        ]
        times_s = {**times_s, end: max((times_s.get(node, 0.0) for node in nodes), default=0.0)}
        nodes.append(end)
    place = {node: number for number, node in enumerate(nodes)}
    links = sorted(links, key=lambda one: (place[one.source], place[one.target]))
    posteriors = _posteriors(links, place)
    arcs = (
        Arc(
            place[one.source],
            place[one.target],
            one.word,
            one.acoustic,
            posterior if one.posterior is None else one.posterior,
            one.language,
        )
        for one, posterior in zip(links, posteriors, strict=True)
    )
    return Lattice(tuple(times_s.get(node, 0.0) for node in nodes), tuple(arcs))


def checked_links(count: int, where: str) -> None:
    """Refuse more than a lattice may have.

    Raises:
        LimitExceeded: more than LATTICE_ARCS_MAX.
    """
    if count > LATTICE_ARCS_MAX:
        raise LimitExceeded("LATTICE_ARCS_MAX", LATTICE_ARCS_MAX, count, where)


def topological(links: Sequence[Link], wrong: Callable[[str, int], InputError]) -> list[int]:
    """The nodes of the links, each before those that follow it, by Kahn's algorithm.

    Raises:
        InputError: there is a cycle; the line is that of a link of it.
    """
    waits: dict[int, int] = {}
    following: dict[int, list[int]] = {}
    for one in links:
        waits.setdefault(one.source, 0)
        waits[one.target] = waits.get(one.target, 0) + 1
        following.setdefault(one.source, []).append(one.target)
    free = [node for node, number in waits.items() if number == 0]
    order = []
    while free:
        node = free.pop()
        order.append(node)
        for target in following.get(node, ()):
            waits[target] -= 1
            if waits[target] == 0:
                free.append(target)
    if len(order) < len(waits):
        left = set(waits) - set(order)
        raise wrong(
            "the lattice has a cycle through this link; words follow each other in time",
            _link_of_cycle([one for one in links if one.source in left and one.target in left]),
        )
    return order


def _link_of_cycle(links: Iterable[Link]) -> int:
    """The last line of a cycle, where each node is entered from another one."""
    into = {one.target: one for one in links}
    node = next(iter(into))
    seen: dict[int, int] = {}
    while node not in seen:
        seen[node] = into[node].line
        node = into[node].source
    cycle = list(seen).index(node)
    return max(list(seen.values())[cycle:])


def _reached(
    begin: set[int], links: Sequence[Link], order: Sequence[int], *, backwards: bool = False
) -> set[int]:
    """The nodes that paths from `begin` come through, or with `backwards`, paths to it."""
    neighbours: dict[int, list[int]] = {}
    for one in links:
        here, there = (one.target, one.source) if backwards else (one.source, one.target)
        neighbours.setdefault(here, []).append(there)
    reached = set(begin)
    for node in reversed(order) if backwards else order:
        if node in reached:
            reached.update(neighbours.get(node, ()))
    return reached


def _posteriors(links: Sequence[Link], place: Mapping[int, int]) -> list[float]:
    """The share of each link in the probability of all paths; `links` sorted by their source."""
    ahead = [-math.inf] * len(place)
    behind = [-math.inf] * len(place)
    ahead[0] = behind[-1] = 0.0
    for one in links:
        here, there = place[one.source], place[one.target]
        ahead[there] = _log_add(ahead[there], ahead[here] + one.acoustic + one.language)
    for one in reversed(links):
        here, there = place[one.source], place[one.target]
        behind[here] = _log_add(behind[here], behind[there] + one.acoustic + one.language)
    return [
        math.exp(
            min(
                0.0,
                ahead[place[one.source]]
                + one.acoustic
                + one.language
                + behind[place[one.target]]
                - behind[0],
            )
        )
        for one in links
    ]


def _log_add(one: float, other: float) -> float:
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
