"""Erasing a customer: nothing of them is left in either table, nothing of others is touched."""

from __future__ import annotations

import pytest

from ctxasr import forget as stage
from ctxasr.errors import LimitExceeded, PayloadUnreadable, StoreUnavailable
from ctxasr.events import (
    SERVICE_PAYLOADS_MAX,
    Grounds,
    Outcome,
    Payload,
    PayloadKind,
    PayloadRef,
    TurnKey,
)
from ctxasr.forget import Forgotten, forget
from ctxasr.store import dynamodb
from ctxasr.store.caller import ATTEMPTS_MAX

from .conftest import EXPIRES_S, TURN, event, payload
from .places import Place, WirePlace

WHO = TURN.customer
LOOKALIKES = ("customer", "customer-a2", "customer-A", "customer-a#turn-1")


async def live(place: Place, customer: str, turns: int, payloads: int) -> dict[TurnKey, bytes]:
    """Turns with payloads, a link each; the first one is settled. Their wrapped keys."""
    keys = {}
    for number in range(turns):
        turn = TurnKey(customer, f"turn-{number}")
        keys[turn] = await place.vault.new_key(turn)
        await place.store.open_key(turn, keys[turn], EXPIRES_S)
        for at in range(payloads):
            one = payload("said", turn=turn, number=str(at))
            await place.vault.put(keys[turn], one)
            await place.store.record(event(event_id=f"e{at}", turn=turn, carried=one), EXPIRES_S)
        await place.store.link(turn, f"token-{number}", EXPIRES_S)
    first = TurnKey(customer, "turn-0")
    await place.store.claim(first, "me")
    await place.store.settle(first, Outcome.EMBEDDED, owner="me")
    return keys


async def test_nothing_is_left_of_one_customer_and_all_of_others(place: Place) -> None:
    keys = await live(place, WHO, 3, 2)
    for other in LOOKALIKES:
        await live(place, other, 1, 1)
    place.clock.ms = EXPIRES_S * 1000  # what has expired is there, too, until it is swept
    assert await forget(WHO, place.store, place.vault) == Forgotten(6, 6, 3)
    assert await place.rows.count() == (2 * len(LOOKALIKES), len(LOOKALIKES)), "of the others"
    place.clock.ms = 0.0
    assert await place.store.turns(WHO) == []
    for turn, key in keys.items():
        assert await place.store.read(turn) is None
        assert place.vault.held_key(turn) is None
        with pytest.raises(PayloadUnreadable):
            await place.vault.get(key, turn, [payload(number="0").ref])
    assert await place.store.follow(WHO, "token-0") is None
    for other in LOOKALIKES:
        theirs = TurnKey(other, "turn-0")
        assert place.vault.held_key(theirs) is not None
        assert await place.store.follow(other, "token-0") == theirs
        status = await place.store.read(theirs)
        assert status is not None
        assert status.wrapped_key is not None
        (one,) = await place.vault.get(status.wrapped_key, theirs, [payload(number="0").ref])
        assert one.texts == ("said",)
    assert await forget(WHO, place.store, place.vault) == Forgotten(0, 0, 1), "again: nothing"


async def test_more_than_one_look_is_taken_where_it_must_be(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "ERASE_ITEMS_MAX", 3)
    monkeypatch.setattr(dynamodb, "ERASE_AT_ONCE", 2)
    await live(place, WHO, 4, 2)
    done = await forget(WHO, place.store, place.vault)
    assert (done.status_items, done.payloads) == (8, 8)
    assert done.looks == (3 if place.kind == "memory" else 3 + 3 + 1)
    assert await place.rows.count() == (0, 0)


async def test_an_outage_in_the_middle_of_forgetting(
    place: WirePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "ERASE_AT_ONCE", 1)
    await live(place, WHO, 3, 2)
    outage = ["lost", "none", "closed", "none", *["refused"] * ATTEMPTS_MAX]
    with pytest.raises(StoreUnavailable, match="delete_item"):
        await forget(WHO, *await place.peer(*outage, only=("DeleteItem",)))
    status_items, payloads = await place.rows.count()
    assert (status_items, payloads) == (4, 6), "partly done: two were carried out"
    done = await forget(WHO, place.store, place.vault)
    assert (done.status_items, done.payloads) == (4, 6)
    assert await place.rows.count() == (0, 0)


async def test_lost_answers_while_forgetting_leave_nothing(place: Place) -> None:
    await live(place, WHO, 2, 2)
    faults = ("lost", "throttled", "none", "closed", "none", "error", "none") * 9
    await forget(WHO, *await place.peer(*faults))
    assert await place.rows.count() == (0, 0)
    assert await forget(WHO, place.store, place.vault) == Forgotten(0, 0, 1)


