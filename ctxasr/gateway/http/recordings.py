"""What became of events that are recorded while something else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from ctxasr.errors import StoreError
from ctxasr.events import ConsistentStatus, Event
from ctxasr.followups import came_again, repeats_finished
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.erasures import CustomerErased

REUSED: Final = (
    "the dialogRequestId is that of a turn that has ended without a question, so this is no turn "
    "of its own; give each Recognize a new dialogRequestId"
)
"""What is said of a Recognize that cannot be told from a repetition."""

AGAIN: Final = (
    "the turn has asked or ended since its utterance was recorded, so this is taken for that "
    "utterance again, and not for an answer; give an answer its token, or an id of its own"
)
"""What is said of a Recognize that is a repetition, and so late that it is hardly meant as one."""


def note_of(event: Event, status: ConsistentStatus) -> tuple[str, str]:
    """What the log, and the answer to a Recognize, say of its id; empty where there is nothing."""
    if repeats_finished(event, status):
        return "dialogRequestId of a finished turn", REUSED
    if came_again(event, status):
        return "Recognize again after its turn went on", AGAIN
    return "", ""


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
