"""Records as other services hand them on: unwrapped, or named for what they are."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

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


def bus(inner: str, *, as_text: bool = False) -> str:
    """... and what EventBridge does."""
    return json.dumps({
        "version": "0", "id": "1", "detail-type": "ctxasr record", "source": "our.assistant",
        "account": "1", "time": "2026-11-01T00:00:00Z", "resources": [],
        "detail": inner if as_text else json.loads(inner),
    })  # fmt: skip


def encoded(inner: str) -> str:
    return base64.b64encode(inner.encode()).decode()


def url_safe(inner: str) -> str:
    return base64.urlsafe_b64encode(inner.encode()).decode().rstrip("=")


WRAPPERS: dict[str, Callable[[str], str]] = {
    "SNS": sns, "EventBridge": bus, "twice encoded": json.dumps, "base64": encoded,
    "base64 in lines": lambda inner: base64.encodebytes(inner.encode()).decode(),
    "SNS behind a bus": lambda inner: sns(bus(inner)),
    "an encoder behind SNS": lambda inner: sns(json.dumps(inner)),
    "base64 behind SNS": lambda inner: sns(encoded(inner)),
    "EventBridge with a text": lambda inner: bus(inner, as_text=True),
    "EventBridge with base64": lambda inner: bus(encoded(inner), as_text=True),
    "base64 without padding": lambda inner: encoded(inner).rstrip("="),
    "base64 for URLs": url_safe, "base64 for URLs behind SNS": lambda inner: sns(url_safe(inner)),
    "base64 with a byte order mark": lambda inner: encoded("\ufeff" + inner),
    "base64 behind a byte order mark": lambda inner: "\ufeff" + encoded(inner),
    "base64 of UTF-16": lambda inner: base64.b64encode(inner.encode("utf-16")).decode(),
    "thrice encoded": lambda inner: json.dumps(json.dumps(json.dumps(inner))),
}  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_taken_off(wrapper: str) -> None:
    whole = document()
    whole["message"]["directive"]["payload"]["text"] = (
        "\u00ff\u00fe\u00fb~?>" * 9
    )  # + and / of base64
    plain = json.dumps(whole, ensure_ascii=False)
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
    ({"detail-type": CANARY, "source": "ours", "detail": [document()]}, "neither an object nor"),
    ({"detail-type": CANARY, "source": "aws.s3", "detail": CANARY}, "an event of aws.s3"),
    ({"specversion": "1.0", "type": CANARY, "source": "/a", "data": document()}, "a CloudEvent"),
    ({"MessageId": "1", "ReceiptHandle": "r", "Body": INNER}, "its Body alone"),
    ({"kinesis": {"data": encoded(INNER)}}, "a record as Kinesis hands it out"),
    ({"SequenceNumber": "1", "Data": encoded(INNER)}, "a record as Kinesis hands it out"),
    (document()["message"], "an envelope alone"),
    (
        ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}],
        "a pointer to S3",
    ),
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


PLAIN = INNER.encode()
ENCODED: list[tuple[bytes, str]] = [
    (gzip.compress(PLAIN, mtime=0), r"compressed \(gzip\)"),
    (zlib.compress(PLAIN), r"compressed \(zlib\)"),
    (zlib.compress(PLAIN, 1), r"compressed \(zlib\)"),
    (zlib.compress(PLAIN, 9), r"compressed \(zlib\)"),
    (bz2.compress(PLAIN), r"compressed \(bzip2\)"),
    (lzma.compress(PLAIN), r"compressed \(xz\)"),
    (b"\x28\xb5\x2f\xfd" + PLAIN, r"compressed \(Zstandard\)"),
    (b"\xf3\x89\x9a\xc2" + PLAIN, "Kinesis Producer Library"),
    (PLAIN.decode().encode("utf-16-le"), "UTF-16 without a byte order mark; UTF-8 is right"),
    (PLAIN.decode().encode("utf-16-be"), "UTF-16 without"),
    (PLAIN.decode().encode("utf-32-le"), "UTF-32 without"),
    (PLAIN.decode().encode("utf-32-be"), "UTF-32 without"),
    (base64.b64encode(PLAIN), "in base64 twice; once is right"),
    (PLAIN.hex().encode(), "hexadecimal"),
    (quote(INNER).encode(), "percent-encoded"),
    (b"record=" + quote(INNER).encode(), "percent-encoded"),
]


@pytest.mark.parametrize(("data", "named"), ENCODED)
def test_other_encodings_are_named(data: bytes, named: str) -> None:
    in_base64 = base64.b64encode(data)
    for whole in (data, in_base64, in_base64.rstrip(b"="), base64.urlsafe_b64encode(data)):
        if whole is data and data == base64.b64encode(PLAIN):
            continue  # once is right
        with pytest.raises(EnvelopeError, match=named) as raised:
            requests.read_record(whole)
        assert CANARY not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b" \n", b'""', sns("").encode()])
def test_nothing_is_named_so(data: bytes) -> None:
    with pytest.raises(EnvelopeError, match="record is empty"):
        requests.read_record(data)


@pytest.mark.parametrize("filling", [b" ", b"A", b"=", b"7b", b"%7B", b"\xff"])
def test_long_messages_are_refused_at_once(filling: bytes) -> None:
    """What is nearly base64 costs as much as what is base64: one look at each byte."""
    data = b"A" + filling * (WRAPPED_BYTES_MAX // len(filling) - 2) + b"!"
    began_s = time.process_time()
    with pytest.raises(EnvelopeError):
        requests.read_record(data)
    assert time.process_time() - began_s < 2.0


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
