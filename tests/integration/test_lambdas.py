"""All five handlers over moto, as Lambda calls them; the function that embeds stands in a thread.

The encoder is a double (torch is not what is tested), and so is Lambda's Invoke, which moto knows
only with docker. `make lambda-check` runs the real ones under the official runtime client. All
texts are canaries and all loggers are at DEBUG: nothing of them may be written down.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from conftest import Encoder, completed, recognize, turn
from servers import moto, variables
from threats.canaries import find_canaries
from threats.test_canaries_end_to_end import everything_logged

from ctxasr import app, lambdas
from ctxasr.errors import CtxasrError, EnvelopeError, InputError, StoreUnavailable
from ctxasr.events import EventKey, Record, TurnKey
from ctxasr.gateway.neighbours import SweepQueue
from ctxasr.pipeline import Ports, embed
from ctxasr.store.clients import Endpoint, clients
from ctxasr.store.local import ensure_key, ensure_tables
from ctxasr.store.schema import Tables
from ctxasr.trigger import discard

CANARIES = ("wombatcanary", "quokkacanary", "lemurcanary", "axolotlcanary")


def now_ms() -> int:
    return round(app.SystemClock().now_ms())


class Context:
    """Lambda's context, with `left_ms` of time."""

    def __init__(self, left_ms: float = 30_000.0) -> None:
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self) -> float:
        return self._left_ms


class Embedding:
    """Lambda's Invoke of a function that works, fails, or hangs."""

    def __init__(self) -> None:
        self.fails, self.hangs = False, False
        self.hung: list[Any] = []
        self._end = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.hangs:
                    outer.hung.append(event)
                    outer._end.wait()
                    return  # without an answer
                body: Any = None
                if outer.fails:
                    body = {"errorType": "RuntimeError", "errorMessage": CANARIES[0]}
                else:
                    asyncio.run(_embed(event))
                self.send_response(200)
                if outer.fails:
                    self.send_header("X-Amz-Function-Error", "Unhandled")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self._end.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


async def _embed(event: dict[str, str]) -> None:
    models = app.Models(encoder=True, aligner=False)
    async with app.aws(app.Settings.from_environment(), models=models, set_up=False) as made:
        key = EventKey(TurnKey(event["customer"], event["interaction"]), event["event"])
        await embed(key, event["device"], made.ports)


@pytest.fixture(scope="module")
def aws() -> Iterator[Endpoint]:
    with moto() as endpoint:
        yield endpoint


@pytest.fixture
def embedding() -> Iterator[Embedding]:
    made = Embedding()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def deployed(
    aws: Endpoint,
    embedding: Embedding,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """What the template sets; the queue's URL. Tables of their own for each test."""
    prefix = f"t{abs(hash(request.node.name))}"
    url = f"{aws}/123456789012/{prefix}"
    for name, value in {
        **variables(aws),
        "AWS_ENDPOINT_URL_SQS": str(aws),
        "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{embedding.server.server_port}",
        "CTXASR_ENDPOINT_URL": str(aws),
        "CTXASR_TABLE_PREFIX": prefix,
        "CTXASR_READ_BUDGET_MS": "5000",  # this machine may be busy, and logs everything
        "CTXASR_EMBED_FUNCTION": "embed-context",
        "CTXASR_SWEEP_QUEUE_URL": url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(app, "default_encoder", lambda weights=None: Encoder())
    asyncio.run(_set_up(aws, prefix))
    yield url
    lambdas.close()


async def _set_up(aws: Endpoint, prefix: str) -> None:
    import aioboto3

    async with clients(aws) as opened:
        await ensure_tables(opened.dynamodb, Tables.named(prefix))
        await ensure_key(opened.kms)
    async with aioboto3.Session().client("sqs", endpoint_url=str(aws)) as queue:
        await queue.create_queue(QueueName=prefix)


async def _queued(url: str) -> int:
    import aioboto3

    async with aioboto3.Session().client("sqs") as queue:
        name = "ApproximateNumberOfMessagesDelayed"
        answer = await queue.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])


