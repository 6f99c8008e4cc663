"""How much an item, a batch and a look may hold, and that a wrong claim comes to nothing."""

from __future__ import annotations

import asyncio

import pytest

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import Event, Outcome, PayloadKind, PayloadRef, TurnKey
from ctxasr.ports import EventStore
from ctxasr.record import record
from ctxasr.store import dynamodb
from ctxasr.store.room import STATUS_BYTES_MAX, TURN_PAYLOADS_MAX, item_bytes
from ctxasr.store.schema import ITEM_BYTES_MAX
from ctxasr.timing import CLOCK_SKEW_MS_MAX

from .conftest import EXPIRES_S, TURN, event, payload
from .places import Place, WirePlace

FITS_BYTES = 404_000
"""Below the smallest of the servers' limits: moto's is 405,000 bytes, not 409,600."""

BATCH_PAYLOADS = 20
"""Of 400,000 bytes. DynamoDB and moto answer 16 MB at once; dynalite 1.4 MB, so that there seven
answers leave keys unprocessed."""


async def test_an_item_over_the_limit_is_named_and_changes_nothing(place: Place) -> None:
    largest = await place.store.open_key(TURN, bytes(FITS_BYTES), EXPIRES_S)
    assert largest.wrapped_key == bytes(FITS_BYTES)
    big = TURN._replace(interaction="too long beside it")
    before = await place.store.record(event(event_id="e", turn=big, token="t" * 900), EXPIRES_S)
    with pytest.raises(LimitExceeded, match="ITEM_BYTES_MAX"):
        await place.store.open_key(big, bytes(ITEM_BYTES_MAX - 900), EXPIRES_S)
    assert await place.store.read(big) == before
    other = TurnKey("c", "too long from the start")
    with pytest.raises(LimitExceeded, match="ITEM_BYTES_MAX"):
        await place.store.open_key(other, bytes(ITEM_BYTES_MAX), EXPIRES_S)
    assert await place.store.read(other) is None


# ---------------------------------------------------------------- room in the status item

LONGEST = "\U0001f600" * 250
"""As long as a message's id may be, in the longest characters."""


async def fill(place: Place, turn: TurnKey) -> int:
    """Events of the longest kind until one is refused; how many were taken."""
    for number in range(ITEM_BYTES_MAX):
        longest = event(event_id=f"{number:06}{LONGEST}", turn=turn, token="t" * 900)
        try:
            await place.store.record(longest, EXPIRES_S)
        except LimitExceeded as error:
            if error.name != "STATUS_BYTES_MAX":
                raise
            return number
    raise AssertionError("never full")


async def test_a_turn_that_is_full_of_events_can_be_claimed_and_settled(place: Place) -> None:
    taken = await fill(place, TURN)
    full = await place.store.read(TURN)
    assert full is not None
    assert len(full.marks) == taken
    per_event = item_bytes(full) // taken
    assert STATUS_BYTES_MAX <= item_bytes(full) < STATUS_BYTES_MAX + 2 * per_event
    again = await place.store.record(event(event_id=f"000000{LONGEST}", turn=TURN), EXPIRES_S)
    assert again == full, "what is there is never refused"
    with pytest.raises(LimitExceeded, match="STATUS_BYTES_MAX"):
        await place.store.record(event(event_id="short"), EXPIRES_S)
    wrapped = await place.vault.new_key(TURN)
    assert (await place.store.open_key(TURN, wrapped, EXPIRES_S)).wrapped_key == wrapped
    assert (await place.store.claim(TURN, LONGEST)).owner == LONGEST
    ref = PayloadRef(PayloadKind.CONTEXT, "0" * 16)
    settled = await place.store.settle(TURN, Outcome.EMBEDDED, owner=LONGEST, ref=ref)
    assert (settled.outcome, set(settled.refs)) == (Outcome.EMBEDDED, {ref})


async def test_writers_who_race_at_the_edge_leave_room_to_settle(place: Place) -> None:
    """Each saw room; all that were on the way are taken, or none of them counts."""
    await fill(place, TURN)
    room_left = TURN._replace(interaction="nearly full")
    for number in range(5):
        await place.store.record(event(event_id=f"{number}{LONGEST}", turn=room_left), EXPIRES_S)
    store, _ = await place.peer()
    late = [
        record_or_refuse(one, event(event_id=f"{n}-{LONGEST}", turn=room_left, token="t" * 900))
        for n in range(120)
        for one in [store if n % 2 else place.store]
    ]
    taken = sum(await asyncio.gather(*late))
    assert 0 < taken <= len(late)
    with pytest.raises(LimitExceeded, match="STATUS_BYTES_MAX"):
        await place.store.record(event(event_id="last", turn=room_left), EXPIRES_S)
    await place.store.claim(room_left, LONGEST)
    closed = await place.store.settle(room_left, Outcome.MISSED, owner=LONGEST)
    assert closed.outcome is Outcome.MISSED


