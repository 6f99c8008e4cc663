"""Alexa Voice Service envelopes: the wire types, read and written without loss.

Fields that this module does not know are kept.

    record   {customer, device, received_at, message}        what the transport hands over
    message  {"directive": {header, endpoint?, payload}}     or
             {"context": [...], "event": {header, payload}}

The customer comes from the record alone. A turn is one `dialogRequestId`; turns are linked by the
`initiator` that ExpectSpeech hands to the client and the next Recognize echoes.

Source of the shapes: the public AVS API reference (SpeechRecognizer, SpeechSynthesizer,
InteractionModel) and the Alexa Skills Kit's Dialog directives. The texts that a service adds travel
in the namespace `ContextText`, our own.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)

from ctxasr.documents import describe, parse_json
from ctxasr.dynamic_entities import ID_CHARS_MAX, names_by_kind
from ctxasr.errors import EnvelopeError
from ctxasr.wire import FIRST_FAULT, NullIsAbsent, Wire

MESSAGE_BYTES_MAX: Final = 262_144
"""One envelope as JSON: what one SQS message may hold."""

SERVICE_PAYLOADS_MAX: Final = 16
"""Service payloads that one turn may announce."""

COUNT_MAX: Final = 10**15
"""Numbers on the wire; milliseconds since 1970 have 13 digits, and a float holds 15 exactly."""

Name = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,128}$")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX)]
MaybeEmpty = Annotated[str, StringConstraints(max_length=ID_CHARS_MAX)]
"""An identifier that clients also send empty, which is as good as none."""

Token = Annotated[str, StringConstraints(min_length=0)]  # any constraint refuses half characters
Count = Annotated[int, Field(ge=0, le=COUNT_MAX, strict=True)]


class Header(Wire):
    namespace: Name
    name: Name
    message_id: MaybeEmpty = ""
    dialog_request_id: MaybeEmpty | None = None

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"


class Body(Wire):
    """The payload of a message; the class itself stands for kinds that are not listed."""

    full_name: ClassVar[str] = ""


class Unread(Body):
    """A payload that is not as its kind demands, of a message that names no turn.

    Nothing asks for it, unless the turn is named elsewhere: `events.belongs_to_no_turn`.
    """

    _fault: str = PrivateAttr("")

    @property
    def fault(self) -> str:
        """Which field is wrong, without its value."""
        return self._fault

    @classmethod
    def of(cls, payload: Any, fault: str) -> Self:
        unread = cls.model_validate(payload if isinstance(payload, dict) else {})
        unread._fault = fault
        return unread


class WakeWordIndices(Wire):
    start_index_in_samples: int | None = None
    end_index_in_samples: int | None = None


class InitiatorPayload(Wire):
    token: Token | None = None
    wake_word_indices: WakeWordIndices | None = None


class Initiator(Wire):
    """Who opened the microphone; the token names the turn that asked."""

    type: str | None = None
    payload: InitiatorPayload | None = None


class Recognize(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.Recognize"
    profile: str = "CLOSE_TALK"
    format: str = "AUDIO_L16_RATE_16000_CHANNELS_1"
    initiator: Initiator | Token | None = None
    start_of_speech_timestamp: str | int | None = None
    speech_id: Token | None = None
    """Clova's: the `expectSpeechId` of the turn that asked."""

    @property
    def link(self) -> str | None:
        """The token of the turn that asked, if this is an answer."""
        return token_of(self.initiator) or self.speech_id or None

    @property
    def begins_anew(self) -> bool:
        """Whether it says that the customer opened the microphone: by a wake word, a tap."""
        how = self.initiator.type if isinstance(self.initiator, Initiator) else None
        return self.link is None and how not in (None, "", "FOLLOW_UP")


