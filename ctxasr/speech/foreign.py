"""What is no sound file that is read here, by its first bytes: so that it can be named.

    foreign_kind_of(b"#!AMR\n...")     ->  "an AMR file, which is not read here; make a WAV: ..."
    foreign_kind_of(samples)           ->  None

Sound without a header is taken for samples where the caller says so; a compressed file would then
be noise. MP3 and AAC have no header of their own: each frame begins with one, and tells where the
next one begins. Three in a row are no chance, whatever samples are.

Sources: ISO/IEC 11172-3 and 13818-3 (MPEG audio), 13818-7 (ADTS).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FRAMES_MIN: Final = 3
"""Frames in a row that make an MP3 or AAC."""

TEXT_BYTES_MIN: Final = 64
"""So many printable bytes in a row are a text: of samples, one byte in three is printable."""

_FILES: Final = (
    (0, b"ID3\2", "an MP3"), (0, b"ID3\3", "an MP3"), (0, b"ID3\4", "an MP3"),
    (4, b"ftyp", "an MP4 or M4A"), (4, b"styp", "an MP4 or M4A"), (4, b"moov", "an MP4 or M4A"),
    (4, b"mdat", "an MP4 or M4A"), (4, b"wide", "an MP4 or M4A"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska"), (0, b"FLV\1", "an FLV"),
    (0, b"#!AMR", "an AMR"), (0, b"#!SILK", "a SILK"), (0, b"\2#!SILK", "a SILK"),
    (0, b"ADIF", "an AAC"), (0, b"0&\xb2u\x8ef\xcf\x11", "a WMA"), (0, b"wvpk", "a WavPack"),
    (0, b"MAC ", "a Monkey's Audio"), (0, b"TTA1", "a TTA"), (0, b"MPCK", "a Musepack"),
    (0, b".ra\xfd", "a RealAudio"), (0, b".RMF", "a RealAudio"), (0, b"MThd", "a MIDI"),
    (0, b"riff\x2e\x91\xcf\x11", "a W64"), (0, b"NIST_1A", "a NIST"), (0, b"dns.", "a swapped AU"),
    (0, b"Creative Voice File", "a VOC"), (0, b"caff", "a newer CAF"),
    (0, b"RIFF", "a RIFF"), (0, b"RIFX", "a RIFF"), (0, b"RF64", "a RIFF"), (0, b"BW64", "a RIFF"),
    (0, b"FORM", "an IFF"),
)  # fmt: skip
"""Not read here: (offset, bytes, name). MP3 because its decoder prints warnings of its own."""

_PACKED: Final = (
    (b"\x1f\x8b\x08", "a gzip"), (b"PK\3\4", "a zip"), (b"BZh", "a bzip2"),
    (b"\xfd7zXZ\0", "an xz"), (b"(\xb5/\xfd", "a zstd"), (b"7z\xbc\xaf", "a 7z"),
)  # fmt: skip

_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n")

_KBIT: Final = {
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Rates of MPEG frames by (version 1, layer), from index 1 on."""

_MPEG_HZ: Final = (44_100, 48_000, 32_000)

_LengthBytes = Callable[[bytes, int], int]


def foreign_kind_of(data: bytes) -> str | None:
    """What `data` is, and what to do with it; None for what is not known, as samples are."""
    for at, magic, kind in _FILES:
        if data.startswith(magic, at):
            return _file(kind)
    for magic, kind in _PACKED:
        if data.startswith(magic):
            return f"{kind} archive; unpack it first"
    if _frames(data, _mpeg_bytes):
        return _file("an MP3")
    if _frames(data, _adts_bytes):
        return _file("an AAC")
    head = set(data[: 4 * TEXT_BYTES_MIN])
    if len(data) >= TEXT_BYTES_MIN and len(head) > 8 and head <= _PRINTABLE:  # not a held level
        return "a text, perhaps Base64 or JSON; give the bytes of the sound itself"
    return None


def begins_like_mpeg(data: bytes) -> bool:
    """Whether it begins with the sync word of a frame, which samples may do as well."""
    return data[:1] == b"\xff" and data[1:2] >= b"\xe0"


def _file(kind: str) -> str:
    return f"{kind} file, which is not read here; make a WAV: `ffmpeg -i FILE out.wav`"


def _frames(data: bytes, length_bytes: _LengthBytes) -> bool:
    """Whether FRAMES_MIN frames follow one another from the first byte on."""
    at = 0
    for _ in range(FRAMES_MIN):
        length = length_bytes(data, at) if at + 6 <= len(data) else 0
        if not length:
            return False
        at += length
    return True


def _mpeg_bytes(data: bytes, at: int) -> int:
    """Of an MPEG frame of layer 2 or 3 at `at`; 0: there is none."""
    second, third = data[at + 1], data[at + 2]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate, hz = third >> 4, third >> 2 & 3
    if data[at] != 0xFF or second < 0xE0 or version == 1 or layer not in (2, 3):
        return 0
    if not 0 < rate < 15 or hz == 3:
        return 0
    halved = {3: 0, 2: 1, 0: 2}[version]
    samples = 72 if halved and layer == 3 else 144
    bits_s = 1_000 * _KBIT[halved == 0, layer][rate - 1]
    return samples * bits_s // (_MPEG_HZ[hz] >> halved) + (third >> 1 & 1)


def _adts_bytes(data: bytes, at: int) -> int:
    """Of an AAC frame at `at`; 0: there is none."""
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0 or data[at + 2] >> 2 & 15 > 12:
        return 0
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return length if length > 7 else 0
