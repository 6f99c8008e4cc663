"""Three ways to store a turn: the turn, and what the items hold.

    two tables          the status item holds short strings; each text is an item of its own
    re-encrypted blob   one item; each event reads, decrypts, changes, re-encrypts and writes it
    attributes          one item; each text is an encrypted attribute of it

All three give the same guarantees: an event counts once however often it comes, the decision
stands on consistent state, one recorder embeds, a discarded turn's texts are gone at once. Where
one item makes a shortcut possible it is taken: the blob needs neither a claim nor a discard of its
own, and no one-item design reads for the embedding. The programs that do the same against a
server are in `programs` and `alternatives` beside this file, their requests by formula in `walks`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ctxasr.errors import LimitExceeded
from ctxasr.events import (
    SERVICE_PAYLOADS_MAX,
    Entities,
    Event,
    EventKey,
    ExpectSpeech,
    Mark,
    Outcome,
    Payload,
    PayloadKind,
    PayloadRef,
    Recognize,
    Reply,
    RequestProcessingCompleted,
    Speak,
    TurnKey,
    Utterance,
    short_hash,
    speech_of,
)
from ctxasr.sim.region.buckets import ID_BYTES, WRAPPED_KEY_BYTES
from ctxasr.store import schema
from ctxasr.store.schema import Item

PAYLOADS_MIN: Final = 2
"""An utterance and a reply: without them no trigger is ever satisfied."""

PAYLOADS_MAX: Final = PAYLOADS_MIN + SERVICE_PAYLOADS_MAX
"""... and as many service payloads as a turn may announce."""

EVENTS_MAX: Final = 100
"""Of one turn: ten times the usual; more take minutes to walk through, for nothing learned."""

PAYLOAD_BYTES_MAX: Final = 400_000
"""One text, UTF-8: its encrypted item stays below DynamoDB's limit."""

CONTEXT_BYTES: Final = 8_000
"""A stored context embedding: 5,872 bytes measured with 4 phrases, 13,104 with 13, 2026-11."""

EXPIRES_AT_S: Final = 1_799_999_999
"""Any expiry of ten digits: only its length counts."""

TURN_MS: Final = 1_700_000_000_000
"""When events arrive: only the number of its digits counts."""

CONTEXT_NUMBER: Final = short_hash("context")
BLOB_REF: Final = PayloadRef(PayloadKind.CONTEXT, "blob")
VERSION: Final = "version"
CONTEXT: Final = "context"
PAYLOAD_PREFIX: Final = "pay#"


class Design(StrEnum):
    """What is compared."""

    TWO_TABLES = "two tables"
    LEFT_TO_TTL = "two tables, TTL"
    BLOB = "one blob"
    ATTRIBUTES = "attributes"

    @property
    def description(self) -> str:
        """What it is, in a line."""
        return {
            Design.TWO_TABLES: "short strings in one item, each text an item of its own (ours)",
            Design.LEFT_TO_TTL: "the same; a discarded turn loses its key, its rows wait for TTL",
            Design.BLOB: "one item, one ciphertext, re-encrypted with each event",
            Design.ATTRIBUTES: "one item, each text a ciphertext attribute",
        }[self]


