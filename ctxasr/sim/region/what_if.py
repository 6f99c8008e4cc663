"""What if the design were another one? The shipped stages over ports that behave differently.

    single-table     payloads are attributes of the status item: written and read with all of it
    eager-embedding  the context model starts with utterance and reply, whether or not the turn asks
    eventual-reads   the trigger is decided by an eventually consistent read that follows the write
    no-claim         whoever finds the trigger satisfied runs the model

What then goes wrong is counted as violations of the same invariants: under a what-if they are what
is to be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Final

from ctxasr.errors import LimitExceeded
from ctxasr.events import (
    NO_GROUNDS,
    ConsistentStatus,
    Event,
    ExpectSpeech,
    Grounds,
    Mark,
    Outcome,
    PayloadKind,
    PayloadRef,
    Reply,
    TurnKey,
    Utterance,
)
from ctxasr.sim.region.buckets import ATTRIBUTE_BYTES, ROW_BYTES, read_units, ref_bytes, write_units
from ctxasr.sim.region.requests import Handling
from ctxasr.sim.region.status import Answer, Change, StatusPort
from ctxasr.sim.region.tables import Partition
from ctxasr.sim.region.vault import PayloadPort, Row

ITEM_BYTES_MAX: Final = 409_600
"""DynamoDB's limit for one item, as in ctxasr.store.schema."""


class WhatIf(StrEnum):
    """The designs that ours is compared with, by the names that the command line knows."""

    SINGLE_TABLE = "single-table"
    EAGER_EMBEDDING = "eager-embedding"
    EVENTUAL_READS = "eventual-reads"
    NO_CLAIM = "no-claim"


def ports_of(
    what_if: WhatIf | None, handling: Handling, text_bytes: int = 0, context_bytes: int = 0
) -> tuple[StatusPort, PayloadPort]:
    """What one handling reaches the tables through."""
    if what_if is WhatIf.SINGLE_TABLE:
        whole = OneItemVault(handling, text_bytes, context_bytes)
        return OneItem(handling, whole), whole
    vault = PayloadPort(handling, text_bytes, context_bytes)
    match what_if:
        case WhatIf.EAGER_EMBEDDING:
            return Eager(handling), vault
        case WhatIf.EVENTUAL_READS:
            return Eventual(handling), vault
        case WhatIf.NO_CLAIM:
            return Unclaimed(handling), vault
    return StatusPort(handling), vault


class Eventual(StatusPort):
    """Decides by an eventually consistent read that follows the write; other reads are so too."""

    __slots__ = ()
    consistent: ClassVar[bool] = False

    async def record(self, event: Event, expires_at_s: int) -> ConsistentStatus:
        written = await super().record(event, expires_at_s)
        handling, tables, turn = self._handling, self._tables, event.key.turn
        latency = tables.latencies.read
        seen = await handling.request("read", latency, lambda: tables.look(handling, turn))
        return seen._replace(wrapped_key=written.wrapped_key)  # what it sealed under is no decision


class Unclaimed(StatusPort):
    """Nothing is claimed: each recorder owns what its own write shows to be ready.

    The outcome is still fixed once, by a condition, so that one of the contexts takes effect.
    """

    __slots__ = ("_shown",)

    def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> Answer[ConsistentStatus]:
        self._handling.decision = "compute"
        return _at_once(self._shown._replace(owner=owner))

    def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> Answer[ConsistentStatus]:
        return super().settle(turn, outcome, owner=None, ref=ref, grounds=grounds)

    def _update(
        self, operation: str, turn: TurnKey, change: Change, creates: bool
    ) -> ConsistentStatus:
        self._shown: ConsistentStatus = super()._update(operation, turn, change, creates)
        return self._shown


class Eager(StatusPort):
    """A turn seems to expect speech, and no service payload, once utterance and reply are there.

    So the model starts then. A turn that does not ask after all is embedded and not discarded: its
    payloads wait for TTL.
    """

    __slots__ = ()

    def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> Answer[ConsistentStatus]:
        return super().claim(turn, owner, grounds=_seen(grounds))

    def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> Answer[ConsistentStatus]:
        return super().settle(turn, outcome, owner=owner, ref=ref, grounds=_seen(grounds))

    async def turns(self, customer: str, *, after: TurnKey | None = None) -> list[ConsistentStatus]:
        return [_asking(status) for status in await super().turns(customer, after=after)]

    def _update(
        self, operation: str, turn: TurnKey, change: Change, creates: bool
    ) -> ConsistentStatus:
        return _asking(super()._update(operation, turn, change, creates))

    def _item(self, turn: TurnKey) -> ConsistentStatus | None:
        status = super()._item(turn)
        return None if status is None else _asking(status)


_EAGER: Final = "eager"


def _seen(grounds: Grounds) -> Grounds:
    """Without the expect-speech that no item holds."""
    events = tuple(event for event in grounds.events if event != _EAGER)
    return grounds._replace(events=events)


def _asking(status: ConsistentStatus) -> ConsistentStatus:
    """The status as if its expect-speech had come with the later of utterance and reply."""
    if not {PayloadKind.UTTERANCE, PayloadKind.REPLY} <= {ref.kind for ref in status.refs}:
        return status
    names = {mark.name: mark.at_ms for mark in status.marks.values()}
    if ExpectSpeech.full_name in names:
        return status
    at_ms = max(names.get(name, 0) for name in (Utterance.full_name, Reply.full_name))
    return status._replace(
        marks={**status.marks, _EAGER: Mark(ExpectSpeech.full_name, at_ms, number=0)}
    )


