"""Finds texts that should not be where they are: in UTF-8, UTF-16 and base64.

    find_canaries(dump, ["Meg Bauer"]) -> [Found("Meg Bauer", "utf-16-le", 17)]

A text inside base64 has three forms, one for each place in a group of three bytes where it may
begin; the characters that also depend on its neighbours are left away. Texts that JSON wrote with
`\\u` escapes are found too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

CANARY_BYTES_MIN: Final = 6
"""Shorter texts turn up by chance: 8 of base64's characters name one in 10^14."""

_ALTCHARS: Final = ((b"+/", "base64"), (b"-_", "base64url"))


class Found(NamedTuple):
    """A canary, the form in which it was found, and where."""

    canary: str
    form: str
    offset: int


def find_canaries(blob: bytes, canaries: Iterable[str]) -> list[Found]:
    """Every form of every canary that occurs in `blob`, with its first offset in bytes."""
    found = []
    for canary in canaries:
        assert len(canary.encode()) >= CANARY_BYTES_MIN, f"{len(canary)} characters are too few"
        for form, needle in forms(canary):
            offset = blob.find(needle)
            if offset >= 0:
                found.append(Found(canary, form, offset))
    return found


def forms(canary: str) -> Iterator[tuple[str, bytes]]:
    """What the canary looks like in each encoding, and in base64 of each encoding."""
    escaped = json.dumps(canary)[1:-1].encode()
    plain = [("utf-8", canary.encode()), ("json", escaped)]
    plain += [(name, canary.encode(name)) for name in ("utf-16-le", "utf-16-be")]
    for form, needle in plain:
        yield form, needle
        yield f"{form} hex", needle.hex().encode()
        for before in range(3):
            for altchars, name in _ALTCHARS:
                yield f"{form} {name}+{before}", _inside_base64(needle, before, altchars)


def _inside_base64(needle: bytes, before: int, altchars: bytes) -> bytes:
    """The characters that `needle` alone decides when `before` bytes stand in front of it."""
    text = base64.b64encode(bytes(before) + needle, altchars).rstrip(b"=")
    first = -(-before * 8 // 6)  # the first character without a bit of what stands in front
    last = (before + len(needle)) * 8 // 6  # the first one with a bit of what follows
    return text[first:last]
