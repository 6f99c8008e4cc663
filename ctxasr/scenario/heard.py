"""What `ctxasr rescore` reads, utterance by utterance: our JSON lines, or another's file.

JSON lines come one by one, as a pipe gives them; a file of another recogniser is read whole. Where
no format is said the beginning tells: the first line if it is a JSON document, else all of it. What
is certainly in no other format is read as JSON lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from ctxasr.charset import decoded
from ctxasr.errors import InputError, ScenarioError
from ctxasr.gateway.requests import recognition_of
from ctxasr.hypotheses import Recognition
from ctxasr.scenario.nbest import LINE_BYTES_MAX, Lines, read_nbest
from ctxasr.scenario.utterance import TurnBefore
from ctxasr.speech.outputs.formats import READERS, guessed, guessed_json, reader_of
from ctxasr.speech.outputs.source import OUTPUT_BYTES_MAX, source_of

JSONL: Final = "jsonl"
"""The format of `nbest`, beside READERS."""

NAMES: Final = ", ".join((JSONL, *READERS))
"""All formats, as errors list them."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance. `context` and `audio` are those of its line; other recognisers give none."""

    recognition: Recognition
    id: str = ""
    context: TurnBefore | None = None
    audio: Path | None = None

    def __repr__(self) -> str:
        return f"Heard({self.recognition!r})"


def read_heard(
    stream: BinaryIO,
    file: str,
    format: str = "",  # noqa: A002  # as the option is called
    acoustic_scale: float | None = None,
) -> Iterator[Heard]:
    """The utterances of a stream, which is called `file` in errors.

    `format` is "jsonl" or a name of READERS; without it the beginning tells.

    >>> heard = BytesIO(b'["call meg", "call mag"]\\n{"hypotheses": ["power"], "id": "a2"}\\n')
    >>> [(one.recognition.plain, one.id) for one in read_heard(heard, "heard.jsonl")]
    [('call meg', ''), ('power', 'a2')]

    Raises:
        InputError: there is no such format.
        ScenarioError: names file, line and field.
        LimitExceeded: a line, the file, a text or a network is too large.
        OSError: it cannot be read.
    """
    if format not in {"", JSONL, *READERS}:
        raise InputError(f"the format is not known; one of {NAMES} is right")
    if format == JSONL:
        yield from _lines(stream, file)
        return
    begin, document = (b"", None) if format else _begin(stream)
    if document is not None and guessed_json(document) not in READERS:
        lines = _lines(_Continued(begin, stream), file)
        yield from lines if guessed_json(document) else _hinted(lines)
        return
    data = begin + stream.read(OUTPUT_BYTES_MAX + 1 - len(begin))
    if not format and not data.strip():
        return
    source = source_of(data, file, acoustic_scale)
    name = format or guessed(source)
    if name in READERS:
        for one in reader_of(name)(source):
            yield Heard(one.recognition, one.id)
    else:
        lines = _lines(BytesIO(source.text.encode()), file)
        yield from lines if name else _hinted(lines)


class _Continued:
    """A stream whose first bytes have been read already: for `readline`, no more is needed."""

    def __init__(self, begin: bytes, stream: BinaryIO) -> None:
        self._begin, self._stream = BytesIO(begin), stream

    def readline(self, size: int) -> bytes:
        line = self._begin.readline(size)
        if not line or (not line.endswith(b"\n") and len(line) < size):
            line += self._stream.readline(size - len(line))
        return line


def _begin(stream: BinaryIO) -> tuple[bytes, Any]:
    """The lines up to the first that is not empty, and the JSON document that this one is."""
    begin = b""
    while len(begin) <= LINE_BYTES_MAX:
        line = stream.readline(LINE_BYTES_MAX + 1)
        begin += line
        if line.strip() or not line:
            break
    try:
        return begin, json.loads(decoded(begin))
    except (ValueError, RecursionError):
        return begin, None


def _lines(stream: Lines, file: str) -> Iterator[Heard]:
    for one in read_nbest(stream, file):
        yield Heard(recognition_of(one.hypotheses), one.id or "", one.context, one.audio)


def _hinted(lines: Iterator[Heard]) -> Iterator[Heard]:
    """The same; an error of the first line says that another recogniser may have written it."""
    try:
        yield next(lines)
    except StopIteration:
        return
    except ScenarioError as error:
        hint = f"if another recogniser wrote it, --format says which: {NAMES}"
        hinted = ScenarioError(f"{error}; {hint}")
        hinted.file, hinted.line, hinted.field = error.file, error.line, error.field
        raise hinted from None
    yield from lines
