"""Seeded interactions of six events, and what both tables must hold when all is over.

    ASKS           expect-speech, speech finished           embedded, in every order
    ASKS_AND_ENDS  expect-speech, stream completed          embedded if expect-speech came first,
                                                            else discarded: it came too late
    ENDS           speech started, stream completed         discarded, in every order
    LACKS          as ASKS, but announces one payload more  missed, by the sweep
    STOPS          speech started, speech finished          discarded, by the sweep

The other four events are recognise, utterance, entities and reply. The reply plays for minutes, so
that no wall clock decides an outcome.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import servers
from conftest import START_MS, Encoder, recognize, record

from ctxasr.app import Silence
from ctxasr.context import fetch
from ctxasr.events import Outcome, PayloadKind, PayloadRef, Record, TurnKey, to_event
from ctxasr.pipeline import PATIENCE, Ports
from ctxasr.ports import ContextEncoder
from ctxasr.store import schema
from ctxasr.store.clients import KEY_ALIAS, Clients, Endpoint
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.local import ensure_key, ensure_tables
from ctxasr.store.schema import Item, Tables
from ctxasr.store.vault import KmsVault

TTL_S: Final = 3_600
TABLES: Final = Tables()
CANARIES: Final = ("Quetzal Canary", "Zoë Canaria")
"""Every text of an interaction holds one of them."""

FINISHED_AT_MS: Final = 230_000.0
SWEPT_AT_MS: Final = 300_000.0
"""After the end of the reply and a grace period: the sweep closes what is still open."""


class Kind(StrEnum):
    """Which six events an interaction has."""

    ASKS = "asks"
    ASKS_AND_ENDS = "asks and ends"
    ENDS = "ends"
    LACKS = "lacks a payload"
    STOPS = "stops"


SHARES: Final = {
    Kind.ASKS: 8, Kind.ASKS_AND_ENDS: 5, Kind.ENDS: 3, Kind.LACKS: 2, Kind.STOPS: 2,
}  # fmt: skip
"""Out of twenty interactions."""


class FixedClock:
    """A clock that stands still: only the events' own times count."""

    def __init__(self, after_ms: float = 0.0) -> None:
        self._now_ms = START_MS + after_ms

    def now_ms(self) -> float:
        return self._now_ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0


@dataclass(frozen=True)
class Interaction:
    """Six events in the order of their deliveries, some of them twice."""

    turn: TurnKey
    kind: Kind
    deliveries: tuple[Record, ...]

    @property
    def event_ids(self) -> set[str]:
        return {one.message.message.header.message_id for one in self.deliveries}

    @property
    def expected(self) -> Outcome:
        """If each delivery is acknowledged before the next begins."""
        if self.kind is Kind.ASKS_AND_ENDS:
            names = [one.message.message.header.name for one in self.deliveries]
            asked_first = names.index("ExpectSpeech") < names.index("RequestProcessingCompleted")
            return Outcome.EMBEDDED if asked_first else Outcome.DISCARDED
        settled = {Kind.ASKS: Outcome.EMBEDDED, Kind.LACKS: Outcome.MISSED}
        return settled.get(self.kind, Outcome.DISCARDED)

    @property
    def possible(self) -> frozenset[Outcome]:
        """In whatever order the deliveries are carried out."""
        if self.kind is Kind.ASKS_AND_ENDS:
            return frozenset({Outcome.EMBEDDED, Outcome.DISCARDED})
        return frozenset({self.expected})

    @property
    def texts(self) -> dict[PayloadRef, tuple[str, ...]]:
        """What was sent, by the place where it must lie."""
        payloads = [to_event(one, TTL_S).payload for one in self.deliveries]
        return {one.ref: one.texts for one in payloads if one is not None}


def draw(seed: str, turn: TurnKey, *, duplicated: float = 0.25) -> Interaction:
    """The interaction that belongs to a seed; a share of its events is delivered twice."""
    rng = random.Random(seed)
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    events = _events(turn, kind)
    events += [event for event in events if rng.random() < duplicated]
    rng.shuffle(events)
    return Interaction(turn, kind, tuple(events))


