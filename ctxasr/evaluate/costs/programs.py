"""Whole turns played against a DynamoDB endpoint; the package's own design as such a program.

    await TwoTables(place, Shape(payload_bytes=2048)).play(turn_key(1), asks=True, eager=False)

TwoTables uses the package's own recorder, store, vault and trigger. What it is compared with is in
`ctxasr.evaluate.costs.alternatives`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctxasr.evaluate.costs.capacity import Step
from ctxasr.evaluate.costs.designs import Shape, context_ref, events_of, token_of
from ctxasr.evaluate.costs.metering import Meter
from ctxasr.events import ConsistentStatus, Event, Outcome, TurnKey
from ctxasr.ports import Clock
from ctxasr.record import record
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.schema import Tables
from ctxasr.store.vault import KmsVault
from ctxasr.trigger import Decision, decide, discard


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs: metered clients, tables, the KMS key, and who counts."""

    dynamodb: Any
    kms: Any
    tables: Tables
    key_id: str
    clock: Clock
    meter: Meter


class Program:
    """Plays whole turns, but for the context encoder: zeros stand for what it would compute."""

    def __init__(self, place: Place, shape: Shape) -> None:
        self.place, self.shape, self.meter = place, shape, place.meter
        self.store = DynamoEventStore(place.dynamodb, place.tables, place.clock)
        self.recorders = [
            KmsVault(place.dynamodb, place.kms, place.tables, place.key_id, place.clock)
            for _ in range(shape.processes + 1)
        ]
        self.reader = self.recorders.pop()
        self.context = bytes(shape.context_bytes)

    async def play(self, turn: TurnKey, *, asks: bool, eager: bool) -> None:
        """All events of a turn in order, then the next turn's look at its context if it asks."""
        events = events_of(self.shape, turn, asks=asks)
        noted = 0
        for index, event in enumerate(events):
            noted += event.payload is not None
            complete = event.payload is not None and noted == self.shape.payloads
            last = event is events[-1]
            ends = None if not last else Outcome.EMBEDDED if asks else Outcome.DISCARDED
            embeds = complete if eager else last and asks
            recorder = self.recorders[index % len(self.recorders)]
            status = await self.event(event, recorder, embeds=embeds, ends=ends)
            if not eager:  # what the package itself would do at this event
                due = {Outcome.EMBEDDED: Decision.COMPUTE, Outcome.DISCARDED: Decision.DISCARD}
                decision = decide(status, event.key.event)
                assert decision is (due[ends] if ends else Decision.WAIT), decision
        if asks:
            with self.meter.during(Step.FOLLOW_UP):
                found = await self.look(turn)
            assert found == self.context, "the next turn reads what was stored"

    async def event(
        self, event: Event, vault: KmsVault, *, embeds: bool, ends: Outcome | None
    ) -> ConsistentStatus:
        """Record; embed and settle where that is due. Returns what the decision stands on."""
        raise NotImplementedError

    async def look(self, turn: TurnKey) -> bytes:
        """The context of `turn`, read by another process."""
        raise NotImplementedError


class TwoTables(Program):
    """The package's own. `deletes` False leaves a discarded turn's rows, unreadable, to TTL."""

    deletes = True

    async def event(
        self, event: Event, vault: KmsVault, *, embeds: bool, ends: Outcome | None
    ) -> ConsistentStatus:
        turn, expires_at_s = event.key.turn, self.shape.expires_at_s
        with self.meter.during(Step.RECORD):
            status = recorded = await record(event, self.store, vault, expires_at_s)
        if embeds:
            with self.meter.during(Step.EMBED):
                status = await self.store.claim(turn, event.key.event)
                assert status.wrapped_key is not None, "opened with the first payload"
                await vault.get(status.wrapped_key, turn, sorted(status.refs))
                await vault.put_blob(
                    status.wrapped_key, turn, context_ref(), self.context, expires_at_s
                )
        if ends is Outcome.EMBEDDED:
            with self.meter.during(Step.EMBED):
                await self.store.settle(turn, ends, owner=status.owner, ref=context_ref())
        elif ends is Outcome.DISCARDED:
            with self.meter.during(Step.DISCARD):
                await self._discard(status, vault)
        return recorded

    async def _discard(self, status: ConsistentStatus, vault: KmsVault) -> None:
        if not self.deletes:
            await self.store.settle(status.turn, Outcome.DISCARDED, owner=status.owner)
            return
        await discard(status, self.store, vault, owner=status.owner)
        if status.owner is not None:  # embedded eagerly: the context is not noted yet
            await vault.delete(status.turn, [context_ref()])

    async def look(self, turn: TurnKey) -> bytes:
        asked = await self.store.follow(turn.customer, token_of(turn))
        assert asked == turn, "the link leads to the turn that asked"
        status = await self.store.read(asked)
        assert status is not None, "it has not expired"
        assert status.wrapped_key is not None, "it was embedded"
        return await self.reader.get_blob(status.wrapped_key, turn, context_ref())


class LeftToTtl(TwoTables):
    """Discarding removes the data key alone."""

    deletes = False
