"""The stores that must pass the contract, each with a view of its raw payload rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from ctxasr.events import (
    Event,
    EventKey,
    Mark,
    Payload,
    PayloadKind,
    PayloadRef,
    TurnKey,
)
from ctxasr.ports import EventStore, PayloadVault
from ctxasr.store import schema
from ctxasr.store.clients import KEY_ALIAS, Clients, clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.local import LocalAws, ensure_key, ensure_tables
from ctxasr.store.memory import MemoryEventStore, MemoryVault
from ctxasr.store.vault import KmsVault

NOW_S = 1_700_000_000
EXPIRES_S = NOW_S + 600
TURN = TurnKey("customer-a", "turn-1")


@dataclass
class HandClock:
    """A clock that stands still until a test moves it."""

    ms: float = NOW_S * 1000.0

    def now_ms(self) -> float:
        return self.ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1000


class Rows(Protocol):
    """The raw payload table: body and expiry in seconds of one row."""

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None: ...

    async def write(
        self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int
    ) -> None: ...


@dataclass
class Place:
    """One store under test; `peer()` is another process over the same tables."""

    store: EventStore
    vault: PayloadVault
    clock: HandClock
    rows: Rows
    peer: Callable[[], tuple[EventStore, PayloadVault]]


@dataclass
class MemoryRows:
    vault: MemoryVault

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None:
        return self.vault.rows.get((turn.customer, schema.payload_sort(turn, ref)))

    async def write(self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int) -> None:
        self.vault.rows[turn.customer, schema.payload_sort(turn, ref)] = (body, expires_at_s)


@dataclass
class DynamoRows:
    client: Any
    table: str

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None:
        key = schema.payload_key(turn, ref)
        item = (await self.client.get_item(TableName=self.table, Key=key)).get("Item")
        return None if item is None else (item["body"]["B"], int(item["expires_at"]["N"]))

    async def write(self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int) -> None:
        row = {"body": {"B": body}, "expires_at": {"N": str(expires_at_s)}}
        item = {**schema.payload_key(turn, ref), **row}
        await self.client.put_item(TableName=self.table, Item=item)


@pytest.fixture(scope="session")
def server() -> Iterator[LocalAws]:
    aws = LocalAws()
    aws.start()
    yield aws
    aws.stop()


@pytest.fixture
async def aws(server: LocalAws) -> AsyncIterator[Clients]:
    """Clients of a fresh account with tables and key."""
    server.forget()
    async with clients(server.endpoint) as opened:
        await ensure_tables(opened.dynamodb, server.tables)
        await ensure_key(opened.kms)
        yield opened


@pytest.fixture(params=["memory", "moto", "moto-explicit"])
def place(request: pytest.FixtureRequest) -> Place:
    clock = HandClock()
    if request.param == "memory":
        store, vault = MemoryEventStore(clock), MemoryVault(clock)
        return Place(store, vault, clock, MemoryRows(vault), lambda: (store, vault))
    opened: Clients = request.getfixturevalue("aws")
    fused = request.param == "moto"
    tables = schema.Tables()

    def peer() -> tuple[EventStore, PayloadVault]:
        return (
            DynamoEventStore(opened.dynamodb, tables, clock, fused=fused),
            KmsVault(opened.dynamodb, opened.kms, tables, KEY_ALIAS, clock),
        )

    return Place(*peer(), clock, DynamoRows(opened.dynamodb, tables.payload), peer)


# ---------------------------------------------------------------- what the tests write


def payload(
    *texts: str,
    turn: TurnKey = TURN,
    kind: PayloadKind = PayloadKind.REPLY,
    number: str = "1",
    expires_at_s: int = EXPIRES_S,
) -> Payload:
    return Payload(turn, PayloadRef(kind, number), texts, expires_at_s, "contact")


def event(
    name: str = "SpeechRecognizer.Recognize",
    event_id: str = "e1",
    *,
    turn: TurnKey = TURN,
    at_ms: int = NOW_S * 1000,
    number: int | None = None,
    token: str = "",
    carried: Payload | None = None,
) -> Event:
    return Event(
        EventKey(turn, event_id), "device", Mark(name, at_ms, number, token), carried, None
    )
