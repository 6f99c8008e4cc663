"""The payloads of one turn that its context is made of: which are read, and how many."""

from __future__ import annotations

from typing import Final

from ctxasr.events import CAPTION_PREFIX, ConsistentStatus, Payload, PayloadKind, short_hash
from ctxasr.followups import own_refs
from ctxasr.ports import PayloadVault

TRIGGER_PAYLOADS_MAX: Final = 64
"""Payloads of one turn that its context is made of, utterance and reply before all others."""

TRIGGER_BYTES_MAX: Final = 1_000_000
"""No further payload is read once so many bytes of texts are: three hundred names of four-byte
characters have a quarter of it."""

PAYLOADS_AT_ONCE: Final = 16
"""Payloads of one read: more than most turns have, and each read is parsed in one go."""


async def read_payloads(
    status: ConsistentStatus, wrapped_key: bytes, vault: PayloadVault
) -> tuple[list[Payload], int]:
    """The turn's payloads, utterance and reply first, and how many a limit has left unread.

    As many lie there as recorders were let write, also those of a version with other limits.
    """
    at_ms = {short_hash(event): mark.at_ms for event, mark in status.marks.items()}
    refs = sorted(
        (ref for ref in own_refs(status) if ref.kind is not PayloadKind.CONTEXT),
        # Replies as they were said; other kinds by their numbers, which say nothing.
        key=lambda ref: (
            ref.kind.from_service,
            ref.kind,
            at_ms.get(ref.number.removeprefix(CAPTION_PREFIX), 0)
            if ref.kind is PayloadKind.REPLY
            else 0,
            ref,
        ),
    )
    found: list[Payload] = []
    left_bytes = TRIGGER_BYTES_MAX
    for begin in range(0, min(len(refs), TRIGGER_PAYLOADS_MAX), PAYLOADS_AT_ONCE):
        if left_bytes <= 0:
            break
        batch = refs[begin : begin + PAYLOADS_AT_ONCE]
        read = await vault.get(wrapped_key, status.turn, batch)
        left_bytes -= sum(
            len(text.encode("utf-8", "replace")) for one in read for text in one.texts
        )
        found += read
    return found, len(refs) - len(found)
