"""Records as other services hand them on: unwrapped, or named for what they are."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import START_MS, turn

from ctxasr.errors import EnvelopeError, InputError, LimitExceeded
from ctxasr.gateway import requests
from ctxasr.gateway.batches import read_batch
from ctxasr.gateway.wrappers import WRAPPED_BYTES_MAX, WRAPPERS_MAX

CANARY = "Quokkacanary"


def document(**outer: Any) -> dict[str, Any]:
    """A record as JSON holds it."""
    whole: dict[str, Any] = json.loads(
        turn(utterance=CANARY)["utterance"].model_dump_json(by_alias=True)
    )
    whole["message"] = {name: part for name, part in whole["message"].items() if part is not None}
    return whole | outer


def sns(inner: str) -> str:
    """What SNS puts round a message, unless raw message delivery is on."""
    return json.dumps({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "Message": inner, "Timestamp": "2026-11-01T00:00:00.000Z", "SignatureVersion": "1",
    })  # fmt: skip


def bus(inner: str) -> str:
    """... and what EventBridge does."""
    return json.dumps({
        "version": "0", "id": "1", "detail-type": "ctxasr record", "source": "our.assistant",
        "account": "1", "time": "2026-11-01T00:00:00Z", "resources": [],
        "detail": json.loads(inner),
    })  # fmt: skip


def encoded(inner: str) -> str:
    return base64.b64encode(inner.encode()).decode()


WRAPPERS: dict[str, Callable[[str], str]] = {
    "SNS": sns, "EventBridge": bus, "twice encoded": json.dumps, "base64": encoded,
    "base64 in lines": lambda inner: base64.encodebytes(inner.encode()).decode(),
    "SNS behind a bus": lambda inner: sns(bus(inner)),
    "an encoder behind SNS": lambda inner: sns(json.dumps(inner)),
    "base64 behind SNS": lambda inner: sns(encoded(inner)),
    "thrice encoded": lambda inner: json.dumps(json.dumps(json.dumps(inner))),
}  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_taken_off(wrapper: str) -> None:
    plain = json.dumps(document())
    found = requests.read_record(WRAPPERS[wrapper](plain))
    assert found == requests.read_record(plain)
    assert found == requests.read_record(WRAPPERS[wrapper](plain).encode())


def test_so_many_wrappers_and_no_more() -> None:
    text = json.dumps(document())
    for _ in range(WRAPPERS_MAX):
        text = sns(text)
    assert requests.read_record(text).customer == "customer"
    with pytest.raises(LimitExceeded, match="WRAPPERS_MAX is 4, got 5"):
        requests.read_record(sns(text))


def test_a_wrapped_record_has_the_same_limit_as_a_bare_one() -> None:
    def sized(size: int) -> str:
        whole = document()
        payload = whole["message"]["directive"]["payload"] = {"text": "", "more": ""}
        payload["more"] = "x" * (size - len(compact(whole)))
        return compact(whole)

    def compact(whole: Any) -> str:
        return json.dumps(whole, separators=(",", ":"))

    most = requests.RECORD_BYTES_MAX
    for wrapped in (sns, bus, encoded):
        assert requests.read_record(wrapped(sized(most))).customer == "customer"
        with pytest.raises(LimitExceeded, match="RECORD_BYTES_MAX"):
            requests.read_record(wrapped(sized(most + 1)))
    with pytest.raises(LimitExceeded, match="WRAPPED_BYTES_MAX"):
        requests.read_record(" " * (WRAPPED_BYTES_MAX + 1))


INNER = json.dumps(document())
FOREIGN: list[tuple[Any, str]] = [
    ({"Type": "SubscriptionConfirmation", "Token": CANARY, "Message": "You have chosen"}, "SNS"),
    ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": INNER}}]}, "raw message delivery"),
    ({"Records": [{"eventSource": "aws:s3", "s3": {"key": CANARY}}]}, "aws:s3"),
    ({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}, "aws:dynamodb"),
    ({"Records": [{"eventSource": f"aws:{CANARY} sings"}]}, "a batch wrapped in a message"),
    ({"Records": [{"messageId": "1", "body": INNER}]}, "a batch wrapped in a message"),
    ({"Service": "Amazon S3", "Event": "s3:TestEvent"}, "a test event of S3"),
    ([document(), document()], "a list; one record a message"),
    ({"requestContext": {}, "body": INNER, "isBase64Encoded": False}, "an HTTP request"),
    ({"invocationId": "1", "records": [{"recordId": "1", "data": ""}]}, "Firehose"),
    ({"awslogs": {"data": ""}}, "CloudWatch Logs"),
    (  # a function's own failures, sent back from its dead letters
        {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": document()},
        "what Lambda writes of a record that failed",
    ),
    (
        {"requestContext": {"condition": "RetryAttemptsExhausted"}, "KinesisBatchInfo": {}},
        "what Lambda writes of a record that failed",
    ),
    ({"httpMethod": "POST", "body": INNER}, "an HTTP request"),
    ({"detail-type": CANARY, "source": "aws.s3", "detail": {}}, "an event of aws.s3"),
    ({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}, "aws.events"),
    ({"eventSource": "aws:kafka", "records": {"t-0": []}}, "a record of aws:kafka"),
    ({"eventSource": "aws:kinesis", "data": "", "partitionKey": CANARY}, "of aws:kinesis"),
]


@pytest.mark.parametrize(("given", "named"), FOREIGN)
def test_what_is_no_record_is_named_without_its_text(given: Any, named: str) -> None:
    for text in (json.dumps(given), json.dumps(json.dumps(given))):
        with pytest.raises(EnvelopeError, match=named) as raised:
            requests.read_record(text)
        assert CANARY not in str(raised.value)


def test_compressed_records_are_named() -> None:
    packed = gzip.compress(INNER.encode(), mtime=0)
    for data in (packed, base64.b64encode(packed)):
        with pytest.raises(EnvelopeError, match="gzip"):
            requests.read_record(data)


def test_a_customer_is_believed_to_the_outermost_record_alone() -> None:
    """Whoever may write a text that travels in a record writes no record by it."""
    inner = json.dumps(document(customer="another"))
    whole = document(Type="Notification", Message=inner)
    with pytest.raises(EnvelopeError, match="not known"):
        requests.read_record(json.dumps(whole))
    said = document()
    said["message"]["directive"]["payload"]["text"] = inner
    assert requests.read_record(json.dumps(said)).customer == "customer"


def test_a_batch_says_from_whom_its_records_are() -> None:
    for record, named in (
        ({"EventSource": "aws:sns", "Sns": {"Message": INNER}}, "raw message delivery"),
        ({"eventSource": "aws:dynamodb", "dynamodb": {}}, "it holds records of aws:dynamodb"),
    ):
        with pytest.raises(InputError, match=f"neither SQS nor Kinesis; .*{named}") as raised:
            read_batch({"Records": [record]})
        assert CANARY not in str(raised.value)


# ---------------------------------------------------------------- the instant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (START_MS // 1_000, "looks like seconds"),
        (START_MS / 1_000.0, "looks like seconds"),
        (START_MS * 1_000, "looks like microseconds"),
        (START_MS * 1_000_000, "looks like nanoseconds"),
        (START_MS + 0.5, "has a fraction"),
        (float(START_MS), "has a fraction"),
        (0, "lies before 2015"),
        (-START_MS, "lies before 2015"),
        (requests.RECEIVED_AT_MS_MIN - 1, "lies before 2015"),
        (requests.RECEIVED_AT_MS_MAX, "lies after 2100"),
        (10**30, "lies after 2100"),
        (str(START_MS), "is no number"),
        ("2026-11-01T00:00:00Z", "is no number"),
        (True, "is no number"),
        (None, "is no number"),
        ([START_MS], "is no number"),
    ],
)
def test_what_is_no_instant_in_milliseconds_is_named(given: Any, said: str) -> None:
    text = json.dumps(document(received_at=given))
    for whole in (text, sns(text)):
        with pytest.raises(EnvelopeError, match=f"received_at {said}; .*milliseconds since 1970"):
            requests.read_record(whole)


def test_instants_at_their_edges() -> None:
    for right in (requests.RECEIVED_AT_MS_MIN, requests.RECEIVED_AT_MS_MAX - 1, START_MS):
        assert requests.read_record(json.dumps(document(received_at=right))).received_at == right


def test_what_nobody_could_read_is_not_acknowledged() -> None:
    record, ttl_s = requests.record_of(document(received_at=START_MS)), 60
    requests.check_age(record, ttl_s, START_MS + 58_999.0)
    for late_ms in (59_000.0, 86_400_000.0):  # a second is kept for clocks that disagree
        with pytest.raises(EnvelopeError, match=r"received_at is \d+ s ago, and texts live 60 s"):
            requests.check_age(record, ttl_s, START_MS + late_ms)
    ahead_ms = requests.RECEIVED_AHEAD_MS_MAX
    requests.check_age(record, ttl_s, START_MS - ahead_ms)
    with pytest.raises(LimitExceeded, match="RECEIVED_AHEAD_MS_MAX"):
        requests.check_age(record, ttl_s, START_MS - ahead_ms - 1)
