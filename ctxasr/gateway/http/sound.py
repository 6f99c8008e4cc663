"""Sound as bodies bring it: by its content type raw or a file. `speech.audio` reads both.

audio/wav, audio/flac, ...               a file; its own first bytes say of which kind
application/octet-stream                 16-bit little-endian mono at 16 kHz, or a file
audio/l16; rate=8000; channels=1         the same at another rate
"""

from __future__ import annotations

from email.message import Message
from http import HTTPStatus
from typing import Final

from ctxasr.gateway.http.problems import Problem
from ctxasr.gateway.http.recogniser import Recogniser
from ctxasr.hypotheses import Recognition
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.audio import LoadedAudio, read_sound

RAW: Final = "application/octet-stream"
L16: Final = "audio/l16"

SOUND_TYPES: Final = (
    "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/flac", "audio/x-flac",
    "audio/ogg", "audio/aiff", "audio/x-aiff", "audio/x-caf", "audio/basic",
)  # fmt: skip


def raw_hz_of(content_type: str) -> int | None:
    """The rate of raw sound, or None where a file is promised.

    Raises:
        Problem: 415, another content type, or raw sound that is not mono.
    """
    given = Message()
    given["Content-Type"] = content_type or "none"
    kind = given.get_content_type()
    if kind == RAW:
        return RATE_HZ
    if kind == L16:
        rate, channels = given.get_param("rate", str(RATE_HZ)), given.get_param("channels", "1")
        if isinstance(rate, str) and rate.isascii() and rate.isdecimal() and channels == "1":
            return int(rate[:9])
        raise _unsupported(f"{L16} must be mono, with its rate in Hz")
    if kind not in SOUND_TYPES:
        raise _unsupported(f"Content-Type must be one of {', '.join((RAW, L16, *SOUND_TYPES))}")
    return None


def read_body(data: bytes, raw_hz: int | None = RATE_HZ) -> LoadedAudio:
    """The sound of a body; raw unless it is a file.

    Raises:
        AudioError, LimitExceeded: as `speech.audio.read_sound`.
    """
    return read_sound(data, "audio", raw_hz=raw_hz)


async def recognise_body(
    recogniser: Recogniser,
    customer: str,
    data: bytes,
    notes: list[str],
    raw_hz: int | None = RATE_HZ,
) -> Recognition:
    """What was heard in the sound of a body; what is odd about it goes into `notes`.

    Raises:
        AudioError, LimitExceeded: as `read_body`.
        Problem: all places of the recogniser are taken.
    """
    read: list[LoadedAudio] = []

    def samples() -> Samples:
        read.append(read_body(data, raw_hz))
        return read[0].samples

    recognition = await recogniser.recognise(customer, samples)
    notes += read[0].notes_with(recognition)
    return recognition


def _unsupported(detail: str) -> Problem:
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", detail)