@dataclass(frozen=True, slots=True)
class Shape:
    """A turn. `payload_bytes` is the text of one payload, before encryption.

    `recorders` is how many processes the turn's events are spread over, in rotation; None stands
    for one an event. Each has to get the turn's data key for itself.

    Raises:
        LimitExceeded: a number is out of its range.
    """

    payload_bytes: int = 2_048
    payloads: int = 3
    events: int = 6
    recorders: int | None = None
    context_bytes: int = CONTEXT_BYTES
    wrapped_key_bytes: int = WRAPPED_KEY_BYTES
    expires_at_s: int = EXPIRES_AT_S

    def __post_init__(self) -> None:
        _within("payload bytes", self.payload_bytes, 0, "PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX)
        _within("payloads", self.payloads, PAYLOADS_MIN, "PAYLOADS_MAX", PAYLOADS_MAX)
        _within("events", self.events, self.payloads + 1, "EVENTS_MAX", EVENTS_MAX)
        _within("context bytes", self.context_bytes, 0, "PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX)
        if self.recorders is not None:
            _within("recorders", self.recorders, 1, "EVENTS_MAX", EVENTS_MAX)

    @property
    def processes(self) -> int:
        return min(self.events, self.recorders or self.events)


def _within(what: str, value: int, low: int, name: str, high: int) -> None:
    if value < low:
        raise LimitExceeded("the least", low, value, what)
    if value > high:
        raise LimitExceeded(name, high, value, what)


def turn_key(number: int = 0) -> TurnKey:
    """The key of a made-up turn; each number is a customer of its own."""
    return TurnKey(f"{number:0{ID_BYTES}d}", f"{number + 1:0{ID_BYTES}d}")


def token_of(turn: TurnKey) -> str:
    """What the turn's expect-speech hands out."""
    return turn.interaction


def context_ref() -> PayloadRef:
    """Where a turn's context embedding goes."""
    return PayloadRef(PayloadKind.CONTEXT, CONTEXT_NUMBER)


def events_of(shape: Shape, turn: TurnKey, *, asks: bool) -> list[Event]:
    """The turn's events: recognise, utterance, services, others, reply, and what closes it."""
    others = shape.events - shape.payloads - 1
    services = shape.payloads - PAYLOADS_MIN
    plan: list[tuple[str, PayloadKind | None]] = [
        *[(Recognize.full_name, None)] * min(others, 1),
        (Utterance.full_name, PayloadKind.UTTERANCE),
        *[(Entities.full_name, PayloadKind.ENTITIES)] * services,
        *[(Speak.full_name, None)] * max(others - 1, 0),
        (Reply.full_name, PayloadKind.REPLY),
        (ExpectSpeech.full_name if asks else RequestProcessingCompleted.full_name, None),
    ]
    events = []
    for index, (name, kind) in enumerate(plan):
        event_id = f"{index:0{ID_BYTES}d}"
        payload = None
        if kind is not None:
            ref = PayloadRef(kind, short_hash(event_id))
            label = "contact" if kind is PayloadKind.ENTITIES else ""
            payload = Payload(turn, ref, ("x" * shape.payload_bytes,), shape.expires_at_s, label)
        number = {Reply.full_name: 3_200, ExpectSpeech.full_name: services}.get(name)
        initiator = token_of(turn) if name == ExpectSpeech.full_name else None
        token = speech_of(turn.interaction) if name == Speak.full_name else ""
        mark = Mark(name, TURN_MS + index, number, token)
        events.append(Event(EventKey(turn, event_id), "device", mark, payload, initiator))
    return events


# ---------------------------------------------------------------- what the items hold


def text(value: str) -> dict[str, str]:
    """A string attribute's value."""
    return {"S": value}


def expiry(shape: Shape) -> Item:
    """The attribute that TTL reads."""
    return {schema.EXPIRES_AT: {"N": str(shape.expires_at_s)}}


def sealed_bytes(clear: bytes | int) -> int:
    """The length of a sealed payload: version, nonce and tag are added."""
    length = clear if isinstance(clear, int) else len(clear)
    return 1 + schema.NONCE_BYTES + length + schema.TAG_BYTES


def attribute_of(ref: PayloadRef) -> str:
    """Where the one item of ciphertext attributes holds a payload."""
    return f"{PAYLOAD_PREFIX}{ref}"


def blob_clear(marks: dict[str, str], texts: dict[str, str]) -> bytes:
    """What the blob holds in clear."""
    return json.dumps([marks, texts], separators=(",", ":")).encode()


def blob_read(clear: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """The inverse of `blob_clear`."""
    marks, texts = json.loads(clear)
    return marks, texts


def blob_rest(
    expires: Item,
    version: int,
    wrapped_key: bytes,
    blob: bytes,
    *,
    owner: str | None = None,
    outcome: Outcome | None = None,
    context: bytes | None = None,
) -> Item:
    """The one item of the blob design, without its key."""
    rest: Item = {VERSION: {"N": str(version)}, schema.KEY: {"B": wrapped_key}, **expires}
    rest[schema.BODY] = {"B": blob}
    if owner is not None:
        rest[schema.OWNER] = text(owner)
    if outcome is not None:
        rest[schema.OUTCOME] = text(outcome.value)
    if context is not None:
        rest[CONTEXT] = {"B": context}
    return rest