class ExpectSpeech(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.ExpectSpeech"
    timeout_in_milliseconds: Any = None
    """Of no use here, so that one without a right timeout asks as well."""
    initiator: Initiator | Token | None = None
    expect_speech_id: Token | None = None
    """Clova's token: the answer's `speechId`."""

    @property
    def link(self) -> str | None:
        """The token that the answer will bring back."""
        return token_of(self.initiator) or self.expect_speech_id or None


class ExpectSpeechTimedOut(Body):
    full_name: ClassVar[str] = "SpeechRecognizer.ExpectSpeechTimedOut"


class Speak(Body):
    full_name: ClassVar[str] = "SpeechSynthesizer.Speak"
    url: str | None = None
    format: str | None = None
    own_token: str | None = Field(default=None, alias="token")
    play_behavior: str | None = None
    caption: Any = None
    source: Any = None
    """Where some say url, format and token in place of beside it, as Clova does."""
    tts_text: Any = None
    """Clova's caption."""

    @property
    def token(self) -> str:
        """What the client's events name the speech by; empty where it has no name."""
        inner = self.source.get("token") if isinstance(self.source, dict) else None
        return self.own_token or (inner if isinstance(inner, str) else "")

    @property
    def words(self) -> str:
        """The words of the caption, a text or WebVTT with its cue times; empty without one."""
        content = self.caption.get("content") if isinstance(self.caption, dict) else self.caption
        content = content or self.tts_text
        lines = [line.strip() for line in content.splitlines()] if isinstance(content, str) else []
        words = [line for line in lines if line and not line.isdecimal() and "-->" not in line]
        return " ".join(words[1:] if words and words[0].startswith("WEBVTT") else words)


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


class UpdateDynamicEntities(Body):
    """A skill's own names for its slot types; its fields are read as leniently as Alexa's."""

    full_name: ClassVar[str] = "Dialog.UpdateDynamicEntities"

    @property
    def by_kind(self) -> tuple[tuple[str, dict[str, str]], ...]:
        """Each kind with its names, synonyms included, and the id of each; "" without one."""
        return names_by_kind((self.model_extra or {}).get("types"))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The name of each type; empty where it has none."""
        return tuple(kind for kind, _ in self.by_kind)

    @property
    def names(self) -> dict[str, str]:
        """The names of all kinds, each with its id; "" without one."""
        names: dict[str, str] = {}
        for _, of_kind in self.by_kind:
            for name, known_as in of_kind.items():
                names.setdefault(name, known_as)
        return names


class RequestProcessingCompleted(Body):
    """The directive stream of a turn has ended."""

    full_name: ClassVar[str] = "InteractionModel.RequestProcessingCompleted"


class Utterance(Body):
    """What the recogniser made of the customer's speech."""

    full_name: ClassVar[str] = "ContextText.Utterance"
    text: str


class Reply(Body):
    """The assistant's reply; `duration_in_milliseconds` where the audio is already made.

    `token` is that of the Speak that says it; without one, the last reply is the last Speak's.
    """

    full_name: ClassVar[str] = "ContextText.Reply"
    text: str
    duration_in_milliseconds: Count | None = None
    token: Token | None = None


class Value(Wire):
    """A name and what its service calls it."""

    id: Identifier
    text: str


_STR: Final = TypeAdapter(str)


def _value(given: Any, _: object) -> str | Value:
    """One error for a value of a wrong type, not one for each form that it could have."""
    if isinstance(given, dict | Value):
        return Value.model_validate(given)
    return _STR.validate_python(given)


class Entities(Body):
    """What an invoked service has on offer, all of one kind: contacts, devices, places."""

    full_name: ClassVar[str] = "ContextText.Entities"
    kind: Annotated[str, StringConstraints(min_length=1)]
    values: Annotated[tuple[Annotated[str | Value, WrapValidator(_value)], ...], FIRST_FAULT]

    @property
    def texts(self) -> tuple[str, ...]:
        """The names."""
        return tuple(one if isinstance(one, str) else one.text for one in self.values)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each name, "" without one; empty where no name has one."""
        ids = tuple("" if isinstance(one, str) else one.id for one in self.values)
        return ids if any(ids) else ()


class ScreenList(Body):
    """The list that the device shows."""

    full_name: ClassVar[str] = "ContextText.ScreenList"
    items: Annotated[tuple[str, ...], FIRST_FAULT]


BODIES: Final[dict[str, type[Body]]] = {
    body.full_name: body
    for body in (
        Recognize, ExpectSpeech, ExpectSpeechTimedOut, Speak, SpeechStarted, SpeechFinished,
        SpeechInterrupted, ElicitSlot, UpdateDynamicEntities, RequestProcessingCompleted,
        Utterance, Reply, Entities, ScreenList,
    )
}  # fmt: skip


class Message(Wire):
    """Header and payload; the payload's type follows from the header."""

    header: Header
    endpoint: Any = None
    payload: SerializeAsAny[Body] = Field(default=None, validate_default=True)

    @field_validator("payload", mode="before")
    @classmethod
    def _typed(cls, payload: Any, info: ValidationInfo) -> Any:
        header = info.data.get("header")
        if isinstance(payload, Body) or header is None:
            return payload
        given = {} if payload is None else payload
        try:
            return BODIES.get(header.full_name, Body).model_validate(given)
        except ValidationError as error:
            if header.dialog_request_id and header.message_id:
                raise
            return Unread.of(given, f"payload.{describe(error)}")


class Envelope(Wire):
    """One directive or one event, with the client's context where it sent one."""

    context: Any = None
    """Of no use here, so that one of an odd shape costs no event."""
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


class Record(NullIsAbsent):
    """What the authenticated transport hands over; `received_at` in milliseconds since 1970.

    `interaction` helps where a client event has no dialogRequestId; `service_payloads` is how many
    service payloads the orchestrator announces along with ExpectSpeech.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    customer: Identifier
    device: Identifier = "device"
    received_at: Count
    message: Envelope
    interaction: MaybeEmpty | None = None
    service_payloads: Annotated[int, Field(ge=0, le=SERVICE_PAYLOADS_MAX)] = 0


def read_envelope(text: str | bytes) -> Envelope:
    """Parse one envelope.

    Raises:
        LimitExceeded: longer than MESSAGE_BYTES_MAX.
        EnvelopeError: not JSON, invalid UTF-8, or not an envelope; names the field, never its text.
    """
    document = parse_json(text, "envelope", "MESSAGE_BYTES_MAX", MESSAGE_BYTES_MAX)
    try:
        return Envelope.model_validate(document)
    except ValidationError as error:
        raise EnvelopeError(describe(error)) from None


def token_of(initiator: Initiator | str | None) -> str | None:
    """The token that links two turns; a wake word has none."""
    if isinstance(initiator, Initiator):
        return (initiator.payload.token if initiator.payload else None) or None
    return initiator or None
