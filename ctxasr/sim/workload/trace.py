"""A trace: what a service logged of its turns, one JSON object a line, without any text.

    {"dialogue": "a81f", "turn": 1, "at_ms": 1700000000000, "speech_ms": 1840, "think_ms": 310,
     "reply_ms": 4100, "asked": true, "answered": true, "barged_in": false, "answer_delay_ms": 620,
     "utterance_bytes": 31, "reply_bytes": 58, "entities_bytes": 240, "encoder_ms": 71.5}

(on one line). A line is a turn, in any order, and `dialogue` and `turn` say which; what a service
does not log it leaves out, or writes null. A line without them holds latencies alone.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.sim.workload.document import FIGURE_MAX, complaint
from ctxasr.timing import REPLY_MS_MAX

LINES_MAX: Final = 500_000
"""Lines of a trace: enough for a p99.9 by 500 values; they are kept in memory."""

LINE_BYTES_MAX: Final = 16_384
"""Bytes of a line: a usual one has 300, and lists of latencies are bounded."""

TURN_MAX: Final = 10_000
"""The highest number of a turn in its dialogue."""

AT_MS_MAX: Final = 1e14
"""The latest instant: the year 5138."""

LATENCIES_MAX: Final = 1_000
"""Values of one latency on one line: a turn has some twenty requests."""

NAME_CHARS_MAX: Final = 200
"""Characters of a dialogue's name."""

Figure = Annotated[float, Field(ge=0, le=FIGURE_MAX)]
Size = Annotated[float, Field(ge=0, le=TEXT_BYTES_MAX)]
Figures = Annotated[
    tuple[Figure, ...],
    Field(max_length=LATENCIES_MAX),
    BeforeValidator(lambda one: tuple(one) if isinstance(one, list) else (one,)),
]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_CHARS_MAX),
    BeforeValidator(lambda one: str(one) if type(one) is int else one),
]


class TraceLine(BaseModel):
    """One line; the fields mean what those of `Workload` and `Latencies` mean."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    dialogue: Name | None = None
    """Any name or number, the same for all turns of a dialogue; it is only compared."""
    turn: Annotated[int, Field(ge=1, le=TURN_MAX)] | None = None
    """Its number in the dialogue, from 1."""
    at_ms: Annotated[float, Field(ge=0, le=AT_MS_MAX)] | None = None
    """When its recognition began, since 1970 or since any midnight."""
    speech_ms: Figure | None = None
    think_ms: Figure | None = None
    reply_ms: Annotated[Figure, Field(le=REPLY_MS_MAX)] | None = None
    """How long the whole reply is, also where the customer interrupted it."""
    asked: bool | None = None
    answered: bool | None = None
    """Where it is absent, a turn was answered if the trace has the next one of its dialogue."""
    barged_in: bool | None = None
    answer_delay_ms: Figure | None = None
    """Left aside where the customer barged in."""
    utterance_bytes: Size | None = None
    reply_bytes: Size | None = None
    entities_bytes: Size | None = None
    """Absent or 0: no service handed in entities."""
    screen_bytes: Size | None = None
    """Absent or 0: no list on the screen."""
    service_ms: Figures | None = None
    """One value or a list; so are all that follow."""
    store_write_ms: Figures | None = None
    store_read_ms: Figures | None = None
    kms_ms: Figures | None = None
    replication_ms: Figures | None = None
    encoder_ms: Figures | None = None
    aligner_ms: Figures | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.dialogue is None) != (self.turn is None):
            missing = "turn" if self.turn is None else "dialogue"
            raise _wrong(f"{missing}: missing; a turn has both dialogue and turn")
        if self.dialogue is None and self.model_fields_set & OF_A_TURN:
            raise _wrong("dialogue: missing; without dialogue and turn a line has latencies alone")
        if self.answered and self.asked is False:
            raise _wrong("answered: true, and the turn did not ask; asked: true would be right")
        return self


OF_A_TURN: Final = frozenset(
    {
        "at_ms", "speech_ms", "think_ms", "reply_ms", "asked", "answered", "barged_in",
        "answer_delay_ms", "utterance_bytes", "reply_bytes", "entities_bytes", "screen_bytes",
    }
)  # fmt: skip
"""Fields that only a turn has."""

_KNOWN: Final = tuple(TraceLine.model_fields)


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("trace", "{what}", {"what": what})


def read_trace(path: Path) -> Iterator[TraceLine]:
    """The lines of a trace file; empty ones are passed over.

    Raises:
        InputError: the file cannot be read, or a line is wrong: names file, line and field.
        LimitExceeded: LINES_MAX, LINE_BYTES_MAX.
    """
    seen: set[tuple[str, int]] = set()
    try:
        with path.open("rb") as file:
            for number in range(1, LINES_MAX + 2):
                line = file.readline(LINE_BYTES_MAX + 2)
                if not line:
                    return
                if number == 1:
                    line = line.removeprefix(BOM_UTF8)
                where = f"{path}:{number}"
                if number > LINES_MAX:
                    raise LimitExceeded("LINES_MAX", LINES_MAX, number, str(path))
                size = len(line.rstrip(b"\r\n"))
                if size > LINE_BYTES_MAX:
                    raise LimitExceeded("LINE_BYTES_MAX", LINE_BYTES_MAX, size, where)
                if line.strip():
                    yield _once(_line(line, where), seen, where)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _once(line: TraceLine, seen: set[tuple[str, int]], where: str) -> TraceLine:
    if line.dialogue is not None and line.turn is not None:
        key = (line.dialogue, line.turn)
        if key in seen:
            told = f"number {line.turn} of this dialogue stands on an earlier line"
            raise InputError(f"{where}: turn: {told}; each turn once would be right")
        seen.add(key)
    return line


def _line(line: bytes, where: str) -> TraceLine:
    try:
        return TraceLine.model_validate_json(line)
    except ValidationError as error:
        if error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
            right = 'one JSON object a line would be right, as in {"dialogue": "a", "turn": 1}'
            raise InputError(f"{where}: not JSON; {right}") from None
        raise InputError(f"{where}: {complaint(error, _KNOWN)}") from None
