"""The batches in which SQS and Kinesis hand messages to a function, and the report of what failed.

    {"Records": [{"eventSource": "aws:sqs", "messageId": ..., "body": ...}, ...]}
    {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": ..., "data": ...}}]}
    -> {"batchItemFailures": [{"itemIdentifier": ...}, ...]}

Source: AWS Lambda Developer Guide, "Reporting batch item failures". What is reported comes again:
from SQS that message alone, from Kinesis that record and all after it. What never succeeds comes
until the queue's redrive policy, or the stream's retry limit, puts it aside.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctxasr.errors import EnvelopeError, InputError, LimitExceeded
from ctxasr.gateway.wrappers import foreign

BATCH_RECORDS_MAX: Final = 10_000
"""Lambda's own limit."""

BATCH_AT_ONCE_MAX: Final = 16
"""Records of one batch that are worked on at once; the others wait."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message: how it is reported, and what it holds."""

    id: str
    body: str | bytes
    receipt: str = ""
    """Of SQS: names this delivery of the message."""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Item({self.id})"

    @property
    def data(self) -> str | bytes:
        """The text of the message.

        Raises:
            EnvelopeError: a Kinesis record that is not base64.
        """
        if isinstance(self.body, str):
            return self.body
        try:
            return base64.b64decode(self.body, validate=True)
        except binascii.Error:
            raise EnvelopeError("record: kinesis.data is not base64") from None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one invocation has to work on. `ordered`: the first failure repeats all that follows."""

    items: tuple[Item, ...]
    ordered: bool

    def report(self, failed: Sequence[str]) -> dict[str, Any]:
        """The answer that repeats the failed items, in the order of the batch."""
        wanted = set(failed)
        found = [{"itemIdentifier": item.id} for item in self.items if item.id in wanted]
        return {"batchItemFailures": found[:1] if self.ordered else found}


def read_batch(event: Any) -> Batch | None:
    """The batch that an event is; None for anything without "Records".

    Raises:
        LimitExceeded: more than BATCH_RECORDS_MAX records.
        InputError: a record of neither kind; names its place.
    """
    if not isinstance(event, dict) or "Records" not in event:
        return None
    records = event["Records"]
    if not isinstance(records, list):
        raise InputError("batch: Records is no list")
    if len(records) > BATCH_RECORDS_MAX:
        raise LimitExceeded("BATCH_RECORDS_MAX", BATCH_RECORDS_MAX, len(records), "batch")
    items = []
    for place, record in enumerate(records):
        match record:
            case {"messageId": str(name), "body": str(body)}:
                receipt = record.get("receiptHandle")
                items.append(Item(name, body, receipt if isinstance(receipt, str) else ""))
            case {"kinesis": {"sequenceNumber": str(name), "data": str(data)}}:
                items.append(Item(name, data.encode()))
            case _:
                why = foreign({"Records": [record]})
                reason = f"; it holds {why}" if "of aws:" in why else f"; {why}" if why else ""
                raise InputError(f"batch: Records.{place} is from neither SQS nor Kinesis{reason}")
    ordered = any(isinstance(item.body, bytes) for item in items)
    return Batch(tuple(items), ordered)


async def work_on(
    batch: Batch,
    work: Callable[[Item], Awaitable[object]],
    failed: Callable[[Item, Exception], None],
    deadline_s: float,
) -> dict[str, Any]:
    """Work on all items at once, BATCH_AT_ONCE_MAX at a time, none past the loop's `deadline_s`.

    One that fails, or is not done in time, is told to `failed` and reported; the others stand.
    """
    places, names = asyncio.Semaphore(BATCH_AT_ONCE_MAX), []

    async def attempt(item: Item) -> None:
        try:
            async with asyncio.timeout_at(deadline_s), places:
                await work(item)
        except Exception as error:
            names.append(item.id)
            failed(item, error)

    async with asyncio.TaskGroup() as group:
        for item in batch.items:
            group.create_task(attempt(item))
    return batch.report(names)
