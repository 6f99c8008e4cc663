"""Draws for many dialogues at once.

A quantile table (`sim.quantiles`) is spread over 65,536 equally likely values, so that a draw is
one look-up by 16 random bits. That keeps quantiles up to p99.99 and every mean to about 1e-4 of
the spread; shares are drawn by 32 bits.

All randomness is a counter, mixed as in `sim.luck`: a seed gives the same draws with every numpy.
Sums of floats may differ in their last digits between processors.

Source of the mixing: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", 2014), which passes the BigCrush tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ctxasr.sim.luck import Luck, kind
from ctxasr.sim.quantiles import STEPS, Quantiles
from ctxasr.sim.region.latency import Latencies

Times = NDArray[np.float32]
"""Milliseconds; infinite: it never happens."""
Mask = NDArray[np.bool_]
Bits = NDArray[np.uint8]
"""One bit a node."""
Lanes = NDArray[np.intp]
"""Places of dialogues in an array."""

VALUES: Final = 65_536
"""Of a spread table: 256 KiB of 32-bit floats, which a processor's second cache holds."""

NODES_MAX: Final = 8
"""One bit each."""

_CHUNKS: Final = kind("chunks of the twin")
_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIXING: Final = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT: Final = np.uint64(31)


def spread(quantiles: Quantiles) -> Times:
    """The table as VALUES equally likely values: quantiles at the middles of as many steps."""
    at = (np.arange(VALUES) + 0.5) / VALUES
    steps = np.arange(STEPS + 1) / STEPS
    values: Times = np.interp(at, steps, quantiles.table).astype(np.float32)
    return values


@cache
def _steps(bits: int) -> NDArray[np.uint64]:
    """How far the counter goes in 1, 2, ... 2 ** bits steps."""
    steps: NDArray[np.uint64] = np.arange(1, 2**bits + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return steps


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies as spread tables."""

    write: Times
    read: Times
    kms: Times
    encoder: Times
    aligner: Times

    @classmethod
    def of(cls, latencies: Latencies) -> Self:
        """Those of a simulation."""
        return cls(
            spread(latencies.write),
            spread(latencies.read),
            spread(latencies.kms),
            spread(latencies.encoder),
            spread(latencies.aligner),
        )


class Dice:
    """The draws of one chunk of dialogues; each call draws for as many as are asked for."""

    def __init__(self, seed: int, chunk: int, nodes: int) -> None:
        self._state = int(Luck(seed).of(_CHUNKS, chunk) * 2.0**64)
        self._bit_of = (1 << np.arange(VALUES) * nodes // VALUES).astype(np.uint8)

    def of(self, table: Times, count: int) -> Times:
        """Independent draws from a spread table."""
        return table.take(self._sixteen(count))

    def together(self, tables: tuple[Times, Times], count: int) -> tuple[Times, Times]:
        """From two tables at the same places."""
        places = self._sixteen(count)
        return tables[0].take(places), tables[1].take(places)

    def share(self, share: float, count: int) -> Mask:
        """True with this probability."""
        raw: NDArray[np.uint32] = self._raw(count // 2 + 1).view(np.uint32)[:count]
        return raw < np.uint64(round(share * 2.0**32))

    def uniform(self, count: int) -> Times:
        """From [0, 1)."""
        raw: NDArray[np.uint16] = self._raw(count // 4 + 1).view(np.uint16)[:count]
        return (raw.astype(np.float32) + np.float32(0.5)) * np.float32(1.0 / VALUES)

    def coin(self, count: int) -> Mask:
        """True for half of them."""
        raw: Bits = self._raw(count // 8 + 1).view(np.uint8)[:count]
        return (raw >> 7).view(np.bool_)

    def nodes(self, count: int) -> Bits:
        """A node each, as a bit."""
        return self._bit_of.take(self._sixteen(count))

    def request(self, table: Times, begins: Times) -> tuple[Times, Times]:
        """A request that begins then: when it is carried out, and when it is answered.

        Half of all requests are carried out at once and answered late (`sim.region.requests`).
        """
        takes = self.of(table, len(begins))
        return begins + takes * self.coin(len(begins)), begins + takes

    def _raw(self, count: int) -> NDArray[np.uint64]:
        """So many times 64 random bits."""
        found = _steps(count.bit_length())[:count] + np.uint64(self._state & _MASK)
        self._state += count * _GOLDEN
        for shift, factor in _MIXING:
            found ^= found >> shift
            found *= factor
        found ^= found >> _LAST_SHIFT
        return found

    def _sixteen(self, count: int) -> Lanes:
        bits: NDArray[np.uint16] = self._raw(count // 4 + 1).view(np.uint16)[:count]
        return bits.astype(np.intp)
