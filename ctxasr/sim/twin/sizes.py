"""Which writes of a status item cost two units: what the item weighs when they are carried out.

    107 item .. 79 recognise .. 170 key .. 167 utterance .. 160 reply .. 81 speak .. 89 started ..
    84 expect .. 41 owner .. 96 completed: 1,074 bytes, two units from here on

The growths that are carried out by the instant of a write are summed. A write costs by the item
that it leaves, or finds where that is larger: settling a missed turn takes its key away. A
turn's recognise and its first key always cost one unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.events import Event, PayloadKind, to_event
from ctxasr.sim.plans.templates import record_of, template
from ctxasr.sim.region.buckets import (
    ITEM_BYTES,
    KEY_BYTES,
    OUTCOME_BYTES,
    OWNER_BYTES,
    WRITE_UNIT_BYTES,
    event_bytes,
    ref_bytes,
)
from ctxasr.sim.twin.dice import Lanes, Mask, Times
from ctxasr.sim.twin.happenings import Happenings
from ctxasr.sim.twin.recording import Payloads, Recorded

Sizes = NDArray[np.int16]
"""Bytes of status items, far below 32 KiB."""

Growth = tuple[Times, Sizes | int]
"""When something is added to each item, and how much."""

EMBEDDED_BYTES: Final = OUTCOME_BYTES + len("embedded") + ref_bytes(PayloadKind.CONTEXT)
CLOSED_BYTES: Final = OUTCOME_BYTES + len("missed") - KEY_BYTES
"""What settling adds; the key goes with turns that are not embedded."""


@dataclass(frozen=True, slots=True)
class Settling:
    """When each turn was claimed and settled; infinite: never."""

    owned_at: Times
    decided_at: Times
    embedded: Mask

    def among(self, lanes: Lanes, closed_at: Times) -> Settling:
        """The same for all turns, of which these are some; the others are closed then."""
        owned_at = np.full(len(closed_at), np.inf, np.float32)
        decided_at, embedded = closed_at.copy(), np.zeros(len(closed_at), np.bool_)
        owned_at[lanes], embedded[lanes] = self.owned_at, self.embedded
        decided_at[lanes] = self.decided_at
        return Settling(owned_at, decided_at, embedded)


@cache
def of_event(what: str, number: int = 0, turn: int = 1) -> int:
    """What an event adds to the status item, with its reference, in a first or a later turn."""
    event = message(what, number, turn)
    refs = 0 if event.payload is None else ref_bytes(event.payload.ref.kind)
    return event_bytes(event.mark) + refs


def message(what: str, number: int = 0, turn: int = 1) -> Event:
    """An event as simulations send it."""
    return to_event(record_of(template(f"d0t{turn}.{what}", number), "c0", 0.0), 0)


def larger_writes(
    number: int,
    happenings: Happenings,
    payloads: Payloads,
    events: Sequence[Recorded],
    expect: Recorded,
    settling: Settling,
) -> tuple[int, float, float]:
    """How many writes cost two units, and the share of claims and of settles that do.

    `events`: speak, started, completed, ended; `number` of the turn, from 1. Further claims and
    settles of a turn cost what its own do.
    """
    speak, started, completed, ended = events
    base = ITEM_BYTES + of_event("recognize", turn=min(number, 2))
    added = _payload_bytes(happenings)
    stopped = happenings.ended < happenings.started + happenings.reply_ms - np.float32(0.5)
    finished, interrupted = of_event("finished"), of_event("interrupted")
    grown: list[Growth] = [
        (payloads.made_at, KEY_BYTES),
        *((one.at, size) for one, size in zip(payloads.recorded, added, strict=True)),
        (speak.at, of_event("speak")),
        (started.at, of_event("started")),
        (completed.at, of_event("completed")),
        (ended.at, np.where(stopped, np.int16(interrupted), np.int16(finished))),
        (expect.at, of_event("expect", 1)),
    ]
    # A claim or a discard may be carried out at the instant of the record that it follows.
    never = np.float32(np.inf)
    owned: Growth = (np.nextafter(settling.owned_at, never), OWNER_BYTES)
    outcome = np.where(settling.embedded, np.int16(EMBEDDED_BYTES), np.int16(CLOSED_BYTES))
    settled: Growth = (np.nextafter(settling.decided_at, never), outcome)
    records = (*payloads.recorded, *events, expect)
    writes = [*payloads.opened[1:], *(one.at for one in records)]
    larger = sum(_count(one, [*grown, owned, settled], base) for one in writes)
    kept: Growth = (settling.decided_at, np.maximum(outcome, np.int16(0)))
    claims = _count(settling.owned_at, grown, base + OWNER_BYTES)
    settles = _count(settling.decided_at, [*grown, owned, kept], base)
    claimed = int(np.count_nonzero(np.isfinite(settling.owned_at)))
    decided = int(np.count_nonzero(np.isfinite(settling.decided_at)))
    return larger, claims / max(claimed, 1), settles / max(decided, 1)


def _count(writes: Times, grown: Iterable[Growth], base: int) -> int:
    """Those of the writes that leave more than one unit."""
    size = np.full(len(writes), base, np.int16)
    for at, added in grown:
        size += (at <= writes) * np.asarray(added, np.int16)
    return int(np.count_nonzero((size > WRITE_UNIT_BYTES) & np.isfinite(writes)))


def _payload_bytes(happenings: Happenings) -> Iterator[Sizes | int]:
    """What each payload adds; of two service payloads each the mean."""
    yield of_event("utterance")
    reply = np.full(len(happenings), of_event("reply", 10), np.int16)
    for more_digits in (100.0, 1_000.0, 10_000.0):
        reply += happenings.reply_ms >= np.float32(more_digits)
    entities = happenings.entities * np.int16(of_event("entities"))
    screen = happenings.screen * np.int16(of_event("screen"))
    both = happenings.entities & happenings.screen
    service = np.where(both, (entities + screen) // np.int16(2), entities + screen)
    for begins in happenings.payloads[1:]:
        yield np.where(begins == happenings.speak, reply, service)
