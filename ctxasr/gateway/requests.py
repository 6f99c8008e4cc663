"""What callers ask of the service, in JSON: checked once, at the door, and nowhere behind it.

    EmbedRequest     {customer, interaction, event, device?}
    ContextRequest   {customer, interaction | token, phrases?}
    RescoreRequest   {customer, interaction | token, hypotheses, phones?}
    SweepRequest     {customer, interaction?}

A record of an event is `envelopes.Record`. `interaction` is the turn that asked, `token` what that
turn handed out with its expect-speech.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from ctxasr.charset import BYTE_ORDER_MARK, decoded
from ctxasr.documents import describe
from ctxasr.envelopes import MESSAGE_BYTES_MAX, Identifier, Record
from ctxasr.errors import EnvelopeError, InputError, LimitExceeded
from ctxasr.gateway.wrappers import unwrapped
from ctxasr.hypotheses import HYPOTHESIS_CHARS_MAX, N_BEST_MAX, Recognition, n_best
from ctxasr.timing import expired

RECORD_BYTES_MAX: Final = MESSAGE_BYTES_MAX + 4_096
"""One record as JSON: an envelope of the longest kind, and what the transport adds to it."""

RECEIVED_AT_MS_MIN: Final = 1_420_070_400_000
"""2015: no voice assistant asked back before. Seconds, too, are much smaller numbers."""

RECEIVED_AT_MS_MAX: Final = 4_102_444_800_000
"""2100: microseconds are larger numbers."""

RECEIVED_AHEAD_MS_MAX: Final = 3_600_000
"""How far the sender's clock may be ahead: texts live as much longer."""

PHONES_MAX: Final = 2_000
"""Phones of one utterance: what is said in three minutes."""

T = TypeVar("T", bound=BaseModel)


class Request(BaseModel):
    """Base of all requests: frozen, strict about names, silent about values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


class EmbedRequest(Request):
    """Embed the turn that `event` has claimed."""

    customer: Identifier
    interaction: Identifier
    event: Identifier
    device: Identifier = "device"


class SweepRequest(Request):
    """Close the customer's turns that are due; `interaction` is the one that is waited for."""

    customer: Identifier
    interaction: Identifier | None = None


class ContextRequest(Request):
    """The context that a turn has left; `phrases` asks for its texts as well."""

    customer: Identifier
    interaction: Identifier | None = None
    token: Identifier | None = None
    phrases: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.interaction is None) == (self.token is None):
            raise ValueError("either 'interaction' or 'token' names the turn that asked")
        return self


class HypothesisIn(Request):
    """One transcription; `score` is a log probability up to a constant of the utterance."""

    text: Annotated[str, StringConstraints(max_length=HYPOTHESIS_CHARS_MAX)]
    score: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class RescoreRequest(Request):
    """Hypotheses of a recogniser, best first; without `interaction` and `token` nothing was asked.

    `phones` is the path of a phone loop, ARPAbet without stress, where the recogniser has one.
    """

    customer: Identifier
    interaction: Identifier | None = None
    token: Identifier | None = None
    hypotheses: Annotated[tuple[HypothesisIn, ...], Field(max_length=N_BEST_MAX)]
    phones: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}$")], ...],
        Field(max_length=PHONES_MAX),
    ] = ()

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.interaction is not None and self.token is not None:
            raise ValueError("either 'interaction' or 'token' names the turn that asked, not both")
        return self

    def plain_answer(self, reason: str) -> dict[str, Any]:
        """The answer where no context may be used, whatever the reason."""
        text = self.plain_text
        plain = {"text": text, "plain_text": text, "changes": [], "context": "missed"}
        counts = {"left_out": 0, "unpronounceable": 0}
        return plain | {"reason": reason, "added_ms": 0.0} | counts

    @property
    def plain_text(self) -> str:
        """The recogniser's own text, to the letter."""
        return self.hypotheses[0].text if self.hypotheses else ""

    def recognition(self) -> Recognition:
        """The hypotheses as an n-best list."""
        return recognition_of(self.hypotheses, self.phones)


