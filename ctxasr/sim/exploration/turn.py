"""A small turn as a machine: its states, and every step that leads on from one.

    setting = prepare(SMALL_TURNS["races"], make_stores, faults=Faults(crashes=1))
    for action, then in steps_from(setting, setting.first): ...

A state is: the tables, which events are acknowledged, the faults that have happened, and of each
handler that runs the answers that it got so far. By one step somebody's open operation is carried
out and answered, or a fault happens; each step is checked, and so is each end.

A handler that waits for another's claim to be settled sleeps before it looks again. It wakes up
when the turn is settled, or when nobody else does anything any more; before that, when it loses its
patience, which counts as a deadline that passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import ConsistentStatus, Record
from ctxasr.forget import Forgotten, forget
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.ports import ContextEncoder
from ctxasr.sim.exploration.checks import (
    Faults,
    check_acknowledged,
    check_quiet,
    check_write,
    contexts_stored,
)
from ctxasr.sim.exploration.forgotten_checks import check_forgotten
from ctxasr.sim.exploration.handlers import DEADLINE, DONE, FAILED, Handlers, Misbehaved, Start
from ctxasr.sim.exploration.small_turns import (
    FORGETTER,
    HELPERS,
    SWEEPER,
    TTL_S,
    TURN,
    SmallTurn,
)
from ctxasr.sim.exploration.tables import WHAT_IFS, MakeStores, Refusal, Tables, fork

RECORDERS: Final = 3

EVENTUAL_READS: Final = "eventual-reads"
"""What if the item that a record returns may be the one before its own write."""

FORGET_ROUNDS_EXPLORED: Final = 3
"""Looks of the forgetter: with more of them there are too many states."""

GRACE_OVER_MS: Final = -1e9
"""The sweeper finds every turn's grace period over."""

CRASHES, LOST, OUTAGES, DEADLINES, DUPLICATES = range(5)
CARRY_OUT, CRASH, LOSE, REFUSE, DEADLINE_PASSES, STALE, DUPLICATE, LOOK = range(8)
KINDS: Final = ("", "node crashes", "answer lost", "adapter gives up", "deadline passes",
                "stale answer", "delivered once more", "looks again")  # fmt: skip

Action = tuple[int, int, int, int]
"""Kind, the handler's state, the operation's number in it (0: none), and whether it is done."""

State = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""Tables, acknowledged events (bits), faults used, states of the handlers that run.

