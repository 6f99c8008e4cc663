"""Sound files by their headers: which kind it is, where its sound lies, and whether all is there.

    container_of(b"RIFF....WAVEfmt ...")  ->  Container("WAV", data for libsndfile, ...)

libsndfile decodes; but it believes the length that a header claims, and shortens in silence what
was cut off. So the headers are read here first, chunk by chunk; a search for "data" would find the
word inside a comment. A WAV is written anew with the length that is there.

A program that streams cannot go back to write the length. It leaves 0 (GStreamer), 0x7FFFF000
(sox; in an AIFF 0x7F000000, less what makes no whole frame), 0x80000000 or close to it (arecord),
or 0xFFFFFFFF (ffmpeg): the sound then goes to the end of the file. A length that is shorter than
the sound, as of the first piece of a stream, is believed; what follows is said.

Sources: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), EBU Tech 3306
(RF64), ITU-R BS.2088 (BW64), RFC 9639 (FLAC), RFC 3533 (Ogg), Apple's AIFF 1.3 and Core Audio
Format.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ctxasr.errors import AudioError, LimitExceeded
from ctxasr.speech.foreign import begins_like_mpeg, foreign_kind_of

CHUNKS_MAX: Final = 10_000
"""Chunks or Ogg pages of one file; a minute of Opus has 3,000 pages at most."""

STREAMED_BYTES_MIN: Final = 0x7EFF_0000
"""A 32-bit length from here on is what a streaming program wrote, not a length."""

UNREAD_BYTES_MIN: Final = 3_200
"""Behind the sound: a tenth of a second of 16 kHz. Less is a tag, or filled up to a block."""

_KINDS: Final = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS\0", "OGG"),
    (0, b".snd", "AU"),
    (0, b"caff\0\1", "CAF"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (8, b"WAVE", "WAV"),
)
_WAV_FORMS: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64")

_AFTER_ODD: Final = (b"fmt ", b"data", b"LIST", b"COMM", b"SSND")
"""Some programs forget the pad byte after an odd chunk, which shows by one of these."""


_SOUND_OR_FILE: Final = (b"data", b"SSND", b"FORM", *_WAV_FORMS)
_ZEROS: Final = re.compile(rb"\0*")


class Chunk(NamedTuple):
    """A piece of a file: `size` bytes from `start`, as its header claims."""

    name: bytes
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Container:
    """A sound file. `data` is for libsndfile: as given, or with its lengths made true."""

    kind: str
    data: bytes
    share: float = 1.0
    """How much of the claimed sound is there, from 0 to 1; 0 also where that cannot be known."""
    frames: int = 0
    """Frames that a FLAC claims, 0 where it does not know: only decoding shows what is there."""
    notes: tuple[str, ...] = ()


def kind_of(data: bytes) -> str | None:
    """The kind of a sound file by its first bytes; None for what is not known."""
    for at, magic, kind in _KINDS:
        if data.startswith(magic, at) and (at == 0 or data[:4] in (*_WAV_FORMS, b"FORM")):
            return kind
    return "FLAC" if data.startswith(b"fLaC", _id3_bytes(data)) else None


def _id3_bytes(data: bytes) -> int:
    """The length of the tag that some programs write even before a FLAC: 28 bits in four bytes."""
    if not data.startswith(b"ID3") or len(data) < 10:
        return 0
    return 10 + sum((data[9 - place] & 0x7F) << 7 * place for place in range(4))


def container_of(data: bytes, name: str) -> Container:
    """Read the headers of a sound file; `name` is for messages.

    Raises:
        AudioError: no sound file that is read here, or one whose headers contradict themselves.
        LimitExceeded: more than CHUNKS_MAX chunks.
    """
    kind = kind_of(data)
    if kind is None:
        raise AudioError(f"{name}: {_what_to_do(data)}")
    try:
        match kind:
            case "WAV":
                return _wav(data, name)
            case "FLAC":
                return _flac(data)
            case "OGG":
                return _ogg(data, name)
            case "AIFF":
                return _aiff(data, name)
            case "CAF":
                return _caf(data, name)
        return _au(data)
    except (struct.error, IndexError):
        raise AudioError(f"{name}: cut off inside its header; give a whole file") from None


def _what_to_do(data: bytes) -> str:
    foreign = foreign_kind_of(data)
    if foreign is not None:
        return foreign
    if begins_like_mpeg(data):
        return "perhaps an MP3 or AAC file; make a WAV: `ffmpeg -i FILE out.wav`"
    return (
        "no sound file that is known here (WAV, FLAC, OGG); raw 16-bit little-endian mono is read"
        " with `--raw-hz RATE` (over HTTP as application/octet-stream), other raw sound after"
        " `sox -t raw -r RATE -e signed -b 16 -c 1 FILE out.wav`"
    )


def _chunks(data: bytes, name: str, *, at: int, head: str, padded: bool = True) -> Iterator[Chunk]:
    """The chunks one after the other; `head` is the struct format of a chunk's size."""
    width = 4 + struct.calcsize(head)
    for _ in range(CHUNKS_MAX):
        if at + width > len(data):
            return
        (size,) = struct.unpack_from(head, data, at + 4)
        yield Chunk(data[at : at + 4], at + width, size)
        at += width + max(size, 0)
        if padded and size % 2 and data[at : at + 4] not in _AFTER_ODD:
            at += 1
    raise LimitExceeded("CHUNKS_MAX", CHUNKS_MAX, CHUNKS_MAX + 1, name)


