"""The claim protocol as an explicit-state model: the twin of `infra/claim.tla`.

State variables and actions have the names that they have in the module; a test reads the module and
holds both together. Each event has one recorder that goes through

    open put write | claim await embed store settle | miss discard erase | drop clean | ack done

where one step is one operation of a store together with its answer (`Do`), or an operation whose
answer is lost, so that it will be repeated (`Lose`), or the death of the recorder's node, after
which its event is delivered again unless it is acknowledged (`Crash`), or a context that is late or
fails (`Fail`), or another delivery of an event that is acknowledged (`Again`), or the end of the
patience of one who awaits an owner that is at work (`Hurry`).
`ctxasr.sim.exploration.claim_checks` runs it to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

NOBODY: Final = "nobody"
START_OF_PAYLOAD: Final = "open"
START: Final = "write"
CLOSED: Final = frozenset({"missed", "discarded"})
LABELS: Final = frozenset(
    "open put write claim await embed store settle miss discard erase drop clean ack done".split()
)
THEN: Final = {"put": "write", "store": "settle", "drop": "ack", "clean": "ack", "ack": "done"}
"""What follows whatever the answer is."""

OUTCOMES: Final = frozenset({"open", "embedded", "missed", "discarded"})


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants of the module.

    `payloads` are the events that carry a text; `needed` satisfy the trigger together, `asks` is
    the expect-speech among them; `closes` is the event that ends the request.
    """

    events: tuple[str, ...]
    payloads: frozenset[str]
    needed: frozenset[str]
    asks: str
    closes: str
    crashes_max: int = 2
    losses_max: int = 2
    duplicates_max: int = 1
    hurries_max: int = 0

    def start(self, event: str) -> str:
        """Where its recorder begins."""
        return START_OF_PAYLOAD if event in self.payloads else START


MIXED: Final = Constants(
    events=("reply", "expect", "completed"),
    payloads=frozenset({"reply"}),
    needed=frozenset({"reply", "expect"}),
    asks="expect",
    closes="completed",
)
"""As `infra/claim.cfg` has it: expect-speech, its last payload and the end of the request race."""

RACING: Final = Constants(
    events=("reply", "expect", "entities"),
    payloads=frozenset({"reply", "entities"}),
    needed=frozenset({"reply", "expect"}),
    asks="expect",
    closes=NOBODY,
)
"""A payload that nobody waits for may be the second to see the trigger satisfied."""


class State(NamedTuple):
    """The variables of the module; functions of events are tuples in the order of the events."""

    pc: tuple[str, ...]
    delivery: tuple[int, ...]
    seen: tuple[frozenset[str], ...]
    acked: frozenset[str]
    recorded: frozenset[str]
    key: str
    rows: frozenset[str]
    owner: str
    outcome: str
    contexts: frozenset[tuple[str, int]]
    effective: frozenset[tuple[str, int]]
    crashes: int
    losses: int
    duplicates: int
    hurries: int


