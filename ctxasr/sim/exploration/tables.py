"""Both tables as a machine of numbered states: one operation leads from a state to the next.

An operation of a store is a function of the tables and of its arguments. So each operation is
carried out once on each state, by a copy of the real stores, and looked up after that. Two states
are the same if both stores hold equal things; these are compared in full, not by a digest.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, Protocol, TypeVar

from ctxasr.events import ConsistentStatus, TurnKey
from ctxasr.ports import Clock, EventStore, PayloadVault
from ctxasr.sim.exploration.small_turns import TURN
from ctxasr.sim.exploration.stepped import Operation, StandingClock

T = TypeVar("T")


class ExploredVault(PayloadVault, Protocol):
    """A payload table in memory; `rows` by place, for the checks to look at."""

    rows: dict[tuple[str, str], tuple[bytes, int]]


Stores = tuple[EventStore, ExploredVault]
MakeStores = Callable[[Clock, Callable[[int], bytes]], Stores]
"""Fresh stores in memory over a clock and a source of keys and nonces. No operation may wait, and
what they hold must stand in attributes that are dicts of values which nobody changes in place."""


class Draws:
    """Keys and nonces that depend on who asks for what, not on when: equal states stay equal."""

    def __init__(self) -> None:
        self._place, self._drawn = "", 0

    def of(self, operation: Operation) -> None:
        """What is drawn from now on belongs to this operation."""
        what = operation.issuer if operation.name == "new_key" else repr(operation.args[1:3])
        self._place, self._drawn = f"{operation} {what}", 0

    def __call__(self, size: int) -> bytes:
        self._drawn += 1
        place = f"{self._place} {self._drawn}".encode()
        return hashlib.shake_128(place).digest(size)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation that ended with an error of its own."""

    error: Exception

    def __hash__(self) -> int:
        return hash(type(self.error))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and repr(other.error) == repr(self.error)


WhatIf = Callable[[Stores, Operation], Any]
"""Carries out an operation otherwise than the store does."""


def _unclaimed(stores: Stores, operation: Operation) -> Any:
    """No claim before the work: each recorder sets out, and the first to settle wins."""
    if operation.name == "claim":
        turn, owner = operation.args
        item = now(stores[0].read(turn))
        return item if item is None or item.outcome else item._replace(owner=owner)
    owner = dict(operation.options).get("owner")
    if operation.name == "settle" and owner is not None:
        now(stores[0].claim(operation.args[0], owner))
    return carry_out(stores, operation)


def _foreign_conflict(stores: Stores, operation: Operation) -> Any:
    """A claim whose condition failed says no more than that: somebody owns the turn."""
    if operation.name == "claim":
        item = now(stores[0].read(operation.args[0]))
        if item is not None and item.owner is not None:
            return item._replace(owner="somebody")
    return carry_out(stores, operation)


WHAT_IFS: Final[Mapping[str, WhatIf]] = {
    "no-claim": _unclaimed,
    "blind-conflict": _foreign_conflict,
}


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("a store that is explored must not wait")


def carry_out(stores: Stores, operation: Operation) -> Any:
    """Do it on the stores themselves."""
    port = stores[operation.port == "payload"]
    return now(getattr(port, operation.name)(*operation.args, **dict(operation.options)))


def fork(stores: Stores) -> Stores:
    """Copies that can be written to without changing the originals."""
    return _twin(stores[0]), _twin(stores[1])


def _twin(store: T) -> T:
    twin = copy.copy(store)
    for name, value in _held(store).items():
        setattr(twin, name, value.copy())
    return twin


def _held(store: object) -> dict[str, dict[Any, Any]]:
    return {name: value for name, value in vars(store).items() if isinstance(value, dict)}


def frozen(value: Any) -> Any:
    """The same as something that can be compared and hashed."""
    if isinstance(value, dict):
        return frozenset((key, frozen(one)) for key, one in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    if is_dataclass(value) and not isinstance(value, type) and not isinstance(value, Refusal):
        return tuple(frozen(getattr(value, field.name)) for field in fields(value))
    return value


class Tables:
    """States, operations and answers by number; state 0 is empty."""

    def __init__(self, make: MakeStores, what_if: WhatIf | None = None) -> None:
        self._draws, self._what_if = Draws(), what_if
        fresh = make(StandingClock(), self._draws)
        self.stores: list[Stores] = [fresh]
        self.answers: list[Any] = []
        self.operations: list[Operation] = []
        self._states = {self.contents(fresh): 0}
        self._answer_numbers: dict[Any, int] = {}
        self._operation_numbers: dict[Any, int] = {}
        self._done: dict[tuple[int, int], tuple[int, int]] = {}

    @property
    def carried_out(self) -> int:
        """Operations that the stores have really carried out."""
        return len(self._done)

    def number_of(self, operation: Operation) -> int:
        """The number by which `step` knows it."""
        key = frozen(operation)
        known = self._operation_numbers.setdefault(key, len(self.operations))
        if known == len(self.operations):
            self.operations.append(operation)
        return known

    def step(self, state: int, operation: int) -> tuple[int, int]:
        """The state after it, and the number of its answer."""
        done = self._done.get((state, operation))
        if done is None:
            stores = fork(self.stores[state])
            answer = self.do(stores, self.operations[operation])
            done = self._done[state, operation] = self._number(stores), self.answer_number(answer)
        return done

    def do(self, stores: Stores, operation: Operation) -> Any:
        """Carry it out on these stores; the answer, a Refusal where it raised."""
        self._draws.of(operation)
        try:
            return (self._what_if or carry_out)(stores, operation)
        except Exception as error:  # of whatever kind: it is the answer
            return Refusal(error.with_traceback(None))

    def answer_number(self, answer: Any) -> int:
        """The number under which `answers` has it."""
        known = self._answer_numbers.setdefault(frozen(answer), len(self.answers))
        if known == len(self.answers):
            self.answers.append(answer)
        return known

    def _number(self, stores: Stores) -> int:
        known = self._states.setdefault(self.contents(stores), len(self.stores))
        if known == len(self.stores):
            self.stores.append(stores)
        return known

    @staticmethod
    def contents(stores: Stores) -> Any:
        """What both stores hold, to be compared."""
        return tuple(
            (name, frozen(value)) for store in stores for name, value in _held(store).items()
        )

    def item(self, state: int, turn: TurnKey = TURN) -> ConsistentStatus | None:
        """The turn's item in that state."""
        return item_of(self.stores[state], turn)


def item_of(stores: Stores, turn: TurnKey = TURN) -> ConsistentStatus | None:
    """The turn's item."""
    return now(stores[0].read(turn))
