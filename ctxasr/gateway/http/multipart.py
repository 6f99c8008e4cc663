"""multipart/form-data while it arrives, and directives as multipart/related.

A part is handed out as soon as it is whole: the metadata of an AVS event come before its audio, so
that the event is recorded, and its context looked for, while the customer still speaks.
Everything stays in memory: what was said never gets a file.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.gateway.http.limits import PART_HEADER_BYTES_MAX, PART_HEADERS_MAX, PARTS_MAX

BOUNDARY: Final = "ctxasr-directive"
"""A part is one line of JSON, so no line of it can look like a boundary."""

RELATED: Final = f'multipart/related; boundary={BOUNDARY}; type="application/json"'


@dataclass(frozen=True, slots=True)
class Part:
    """One whole part of a form."""

    name: str
    data: bytes = field(repr=False)


async def form_parts(
    body: AsyncIterator[bytes], content_type: str, limits_bytes: Mapping[str, int]
) -> AsyncGenerator[Part, None]:
    """The parts named in `limits_bytes`, each of at most so many bytes; others are passed over.

    Raises:
        EnvelopeError: no multipart/form-data, broken, cut off, or a name twice.
        LimitExceeded: a part too large, too many parts or headers.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise EnvelopeError("Content-Type: must be multipart/form-data with a boundary")
    reader = _Reader(limits_bytes)
    try:
        parser = MultipartParser(
            boundary,
            reader.callbacks(),
            max_header_count=PART_HEADERS_MAX,
            max_header_size=PART_HEADER_BYTES_MAX,
        )
        async for chunk in body:
            parser.write(chunk)
            while reader.whole:
                yield reader.whole.pop(0)
        parser.finalize()
    except FormParserError:  # its text quotes bytes
        raise EnvelopeError("body: broken multipart/form-data, or too many headers") from None
    if not reader.ended:
        raise EnvelopeError("body: multipart/form-data is cut off, its last boundary is missing")


class _Reader:
    """Collects what the parser finds."""

    def __init__(self, limits_bytes: Mapping[str, int]) -> None:
        self._limits_bytes = limits_bytes
        self._seen: set[str] = set()
        self._parts = 0
        self._begin()
        self.whole: list[Part] = []
        self.ended = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_headers_finished": self._named,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._name: str | None = None
        self._disposition = b""
        self._data = bytearray()
        self._header_name, self._header_value = b"", b""

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise LimitExceeded("PARTS_MAX", PARTS_MAX, self._parts, "body")
        self._begin()

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _named(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("latin-1").strip("'")  # some quote it so
        if name in self._seen:
            raise EnvelopeError("body: two parts of one name")
        if name in self._limits_bytes:
            self._seen.add(name)
            self._name = name

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            return
        limit, size = self._limits_bytes[self._name], len(self._data) + end - start
        if size > limit:
            raise LimitExceeded("bytes of this part", limit, size, self._name)
        self._data += data[start:end]

    def _part_end(self) -> None:
        if self._name is not None:
            self.whole.append(Part(self._name, bytes(self._data)))

    def _end(self) -> None:
        self.ended = True


def related(directives: Sequence[Mapping[str, Any]]) -> bytes:
    """Directives as the body of a RELATED answer (RFC 2387), one part each."""
    lines: list[str] = []
    for directive in directives:
        lines += [
            f"--{BOUNDARY}", "Content-Type: application/json; charset=UTF-8", "",
            json.dumps(directive),
        ]  # fmt: skip
    return "\r\n".join([*lines, f"--{BOUNDARY}--", ""]).encode("ascii")
