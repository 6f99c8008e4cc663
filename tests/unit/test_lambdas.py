"""What the handlers are made of: batches, requests, and the sweeps that they ask for."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import START_MS, World, completed, run, turn
from hypothesis import given
from hypothesis import strategies as st

from ctxasr.errors import CtxasrError, EnvelopeError, InputError, LimitExceeded
from ctxasr.events import Outcome, Record, TurnKey
from ctxasr.gateway import batches, requests
from ctxasr.gateway.batches import BATCH_AT_ONCE_MAX, BATCH_RECORDS_MAX, Item, read_batch, work_on
from ctxasr.gateway.neighbours import (
    SWEEP_DELAY_S_MAX,
    LambdaEmbedder,
    SweepQueue,
    neighbours,
)
from ctxasr.hypotheses import HYPOTHESIS_CHARS_MAX, N_BEST_MAX
from ctxasr.lambdas import left_s, needs_sweep, sweep_delay_s
from ctxasr.pipeline import on_event, sweep

CANARY = "zanzibarcanary"


def sqs(*names: str) -> dict[str, Any]:
    return {"Records": [{"messageId": name, "body": name} for name in names]}


def kinesis(*names: str) -> dict[str, Any]:
    data = [(name, base64.b64encode(name.encode()).decode()) for name in names]
    return {"Records": [{"kinesis": {"sequenceNumber": n, "data": d}} for n, d in data]}


def worked_on(event: dict[str, Any], bad: dict[str, Exception], deadline_s: float = 60.0) -> Any:
    """The answer, the most items at once, and what failed with what."""
    running, most, failed = 0, 0, {}

    async def work(item: Item) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(10_000.0 if item.data in ("slow", b"slow") else 1.0)
            if item.id in bad:
                raise bad[item.id]
        finally:
            running -= 1

    def note(item: Item, error: Exception) -> None:
        failed[item.id] = type(error)

    async def main() -> dict[str, Any]:
        batch = read_batch(event)
        assert batch is not None
        return await work_on(batch, work, note, deadline_s)

    return run(main()), most, failed


def test_failed_items_are_reported_and_the_others_stand() -> None:
    wrong = {"b": EnvelopeError("wrong"), "d": RuntimeError(CANARY)}
    names = ("a", "b", "slow", "d", "e")
    answer, _, failed = worked_on(sqs(*names), wrong)
    told = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert told == ["b", "slow", "d"]
    assert failed == {"b": EnvelopeError, "d": RuntimeError, "slow": TimeoutError}
    answer, _, _ = worked_on(kinesis(*names), wrong)  # a stream repeats all from there on
    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert worked_on(sqs("a", "b"), {})[0] == {"batchItemFailures": []}


def test_a_batch_is_worked_on_at_once_within_its_limits() -> None:
    names = [str(number) for number in range(3 * BATCH_AT_ONCE_MAX)]
    assert worked_on(sqs(*names), {})[:2] == ({"batchItemFailures": []}, BATCH_AT_ONCE_MAX)
    records = sqs("a")["Records"] * BATCH_RECORDS_MAX
    batch = read_batch({"Records": records})
    assert batch is not None
    assert len(batch.items) == BATCH_RECORDS_MAX
    with pytest.raises(LimitExceeded, match="BATCH_RECORDS_MAX"):
        read_batch({"Records": [*records, records[0]]})


def test_what_is_no_batch_is_told_apart() -> None:
    assert read_batch({"customer": "a"}) is None
    assert read_batch([]) is None
    with pytest.raises(InputError, match=r"Records\.1"):
        read_batch({"Records": [*sqs("a")["Records"], {"body": CANARY}]})
    with pytest.raises(InputError, match="Records is no list"):
        read_batch({"Records": CANARY})
    broken = batches.Item("1", f"*{CANARY}".encode())
    with pytest.raises(EnvelopeError, match="base64") as raised:
        _ = broken.data
    assert CANARY not in f"{raised.value}{broken!r}"


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("kind", "document", "field"),
    [
        (requests.EmbedRequest, {"customer": "c", "interaction": "i"}, "event"),
        (requests.SweepRequest, {"customer": ""}, "customer"),
        (requests.ContextRequest, {"customer": "c"}, "'interaction' or 'token'"),
        (requests.ContextRequest, {"customer": "c", "token": "t", "interaction": "i"}, "either"),
        (requests.RescoreRequest, {"customer": "c"}, "hypotheses"),
        (requests.RescoreRequest, {"customer": "c", "hypotheses": [{"text": 5}]}, "hypotheses.0"),
        (
            requests.RescoreRequest,
            {"customer": "c", "hypotheses": [{"text": CANARY, "score": "high"}]},
            "hypotheses.0.score",
        ),
        (requests.RescoreRequest, {"customer": "c", "hypotheses": [], CANARY: 1}, "not known"),
        (
            requests.RescoreRequest,
            {"customer": "c", "hypotheses": [], "phones": [CANARY]},
            "phones",
        ),
        (requests.SweepRequest, [CANARY], "SweepRequest"),
    ],
)
def test_wrong_requests_name_the_field_and_no_text(kind: Any, document: Any, field: str) -> None:
    with pytest.raises(InputError, match=field) as raised:
        requests.read(kind, document)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "text", ["", "{", b"\xff", '{"customer": NaN}', f'"{CANARY}"', "[" * 5_000, '"\\ud800"']
)
def test_wrong_records_are_refused_without_their_text(text: str | bytes) -> None:
    with pytest.raises(EnvelopeError) as raised:
        requests.read_record(text)
    assert CANARY not in str(raised.value)


def test_limits_of_requests_hold_at_their_edge() -> None:
    def record(size: int) -> str:
        document = json.loads(turn()["utterance"].model_dump_json(by_alias=True))
        document["message"] = {k: v for k, v in document["message"].items() if v is not None}
        text = json.dumps(document)
        return text + " " * (size - len(text))

    assert requests.read_record(record(requests.RECORD_BYTES_MAX)).customer == "customer"
    with pytest.raises(LimitExceeded, match="RECORD_BYTES_MAX"):
        requests.read_record(record(requests.RECORD_BYTES_MAX + 1))
    for name, one, limit in (
        ("hypotheses", {"text": "a"}, N_BEST_MAX),
        ("phones", "AA", requests.PHONES_MAX),
    ):
        document = {"customer": "c", "hypotheses": []} | {name: [one] * limit}
        requests.read(requests.RescoreRequest, document)
        with pytest.raises(InputError, match=name):
            requests.read(requests.RescoreRequest, document | {name: [one] * (limit + 1)})
    long = "a" * HYPOTHESIS_CHARS_MAX
    requests.read(requests.HypothesisIn, {"text": long})
    with pytest.raises(InputError, match="text"):
        requests.read(requests.HypothesisIn, {"text": long + "a"})


def test_the_plain_text_stays_to_the_letter() -> None:
    heard = [{"text": "Power, please!"}, {"text": "bauer"}]
    request = requests.read(requests.RescoreRequest, {"customer": "c", "hypotheses": heard})
    assert request.plain_answer("late")["text"] == "Power, please!"
    assert request.recognition().plain == "Power, please!"
    assert request.recognition().hypotheses[0].words == ("power", "please")
    assert "Power" not in repr(request)


# ---------------------------------------------------------------- neighbours, sweeps


class Client:
    """Stands for a client of aioboto3 where its request is all that counts."""

    meta = SimpleNamespace(endpoint_url="http://lambda")

    def __init__(self, body: bytes = b"null", **answer: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answer, self._body = answer, body

    async def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return self._answer | {"Payload": self}

    async def send_message(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {}

    change_message_visibility = send_message

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> bytes:
        return self._body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"errorType": "StoreUnavailable", "errorMessage": CANARY}, "StoreUnavailable"),
        ({"errorType": f"cannot say {CANARY}"}, "unknown"),
        ([CANARY], "unknown"),
    ],
)
def test_a_failed_function_is_named_by_its_type_alone(body: Any, told: str) -> None:
    from ctxasr.events import EventKey

    client = Client(json.dumps(body).encode(), FunctionError="Unhandled")
    key = EventKey(TurnKey("customer", "turn"), "event")
    with pytest.raises(CtxasrError, match=told) as raised:
        run(LambdaEmbedder(client, "embed").embed(key, "device"))
    assert CANARY not in str(raised.value)
    asked = json.loads(client.asked[0]["Payload"])
    assert asked["event"] == "event"
    requests.read(requests.EmbedRequest, asked)


def test_sweeps_are_asked_for_by_events_that_leave_a_turn_open() -> None:
    world = World()

    async def told() -> dict[str, bool]:
        found = {}
        for place, name in enumerate(turn()):
            record = turn(at_ms=place)[name]
            status = await on_event(record, world.ports)
            found[name] = needs_sweep(event_of(record), status)
            if name == "entities":  # not complete: the reply is still to come
                assert await sweep("customer", world.ports) == 0
        return found

    found = run(told())
    assert [name for name, wanted in found.items() if wanted] == ["recognize"]
    screen, expect, ends = turn("turn-9")["screen"], turn("turn-9")["expect"], completed("turn-8")
    alone = run(on_event(screen, world.ports))
    assert needs_sweep(event_of(screen), alone), "the first that was heard of the turn"
    assert needs_sweep(event_of(expect), run(on_event(expect, world.ports)))
    closed = run(on_event(ends, world.ports))
    assert closed.outcome is Outcome.DISCARDED
    assert not needs_sweep(event_of(ends), closed)


def event_of(record: Record) -> str:
    return record.message.message.header.message_id


@given(st.permutations(["utterance", "entities", "screen", "reply", "started"]), st.data())
def test_whatever_is_lost_somebody_asks_for_the_sweep(
    order: list[str], data: st.DataObject
) -> None:
    """An answer is lost after the write, or the process dies before it asks: it comes again."""
    world, records = World(), turn("turn-7")
    lost = data.draw(st.sets(st.sampled_from(order)), label="lost")

    async def main() -> list[str]:
        asked = []
        for name in [*order, *sorted(lost)]:
            status = await on_event(records[name], world.ports)
            if name in lost:
                lost.remove(name)
            elif needs_sweep(event_of(records[name]), status):
                asked.append(name)
        return asked

    assert run(main()), "nobody asked"


def test_a_sweep_comes_after_the_grace_period_and_sqs_allows_it() -> None:
    world = World()

    async def main() -> list[float]:
        delays = []
        for name in ("recognize", "reply", "expect"):
            status = await on_event(turn("turn-3")[name], world.ports)
            delays.append(sweep_delay_s(status, world.clock.now_ms(), 10_000.0))
        return delays

    assert run(main()) == [12.0, 12.0, 16.0], "a reply of 4 s plays to its end first"
    told = run(world.status("turn-3"))
    assert left_s(told, START_MS + 9_000.0, 10_000.0) == 7.0, "grace begins with the reply's end"
    early = run(on_event(turn("turn-4", at_ms=-8_000.0)["recognize"], world.ports))
    assert left_s(early, START_MS, 10_000.0) == 4.0, "and where nobody asks, with the last event"
    for asked_s, sent_s in ((0.2, 1), (12.0, 12), (SWEEP_DELAY_S_MAX + 60.0, SWEEP_DELAY_S_MAX)):
        client = Client()
        run(SweepQueue(client, "url").later(TurnKey("customer", "turn"), asked_s))
        assert client.asked[0]["DelaySeconds"] == sent_s
        requests.read_json(requests.SweepRequest, client.asked[0]["MessageBody"])
        client = Client()
        run(SweepQueue(client, "url").again("receipt", asked_s))
        (asked,) = client.asked
        assert (asked["ReceiptHandle"], asked["VisibilityTimeout"]) == ("receipt", sent_s)


@pytest.mark.parametrize("url", ["not a url", "sweep", "arn:aws:sqs:eu-west-1:1:sweep"])
async def test_a_queue_without_a_url_is_named(url: str) -> None:
    with pytest.raises(InputError, match=f"CTXASR_SWEEP_QUEUE_URL is '{url}': the queue's URL"):
        async with neighbours(None, url):
            pass


async def test_the_neighbours_are_in_the_region_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AWS_REGION is enough, and what is set to nothing is not set."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_PROFILE", "")
    async with neighbours("embed", None) as (embedder, _):
        assert embedder is not None
        assert embedder._client.meta.region_name == "eu-west-1"


async def test_a_batch_has_a_connection_for_each_of_its_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with neighbours("embed", "http://127.0.0.1:9/queue") as (embedder, sweeps):
        assert embedder is not None
        assert sweeps is not None
        for client in (embedder._client, sweeps._client):
            assert client.meta.config.max_pool_connections >= BATCH_AT_ONCE_MAX
