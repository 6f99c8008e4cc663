"""Event to rows: the payload first, then the one status update that refers to it.

    link        only with an expect-speech that has a token: token -> this turn
    open_key    only with a payload, where this process does not hold the turn's key yet
    payload     ciphertext; a repetition writes the same text to the same place
    status      if_not_exists; returns the item, strongly consistent

Whoever comes last sees all that came before, so every recorder may decide on what its own write
returned. Recording is idempotent: a duplicate or a retried write changes nothing.
"""

from __future__ import annotations

from ctxasr.events import ConsistentStatus, Event, ExpectSpeech, Outcome, Payload
from ctxasr.ports import EventStore, PayloadVault

CLOSED_WITHOUT_PAYLOADS = (Outcome.MISSED, Outcome.DISCARDED)
"""Outcomes after which a turn's payloads must not exist."""


async def record(
    event: Event, store: EventStore, vault: PayloadVault, expires_at_s: int
) -> ConsistentStatus:
    """Write one event and return the turn's status as it is after that write.

    Raises:
        StoreUnavailable: perhaps written; deliver the event again.
    """
    turn = event.key.turn
    if event.initiator is not None and event.mark.name == ExpectSpeech.full_name:
        await store.link(turn, event.initiator, expires_at_s)
    if event.payload is not None:
        await _put(event.payload, store, vault, expires_at_s)
    status = await store.record(event, expires_at_s)
    if event.payload is not None and status.outcome in CLOSED_WITHOUT_PAYLOADS:
        # The turn was closed between our two writes, or before them: leave nothing behind.
        await vault.delete(turn, [event.payload.ref])
    return status


async def _put(payload: Payload, store: EventStore, vault: PayloadVault, expires_at_s: int) -> None:
    key = vault.held_key(payload.turn)
    if key is None:
        fresh = await vault.new_key(payload.turn)
        key = (await store.open_key(payload.turn, fresh, expires_at_s)).wrapped_key
    if key is not None:  # else the turn is closed: its key is gone for good
        await vault.put(key, payload)
