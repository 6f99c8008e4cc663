"""The frozen domain types that the tables hold, and what an envelope means for them.

    record -> to_event -> Event: a Mark for the status item, at most one Payload for the vault

The envelopes themselves are in `ctxasr.envelopes`, and what a turn's item holds in `ctxasr.status`;
their names can be had from here as well.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ctxasr.envelopes import (
    MESSAGE_BYTES_MAX,
    SERVICE_PAYLOADS_MAX,
    Body,
    ElicitSlot,
    Entities,
    Envelope,
    ExpectSpeech,
    ExpectSpeechTimedOut,
    Header,
    Initiator,
    InitiatorPayload,
    Message,
    Recognize,
    Record,
    Reply,
    RequestProcessingCompleted,
    ScreenList,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    Unread,
    UpdateDynamicEntities,
    Utterance,
    read_envelope,
    token_of,
)
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.hypotheses import PHRASE_CHARS_MAX
from ctxasr.status import (
    ANEW,
    FOLLOW_UP,
    NO_GROUNDS,
    ConsistentStatus,
    EventKey,
    Grounds,
    Mark,
    Outcome,
    PayloadKind,
    PayloadRef,
    TurnKey,
    TurnStatus,
    to_count,
)
from ctxasr.timing import spoken_ms

__all__ = [
    "ENTITIES_MAX", "FOLLOW_UP",
    "KIND_CHARS_MAX", "MESSAGE_BYTES_MAX", "NO_GROUNDS", "SERVICE_PAYLOADS_MAX",
    "TEXT_BYTES_MAX", "Body", "ConsistentStatus", "ElicitSlot", "Entities", "Entity", "Envelope",
    "Event", "EventKey", "ExpectSpeech", "ExpectSpeechTimedOut", "Grounds", "Header", "Initiator",
    "InitiatorPayload", "Mark", "Message", "Outcome", "Payload", "PayloadKind", "PayloadRef",
    "Recognize", "Record", "Reply", "RequestProcessingCompleted", "ScreenList", "Speak",
    "SpeechFinished", "SpeechInterrupted", "SpeechStarted", "TurnKey", "TurnStatus", "TurnText",
    "UpdateDynamicEntities", "Utterance", "belongs_to_no_turn", "marked_token", "names_turn",
    "read_envelope", "short_hash", "speech_of", "to_count", "to_event", "token_of",
]  # fmt: skip

TEXT_BYTES_MAX: Final = 16_384
"""One utterance or reply, UTF-8. A spoken minute is about 1 kB."""

ENTITIES_MAX: Final = 500
"""Entity values or screen entries in one payload."""

KIND_CHARS_MAX: Final = 256
"""What sort of thing a payload's names are: it goes with each of them into the context."""

INTERACTION_BYTES_MAX: Final = 900
"""A turn's name, UTF-8: a sort key holds 1024 bytes, and kind and number stand behind the name."""

CAPTION_PREFIX: Final = "vtt-"
"""Sorts behind the hex digits of all other numbers: a reply sent as text comes before a caption."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A text in clear, as it goes into the vault and comes out of it.

    `texts` is one utterance or reply, or all values of one service payload; `label` is the kind of
    entity, `ids` what the service calls each value ("" where it does not say), or empty.
    `expires_at_s` in seconds since 1970.
    """

    turn: TurnKey
    ref: PayloadRef
    texts: tuple[str, ...]
    expires_at_s: int
    label: str = ""
    ids: tuple[str, ...] = ()

    @property
    def named(self) -> list[str | tuple[str, str]]:
        """The texts in order, each with its id where it has one."""
        ids = self.ids or ("",) * len(self.texts)
        return [(i, text) if i else text for i, text in zip(ids, self.texts, strict=True)]

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Payload({self.ref}, {len(self.texts)} texts)"


class Event(NamedTuple):
    """A message in the words of the design: a mark for the status item, at most one payload."""

    key: EventKey
    device: str
    mark: Mark
    payload: Payload | None
    initiator: str | None
    """Of ExpectSpeech: the token to link from. Of Recognize: the token to follow."""

    def __repr__(self) -> str:
        return f"Event({self.mark.name}, {self.key.event})"