Above the bit of each handler stands one that says: acknowledged, and forgotten since; the next one
says so of what was recorded before.
"""

Handle = Callable[[Record, Ports], Awaitable[Any]]


@dataclass(slots=True)
class Setting:
    """One small turn, ready to be explored: its machines and its first state."""

    turn: SmallTurn
    faults: Faults
    what_if: str
    tables: Tables
    handlers: Handlers
    first: State
    before: frozenset[str]
    at_once: tuple[str, ...]
    unavailable: int
    checked: dict[tuple[int, int, bool], str] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)

    def check_write(self, before: int, after: int, operation: int) -> str:
        """What a step between two states of the tables has broken; empty if nothing."""
        if before == after:
            return ""
        forgets = self.tables.operations[operation].name == "forget"
        known = self.checked.get((before, after, forgets))
        if known is None:
            stores = self.tables.stores
            known = next(check_write(self.turn, stores[before], stores[after], forgets), "")
            self.checked[before, after, forgets] = known
        return known

    def contexts(self, state: int) -> int:
        """Context embeddings that are stored in a state of the tables."""
        self.counted.extend(map(contexts_stored, self.tables.stores[len(self.counted) :]))
        return self.counted[state]


def prepare(
    turn: SmallTurn,
    make: MakeStores,
    *,
    recorders: int = RECORDERS,
    faults: Faults | None = None,
    what_if: str = "",
    encoder: ContextEncoder | None = None,
    handle: Handle = on_event,
) -> Setting:
    """Record what comes before, in order and without faults.

    Raises:
        InputError: the turn has fewer events than there are recorders.
    """
    before, at_once = turn.split(recorders)
    tables = Tables(make, WHAT_IFS.get(what_if))
    options = {
        "encoder": None if turn.encoder_fails else encoder,
        "payload_ttl_s": TTL_S,
        "patience": 0.0,
    }
    actors: dict[str, Start] = {name: _recorder(turn, name, handle) for name in turn.events}
    in_order = Handlers(tables, actors, options)
    state = 0
    for name in before:
        state = _alone(in_order, tables, state, name)
    actors = {name: actors[name] for name in at_once}
    actors |= {name: _HELPERS[name] for name in turn.helpers}
    handlers = Handlers(tables, actors, options)
    nodes = tuple(handlers.fresh(actor, 0) for actor in range(len(actors)))
    return Setting(
        turn=turn,
        faults=faults or Faults(),
        what_if=what_if,
        tables=tables,
        handlers=handlers,
        first=(state, 0, (0,) * 5, nodes),
        before=frozenset(before),
        at_once=tuple(actors),
        unavailable=tables.answer_number(Refusal(StoreUnavailable("the store does not answer"))),
    )


async def _sweep(ports: Ports) -> int:
    return await sweep(TURN.customer, replace(ports, grace_ms=GRACE_OVER_MS))


async def _forget(ports: Ports) -> Forgotten:
    try:
        return await forget(
            TURN.customer, ports.store, ports.vault, rounds_max=FORGET_ROUNDS_EXPLORED
        )
    except LimitExceeded:  # not answered, as where the store fails
        raise StoreUnavailable("events keep coming") from None


_HELPERS: Final[Mapping[str, Start]] = {SWEEPER: _sweep, FORGETTER: _forget}


def _recorder(turn: SmallTurn, name: str, handle: Handle) -> Start:
    record = turn.record(name)

    async def run(ports: Ports) -> Any:
        return await handle(record, ports)

    return run


def _alone(handlers: Handlers, tables: Tables, state: int, name: str) -> int:
    """One event by itself, without faults; returns the state of the tables after it."""
    node = handlers.fresh(handlers.names.index(name), 0)
    while node >= 0:
        number, operation = handlers.pending[node][0]
        state, answer = tables.step(state, operation)
        node = handlers.after(node, (number, answer))
    return state


def steps_from(setting: Setting, state: State) -> Iterator[tuple[Action, State | str]]:
    """Each step that is possible, and where it leads: a state, or what it has broken."""
    at, acknowledged, used, nodes = state
    handlers, faults = setting.handlers, setting.faults
    may_look = is_settled(setting.tables.item(at)) or all(handlers.only_waits[one] for one in nodes)
    for place, node in enumerate(nodes):
        only_waits = handlers.only_waits[node]
        if may_look and only_waits:
            yield (LOOK, node, 0, 0), _go_on(setting, state, at, used, place, DEADLINE)
        if used[CRASHES] < faults.crashes:
            yield (CRASH, node, 0, 0), _crash(setting, state, at, place)
        ends = handlers.has_deadline[node] or (only_waits and not may_look)
        if used[DEADLINES] < faults.deadlines and ends:
            late = _one_more(used, DEADLINES)
            yield (DEADLINE_PASSES, node, 0, 0), _go_on(setting, state, at, late, place, DEADLINE)
        for number, operation in handlers.pending[node]:
            yield from _operation(setting, state, place, number, operation)
    if used[DUPLICATES] < faults.duplicates:
        again = _one_more(used, DUPLICATES)
        for actor, name in enumerate(setting.at_once):
            if name not in HELPERS:
                another = handlers.fresh(actor, _deliveries(again))
                more = _with(nodes, -1, (another,))
                yield (DUPLICATE, another, 0, 0), (at, acknowledged, again, more)


def _operation(
    setting: Setting, state: State, place: int, number: int, operation: int
) -> Iterator[tuple[Action, State | str]]:
    """What may come of one operation that is under way."""
    at, acknowledged, used, nodes = state
    tables, faults, node = setting.tables, setting.faults, nodes[place]
    then, answer = tables.step(at, operation)
    broken = setting.check_write(at, then, operation)
    not_done = state
    if tables.item(at) is not None and tables.item(then) is None:
        acknowledged = _forgotten(setting, acknowledged)
        state = at, acknowledged, used, nodes
    if not broken and setting.contexts(then) > _contexts_max(setting, used):
        broken = "2: more contexts are stored than these faults can have made"
    if broken:
        yield (CARRY_OUT, node, number, 1), broken
        return
    answered = (number, answer)
    yield (CARRY_OUT, node, number, 1), _go_on(setting, state, then, used, place, answered)
    if used[CRASHES] < faults.crashes:
        yield (CRASH, node, number, 1), _crash(setting, state, then, place)
    if used[LOST] < faults.lost_answers:
        yield (LOSE, node, number, 1), (then, acknowledged, _one_more(used, LOST), nodes)
    if used[OUTAGES] < faults.outages:
        gone, refused = _one_more(used, OUTAGES), (number, setting.unavailable)
        yield (REFUSE, node, number, 0), _go_on(setting, not_done, at, gone, place, refused)
        yield (REFUSE, node, number, 1), _go_on(setting, state, then, gone, place, refused)
    if used[DEADLINES] < faults.deadlines and setting.handlers.has_deadline[node]:
        late = _one_more(used, DEADLINES)
        yield (
            (DEADLINE_PASSES, node, number, 1),
            _go_on(setting, state, then, late, place, DEADLINE),
        )
    if setting.what_if == EVENTUAL_READS and tables.operations[operation].name == "record":
        stale = tables.item(at)
        if stale is not None:
            seen = (number, tables.answer_number(stale))
            yield (STALE, node, number, 1), _go_on(setting, state, then, used, place, seen)


def _crash(setting: Setting, state: State, tables: int, place: int) -> State:
    """A handler's node dies, its operation carried out before or not."""
    _, acknowledged, used, nodes = state
    used, actor = _one_more(used, CRASHES), setting.handlers.actor[nodes[place]]
    return (
        tables,
        acknowledged,
        used,
        _with(nodes, place, _again(setting, actor, acknowledged, used)),
    )


