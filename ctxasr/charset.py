"""Bytes that hold a text -> the text.

    b"\\xef\\xbb\\xbf{}"    UTF-8 with a byte order mark, as Notepad writes it     "{}"
    b"\\xff\\xfe{\\0}\\0"    UTF-16, as PowerShell's `>` writes it                   "{}"
    b"{}"                UTF-8                                                  "{}"

Only a mark tells UTF-16 and UTF-32; without one a text is UTF-8 (RFC 8259, section 8.1).
"""

from __future__ import annotations

import codecs
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
"""At the beginning of a text, or of a file that was appended to another one, it means nothing."""

_MARKED: Final = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes) -> str:
    """The text, without its byte order mark.

    Raises:
        UnicodeDecodeError: the bytes are not in the encoding that their beginning tells; `start` is
            the first wrong one.
    """
    for mark, encoding in _MARKED:
        if data.startswith(mark):
            return data.decode(encoding)
    return data.decode("utf-8")


def unmarked(data: bytes) -> str:
    """UTF-16 or UTF-32, if JSON begins so without a byte order mark; else nothing.

    JSON begins with two characters of ASCII: its zeros tell (RFC 4627, section 3).
    """
    zeros = tuple(byte == 0 for byte in data[:4])
    if zeros in ((False, True, True, True), (True, True, True, False)):
        return "UTF-32"
    return "UTF-16" if zeros in ((False, True, False, True), (True, False, True, False)) else ""


def joined(text: str) -> str:
    """The text with its escaped surrogate pairs as the characters that they stand for.

    JSON writes one character as "\\ud83d\\ude00"; who reads each escape by itself gets two halves.

    Raises:
        UnicodeDecodeError: a half has no other half.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16")
