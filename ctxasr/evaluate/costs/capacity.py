"""What DynamoDB charges for a request, by formula, and a ledger that adds it up for a turn.

    write units   1 for each started KB of the larger of the item before and after; at least 1
    read units    1 for each started 4 KB of an item, consistently read; at least 1; half of it
                  for an eventually consistent read; a batch rounds each of its items by itself
    UpdateItem    with ReturnValues=ALL_NEW reads nothing: the item in its answer is free
    TTL           deletes for nothing; DeleteItem costs what writing the item did

    a 2,100-byte payload: 3 units to put, 3 to delete, 1 to read

Source: AWS documentation, 'DynamoDB read and write operations' and 'DynamoDB item sizes and
formats'. 1 KB is 1,024 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ctxasr.errors import LimitExceeded
from ctxasr.store.schema import ITEM_BYTES_MAX, Item

KB: Final = 1_024

INDEX_BYTES: Final = 100
"""What AWS adds to each item when it charges for storage."""


class Step(StrEnum):
    """The part of a turn that a request belongs to."""

    RECORD = "record"
    EMBED = "embed"
    DISCARD = "discard"
    FOLLOW_UP = "follow up"


class Operation(NamedTuple):
    """One request and what it consumes. Bytes are item data, without the JSON around them."""

    step: Step
    call: str
    write_units: int = 0
    read_units: float = 0.0
    sent_bytes: int = 0
    returned_bytes: int = 0

    @property
    def is_kms(self) -> bool:
        return self.call in ("GenerateDataKey", "Decrypt")


# ---------------------------------------------------------------- sizes and units


def item_bytes(item: Item | None) -> int:
    """The size that AWS counts: names and values, in bytes; 0 for no item.

    Raises:
        NotImplementedError: a type other than S, N and B, which no design here uses.
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in (item or {}).items())


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "B":
            return len(content)
        case "N":
            return number_bytes(int(content))
    raise NotImplementedError(f"type {kind}; S, N and B are used")


def number_bytes(number: int) -> int:
    """One byte, and one for each two digits between the first and the last that is not zero.

    AWS says 'approximately'; digits are taken in pairs from the decimal point, as dynalite does.

    >>> [number_bytes(n) for n in (0, 7, 1700, 170, 1_799_999_999)]
    [1, 2, 2, 3, 6]
    """
    digits = str(abs(number))
    pairs = digits.zfill(len(digits) + len(digits) % 2)
    while pairs.endswith("00"):
        pairs = pairs[:-2]
    return 1 + len(pairs) // 2 + (number < 0)


def write_units(before_bytes: int, after_bytes: int) -> int:
    """Of one Put, Update or Delete; 0 bytes stand for no item."""
    return max(1, -(-max(before_bytes, after_bytes) // KB))


def read_units(size_bytes: int, *, consistent: bool = True) -> float:
    """Of one item that is read; 0 bytes stand for no item, which costs as much as a small one."""
    units = max(1, -(-size_bytes // (4 * KB)))
    return float(units) if consistent else units / 2


# ---------------------------------------------------------------- the ledger

Place = tuple[tuple[str, str], ...]


def place_of(key: Item) -> Place:
    """A key as a dictionary's key."""
    return tuple((name, str(value["S"])) for name, value in key.items())


@dataclass(slots=True)
class Ledger:
    """The items that a turn writes, and each request with what it consumes by formula."""

    items: dict[Place, Item] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    step: Step = Step.RECORD

    def update(
        self, key: Item, changes: Item, *, remove: Iterable[str] = (), returns: bool = True
    ) -> Item:
        """UpdateItem: all of `changes` are set; `returns` is ReturnValues=ALL_NEW."""
        old = self.items.get(place_of(key))
        new = {**(old or key), **changes}
        for name in remove:
            new.pop(name, None)
        sent = item_bytes(key) + item_bytes(changes) + sum(len(name.encode()) for name in remove)
        self._write("UpdateItem", place_of(key), old, new, sent, item_bytes(new) * returns)
        return new

    def put(self, key: Item, rest: Item) -> None:
        """PutItem of a whole item."""
        new = {**key, **rest}
        place = place_of(key)
        self._write("PutItem", place, self.items.get(place), new, item_bytes(new), 0)

    def delete(self, key: Item) -> None:
        """DeleteItem."""
        old = self.items.pop(place_of(key), None)
        self._note("DeleteItem", write_units(item_bytes(old), 0), 0.0, item_bytes(key), 0)

    def get(self, key: Item) -> Item | None:
        """GetItem with ConsistentRead."""
        return self._get("GetItem", [key])[0]

    def batch_get(self, keys: Sequence[Item]) -> list[Item | None]:
        """BatchGetItem with ConsistentRead."""
        return self._get("BatchGetItem", keys)

    def kms(self, call: str) -> None:
        """A request to KMS."""
        self._note(call, 0, 0.0, 0, 0)

    def total(self, of: Callable[[Operation], float], *steps: Step) -> float:
        """The sum of a figure over all operations, or over those of some steps."""
        return sum(of(one) for one in self.operations if not steps or one.step in steps)

    @property
    def left_bytes(self) -> int:
        """What stays until TTL takes it, as AWS charges for storage."""
        return sum(item_bytes(item) + INDEX_BYTES for item in self.items.values())

    def _get(self, call: str, keys: Sequence[Item]) -> list[Item | None]:
        found = [self.items.get(place_of(key)) for key in keys]
        sizes = [item_bytes(item) for item in found]
        units = sum(read_units(size) for size in sizes)
        self._note(call, 0, units, sum(map(item_bytes, keys)), sum(sizes))
        return found

    def _write(
        self, call: str, place: Place, old: Item | None, new: Item, sent: int, returned: int
    ) -> None:
        size = item_bytes(new)
        if size > ITEM_BYTES_MAX:
            raise LimitExceeded("ITEM_BYTES_MAX", ITEM_BYTES_MAX, size, "item")
        self.items[place] = new
        self._note(call, write_units(item_bytes(old), size), 0.0, sent, returned)

    def _note(self, call: str, writes: int, reads: float, sent: int, returned: int) -> None:
        self.operations.append(Operation(self.step, call, writes, reads, sent, returned))
