"""What goes in and out as JSON. The customer is in none of it: the token names it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from ctxasr.answer import ContextState
from ctxasr.envelopes import SERVICE_PAYLOADS_MAX, Envelope, Identifier, MaybeEmpty
from ctxasr.events import Outcome
from ctxasr.gateway.requests import PHONES_MAX, Request, recognition_of
from ctxasr.gateway.requests import HypothesisIn as LenientHypothesis
from ctxasr.hypotheses import N_BEST_MAX, Recognition
from ctxasr.speech.lexicon import PHONES
from ctxasr.wire import NullIsAbsent

DURATION_S_MAX: Final = 3_600.0
"""Of an utterance that somebody else has recognised."""

PathId = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\x00-\x1f]{1,256}$"),
    Field(description="The turn; one with a slash in its id cannot be asked for.", examples=["d1"]),
]
"""An interaction as part of a path."""

Device = Annotated[
    Identifier, Field(description="Where the customer speaks; a token of one device overrides it.")
]
Interaction = Annotated[
    Identifier,
    Field(description="The turn: one utterance and its reply, a dialogRequestId.", examples=["d2"]),
]
Token = Annotated[
    str,
    StringConstraints(min_length=1, max_length=900),
    Field(
        description="What the ExpectSpeech of the asking turn handed out as its initiator.",
        examples=["ask-d1"],
    ),
]


RECORD: Final[dict[str, Any]] = {
    "message": {
        "directive": {
            "header": {
                "namespace": "SpeechRecognizer",
                "name": "ExpectSpeech",
                "messageId": "m7",
                "dialogRequestId": "d1",
            },
            "payload": {
                "timeoutInMilliseconds": 8000,
                "initiator": {"type": "FOLLOW_UP", "payload": {"token": "ask-d1"}},
            },
        }
    },
    "service_payloads": 1,
}
UTTERANCE: Final[dict[str, Any]] = {
    "interaction": "d2",
    "token": "ask-d1",
    "hypotheses": [{"text": "power", "score": -2451.2}, {"text": "bauer", "score": -2460.7}],
}
"""Examples for the description."""


def _known(phone: str) -> str:
    if phone not in PHONES:
        raise ValueError("must be an ARPAbet phone without stress")
    return phone


Phone = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(PHONES)})]


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


class Out(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


# ---------------------------------------------------------------- records


class RecordIn(NullIsAbsent, Request):
    """One event or directive, as `ctxasr.envelopes.Record`; customer and time are the door's."""

    model_config = ConfigDict(json_schema_extra={"examples": [RECORD]})

    message: Envelope
    device: Device = "device"
    interaction: MaybeEmpty | None = Field(
        None, description="The turn, where the message has no dialogRequestId."
    )
    service_payloads: Annotated[int, Field(ge=0, le=SERVICE_PAYLOADS_MAX, strict=True)] = Field(
        0, description="With ExpectSpeech: service payloads to wait for."
    )


class Recorded(Out):
    """The event is in the store; if it completed its turn, the turn is settled."""

    interaction: str | None = Field(description="The turn; null if nothing was recorded.")
    event: str
    outcome: Outcome | None = Field(description="How the turn was settled, if it is.")
    ignored: Annotated[str | None, Field(description="Why it belongs to no turn.")] = None
    note: Annotated[str, Field(description="What the caller might do better.")] = ""


class Told(Out):
    """What a message of another protocol led to."""

    interaction: str | None = Field(description="The turn under way.")
    recorded: list[Recorded]
    ignored: str | None = Field(description="Why the message led to no record.")


# ---------------------------------------------------------------- utterances


class HypothesisIn(LenientHypothesis):
    """One transcription, and the logarithm of its score up to a constant of the utterance."""

    score: Annotated[float, Field(allow_inf_nan=False, strict=True)] = 0.0