def reshuffled(interaction: Interaction, seed: str) -> Sequence[Record]:
    """Another order of delivery that ends in the same outcome."""
    if interaction.kind is Kind.ASKS_AND_ENDS:
        return interaction.deliveries
    return random.Random(seed).sample(interaction.deliveries, len(interaction.deliveries))


def _events(turn: TurnKey, kind: Kind) -> list[Record]:
    def one(full_name: str, payload: dict[str, Any] | None = None, **more: Any) -> Record:
        given = {"interaction": turn.interaction, "customer": turn.customer}
        return record(full_name, payload, **(given | more))

    said = f"call {CANARIES[0]} for {turn.interaction}"
    names = [f"{CANARIES[1]} {turn.interaction}", f"{CANARIES[0]} the second"]
    reply = {"text": f"Which {CANARIES[0]}?", "durationInMilliseconds": 240_000}
    token = {"type": "FOLLOW_UP", "payload": {"token": _token(turn)}}
    expect = {"timeoutInMilliseconds": 8_000, "initiator": token}
    asks = kind not in (Kind.ENDS, Kind.STOPS)
    ends = kind in (Kind.ENDS, Kind.ASKS_AND_ENDS)
    return [
        recognize(turn.interaction, customer=turn.customer),
        one("ContextText.Utterance", {"text": said}),
        one("ContextText.Entities", {"kind": "contact", "values": names}),
        one("ContextText.Reply", reply),
        one("SpeechRecognizer.ExpectSpeech", expect, service_payloads=1 + (kind is Kind.LACKS))
        if asks
        else one("SpeechSynthesizer.SpeechStarted", {"token": "speech"}),
        one("InteractionModel.RequestProcessingCompleted")
        if ends
        else one("SpeechSynthesizer.SpeechFinished", {"token": "speech"}, at_ms=FINISHED_AT_MS),
    ]


def _token(turn: TurnKey) -> str:
    return f"ask-{turn.interaction}"


@contextmanager
def served(name: str) -> Iterator[Endpoint]:
    """DynamoDB by the named server; KMS always by moto."""
    with servers.moto() as moto:
        if name == "moto":
            yield moto
        else:
            with servers.dynalite() as dynalite:
                yield servers.endpoint(dynalite, moto)


async def set_up(opened: Clients) -> None:
    """Make both tables and the key."""
    await ensure_tables(opened.dynamodb, TABLES)
    await ensure_key(opened.kms)


def recorder(
    opened: Clients,
    process: str,
    *,
    encoder: ContextEncoder | None = None,
    after_ms: float = 0.0,
    patience: float = PATIENCE,
) -> Ports:
    """One more process over the tables, with a vault of its own."""
    clock = FixedClock(after_ms)
    return Ports(
        store=DynamoEventStore(opened.dynamodb, TABLES, clock),
        vault=KmsVault(opened.dynamodb, opened.kms, TABLES, KEY_ALIAS, clock),
        clock=clock,
        telemetry=Silence(),
        encoder=encoder or Encoder(),
        process=process,
        payload_ttl_s=TTL_S,
        patience=patience,
    )


# ---------------------------------------------------------------- what the tables hold

Rows = Mapping[tuple[str, str], Item]
"""(partition key, sort key) -> the raw item."""


class Dump(NamedTuple):
    """Both tables, raw, from strongly consistent scans."""

    status: Rows
    payload: Rows

    def __bytes__(self) -> bytes:
        parts: list[bytes] = []
        for item in (*self.status.values(), *self.payload.values()):
            for name, typed in item.items():
                ((_, value),) = typed.items()
                parts += [name.encode(), value if isinstance(value, bytes) else str(value).encode()]
        return b"\n".join(parts)

    def payloads(self, turn: TurnKey) -> dict[str, Item]:
        """The rows of a turn by their sort key."""
        place = (turn.customer, f"{turn.interaction}#")
        return {
            sort: row
            for (customer, sort), row in self.payload.items()
            if customer == place[0] and sort.startswith(place[1])
        }


