"""What every store must do; the in-memory one is the specification."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import ConsistentStatus, Mark, Outcome, PayloadKind, PayloadRef, TurnKey
from ctxasr.store.schema import TOKEN_BYTES_MAX
from ctxasr.timing import CLOCK_SKEW_MS_MAX

from .conftest import EXPIRES_S, OTHER, TURN, event, payload
from .places import NOW_S, Place


async def test_a_write_returns_the_whole_item_and_a_repetition_changes_nothing(
    place: Place,
) -> None:
    reply = payload("anything", kind=PayloadKind.REPLY)
    first = await place.store.record(event(event_id="e1"), EXPIRES_S)
    assert first == ConsistentStatus(
        TURN, {"e1": event().mark}, frozenset(), None, None, None, EXPIRES_S
    )
    spoken = event("ContextText.Reply", "e2", number=1200, carried=reply)
    second = await place.store.record(spoken, EXPIRES_S + 60)
    assert second.marks == {"e1": event().mark, "e2": spoken.mark}
    assert second.refs == {reply.ref}
    assert second.expires_at_s == EXPIRES_S, "only the first write sets it"
    changed = event("Something.Else", "e2", at_ms=1, carried=reply)
    assert await place.store.record(changed, EXPIRES_S + 120) == second
    assert await place.store.read(TURN) == second
    assert await place.store.read(OTHER) is None


EVENTS = (
    event("SpeechRecognizer.Recognize", "e0"),
    event("ContextText.Utterance", "e1", carried=payload("x", kind=PayloadKind.UTTERANCE)),
    event("ContextText.Reply", "e2", number=900, carried=payload("y")),
    event("ContextText.Entities", "e3", carried=payload("z", kind=PayloadKind.ENTITIES)),
    event("SpeechRecognizer.ExpectSpeech", "e4", number=1),
    event("SpeechSynthesizer.SpeechFinished", "e5", at_ms=NOW_S * 1000 + 900),
)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=st.lists(st.sampled_from(range(6)), max_size=4).flatmap(
    lambda again: st.permutations([*range(6), *again])
))  # fmt: skip
async def test_any_order_with_duplicates_ends_in_the_same_item(
    place: Place, order: list[int]
) -> None:
    turn = TurnKey("customer-a", "order-" + "-".join(map(str, order)))
    for index in order:
        key = EVENTS[index].key._replace(turn=turn)
        carried = EVENTS[index].payload
        moved = None if carried is None else replace(carried, turn=turn)
        after = await place.store.record(EVENTS[index]._replace(key=key, payload=moved), EXPIRES_S)
    assert after == ConsistentStatus(
        turn,
        {known.key.event: known.mark for known in EVENTS},
        frozenset(known.payload.ref for known in EVENTS if known.payload is not None),
        None, None, None, EXPIRES_S,
    )  # fmt: skip


async def test_hostile_names_come_back_as_they_went(place: Place) -> None:
    turn = TurnKey("c#ü ", "link#t")
    odd = event(event_id="e#1 ü", turn=turn, token="to ken - 7")
    carried = payload("a", turn=turn, number="7#%/é")
    await place.store.link(TurnKey("c#ü ", "asker"), "t", EXPIRES_S)
    after = await place.store.record(odd._replace(payload=carried), EXPIRES_S)
    assert after.marks == {"e#1 ü": Mark(odd.mark.name, NOW_S * 1000, None, "to ken - 7")}
    assert after.refs == {carried.ref}
    assert await place.store.turns("c#ü ") == [after]
    assert await place.store.follow("c#ü ", "t") == TurnKey("c#ü ", "asker")


async def test_of_twenty_claimers_one_wins(place: Place) -> None:
    await place.store.record(event(), EXPIRES_S)
    names = [f"claimer-{number}" for number in range(20)]
    seen = await asyncio.gather(*(place.store.claim(TURN, name) for name in names))
    owners = {status.owner for status in seen}
    assert len(owners) == 1
    assert owners < set(names)
    again = await place.store.claim(TURN, str(seen[0].owner))
    assert again == seen[0], "the owner claims again and sees itself"


async def test_claim_and_settle_make_no_item_out_of_nothing(place: Place) -> None:
    assert (await place.store.claim(TURN, "me")).owner is None
    assert (await place.store.settle(TURN, Outcome.MISSED, owner=None)).outcome is None
    assert await place.store.read(TURN) is None


async def test_a_turn_is_settled_once_and_only_by_its_owner(place: Place) -> None:
    before = await place.store.record(event(), EXPIRES_S)
    context = PayloadRef(PayloadKind.CONTEXT, "1")
    unowned = await place.store.settle(TURN, Outcome.EMBEDDED, owner="me", ref=context)
    assert unowned == before, "nobody owns it, so 'me' does not"
    owned = await place.store.claim(TURN, "me")
    for stranger in ("you", None):
        assert await place.store.settle(TURN, Outcome.MISSED, owner=stranger) == owned
    done = await place.store.settle(TURN, Outcome.EMBEDDED, owner="me", ref=context)
    assert done == owned._replace(outcome=Outcome.EMBEDDED, refs=frozenset({context}))
    assert await place.store.settle(TURN, Outcome.MISSED, owner="me") == done
    assert await place.store.claim(TURN, "you") == done
    late = await place.store.record(event(event_id="e9"), EXPIRES_S)
    assert (late.outcome, late.owner) == (Outcome.EMBEDDED, "me")


@pytest.mark.parametrize("outcome", [Outcome.MISSED, Outcome.DISCARDED])
async def test_missed_and_discarded_shred_the_payloads(place: Place, outcome: Outcome) -> None:
    wrapped = await place.vault.new_key(TURN)
    reply = payload("something said")
    await place.store.open_key(TURN, wrapped, EXPIRES_S)
    await place.vault.put(wrapped, reply)
    await place.store.record(event(carried=reply), EXPIRES_S)
    settled = await place.store.settle(TURN, outcome, owner=None)
    assert (settled.outcome, settled.wrapped_key) == (outcome, None)
    assert await place.store.claim(TURN, "me") == settled, "a settled turn is not claimed"
    fresh = await place.vault.new_key(TURN)
    assert await place.store.open_key(TURN, fresh, EXPIRES_S) == settled, "shredded for good"
    with pytest.raises(PayloadUnreadable):
        await place.vault.get(fresh, TURN, [reply.ref])


async def test_an_embedded_turn_keeps_its_key(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    await place.store.open_key(TURN, wrapped, EXPIRES_S)
    await place.store.claim(TURN, "me")
    settled = await place.store.settle(TURN, Outcome.EMBEDDED, owner="me")
    assert settled.wrapped_key == wrapped


async def test_losers_of_the_key_race_get_the_winners_key(place: Place) -> None:
    keys = [await place.vault.new_key(TURN) for _ in range(5)]
    seen = await asyncio.gather(*(place.store.open_key(TURN, key, EXPIRES_S) for key in keys))
    winners = {status.wrapped_key for status in seen}
    assert len(winners) == 1
    winner = winners.pop()
    assert winner in keys
    reply = payload("under the winner's key")
    await place.vault.put(winner, reply)
    _, elsewhere = await place.peer()
    assert await elsewhere.get(winner, TURN, [reply.ref]) == [reply]


async def test_links_are_followed_within_one_customer(place: Place) -> None:
    await place.store.link(TURN, "token", EXPIRES_S)
    await place.store.link(TURN._replace(interaction="turn-2"), "token", EXPIRES_S + 60)
    assert await place.store.follow(TURN.customer, "token") == TURN, "the first link stands"
    assert await place.store.follow(OTHER.customer, "token") is None
    assert await place.store.follow(TURN.customer, "toke") is None
    longest = "é" * (TOKEN_BYTES_MAX // 2)
    await place.store.link(TURN, longest, EXPIRES_S)
    assert await place.store.follow(TURN.customer, longest) == TURN
    with pytest.raises(LimitExceeded):
        await place.store.link(TURN, longest + "x", EXPIRES_S)
    with pytest.raises(LimitExceeded):
        await place.store.follow(TURN.customer, longest + "x")
    with pytest.raises(LimitExceeded):
        await place.store.record(event(token=longest + "x"), EXPIRES_S)


async def test_the_sweep_sees_unsettled_turns_of_one_customer(place: Place) -> None:
    keys = [TurnKey(TURN.customer, f"turn-{number}") for number in range(1, 5)]
    for key in (*keys, OTHER):
        await place.store.record(event(turn=key), EXPIRES_S + int(key.interaction[-1]))
    await place.store.link(TURN, "token", EXPIRES_S + 9)
    await place.store.settle(keys[1], Outcome.DISCARDED, owner=None)
    await place.store.claim(keys[2], "me")
    found = {status.turn: status for status in await place.store.turns(TURN.customer)}
    assert set(found) == {keys[0], keys[2], keys[3]}
    assert found[keys[2]].owner == "me"
    first, *others = found
    behind = await place.store.turns(TURN.customer, after=first)
    assert [status.turn for status in behind] == others
    assert await place.store.turns(TURN.customer, after=others[-1]) == []
    place.clock.ms = (EXPIRES_S + 3) * 1000 - CLOCK_SKEW_MS_MAX
    assert [status.turn for status in await place.store.turns(TURN.customer)] == [keys[3]]


async def test_an_item_is_gone_at_its_expiry_to_the_millisecond(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    reply = payload("short-lived")
    await place.store.open_key(TURN, wrapped, EXPIRES_S)
    await place.vault.put(wrapped, reply)
    await place.store.link(TURN, "token", EXPIRES_S)
    place.clock.ms = EXPIRES_S * 1000 - CLOCK_SKEW_MS_MAX - 1
    assert await place.store.read(TURN) is not None
    assert await place.store.follow(TURN.customer, "token") == TURN
    assert await place.vault.get(wrapped, TURN, [reply.ref]) == [reply]
    place.clock.ms = EXPIRES_S * 1000 - CLOCK_SKEW_MS_MAX
    assert await place.store.read(TURN) is None
    assert await place.store.follow(TURN.customer, "token") is None
    with pytest.raises(PayloadUnreadable, match="expired"):
        await place.vault.get(wrapped, TURN, [reply.ref])
    assert await place.rows.read(TURN, reply.ref) is not None, "though the row remains"


# ---------------------------------------------------------------- the vault


@pytest.mark.parametrize(
    "texts",
    [(), ("",), ("Zoë 🎧 \x00 \ud800",), tuple(f"name {number}" for number in range(500)),
     ("\U0001f3a7" * 200,) * 500],
    ids=["none", "empty", "unicode", "500", "largest"],
)  # fmt: skip
async def test_payloads_come_back_as_they_went(place: Place, texts: tuple[str, ...]) -> None:
    wrapped = await place.vault.new_key(TURN)
    given_payload = payload(*texts, kind=PayloadKind.ENTITIES)
    await place.vault.put(wrapped, given_payload)
    _, elsewhere = await place.peer()
    assert await elsewhere.get(wrapped, TURN, [given_payload.ref]) == [given_payload]


async def test_ids_come_back_as_they_went(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    named = replace(payload("Meg Bauer", "Zoë", kind=PayloadKind.ENTITIES), ids=("c7", ""))
    await place.vault.put(wrapped, named)
    _, elsewhere = await place.peer()
    assert await elsewhere.get(wrapped, TURN, [named.ref]) == [named]


async def test_no_two_bodies_share_a_nonce(place: Place) -> None:
    wrapped, one = await place.vault.new_key(TURN), payload("the same text")
    nonces = set()
    for _ in range(5):
        await place.vault.put(wrapped, one)
        row = await place.rows.read(TURN, one.ref)
        assert row is not None
        nonces.add(row[0][1:13])
    assert len(nonces) == 5


async def test_a_payload_over_the_limit_is_refused(place: Place) -> None:
    with pytest.raises(LimitExceeded):
        await place.vault.put(await place.vault.new_key(TURN), payload("\x00" * 80_000))


async def test_more_than_one_batch_comes_back_in_order(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    written = [payload(f"text {number}", number=str(number)) for number in range(101)]
    for one in written:
        await place.vault.put(wrapped, one)
    refs = [one.ref for one in reversed(written)]
    assert await place.vault.get(wrapped, TURN, [*refs, refs[0]]) == [
        *reversed(written),
        written[-1],
    ]
    assert await place.vault.get(wrapped, TURN, []) == []


async def test_deleted_payloads_are_gone(place: Place) -> None:
    wrapped = await place.vault.new_key(TURN)
    kept, dropped = payload("kept", number="1"), payload("dropped", number="2")
    for one in (kept, dropped):
        await place.vault.put(wrapped, one)
    for _ in range(2):
        await place.vault.delete(TURN, [dropped.ref])
    assert await place.rows.read(TURN, dropped.ref) is None
    with pytest.raises(PayloadUnreadable):
        await place.vault.get(wrapped, TURN, [kept.ref, dropped.ref])
    assert await place.vault.get(wrapped, TURN, [kept.ref]) == [kept]


async def test_a_key_is_held_once_it_was_put_to_use(place: Place) -> None:
    lost, won = await place.vault.new_key(TURN), await place.vault.new_key(TURN)
    assert place.vault.held_key(TURN) is None, "a fresh key may lose the race for the item"
    one = payload("x")
    await place.vault.put(won, one)
    assert place.vault.held_key(TURN) == won != lost
    assert place.vault.held_key(OTHER) is None
    await place.vault.delete(TURN, [one.ref])
    assert place.vault.held_key(TURN) is None, "deleting is shredding"
    await place.vault.put(won, one)
    place.vault.drop_keys(OTHER)
    assert place.vault.held_key(TURN) == won
    place.vault.drop_keys(TURN)
    assert place.vault.held_key(TURN) is None
    assert await place.vault.get(won, TURN, [one.ref]) == [one], "it can be asked for again"


async def test_blobs_lie_under_the_same_protection(place: Place) -> None:
    wrapped, ref = await place.vault.new_key(TURN), PayloadRef(PayloadKind.CONTEXT, "1")
    await place.vault.put_blob(wrapped, TURN, ref, bytes(range(256)), EXPIRES_S)
    assert await place.vault.get_blob(wrapped, TURN, ref) == bytes(range(256))
    with pytest.raises(PayloadUnreadable):
        await place.vault.get(wrapped, TURN, [ref])
    place.clock.ms = EXPIRES_S * 1000 - CLOCK_SKEW_MS_MAX
    with pytest.raises(PayloadUnreadable, match="expired"):
        await place.vault.get_blob(wrapped, TURN, ref)


@pytest.mark.parametrize("moved", ["customer", "interaction", "kind", "number", "expiry"])
async def test_a_moved_or_redated_ciphertext_fails(place: Place, moved: str) -> None:
    wrapped, source = await place.vault.new_key(TURN), payload("mine alone")
    await place.vault.put(wrapped, source)
    row = await place.rows.read(TURN, source.ref)
    assert row is not None
    body, expires_at_s = row
    turn, ref = TURN, source.ref
    match moved:
        case "customer":
            turn = OTHER
        case "interaction":
            turn = TURN._replace(interaction="turn-2")
        case "kind":
            ref = ref._replace(kind=PayloadKind.UTTERANCE)
        case "number":
            ref = ref._replace(number="2")
        case "expiry":
            expires_at_s += 86_400
    await place.rows.write(turn, ref, body, expires_at_s)
    keys = [wrapped]
    if turn != TURN:
        keys.append(await place.vault.new_key(turn))
        await place.vault.put(keys[1], payload("own", turn=turn, number="9"))
    for key in keys:
        with pytest.raises(PayloadUnreadable):
            await place.vault.get(key, turn, [ref])


@pytest.mark.parametrize("at", [0, 5, 20, -1, None], ids=["version", "nonce", "text", "tag", "cut"])
async def test_a_tampered_body_fails(place: Place, at: int | None) -> None:
    wrapped, source = await place.vault.new_key(TURN), payload("mine alone")
    await place.vault.put(wrapped, source)
    row = await place.rows.read(TURN, source.ref)
    assert row is not None
    body = bytearray(row[0])
    if at is None:
        del body[10:]
    else:
        body[at] ^= 1
    await place.rows.write(TURN, source.ref, bytes(body), row[1])
    with pytest.raises(PayloadUnreadable):
        await place.vault.get(wrapped, TURN, [source.ref])


async def test_an_unknown_wrapped_key_opens_nothing(place: Place) -> None:
    source = payload("mine alone")
    await place.vault.put(await place.vault.new_key(TURN), source)
    for key in (b"", b"x", b"y" * 96, await place.vault.new_key(TURN)):
        with pytest.raises(PayloadUnreadable):
            await place.vault.get(key, TURN, [source.ref])
