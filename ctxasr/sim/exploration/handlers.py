"""The handlers as machines of numbered states: what they got so far leads to what they ask next.

A handler has a process, a loop and a clock of its own (`stepped`), so what it does next is a
function of its event and of the answers that it got, in their order. Each such history is run once,
with the real stages, and looked up after that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from ctxasr.errors import StoreUnavailable
from ctxasr.pipeline import Ports
from ctxasr.sim.exploration.stepped import ClaimNotRecognised, Stepped
from ctxasr.sim.exploration.tables import Refusal, Tables
from ctxasr.sim.loop import SimulationError

Start = Callable[[Ports], Coroutine[Any, Any, Any]]
"""Makes a handler's coroutine over the ports of its node."""

OPERATIONS_MAX: Final = 200
"""Of one delivery of one event: a handler that asks more is said not to end."""

DONE: Final = -1
"""The handler has returned: its event is acknowledged."""

FAILED: Final = -2
"""It has raised StoreUnavailable: its event will be delivered again."""

DEADLINE: Final = (0, 0)
"""In a history: time passed until the nearest timer, a deadline's or a sleep's."""

Happened = tuple[int, int]
"""An operation's number and its answer's, or DEADLINE."""


class Misbehaved(Exception):
    """A handler did what none may do; the message says what. `invariant` is the one it broke."""

    def __init__(self, what: str, invariant: int = 8) -> None:
        super().__init__(what)
        self.invariant = invariant


class Handlers:
    """States by number; `actors` are the handlers by name."""

    def __init__(
        self, tables: Tables, actors: Mapping[str, Start], options: dict[str, Any]
    ) -> None:
        self._tables, self._actors, self._options = tables, actors, options
        self.names = tuple(actors)
        self.actor: list[int] = []
        self.delivery: list[int] = []
        self.pending: list[tuple[tuple[int, int], ...]] = []
        """Of each state: its open operations, by their numbers in the handler and in the tables."""
        self.has_deadline: list[bool] = []
        """Whether operations of it are under way that a deadline ends."""
        self.only_waits: list[bool] = []
        """Whether it sleeps until it looks again, and asks for nothing meanwhile."""
        self.histories: list[tuple[Happened, ...]] = []
        self.runs = 0
        self._fresh: dict[tuple[int, int], int] = {}
        self._after: dict[tuple[int, Happened], int] = {}

    def start(self, actor: int, delivery: int) -> Stepped:
        """A handler of its own, on a node that no other delivery runs on."""
        name = self.names[actor]
        return Stepped(self._actors[name], f"{name}/{delivery}", **self._options)

    def fresh(self, actor: int, delivery: int) -> int:
        """The state in which a delivery begins."""
        node = self._fresh.get((actor, delivery))
        if node is None:
            node = self._fresh[actor, delivery] = self._run(actor, delivery, ())
        return node

    def after(self, node: int, happened: Happened) -> int:
        """The state after one more answer; DONE or FAILED where that was the last.

        Raises:
            Misbehaved: it raised something else, waits for nothing, or does not end.
        """
        following = self._after.get((node, happened))
        if following is None:
            history = (*self.histories[node], happened)
            following = self._run(self.actor[node], self.delivery[node], history)
            self._after[node, happened] = following
        return following

    def _run(self, actor: int, delivery: int, history: tuple[Happened, ...]) -> int:
        """Run a handler through its history, from the beginning."""
        self.runs += 1
        try:
            handler = self.start(actor, delivery)
            for happened in history:
                feed(handler, happened, self._tables)
        except SimulationError as error:
            name = f"{self.names[actor]}/{delivery}"
            raise Misbehaved(f"{name} stopped the simulation: {type(error).__name__}") from error
        if handler.is_done:
            return ended(handler)
        check_waits(handler)
        number_of = self._tables.number_of
        pending = tuple((number, number_of(one)) for number, one in handler.pending.items())
        self.has_deadline.append(handler.has_deadline and bool(pending))
        self.only_waits.append(not pending)
        self.pending.append(pending)
        self.histories.append(history)
        self.actor.append(actor)
        self.delivery.append(delivery)
        handler.crash()  # it stays where it is: its history brings it back
        return len(self.pending) - 1


def feed(handler: Stepped, happened: Happened, tables: Tables) -> None:
    """Let one answer, or a deadline, come to a handler."""
    if happened == DEADLINE:
        handler.let_time_pass()
        return
    number, answer = happened[0], tables.answers[happened[1]]
    if isinstance(answer, Refusal):
        handler.refuse(number, answer.error.with_traceback(None))
    else:
        handler.answer(number, answer)


def ended(handler: Stepped) -> int:
    """DONE or FAILED.

    Raises:
        Misbehaved: it raised something for which no redelivery helps.
    """
    error = handler.error
    handler.close()
    if error is None:
        return DONE
    if isinstance(error, StoreUnavailable):
        return FAILED
    number = 3 if isinstance(error, ClaimNotRecognised) else 8
    raise Misbehaved(f"{handler.process} raised {type(error).__name__}", number) from error


def check_waits(handler: Stepped) -> None:
    """A handler that has not ended waits for an answer, and has not asked for too many.

    Raises:
        Misbehaved
    """
    if not handler.pending and not handler.has_deadline:
        raise Misbehaved(f"{handler.process} waits for ever")
    if handler.issued > OPERATIONS_MAX:
        raise Misbehaved(f"{handler.process} has asked {handler.issued} times and does not end")
