"""The bytes of a message: JSON, JSON in base64, or something else that is named.

    {"customer": ...}            as it is
    eyJjdXN0b21lciI6IC4uLn0=     taken out of base64: of either alphabet, with or without padding,
                                 in lines
    1f 8b 08 ...                 EnvelopeError: record: compressed (gzip); ...

Sources: RFC 4648 (base64), RFC 1950 (zlib), RFC 1952 (gzip), RFC 8878 (Zstandard), the format notes
of bzip2, xz, LZ4 and Snappy; aws-kinesis-producer, "KPL Aggregated Record Format".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from ctxasr.charset import BYTE_ORDER_MARK, decoded
from ctxasr.errors import EnvelopeError

_COMPRESSED: Final = (
    (b"\x1f\x8b", "gzip"),
    *((bytes((0x78, flags)), "zlib") for flags in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\xff\x06\0\0sNaPpY", "Snappy"),
    (b"PK\x03\x04", "zip"),
)
"""How compressed data begin. No JSON begins so, in whatever encoding."""

_AGGREGATED: Final = b"\xf3\x89\x9a\xc2"
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_HEXADECIMAL: Final = re.compile(rb"\s*7[bB](?:[0-9a-fA-F]{2})+\s*")
_PERCENT: Final = re.compile(rb"\s*(?:[\w.-]{1,40}=)?%7[bB]")
_AS_IT_IS: Final = "JSON as it is, or base64 of it, is right"


def opened(data: bytes, what: str) -> bytes:
    """The bytes without base64, where that leads to something known; else as they are.

    Raises:
        EnvelopeError: they are known, and no JSON; says what they are.
    """
    inner = _from_base64(data)
    if _begins_as_json(inner) or _name(inner):
        data = inner
    elif _begins_as_json(_from_base64(inner)):
        raise EnvelopeError(f"{what}: in base64 twice; once is right")
    if name := _name(data):
        raise EnvelopeError(f"{what}: {name}")
    return data


def _name(data: bytes) -> str:
    """What the bytes are, if they are known and no JSON; and what would be right."""
    for beginning, name in _COMPRESSED:
        if data.startswith(beginning):
            return f"compressed ({name}); {_AS_IT_IS}"
    if data.startswith(_AGGREGATED):
        return "records that the Kinesis Producer Library has aggregated; one record each is right"
    if _HEXADECIMAL.fullmatch(data):
        return f"hexadecimal; {_AS_IT_IS}"
    if _PERCENT.match(data):
        return f"percent-encoded, as forms are; {_AS_IT_IS}"
    return ""


def _from_base64(data: bytes) -> bytes:
    """What is encoded, if all of it may be base64; else the data."""
    text = b"".join(data.removeprefix(BYTE_ORDER_MARK.encode()).split())
    text = text.replace(b"-", b"+").replace(b"_", b"/")
    if len(text) < 8 or not _BASE64.fullmatch(text):
        return data
    bare = text.rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4))
    except binascii.Error:
        return data


def _begins_as_json(data: bytes) -> bool:
    try:
        beginning = decoded(data).lstrip(BYTE_ORDER_MARK + " \t\r\n\0")
    except UnicodeDecodeError:
        return False
    return beginning[:1] in ("{", '"', "[")
