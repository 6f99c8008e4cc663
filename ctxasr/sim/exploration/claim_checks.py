"""What the claim protocol must keep, and the search that visits every state of its model.

    found = check(MIXED)                   every state with up to two crashes and two lost answers
    found.states, found.broken

Invariants and properties have the names that they have in `infra/claim.tla`; the numbers are those
of the design. Safety is checked in every state and on every step. Liveness is `Settles` and
`Acknowledges` under weak fairness of each recorder's `Do`: the steps form no circle, so every fair
behaviour ends in a state where no `Do` is possible, and in each of those all must be settled and
acknowledged. A circle is taken for a behaviour that never settles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ctxasr.sim.exploration.claim_model import (
    CLOSED,
    LABELS,
    NOBODY,
    OUTCOMES,
    Constants,
    Model,
    State,
)


def type_ok(c: Constants, s: State) -> bool:
    """Every variable has a value of its kind."""
    return (
        set(s.pc) <= LABELS
        and s.outcome in OUTCOMES
        and s.owner in {*c.events, NOBODY}
        and s.key in {"none", "there", "gone"}
        and s.acked | s.recorded <= set(c.events)
        and s.rows <= c.payloads
        and {event for event, _ in s.contexts | s.effective} <= set(c.events)
        and 0 <= s.crashes <= c.crashes_max
        and 0 <= s.losses <= c.losses_max
        and 0 <= s.duplicates <= c.duplicates_max
        and 0 <= s.hurries <= c.hurries_max
    )


def at_most_one_context(c: Constants, s: State) -> bool:
    """2: at most one takes effect, and only by settling; it can be read."""
    settled = len(s.effective) == (s.outcome == "embedded")
    return settled and s.effective <= s.contexts and (not s.effective or s.key == "there")


def claim_is_recognised(c: Constants, s: State) -> bool:
    """3: nobody is acknowledged who owns the claim of a turn that is not settled; but a duplicate
    of what is acknowledged may come to own it."""
    return s.outcome != "open" or s.owner not in s.acked or s.duplicates > 0


def trigger_is_answered(c: Constants, s: State) -> bool:
    """1: once the acknowledged events satisfy the trigger, the turn is settled."""
    return not c.needed <= s.acked or s.outcome != "open"


def completed_is_closed(c: Constants, s: State) -> bool:
    """1: a completed turn in which nothing expects speech is settled."""
    waits = c.closes in s.acked and c.asks not in s.recorded
    return not waits or s.outcome != "open"


def acknowledged_is_recorded(c: Constants, s: State) -> bool:
    """9: an acknowledged event is in the item."""
    return s.acked <= s.recorded


def claimed_is_not_discarded(c: Constants, s: State) -> bool:
    """2: only the owner gives a claimed turn up, and then it is missed."""
    return s.outcome != "discarded" or s.owner == NOBODY


def closed_is_shredded(c: Constants, s: State) -> bool:
    """8: a turn that is missed or discarded has no key, and never gets one again."""
    return s.outcome not in CLOSED or s.key == "gone"


def payload_before_event(c: Constants, s: State) -> bool:
    """9: while there is a key, each recorded payload can be read: put first, deleted last."""
    return s.key != "there" or s.recorded & c.payloads <= s.rows


def nothing_is_left(c: Constants, s: State) -> bool:
    """8: when all are done and none has crashed, no payload of a closed turn is there, and no
    context but the one that took effect."""
    ended = set(s.pc) == {"done"} and s.crashes == 0
    closed = s.outcome in CLOSED
    return not ended or (s.contexts == s.effective and not (closed and s.rows))


Invariant = Callable[[Constants, State], bool]
INVARIANTS: Final[Mapping[str, Invariant]] = {
    "TypeOK": type_ok,
    "AtMostOneContext": at_most_one_context,
    "ClaimIsRecognised": claim_is_recognised,
    "TriggerIsAnswered": trigger_is_answered,
    "CompletedIsClosed": completed_is_closed,
    "AcknowledgedIsRecorded": acknowledged_is_recorded,
    "ClaimedIsNotDiscarded": claimed_is_not_discarded,
    "ClosedIsShredded": closed_is_shredded,
    "PayloadBeforeEvent": payload_before_event,
    "NothingIsLeft": nothing_is_left,
}


def settled_for_good(before: State, after: State) -> bool:
    """2: an outcome and its context never change."""
    kept = (before.outcome, before.effective) == (after.outcome, after.effective)
    return before.outcome == "open" or kept


def owned_for_good(before: State, after: State) -> bool:
    """3: a claim never changes hands."""
    return before.owner in {NOBODY, after.owner}


def recorded_for_good(before: State, after: State) -> bool:
    """9: no event is lost again."""
    return before.recorded <= after.recorded


Property = Callable[[State, State], bool]
STEP_PROPERTIES: Final[Mapping[str, Property]] = {
    "SettledForGood": settled_for_good,
    "OwnedForGood": owned_for_good,
    "RecordedForGood": recorded_for_good,
}


def settles(c: Constants, s: State) -> bool:
    """1: the turn is settled."""
    return s.outcome != "open"


def acknowledges(c: Constants, s: State) -> bool:
    """8: every event is acknowledged."""
    return len(s.acked) == len(c.events)


LIVENESS: Final[Mapping[str, Invariant]] = {"Settles": settles, "Acknowledges": acknowledges}


@dataclass(frozen=True, slots=True)
class Broken:
    """What does not hold, and the shortest way there: actions with their events."""

    name: str
    way: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """How much there was, and what was broken."""

    states: int
    steps: int
    ends: int
    depth: int
    """Steps to the state that is farthest."""
    broken: Broken | None


def check(constants: Constants, model: type[Model] = Model) -> Checked:
    """Visit every state, breadth first, up to the first that breaks something."""
    machine = model(constants)
    first = machine.first()
    known, states, depth = {first: 0}, [first], [0]
    came_from: list[tuple[int, str, str]] = [(-1, "", "")]
    arriving = [0]
    following: list[list[int]] = []
    ends = steps = 0

    def way(at: int) -> tuple[tuple[str, str], ...]:
        taken = []
        while at > 0:
            at, action, event = came_from[at]
            taken.append((action, event))
        return tuple(reversed(taken))

    def result(broken: Broken | None) -> Checked:
        return Checked(len(states), steps, ends, max(depth), broken)

    at = 0
    while at < len(states):
        state = states[at]
        for name, holds in INVARIANTS.items():
            if not holds(constants, state):
                return result(Broken(name, way(at)))
        following.append([])
        may_do = False
        for action, event, then in machine.steps(state):
            steps += 1
            may_do |= action == "Do"
            for name, keeps in STEP_PROPERTIES.items():
                if not keeps(state, then):
                    return result(Broken(name, (*way(at), (action, event))))
            number = known.setdefault(then, len(states))
            if number == len(states):
                states.append(then)
                depth.append(depth[at] + 1)
                came_from.append((at, action, event))
                arriving.append(0)
            arriving[number] += 1
            following[at].append(number)
        if not may_do:
            ends += 1
            for name, holds in LIVENESS.items():
                if not holds(constants, state):
                    return result(Broken(name, way(at)))
        at += 1
    for at in _circling(following, arriving):
        name = "Acknowledges" if settles(constants, states[at]) else "Settles"
        return result(Broken(name, way(at)))
    return result(None)


def _circling(following: list[list[int]], arriving: list[int]) -> list[int]:
    """The states on circles, or between two: what is left without those before and behind all."""
    ready = [] if arriving[0] else [0]
    before = set[int]()
    while ready:
        at = ready.pop()
        before.add(at)
        for then in following[at]:
            arriving[then] -= 1
            if not arriving[then]:
                ready.append(then)
    left = set(range(len(following))) - before
    while behind := {at for at in left if left.isdisjoint(following[at])}:
        left -= behind
    return sorted(left)