async def record_or_refuse(store: EventStore, one: Event) -> bool:
    try:
        await store.record(one, EXPIRES_S)
    except LimitExceeded as error:
        if error.name != "STATUS_BYTES_MAX":
            raise
        return False
    return True


async def test_a_turn_takes_so_many_payloads(place: Place) -> None:
    for number in range(TURN_PAYLOADS_MAX):
        carried = event(event_id=f"e{number}", carried=payload(number=str(number)))
        assert len((await place.store.record(carried, EXPIRES_S)).refs) == number + 1
    one_more = event(event_id="more", carried=payload(number="more"))
    for _ in range(2):
        with pytest.raises(LimitExceeded, match="TURN_PAYLOADS_MAX is 64, got 65"):
            await place.store.record(one_more, EXPIRES_S)
    again = await place.store.record(event(event_id="e0", carried=payload(number="0")), EXPIRES_S)
    assert len(again.refs) == TURN_PAYLOADS_MAX
    plain = await place.store.record(event(event_id="speech finished"), EXPIRES_S)
    assert len(plain.marks) == TURN_PAYLOADS_MAX + 1, "an event without a payload is still taken"
    await place.store.claim(TURN, "e0")
    ref = PayloadRef(PayloadKind.CONTEXT, "0")
    settled = await place.store.settle(TURN, Outcome.EMBEDDED, owner="e0", ref=ref)
    assert ref in settled.refs, "the context is none of them"


async def test_a_refused_payload_leaves_nothing_behind(place: Place) -> None:
    for number in range(TURN_PAYLOADS_MAX):
        await place.store.record(
            event(event_id=f"e{number}", carried=payload(number=str(number))), EXPIRES_S
        )
    refused = event(event_id="more", carried=payload("meg", number="more"))
    with pytest.raises(LimitExceeded, match="TURN_PAYLOADS_MAX"):
        await record(refused, place.store, place.vault, EXPIRES_S)
    assert await place.rows.count() == (1, 0)


async def test_a_batch_past_the_servers_limit_comes_back_whole(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    texts = "x" * 400_000
    numbers = [str(number) for number in range(BATCH_PAYLOADS)]
    for number in numbers:
        await place.vault.put(wrapped, payload(number, texts, number=number))
    _, vault = await place.peer()
    read = await vault.get(wrapped, TURN, [payload(number=number).ref for number in numbers])
    assert [one.texts[0] for one in read] == numbers
    if place.kind == "dynalite":
        assert place.plan.operations["BatchGetItem"] >= 6, "or it shows nothing"
    assert all(one.texts[1] == texts for one in read)


async def test_the_sweeps_query_is_paged_and_bounded(
    place: WirePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await place.store.record(event(turn=TurnKey("c", f"turn-{number}")), EXPIRES_S)
    monkeypatch.setattr(dynamodb, "QUERY_PAGE_ITEMS", 2)
    assert len(await place.store.turns("c")) == 5
    monkeypatch.setattr(dynamodb, "TURNS_MAX", 3)
    seen = await place.store.turns("c")
    assert len(seen) == 3
    assert len(await place.store.turns("c", after=seen[-1].turn)) == 2, "those behind it"
    monkeypatch.setattr(dynamodb, "TURNS_MAX", 6)
    monkeypatch.setattr(dynamodb, "QUERY_PAGES_MAX", 2)
    assert len(await place.store.turns("c")) == 4, "what was found can be closed"
    for number in range(4):
        await place.store.settle(TurnKey("c", f"turn-{number}"), Outcome.DISCARDED, owner=None)
    with pytest.raises(LimitExceeded, match="QUERY_PAGES_MAX"):
        await place.store.turns("c")


async def test_an_expired_turn_may_still_be_claimed_and_then_settles_as_missed(
    place: Place,
) -> None:
    """Between its expiry and the sweeper; nothing of it can be read, and its key goes at once."""
    wrapped, reply = await place.vault.new_key(TURN), payload("too late")
    await place.store.open_key(TURN, wrapped, EXPIRES_S)
    await place.vault.put(wrapped, reply)
    place.clock.ms = EXPIRES_S * 1000 - CLOCK_SKEW_MS_MAX
    late = await place.store.record(event(carried=reply), EXPIRES_S + 600)
    assert late.expires_at_s == EXPIRES_S, "a late event does not make it live longer"
    assert (await place.store.claim(TURN, "me")).owner == "me"
    with pytest.raises(PayloadUnreadable, match="expired"):
        await place.vault.get(wrapped, TURN, [reply.ref])
    settled = await place.store.settle(TURN, Outcome.MISSED, owner="me")
    assert (settled.outcome, settled.wrapped_key) == (Outcome.MISSED, None)
    assert await place.store.read(TURN) is None
