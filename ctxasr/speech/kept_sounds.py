"""What a recogniser keeps of the last sounds, for `ports.AcousticScorer`.

`Recognition.sound` is a number, which also goes through a pipe from a child process; what it stands
for stays with the recogniser.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ctxasr.errors import ContextUnavailable, LimitExceeded

SOUNDS_MAX: Final = 16
"""Sounds that are kept, up to 3 MB each; the oldest is forgotten first."""

TEXTS_MAX: Final = 100
"""Texts that are scored under a sound in one call."""

T = TypeVar("T")

_numbers = itertools.count(1)


def next_number() -> int:
    """Of a sound: one for all recognisers, so that none takes another's for its own."""
    return next(_numbers)


def check_texts(texts: Sequence[str]) -> None:
    """Raises LimitExceeded where there are more than TEXTS_MAX."""
    if len(texts) > TEXTS_MAX:
        raise LimitExceeded("TEXTS_MAX", TEXTS_MAX, len(texts), "recogniser")


class KeptSounds(Generic[T]):
    """The last SOUNDS_MAX by their numbers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, T] = OrderedDict()

    def keep(self, number: int, sound: T) -> None:
        """Keep `sound` as `number`; the oldest goes where there are too many."""
        self._kept[number] = sound
        while len(self._kept) > SOUNDS_MAX:
            self._kept.popitem(last=False)

    def get(self, number: object) -> T:
        """What was kept as `number`, the handle of a recognition.

        Raises:
            ContextUnavailable: it is not kept.
        """
        if not isinstance(number, int) or number not in self._kept:
            raise ContextUnavailable(f"nothing is kept of this sound; SOUNDS_MAX is {SOUNDS_MAX}")
        return self._kept[number]
