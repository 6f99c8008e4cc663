"""Alexa Voice Service envelopes, and the domain types that the tables hold.

Envelopes are read and written without loss: fields that this module does not know are kept.

    record   {customer, device, received_at, message}        what the transport hands over
    message  {"directive": {header, endpoint?, payload}}     or
             {"context": [...], "event": {header, payload}}

The customer comes from the record alone. A turn is one `dialogRequestId`; turns are linked by the
`initiator` that ExpectSpeech hands to the client and the next Recognize echoes.

Source of the shapes: the public AVS API reference (SpeechRecognizer, SpeechSynthesizer, Dialog,
InteractionModel). The texts that a service adds travel in the namespace `ContextText`, our own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.hypotheses import PHRASE_CHARS_MAX
from ctxasr.timing import spoken_ms

TEXT_BYTES_MAX: Final = 16_384
"""One utterance or reply, UTF-8. A spoken minute is about 1 kB."""

ENTITIES_MAX: Final = 500
"""Entity values or screen entries in one payload."""

MESSAGE_BYTES_MAX: Final = 262_144
"""One envelope as JSON: what one SQS message may hold."""

SERVICE_PAYLOADS_MAX: Final = 16
"""Service payloads that one turn may announce."""

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,128}$")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class PayloadKind(StrEnum):
    """What a payload's text is. All but the first two and the last are service payloads."""

    UTTERANCE = "utterance"
    REPLY = "reply"
    ENTITIES = "entities"
    SCREEN = "screen"
    SLOT = "slot"
    CONTEXT = "context"

    @property
    def from_service(self) -> bool:
        return self in (PayloadKind.ENTITIES, PayloadKind.SCREEN, PayloadKind.SLOT)


# ---------------------------------------------------------------- envelopes


class Wire(BaseModel):
    """Base of all wire types: frozen, camelCase outside, unknown fields kept."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Header(Wire):
    namespace: Name
    name: Name
    message_id: Identifier
    dialog_request_id: Identifier | None = None
    correlation_token: str | None = None
    payload_version: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"


class Body(Wire):
    """The payload of a message; the class itself stands for kinds that are not listed."""

    full_name: ClassVar[str] = ""


class InitiatorPayload(Wire):
    token: str | None = None
    wake_word_indices: dict[str, int] | None = None


class Initiator(Wire):
    """Who opened the microphone; the token names the turn that asked."""

    type: str
    payload: InitiatorPayload = InitiatorPayload()


class Recognize(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.Recognize"
    profile: str = "CLOSE_TALK"
    format: str = "AUDIO_L16_RATE_16000_CHANNELS_1"
    initiator: Initiator | str | None = None
    start_of_speech_timestamp: str | int | None = None


class ExpectSpeech(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.ExpectSpeech"
    timeout_in_milliseconds: Annotated[int, Field(ge=0)]
    initiator: Initiator | str | None = None


class ExpectSpeechTimedOut(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.ExpectSpeechTimedOut"


class Speak(Body):
    full_name: ClassVar[str] = "SpeechSynthesizer.Speak"
    url: str
    format: str
    token: str
    play_behavior: str | None = None
    caption: Any = None


class SpeechStarted(Body):
    full_name: ClassVar[str] = "SpeechSynthesizer.SpeechStarted"
    token: str


class SpeechFinished(Body):
    full_name: ClassVar[str] = "SpeechSynthesizer.SpeechFinished"
    token: str


class SpeechInterrupted(Body):
    full_name: ClassVar[str] = "SpeechSynthesizer.SpeechInterrupted"
    token: str


class ElicitSlot(Body):
    full_name: ClassVar[str] = "Dialog.ElicitSlot"
    slot_to_elicit: Identifier


class RequestProcessingCompleted(Body):
    """The directive stream of a turn has ended."""

    full_name: ClassVar[str] = "InteractionModel.RequestProcessingCompleted"


class Utterance(Body):
    """What the recogniser made of the customer's speech."""

    full_name: ClassVar[str] = "ContextText.Utterance"
    text: str


class Reply(Body):
    """The assistant's reply; `duration_in_milliseconds` where the audio is already made."""

    full_name: ClassVar[str] = "ContextText.Reply"
    text: str
    duration_in_milliseconds: Annotated[int, Field(ge=0)] | None = None


class Entities(Body):
    """What an invoked service has on offer, all of one kind: contacts, devices, places."""

    full_name: ClassVar[str] = "ContextText.Entities"
    kind: Identifier
    values: tuple[str, ...]


