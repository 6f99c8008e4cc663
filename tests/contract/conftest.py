"""Servers of the session, a fresh place for every test, and what the tests write."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from conftest import SUMMARY
from servers import OPERATIONS_OF_TESTS, dynalite
from servers import endpoint as endpoint_of

from ctxasr.events import (
    Event,
    EventKey,
    Mark,
    Payload,
    PayloadKind,
    PayloadRef,
    TurnKey,
)
from ctxasr.store.clients import Clients, clients
from ctxasr.store.local import LocalAws, ensure_key, ensure_tables
from ctxasr.store.schema import Tables

from .places import EXCEPTIONS, NOW_S, STORES, MemoryPlace, Place, WirePlace

EXPIRES_S = NOW_S + 600
TURN = TurnKey("customer-a", "turn-1")
OTHER = TurnKey("customer-b", TURN.interaction)

_names = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        name = metafunc.function.__name__
        stores = [store for store in STORES if (store, name) not in EXCEPTIONS]
        metafunc.parametrize("place", stores, indirect=True)


COLLECTED: dict[str, Counter[str]] = {store: Counter() for store in STORES}
"""store -> test -> how many cases of it were collected."""


@pytest.hookimpl(tryfirst=True)  # before -k and -m leave some out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec: Any = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("place") in STORES:
            COLLECTED[callspec.params["place"]][getattr(item, "originalname", item.name)] += 1


def pytest_sessionfinish() -> None:
    if any(COLLECTED.values()):
        counts = (f"{sum(tests.values())} on {store}" for store, tests in COLLECTED.items())
        listed = f"{len(EXCEPTIONS)} listed exceptions"
        SUMMARY.append(f"contract tests: {', '.join(counts)} ({listed})")


@pytest.fixture(scope="session")
def server() -> Iterator[LocalAws]:
    aws = LocalAws(operations=OPERATIONS_OF_TESTS)
    aws.start()
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def shared() -> Iterator[LocalAws]:
    """One account for all places: each has tables and an alias of its own."""
    aws = LocalAws(operations=OPERATIONS_OF_TESTS)
    aws.start()
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def dynalite_url() -> Iterator[str]:
    with dynalite() as url:
        yield url


@pytest.fixture
async def aws(server: LocalAws) -> AsyncIterator[Clients]:
    """Clients of a fresh account with tables and key."""
    server.forget()
    async with clients(server.endpoint) as opened:
        await ensure_tables(opened.dynamodb, server.tables)
        await ensure_key(opened.kms)
        yield opened


@pytest.fixture
async def place(request: pytest.FixtureRequest, shared: LocalAws) -> AsyncIterator[Place]:
    """Fresh tables of the store that the test's parameter names."""
    if request.param == "memory":
        yield MemoryPlace()
        return
    endpoint = shared.endpoint
    if request.param == "dynalite":
        endpoint = endpoint_of(request.getfixturevalue("dynalite_url"), endpoint)
    name = f"test-{next(_names)}"
    async with clients(endpoint) as opened:
        wire = WirePlace(request.param, endpoint, opened, Tables.named(name), f"alias/{name}")
        await _set_up(wire)
        try:
            yield wire
        finally:
            await wire.close()


_key_ids: list[str] = []
"""The KMS key of the session: making one takes moto longer than most tests."""


async def _set_up(place: WirePlace) -> None:
    """What ensure_tables and ensure_key do, in fewer requests."""
    dynamodb, kms = place.clients
    for definition in place.tables.definitions():
        await dynamodb.create_table(**definition)
    for name in (place.tables.status, place.tables.payload):  # dynalite takes some milliseconds
        while not await _is_active(dynamodb, name):
            continue
    if not _key_ids:
        _key_ids.append((await kms.create_key())["KeyMetadata"]["KeyId"])
    await kms.create_alias(AliasName=place.key_alias, TargetKeyId=_key_ids[0])


async def _is_active(dynamodb: Any, table: str) -> bool:
    answer = await dynamodb.describe_table(TableName=table)
    return str(answer["Table"]["TableStatus"]) == "ACTIVE"


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