@pytest.fixture(autouse=True)
def silent(deployed: str, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Everything is logged, and nothing that is said holds a text."""
    with everything_logged() as logs:
        yield
    said = "".join(capfd.readouterr()).encode() + "\n".join(logs.lines).encode()
    assert b"UpdateItem" in said, "the logs were listened to"
    forms = [form for word in CANARIES for form in (word, word.capitalize())]
    assert find_canaries(said, forms) == []


def told(name: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """A turn's records as JSON, now."""
    records = turn(
        name, utterance="wombatcanary", names=("Quokkacanary", "Lemurcanary"), reply_ms=60_000,
        at_ms=0, received_at=now_ms(), **changes,
    )  # fmt: skip
    records["recognize"] = recognize(name, received_at=now_ms())
    return {short: wire(record) for short, record in records.items()}


def wire(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(record.model_dump_json(by_alias=True, exclude_unset=True))
    return document


def sqs(*bodies: Any) -> dict[str, Any]:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"messageId": f"m{n}", "body": text} for n, text in enumerate(texts)]}


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_a_dialogue_from_events_to_the_text(
    deployed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    records = told("turn-1")
    poison = {"customer": "customer", "message": {"event": "lemurcanary"}}
    batch = sqs(*records.values(), "{lemurcanary", poison)
    assert failed(lambdas.record_event(batch, Context())) == ["m8", "m9"]
    assert failed(lambdas.record_event(batch, Context())) == ["m8", "m9"], "delivered once more"

    asked = {"customer": "customer", "interaction": "turn-1"}
    found = lambdas.get_context(asked, Context())
    assert (found["state"], found["outcome"], found["reason"]) == ("hit", "embedded", "")
    vectors = found["vectors"]
    values = np.frombuffer(base64.b64decode(vectors["data"]), "<f4").reshape(vectors["shape"])
    assert values.tolist() == [[1.0, ord("w"), 0.0]]
    assert 0.0 <= found["age_ms"] < 60_000.0
    provenance = found["provenance"]
    assert (provenance["model"], provenance["turns"]) == ("letters", 1)
    assert provenance["window_ms"] == pytest.approx(60_000.0)
    assert provenance["signals"]["entities"] >= 2
    assert "phrases" not in found
    by_token = lambdas.get_context(
        {"customer": "customer", "token": "ask-turn-1", "phrases": True}, Context()
    )
    assert by_token["vectors"] == vectors
    assert "lemurcanary" in {one["text"].lower() for one in by_token["phrases"]}

    hypotheses = [{"text": "Lemur, canary", "score": 0.0}, {"text": "lemurcanary", "score": -0.1}]
    answer = lambdas.rescore(
        {"customer": "customer", "token": "ask-turn-1", "hypotheses": hypotheses}, Context()
    )
    assert (answer["text"], answer["context"]) == ("Lemurcanary", "hit"), answer["reason"]
    assert answer["plain_text"] == "Lemur, canary"
    assert answer["changes"][0]["signal"] == "entities"
    other = lambdas.rescore(
        {"customer": "another", "token": "ask-turn-1", "hypotheses": hypotheses}, Context()
    )
    assert (other["text"], other["context"]) == ("Lemur, canary", "missed"), "not theirs"

    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    counted: dict[str, list[float]] = {}
    for line in map(json.loads, lines):
        if "_aws" in line:
            for name in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                counted.setdefault(name["Name"], []).extend(line[name["Name"]])
    assert sum(counted["Recorded"]) == 16
    assert len(counted["ContextAgeMs"]) == 3
    assert len(counted["RescoreMs"]) == 1


def test_a_stream_repeats_from_the_first_failure() -> None:
    records = list(told("turn-1").values())
    bodies = [records[0], {"customer": "customer"}, records[1], "lemurcanary"]
    data = [base64.b64encode(json.dumps(body).encode()).decode() for body in bodies]
    stream = [{"kinesis": {"sequenceNumber": f"s{n}", "data": d}} for n, d in enumerate(data)]
    assert failed(lambdas.record_event({"Records": stream}, Context())) == ["s1"]
    assert failed(lambdas.record_event({"Records": stream[:1]}, Context())) == []


def test_a_claim_is_acknowledged_only_when_its_turn_is_settled(embedding: Embedding) -> None:
    records = told("turn-1")
    trigger = records.pop("expect")
    for record in records.values():
        answer = lambdas.record_event(record, Context())
        assert answer == {"acknowledged": True, "interaction": "turn-1", "outcome": None}
    embedding.hangs = True
    other = wire(completed("turn-2", received_at=now_ms()))
    assert failed(lambdas.record_event(sqs(trigger, other), Context(1_500.0))) == ["m0"]
    with pytest.raises(StoreUnavailable):
        lambdas.record_event(trigger, Context(1_500.0))
    asked = {"customer": "customer", "interaction": "turn-1"}
    found = lambdas.get_context(asked, Context())
    assert (found["state"], found["reason"]) == ("missed", "the turn is not settled yet")

    request = embedding.hung[0]
    embedding.hangs = False
    for _ in range(2):  # what the function does when it gets there, and when it is asked again
        answer = lambdas.embed_context(request, Context())
        assert answer == {"interaction": "turn-1", "outcome": "embedded"}
    answer = lambdas.embed_context(request | {"event": "another"}, Context())
    assert answer["outcome"] == "embedded", "nothing of it is another's to settle"
    assert failed(lambdas.record_event(sqs(trigger, other), Context())) == []
    assert lambdas.get_context(asked, Context())["state"] == "hit"


def test_a_function_that_fails_costs_the_context_alone(embedding: Embedding) -> None:
    embedding.fails = True
    assert failed(lambdas.record_event(sqs(*told("turn-1").values()), Context())) == []
    asked = {"customer": "customer", "token": "ask-turn-1"}
    found = lambdas.get_context(asked, Context())
    assert (found["state"], found["outcome"]) == ("missed", "missed")
    answer = lambdas.rescore(asked | {"hypotheses": [{"text": "Axolotlcanary?"}]}, Context())
    assert (answer["text"], answer["context"]) == ("Axolotlcanary?", "missed")


def test_a_sweep_that_comes_early_comes_again_when_the_turn_is_due(
    deployed: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the queue's own time-out is over: that is minutes later."""
    record = wire(recognize("turn-1", received_at=now_ms() + 600_000))  # no test is that slow
    lambdas.record_event(record, Context())
    (message,) = asyncio.run(_received(deployed))
    asked, again = [], SweepQueue.again

    async def noted(queue: SweepQueue, receipt: str, delay_s: float) -> None:
        await again(queue, receipt, delay_s)
        asked.append((receipt, delay_s))

    monkeypatch.setattr(SweepQueue, "again", noted)
    assert failed(lambdas.sweep({"Records": [message]}, Context())) == [message["messageId"]]
    ((receipt, delay_s),) = asked
    assert receipt == message["receiptHandle"]
    assert 500.0 < delay_s <= 612.0, "until the grace period is over, and a margin"
    said = capfd.readouterr().out
    sys.stdout.write(said)  # for `silent`
    lines = [json.loads(line) for line in said.splitlines()]
    assert [one["level"] for one in lines if one.get("message") == "not due yet"] == ["INFO"]
    assert [one for one in lines if one.get("level") == "ERROR"] == []


async def _received(url: str) -> list[dict[str, Any]]:
    """Ask for turn-1 to be swept at once, and receive that as Lambda does."""
    import aioboto3

    async with aioboto3.Session().client("sqs") as queue:
        wanted = {"customer": "customer", "interaction": "turn-1"}
        await queue.send_message(QueueUrl=url, MessageBody=json.dumps(wanted))
        answer = await queue.receive_message(QueueUrl=url, VisibilityTimeout=180)
    return [
        {"messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": one["Body"]}
        for one in answer["Messages"]
    ]


def test_the_sweep_settles_what_is_due_and_comes_again_for_the_rest(deployed: str) -> None:
    early, late = now_ms() - 60_000, now_ms() + 600_000  # no test is that slow
    for name, received_at in (("turn-0", early), ("turn-1", late)):
        lambdas.record_event(wire(recognize(name, received_at=received_at)), Context())
    assert asyncio.run(_queued(deployed)) == 2
    wanted = [{"customer": "customer", "interaction": name} for name in ("turn-0", "turn-1")]
    assert failed(lambdas.sweep(sqs(*wanted, "{"), Context())) == ["m1", "m2"]
    assert lambdas.sweep({"customer": "customer"}, Context()) == {"settled": 0}
    state = lambdas.get_context(wanted[0], Context())
    assert (state["outcome"], state["state"]) == ("discarded", "none")


def test_a_sweep_is_done_when_its_own_turn_is_closed_whatever_became_of_another(
    deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("turn-0", "turn-1"):
        lambdas.record_event(wire(recognize(name, received_at=now_ms() - 60_000)), Context())

    async def stumbling(customer: str, ports: Ports) -> int:
        await discard(await ports.store.claim(TurnKey(customer, "turn-0"), "x"),
                      ports.store, ports.vault, owner="x")  # fmt: skip
        raise StoreUnavailable("1 turns were not closed, 1 others were")

    monkeypatch.setattr(lambdas, "sweep_customer", stumbling)
    wanted = [{"customer": "customer", "interaction": name} for name in ("turn-0", "turn-1")]
    assert failed(lambdas.sweep(sqs(*wanted), Context())) == ["m1"]
    assert failed(lambdas.sweep(sqs({"customer": "customer"}), Context())) == ["m0"]


def test_what_belongs_to_no_turn_is_acknowledged_and_left_out() -> None:
    header = {"namespace": "System", "name": "SynchronizeState", "messageId": "m"}
    message = {"event": {"header": header | {"dialogRequestId": ""}, "payload": {}}}
    record = {"customer": "customer", "received_at": now_ms(), "message": message}
    answer = lambdas.record_event(record, Context())
    assert (answer["acknowledged"], answer["interaction"]) == (True, None)
    assert "dialogRequestId is missing or empty" in answer["ignored"]
    spoken = told("turn-1")["recognize"]
    assert failed(lambdas.record_event(sqs(record, spoken), Context())) == []


def test_wrong_input_is_an_error_and_an_unreachable_store_is_not_one_for_the_customer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="hypotheses"):
        lambdas.rescore({"customer": "customer", "hypotheses": "lemurcanary"}, Context())
    with pytest.raises(EnvelopeError, match="message"):
        lambdas.record_event({"customer": "customer", "received_at": now_ms()}, Context())
    lambdas.record_event(told("turn-1")["recognize"], Context())
    lambdas.close()
    monkeypatch.setenv("CTXASR_ENDPOINT_URL", "http://127.0.0.1:1")
    asked = {"customer": "customer", "token": "ask-turn-1"}
    hypotheses = {"hypotheses": [{"text": "Lemurcanary!"}]}
    answer = lambdas.rescore(asked | hypotheses, Context())
    assert (answer["text"], answer["context"]) == ("Lemurcanary!", "missed")
    assert lambdas.rescore(asked | hypotheses, Context(0.0))["text"] == "Lemurcanary!", "no time"
    assert lambdas.get_context(asked, Context())["reason"] == "failed: StoreUnavailable"
    records = told("turn-1")
    assert failed(lambdas.record_event(sqs(records["utterance"]), Context())) == ["m0"]
    with pytest.raises(StoreUnavailable) as raised:
        lambdas.record_event(records["utterance"], Context())
    assert isinstance(raised.value, CtxasrError)


def test_a_fault_of_our_own_is_named_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    lambdas.record_event(told("turn-1")["recognize"], Context())

    async def broken(*_: Any) -> None:
        raise RuntimeError("lemurcanary")

    monkeypatch.setattr(lambdas, "on_event", broken)
    monkeypatch.setattr(lambdas, "sweep_customer", broken)
    for handler, event in (
        (lambdas.record_event, told("turn-1")["reply"]),
        (lambdas.sweep, {"customer": "customer"}),
    ):
        with pytest.raises(CtxasrError, match="RuntimeError") as raised:
            handler(event, Context())
        assert "lemurcanary" not in str(raised.value)
    assert failed(lambdas.record_event(sqs(told("turn-1")["reply"]), Context())) == ["m0"]
