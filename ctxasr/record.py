"""Event to rows: the payload first, then the one status update that refers to it.

    link        only with an expect-speech that has a token: token -> this turn
    open_key    only with a payload, where this process does not hold the turn's key yet
    payload     ciphertext; a repetition writes the same text to the same place
    status      if_not_exists; returns the item, strongly consistent

Whoever comes last sees all that came before, so every recorder may decide on what its own write
returned. Recording is idempotent: a duplicate or a retried write changes nothing.

    this process    holds a key ... payload under it .... status: the item has another key, or none
    another            forgets the customer ... a late event makes the item anew

The key that was held opens nothing any more. So the item that the status update returns must have
the key that the payload was sealed under; else both are written once more, under the item's own.
"""

from __future__ import annotations

from typing import Final

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import ConsistentStatus, Event, ExpectSpeech, Outcome, Payload
from ctxasr.ports import EventStore, PayloadVault
from ctxasr.timing import expired

CLOSED_WITHOUT_PAYLOADS = (Outcome.MISSED, Outcome.DISCARDED)
"""Outcomes after which a turn's payloads must not exist."""

SEALINGS_MAX: Final = 4
"""Times that one event's payload is sealed: the customer is forgotten between any two of them."""


async def record(
    event: Event,
    store: EventStore,
    vault: PayloadVault,
    expires_at_s: int,
    *,
    now_ms: float = 0.0,
) -> ConsistentStatus:
    """Write one event and return the turn's status as it is after that write.

    A payload that has expired at `now_ms` (since 1970) is sealed once, under whatever key: nobody
    can read it, and the table's sweeper may delete its item between any two writes.

    Raises:
        StoreUnavailable: perhaps written; deliver the event again.
        LimitExceeded: the turn has no room for it; nothing of it is written.
    """
    turn = event.key.turn
    if event.initiator is not None and event.mark.name == ExpectSpeech.full_name:
        await store.link(turn, event.initiator, expires_at_s)
    held = None if event.payload is None else vault.held_key(turn)
    for _ in range(SEALINGS_MAX):
        key = None
        if event.payload is not None:
            key = await _put(event.payload, held, store, vault, expires_at_s)
        try:
            status = await store.record(event, expires_at_s)
        except LimitExceeded:
            if event.payload is not None:  # nothing refers to it, and nothing ever will
                await _leave_nothing(event.payload, vault)
            raise
        if event.payload is None:
            return status
        if status.outcome in CLOSED_WITHOUT_PAYLOADS:
            # The turn was closed between our two writes, or before them: leave nothing behind.
            await _leave_nothing(event.payload, vault)
            return status
        if key is not None and key == status.wrapped_key:
            return status
        if expired(event.payload.expires_at_s, now_ms):
            return status
        vault.drop_keys(turn)
        held = None
    raise StoreUnavailable(
        f"the turn's data key was another after each of SEALINGS_MAX = {SEALINGS_MAX} writes; "
        "deliver this again"
    )


async def _leave_nothing(payload: Payload, vault: PayloadVault) -> None:
    await vault.delete(payload.turn, [payload.ref])


async def _put(
    payload: Payload,
    held: bytes | None,
    store: EventStore,
    vault: PayloadVault,
    expires_at_s: int,
) -> bytes | None:
    """Store the payload; returns the wrapped key that it is sealed under."""
    key = held
    if key is None:
        fresh = await vault.new_key(payload.turn)
        key = (await store.open_key(payload.turn, fresh, expires_at_s)).wrapped_key
    if key is not None:  # else the turn is closed: its key is gone for good
        await vault.put(key, payload)
    return key