def _go_on(
    setting: Setting,
    state: State,
    tables: int,
    used: tuple[int, ...],
    place: int,
    happened: tuple[int, int],
) -> State | str:
    """The state after a handler has got an answer, or what it broke."""
    _, acknowledged, _, nodes = state
    handlers, node = setting.handlers, nodes[place]
    try:
        following = handlers.after(node, happened)
    except Misbehaved as error:
        return f"{error.invariant}: {error}"
    if following >= 0:
        return tables, acknowledged, used, _with(nodes, place, (following,))
    actor = handlers.actor[node]
    name = handlers.names[actor]
    if following == FAILED:
        put = _again(setting, actor, acknowledged, used)
        return tables, acknowledged, used, _with(nodes, place, put)
    assert following == DONE
    rest = _with(nodes, place, ())
    if name == FORGETTER:
        acknowledged |= 1 << actor
    if name not in HELPERS:
        acknowledged |= 1 << actor
        item = setting.tables.item(tables)
        was_forgotten = _was_forgotten(setting, acknowledged)
        elsewhere = used[DUPLICATES] or item is None or name not in item.marks
        if was_forgotten and elsewhere:
            # Written, forgotten, and then acknowledged; what is there is a duplicate's.
            return tables, acknowledged | 1 << actor + len(setting.at_once), used, rest
        stores, names = setting.tables.stores[tables], _names(setting, acknowledged)
        for broken in check_acknowledged(setting.turn, stores, name, names, Faults(*used)):
            return broken
    return tables, acknowledged, used, rest


def is_settled(item: ConsistentStatus | None) -> bool:
    """Whether who waits for that sees it now."""
    return item is not None and item.outcome is not None


def _names(setting: Setting, acknowledged: int) -> frozenset[str]:
    """All events that are acknowledged, and not forgotten since."""
    count = len(setting.at_once)
    acknowledged &= ~(acknowledged >> count)
    ones = frozenset(name for at, name in enumerate(setting.at_once) if acknowledged >> at & 1)
    ones -= HELPERS
    return ones if _was_forgotten(setting, acknowledged) else setting.before | ones


def _forgotten(setting: Setting, acknowledged: int) -> int:
    """The same, with the item gone: nothing of it need be there any more."""
    count = len(setting.at_once)
    all_of_them = acknowledged & ((1 << count) - 1)
    return acknowledged | all_of_them << count | 1 << 2 * count


def _was_forgotten(setting: Setting, acknowledged: int) -> bool:
    return bool(acknowledged >> 2 * len(setting.at_once) & 1)


def _again(
    setting: Setting, actor: int, acknowledged: int, used: tuple[int, ...]
) -> tuple[int, ...]:
    """Who goes on after a handler has died: a fresh one, unless nobody delivers its event again."""
    if setting.handlers.names[actor] in HELPERS or acknowledged >> actor & 1:
        return ()
    return (setting.handlers.fresh(actor, _deliveries(used)),)


def _contexts_max(setting: Setting, used: tuple[int, ...]) -> int:
    """One without faults; one more for each delivery and each patience that is lost, and where an
    owner has died all who waited for it work. Whoever was forgotten at work leaves one behind."""
    others = len(setting.at_once) - 1 if used[CRASHES] or used[OUTAGES] else 0
    others += setting.turn.is_forgotten
    return 1 + _deliveries(used) + used[DEADLINES] + others


def _deliveries(used: tuple[int, ...]) -> int:
    """How many deliveries there may have been beyond the first ones: the number of the next."""
    return used[CRASHES] + used[OUTAGES] + used[DUPLICATES]


def _one_more(used: tuple[int, ...], fault: int) -> tuple[int, ...]:
    return (*used[:fault], used[fault] + 1, *used[fault + 1 :])


def _with(nodes: tuple[int, ...], place: int, put: tuple[int, ...]) -> tuple[int, ...]:
    """The handlers' states, one of them replaced; -1 adds. Sorted: their order means nothing."""
    rest = nodes if place < 0 else nodes[:place] + nodes[place + 1 :]
    return tuple(sorted(rest + put))


def at_end(setting: Setting, state: State) -> tuple[str, str]:
    """How a turn in which nobody runs any more was settled, and what it has broken."""
    at, used = state[0], Faults(*state[2])
    item = setting.tables.item(at)
    stores = fork(setting.tables.stores[at])  # reading opens keys, and a state must stay as it is
    if _was_forgotten(setting, state[1]):
        broken = next(
            check_forgotten(
                setting.turn, stores, used,
                owed=_names(setting, state[1]),
                gone=setting.before,
                is_answered=bool(state[1] >> setting.at_once.index(FORGETTER) & 1),
            ),
            "",
        )  # fmt: skip
    else:
        broken = next(check_quiet(setting.turn, stores, used), "")
    return f"{item and item.outcome}", broken
