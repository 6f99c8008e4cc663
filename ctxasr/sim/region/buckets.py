"""Capacity: what items weigh, how many units a request costs, and a partition's token buckets.

    status item   107 bytes, 52 and more an event, 75 and more a reference, the wrapped key 170
    payload row   154 bytes, the name of its kind, the packed text

Items weigh what they would with identifiers as long as a UUID, whatever the plan calls its
customers and turns. Lengths are those of `ctxasr.store.schema`, by value; a test encodes items with
it and compares.

Source: the DynamoDB developer guide, "Read and write operations" and "Burst and adaptive capacity":
1,000 write units (1 KiB) and 3,000 read units (4 KiB, strongly consistent) a second and partition.
What a table leaves unused for up to 300 s it may use in a burst, but not beyond these limits of a
partition (AWS re:Post, "How does DynamoDB handle spiky workloads in short intervals"): a bucket
holds one second's worth, and a burst above that is throttled.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from ctxasr.events import ConsistentStatus, Mark, PayloadKind, Recognize

WCU_PER_S: Final = 1_000.0
RCU_PER_S: Final = 3_000.0
WRITE_UNIT_BYTES: Final = 1_024
READ_UNIT_BYTES: Final = 4_096

ID_BYTES: Final = 36
"""Customer, interaction, event and token: as long as a UUID."""

NUMBER_BYTES: Final = 16
"""The hash in a payload's reference."""

WRAPPED_KEY_BYTES: Final = 167
"""A KMS-wrapped 256-bit data key, as in AWS's own GenerateDataKey example."""

EXPIRY_BYTES: Final = 16
"""expires_at, a number of ten digits."""

ITEM_BYTES: Final = 8 + ID_BYTES + 11 + ID_BYTES + EXPIRY_BYTES
"""A status item without events: customer, interaction, expires_at."""

LINK_BYTES: Final = ITEM_BYTES + 5 + 4 + ID_BYTES
"""... as a link: a prefix, and the turn."""

KEY_BYTES: Final = 3 + WRAPPED_KEY_BYTES
OWNER_BYTES: Final = 5 + ID_BYTES
OUTCOME_BYTES: Final = 7
"""The name; the outcome itself comes on top."""

SEAL_BYTES: Final = 1 + 12 + 16
"""Format version, nonce and tag of a sealed payload."""

ROW_BYTES: Final = (
    8 + ID_BYTES + 7 + (ID_BYTES + 1 + 1 + NUMBER_BYTES) + 4 + SEAL_BYTES + EXPIRY_BYTES
)
"""A payload row without its text and the name of its kind: customer, payload, body, expires_at."""

ATTRIBUTE_BYTES: Final = 4 + 1 + NUMBER_BYTES + SEAL_BYTES
"""The same as an attribute of a status item, `pay#<kind>#<number>`."""

CONTEXT_BYTES: Final = 7_430
"""How much longer a stored context is than a simulated one, which has vectors of 4 in place of 384
numbers. So both make 8,000 bytes, as in ctxasr.evaluate.costs.designs; measured on the shipped
encoder were 5,872 with 4 phrases and 13,104 with 13."""


def event_bytes(mark: Mark) -> int:
    """What an event adds to its status item: `ev#<event>` and the mark's text."""
    size = 3 + ID_BYTES + len(mark.name) + 1 + len(str(mark.at_ms))
    if mark.number is not None:
        size += 1 + len(str(mark.number))
    elif mark.token:
        size += 2
    if not mark.token:
        return size
    # The token of another turn is as long as its name; of a speech, a hash is noted.
    return size + 1 + (ID_BYTES if mark.name == Recognize.full_name else len(mark.token))


@cache
def ref_bytes(kind: PayloadKind) -> int:
    """What a reference adds: `ref#<kind>#<number>` and the payload's sort key."""
    return 4 + len(kind) + 1 + NUMBER_BYTES + ID_BYTES + 1 + len(kind) + 1 + NUMBER_BYTES


def item_bytes(status: ConsistentStatus | None) -> int:
    """How long the status item is; 0 for none."""
    if status is None:
        return 0
    size = ITEM_BYTES + sum(map(event_bytes, status.marks.values()))
    size += sum(ref_bytes(ref.kind) for ref in status.refs)
    if status.wrapped_key is not None:
        size += KEY_BYTES
    if status.owner is not None:
        size += OWNER_BYTES
    if status.outcome is not None:
        size += OUTCOME_BYTES + len(status.outcome)
    return size


def growth_bytes(before: ConsistentStatus, after: ConsistentStatus) -> int:
    """`item_bytes(after) - item_bytes(before)` of one item, of which events and references only
    grow in number: looks at what is new alone."""
    size = 0
    if len(after.marks) != len(before.marks):
        known = before.marks
        for event, mark in after.marks.items():
            if event not in known:
                size += event_bytes(mark)
    if len(after.refs) != len(before.refs):
        size += sum(ref_bytes(ref.kind) for ref in after.refs - before.refs)
    if (after.wrapped_key is None) is not (before.wrapped_key is None):
        size += KEY_BYTES if before.wrapped_key is None else -KEY_BYTES
    if before.owner is None and after.owner is not None:
        size += OWNER_BYTES
    if before.outcome is None and after.outcome is not None:
        size += OUTCOME_BYTES + len(after.outcome)
    return size


def write_units(item_bytes: int) -> int:
    """Write units of a write to an item of this size, the larger of before and after."""
    return (item_bytes + WRITE_UNIT_BYTES - 1) // WRITE_UNIT_BYTES or 1


def read_units(item_bytes: int) -> int:
    """Read units of a strongly consistent read of an item of this size."""
    return (item_bytes + READ_UNIT_BYTES - 1) // READ_UNIT_BYTES or 1


class Bucket:
    """Fills at `per_s`, holds one second's worth; `used` counts what was taken in all."""

    __slots__ = ("_at_s", "_level", "per_s", "used")

    def __init__(self, per_s: float) -> None:
        self.per_s, self.used = per_s, 0.0
        self._level, self._at_s = per_s, 0.0

    def take(self, units: float, now_s: float, *, crowded: bool = False) -> bool:
        """Whether the request passes; `crowded`: the partition's neighbours leave nothing."""
        level, most = self._level + (now_s - self._at_s) * self.per_s, self.per_s
        if crowded:
            most = 0.0
        level = min(level, most)
        self._at_s = now_s
        if level < units:
            self._level = level
            return False
        self._level = level - units
        self.used += units
        return True

    def owe(self, units: float) -> None:
        """A request that has passed made its item larger: whoever comes next waits for it."""
        self._level -= units
        self.used += units
