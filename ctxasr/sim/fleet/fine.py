"""Histograms of whole numbers whose bins are at most 1/128 of their value wide.

    bin_of(123_456)     122_880      the lower edge of its bin
    width_of(122_880)   1_024

A quantile is told as the middle of its bin, so it is wrong by 0.4 % at most. Numbers below 256 are
exact. Bins add up, wherever they were counted.

Source: G. Tene's HdrHistogram: a number is kept by its highest bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BITS: Final = 8


def bin_of(value: int) -> int:
    """The lower edge of the bin of a number from 0."""
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else value >> shift << shift


def width_of(edge: int) -> int:
    """How many numbers share the bin."""
    return 1 << max(0, edge.bit_length() - _BITS)


def middle_of(edge: int) -> float:
    """What stands for all numbers of the bin."""
    return edge + (width_of(edge) - 1) / 2


def quantile(bins: Mapping[int, int], share: float) -> float | None:
    """The smallest value that `share` of all reach or stay below; None of nothing."""
    total, passed = sum(bins.values()), 0
    for edge in sorted(bins):
        passed += bins[edge]
        if passed >= share * total:
            return middle_of(edge)
    return None


def mean_and_square(bins: Mapping[int, int]) -> tuple[float, float]:
    """The mean, and the mean of the squares; of nothing, 0."""
    total = sum(bins.values())
    if not total:
        return 0.0, 0.0
    first = sum(middle_of(edge) * count for edge, count in bins.items())
    second = sum(middle_of(edge) ** 2 * count for edge, count in bins.items())
    return first / total, second / total