async def _at_once(status: ConsistentStatus) -> ConsistentStatus:
    return status


# ---------------------------------------------------------------- the single table


class OneItemVault(PayloadPort):
    """Sealed payloads are attributes of their turn's item: they travel with its updates.

    `carried` waits for the update that writes it; `seen` came with the item's last answer, so that
    reading it costs nothing more.
    """

    __slots__ = ("carried", "seen")

    def __init__(self, handling: Handling, text_bytes: int = 0, context_bytes: int = 0) -> None:
        super().__init__(handling, text_bytes, context_bytes)
        self.carried: dict[PayloadRef, Row] = {}
        self.seen: dict[TurnKey, dict[PayloadRef, Row]] = {}

    def see(self, turn: TurnKey) -> dict[PayloadRef, Row]:
        """An answer brings the whole item."""
        rows = self._tables.partition(turn.customer).rows
        found = {ref: row for (of, ref), row in rows.items() if of == turn}
        self.seen[turn] = found
        return found

    async def _store(self, operation: str, row: Row) -> None:
        self.carried[row.bound[1]] = row

    async def _rows(
        self, turn: TurnKey, refs: Sequence[PayloadRef], operation: str
    ) -> dict[PayloadRef, Row]:
        handling, tables = self._handling, self._tables
        seen = self.seen.get(turn)
        if seen is not None:
            return seen

        def apply() -> dict[PayloadRef, Row]:
            partition = tables.partition(turn.customer)
            size = partition.sizes.get(turn, 0)
            tables.charge(partition.reads, read_units(size))
            tables.returned_bytes += size
            return self.see(turn)

        return await handling.request(operation, tables.latencies.read, apply)

    async def delete(self, turn: TurnKey, refs: Sequence[PayloadRef]) -> None:
        """One update removes them, if one that settled the turn has not done so."""
        handling, tables = self._handling, self._tables
        handling.node.keys.drop(turn)
        partition = tables.partition(turn.customer)
        if not any((turn, ref) in partition.rows for ref in refs):
            tables.watch.asked(handling, turn.customer)
            return

        def apply() -> None:
            size = partition.sizes.get(turn, 0)
            tables.charge(partition.writes, write_units(size))
            drop(partition, turn, refs)
            tables.written_bytes += partition.sizes.get(turn, 0)

        await handling.request("delete", tables.latencies.write, apply)

    async def forget(self, customer: str) -> int:
        """With the items themselves."""
        self._handling.node.keys.drop_customer(customer)
        return 0


class OneItem(StatusPort):
    """Every update and read is of the whole item, ciphertexts and all."""

    __slots__ = ("_vault",)

    def __init__(self, handling: Handling, vault: OneItemVault) -> None:
        super().__init__(handling)
        self._vault = vault

    def _update(
        self, operation: str, turn: TurnKey, change: Change, creates: bool
    ) -> ConsistentStatus:
        tables, carried = self._tables, self._vault.carried
        partition = tables.partition(turn.customer)
        before, size = partition.newest.get(turn), partition.sizes.get(turn, 0)
        if size + sum(map(_attribute_bytes, carried.values())) > ITEM_BYTES_MAX:
            raise LimitExceeded("ITEM_BYTES_MAX", ITEM_BYTES_MAX, size, "item")
        status = super()._update(operation, turn, change, creates)
        for ref in [ref for ref in carried if ref in status.refs]:
            row = carried.pop(ref)
            before_it = partition.rows.get((turn, ref))
            if before_it is None:
                grown = _attribute_bytes(row)
                tables.resize(partition, turn, grown)
                tables.written_bytes += grown
                tables.returned_bytes += grown
                tables.keep(self._handling, partition, row)
            elif before_it.wrapped_key != row.wrapped_key:
                tables.keep(self._handling, partition, row)
        closed = status.outcome not in (None, Outcome.EMBEDDED)
        if closed and before is not None and before.outcome is None:
            drop(partition, turn, [ref for of, ref in partition.rows if of == turn])
        self._vault.see(turn)
        return status

    def _erase(self, customer: str, key: TurnKey | str) -> None:
        super()._erase(customer, key)
        if isinstance(key, TurnKey):
            rows = self._tables.partition(customer).rows
            for place in [place for place in rows if place[0] == key]:
                del rows[place]

    def _item(self, turn: TurnKey) -> ConsistentStatus | None:
        status = super()._item(turn)
        if status is not None:
            self._vault.see(turn)
        return status


def drop(partition: Partition, turn: TurnKey, refs: Sequence[PayloadRef]) -> None:
    """Remove attributes."""
    for ref in refs:
        row = partition.rows.pop((turn, ref), None)
        if row is not None:
            partition.sizes[turn] -= _attribute_bytes(row)


def _attribute_bytes(row: Row) -> int:
    """What a payload adds to the item, less the reference, which it makes needless."""
    kind = row.bound[1].kind
    return row.size_bytes - ROW_BYTES + ATTRIBUTE_BYTES - ref_bytes(kind)