@dataclass(frozen=True, slots=True)
class Entity:
    """A name that a service has on offer; `id` is what the service calls it, where it says so."""

    kind: str
    text: str
    id: str = ""

    def __repr__(self) -> str:
        return "Entity(...)"


@dataclass(frozen=True, slots=True)
class TurnText:
    """A turn's payloads, decrypted: what the context encoder reads.

    `left_out` counts the names that a limit has kept from it already.
    """

    utterance: str
    reply: str
    entities: tuple[Entity, ...] = ()
    screen: tuple[str, ...] = ()
    slot: str = ""
    left_out: int = 0

    def __repr__(self) -> str:
        return f"TurnText({len(self.entities)} entities, {len(self.screen)} on screen)"


_LINKED: Final = (ExpectSpeech, Recognize)
"""What hands a token on, and what echoes it."""


_SPEECH: Final = (Speak, SpeechStarted, SpeechFinished, SpeechInterrupted, Reply)

SPEECH_CHARS: Final = 2
"""What stands for a speech's token in a mark: of 4,096 values, so that a turn's item stays short.

Two speeches of a turn that share one are taken for one whose token was used again.
"""


class _Content(NamedTuple):
    """What a body holds: perhaps a payload, perhaps a number for its mark."""

    kind: PayloadKind | None = None
    texts: tuple[str, ...] = ()
    label: str = ""
    number: int | None = None
    ids: tuple[str, ...] = ()


def belongs_to_no_turn(message: Message, interaction: str | None = None) -> str:
    """Why a message belongs to no turn, in words for a note; empty if it belongs to one.

    Clients tell much that concerns no turn (System.SynchronizeState, a StopCapture that nobody
    asked for), and some send their ids empty. Such a message is left out and counted, not refused.
    `interaction` is the turn where something else names it: the record around the message, or the
    Speak whose token the message has.

    Raises:
        EnvelopeError: it belongs to one, and its payload is not as its kind demands.
    """
    header = message.header
    if not (header.dialog_request_id or interaction):
        return "header.dialogRequestId is missing or empty, and nothing else names its turn"
    if not header.message_id:
        return "header.messageId is missing or empty, so a repetition could not be told from it"
    if isinstance(message.payload, Unread):
        raise EnvelopeError(f"{header.full_name}: {message.payload.fault}")
    return ""


def names_turn(envelope: Any, interaction: Any = None) -> bool:
    """Whether an envelope as JSON, right or wrong, has the ids of a message that belongs to a turn.

    One that has not is left out whatever else is wrong with it; see `belongs_to_no_turn`.
    """
    held = envelope if isinstance(envelope, dict) else {}
    message = held.get("event") or held.get("directive")
    header = message.get("header") if isinstance(message, dict) else None
    if not isinstance(header, dict):
        return False
    return bool((header.get("dialogRequestId") or interaction) and header.get("messageId"))


def to_event(record: Record, payload_ttl_s: int) -> Event:
    """What a record means for the tables; equal records give equal events.

    Raises:
        EnvelopeError: the message belongs to no turn; `belongs_to_no_turn` says so beforehand.
        LimitExceeded: a text or a list is too long.
    """
    message = record.message.message
    header, body = message.header, message.payload
    if reason := belongs_to_no_turn(message, record.interaction):
        raise EnvelopeError(f"{header.full_name}: belongs to no turn: {reason}")
    interaction = header.dialog_request_id or record.interaction
    assert interaction, "it belongs to a turn"
    size = len(interaction.encode("utf-8", "surrogatepass"))
    if size > INTERACTION_BYTES_MAX:
        raise LimitExceeded("INTERACTION_BYTES_MAX", INTERACTION_BYTES_MAX, size, "interaction")
    turn, content = TurnKey(record.customer, interaction), _content(body, record.service_payloads)
    payload = None
    if content.kind is not None:
        _check_limits(content.kind, content.texts)
        _check_kind(content.label, "payload.kind")
        number = short_hash(header.message_id)
        ref = PayloadRef(
            content.kind, f"{CAPTION_PREFIX}{number}" if isinstance(body, Speak) else number
        )
        expires_at_s = record.received_at // 1000 + payload_ttl_s
        payload = Payload(turn, ref, content.texts, expires_at_s, content.label, content.ids)
    initiator = body.link if isinstance(body, _LINKED) else None
    echoed = marked_token(body)
    mark = Mark(header.full_name, record.received_at, content.number, echoed)
    return Event(EventKey(turn, header.message_id), record.device, mark, payload, initiator)


