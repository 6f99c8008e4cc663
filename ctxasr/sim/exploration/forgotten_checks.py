"""What must hold when all is quiet in a small turn whose customer was forgotten meanwhile.

What was over before the forget is gone for good; what was under way is there as a new customer's,
whole in itself; what was acknowledged after it is there, and no payload of it is sealed under a key
that is not its turn's. It may be missing altogether: a handler that had closed the forgotten turn
may yet delete its payloads, by their places, which are the same. The turn is then missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from ctxasr.events import ConsistentStatus, to_event
from ctxasr.sim.exploration.checks import CLOSED, Faults, contexts_of, read
from ctxasr.sim.exploration.small_turns import TTL_S, TURN, SmallTurn
from ctxasr.sim.exploration.tables import Stores, frozen, item_of


def check_forgotten(
    turn: SmallTurn,
    stores: Stores,
    used: Faults,
    *,
    owed: Set[str],
    gone: Set[str],
    is_answered: bool,
) -> Iterator[str]:
    """In place of `check_quiet`.

    `owed` are the events that were acknowledged and not forgotten since, `gone` those that were
    forgotten and will not come again. A forget that was not answered may have left payloads.
    """
    item = item_of(stores)
    marks = frozenset[str]() if item is None else item.marks.keys()
    if not owed <= marks:
        yield f"9: {', '.join(sorted(owed - marks))} is acknowledged and not in the item"
    if gone & marks:
        yield f"9: {', '.join(sorted(gone & marks))} came back"
    if item is not None:
        yield from _check_item(turn, item, used, owed)
    if is_answered and not used.may_leave_rows:
        yield from _check_rows(turn, item, stores, used)


def _check_item(
    turn: SmallTurn, item: ConsistentStatus, used: Faults, owed: Set[str]
) -> Iterator[str]:
    events = [to_event(turn.record(name), TTL_S) for name in turn.events if name in item.marks]
    if item.marks != {event.key.event: event.mark for event in events}:
        yield "7: the item is not made of events as they were sent"
    if item.refs - contexts_of(item) != {one.payload.ref for one in events if one.payload}:
        yield "7: the item does not refer to what its events brought"
    if item.outcome is None and turn.needed <= owed:
        yield "1: all that the trigger needs is acknowledged, and the turn is not settled"
    if item.outcome is None and item.owner is not None and not used.duplicates:
        yield "1: claimed, and not settled"


def _check_rows(
    turn: SmallTurn, item: ConsistentStatus | None, stores: Stores, used: Faults
) -> Iterator[str]:
    """Under the item's key, and none too many."""
    rows = stores[1].rows.keys()
    refs = frozenset() if item is None or item.outcome in CLOSED else item.refs
    if rows - {(TURN.customer, f"{TURN.interaction}#{ref}") for ref in refs}:
        yield "8: payloads that nothing refers to"
    if item is None or item.outcome in CLOSED or used.duplicates:
        return
    for event in turn.events:
        payload = to_event(turn.record(event), TTL_S).payload
        if payload is None or (TURN.customer, f"{TURN.interaction}#{payload.ref}") not in rows:
            continue
        if frozen(read(stores, item, "get", [payload.ref])) != frozen([payload]):
            yield f"9: the payload of {event} is sealed under a key that is not its turn's"
    for ref in contexts_of(item):
        if not isinstance(read(stores, item, "get_blob", ref), bytes):
            yield "2: the context that took effect cannot be read"
