"""Wyoming's frames: read however the stream is cut, written as they are read, and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocols import FORMAT

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.gateway.protocols import wyoming_frames
from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes

WIRE = (
    b'{"type": "transcribe", "version": "1.10.2", "data_length": 68}\n'
    b'{"name": "m", "language": "en", "context": {"conversation_id": "c"}}'
    b'{"type": "audio-chunk", "version": "1.10.2", "data_length": 61, "payload_length": 6}\n'
    b'{"rate": 16000, "width": 2, "channels": 1, "timestamp": null}\x00\n\x00\x01\x00\x01'
    b'{"type": "transcript", "data": {"text": "x", "language": "en"}, "data_length": 15}\n'
    b'{"text": "h\xc3\xa9"}'
    b'{"type": "describe", "version": "1.10.2"}\n'
)
"""As version 1.10.2 of the `wyoming` package writes it; the third as older ones did."""

READ = [
    Message("transcribe", {"name": "m", "language": "en", "context": {"conversation_id": "c"}}),
    Message("audio-chunk", FORMAT, b"\0\n\0\1\0\1"),
    Message("transcript", {"text": "hé", "language": "en"}),
    Message("describe"),
]


def read_all(parts: Iterable[bytes]) -> list[Message]:
    buffer, found = b"", []
    for part in parts:
        buffer += part
        while read := read_message(buffer):
            found.append(read.message)
            buffer = buffer[read.size_bytes :]
    assert buffer == b""
    return found


@given(cuts=st.lists(st.integers(0, len(WIRE)), max_size=9).map(sorted))
@settings(max_examples=200, deadline=None)
def test_messages_are_read_however_the_stream_is_cut(cuts: list[int]) -> None:
    edges = [0, *cuts, len(WIRE)]
    assert read_all(WIRE[a:b] for a, b in pairwise(edges)) == READ


@given(
    kind=st.text("abc-", min_size=1, max_size=20),
    data=st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers() | st.none()),
    payload=st.binary(max_size=99),
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(kind: str, data: dict[str, Any], payload: bytes) -> None:
    message = Message(kind, data, payload)
    assert read_all([to_bytes(message)]) == [message]


@pytest.mark.parametrize(
    ("wire", "wrong"),
    [
        (b"\n", "wyoming header is not JSON"),
        (b"[]\n", "wyoming header: must be a JSON object"),
        (b'{"type": "\xff"}\n', "wyoming header is not UTF-8"),
        (b'{"type": 7}\n', r"wyoming header\.type"),
        (b'{"type": ""}\n', r"wyoming header\.type"),
        (b'{"type": "x", "data": []}\n', r"wyoming header\.data"),
        (b'{"type": "x", "data_length": -1}\n', r"wyoming header\.data_length"),
        (b'{"type": "x", "payload_length": "1"}\n', r"wyoming header\.payload_length"),
        (b'{"type": "x", "data_length": 2}\n[]', "wyoming data: must be"),
        (b'{"type": "x", "data_length": 262145}\n', "DATA_BYTES_MAX is 262144, got 262145"),
        (b'{"type": "x", "payload_length": 262145}\n', "PAYLOAD_BYTES_MAX is 262144, got 262145"),
        (b" " * wyoming_frames.HEADER_BYTES_MAX, "HEADER_BYTES_MAX"),
        (b" " * wyoming_frames.HEADER_BYTES_MAX + b"\n", "HEADER_BYTES_MAX"),
    ],
)
def test_a_wrong_frame_is_named(wire: bytes, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        read_message(wire)


def test_frames_are_read_and_written_up_to_their_limits() -> None:
    payload = bytes(wyoming_frames.PAYLOAD_BYTES_MAX)
    data = {"x": "y" * (wyoming_frames.DATA_BYTES_MAX - len('{"x": ""}'))}
    full = Message("x", data, payload)
    assert read_all([to_bytes(full)]) == [full]
    header = b'{"type": "x"' + b" " * (wyoming_frames.HEADER_BYTES_MAX - 14) + b"}\n"
    assert read_all([header]) == [Message("x")]
    assert read_message(header[:-2]) is None
    for longer in (Message("x", {"x": data["x"] + "y"}), Message("x", {}, payload + b"1")):
        with pytest.raises(LimitExceeded):
            to_bytes(longer)