async def test_forgetting_ends_though_items_keep_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        looks = 0

        async def forget(self, customer: str) -> int:
            self.looks += 1
            return int(self.looks < stage.FORGET_ROUNDS_MAX)

    monkeypatch.setattr(stage, "FORGET_ROUNDS_MAX", 3)
    assert (await forget(WHO, Busy(), Nothing())).looks == 3  # type: ignore[arg-type]
    monkeypatch.setattr(stage, "FORGET_ROUNDS_MAX", 4)
    busy = Busy()
    monkeypatch.setattr(busy, "looks", -1)
    with pytest.raises(LimitExceeded, match="FORGET_ROUNDS_MAX"):
        await forget(WHO, busy, Nothing())  # type: ignore[arg-type]


class Nothing:
    async def forget(self, customer: str) -> int:
        return 0


# ---------------------------------------------------------------- an item that was made anew

SAID, REPLIED = PayloadRef(PayloadKind.UTTERANCE, "1"), PayloadRef(PayloadKind.REPLY, "1")
SEEN = ("expect", "completed")


async def made(place: Place, *events: str, refs: tuple[PayloadRef, ...] = ()) -> Grounds:
    """An item with these events, references and a key of its own; all of it as grounds."""
    key = await place.vault.new_key(TURN)
    await place.store.open_key(TURN, key, EXPIRES_S)
    carried = [Payload(TURN, ref, ("said",), EXPIRES_S) for ref in refs]
    for name in events:
        await place.store.record(event(event_id=name), EXPIRES_S)
    for one in carried:
        named = event(event_id=f"brings {one.ref}", carried=one)
        await place.store.record(named, EXPIRES_S)
    return Grounds(key, events, refs)


async def test_what_the_item_shows_is_claimed_and_settled(place: Place) -> None:
    grounds = await made(place, *SEEN, refs=(SAID, REPLIED))
    assert (await place.store.claim(TURN, "me", grounds=grounds)).owner == "me"
    settled = await place.store.settle(TURN, Outcome.MISSED, owner="me", grounds=grounds)
    assert settled.outcome is Outcome.MISSED


LACKING = {
    "everything": ((), (), False),
    "its expect-speech": (SEEN[1:], (SAID, REPLIED), True),
    "a reference": (SEEN, (SAID,), True),
    "its data key": (SEEN, (SAID, REPLIED), False),
}


@pytest.mark.parametrize("lacks", LACKING)
async def test_an_item_that_lacks_its_grounds_is_left_alone(place: Place, lacks: str) -> None:
    events, refs, same_key = LACKING[lacks]
    before = await made(place, *SEEN, refs=(SAID, REPLIED))
    await place.store.forget(WHO)
    now = await made(place, *events, refs=refs)
    grounds = before._replace(wrapped_key=now.wrapped_key if same_key else before.wrapped_key)
    item = await place.store.read(TURN)
    assert item is not None
    assert await place.store.claim(TURN, "me", grounds=grounds) == item
    for outcome in Outcome:
        done = await place.store.settle(TURN, outcome, owner=None, grounds=grounds)
        assert done == item, f"{outcome} though it lacks {lacks}"
    owned = await place.store.claim(TURN, "me", grounds=now)
    assert owned.owner == "me", "its own grounds are there"
    context = PayloadRef(PayloadKind.CONTEXT, "of the texts that were forgotten")
    again = await place.store.settle(
        TURN, Outcome.EMBEDDED, owner="me", ref=context, grounds=grounds
    )
    assert again == owned, "a redelivery may own what was made anew"


async def test_nothing_is_made_where_the_grounds_are_gone(place: Place) -> None:
    grounds = await made(place, *SEEN)
    await place.store.forget(WHO)
    assert (await place.store.claim(TURN, "me", grounds=grounds)).owner is None
    gone = await place.store.settle(TURN, Outcome.MISSED, owner=None, grounds=grounds)
    assert gone.outcome is None
    assert await place.rows.count() == (0, 0)


async def test_as_many_grounds_as_a_trigger_can_have(place: Place) -> None:
    services = [PayloadRef(PayloadKind.SCREEN, f"{n:016x}") for n in range(SERVICE_PAYLOADS_MAX)]
    grounds = await made(place, "expect", refs=(SAID, REPLIED, *services))
    assert (await place.store.claim(TURN, "me", grounds=grounds)).owner == "me"
