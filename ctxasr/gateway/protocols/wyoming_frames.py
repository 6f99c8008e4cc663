"""Wyoming messages as bytes, and back.

    {"type": "transcript", "data_length": 17}\\n        a line of JSON
    {"text": "bauer"}                                  data_length bytes of JSON, merged over "data"
                                                       payload_length bytes, here none

Source: "Wyoming Protocol", the README of the wyoming project of the Open Home Foundation. Keys of
the header that it does not name (`version`) are passed over. Everything is bounded: a peer that
announces or sends more than that is wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from ctxasr.documents import describe
from ctxasr.errors import EnvelopeError, LimitExceeded

HEADER_BYTES_MAX: Final = 65_536
"""The line of JSON, its end included; older peers put all of the data into it."""

DATA_BYTES_MAX: Final = 262_144
"""The data behind the header."""

PAYLOAD_BYTES_MAX: Final = 262_144
"""The payload: eight seconds of 16 kHz speech, where a chunk is usually a tenth of one."""

Length = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Message:
    """One Wyoming message."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def __repr__(self) -> str:  # its data hold what was said
        return f"Message({len(self.data)} fields, {len(self.payload)} bytes)"


class Read(NamedTuple):
    """A message, and how many bytes of the buffer it took."""

    message: Message
    size_bytes: int


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    data: dict[str, Any] | None = None
    data_length: Length | None = None
    payload_length: Length | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The line of JSON that begins a message, and how long its data and payload are, in bytes."""

    type: str
    data: dict[str, Any]
    data_bytes: int
    payload_bytes: int

    def __repr__(self) -> str:
        return f"Head({self.data_bytes} + {self.payload_bytes} bytes)"

    @property
    def size_bytes(self) -> int:
        """Of what comes behind the line."""
        return self.data_bytes + self.payload_bytes

    def message(self, rest: bytes) -> Message:
        """The message, from what came behind the line.

        Raises:
            EnvelopeError: the data are not UTF-8, or no JSON object.
        """
        data = dict(self.data)
        if self.data_bytes:
            data |= _object(rest[: self.data_bytes], "data")
        return Message(self.type, data, rest[self.data_bytes :])


def read_head(line: bytes) -> Head:
    """Read the first line of a message.

    Raises:
        LimitExceeded: a part of the message is announced to be longer than its limit.
        EnvelopeError: not UTF-8, not JSON, or no header; the stream has lost its place.
    """
    try:
        header = _Header.model_validate(_object(line, "header"))
    except ValidationError as error:
        raise EnvelopeError(f"wyoming header.{describe(error)}") from None
    data_bytes, payload_bytes = header.data_length or 0, header.payload_length or 0
    if data_bytes > DATA_BYTES_MAX:
        raise LimitExceeded("DATA_BYTES_MAX", DATA_BYTES_MAX, data_bytes, "wyoming data_length")
    if payload_bytes > PAYLOAD_BYTES_MAX:
        limit, field = PAYLOAD_BYTES_MAX, "wyoming payload_length"
        raise LimitExceeded("PAYLOAD_BYTES_MAX", limit, payload_bytes, field)
    return Head(header.type, header.data or {}, data_bytes, payload_bytes)


def read_message(buffer: bytes | bytearray) -> Read | None:
    """The first message in `buffer`; None where its end has not come yet.

    Raises:
        LimitExceeded: a part is longer, or is announced to be, than its limit.
        EnvelopeError: not UTF-8, not JSON, or no header; the stream has lost its place.
    """
    end = buffer.find(b"\n", 0, HEADER_BYTES_MAX)
    if end < 0:
        if len(buffer) >= HEADER_BYTES_MAX:
            raise LimitExceeded("HEADER_BYTES_MAX", HEADER_BYTES_MAX, len(buffer), "wyoming header")
        return None
    head = read_head(bytes(buffer[:end]))
    size_bytes = end + 1 + head.size_bytes
    if len(buffer) < size_bytes:
        return None
    return Read(head.message(bytes(buffer[end + 1 : size_bytes])), size_bytes)


def to_bytes(message: Message) -> bytes:
    """The message as it goes over the wire; what is longer than a peer would take is refused.

    Raises:
        LimitExceeded: header, data or payload are longer than their limits.
    """
    header: dict[str, Any] = {"type": message.type}
    data = json.dumps(message.data).encode() if message.data else b""
    if data:
        header["data_length"] = len(data)
    if message.payload:
        header["payload_length"] = len(message.payload)
    line = json.dumps(header).encode() + b"\n"
    for name, limit, part in (
        ("HEADER_BYTES_MAX", HEADER_BYTES_MAX, line),
        ("DATA_BYTES_MAX", DATA_BYTES_MAX, data),
        ("PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX, message.payload),
    ):
        if len(part) > limit:
            raise LimitExceeded(name, limit, len(part), "wyoming message")
    return line + data + message.payload


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        found = from_json(text.decode("utf-8"), allow_inf_nan=False)
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"wyoming {where} is not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise EnvelopeError(f"wyoming {where} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise EnvelopeError(f"wyoming {where}: must be a JSON object")
    return found
