"""What every store must do when answers are lost, requests are throttled, servers are out."""

from __future__ import annotations

import asyncio
import re
import traceback
from dataclasses import replace

import pytest

from ctxasr.errors import PayloadUnreadable, StoreUnavailable
from ctxasr.events import ConsistentStatus, Outcome, Payload, PayloadKind, PayloadRef, TurnKey
from ctxasr.forget import forget
from ctxasr.ports import EventStore, PayloadVault
from ctxasr.store import caller
from ctxasr.store.caller import ATTEMPTS_MAX, BACKOFF_FIRST_S, BACKOFF_MAX_S, Caller
from ctxasr.store.schema import Tables
from ctxasr.store.vault import BATCH_ROUNDS_MAX

from .conftest import EXPIRES_S, OTHER, TURN, event, payload
from .places import Place, Ports, WirePlace

ONCE_LOST = ("lost", "none", "closed", "none", "error", "none") * 40
"""Every request is answered at its second attempt, though it was carried out at the first."""


async def a_whole_turn(store: EventStore, vault: PayloadVault, turn: TurnKey) -> ConsistentStatus:
    """Every operation of both ports but `forget`; what the turn's item is in the end."""
    reply, gone = payload("said", turn=turn), payload("dropped", turn=turn, number="2")
    context = PayloadRef(PayloadKind.CONTEXT, "1")
    fresh = await vault.new_key(turn)
    key = (await store.open_key(turn, fresh, EXPIRES_S)).wrapped_key
    assert key == fresh
    for one in (reply, gone):
        await vault.put(key, one)
    await vault.put_blob(key, turn, context, b"\x00\xff", EXPIRES_S)
    await store.link(turn, "token", EXPIRES_S)
    await store.record(event(turn=turn), EXPIRES_S)
    await store.record(event("ContextText.Reply", "e2", turn=turn, carried=reply), EXPIRES_S)
    assert (await store.claim(turn, "me")).owner == "me"
    await vault.delete(turn, [gone.ref])
    done = await store.settle(turn, Outcome.EMBEDDED, owner="me", ref=context)
    assert await store.read(turn) == done
    assert await store.follow(turn.customer, "token") == turn
    assert await store.turns(turn.customer) == []
    assert await vault.get(key, turn, [reply.ref]) == [reply]
    assert await vault.get_blob(key, turn, context) == b"\x00\xff"
    return done._replace(turn=TURN, wrapped_key=None)


async def test_lost_answers_change_nothing(place: Place) -> None:
    plainly = await a_whole_turn(place.store, place.vault, OTHER)
    before = await place.rows.count()
    assert await a_whole_turn(*await place.peer(*ONCE_LOST), TURN) == plainly
    assert await place.rows.count() == (before[0] * 2, before[1] * 2)


@pytest.mark.parametrize("fault", ["lost", "closed", "error"])
async def test_a_lost_answer_to_a_claim_is_recognised_as_ones_own(place: Place, fault: str) -> None:
    await place.store.record(event(), EXPIRES_S)
    mine, _ = await place.peer(fault, fault, "throttled", only=("UpdateItem",))
    assert (await mine.claim(TURN, "me")).owner == "me"
    assert all(0 <= length <= BACKOFF_MAX_S for length in place.naps.lengths_s)
    theirs, _ = await place.peer(fault, only=("UpdateItem",))
    assert (await theirs.claim(TURN, "you")).owner == "me"


async def test_of_many_claimers_in_several_processes_one_wins(place: Place) -> None:
    await place.store.record(event(), EXPIRES_S)
    processes = [await place.peer("none", "lost", "throttled", "closed", "none") for _ in range(4)]
    names = [f"process-{at % 4}-claimer-{at}" for at in range(32)]
    seen = await asyncio.gather(
        *(processes[at % 4][0].claim(TURN, name) for at, name in enumerate(names))
    )
    (owner,) = {status.owner for status in seen}
    assert owner in names
    winner = processes[names.index(owner) % 4][0]
    assert (await winner.claim(TURN, owner)).owner == owner


