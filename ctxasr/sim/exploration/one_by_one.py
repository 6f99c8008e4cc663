"""Single interleavings, from the beginning to the end, on live handlers and live tables.

    replay(setting, violation.actions)     the steps of one interleaving, for people to read
    one_by_one(setting)                    all of them, each run anew: the check of `explore`

Nothing is looked up here: every handler is the real coroutine, every operation is carried out on
stores of this interleaving's own, and a crash kills the handler, whose ports raise from then on
what no handler catches. It takes a thousand times as long as `explore` and sees the same ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctxasr.errors import StoreUnavailable
from ctxasr.events import ConsistentStatus
from ctxasr.sim.exploration.handlers import DEADLINE, feed
from ctxasr.sim.exploration.small_turns import HELPERS
from ctxasr.sim.exploration.stepped import Stepped
from ctxasr.sim.exploration.tables import Refusal, fork, item_of
from ctxasr.sim.exploration.turn import (
    CARRY_OUT,
    CRASH,
    DEADLINE_PASSES,
    DUPLICATE,
    EVENTUAL_READS,
    KINDS,
    LOOK,
    LOSE,
    REFUSE,
    STALE,
    Action,
    Setting,
    is_settled,
)

INTERLEAVINGS_MAX: Final = 1_000_000
"""That are run one by one, unless the caller names another limit: about a quarter of an hour."""

Choice = tuple[int, str, int, bool]
"""Kind, the handler's process, the operation's number (0: none), and whether it is carried out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an interleaving, in words; `item` is the turn's item after it."""

    process: str
    operation: str
    fault: str
    item: str

    def __str__(self) -> str:
        return f"{self.process}: {self.operation} {self.fault} -> {self.item}"


class Interleaving:
    """One run of a setting; it goes on by `take`."""

    def __init__(self, setting: Setting) -> None:
        self._setting, tables = setting, setting.tables
        self.stores = fork(tables.stores[setting.first[0]])
        self.used = [0, 0, 0, 0, 0]
        self.acknowledged: set[str] = set()
        self.running: dict[str, Stepped] = {}
        self.taken = 0
        for actor in range(len(setting.at_once)):
            self._begin(actor, 0)

    def choices(self) -> list[Choice]:
        """What may happen next."""
        faults, used = self._setting.faults, self.used
        found: list[Choice] = []
        only_wait = [name for name, handler in self.running.items() if not handler.pending]
        may_look = is_settled(item_of(self.stores)) or len(only_wait) == len(self.running)
        if may_look:
            found += [(LOOK, process, 0, False) for process in only_wait]
        for process, handler in self.running.items():
            kinds: list[tuple[int, bool]] = [(CARRY_OUT, True)]
            late = used[3] < faults.deadlines and handler.has_deadline
            late = late and (bool(handler.pending) or not may_look)
            if used[0] < faults.crashes:
                found.append((CRASH, process, 0, False))
                kinds.append((CRASH, True))
            if used[1] < faults.lost_answers:
                kinds.append((LOSE, True))
            if used[2] < faults.outages:
                kinds += [(REFUSE, False), (REFUSE, True)]
            if late:
                found.append((DEADLINE_PASSES, process, 0, False))
                kinds.append((DEADLINE_PASSES, True))
            for number, operation in handler.pending.items():
                found += [(kind, process, number, done) for kind, done in kinds]
                if self._may_be_stale(operation.name):
                    found.append((STALE, process, number, True))
        if used[4] < faults.duplicates:
            delivery = self._delivery() + 1
            names = [name for name in self._setting.at_once if name not in HELPERS]
            found += [(DUPLICATE, f"{name}/{delivery}", 0, False) for name in names]
        return found

    def _may_be_stale(self, name: str) -> bool:
        eventual = self._setting.what_if == EVENTUAL_READS and name == "record"
        return eventual and item_of(self.stores) is not None

    def _delivery(self) -> int:
        return self.used[0] + self.used[2] + self.used[4]

    def take(self, choice: Choice) -> Step:
        """Let one of the choices happen."""
        kind, process, number, done = choice
        self.taken += 1
        place = {CRASH: 0, LOSE: 1, REFUSE: 2, DEADLINE_PASSES: 3, DUPLICATE: 4}.get(kind)
        if place is not None:
            self.used[place] += 1
        asked = ""
        if kind == DUPLICATE:
            name, _, delivery = process.rpartition("/")
            self._begin(self._setting.handlers.names.index(name), int(delivery))
        else:
            handler = self.running[process]
            operation = handler.pending.get(number)
            seen = item_of(self.stores)
            answer: Any = None
            if operation is not None:
                asked = str(operation)
                if done:
                    answer = self._setting.tables.do(self.stores, operation)
            self._let(kind, handler, number, seen if kind == STALE else answer)
        fault = KINDS[kind] and f"{KINDS[kind]}{'' if done or not number else ', not carried out'}"
        return Step(process, asked, fault, in_words(item_of(self.stores)))

    def _let(self, kind: int, handler: Stepped, number: int, answer: Any) -> None:
        """One thing happens to a handler, and whoever ends by it is replaced or acknowledged."""
        name, _, _ = handler.process.rpartition("/")
        if kind == LOSE:
            return
        if kind == CRASH:
            handler.crash()
        elif kind in (DEADLINE_PASSES, LOOK):
            feed(handler, DEADLINE, self._setting.tables)
        elif kind == REFUSE:
            handler.refuse(number, StoreUnavailable("the store does not answer"))
        elif isinstance(answer, Refusal):
            handler.refuse(number, answer.error.with_traceback(None))
        else:
            handler.answer(number, answer)
        if not (handler.is_done or handler.is_dead):
            return
        del self.running[handler.process]
        if kind == CRASH or isinstance(handler.error, StoreUnavailable):
            if name not in HELPERS and name not in self.acknowledged:
                self._begin(self._setting.handlers.names.index(name), self._delivery())
        elif handler.error is None:
            self.acknowledged.add(name)
        handler.close()

    def _begin(self, actor: int, delivery: int) -> None:
        handler = self._setting.handlers.start(actor, delivery)
        self.running[handler.process] = handler

    def close(self) -> None:
        """End what still runs."""
        for handler in self.running.values():
            handler.crash()


