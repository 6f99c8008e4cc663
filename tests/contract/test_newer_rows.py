"""Rows of a newer version over the same tables: nothing raises, and what is unknown stays.

The rows are drawn, and go through every handler: record, listen, the context for others, sweep,
forget.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import START_MS as NOW_MS
from conftest import Encoder as Letters
from conftest import ExactAligner, Spy, completed, recognition, recognize, turn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctxasr.answer import ContextState, listen, on_utterance
from ctxasr.errors import PayloadUnreadable, StoreError
from ctxasr.events import Outcome, PayloadKind, PayloadRef, Record, TurnKey, to_event
from ctxasr.forget import forget
from ctxasr.gateway.contexts import describe_context
from ctxasr.gateway.requests import ContextRequest
from ctxasr.pipeline import Ports, embed, on_event, sweep
from ctxasr.store import schema
from ctxasr.store.clients import KEY_ALIAS, Clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.schema import Item, Tables, is_turn, linked_turn, to_status
from ctxasr.store.vault import KmsVault
from ctxasr.trigger import Decision, decide

TTL_S = 600
TURN = TurnKey("customer", "turn-1")
KEY_OF_ITEM = {schema.CUSTOMER: {"S": "customer"}, schema.INTERACTION: {"S": "turn-1"}}
EXPECT = "SpeechRecognizer.ExpectSpeech"


@dataclass
class QuickClock:
    """Stands until it is moved; its timers are over at once unless `per_s` says otherwise."""

    ms: float = NOW_MS
    per_s: float = 1e6

    def now_ms(self) -> float:
        return self.ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / self.per_s


# ---------------------------------------------------------------- reading one item


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ev#m", {"N": "7"}),
        ("ev#m", {"M": {"name": {"S": "Recognize"}}}),
        ("ev#m", {"S": ""}),
        ("ev#m", {"S": "Recognize"}),
        ("ev#m", {"S": "Recognize now"}),
        ("ev#m", {"S": "Recognize -5"}),
        ("ev#m", {"S": "Recognize 1_000"}),
        ("ev#m", {"S": "Recognize " + "9" * 5_000}),
        ("ev#m", {"S": "Recognize 1 x"}),
        ("ev#m", {"S": "Recognize 1 " + "9" * 400}),
        ("ref#hologram#1", {"S": "turn-1#hologram#1"}),
        ("ref#reply", {"S": "turn-1#reply"}),
        ("ref#", {"S": "turn-1"}),
        ("ref#reply#1", {"S": "elsewhere"}),
        ("ref#reply#1", {"N": "1"}),
        ("ref#reply#" + "1" * 1_100, {"S": "turn-1#reply#" + "1" * 1_100}),
        ("owner", {"N": "7"}),
        ("owner", {"S": ""}),
    ],
)
def test_what_is_unknown_is_skipped_and_said(name: str, value: dict[str, Any]) -> None:
    known = {"ev#k": {"S": "SpeechRecognizer.Recognize 5"}, "expires_at": {"N": "9"}}
    assert to_status(KEY_OF_ITEM | known).unreadable is False
    assert to_status(KEY_OF_ITEM | known | {name: value}) == to_status(
        KEY_OF_ITEM | known
    )._replace(unreadable=True)


@pytest.mark.parametrize("value", [{"S": "9"}, {"N": "9.5"}, {"N": "-9"}, {"N": "9e30"}, {"L": []}])
def test_an_expiry_that_cannot_be_read_is_long_past(value: dict[str, Any]) -> None:
    assert to_status(KEY_OF_ITEM | {"expires_at": value}).expires_at_s == 0


@pytest.mark.parametrize("value", [{"S": "rewound"}, {"N": "1"}, {"BOOL": True}, {"S": ""}])
def test_an_unknown_outcome_is_an_outcome(value: dict[str, Any]) -> None:
    status = to_status(KEY_OF_ITEM | {"outcome": value})
    assert status.outcome is Outcome.UNKNOWN
    assert decide(status, "m") is Decision.SETTLED


def test_an_unknown_key_or_attribute_is_as_if_it_were_not_there() -> None:
    plain = to_status(KEY_OF_ITEM)
    for odd in ({"key": {"S": "k"}}, {"key": {"B": b""}}, {"tenant": {"S": "x"}}):
        assert to_status(KEY_OF_ITEM | odd) == plain, odd


def test_a_turn_that_may_expect_speech_in_newer_words_is_not_discarded() -> None:
    ended = {"ev#e": {"S": "InteractionModel.RequestProcessingCompleted 5"}}
    newer = {"ev#x": {"S": f"{EXPECT} 5 announced=2"}}
    assert decide(to_status(KEY_OF_ITEM | ended), "e") is Decision.DISCARD
    assert decide(to_status(KEY_OF_ITEM | ended | newer), "e") is Decision.WAIT
    claimed = to_status(KEY_OF_ITEM | ended | newer | {"owner": {"S": "e"}})
    assert decide(claimed, "e") is Decision.WAIT, "what it claimed cannot be seen"


@pytest.mark.parametrize("sort", ["link#t", "profile", "turn#turn-1", "turn#"])
def test_an_item_that_no_recorder_makes_is_no_turn(sort: str) -> None:
    item: Item = KEY_OF_ITEM | {schema.INTERACTION: {"S": sort}, "expires_at": {"N": "9"}}
    marked = item | {"ev#k": {"S": "SpeechRecognizer.Recognize 5"}}
    assert not is_turn(item)
    assert is_turn(marked) is (sort == "profile")


@pytest.mark.parametrize("item", [{}, {"turn": {"N": "1"}}, {"turn": {"S": ""}}])
def test_a_link_of_a_newer_form_leads_nowhere(item: Item) -> None:
    assert linked_turn(KEY_OF_ITEM | item) is None
    assert linked_turn(KEY_OF_ITEM | {"turn": {"S": "turn-1"}}) == TURN


@pytest.mark.parametrize("clear", [b"{}", b"[]", b'["label", 7]', b'["", {"text": "x"}]', b"null"])
def test_a_payload_of_a_newer_form_is_unreadable(clear: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        schema.unpack(clear, 9, TURN, PayloadRef(PayloadKind.REPLY, "1"))


# ---------------------------------------------------------------- drawn rows, all handlers

WORDS = st.text("abc #-1é", max_size=8)
VALUES = st.one_of(
    st.builds(lambda x: {"S": x}, WORDS),
    st.builds(lambda x: {"N": str(x)}, st.integers(-(10**20), 10**20)),
    st.builds(lambda x: {"B": x}, st.binary(min_size=1, max_size=8)),
    st.builds(lambda x: {"BOOL": x}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda x: {"L": [{"S": x}]}, WORDS),
    st.builds(lambda x: {"M": {"x": {"S": x}}}, WORDS),
)
MARKS = st.builds(
    lambda name, rest: {"S": f"{name}{rest}"},
    st.sampled_from([EXPECT, "SpeechRecognizer.Recognize", "ContextText.Reply", "X.Y"]),
    st.sampled_from(
        ["", " ", " x", " -1", f" {NOW_MS}", f" {NOW_MS} 1", " 1e5", " 5 1.5", " 5 - t"]
    ),
)
EVENT_NAMES = st.sampled_from(
    ["odd", "turn-1-ContextText.Reply", f"turn-1-{EXPECT}", "turn-1-SpeechRecognizer.Recognize"]
)
REFS = st.sampled_from(["hologram#1", "reply", "reply#", "#", "context#1", "entities#" + "9" * 999])
ATTRIBUTES = st.one_of(
    st.tuples(EVENT_NAMES.map("ev#{}".format), VALUES | MARKS),
    st.tuples(REFS.map("ref#{}".format), VALUES),
    st.tuples(st.sampled_from(["owner", "outcome", "expires_at", "key", "turn", "new"]), VALUES),
)
SORTS = st.sampled_from(["turn-1", "turn-1", "turn#turn-1", "link#ask-turn-1", "profile#1"])
ROWS = st.lists(st.tuples(SORTS, st.lists(ATTRIBUTES, max_size=5)), min_size=1, max_size=3)

_numbers = itertools.count()


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=ROWS, expires=st.booleans())
async def test_drawn_rows_raise_nowhere_stay_and_are_forgotten(
    aws: Clients, rows: list[tuple[str, list[tuple[str, Any]]]], expires: bool
) -> None:
    who, tables, ports = f"customer-{next(_numbers)}", Tables(), _ports(aws)
    planted: dict[str, Item] = {}
    for sort, attributes in rows:
        item = {schema.CUSTOMER: {"S": who}, schema.INTERACTION: {"S": sort}, **dict(attributes)}
        if expires:
            item = {schema.EXPIRES_AT: {"N": str(NOW_MS // 1000 + TTL_S)}} | item
        planted[sort] = item
        await aws.dynamodb.put_item(TableName=tables.status, Item=item)

    given = [*turn(customer=who).values(), completed(customer=who)]
    given += turn("sound", customer=who, reply_ms=0).values()
    for record in given:
        await _acknowledged(record, ports)
    opening = to_event(recognize("turn-2", "ask-turn-1", customer=who, at_ms=5_000), TTL_S)
    known = await listen(opening, ports)
    heard = await on_utterance(known, recognition("power"), ports, opening.key.turn)
    assert heard.result.plain_text == "power"
    for name, value in (("interaction", "turn-1"), ("token", "ask-turn-1")):
        with suppress(StoreError):  # get_context answers with it
            await describe_context(
                ContextRequest.model_validate({"customer": who, name: value}), ports
            )
    await embed(opening.key._replace(turn=TurnKey(who, "turn-1")), "device", ports)
    ports.clock.ms += 60_000  # type: ignore[attr-defined]
    await sweep(who, ports)

    answer = await aws.dynamodb.query(
        TableName=tables.status, KeyConditionExpression="customer = :c",
        ExpressionAttributeValues={":c": {"S": who}}, ConsistentRead=True,
    )  # fmt: skip
    found = {item[schema.INTERACTION]["S"]: item for item in answer["Items"]}
    assert found["sound"][schema.OUTCOME]["S"] in ("embedded", "missed"), "the others go on"
    for sort, item in planted.items():
        kept = {name: value for name, value in item.items() if name != schema.KEY}
        assert found[sort].items() >= kept.items(), "shredding a key is all that may be taken away"
        if sort in ("turn#turn-1", "profile#1") and not is_turn(item):
            assert found[sort] == item, "no turn: left as it is"
    await forget(who, ports.store, ports.vault)
    for table in (tables.status, tables.payload):
        rest = await aws.dynamodb.scan(TableName=table, ConsistentRead=True)
        assert [row for row in rest["Items"] if row[schema.CUSTOMER]["S"] == who] == []


def _ports(aws: Clients, per_s: float = 1e6) -> Ports:
    clock, tables = QuickClock(per_s=per_s), Tables()
    return Ports(
        store=DynamoEventStore(aws.dynamodb, tables, clock),
        vault=KmsVault(aws.dynamodb, aws.kms, tables, KEY_ALIAS, clock),
        clock=clock,
        telemetry=Spy(),
        encoder=Letters(),
        aligner=ExactAligner(),
        payload_ttl_s=TTL_S,
    )


async def _acknowledged(record: Record, ports: Ports) -> None:
    """A key that is no key, and a turn that another owns: its event comes again. No more."""
    with suppress(StoreError):
        await on_event(record, ports)


async def test_a_turn_settled_by_a_newer_version_is_left_as_it_is(aws: Clients) -> None:
    ports = _ports(aws)
    given = turn()
    expect = given.pop("expect")
    for record in given.values():
        await on_event(record, ports)
    key = {"TableName": Tables().status, "Key": KEY_OF_ITEM}
    await aws.dynamodb.update_item(
        **key, UpdateExpression="SET outcome = :o", ExpressionAttributeValues={":o": {"S": "new"}}
    )
    before = (await aws.dynamodb.scan(TableName=Tables().payload))["Items"]
    for record in (expect, *given.values(), completed()):
        assert (await on_event(record, ports)).outcome is Outcome.UNKNOWN
    ports.clock.ms += 60_000  # type: ignore[attr-defined]
    assert await sweep("customer", ports) == 0
    item = (await aws.dynamodb.get_item(**key))["Item"]
    assert item[schema.OUTCOME] == {"S": "new"}
    assert schema.OWNER not in item
    after = (await aws.dynamodb.scan(TableName=Tables().payload))["Items"]
    assert [row[schema.PAYLOAD] for row in after] == [row[schema.PAYLOAD] for row in before]
    opening = to_event(recognize("turn-2", "ask-turn-1", at_ms=5_000), TTL_S)
    known = await listen(opening, ports)
    assert (known.state, known.undecided) == (ContextState.MISSED, False)


async def test_a_link_of_a_newer_form_is_neither_followed_nor_changed(aws: Clients) -> None:
    ports = _ports(aws, per_s=1_000.0)
    link = schema.link_key("customer", "ask-turn-1") | {"turns": {"SS": ["turn-1"]}}
    link[schema.EXPIRES_AT] = {"N": str(NOW_MS // 1000 + TTL_S)}
    await aws.dynamodb.put_item(TableName=Tables().status, Item=link)
    assert await ports.store.follow("customer", "ask-turn-1") is None
    for one in turn("turn-0", asked_with="ask-turn-1").values():
        await on_event(one, ports)
    status = await ports.store.read(TurnKey("customer", "turn-0"))
    assert status is not None
    assert status.outcome is Outcome.EMBEDDED, "without what came before it"