async def test_an_event_lost_and_sent_again_by_another_process_counts_once(place: Place) -> None:
    first, _ = await place.peer("lost")
    second, _ = await place.peer("throttled", "closed")
    after = await asyncio.gather(
        first.record(event(), EXPIRES_S), second.record(event(at_ms=7), EXPIRES_S + 60)
    )
    assert after[0] == after[1], "whoever came first stands"
    assert len(after[0].marks) == 1
    assert await place.store.read(TURN) == after[0]


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("fault", ["throttled", "error", "refused", "lost", "closed"])
async def test_attempts_are_bounded(place: WirePlace, fault: str) -> None:
    only = ("UpdateItem",)
    store, _ = await place.peer(*[fault] * (ATTEMPTS_MAX - 1), only=only)
    await store.record(event(), EXPIRES_S)
    assert place.plan.operations["UpdateItem"] == ATTEMPTS_MAX
    store, _ = await place.peer(*[fault] * ATTEMPTS_MAX, only=only)
    secret = "-".join(("canary", "id"))  # the traceback shows source lines
    with pytest.raises(StoreUnavailable, match="update_item") as caught:
        await store.record(event(event_id=secret), EXPIRES_S)
    assert place.plan.operations["UpdateItem"] == ATTEMPTS_MAX
    assert len(place.naps.lengths_s) == ATTEMPTS_MAX - 1
    shown = "".join(traceback.format_exception(caught.value))
    assert secret not in shown
    assert "too fast" not in shown, "an answer's text may quote the request"


async def test_the_callers_timeout_ends_the_retries(place: WirePlace) -> None:
    async def for_ever(_: float) -> None:
        await asyncio.Event().wait()

    store, _ = await place.peer(*["throttled"] * 9, call=Caller(sleep=for_ever))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await store.record(event(), EXPIRES_S)
    assert place.plan.operations.total() == 1


async def test_requests_wait_for_a_place_and_then_are_refused(
    place: WirePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "IN_FLIGHT_MAX", 2)
    monkeypatch.setattr(caller, "WAITING_MAX", 3)
    store, _ = await place.peer()
    tokens = [f"token-{number}" for number in range(6)]
    done = await asyncio.gather(
        *(store.link(TURN, token, EXPIRES_S) for token in tokens), return_exceptions=True
    )
    assert done[:5] == [None] * 5
    assert isinstance(done[5], StoreUnavailable)
    assert "WAITING_MAX is 3" in str(done[5])
    found = [await store.follow(TURN.customer, token) for token in tokens]
    assert found == [TURN] * 5 + [None], "the refused one was never sent"


async def test_unprocessed_keys_are_asked_for_again_and_not_for_ever(place: WirePlace) -> None:
    def wanted(count: int) -> list[Payload]:
        return [payload(f"text {number}", number=str(number)) for number in range(count)]

    wrapped = await place.vault.new_key(TURN)
    for one in wanted(BATCH_ROUNDS_MAX + 1):
        await place.vault.put(wrapped, one)
    for count, fits in ((BATCH_ROUNDS_MAX, True), (BATCH_ROUNDS_MAX + 1, False)):
        _, vault = await place.peer(*["partial"] * BATCH_ROUNDS_MAX, only=("BatchGetItem",))
        refs = [one.ref for one in wanted(count)]
        if fits:
            assert await vault.get(wrapped, TURN, refs) == wanted(count)
        else:
            with pytest.raises(StoreUnavailable, match="unprocessed"):
                await vault.get(wrapped, TURN, refs)
        assert place.plan.operations["BatchGetItem"] == BATCH_ROUNDS_MAX
        bounds_s = [min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**at) for at in range(20)]
        assert len(place.naps.lengths_s) == BATCH_ROUNDS_MAX - 1
        assert all(map(float.__le__, place.naps.lengths_s, bounds_s)), "full jitter between them"


