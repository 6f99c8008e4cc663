"""N-best lists as lines of JSON, as `ctxasr rescore` reads them.

    {"id": "a1", "hypotheses": ["power", "our"], "context": {"reply": "Meg Jones or Meg Bauer?"}}
    {"hypotheses": [{"text": "power", "score": -3.1}, {"text": "the hour", "score": -3.4}]}
    ["power", "the hour"]
    {"audio": "a2.flac", "context": {"screen": ["Meg Bauer"]}}

A context is what the files of `--context` hold; a line's own goes before the file's. A sound is
named from where the command runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ctxasr.documents import parse_json
from ctxasr.errors import EnvelopeError, LimitExceeded, ScenarioError
from ctxasr.gateway.requests import HypothesisIn
from ctxasr.hypotheses import N_BEST_MAX
from ctxasr.scenario.base import Strictly
from ctxasr.scenario.complaints import first_of
from ctxasr.scenario.utterance import TurnBefore
from ctxasr.scenario.values import Identifier

LINE_BYTES_MAX: Final = 1_000_000
"""One line: fifty hypotheses and three hundred names have room many times over."""


def _as_object(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class NBest(Strictly):
    """One utterance: what was heard, best first, or its sound, and what was asked before it."""

    hypotheses: Annotated[
        tuple[Annotated[HypothesisIn, BeforeValidator(_as_object)], ...],
        Field(max_length=N_BEST_MAX),
    ] = ()
    audio: Path | None = None
    id: Identifier | None = None
    context: TurnBefore | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.audio is None and "hypotheses" not in self.model_fields_set:
            raise PydanticCustomError(
                "empty", "neither hypotheses nor audio; give what was heard, or its sound"
            )
        return self


class Lines(Protocol):
    """What lines are read from: a file, a pipe."""

    def readline(self, size: int, /) -> bytes:
        """The next line with its end, or as many of its bytes."""
        ...


def read_nbest(stream: Lines, file: str) -> Iterator[NBest]:
    """The lines of a stream, each as soon as it has come; empty ones are passed over.

    Raises:
        ScenarioError: names file, line and field.
        OSError: it cannot be read.
    """
    number = 0
    while data := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if data.strip():
            yield _nbest(data, file, number)


def _nbest(data: bytes, file: str, line: int) -> NBest:
    try:
        value = parse_json(data, "the line", "LINE_BYTES_MAX", LINE_BYTES_MAX)
    except (EnvelopeError, LimitExceeded) as error:
        raise ScenarioError(str(error), file=file, line=line) from None
    try:
        return NBest.model_validate({"hypotheses": value} if isinstance(value, list) else value)
    except ValidationError as error:
        field, message = first_of(error)
        raise ScenarioError(message, file=file, line=line, field=field) from None
