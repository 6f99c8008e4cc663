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
from ctxasr.documents import describe, parse_json
from ctxasr.envelopes import MESSAGE_BYTES_MAX, Identifier, Record
from ctxasr.errors import EnvelopeError, InputError
from ctxasr.hypotheses import N_BEST_MAX, Recognition, n_best

RECORD_BYTES_MAX: Final = MESSAGE_BYTES_MAX + 4_096
"""One record as JSON: an envelope of the longest kind, and what the transport adds to it."""

HYPOTHESIS_CHARS_MAX: Final = 2_000
"""Characters of one hypothesis: WORDS_MAX words of ten letters."""

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
        return plain | {"reason": reason, "added_ms": 0.0}

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
        LimitExceeded: longer than RECORD_BYTES_MAX.
        EnvelopeError: not JSON, or not a record; names the field, never a value.
    """
    document = parse_json(text, "record", "RECORD_BYTES_MAX", RECORD_BYTES_MAX)
    try:
        return Record.model_validate(document)
    except ValidationError as error:
        raise EnvelopeError(f"record: {_describe(error)}") from None


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
