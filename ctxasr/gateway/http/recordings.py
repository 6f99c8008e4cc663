"""What became of events that are recorded while something else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from ctxasr.errors import StoreError
from ctxasr.events import ConsistentStatus, Event
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.erasures import CustomerErased


def answering(event: Event, status: ConsistentStatus) -> Event:
    """A Recognize without a token as what its recording has made of it: perhaps an answer."""
    mark = status.marks.get(event.key.event)
    if event.initiator is not None or mark is None or not mark.token:
        return event
    return event._replace(initiator=mark.token)


async def within(
    recording: list[asyncio.Task[ConsistentStatus]], wait_s: float
) -> ConsistentStatus | None:
    """What the first of them was answered, if that comes in time and is no error."""
    if recording:
        await asyncio.wait(recording[:1], timeout=wait_s)
    done = recording and recording[0].done() and not recording[0].cancelled()
    return recording[0].result() if done and recording[0].exception() is None else None


async def all_recorded(recording: Iterable[asyncio.Task[ConsistentStatus]]) -> bool:
    """Whether all are written within RECORD_S_MAX; the rest goes on behind the answer.

    Raises:
        EnvelopeError, LimitExceeded: an event that no repetition will record.
    """
    tasks = list(recording)
    if not tasks:
        return False
    _, late = await asyncio.wait(tasks, timeout=limits.RECORD_S_MAX)
    recorded = not late
    for task in tasks:
        if task.done():
            # KMS may refuse for good: the text is given all the same.
            with suppress(StoreError, CustomerErased):
                task.result()
                continue
            recorded = False
    return recorded