def recognition_of(
    heard: Iterable[HypothesisIn], phones: tuple[str, ...] = (), duration_s: float = 0.0
) -> Recognition:
    """What another recogniser heard, best first."""
    hypotheses = n_best((one.text, one.score) for one in heard)
    return Recognition(hypotheses, phones=phones, duration_s=duration_s)


def read(kind: type[T], document: Any) -> T:
    """Check a document that is parsed already.

    Raises:
        InputError: names the first wrong field, never a value.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{kind.__name__}: {_describe(error)}") from None


def read_json(kind: type[T], text: str | bytes) -> T:
    """Parse and check a document.

    Raises:
        InputError: not JSON, or a wrong field; names the field, never a value.
    """
    try:
        whole = text.removeprefix(BYTE_ORDER_MARK) if isinstance(text, str) else decoded(text)
        return read(kind, from_json(whole, allow_inf_nan=False))
    except ValueError as error:
        raise InputError(f"{kind.__name__} is not JSON ({error})") from None


def read_record(text: str | bytes) -> Record:
    """Parse one record.

    Raises:
        LimitExceeded: longer than RECORD_BYTES_MAX, or wrapped too often (`gateway.wrappers`).
        EnvelopeError: not JSON, or not a record; names the field, never a value.
    """
    document, size = unwrapped(text)
    if size > RECORD_BYTES_MAX:
        raise LimitExceeded("RECORD_BYTES_MAX", RECORD_BYTES_MAX, size, "record")
    if isinstance(document, dict) and "received_at" in document:
        _check_instant(document["received_at"])
    try:
        return Record.model_validate(document)
    except ValidationError as error:
        raise EnvelopeError(f"record: {_describe(error)}") from None


def _check_instant(given: Any) -> None:
    """Refuse what is no instant in milliseconds: its texts would be expired, or live for ever.

    Raises:
        EnvelopeError: says what it looks like.
    """
    right = "a whole number of milliseconds since 1970 is right"
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise EnvelopeError(f"record: received_at is no number; {right}")
    for unit, factor in (("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6)):
        if RECEIVED_AT_MS_MIN * factor <= given < RECEIVED_AT_MS_MAX * factor:
            raise EnvelopeError(f"record: received_at looks like {unit}; {right}")
    if isinstance(given, float):
        raise EnvelopeError(f"record: received_at has a fraction; {right}")
    if not RECEIVED_AT_MS_MIN <= given < RECEIVED_AT_MS_MAX:
        when = "before 2015" if given < RECEIVED_AT_MS_MIN else "after 2100"
        raise EnvelopeError(f"record: received_at lies {when}; {right}")


def check_age(record: Record, payload_ttl_s: int, now_ms: float) -> None:
    """Refuse what nobody could ever read, rather than acknowledge it into nothing.

    Raises:
        EnvelopeError: it has expired at `now_ms`.
        LimitExceeded: it comes from the future, and would live as much longer.
    """
    ahead_ms = record.received_at - now_ms
    if expired(record.received_at // 1_000 + payload_ttl_s, now_ms):
        raise EnvelopeError(
            f"record: received_at is {-ahead_ms / 1_000.0:.0f} s ago, and texts live "
            f"{payload_ttl_s} s (CTXASR_PAYLOAD_TTL_S): recorded now, nobody could read it"
        )
    if ahead_ms > RECEIVED_AHEAD_MS_MAX:
        name = "RECEIVED_AHEAD_MS_MAX"
        raise LimitExceeded(name, RECEIVED_AHEAD_MS_MAX, round(ahead_ms), "record: received_at")


def record_of(document: Any) -> Record:
    """A record that was parsed already, under the same rules as `read_record`."""
    try:
        return read_record(json.dumps(document))
    except RecursionError:
        raise EnvelopeError("record: nested too deeply") from None


def _describe(error: ValidationError) -> str:
    """As `describe`; a field that is not known is not named, for its name could be a text."""
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] != "extra_forbidden":
        return describe(error)
    place = ".".join(str(part) for part in first["loc"][:-1])
    return f"{place or 'the document'} has a field that is not known"