async def test_throttled_and_partial_batches_come_back_whole(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    written = [payload(f"text {number}", number=str(number)) for number in range(7)]
    for one in written:
        await place.vault.put(wrapped, one)
    faults = ("partial", "throttled", "lost", "partial", "closed", "error", "none")
    _, vault = await place.peer(*faults, only=("BatchGetItem",))
    assert await vault.get(wrapped, TURN, [one.ref for one in written]) == written


async def test_a_kms_outage_is_no_answer_and_a_refusal_is_unreadable(place: WirePlace) -> None:
    wrapped, one = await place.vault.new_key(TURN), payload("x")
    await place.vault.put(wrapped, one)
    _, vault = await place.peer(*["refused"] * 99, only=("Decrypt", "GenerateDataKey"))
    for attempt in (vault.get(wrapped, TURN, [one.ref]), vault.new_key(TURN)):
        with pytest.raises(StoreUnavailable):
            await attempt
    with pytest.raises(StoreUnavailable):
        await vault.put(wrapped, replace(one, texts=("never in clear",)))
    row = await place.rows.read(TURN, one.ref)
    assert row is not None
    assert b"never in clear" not in row[0]
    _, vault = await place.peer("throttled", "lost", only=("Decrypt",))
    for _ in range(3):
        assert await vault.get(wrapped, TURN, [one.ref]) == [one]
    assert place.plan.operations["Decrypt"] == 3, "two attempts went wrong; then it is cached"
    with pytest.raises(PayloadUnreadable, match="KMS"):
        await vault.put(wrapped, payload("x", turn=OTHER))


# ---------------------------------------------------------------- what is asked of the server


async def everything(place: WirePlace, ports: Ports) -> None:
    await a_whole_turn(*ports, TURN)
    await ports[0].record(event(turn=OTHER), EXPIRES_S)
    await ports[0].settle(OTHER, Outcome.DISCARDED, owner=None)
    await forget(TURN.customer, *ports)


async def test_every_read_asks_for_strong_consistency(place: WirePlace) -> None:
    """The servers are never stale, so only the requests can show it."""
    await everything(place, await place.peer())
    read = [
        (name, one.get("ConsistentRead", False))
        for name, params in place.requests
        for one in (params.get("RequestItems", {"": params}).values())
        if name in ("GetItem", "Query", "BatchGetItem")
    ]
    assert {name for name, _ in read} == {"GetItem", "Query", "BatchGetItem"}
    assert all(strong for _, strong in read)


PORTABLE = {
    "GetItem": {"TableName", "Key", "ConsistentRead"},
    "PutItem": {"TableName", "Item"},
    "DeleteItem": {"TableName", "Key"},
    "BatchGetItem": {"RequestItems"},
    "UpdateItem": {
        "TableName", "Key", "UpdateExpression", "ConditionExpression", "ReturnValues",
        "ReturnValuesOnConditionCheckFailure", "ExpressionAttributeNames",
        "ExpressionAttributeValues",
    },
    "Query": {
        "TableName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression",
        "ExpressionAttributeNames", "ExpressionAttributeValues", "ConsistentRead", "Limit",
        "ExclusiveStartKey",
    },
}  # fmt: skip
"""Operation -> parameters. ReturnValuesOnConditionCheckFailure may be ignored by the server."""

EXPRESSION_WORDS = {
    "SET", "REMOVE", "AND", "if_not_exists", "attribute_exists", "attribute_not_exists",
}  # fmt: skip


async def test_only_the_portable_subset_is_used(place: WirePlace) -> None:
    await everything(place, await place.peer())
    assert {name for name, _ in place.requests} == set(PORTABLE)
    for name, params in place.requests:
        assert set(params) <= PORTABLE[name]
        for field, text in params.items():
            if field.endswith("Expression"):
                bare = set(re.findall(r"(?<![#:\w])[A-Za-z_]\w*", text)) - EXPRESSION_WORDS
                assert not bare, f"{name}: {field} names attributes without an alias"


async def test_missing_tables_are_named(place: WirePlace) -> None:
    store, vault = await place.peer(tables=Tables.named("nowhere"))
    for refused in (store.read(TURN), store.claim(TURN, "me"), vault.delete(TURN, [payload().ref])):
        with pytest.raises(StoreUnavailable, match="tables would have to be made") as caught:
            await refused
        shown = "".join(traceback.format_exception(caught.value))
        assert "botocore" not in shown, "a server's answer may quote the request"
