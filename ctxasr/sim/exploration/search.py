"""Every interleaving of a small turn's store operations, over the real stages.

    found = explore(SMALL_TURNS["races"], make_stores, faults=Faults(crashes=1, lost_answers=1))
    found.interleavings, found.states, found.violation

Two interleavings that lead to the same state (`ctxasr.sim.exploration.turn`) have the same future:
what a handler asks next depends on nothing but its event and its answers, and what an operation
does on nothing but the tables and its arguments. So each state is expanded once, and no
interleaving is left out: `one_by_one` runs them one after the other, from the beginning, and the
tests hold both to the same number of interleavings for each end.

States are met in the order of their distance (breadth first), so the first violation has the
shortest interleaving. Every step uses up an answer or a fault, so the states form no circle, and
the number of interleavings is the number of paths: counted, not run.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctxasr.pipeline import on_event
from ctxasr.ports import ContextEncoder
from ctxasr.sim.exploration.checks import Faults
from ctxasr.sim.exploration.small_turns import SmallTurn
from ctxasr.sim.exploration.tables import MakeStores
from ctxasr.sim.exploration.turn import (
    RECORDERS,
    Action,
    Handle,
    Setting,
    at_end,
    prepare,
    steps_from,
)

STATES_MAX: Final = 5_000_000
"""States of one exploration, about 600 bytes each; one that is cut off here says so."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What did not hold, and the shortest way there."""

    what: str
    actions: tuple[Action, ...]
    """Each by handlers' states, for `ctxasr.sim.exploration.one_by_one` to run again."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What one exploration found, and how much it ran.

    `interleavings` are distinct orders of steps from the beginning to an end where nobody runs any
    more; `steps` lead from a state to another, and `merged` of them to one that was known.
    """

    turn: str
    recorders: int
    faults: Faults
    what_if: str
    states: int
    steps: int
    merged: int
    ends: int
    interleavings: int
    outcomes: Mapping[str, int]
    """Interleavings by the turn's outcome."""
    longest: int
    """Steps of the longest interleaving."""
    handler_runs: int
    """How often a handler was really run; each is another history of answers."""
    store_operations: int
    """How often the stores really carried something out; each on another state of theirs."""
    contexts_max: int
    """Context embeddings of the turn that were stored at the same time."""
    is_cut: bool
    """STATES_MAX was reached: this is no proof."""
    violation: Violation | None

    @property
    def holds(self) -> bool:
        """Whether everything was explored, and everything held."""
        return self.violation is None and not self.is_cut


class _Search:
    """Breadth first over the states of a setting."""

    def __init__(self, setting: Setting, states_max: int, progress: Callable[[int, int], None]):
        self.setting, self._states_max, self._progress = setting, states_max, progress
        self.known = {setting.first: 0}
        self.states = [setting.first]
        self.parents = array("q", [-1])
        self.actions: list[Action] = [(0, 0, 0, 0)]
        self.following: list[array[int]] = []
        self.outcomes: dict[int, str] = {}
        self.violation: Violation | None = None
        self.is_cut = False

    def run(self) -> None:
        """Until all states are expanded, something is broken, or there are too many."""
        setting, known, states = self.setting, self.known, self.states
        at = 0
        while at < len(states) and self.violation is None:
            state, following = states[at], array("q")
            if not state[3]:
                self.outcomes[at], broken = at_end(setting, state)
                if broken:
                    self._violate(broken, at, None)
                    break
            for action, then in steps_from(setting, state):
                if isinstance(then, str):
                    self._violate(then, at, action)
                    break
                number = known.get(then)
                if number is None:
                    if len(states) >= self._states_max:
                        self.is_cut = True
                        return
                    number = known[then] = len(states)
                    states.append(then)
                    self.parents.append(at)
                    self.actions.append(action)
                following.append(number)
            self.following.append(following)
            at += 1
            if at % 1_000 == 0:
                self._progress(at, len(states))

    def _violate(self, what: str, at: int, last: Action | None) -> None:
        actions = [last] if last is not None else []
        while at > 0:
            actions.append(self.actions[at])
            at = self.parents[at]
        self.violation = Violation(what, tuple(reversed(actions)))

    def paths(self) -> tuple[list[int], int]:
        """How many ways lead to each state, and the longest: each state after all before it."""
        arriving = [0] * len(self.states)
        for following in self.following:
            for then in following:
                arriving[then] += 1
        ways, depth, ready = [0] * len(self.states), [0] * len(self.states), [0]
        ways[0] = 1
        while ready:
            at = ready.pop()
            for then in self.following[at]:
                ways[then] += ways[at]
                depth[then] = max(depth[then], depth[at] + 1)
                arriving[then] -= 1
                if not arriving[then]:
                    ready.append(then)
        assert not any(arriving), "the states form a circle"
        return ways, max(depth)


def explore(
    turn: SmallTurn,
    make: MakeStores,
    *,
    recorders: int = RECORDERS,
    faults: Faults | None = None,
    what_if: str = "",
    encoder: ContextEncoder | None = None,
    handle: Handle = on_event,
    states_max: int = STATES_MAX,
    progress: Callable[[int, int], None] = lambda done, known: None,
) -> Exploration:
    """Explore every interleaving of `recorders` handlers with up to `faults`.

    `make` makes the stores, `handle` is what events are delivered to. `progress` hears how many
    states are expanded, and how many are known.

    Raises:
        InputError: the turn has fewer events than there are recorders.
    """
    setting = prepare(
        turn, make, recorders=recorders, faults=faults, what_if=what_if, encoder=encoder,
        handle=handle,
    )  # fmt: skip
    return search(setting, states_max=states_max, progress=progress)


def search(
    setting: Setting,
    *,
    states_max: int = STATES_MAX,
    progress: Callable[[int, int], None] = lambda done, known: None,
) -> Exploration:
    """Explore a setting that is prepared."""
    found = _Search(setting, states_max, progress)
    found.run()
    steps = sum(map(len, found.following))
    outcomes, longest = Counter[str](), 0
    if found.violation is None and not found.is_cut:
        ways, longest = found.paths()
        for at, outcome in found.outcomes.items():
            outcomes[outcome] += ways[at]
    return Exploration(
        turn=setting.turn.name,
        recorders=len(setting.at_once),
        faults=setting.faults,
        what_if=setting.what_if,
        states=len(found.states),
        steps=steps,
        merged=max(0, steps - len(found.states) + 1),
        ends=len(found.outcomes),
        interleavings=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        longest=longest,
        handler_runs=setting.handlers.runs,
        store_operations=setting.tables.carried_out,
        contexts_max=max(map(setting.contexts, range(len(setting.tables.stores)))),
        is_cut=found.is_cut,
        violation=found.violation,
    )


def ends(setting: Setting) -> Counter[Any]:
    """The ends of all interleavings, tables and faults used, with how many lead there."""
    found, counted = _Search(setting, STATES_MAX, lambda done, known: None), Counter[Any]()
    found.run()
    ways, _ = found.paths()
    for at in found.outcomes:
        tables, _, used, _ = found.states[at]
        counted[setting.tables.contents(setting.tables.stores[tables]), used] += ways[at]
    return counted