class ScreenList(Body):
    """The list that the device shows."""

    full_name: ClassVar[str] = "ContextText.ScreenList"
    items: tuple[str, ...]


BODIES: Final[dict[str, type[Body]]] = {
    body.full_name: body
    for body in (
        Recognize, ExpectSpeech, ExpectSpeechTimedOut, Speak, SpeechStarted, SpeechFinished,
        SpeechInterrupted, ElicitSlot, RequestProcessingCompleted, Utterance, Reply, Entities,
        ScreenList,
    )
}  # fmt: skip


class Message(Wire):
    """Header and payload; the payload's type follows from the header."""

    header: Header
    endpoint: dict[str, Any] | None = None
    payload: SerializeAsAny[Body]

    @model_validator(mode="before")
    @classmethod
    def _type_the_payload(cls, data: Any) -> Any:
        if not isinstance(data, dict) or isinstance(data.get("payload"), Body):
            return data
        header = data.get("header")
        if isinstance(header, dict):
            header = Header.model_validate(header)
        if not isinstance(header, Header):
            raise ValueError("header is missing; an envelope needs header and payload")
        body = BODIES.get(header.full_name, Body)
        return {**data, "header": header, "payload": body.model_validate(data.get("payload", {}))}


class Envelope(Wire):
    """One directive or one event, with the client's context where it sent one."""

    context: tuple[dict[str, Any], ...] | None = None
    event: Message | None = None
    directive: Message | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.event is None) == (self.directive is None):
            raise ValueError("an envelope holds either 'event' or 'directive'")
        return self

    @property
    def message(self) -> Message:
        message = self.event or self.directive
        assert message is not None, "validated: exactly one of event and directive"
        return message

    def to_json(self) -> str:
        """The envelope as it came: only fields that were set, under their wire names."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


class Record(BaseModel):
    """What the authenticated transport hands over; `received_at` in milliseconds since 1970.

    `interaction` helps where a client event has no dialogRequestId; `service_payloads` is how many
    service payloads the orchestrator announces along with ExpectSpeech.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    customer: Identifier
    device: Identifier = "device"
    received_at: Annotated[int, Field(ge=0)]
    message: Envelope
    interaction: Identifier | None = None
    service_payloads: Annotated[int, Field(ge=0, le=SERVICE_PAYLOADS_MAX)] = 0


