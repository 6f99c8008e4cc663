"""Draws that belong to a place, not to a sequence.

    luck = Luck(seed=7)
    luck.of(LOST_ANSWER, dialogue, operation)   the same number whenever and in whatever order

A plan from which a fault or a dialogue has been deleted leaves everybody else's luck as it was, so
a failing plan can be shrunk. Places are named by integers; `kind` turns a name into one.

Source of the mixing step: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", 2014).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_FACTOR: Final = 6_364_136_223_846_793_005
_TO_UNIT: Final = 1.0 / 2**53


def kind(name: str) -> int:
    """A number for the name of a kind of draw; the same in every process and Python."""
    return crc32(name.encode())


class Luck:
    """Uniform numbers in [0, 1), a function of seed and place alone."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, *place: int) -> float:
        """The draw of one place; a place is any row of integers."""
        state = self._seed & _MASK
        for part in place:
            state = (state ^ part) + _GOLDEN & _MASK
            state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
            state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
            state ^= state >> 31
        return (state >> 11) * _TO_UNIT

    def below(self, bound: int, *place: int) -> int:
        """A whole number in [0, bound)."""
        return int(self.of(*place) * bound)

    def child(self, *place: int) -> Luck:
        """The luck of one place, to be asked for places below it."""
        return Luck(int(self.of(*place) * 2**53))

    def stream(self, *place: int) -> Stream:
        """Many draws of one place, one after the other: four times cheaper than `of`."""
        return Stream(int(self.of(*place) * 2**53))


class Stream:
    """Uniform numbers in a row, for what has an order of its own (Knuth, section 3.3.4)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed + 1) * _GOLDEN & _MASK

    def next(self) -> float:
        """The next number in [0, 1)."""
        self._state = state = self._state * _FACTOR + _GOLDEN & _MASK
        return (state >> 11) * _TO_UNIT
