"""The most probable word sequences of a lattice or a confusion network, each once.

    0 --meg -0.1--> 1 --power -0.5--> 2        meg power   -0.6
                    1 --bauer -1.2--> 2        meg bauer   -1.3

A best-first search whose states are beginnings of texts. Of each beginning it holds all nodes where
paths that say it may stand, with the best score to each (a subset construction on the fly): what is
said twice, with other times or other silences, is one state. The estimate of what is to come is
exact, the best score from each node to the last, so the first N texts that are complete are the N
best, and the beginnings that are taken up are theirs alone, but for equal scores.

Source: M. Mohri and M. Riley, "An efficient algorithm for the n-best-strings problem", ICSLP 2002.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, NamedTuple

from ctxasr.errors import LimitExceeded
from ctxasr.hypotheses import (
    N_BEST_MAX,
    WORDS_MAX,
    ConfusionNetwork,
    Hypothesis,
    Lattice,
    checked_n_best,
)
from ctxasr.words import normalise

SEARCH_ARCS_MAX: Final = 2_000_000
"""Arcs that one search follows, some seconds; fifty texts of a usual lattice take thousands."""


COST_DIGITS: Final = 9
"""Decimals of a cost: sums of equal scores differ in their last digits, and are equal without."""


class _Step(NamedTuple):
    """An arc out of a node: the words as they are compared, as they are written, and its score."""

    target: int
    words: str
    written: str
    score: float


class _State(NamedTuple):
    """A beginning of a text, ordered by the best score of any text that begins so.

    Of equal ones the longest goes first, so that texts are completed, then what the network names
    first.

    `nodes` are where paths that say it may stand, with the best score to each; None where the text
    is complete.
    """

    cost: float
    left: int
    number: int
    words: str
    written: str
    nodes: dict[int, float] | None


def best_paths(
    network: Lattice | ConfusionNetwork, entries: int = N_BEST_MAX
) -> tuple[Hypothesis, ...]:
    """The `entries` best hypotheses by total log probability, best first.

    The score of a text is that of its best path. Two texts that differ in case or punctuation alone
    are one. The list ends early where the network has no more, or where the search has followed
    SEARCH_ARCS_MAX arcs; what it holds is exact. The text "" is a hypothesis like others.

    >>> slots = ((("Meg", 1.0),), (("power", 0.5), ("Bauer", 0.3), ("", 0.2)))
    >>> [(one.text, round(one.score, 2)) for one in best_paths(ConfusionNetwork(slots), 2)]
    [('Meg power', -0.69), ('Meg Bauer', -1.2)]

    Raises:
        LimitExceeded: no or more than N_BEST_MAX entries, one of the best texts has more than
            WORDS_MAX words, or the first is not found within SEARCH_ARCS_MAX.
    """
    checked_n_best(entries)
    steps = _steps_of(network)
    search = _Search(steps, _to_the_end(steps))
    found: dict[tuple[str, ...], Hypothesis] = {}
    for text, score in search.texts():
        one = Hypothesis(text, score)
        found.setdefault(one.words, one)
        if len(found) == entries:
            break
    if search.followed > SEARCH_ARCS_MAX and not found:
        raise LimitExceeded("SEARCH_ARCS_MAX", SEARCH_ARCS_MAX, search.followed, "network")
    return tuple(found.values())


class _Search:
    """One search over the steps out of each node, and the best scores from each to the last."""

    def __init__(self, steps: Sequence[Sequence[_Step]], ahead: Sequence[float]) -> None:
        self.steps, self.ahead, self.followed = steps, ahead, 0
        self._numbers = count()

    def texts(self) -> Iterator[tuple[str, float]]:
        """Complete texts with their scores, the best first; one may come twice."""
        if not self.steps or self.ahead[0] == -math.inf:
            return
        states = [self._state("", "", {0: 0.0})]
        last = len(self.steps) - 1
        while states and self.followed <= SEARCH_ARCS_MAX:
            state = heappop(states)
            if state.nodes is None:
                yield state.written, -state.cost
                continue
            if -state.left > WORDS_MAX:
                raise LimitExceeded("WORDS_MAX", WORDS_MAX, -state.left, "network")
            if last in state.nodes:
                number = next(self._numbers)
                end = state._replace(cost=_cost(state.nodes[last]), number=number, nodes=None)
                heappush(states, end)
            for following in self._following(state):
                heappush(states, following)

    def _following(self, state: _State) -> Iterator[_State]:
        """The beginnings that are longer by a word."""
        assert state.nodes is not None
        reached: dict[str, dict[int, float]] = {}
        written: dict[str, tuple[float, str]] = {}
        for node, score in state.nodes.items():
            for step in self.steps[node]:
                self.followed += 1
                if not step.words or self.ahead[step.target] == -math.inf:
                    continue
                new = score + step.score
                nodes = reached.setdefault(step.words, {})
                nodes[step.target] = max(new, nodes.get(step.target, -math.inf))
                whole = (new + self.ahead[step.target], step.written)
                if step.words not in written or whole[0] > written[step.words][0]:
                    written[step.words] = whole
        for words, nodes in reached.items():
            text = f"{state.written} {written[words][1]}".strip()
            yield self._state(f"{state.words} {words}".strip(), text, nodes)

    def _state(self, words: str, written: str, nodes: dict[int, float]) -> _State:
        """With the nodes that are reached without a word."""
        waiting = list(nodes)
        heapify(waiting)
        while waiting:  # in topological order, so each node is final when it is left
            node = heappop(waiting)
            for step in self.steps[node]:
                self.followed += 1
                if step.words or self.ahead[step.target] == -math.inf:
                    continue
                if step.target not in nodes:
                    heappush(waiting, step.target)
                    nodes[step.target] = -math.inf
                nodes[step.target] = max(nodes[step.target], nodes[node] + step.score)
        best = max(score + self.ahead[node] for node, score in nodes.items())
        return _State(_cost(best), -len(words.split()), next(self._numbers), words, written, nodes)


def _cost(score: float) -> float:
    return round(0.0 - score, COST_DIGITS)


def _steps_of(network: Lattice | ConfusionNetwork) -> list[list[_Step]]:
    """The steps out of each node; all lead to nodes of higher numbers."""
    if isinstance(network, ConfusionNetwork):
        return [
            *(
                [
                    _Step(place + 1, normalise(text), text, math.log(probability))
                    for text, probability in slot
                ]
                for place, slot in enumerate(network.slots)
            ),
            [],
        ]
    steps: list[list[_Step]] = [[] for _ in network.times_s]
    for arc in network.arcs:
        steps[arc.source].append(_Step(arc.target, normalise(arc.word), arc.word, arc.total))
    return steps


def _to_the_end(steps: Sequence[Sequence[_Step]]) -> list[float]:
    """The best score from each node to the last; -inf where no path leads there."""
    ahead = [-math.inf] * len(steps)
    for node in range(len(steps) - 1, -1, -1):
        if node == len(steps) - 1:
            ahead[node] = 0.0
        else:
            ahead[node] = max(
                (step.score + ahead[step.target] for step in steps[node]), default=-math.inf
            )
    return ahead
