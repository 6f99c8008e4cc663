"""Will the microphone re-open, and is all there that the context model reads?

`decide` looks at one strongly consistent item and nothing else. Whoever finds the trigger
satisfied claims the turn with a conditional write, so one of many recorders computes. The claim's
owner is the event that claimed: a redelivery of that event finds itself the owner and goes on.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from ctxasr.events import (
    ConsistentStatus,
    Event,
    ExpectSpeech,
    Grounds,
    Outcome,
    PayloadKind,
    PayloadRef,
    RequestProcessingCompleted,
)
from ctxasr.followups import own_refs
from ctxasr.ports import EventStore, PayloadVault

GRACE_MS: Final = 10_000.0
"""After its last event a turn stays open this long; then the sweep closes it."""


class Decision(Enum):
    """What is to be done about a turn."""

    WAIT = "wait"
    COMPUTE = "compute"
    DISCARD = "discard"
    OTHERS = "claimed by another event"
    SETTLED = "settled"


def decide(status: ConsistentStatus, event_id: str) -> Decision:
    """What the recorder of `event_id` has to do, given the item that its write returned."""
    if status.outcome is not None:
        return Decision.SETTLED
    if not expects_speech(status):
        # Of a newer version there may be an expect-speech, and even a claim, that is not seen here.
        hidden = status.unreadable or status.owner is not None
        ended = status.mark(RequestProcessingCompleted.full_name) is not None
        return Decision.DISCARD if ended and not hidden else Decision.WAIT
    if status.owner is not None:
        return Decision.COMPUTE if status.owner == event_id else Decision.OTHERS
    return Decision.COMPUTE if is_complete(status) else Decision.WAIT


def may_complete(event: Event) -> bool:
    """Whether a trigger may have waited for this event: a payload's, or the expect-speech."""
    return event.payload is not None or event.mark.name == ExpectSpeech.full_name


def expects_speech(status: ConsistentStatus) -> bool:
    """Whether the microphone will re-open."""
    return status.mark(ExpectSpeech.full_name) is not None


def is_complete(status: ConsistentStatus) -> bool:
    """Whether utterance, reply and the announced service payloads are there."""
    kinds = [ref.kind for ref in own_refs(status)]
    expect = status.mark(ExpectSpeech.full_name)
    announced = (expect.number or 0) if expect is not None else 0
    return (
        PayloadKind.UTTERANCE in kinds
        and PayloadKind.REPLY in kinds
        and sum(kind.from_service for kind in kinds) >= announced
    )


def grounds_of(status: ConsistentStatus) -> Grounds:
    """What a decision about this item stands on, for the write that carries it out to demand.

    The data key, the event that decided (else the latest one), and of what the trigger waits for
    as much as is there. Between a decision and its write the customer may be forgotten, and a late
    event of the turn may make its item anew: that one was never decided about.
    """
    refs: list[PayloadRef] = []
    decisive = _first(status, ExpectSpeech.full_name)
    if decisive is not None:
        announced = status.marks[decisive].number or 0
        there = sorted(own_refs(status))
        for kind in (PayloadKind.UTTERANCE, PayloadKind.REPLY):
            refs += [ref for ref in there if ref.kind is kind][:1]
        refs += [ref for ref in there if ref.kind.from_service][:announced]
    else:
        decisive = _first(status, RequestProcessingCompleted.full_name) or max(
            status.marks, key=lambda event: status.marks[event].at_ms, default=None
        )
    events = () if decisive is None else (decisive,)
    return Grounds(status.wrapped_key, events, tuple(refs))


def _first(status: ConsistentStatus, name: str) -> str | None:
    """The id of the earliest event of that name."""
    ours = [event for event, mark in status.marks.items() if mark.name == name]
    return min(ours, key=lambda event: status.marks[event].at_ms, default=None)


async def discard(
    status: ConsistentStatus,
    store: EventStore,
    vault: PayloadVault,
    *,
    outcome: Outcome = Outcome.DISCARDED,
    owner: str | None = None,
) -> ConsistentStatus:
    """Settle without an embedding: shred the key first, then delete what it had locked.

    Does nothing to a turn that `owner` does not own, that is settled already, or that is no longer
    the one that `status` shows. Between the two
    writes the payloads are there and unreadable; a crash leaves it so until TTL.
    """
    grounds = grounds_of(status)
    settled = await store.settle(status.turn, outcome, owner=owner, grounds=grounds)
    if settled.outcome is outcome:
        await vault.delete(settled.turn, sorted(settled.refs))
    return settled
