"""How the code of one handling reaches the event-status table of a simulated region."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from ctxasr.events import (
    NO_GROUNDS,
    ConsistentStatus,
    Event,
    Grounds,
    Outcome,
    PayloadRef,
    TurnKey,
)
from ctxasr.ports import EventStore
from ctxasr.sim.region.buckets import LINK_BYTES, read_units, write_units
from ctxasr.sim.region.requests import Handling
from ctxasr.sim.region.tables import at_once

T = TypeVar("T")
Answer = Coroutine[Any, Any, T]
"""What an `async def` returns; these methods save one."""

Change = Callable[[EventStore], Coroutine[Any, Any, ConsistentStatus]]
"""What an update does to an item's state machine."""

TURNS_MAX: Final = 1_000
"""Unsettled turns of one answer, as in ctxasr.store.dynamodb."""


class StatusPort:
    """`ports.EventStore` as the code of one handling sees it."""

    __slots__ = ("_handling", "_tables")
    consistent: ClassVar[bool] = True
    """How `read` reads."""

    def __init__(self, handling: Handling) -> None:
        self._handling, self._tables = handling, handling.tables

    def open_key(
        self, turn: TurnKey, wrapped_key: bytes, expires_at_s: int
    ) -> Answer[ConsistentStatus]:
        return self._write(
            "open_key",
            turn,
            lambda leader: leader.open_key(turn, wrapped_key, expires_at_s),
            creates=True,
        )

    def record(self, event: Event, expires_at_s: int) -> Answer[ConsistentStatus]:
        turn = event.key.turn
        return self._write(
            "record", turn, lambda leader: leader.record(event, expires_at_s), creates=True
        )

    def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> Answer[ConsistentStatus]:
        return self._write("claim", turn, lambda leader: leader.claim(turn, owner, grounds=grounds))

    def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> Answer[ConsistentStatus]:
        return self._write(
            "settle",
            turn,
            lambda leader: leader.settle(turn, outcome, owner=owner, ref=ref, grounds=grounds),
        )

    async def read(self, turn: TurnKey) -> ConsistentStatus | None:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)
        if handling.event.startswith(turn.interaction + "."):  # who asks for its own turn waits
            newest = tables.partition(turn.customer).newest.get(turn)
            own = newest is not None and newest.owner == handling.event
            which = "an earlier delivery here" if own else "another's claim"
            tables.coverage.hit(f"waited for {which}")
        handling.looks += 1
        return await handling.request("read", tables.latencies.read, lambda: self._item(turn))

    async def turns(self, customer: str, *, after: TurnKey | None = None) -> list[ConsistentStatus]:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, customer)

        def apply() -> list[ConsistentStatus]:
            partition, found = tables.partition(customer), list[ConsistentStatus]()
            size = tables.customers_bytes(partition)
            tables.charge(partition.reads, read_units(size))
            tables.returned_bytes += size
            for turn in sorted(partition.items):
                if after is not None and turn <= after:
                    continue
                found += at_once(tables.machine(handling, partition.items, turn).turns(customer))
            return found[:TURNS_MAX]

        return await handling.request("turns", tables.latencies.read, apply)

    async def link(self, turn: TurnKey, token: str, expires_at_s: int) -> None:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)

        def apply() -> None:
            partition = tables.partition(turn.customer)
            tables.charge(partition.writes, 1)
            tables.written_bytes += LINK_BYTES
            machine = tables.machine(handling, partition.links, token)
            at_once(machine.link(turn, token, expires_at_s))
            partition.links[token] = machine

        await handling.request("link", tables.latencies.write, apply)

    async def follow(self, customer: str, token: str) -> TurnKey | None:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, customer)

        def apply() -> TurnKey | None:
            partition = tables.partition(customer)
            tables.charge(partition.reads, 1)
            tables.returned_bytes += LINK_BYTES
            machine = tables.machine(handling, partition.links, token)
            return at_once(machine.follow(customer, token))

        return await handling.request("follow", tables.latencies.read, apply)

    async def forget(self, customer: str) -> int:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, customer)

        def query() -> list[TurnKey | str]:
            partition = tables.partition(customer)
            tables.charge(partition.reads, read_units(tables.customers_bytes(partition)))
            return [*partition.items, *partition.links]

        keys = await handling.request("forget", tables.latencies.read, query)
        for key in keys:
            erase = partial(self._erase, customer, key)
            await handling.request("forget_item", tables.latencies.write, erase)
        return len(keys)

    def _write(
        self,
        operation: str,
        turn: TurnKey,
        change: Change,
        *,
        creates: bool = False,
    ) -> Answer[ConsistentStatus]:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)
        return handling.request(
            operation,
            tables.latencies.write,
            lambda: self._update(operation, turn, change, creates),
        )

    # ------------------------------------------------------------ when the request is carried out

    def _update(
        self, operation: str, turn: TurnKey, change: Change, creates: bool
    ) -> ConsistentStatus:
        return self._tables.write(self._handling, operation, turn, change, creates=creates)

    def _erase(self, customer: str, key: TurnKey | str) -> None:
        tables = self._tables
        partition = tables.partition(customer)
        if isinstance(key, TurnKey):
            tables.charge(partition.writes, write_units(partition.sizes.get(key, 0)))
            if key in partition.newest:
                tables.drop(key)
                tables.watch.forgot(self._handling, key)
        else:
            tables.charge(partition.writes, 1)
            partition.links.pop(key, None)

    def _item(self, turn: TurnKey) -> ConsistentStatus | None:
        return self._tables.read(self._handling, turn, consistent=self.consistent)
