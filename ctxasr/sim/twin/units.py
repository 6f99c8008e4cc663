"""Write and read units of payloads and contexts, for many turns at once (`sim.region.buckets`).

Where a turn has two kinds of service payloads, the one that comes first weighs their mean. What the
deadline cancels counts for three quarters: half of it was carried out at once, and half of the rest
is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.bias import phrases_of
from ctxasr.context import ContextEmbedding
from ctxasr.events import TEXT_BYTES_MAX, Entity, PayloadKind, TurnText
from ctxasr.sim.plans.templates import names_of, template
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region.buckets import (
    CONTEXT_BYTES,
    READ_UNIT_BYTES,
    ROW_BYTES,
    WRITE_UNIT_BYTES,
    read_units,
    write_units,
)
from ctxasr.sim.region.doubles import DIMENSIONS
from ctxasr.sim.twin.dice import Bits, Dice, Lanes, Mask, spread
from ctxasr.sim.twin.sizes import message
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload

Units = NDArray[np.float32]

CANCELLED: Final = 0.75
"""The share of the requests that a deadline cancels which are carried out nevertheless."""


class RowsOf:
    """Units of one kind of payload rows."""

    def __init__(self, what: str, texts: Quantiles) -> None:
        payload = message(what).payload
        assert payload is not None, "an event with a payload"
        own = sum(map(len, payload.texts))
        fixed = ROW_BYTES + len(payload.ref.kind) + len(payload.label) + 3 * len(payload.texts) + 4
        sizes = fixed + np.clip(np.rint(spread(texts)), own, TEXT_BYTES_MAX)
        self._writes = np.ceil(sizes / WRITE_UNIT_BYTES).astype(np.float32)
        self._reads = np.ceil(sizes / READ_UNIT_BYTES).astype(np.float32)

    def draw(self, there: Mask | None, count: int, dice: Dice) -> tuple[Units, Units]:
        """Write and read units of a row of each turn, none where it is not there."""
        if self._writes[-1] == 1.0:
            one = np.ones(count, np.float32) if there is None else there.astype(np.float32)
            return one, one
        writes, reads = dice.together((self._writes, self._reads), count)
        return (writes, reads) if there is None else (writes * there, reads * there)


@dataclass(frozen=True, slots=True)
class Rows:
    """The payload rows of each turn, together."""

    count: Bits
    more: Units
    """Write units beyond one each."""
    service_more: Units
    """... of one service row, on the mean of those of the turn."""
    reads: Units
    context: Lanes
    """The number of the turn's own context, without its past."""

    def only(self, lanes: Lanes) -> Rows:
        """Of these turns."""
        return Rows(
            self.count[lanes],
            self.more[lanes],
            self.service_more[lanes],
            self.reads[lanes],
            self.context[lanes],
        )


class DrawsRows:
    """Draws the sizes of a workload's texts."""

    def __init__(self, workload: Workload) -> None:
        self._utterance = RowsOf("utterance", workload.utterance_bytes)
        self._reply = RowsOf("reply", workload.reply_bytes)
        self._entities = RowsOf("entities", workload.entities_bytes)
        self._screen = RowsOf("screen", workload.screen_bytes)

    def draw(self, entities: Mask, screen: Mask, dice: Dice) -> Rows:
        """The rows of turns with these service payloads."""
        size = len(entities)
        one, one_read = self._entities.draw(entities, size, dice)
        other, other_read = self._screen.draw(screen, size, dice)
        said, said_read = self._utterance.draw(None, size, dice)
        reply, reply_read = self._reply.draw(None, size, dice)
        services: Units = entities.astype(np.float32) + screen.astype(np.float32)
        service_more: Units = one + other - services
        each: Units = np.divide(service_more, np.maximum(services, np.float32(1.0)))
        return Rows(
            services.astype(np.uint8) + np.uint8(2),
            service_more + said + reply - np.float32(2.0),
            each,
            one_read + other_read + said_read + reply_read,
            context_of(entities, screen),
        )


def carried_out(units: Units, begun: Mask, cancelled: Mask) -> float:
    """The sum over requests that have begun, of which the deadline has cancelled some."""
    weights = begun * np.where(cancelled, np.float32(CANCELLED), np.float32(1.0))
    return float(np.dot(units, weights))


@cache
def contexts() -> tuple[Units, Units]:
    """Write and read units of stored contexts, by `context_of`: as large as the simulated ones."""
    writes, reads = np.zeros((2, (TURNS_MAX + 1) ** 3), np.float32)
    for turns in range(1, TURNS_MAX + 1):
        for entities in range(turns + 1):
            for screens in range(turns + 1):
                size = ROW_BYTES + len(PayloadKind.CONTEXT) + CONTEXT_BYTES
                size += len(_context(turns, entities, screens).to_bytes())
                at = (turns * (TURNS_MAX + 1) + entities) * (TURNS_MAX + 1) + screens
                writes[at], reads[at] = write_units(size), read_units(size)
    return writes, reads


def context_of(entities: Mask, screen: Mask) -> Lanes:
    """The number of a context of one turn; those of a dialogue's turns add up."""
    place: Lanes = (TURNS_MAX + 1) ** 2 + entities * (TURNS_MAX + 1) + screen * 1
    return place


def _context(turns: int, entities: int, screens: int) -> ContextEmbedding:
    phrases = []
    for turn in range(1, turns + 1):
        names = names_of(0, turn) if turn <= entities else ()
        shown = template(f"d0t{turn}.screen", 0).texts if turn <= screens else ()
        text = TurnText("", "", tuple(Entity("contact", name) for name in names), shown)
        phrases += list(phrases_of(text))
    vectors = np.zeros((turns, DIMENSIONS), np.float32)
    matrix = np.zeros((len(phrases) + 1, DIMENSIONS), np.float32)
    return ContextEmbedding(vectors, tuple(phrases), matrix, "simulated")
