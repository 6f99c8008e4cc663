"""How much a turn's status item may hold, so that the turn can always be claimed and settled.

    0 ................ STATUS_BYTES_MAX ............................... ITEM_BYTES_MAX
      events are taken                   a reserve: events that were on the way when
                                         it became full, owner, outcome, context

A recorder whose own write shows the item to be full says so in the item, by an attribute that is
set once; the condition of every later event fails on it, so that no counter is needed. What was
recorded before is never refused: its repetition finds itself in the item.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from ctxasr.errors import LimitExceeded
from ctxasr.events import ConsistentStatus, PayloadKind
from ctxasr.store import schema

STATUS_BYTES_MAX: Final = 100_000
"""A turn's item of this size takes no more events. A turn of ten events has 2 kB; the rest of
ITEM_BYTES_MAX is for a hundred of the longest events that are being written at that moment."""

TURN_PAYLOADS_MAX: Final = 64
"""Payloads of one turn: the announced ones, and as many times again replies in parts."""

_NAMES_BYTES: Final = 60
"""The names of a turn's fixed attributes, and its expiry."""

_ENTRY_BYTES: Final = 100
"""More than the prefixes, times, numbers and kinds of one event or one reference take together."""

_NAME, _TOKEN = attrgetter("name"), attrgetter("token")
_NUMBER = attrgetter("number")


def is_full(item: ConsistentStatus) -> bool:
    """Whether the item takes no further event."""
    short = fits_surely(item, STATUS_BYTES_MAX)
    return not short and item_bytes(item) >= STATUS_BYTES_MAX


def is_laden(item: ConsistentStatus) -> bool:
    """Whether the item takes no further payload."""
    return payloads(item) >= TURN_PAYLOADS_MAX


def payloads(item: ConsistentStatus) -> int:
    """How many payloads the turn has been given; its context is none of them."""
    return sum(ref.kind is not PayloadKind.CONTEXT for ref in item.refs)


def no_room(item: ConsistentStatus, *, payload: bool) -> LimitExceeded:
    """Why an event that is not in the item was not taken."""
    where = "events of one turn"
    if payload and is_laden(item):
        return LimitExceeded("TURN_PAYLOADS_MAX", TURN_PAYLOADS_MAX, payloads(item) + 1, where)
    size = max(item_bytes(item), STATUS_BYTES_MAX) + 1  # shredding made it smaller
    return LimitExceeded("STATUS_BYTES_MAX", STATUS_BYTES_MAX, size, where)


def item_bytes(item: ConsistentStatus) -> int:
    """As DynamoDB counts: names and values, in UTF-8.

    Raises:
        LimitExceeded: a payload's sort key is too long.
    """
    texts = [schema.event_attribute(event) + str(mark) for event, mark in item.marks.items()]
    texts += [schema.ref_attribute(ref) + schema.payload_sort(item.turn, ref) for ref in item.refs]
    texts += [item.turn.customer, item.turn.interaction, item.owner or "", item.outcome or ""]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return size + len(item.wrapped_key or b"") + _NAMES_BYTES


def fits_surely(item: ConsistentStatus, bytes_max: int) -> bool:
    """Whether a count of characters shows that it fits: then nothing is written out and measured.

    A character takes up to four bytes, in an escaped number three times as many.
    """
    marks, turn = item.marks.values(), item.turn
    key = 4 * len(turn.interaction) + 12 * max(map(len, map(_NUMBER, item.refs)), default=0)
    chars = sum(map(len, item.marks)) + sum(map(len, map(_NAME, marks)))
    chars += sum(map(len, map(_TOKEN, marks))) + len(turn.customer) + len(turn.interaction)
    chars += len(item.owner or "") + len(item.wrapped_key or b"")
    size = 4 * chars + 2 * key * len(item.refs) + _ENTRY_BYTES * (len(marks) + len(item.refs) + 1)
    return size <= bytes_max and key + _ENTRY_BYTES <= schema.SORT_KEY_BYTES_MAX