def replay(setting: Setting, actions: Sequence[Action]) -> list[Step]:
    """The steps of one interleaving that `explore` has found, run anew."""
    handlers, run = setting.handlers, Interleaving(setting)
    steps = []
    for kind, node, number, done in actions:
        process = f"{handlers.names[handlers.actor[node]]}/{handlers.delivery[node]}"
        steps.append(run.take((kind, process, number, bool(done))))
    run.close()
    return steps


def one_by_one(
    setting: Setting,
    *,
    interleavings_max: int = INTERLEAVINGS_MAX,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Interleaving]:
    """Every interleaving at its end, one after the other; depth first.

    Yields at most `interleavings_max`: fewer than that are all of them.
    """
    path: list[int] = []
    for done in range(interleavings_max):
        run, widths = Interleaving(setting), list[int]()
        while True:
            # Where nobody runs any more, to end is one of the choices: a duplicate may yet come.
            choices: list[Choice | None] = (
                [*run.choices()] if run.running else [None, *run.choices()]
            )
            if len(widths) == len(path):
                path.append(0)
            choice = choices[path[len(widths)]]
            widths.append(len(choices))
            if choice is None:
                break
            run.take(choice)
        yield run
        progress(done + 1)
        while path and path[-1] == widths[len(path) - 1] - 1:
            path.pop()
        if not path:
            return
        path[-1] += 1


def ends_of(setting: Setting) -> Counter[Any]:
    """The ends of all interleavings, tables and faults, with how many lead there."""
    found: Counter[Any] = Counter()
    for run in one_by_one(setting):
        found[setting.tables.contents(run.stores), tuple(run.used)] += 1
    return found


def in_words(item: ConsistentStatus | None) -> str:
    """What matters of an item, on one line and without texts."""
    if item is None:
        return "no item"
    key = "key" if item.wrapped_key is not None else "no key"
    owner = "unclaimed" if item.owner is None else f"claimed by {item.owner}"
    settled = "not settled" if item.outcome is None else str(item.outcome)
    return f"{'+'.join(sorted(item.marks)) or 'no event'}, {key}, {owner}, {settled}"


__all__ = ["INTERLEAVINGS_MAX", "Interleaving", "Step", "ends_of", "one_by_one", "replay"]