class UtteranceIn(Request):
    """What another recogniser heard, best first."""

    model_config = ConfigDict(json_schema_extra={"examples": [UTTERANCE]})

    interaction: Interaction
    hypotheses: Annotated[tuple[HypothesisIn, ...], Field(min_length=1, max_length=N_BEST_MAX)]
    token: Token | None = None
    device: Device = "device"
    phones: Annotated[tuple[Phone, ...], Field(max_length=PHONES_MAX)] = Field(
        (), description="ARPAbet without stress, of a phone loop, where there is one."
    )
    duration_s: Annotated[
        float, Field(ge=0, le=DURATION_S_MAX, allow_inf_nan=False, strict=True)
    ] = 0.0
    record: StrictBool = Field(True, description="Record Recognize and text; false: you do.")

    @property
    def recognition(self) -> Recognition:
        """In the form that the rescorer compares."""
        return recognition_of(self.hypotheses, self.phones, self.duration_s)


class ChangeOut(Out):
    """A replaced span of words; `from` and `to` as on the command line."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    before: str = Field(alias="from")
    after: str = Field(alias="to")
    phrase: str = Field(description="In the spelling of whoever named it.")
    signal: str
    id: str = Field("", description="What the service calls the phrase, where it said so.")


class HypothesisOut(Out):
    """One entry of the recogniser's n-best list."""

    text: str
    score: float


class UtteranceOut(Out):
    """The text of an utterance, and what the context did to it."""

    interaction: str = Field(
        description="The turn; one of its own, where the request named the turn that asked."
    )
    text: str
    plain_text: str
    changes: list[ChangeOut]
    context: ContextState
    window_ms: float | None
    context_ms: float | None
    added_ms: float
    left_out: int = Field(
        0, description="Names that a limit has kept from the context or from what came along."
    )
    unpronounceable: int = Field(
        0, description="Names of the context without a sound in English, or without a letter."
    )
    reason: str
    note: Annotated[str, Field(description="What the caller might do better.")] = ""
    recorded: bool = Field(
        description="Whether Recognize and text are in the store; if not, the same request may be "
        "sent again, or the turn will be missed."
    )
    hypotheses: list[HypothesisOut] = []
    notes: list[str] = Field([], description="What is odd about the sound, such as no speech.")


# ---------------------------------------------------------------- looking


class MarkOut(Out):
    """An event of a turn; `at_ms` in milliseconds since 1970."""

    event: str
    name: str
    at_ms: int


class TurnOut(Out):
    """A turn without its texts. `payloads` counts them by kind."""

    interaction: str
    outcome: Outcome | None
    marks: list[MarkOut]
    payloads: dict[str, int]
    window_ms: float | None
    expires_at_s: int


class VectorsOut(Out):
    """A matrix (turns, d): `numpy.frombuffer(base64.b64decode(data), dtype).reshape(shape)`."""

    dtype: str
    shape: list[int]
    data: str


class ProvenanceOut(Out):
    """Where a context comes from; `signals` counts what it names by the kind of context."""

    model: str
    turns: int
    computed_ms: float
    computed_at_ms: float
    window_ms: float | None
    signals: dict[str, int]
    left_out: int
    """Names that the context had no room for."""
    unpronounceable: int
    """Names without a sound in English, or without a letter: they are never heard."""


class ContextOut(Out):
    """A turn's context embedding, for any model; the same as the function `get_context` gives."""

    interaction: str
    outcome: Outcome | None
    state: ContextState
    reason: str
    vectors: VectorsOut | None
    age_ms: float | None
    provenance: ProvenanceOut | None


class PhraseOut(Out):
    """Something that the answer may contain; `log_prior` a natural logarithm."""

    text: str
    signal: str
    kind: Annotated[str, BeforeValidator(_whole)]
    id: str = ""
    log_prior: float


class PhrasesOut(Out):
    """What the answer may be, heaviest first; `left_out` names had no room in the context, and
    `unpronounceable` ones have no sound in English, or no letter."""

    interaction: str
    phrases: list[PhraseOut]
    left_out: int
    unpronounceable: int


# ---------------------------------------------------------------- the rest


class Swept(Out):
    """How many turns were closed."""

    settled: int


class ForgottenOut(Out):
    """How many items were deleted, and after how many looks both tables held none."""

    status_items: int
    payloads: int
    looks: int


class Health(Out):
    """The state of the service, and why if it is not well."""

    status: str
    reason: str = ""


class ProblemOut(Out):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


JsonObject = dict[str, Any]