class Model:
    """The actions, named as in the module."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def first(self) -> State:
        """Init."""
        events = self.constants.events
        return State(
            pc=tuple(self.constants.start(event) for event in events),
            delivery=(0,) * len(events),
            seen=(frozenset(),) * len(events),
            acked=frozenset(),
            recorded=frozenset(),
            key="none",
            rows=frozenset(),
            owner=NOBODY,
            outcome="open",
            contexts=frozenset(),
            effective=frozenset(),
            crashes=0,
            losses=0,
            duplicates=0,
            hurries=0,
        )

    def steps(self, state: State) -> Iterator[tuple[str, str, State]]:
        """Next: action, event, and the state that it leads to."""
        for place, event in enumerate(self.constants.events):
            label = state.pc[place]
            if label == "done":
                if state.duplicates < self.constants.duplicates_max:
                    yield "Again", event, self.again(state, place, event)
                continue
            done = self.effect(state, place, event)
            if not self.must_wait(state, label):
                yield "Do", event, at(done, place, self.after(done, place, event))
            elif state.hurries < self.constants.hurries_max:
                yield "Hurry", event, at(state, place, "embed")._replace(hurries=state.hurries + 1)
            if label != "ack" and state.losses < self.constants.losses_max:
                yield "Lose", event, done._replace(losses=state.losses + 1)
            if state.crashes < self.constants.crashes_max:
                yield "Crash", event, self.crash(state, place, event)
            if label in ("embed", "store", "settle"):
                yield "Fail", event, at(state, place, "miss")

    def must_wait(self, s: State, label: str) -> bool:
        """Whether a recorder awaits an owner that is at work."""
        if label != "await" or s.outcome != "open":
            return False
        return s.pc[self.constants.events.index(s.owner)] != "done"

    def effect(self, s: State, place: int, event: str) -> State:
        """What the operation of a recorder does to the tables, whether its answer comes or not."""
        label, attempt = s.pc[place], (event, s.delivery[place])
        if label == "open" and s.outcome == "open" and s.key == "none":
            return s._replace(key="there")
        if label == "put":
            return s._replace(rows=s.rows | {event})
        if label == "write":
            return s._replace(recorded=s.recorded | {event})
        if label == "claim" and s.owner == NOBODY and s.outcome == "open":
            return s._replace(owner=event)
        if label == "store":
            return s._replace(contexts=s.contexts | {attempt})
        if label == "settle" and s.outcome == "open" and s.owner != NOBODY:
            return s._replace(outcome="embedded", effective=s.effective | {attempt})
        if label in ("miss", "discard"):
            entitled = (s.owner == NOBODY) == (label == "discard")
            refs = put(s.seen, place, s.recorded & self.constants.payloads)
            if s.outcome == "open" and entitled:
                outcome = "discarded" if label == "discard" else "missed"
                return s._replace(seen=refs, outcome=outcome, key="gone")
            return s._replace(seen=refs)
        if label == "erase":
            return s._replace(rows=s.rows - s.seen[place])
        if label == "drop":
            return s._replace(contexts=s.contexts - {attempt})
        if label == "clean":
            return s._replace(rows=s.rows - {event})
        if label == "ack":
            return s._replace(acked=s.acked | {event})
        return s

    def after(self, s: State, place: int, event: str) -> str:
        """Where a recorder goes on, given the tables after its operation: its answer."""
        label, attempt = s.pc[place], (event, s.delivery[place])
        if label == "open":
            return "put" if s.key == "there" else "write"
        if label in THEN:
            return THEN[label]
        if label == "write":
            return self.decide(s, event)
        if label == "claim":
            if s.outcome != "open":
                return "ack"
            return "embed" if s.owner == event else self.waits(event)
        if label == "await":
            return "embed" if s.outcome == "open" else "ack"
        if label == "embed":
            readable = (
                s.key == "there" and self.constants.needed & self.constants.payloads <= s.rows
            )
            return "store" if readable else "miss"
        if label == "settle":
            return "ack" if attempt in s.effective else "drop"
        if label == "miss":
            return "erase" if s.outcome == "missed" else "ack" if attempt in s.effective else "drop"
        if label == "discard":
            return "erase" if s.outcome == "discarded" else "ack"
        return "ack" if s.owner == NOBODY else "drop"  # erase

    def decide(self, s: State, event: str) -> str:
        """The item that a write returns, and what is to be done about it: `ctxasr.trigger`."""
        if s.outcome in CLOSED and event in self.constants.payloads:
            return "clean"
        if s.outcome != "open":
            return "ack"
        if s.owner != NOBODY:
            return "embed" if s.owner == event else self.waits(event)
        if self.constants.asks in s.recorded:
            return "claim" if self.constants.needed <= s.recorded else "ack"
        return "discard" if self.constants.closes in s.recorded else "ack"

    def waits(self, event: str) -> str:
        """What becomes of an event that finds the turn claimed by another."""
        return "await" if event in self.constants.payloads | {self.constants.asks} else "ack"

    def crash(self, s: State, place: int, event: str) -> State:
        """The node dies with all that it knew; what is not acknowledged comes to a fresh one."""
        dead = s._replace(seen=put(s.seen, place, frozenset[str]()), crashes=s.crashes + 1)
        return at(dead, place, "done") if event in s.acked else self.deliver(dead, place, event)

    def again(self, s: State, place: int, event: str) -> State:
        """An event that is acknowledged is delivered once more."""
        return self.deliver(s._replace(duplicates=s.duplicates + 1), place, event)

    def deliver(self, s: State, place: int, event: str) -> State:
        """Its recorder begins anew."""
        return at(s, place, self.constants.start(event))._replace(
            delivery=put(s.delivery, place, s.delivery[place] + 1),
        )


def at(s: State, place: int, label: str) -> State:
    """The state with one recorder moved on."""
    return s._replace(pc=put(s.pc, place, label))


def put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """The tuple with one value replaced."""
    return (*values[:place], value, *values[place + 1 :])


ACTIONS: Final = ("Do", "Lose", "Crash", "Fail", "Again", "Hurry")
