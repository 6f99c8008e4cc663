"""What must hold in a small turn: at each write, at each acknowledgement, and when all is quiet.

The numbers are those of the design's invariants. Nothing here asks the stages: which events satisfy
the trigger stands in the small turn.

`check_write` sees the tables before and after one operation, `check_acknowledged` the tables at the
moment in which a handler has returned, `check_quiet` the tables when no recorder is left. An answer
reaches its recorder in the instant in which the operation is carried out: to hold it back would
delay the recorder's next operation, which is another interleaving, and its acknowledgement, of
which only lateness is demanded.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from ctxasr.events import (
    ConsistentStatus,
    Outcome,
    PayloadKind,
    PayloadRef,
    to_event,
)
from ctxasr.sim.exploration.small_turns import TOKEN, TTL_S, TURN, SmallTurn
from ctxasr.sim.exploration.stepped import Operation
from ctxasr.sim.exploration.tables import Refusal, Stores, carry_out, frozen, item_of, now

CLOSED = (Outcome.MISSED, Outcome.DISCARDED)


@dataclass(frozen=True, slots=True)
class Faults:
    """How many of each may befall one interleaving.

    `crashes` of a node, before or after its operation is carried out; its event is delivered to a
    fresh one. `lost_answers`: carried out, and the adapter asks again. `outages`: the adapter gives
    up, before or after it is carried out; the handler goes on with StoreUnavailable, and its event
    is delivered again if that ends it. `deadlines` pass at any moment of the window, before or
    after an operation under way is carried out. `duplicates`: an event is delivered once more, at
    any time; what one delivery has acknowledged is not delivered again for another's sake.
    """

    crashes: int = 0
    lost_answers: int = 0
    outages: int = 0
    deadlines: int = 0
    duplicates: int = 0

    @property
    def may_leave_rows(self) -> bool:
        """Whether payloads may be left to which nothing refers, by who has died or given up."""
        return bool(self.crashes or self.outages or self.deadlines > 1)

    def __str__(self) -> str:
        counts = {
            "crash": self.crashes, "lost answer": self.lost_answers, "outage": self.outages,
            "deadline": self.deadlines, "duplicate": self.duplicates,
        }  # fmt: skip
        return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none"


def check_write(turn: SmallTurn, before: Stores, after: Stores, forgets: bool) -> Iterator[str]:
    """What one operation must not do, whoever asked for it; `forgets`: it erases the customer."""
    old, new = item_of(before), item_of(after)
    if old is not None and new is None and not forgets:
        yield "9: the item is gone"
    if new is None:
        return
    if old is not None:
        yield from _check_kept(old, new)
    if new.owner is not None and not turn.needed <= new.marks.keys():
        yield "6: claimed, and the trigger is not satisfied"
    ended = turn.is_swept or "completed" in new.marks
    if new.outcome is Outcome.DISCARDED and not ended:
        yield "6: discarded, and its request has not ended"
    if len(contexts_of(new)) > 1:
        yield "2: two contexts have taken effect"
    if bool(contexts_of(new)) != (new.outcome is Outcome.EMBEDDED):
        yield f"2: {len(contexts_of(new))} contexts, and the outcome is {new.outcome}"
    if new.outcome is Outcome.EMBEDDED and (new.owner is None or new.wrapped_key is None):
        yield "2: embedded without a claim, or without a key"
    if new.outcome is Outcome.DISCARDED and new.owner is not None:
        yield "2: a claimed turn was discarded"
    if new.outcome in CLOSED and new.wrapped_key is not None:
        yield f"8: {new.outcome}, and the data key is there"
    lost = before[1].rows.keys() - after[1].rows.keys()
    texts = {place for place in lost if f"#{PayloadKind.CONTEXT}#" not in place[1]}
    if texts and new.wrapped_key is not None and not turn.is_forgotten:
        yield "8: payloads deleted before their key was shredded"


def _check_kept(old: ConsistentStatus, new: ConsistentStatus) -> Iterator[str]:
    """What an item must not lose."""
    if any(new.marks.get(event) != mark for event, mark in old.marks.items()):
        yield "9: a recorded event is gone or changed"
    if not old.refs <= new.refs:
        yield "9: a payload's reference is gone"
    if old.outcome is not None and new.outcome is not old.outcome:
        yield f"2: settled once more, {old.outcome} and then {new.outcome}"
    if old.outcome is not None and contexts_of(new) != contexts_of(old):
        yield "2: another context has taken effect after the turn was settled"
    if old.owner is not None and new.owner != old.owner:
        yield "3: the claim has changed hands"
    if old.wrapped_key is not None and new.wrapped_key not in (None, old.wrapped_key):
        yield "7: the data key was replaced"


def check_acknowledged(
    turn: SmallTurn, stores: Stores, event: str, acknowledged: Set[str], used: Faults
) -> Iterator[str]:
    """What must hold now that `event` is one of those that are acknowledged.

    One delivery may be acknowledged while another of the same event works on the claim.
    """
    item = item_of(stores)
    if item is None or event not in item.marks:
        yield f"9: {event} is acknowledged and not in the item"
        return
    if item.outcome is not None:
        return
    if item.owner == event and not used.duplicates:
        yield f"3: {event} owns the claim and is acknowledged, and the turn is not settled"
    elif turn.needed and turn.needed <= acknowledged:
        yield f"1: {event} is acknowledged, all that the trigger needs are, and it is not settled"
    elif item.owner is None and turn.needed and turn.needed <= item.marks.keys():
        yield f"1: {event} is acknowledged, the trigger is satisfied, and nobody has claimed"
    elif event == "completed" and "expect" not in item.marks:
        yield "1: completed is acknowledged, nothing expects speech, and the turn is not settled"


def check_quiet(turn: SmallTurn, stores: Stores, used: Faults) -> Iterator[str]:
    """What must hold when nobody runs any more."""
    item = item_of(stores)
    if item is None:
        yield "9: there is no item"
        return
    events = [to_event(turn.record(name), TTL_S) for name in turn.events]
    if item.marks != {event.key.event: event.mark for event in events}:
        yield "7: not the events that once and in order leaves"
    if item.refs - contexts_of(item) != {one.payload.ref for one in events if one.payload}:
        yield "7: not the references that once and in order leaves"
    if "expect" in turn.events and now(stores[0].follow(TURN.customer, TOKEN)) != TURN:
        yield "7: the token does not lead to the turn"
    allowed = set(turn.outcomes)
    if Outcome.EMBEDDED in allowed and (used.deadlines or used.outages):
        allowed.add(Outcome.MISSED)
    if item.outcome is None:
        yield "1: the turn is not settled"
        return
    if item.outcome not in allowed:
        yield f"1: the turn is {item.outcome}"
    yield from _check_rows(turn, item, stores, may_leave=used.may_leave_rows)


def _check_rows(
    turn: SmallTurn, item: ConsistentStatus, stores: Stores, *, may_leave: bool
) -> Iterator[str]:
    """Payload rows of a settled turn; `may_leave` some that nothing refers to or can read."""
    referred = {(TURN.customer, f"{TURN.interaction}#{ref}") for ref in item.refs}
    rows = stores[1].rows.keys()
    if item.outcome in CLOSED:
        if rows and not may_leave:
            yield f"8: {item.outcome}, and {len(rows)} payloads are there"
        return
    if rows - referred and not may_leave:
        yield "8: payloads that nothing refers to"
    for event in turn.events:
        payload = to_event(turn.record(event), TTL_S).payload
        if payload is None:
            continue
        found = read(stores, item, "get", [payload.ref])
        if frozen(found) != frozen([payload]):
            yield f"9: the payload of {event} cannot be read as it was written"
    for ref in contexts_of(item):
        if not isinstance(read(stores, item, "get_blob", ref), bytes):
            yield "2: the context that took effect cannot be read"


def read(stores: Stores, item: ConsistentStatus, name: str, what: object) -> object:
    """A payload under the item's key; a Refusal where it cannot be read."""
    operation = Operation("payload", name, (item.wrapped_key, TURN, what), (), "checks")
    try:
        return carry_out(stores, operation)
    except Exception as error:  # unreadable in whatever way
        return Refusal(error)


def contexts_of(item: ConsistentStatus) -> frozenset[PayloadRef]:
    """The contexts that the item refers to."""
    return frozenset(ref for ref in item.refs if ref.kind is PayloadKind.CONTEXT)


def contexts_stored(stores: Stores) -> int:
    """Context embeddings in the payload table: above 1, work was done twice."""
    return sum(f"#{PayloadKind.CONTEXT}#" in place[1] for place in stores[1].rows)


__all__ = [
    "CLOSED", "Faults", "check_acknowledged", "check_quiet", "check_write",
    "contexts_stored",
]  # fmt: skip