def _wav(data: bytes, name: str) -> Container:
    """A WAV of one `fmt ` and one `data` chunk, whose length is true.

    RF64 and BW64 keep lengths beyond 32 bits in a chunk `ds64`.
    """
    big = data[:4] == b"RIFX"
    order = ">" if big else "<"
    form = sizes = None
    for chunk in _chunks(data, name, at=12, head=f"{order}I"):
        if chunk.name == b"fmt ":
            form = data[chunk.start : chunk.start + chunk.size]
        elif chunk.name == b"ds64":
            sizes = struct.unpack_from("<QQ", data, chunk.start)
        elif chunk.name == b"data":
            break
    else:
        raise AudioError(f"{name}: holds no sound, for it has no data chunk; give a whole file")
    if form is None:
        raise AudioError(f"{name}: its data chunk stands before its fmt chunk; write it again")
    if len(form) < 16:
        raise AudioError(f"{name}: its fmt chunk is shorter than 16 bytes; write it again")
    channels, rate_hz = struct.unpack_from(f"{order}HI", form, 2)
    if not channels or not 0 < rate_hz < 2**31:
        raise AudioError(f"{name}: its header claims {channels} channels at {rate_hz} Hz")
    claimed, there = chunk.size, len(data) - chunk.start
    if sizes is not None and claimed == 0xFFFF_FFFF:
        claimed = sizes[1]
        streamed = claimed == 0 or claimed >= 2**63 - 1
    else:
        streamed = claimed >= STREAMED_BYTES_MIN
    (whole,) = struct.unpack_from(f"{order}I", data, 4)
    if claimed == 0:  # else the file is complete, and empty
        complete = whole + 8 in (len(data), len(data) - 1)
        streamed = not complete or _bytes_behind(data, chunk.start, f"{order}I") >= UNREAD_BYTES_MIN
    have = there if streamed else min(claimed, there)
    sound = data[chunk.start : chunk.start + have]
    head = struct.pack(f"{order}4sI", b"fmt ", len(form)) + form + b"\0" * (len(form) % 2)
    head += struct.pack(f"{order}4sI", b"data", have)
    first = struct.pack(f"{order}4sI4s", b"RIFX" if big else b"RIFF", 4 + len(head) + have, b"WAVE")
    found = Container("WAV", b"".join((first, head, sound, b"\0" * (have % 2))))
    found = replace(found, notes=unread_note(_bytes_behind(data, chunk.start + have, f"{order}I")))
    return _measured(found, -1 if streamed else claimed, have)