def read_envelope(text: str | bytes) -> Envelope:
    """Parse one envelope.

    Raises:
        LimitExceeded: longer than MESSAGE_BYTES_MAX.
        EnvelopeError: not JSON, invalid UTF-8, or not an envelope; names the field, never its text.
    """
    data = text.encode() if isinstance(text, str) else text
    if len(data) > MESSAGE_BYTES_MAX:
        raise LimitExceeded("MESSAGE_BYTES_MAX", MESSAGE_BYTES_MAX, len(data), "envelope")
    try:
        return Envelope.model_validate(json.loads(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"envelope is not UTF-8 (byte {error.start})") from None
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise EnvelopeError(f"envelope is not JSON{where}") from None
    except ValidationError as error:
        raise EnvelopeError(describe(error)) from None


def describe(error: ValidationError) -> str:
    """One line: the first wrong field and what is wrong with it, without the given value."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "envelope"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field}: {first['msg']}{more}"


# ---------------------------------------------------------------- domain types


@dataclass(frozen=True, slots=True, order=True)
class TurnKey:
    """One interaction of one customer."""

    customer: str
    interaction: str


@dataclass(frozen=True, slots=True, order=True)
class EventKey:
    """One event of a turn; the same over redeliveries, so it can own the claim."""

    turn: TurnKey
    event: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An event as the status table holds it: name, time, and what little belongs to it.

    `number` is the announced service payloads of ExpectSpeech and the duration in ms of Reply;
    `token` is what a Recognize echoes of the turn that asked.
    """

    name: str
    at_ms: int
    number: int | None = None
    token: str = ""

    def __str__(self) -> str:
        number = "-" if self.number is None else str(self.number)
        tail = [number, self.token] if self.token else [] if number == "-" else [number]
        return " ".join([self.name, str(self.at_ms), *tail])

    @classmethod
    def parse(cls, text: str) -> Mark:
        name, at_ms, *rest = text.split(" ", 3)
        number = int(rest[0]) if rest and rest[0] != "-" else None
        return cls(name, int(at_ms), number, "".join(rest[1:]))


@dataclass(frozen=True, slots=True, order=True)
class PayloadRef:
    """Where a payload lies: kind and number within its turn."""

    kind: PayloadKind
    number: str

    def __str__(self) -> str:
        return f"{self.kind}#{self.number}"

    @classmethod
    def parse(cls, text: str) -> PayloadRef:
        kind, number = text.split("#", 1)
        return cls(PayloadKind(kind), number)


@dataclass(frozen=True, slots=True)
class Payload:
    """A text in clear, as it goes into the vault and comes out of it.

    `texts` is one utterance or reply, or all values of one service payload; `label` is the kind of
    entity. `expires_at_s` in seconds since 1970.
    """

    turn: TurnKey
    ref: PayloadRef
    texts: tuple[str, ...]
    expires_at_s: int
    label: str = ""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Payload({self.ref}, {len(self.texts)} texts)"


class Outcome(StrEnum):
    """How a turn was settled."""

    EMBEDDED = "embedded"
    MISSED = "missed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """One item of the event-status table, from a read that may be stale."""

    turn: TurnKey
    marks: dict[str, Mark]
    refs: frozenset[PayloadRef]
    wrapped_key: bytes | None
    owner: str | None
    outcome: Outcome | None
    expires_at_s: int

    def mark(self, name: str) -> Mark | None:
        """The earliest event of that name."""
        found = [mark for mark in self.marks.values() if mark.name == name]
        return min(found, key=lambda mark: mark.at_ms, default=None)


@dataclass(frozen=True, slots=True)
class ConsistentStatus(TurnStatus):
    """The same from ReturnValues=ALL_NEW or a ConsistentRead: what decisions may stand on."""


@dataclass(frozen=True, slots=True)
class Event:
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
    """A name that a service has on offer."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnText:
    """A turn's payloads, decrypted: what the context encoder reads."""

    utterance: str
    reply: str
    entities: tuple[Entity, ...] = ()
    screen: tuple[str, ...] = ()
    slot: str = ""

    def __repr__(self) -> str:
        return f"TurnText({len(self.entities)} entities, {len(self.screen)} on screen)"


def to_event(record: Record, payload_ttl_s: int) -> Event:
    """What a record means for the tables; equal records give equal events.

    Raises:
        EnvelopeError: the message belongs to no turn.
        LimitExceeded: a text or a list is too long.
    """
    message = record.message.message
    header, body = message.header, message.payload
    interaction = header.dialog_request_id or record.interaction
    if interaction is None:
        raise EnvelopeError(
            f"{header.full_name}: header.dialogRequestId is missing; without it, or 'interaction' "
            "in the record, the event belongs to no turn"
        )
    turn = TurnKey(record.customer, interaction)
    number: int | None = None
    texts: tuple[str, ...] = ()
    kind: PayloadKind | None = None
    label = ""
    initiator: str | None = None
    echoed = ""
    match body:
        case ExpectSpeech():
            number, initiator = record.service_payloads, token_of(body.initiator)
        case Recognize():
            initiator = token_of(body.initiator)
            echoed = initiator or ""
        case Utterance():
            kind, texts = PayloadKind.UTTERANCE, (body.text,)
        case Reply():
            kind, texts, number = PayloadKind.REPLY, (body.text,), body.duration_in_milliseconds
            if number is None:
                number = round(spoken_ms(body.text))
        case Entities():
            kind, texts, label = PayloadKind.ENTITIES, body.values, body.kind
        case ScreenList():
            kind, texts = PayloadKind.SCREEN, body.items
        case ElicitSlot():
            kind, texts = PayloadKind.SLOT, (body.slot_to_elicit,)
        case _:
            pass
    payload = None
    if kind is not None:
        _check_limits(kind, texts)
        ref = PayloadRef(kind, short_hash(header.message_id))
        expires_at_s = record.received_at // 1000 + payload_ttl_s
        payload = Payload(turn, ref, texts, expires_at_s, label)
    mark = Mark(header.full_name, record.received_at, number, echoed)
    return Event(EventKey(turn, header.message_id), record.device, mark, payload, initiator)


def token_of(initiator: Initiator | str | None) -> str | None:
    """The token that links two turns; a wake word has none."""
    if isinstance(initiator, Initiator):
        return initiator.payload.token
    return initiator or None


def short_hash(text: str) -> str:
    """16 hex digits that stand for an identifier of any length."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