def _content(body: Body, announced: int) -> _Content:
    match body:
        case ExpectSpeech():
            return _Content(number=announced)
        case Recognize() if body.begins_anew:
            return _Content(number=ANEW)
        case Utterance():
            return _Content(PayloadKind.UTTERANCE, (body.text,))
        case Reply():
            known_ms = body.duration_in_milliseconds
            duration_ms = round(spoken_ms(body.text)) if known_ms is None else known_ms
            return _Content(PayloadKind.REPLY, (body.text,), number=duration_ms)
        case Speak() if body.words:  # stands in for the reply's text where no service sends it
            return _Content(PayloadKind.REPLY, (body.words,), number=round(spoken_ms(body.words)))
        case Entities():
            return _Content(PayloadKind.ENTITIES, body.texts, body.kind, ids=body.ids)
        case UpdateDynamicEntities():
            kinds, names = body.kinds, body.names
            for place, kind in enumerate(kinds):
                _check_kind(kind, f"payload.types.{place}.name")
            if not names:
                return _Content()
            ids = tuple(names.values()) if any(names.values()) else ()
            return _Content(PayloadKind.ENTITIES, tuple(names), _joined(kinds), ids=ids)
        case ScreenList():
            return _Content(PayloadKind.SCREEN, body.items)
        case ElicitSlot():
            return _Content(PayloadKind.SLOT, (body.slot_to_elicit,))
    return _Content()


def marked_token(body: Body) -> str:
    """The token in a message's mark: what a Recognize echoes, or what stands for a speech's."""
    if isinstance(body, Recognize):
        return body.link or ""
    return speech_of(body.token) if isinstance(body, _SPEECH) else ""


def speech_of(token: str | None) -> str:
    """Stands for a speech's token in the marks of its events; empty without one."""
    if not token:
        return ""
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest)[:SPEECH_CHARS].decode()


def short_hash(text: str) -> str:
    """16 hex digits that stand for an identifier of any length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _joined(kinds: Iterable[str]) -> str:
    """The first kinds that fit into one label; the model reads a few words of it."""
    label = ""
    for kind in dict.fromkeys(filter(None, kinds)):
        longer = f"{label} {kind}" if label else kind
        if len(longer) <= KIND_CHARS_MAX:
            label = longer
    return label


def _check_kind(kind: str, where: str) -> None:
    if len(kind) > KIND_CHARS_MAX:
        raise LimitExceeded("KIND_CHARS_MAX", KIND_CHARS_MAX, len(kind), where)


def _check_limits(kind: PayloadKind, texts: tuple[str, ...]) -> None:
    if len(texts) > ENTITIES_MAX:
        raise LimitExceeded("ENTITIES_MAX", ENTITIES_MAX, len(texts), f"{kind} payload")
    for text in texts:
        if kind in (PayloadKind.UTTERANCE, PayloadKind.REPLY):
            size = len(text.encode("utf-8", "surrogatepass"))
            if size > TEXT_BYTES_MAX:
                raise LimitExceeded("TEXT_BYTES_MAX", TEXT_BYTES_MAX, size, f"{kind} payload")
        elif len(text) > PHRASE_CHARS_MAX:
            raise LimitExceeded("PHRASE_CHARS_MAX", PHRASE_CHARS_MAX, len(text), f"{kind} payload")