async def dump(dynamodb: Any, customer: str = "") -> Dump:
    """Read both tables, whole or one customer's part."""
    found = []
    for name, sort in ((TABLES.status, schema.INTERACTION), (TABLES.payload, schema.PAYLOAD)):
        request: dict[str, Any] = {"TableName": name, "ConsistentRead": True}
        if customer:
            request["KeyConditionExpression"] = "#c = :c"
            request["ExpressionAttributeNames"] = {"#c": schema.CUSTOMER}
            request["ExpressionAttributeValues"] = {":c": {"S": customer}}
        rows: dict[tuple[str, str], Item] = {}
        pages = dynamodb.get_paginator("query" if customer else "scan").paginate(**request)
        async for page in pages:
            for item in page["Items"]:
                rows[item[schema.CUSTOMER]["S"], item[sort]["S"]] = item
        found.append(rows)
    return Dump(*found)


class Checked(NamedTuple):
    """A turn that holds what it must, and how many payload rows no status item refers to."""

    outcome: Outcome
    owner: str | None
    left: int


async def check(
    interaction: Interaction,
    dumped: Dump,
    reader: Ports,
    allowed: Collection[Outcome],
    *,
    acknowledged: Collection[str],
) -> Checked:
    """Settled once, as expected; no acknowledged event lost; every text whole or shredded."""
    turn = interaction.turn
    item = dumped.status[turn.customer, turn.interaction]
    status = schema.to_status(item)
    assert status.outcome is not None, f"{turn} is not settled"
    assert status.outcome in allowed, f"{turn}: {status.outcome}, not {allowed}"
    sent = {to_event(one, TTL_S).key.event: str(to_event(one, TTL_S).mark)
            for one in interaction.deliveries}  # fmt: skip
    lost = set(acknowledged) - set(status.marks)
    assert not lost, f"{turn}: lost {lost}, which were acknowledged"
    assert {name: str(mark) for name, mark in status.marks.items()} == sent, f"{turn}: marks"
    if any("ExpectSpeech" in name for name in sent):
        link = dumped.status[turn.customer, f"link#{_token(turn)}"]
        assert link[schema.TURN]["S"] == turn.interaction
    rows, texts = dumped.payloads(turn), interaction.texts
    contexts = [ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT]
    assert status.refs - set(contexts) == set(texts), f"{turn}: references"
    if status.outcome is not Outcome.EMBEDDED:
        assert status.wrapped_key is None, f"{turn}: the key outlives the turn"
        assert contexts == []
        return Checked(status.outcome, status.owner, len(rows))
    assert status.owner in sent
    assert len(contexts) == 1, f"{turn}: {len(contexts)} embeddings took effect"
    assert status.wrapped_key is not None
    refs = sorted(texts)
    found = await reader.vault.get(status.wrapped_key, turn, refs)
    assert [one.texts for one in found] == [texts[ref] for ref in refs], f"{turn}: texts"
    embedding = await fetch(status, reader.vault)
    assert len(embedding.vectors) == 1, f"{turn}: nothing came before it"
    if embedding.model == Encoder.model:
        utterance = next(text for ref, (text, *_) in texts.items() if ref.kind == "utterance")
        assert list(embedding.vectors[0]) == [1.0, ord(utterance[0]), 0.0]
    return Checked(status.outcome, status.owner, len(rows) - len(texts) - 1)


def table(title: str, lines: Mapping[str, object]) -> None:
    """Print figures, one a line."""
    width = max(map(len, lines))
    print(f"\n{title}")
    for name, value in lines.items():
        shown = value
        if isinstance(value, Counter):
            shown = ", ".join(f"{key} {n}" for key, n in sorted(value.items(), key=str)) or "none"
        print(f"  {name:{width}}  {shown}")