def _bytes_behind(data: bytes, at: int, head: str) -> int:
    """Bytes from `at` on that are neither chunks without sound, nor zeros, nor a tag."""
    width = 4 + struct.calcsize(head)
    for _ in range(CHUNKS_MAX):
        zeros = _ZEROS.match(data, at)  # a pad byte, or more
        at += len(zeros[0]) if zeros else 0
        name = data[at : at + 4]
        if at + width > len(data) or not name.isascii() or name in _SOUND_OR_FILE:
            break
        (size,) = struct.unpack_from(head, data, at + 4)
        if not 0 <= size <= len(data) - at - width or not name.decode().isprintable():
            break
        at += width + size
    return len(data) - at


def unread_note(size_bytes: int) -> tuple[str, ...]:
    """The note that so much follows the sound, if it is not too little to matter."""
    if size_bytes < UNREAD_BYTES_MIN:
        return ()
    what = "another recording, or a length that was not brought up to date"
    return (f"{size_bytes} bytes behind its sound are not read: {what}",)


def _measured(found: Container, claimed: int, have: int) -> Container:
    """With the share of what is claimed, or a note that nothing is (below 0)."""
    if claimed < 0:
        note = "its header has no length, as of a program that streams: read to the end of the file"
        return replace(found, notes=(*found.notes, note))
    return found if have >= claimed else replace(found, share=have / claimed)


def _flac(data: bytes) -> Container:
    """A FLAC counts its frames in 36 bits, or leaves 0; libsndfile reads on to its end."""
    data = data[_id3_bytes(data) :]
    low, high = struct.unpack_from(">IB", data, 22)[0], data[21] & 0x0F
    frames = high << 32 | low
    found = Container("FLAC", data, frames=frames)
    return found if frames else _measured(found, -1, len(data))


def _ogg(data: bytes, name: str) -> Container:
    """An Ogg is whole if its last page is, and says that it is the last."""
    at = pages = 0
    last = chained = False
    while data.startswith(b"OggS", at) and at + 27 <= len(data):
        segments = data[at + 27 : at + 27 + data[at + 26]]
        chained |= last and bool(data[at + 5] & 2)
        last = bool(data[at + 5] & 4)
        at += 27 + data[at + 26] + sum(segments)
        pages += 1
        if pages > CHUNKS_MAX:
            raise LimitExceeded("CHUNKS_MAX", CHUNKS_MAX, pages, name)
    notes = ("another stream follows in the same file, which is not read",) if chained else ()
    return Container("OGG", data, 1.0 if last and at <= len(data) else 0.0, notes=notes)


def _aiff(data: bytes, name: str) -> Container:
    for chunk in _chunks(data, name, at=12, head=">I"):
        if chunk.name == b"SSND":
            return _patched("AIFF", data, chunk, ">I")
    raise AudioError(f"{name}: holds no sound, for it has no SSND chunk; give a whole file")


def _caf(data: bytes, name: str) -> Container:
    """Core Audio: 64-bit lengths, -1 for 'to the end of the file', no pad bytes."""
    for chunk in _chunks(data, name, at=8, head=">q", padded=False):
        if chunk.name == b"data":
            return _patched("CAF", data, chunk, ">q")
    raise AudioError(f"{name}: holds no sound, for it has no data chunk; give a whole file")


def _au(data: bytes) -> Container:
    start, size = struct.unpack_from(">II", data, 4)
    chunk = Chunk(b".snd", start, -1 if size == 0xFFFF_FFFF else size)
    return _patched("AU", data, chunk, ">I", at=8)


def _patched(kind: str, data: bytes, chunk: Chunk, head: str, at: int | None = None) -> Container:
    """With the length that is there, where another is claimed; `at`: where that stands."""
    have = max(0, len(data) - chunk.start)
    streamed = chunk.size <= 0 or (head == ">I" and chunk.size >= STREAMED_BYTES_MIN)
    if 0 < chunk.size <= have or not have:
        behind = _bytes_behind(data, chunk.start + chunk.size, head)
        return Container(kind, data, notes=unread_note(behind))
    where = chunk.start - struct.calcsize(head) if at is None else at
    true = struct.pack(head, have)
    found = Container(kind, b"".join((data[:where], true, data[where + len(true) :])))
    return _measured(found, -1 if streamed else chunk.size, have)
