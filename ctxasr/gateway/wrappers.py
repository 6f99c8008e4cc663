"""What stands round a record when services hand it on, and what is no record at all.

    SNS            {"Type": "Notification", "Message": "..."}      without raw message delivery
    EventBridge    {"detail-type": ..., "source": ..., "detail": {...} or "..."}
    twice encoded  "{\\"customer\\": ...}", or base64 of it

These are taken off, so many of them; anything else that is known is named in the error, with the
setting that would be right. A customer is believed to the outermost record alone: what a client
wrote, as the body of an HTTP request, is never taken for one.

Sources: Amazon SNS Developer Guide, "Parsing message formats"; EventBridge User Guide, "Events";
AWS Lambda Developer Guide, the events of each service.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ctxasr.documents import parse_json
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.gateway.encodings import opened

WRAPPERS_MAX: Final = 4
"""Wrappers round one record; a topic, a bus and two encoders are the most that made sense."""

WRAPPED_BYTES_MAX: Final = 1_048_576
"""A record with all that stands round it: what one SQS message may hold at most."""

_LIMIT: Final = ("record", "WRAPPED_BYTES_MAX", WRAPPED_BYTES_MAX)
_SOURCE: Final = re.compile(r"aws:[a-z0-9-]{1,30}")
_OF_AWS: Final = re.compile(r"aws\.[a-z0-9.-]{1,30}")


def unwrapped(text: str | bytes) -> tuple[Any, int]:
    """The document that a record is, and how many bytes it has, without what stood round it.

    Raises:
        LimitExceeded: more than WRAPPED_BYTES_MAX, or than WRAPPERS_MAX wrappers.
        EnvelopeError: not JSON, or a message of another service; names the service.
    """
    data = _whole(text)
    document, size = parse_json(data, *_LIMIT), len(data)
    for _ in range(WRAPPERS_MAX + 1):
        inner = _inner(document)
        if inner is None:
            return document, size
        compact = json.dumps(inner, ensure_ascii=False, separators=(",", ":"))
        document, size = inner, len(compact.encode())
    raise LimitExceeded("WRAPPERS_MAX", WRAPPERS_MAX, WRAPPERS_MAX + 1, "record")


def _inner(document: Any) -> Any:
    """What the document wraps; None if it wraps nothing.

    Raises:
        EnvelopeError: it is a message of another kind.
    """
    match document:
        case str():
            return _parsed(document)
        case {"customer": _, "message": _}:
            return None
        case {"Type": "Notification", "Message": str(message)}:
            return _parsed(message)
        case {"detail-type": _, "source": source, "detail": dict() | str() as detail} if not (
            isinstance(source, str) and _OF_AWS.fullmatch(source)
        ):
            return _parsed(detail) if isinstance(detail, str) else detail
    if why := foreign(document):
        raise EnvelopeError(f"record: {why}")
    return None


def foreign(document: Any) -> str:
    """What the document is, if it is known and no record; and what would be right."""
    return _message(document) or _invocation(document)


def _message(document: Any) -> str:
    """... of what may stand in a message where a record should."""
    match document:
        case [str(), {"s3BucketName": _, "s3Key": _}]:
            return (
                "a pointer to S3, of the extended client of SQS; the record itself is right, which "
                "fits into a message"
            )
        case list():
            return (
                "a list; one record a message is right, and of an EventBridge pipe the queue as "
                "its target"
            )
        case {"Type": "SubscriptionConfirmation" | "UnsubscribeConfirmation"}:
            return "SNS asks for a confirmation of a subscription; confirm it at SNS"
        case {"Event": "s3:TestEvent"}:
            return "a test event of S3; no bucket may notify this queue"
        case {"detail-type": _, "source": str(source)} if _OF_AWS.fullmatch(source):
            return f"an event of {source}; the rule should match our own records alone"
        case {"detail-type": _, "detail": detail} if not isinstance(detail, dict):
            return "an event of EventBridge whose detail is neither an object nor a text of one"
        case {"specversion": str(), "type": _, "source": _}:
            return "a CloudEvent; its data alone is right"
        case {"ReceiptHandle": _, "Body": _}:
            return "a message as SQS hands it out; its Body alone is right"
        case {"kinesis": {"data": _}} | {"SequenceNumber": _, "Data": _}:
            return "a record as Kinesis hands it out; its data alone is right"
        case {"event": {"header": _}} | {"directive": {"header": _}}:
            return "an envelope alone; {customer, device, received_at, message} is right"
    return ""


def _invocation(document: Any) -> str:
    """... of what services call a function with, or write of a call."""
    match document:
        case {"Records": [{"Sns": _}, *_]} | {"Records": [{"EventSource": "aws:sns"}, *_]}:
            return (
                "SNS calls the function itself; subscribe the events queue to the topic, with raw "
                "message delivery"
            )
        case {"Records": [{"eventSource": str(source)}, *_]} if _SOURCE.fullmatch(source):
            return f"records of {source}; those of SQS or Kinesis, or one alone, are right"
        case {"Records": _}:
            return "a batch wrapped in a message; one record a message is right"
        case {"records": _, "deliveryStreamArn": _} | {"records": _, "invocationId": _}:
            return "Firehose calls the function; the queue or the stream is right"
        case {"requestContext": {"condition": _}}:
            return (
                "what Lambda writes of a record that failed; send the record again as it was, to "
                "the queue or the stream"
            )
        case {"requestContext": _} | {"httpMethod": _}:
            return (
                "an HTTP request; its body is not believed whose customer it names, so have an "
                "authenticated service call record_event, or run `ctxasr serve`"
            )
        case {"eventSource": str(source)} if _SOURCE.fullmatch(source):
            return f"a record of {source}; its body or data alone is right"
        case {"awslogs": _}:
            return "CloudWatch Logs calls the function; it sends no records"
    return ""


def _parsed(text: str) -> Any:
    return parse_json(_whole(text), *_LIMIT)


def _whole(text: str | bytes) -> bytes:
    """The text, out of base64 if it is JSON in base64."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > WRAPPED_BYTES_MAX or data[:1] in (b"{", b'"', b"["):
        return data
    return opened(data, "record")
