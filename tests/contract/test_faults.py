"""The DynamoDB adapters under lost answers, throttling, outages and odd servers."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from ctxasr.errors import (
    InputError,
    LimitExceeded,
    MissingPart,
    PayloadUnreadable,
    StoreUnavailable,
)
from ctxasr.events import Outcome, TurnKey
from ctxasr.store import dynamodb
from ctxasr.store.caller import ATTEMPTS_MAX, BACKOFF_MAX_S, Caller
from ctxasr.store.clients import KEY_ALIAS, Clients, Endpoint, clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.local import LocalAws, ensure_key, ensure_tables
from ctxasr.store.schema import Tables
from ctxasr.store.vault import BATCH_ROUNDS_MAX, KmsVault

from .conftest import EXPIRES_S, TURN, HandClock, event, payload


class Faulty:
    """A client whose answers go wrong in the given order, then are right for ever.

    lost      the request is carried out, its answer never comes
    refused   nobody listens
    throttle  500    answers of the server, nothing is carried out
    bare      a failed condition comes without the item, as from dynalite
    partial   a batch leaves all keys but the first unprocessed
    """

    def __init__(self, client: Any, faults: Iterable[str]) -> None:
        self._client, self._faults = client, list(faults)
        self.meta = client.meta
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> Any:
            self.calls.append(operation)
            self.requests.append(request)
            fault = self._faults.pop(0) if self._faults else ""
            if fault == "refused":
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
            if fault in ("throttle", "500"):
                throttled = fault == "throttle"
                code = "ProvisionedThroughputExceededException" if throttled else "Odd"
                status = {"HTTPStatusCode": 400 if throttled else 500}
                raise ClientError(
                    {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": status},
                    operation,
                )
            keys: list[Any] = []
            if fault == "partial":
                ((table, wanted),) = request["RequestItems"].items()
                keys = wanted["Keys"][1:]
                request = {"RequestItems": {table: {**wanted, "Keys": wanted["Keys"][:1]}}}
            try:
                answer = await getattr(self._client, operation)(**request)
            except ClientError as error:
                if fault == "lost":
                    raise ReadTimeoutError(endpoint_url="http://127.0.0.1:1") from None
                if fault == "bare":
                    error.response.pop("Item", None)
                raise
            if fault == "lost":
                raise ReadTimeoutError(endpoint_url="http://127.0.0.1:1")
            if keys:
                answer["UnprocessedKeys"] = {table: {**wanted, "Keys": keys}}
            return answer

        return call


class Naps:
    """Counts the waits instead of waiting."""

    def __init__(self) -> None:
        self.lengths_s: list[float] = []

    async def __call__(self, length_s: float) -> None:
        self.lengths_s.append(length_s)


def faulty_store(aws: Clients, *faults: str) -> tuple[DynamoEventStore, Faulty, Naps]:
    client, naps = Faulty(aws.dynamodb, faults), Naps()
    return DynamoEventStore(client, Tables(), HandClock(), call=Caller(sleep=naps)), client, naps


async def test_a_lost_answer_to_a_claim_is_recognised_as_ones_own(aws: Clients) -> None:
    for fault in (("lost",), ("lost", "bare"), ("lost", "lost", "throttle")):
        turn = TurnKey("c", "-".join(fault))
        store, client, _ = faulty_store(aws)
        await store.record(event(turn=turn), EXPIRES_S)
        store, client, naps = faulty_store(aws, *fault)
        assert (await store.claim(turn, "me")).owner == "me"
        assert client.calls.count("update_item") == len([one for one in fault if one != "bare"]) + 1
        assert (await store.claim(turn, "you")).owner == "me"
        assert len(naps.lengths_s) == len([one for one in fault if one != "bare"])
        assert all(0 <= length <= BACKOFF_MAX_S for length in naps.lengths_s)


async def test_lost_answers_to_events_and_settling_change_nothing(aws: Clients) -> None:
    plain, _, _ = faulty_store(aws)
    once = await plain.record(event(), EXPIRES_S)
    store, _, _ = faulty_store(aws, "lost", "500", "lost")
    assert await store.record(event(), EXPIRES_S) == once
    await store.claim(TURN, "me")
    store, client, _ = faulty_store(aws, "lost")
    settled = await store.settle(TURN, Outcome.MISSED, owner="me")
    assert settled.outcome is Outcome.MISSED
    assert len(client.calls) == 2


@pytest.mark.parametrize("fault", ["throttle", "500", "refused", "lost"])
async def test_attempts_are_bounded(aws: Clients, fault: str) -> None:
    store, client, naps = faulty_store(aws, *[fault] * (ATTEMPTS_MAX - 1))
    await store.record(event(), EXPIRES_S)
    assert len(client.calls) == ATTEMPTS_MAX
    store, client, naps = faulty_store(aws, *[fault] * ATTEMPTS_MAX)
    secret = "-".join(("canary", "id"))  # the traceback shows source lines
    with pytest.raises(StoreUnavailable, match="update_item") as caught:
        await store.record(event(event_id=secret), EXPIRES_S)
    assert len(client.calls) == ATTEMPTS_MAX
    assert len(naps.lengths_s) == ATTEMPTS_MAX - 1
    shown = "".join(traceback.format_exception(caught.value))
    assert secret not in shown
    assert "said" not in shown, "an answer's text may quote the request"


async def test_the_callers_timeout_ends_the_retries(aws: Clients) -> None:
    async def for_ever(_: float) -> None:
        await asyncio.Event().wait()

    client = Faulty(aws.dynamodb, ["throttle"])
    store = DynamoEventStore(client, Tables(), HandClock(), call=Caller(sleep=for_ever))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await store.record(event(), EXPIRES_S)
    assert client.calls == ["update_item"]


async def test_unprocessed_keys_are_asked_for_again_and_not_for_ever(aws: Clients) -> None:
    clock, written = HandClock(), [payload(f"t{n}", number=str(n)) for n in range(BATCH_ROUNDS_MAX)]
    refs = [one.ref for one in written]
    vault = KmsVault(aws.dynamodb, aws.kms, Tables(), KEY_ALIAS, clock)
    wrapped = await vault.new_key(TURN)
    for one in written:
        await vault.put(wrapped, one)
    client = Faulty(aws.dynamodb, ["partial"] * (BATCH_ROUNDS_MAX - 1))
    reader = KmsVault(client, aws.kms, Tables(), KEY_ALIAS, clock)
    assert await reader.get(wrapped, TURN, refs) == written
    assert len(client.calls) == BATCH_ROUNDS_MAX
    one_more = payload("t", number="one more")
    await vault.put(wrapped, one_more)
    client = Faulty(aws.dynamodb, ["partial"] * BATCH_ROUNDS_MAX)
    reader = KmsVault(client, aws.kms, Tables(), KEY_ALIAS, clock)
    with pytest.raises(StoreUnavailable):
        await reader.get(wrapped, TURN, [*refs, one_more.ref])
    assert len(client.calls) == BATCH_ROUNDS_MAX


async def test_a_kms_outage_is_no_answer_and_a_kms_refusal_is_unreadable(aws: Clients) -> None:
    clock, call = HandClock(), Caller(sleep=Naps())
    vault = KmsVault(aws.dynamodb, aws.kms, Tables(), KEY_ALIAS, clock)
    wrapped, one = await vault.new_key(TURN), payload("x")
    await vault.put(wrapped, one)
    down = Faulty(aws.kms, ["refused"] * 99)
    reader = KmsVault(aws.dynamodb, down, Tables(), KEY_ALIAS, clock, call=call)
    with pytest.raises(StoreUnavailable):
        await reader.get(wrapped, TURN, [one.ref])
    with pytest.raises(StoreUnavailable):
        await reader.new_key(TURN)
    with pytest.raises(StoreUnavailable):
        await reader.put(wrapped, one)
    counted = Faulty(aws.kms, [])
    reader = KmsVault(aws.dynamodb, counted, Tables(), KEY_ALIAS, clock, call=call)
    for _ in range(3):
        await reader.get(wrapped, TURN, [one.ref])
    assert counted.calls == ["decrypt"], "then the data key is cached"
    other = TurnKey("someone-else", TURN.interaction)
    with pytest.raises(PayloadUnreadable, match="KMS"):
        await reader.put(wrapped, payload("x", turn=other))


async def test_every_read_asks_for_strong_consistency(aws: Clients) -> None:
    """The local server is never stale, so only the requests can show it."""
    client, clock = Faulty(aws.dynamodb, []), HandClock()
    store = DynamoEventStore(client, Tables(), clock, fused=False)
    vault = KmsVault(client, aws.kms, Tables(), KEY_ALIAS, clock)
    one, wrapped = payload("x"), await vault.new_key(TURN)
    await vault.put(wrapped, one)
    await store.record(event(carried=one), EXPIRES_S)
    await store.read(TURN)
    await store.turns(TURN.customer)
    await store.follow(TURN.customer, "token")
    await vault.get(wrapped, TURN, [one.ref])
    reads = [
        request.get("RequestItems", {}).get(Tables().payload, request)["ConsistentRead"]
        for operation, request in zip(client.calls, client.requests, strict=True)
        if operation in ("get_item", "query", "batch_get_item")
    ]
    assert reads == [True] * 5


async def test_the_sweeps_query_is_paged_and_bounded(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, _ = faulty_store(aws)
    for number in range(5):
        await store.record(event(turn=TurnKey("c", f"turn-{number}")), EXPIRES_S)
    monkeypatch.setattr(dynamodb, "QUERY_PAGE_ITEMS", 2)
    assert len(await store.turns("c")) == 5
    monkeypatch.setattr(dynamodb, "TURNS_MAX", 3)
    assert len(await store.turns("c")) == 3
    monkeypatch.setattr(dynamodb, "TURNS_MAX", 6)
    monkeypatch.setattr(dynamodb, "QUERY_PAGES_MAX", 2)
    with pytest.raises(LimitExceeded, match="QUERY_PAGES_MAX"):
        await store.turns("c")


async def test_an_item_over_the_servers_limit_is_named(aws: Clients) -> None:
    store, client, _ = faulty_store(aws)
    with pytest.raises(LimitExceeded, match="ITEM_BYTES_MAX"):
        await store.open_key(TURN, bytes(410_000), EXPIRES_S)
    assert len(client.calls) == 1, "repeating would not help"


# ---------------------------------------------------------------- endpoints


async def test_missing_tables_are_named(aws: Clients) -> None:
    store = DynamoEventStore(aws.dynamodb, Tables.named("nowhere"), HandClock())
    for refused in (store.read(TURN), store.claim(TURN, "me")):
        with pytest.raises(StoreUnavailable, match="tables would have to be made") as caught:
            await refused
        shown = "".join(traceback.format_exception(caught.value))
        assert "botocore" not in shown, "a server's answer may quote the request"


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


async def test_the_local_server_takes_one_request_at_a_time(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto has no lock of its own: overlapping conditional updates can both win."""
    store, _, _ = faulty_store(aws)
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


async def test_over_the_wire_nobody_repeats_but_the_adapter(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server carries out every request and answers 500: as lost as an answer can be."""
    store, _, _ = faulty_store(aws)
    await store.record(event(), EXPIRES_S)
    handle, requests, lost = DomainDispatcherApplication.__call__, 0, ATTEMPTS_MAX - 1

    def losing(self: Any, environ: Any, start_response: Any) -> Any:
        nonlocal requests
        requests += 1
        if requests > lost:
            return handle(self, environ, start_response)
        b"".join(handle(self, environ, lambda *_: None))
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []

    monkeypatch.setattr(DomainDispatcherApplication, "__call__", losing)
    assert (await store.claim(TURN, "me")).owner == "me"
    assert requests == ATTEMPTS_MAX
    requests, lost = 0, ATTEMPTS_MAX
    with pytest.raises(StoreUnavailable, match="500"):
        await store.claim(TURN, "me")
    assert requests == ATTEMPTS_MAX
