"""Capacity of one partition: token buckets for write and read units.

Source: the DynamoDB developer guide, "Burst and adaptive capacity" and "Read and write operations":
1,000 write units (1 KiB) and 3,000 read units (4 KiB, strongly consistent) a second and partition.
"""

from __future__ import annotations

from typing import Final

WCU_PER_S: Final = 1_000.0
RCU_PER_S: Final = 3_000.0
WRITE_UNIT_BYTES: Final = 1_024
READ_UNIT_BYTES: Final = 4_096


def write_units(item_bytes: int) -> int:
    """Write units of a write to an item of this size."""
    return (item_bytes + WRITE_UNIT_BYTES - 1) // WRITE_UNIT_BYTES or 1


def read_units(item_bytes: int) -> int:
    """Read units of a strongly consistent read of an item of this size."""
    return (item_bytes + READ_UNIT_BYTES - 1) // READ_UNIT_BYTES or 1


class Bucket:
    """Fills at `per_s`, holds one second's worth; `used` counts what was taken in all."""

    __slots__ = ("_at_s", "_level", "per_s", "used")

    def __init__(self, per_s: float) -> None:
        self.per_s, self.used = per_s, 0
        self._level, self._at_s = per_s, 0.0

    def take(self, units: int, now_s: float, *, crowded: bool = False) -> bool:
        """Whether the request passes; `crowded`: the partition's neighbours leave nothing."""
        filled = 0.0 if crowded else self._level + (now_s - self._at_s) * self.per_s
        self._level, self._at_s = min(filled, self.per_s), now_s
        if self._level < units:
            return False
        self._level -= units
        self.used += units
        return True
