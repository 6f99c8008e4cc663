"""Which of many names sound most like a given one, and which sound the same.

    nearest("noah", 3)      nora, joe, ...     by weighted phone distance
    near_piece("no", 3)     noah, joe, ...     names that resemble a piece of a text

Every pronunciation counts: two names sound the same if any of theirs are equal. What was worked
out of a name is kept, so a list of ten thousand is taken apart once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from ctxasr.speech.lexicon import Pronunciations
from ctxasr.speech.phonetics import Ints, distances, encode, pad, spans
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.words import normalise

RANKED: Final = 100
"""Names that are ranked at a time: an utterance asks for shorter lists as well."""

TEXTS_KEPT: Final = 1_000
"""Texts whose nearest names are remembered."""


class Sounds:
    """How texts are pronounced; remembered."""

    def __init__(self) -> None:
        self._pronouncer = Pronouncer()
        self._known: dict[str, Pronunciations] = {}

    def of(self, text: str) -> Pronunciations:
        """Its pronunciations, the usual one first."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._pronouncer.phrase_phones(text)
        return found

    def same(self, one: str, other: str) -> bool:
        """Whether they can be said in the same way."""
        return normalise(one) == normalise(other) or not set(self.of(one)).isdisjoint(
            self.of(other)
        )


class Neighbours:
    """Searches `names` by sound; each counts by its usual pronunciation."""

    def __init__(self, names: Sequence[str], sounds: Sounds):
        self.names, self.sounds = tuple(names), sounds
        self._ranked: dict[str, list[str]] = {}

    @cached_property
    def _table(self) -> tuple[Ints, Ints]:
        return pad([encode((self.sounds.of(name) or ((),))[0]) for name in self.names])

    def nearest(self, text: str, size: int) -> list[str]:
        """The `size` nearest names, nearest first, without those that sound the same as `text`."""
        known = self._ranked.get(text, [])
        if len(known) < min(size, len(self.names)):
            known = self._rank(text, max(size, RANKED))
            if len(self._ranked) >= TEXTS_KEPT:
                del self._ranked[next(iter(self._ranked))]
            self._ranked[text] = known
        return known[:size]

    def _rank(self, text: str, size: int) -> list[str]:
        heard = encode((self.sounds.of(text) or ((),))[0])
        found: list[str] = []
        for index in np.argsort(distances(*self._table, heard), kind="stable"):
            if len(found) == size:
                break
            if not self.sounds.same(self.names[index], text):
                found.append(self.names[index])
        return found

    def near_piece(self, text: str, size: int) -> list[str]:
        """The `size` names that most resemble some piece of `text`, for their length.

        Words of the text, and names that sound like one of them or like each other, are left out.
        """
        heard = encode((self.sounds.of(text) or ((),))[0])
        if not len(self.names) or not len(heard):
            return []
        rows, lengths = self._table
        places = np.arange(len(heard) + 1)
        costs, _ = spans(rows, lengths, heard, starts=places[:-1], stops=places[1:])
        relative = costs.min(axis=1) / np.maximum(lengths, 1)
        found: list[str] = []
        for index in np.argsort(relative, kind="stable"):
            name = self.names[index]
            taken = [*text.split(), text, *found]
            if lengths[index] and not any(self.sounds.same(name, other) for other in taken):
                found.append(name)
            if len(found) == size:
                break
        return found
