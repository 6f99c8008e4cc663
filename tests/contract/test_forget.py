"""Erasing a customer: nothing of them is left in either table, nothing of others is touched."""

from __future__ import annotations

import pytest

from ctxasr import forget as stage
from ctxasr.errors import LimitExceeded, PayloadUnreadable, StoreUnavailable
from ctxasr.events import Outcome, TurnKey
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
