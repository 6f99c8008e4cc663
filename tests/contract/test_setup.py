"""Clients, set-up of tables and key, and the local server."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from ctxasr.errors import InputError, MissingPart, StoreUnavailable
from ctxasr.store import local
from ctxasr.store.clients import KEY_ALIAS, Clients, Endpoint, clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.faults import FaultPlan
from ctxasr.store.local import ACTIVE_POLLS_MAX, LocalAws, ensure_key, ensure_tables
from ctxasr.store.schema import Tables

from .conftest import EXPIRES_S, TURN, event
from .places import HandClock, WirePlace


async def test_tables_are_made_once_and_where_ttl_is_unknown_it_is_said(
    place: WirePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ACTIVE_POLL_S", 0)
    dynamodb, tables = place.clients.dynamodb, Tables.named("made-here")
    without_ttl = {tables.status, tables.payload} if place.kind == "dynalite" else set()
    for _ in range(2):
        assert await ensure_tables(dynamodb, tables) == without_ttl
    store, _ = await place.peer(tables=tables)
    assert (await store.record(event(), EXPIRES_S)).marks == {"e1": event().mark}


@pytest.mark.parametrize(
    ("polls", "ready"), [(ACTIVE_POLLS_MAX, True), (ACTIVE_POLLS_MAX + 1, False)]
)
async def test_a_new_table_may_take_so_many_looks(
    server: LocalAws, monkeypatch: pytest.MonkeyPatch, polls: int, ready: bool
) -> None:
    """DynamoDB makes a table in the background; the local servers have it at once."""
    monkeypatch.setattr(local, "ACTIVE_POLL_S", 0)
    left = polls - 1
    async with clients(server.endpoint) as (dynamodb, _):
        tables = Tables.named(f"slow-{ready}")
        await ensure_tables(dynamodb, tables)

        def not_yet(parsed: dict[str, Any], **_: Any) -> None:
            nonlocal left
            if "Table" in parsed and left > 0:
                parsed["Table"]["TableStatus"] = "CREATING"
                left -= 1

        dynamodb.meta.events.register("after-call.dynamodb.DescribeTable", not_yet)
        left += 1  # the first look is that for the table itself
        if ready:
            await ensure_tables(dynamodb, tables)
            return
        with pytest.raises(StoreUnavailable, match="is not ACTIVE"):
            await ensure_tables(dynamodb, tables)


async def test_an_unreachable_endpoint_is_named() -> None:
    nobody = Endpoint("http://127.0.0.1:1", None, "us-east-1", "local", "local")
    async with clients(nobody) as (dynamo, kms):
        with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:1: no answer"):
            await ensure_tables(dynamo, Tables())
        with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:1: no answer"):
            await ensure_key(kms)


@pytest.mark.parametrize("url", ["nonsense", "http://", "127.0.0.1:8000"])
async def test_an_endpoint_that_is_no_url_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="is right"):
        async with clients(Endpoint(url, None, "us-east-1", "local", "local")):
            pytest.fail("opened")


async def test_without_a_region_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    for settings in (Endpoint("http://127.0.0.1:1"), Endpoint()):
        with pytest.raises(StoreUnavailable, match="nobody"):
            async with clients(settings):
                pytest.fail("opened")
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(StoreUnavailable, match="region"):
        async with clients(Endpoint()):
            pytest.fail("opened")


async def test_local_servers_share_nothing_and_ignore_the_users_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with LocalAws() as one, LocalAws() as two:
        async with clients(one.endpoint) as (first, _), clients(two.endpoint) as (second, _):
            mine = DynamoEventStore(first, one.tables, HandClock())
            theirs = DynamoEventStore(second, two.tables, HandClock())
            await mine.record(event(), EXPIRES_S)
            assert await theirs.read(TURN) is None
            assert await mine.read(TURN) is not None
            assert await ensure_tables(first, one.tables) == frozenset(), "TTL is on; twice is fine"
        one.stop()
        one.stop()


def test_without_moto_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto.moto_server.werkzeug_app", None)
    with pytest.raises(MissingPart, match=r"ctxasr\[local\]"):
        LocalAws().start()


async def test_two_processes_may_set_up_at_once(server: LocalAws) -> None:
    server.forget()
    async with clients(server.endpoint) as (dynamo, kms):
        await asyncio.gather(*(ensure_tables(dynamo, Tables()) for _ in range(3)))
        keys = await asyncio.gather(*(ensure_key(kms) for _ in range(3)))
        assert len(set(keys)) == 1
        listed = [key["KeyId"] for key in (await kms.list_keys())["Keys"]]
        states = {
            key: (await kms.describe_key(KeyId=key))["KeyMetadata"]["KeyState"] for key in listed
        }
        assert states.pop(keys[0]) == "Enabled"
        assert set(states.values()) <= {"PendingDeletion"}, "nobody pays for keys without a use"


async def test_a_lost_answer_to_the_alias_keeps_the_key(server: LocalAws) -> None:
    server.forget()
    plan = FaultPlan.script(["lost"], only=("CreateAlias",))
    async with clients(server.endpoint, faults=plan) as (_, kms):
        key = await ensure_key(kms)
        assert plan.operations["CreateAlias"] == 2
        assert (await kms.describe_key(KeyId=KEY_ALIAS))["KeyMetadata"]["KeyId"] == key
        assert (await kms.describe_key(KeyId=key))["KeyMetadata"]["KeyState"] == "Enabled"


async def test_the_local_server_takes_one_request_at_a_time(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto has no lock of its own: overlapping conditional updates can both win."""
    store = DynamoEventStore(aws.dynamodb, Tables(), HandClock())
    handle, inside, most = DomainDispatcherApplication.__call__, 0, 0

    def counted(self: Any, environ: Any, start_response: Any) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return handle(self, environ, start_response)
        finally:
            inside -= 1

    monkeypatch.setattr(DomainDispatcherApplication, "__call__", counted)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        await asyncio.gather(*(store.record(event(event_id=f"e{n}"), EXPIRES_S) for n in range(20)))
    finally:
        sys.setswitchinterval(interval_s)
    assert most == 1
