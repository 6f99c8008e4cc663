"""How much an item, a batch and a look may hold, and that a wrong claim comes to nothing."""

from __future__ import annotations

import pytest

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import Outcome, TurnKey
from ctxasr.store import dynamodb
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
    assert len(await place.store.turns("c")) == 3
    monkeypatch.setattr(dynamodb, "TURNS_MAX", 6)
    monkeypatch.setattr(dynamodb, "QUERY_PAGES_MAX", 2)
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
