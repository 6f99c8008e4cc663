"""Both ports in memory: what the stores must do, short enough to be checked by reading.

The contract tests hold every other store against this one. Use it in your own tests.

    store, vault = MemoryEventStore(clock), MemoryVault(clock)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import (
    NO_GROUNDS,
    ConsistentStatus,
    Event,
    Grounds,
    Outcome,
    Payload,
    PayloadRef,
    TurnKey,
)
from ctxasr.store import room, schema
from ctxasr.timing import expired

if TYPE_CHECKING:  # ports loads numpy, which no recorder needs here
    from ctxasr.ports import Clock


class MemoryEventStore:
    """`ports.EventStore`; no method waits in the middle, so each is atomic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: dict[TurnKey, ConsistentStatus] = {}
        self._links: dict[tuple[str, str], tuple[TurnKey, int]] = {}

    def __len__(self) -> int:
        """Items, expired ones too: turns and links."""
        return len(self._turns) + len(self._links)

    async def open_key(
        self, turn: TurnKey, wrapped_key: bytes, expires_at_s: int
    ) -> ConsistentStatus:
        item = self._opened(turn, expires_at_s)
        if item.outcome is None:
            item = _fit(item._replace(wrapped_key=item.wrapped_key or wrapped_key))
        return self._keep(item)

    async def record(self, event: Event, expires_at_s: int) -> ConsistentStatus:
        schema.check_token(event.mark.token)
        item = self._opened(event.key.turn, expires_at_s)
        refs = item.refs if event.payload is None else item.refs | {event.payload.ref}
        marks = {event.key.event: event.mark, **item.marks}
        grown = item._replace(marks=marks, refs=refs)
        few = len(refs) < room.TURN_PAYLOADS_MAX
        if few and room.fits_surely(grown, room.STATUS_BYTES_MAX):
            return self._keep(grown)
        if event.key.event not in item.marks:
            laden = event.payload is not None and room.is_laden(item)
            if laden or room.is_full(item):
                raise room.no_room(item, payload=event.payload is not None)
        return self._keep(_fit(grown))

    async def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> ConsistentStatus:
        item = self._turns.get(turn)
        if item is None:
            return schema.absent(turn)
        if item.owner is None and item.outcome is None and grounds.hold(item):
            item = item._replace(owner=owner)
        return self._keep(item)

    async def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> ConsistentStatus:
        item = self._turns.get(turn)
        if item is None:
            return schema.absent(turn)
        if item.outcome is None and item.owner == owner and grounds.hold(item):
            key = item.wrapped_key if outcome is Outcome.EMBEDDED else None
            refs = item.refs if ref is None else item.refs | {ref}
            item = _fit(item._replace(outcome=outcome, wrapped_key=key, refs=refs))
        return self._keep(item)

    async def read(self, turn: TurnKey) -> ConsistentStatus | None:
        item = self._turns.get(turn)
        return None if item is None or self._expired(item.expires_at_s) else self._keep(item)

    async def turns(self, customer: str, *, after: TurnKey | None = None) -> list[ConsistentStatus]:
        return [
            self._keep(item)
            for turn, item in sorted(self._turns.items())
            if turn.customer == customer
            and item.outcome is None
            and (after is None or turn > after)
            and not self._expired(item.expires_at_s)
        ]

    async def link(self, turn: TurnKey, token: str, expires_at_s: int) -> None:
        schema.check_token(token)
        self._links.setdefault((turn.customer, token), (turn, expires_at_s))

    async def follow(self, customer: str, token: str) -> TurnKey | None:
        schema.check_token(token)
        turn, expires_at_s = self._links.get((customer, token), (None, 0))
        return None if self._expired(expires_at_s) else turn

    async def forget(self, customer: str) -> int:
        turns = [turn for turn in self._turns if turn.customer == customer]
        links = [place for place in self._links if place[0] == customer]
        for turn in turns:
            del self._turns[turn]
        for link in links:
            del self._links[link]
        return len(turns) + len(links)

    def _opened(self, turn: TurnKey, expires_at_s: int) -> ConsistentStatus:
        return self._turns.get(turn) or schema.absent(turn)._replace(expires_at_s=expires_at_s)

    def _keep(self, item: ConsistentStatus) -> ConsistentStatus:
        self._turns[item.turn] = item
        return item

    def _expired(self, expires_at_s: int) -> bool:
        return expired(expires_at_s, self._clock.now_ms())


def _fit(item: ConsistentStatus) -> ConsistentStatus:
    """The item, if it is not too long."""
    if not room.fits_surely(item, schema.ITEM_BYTES_MAX):
        size = room.item_bytes(item)
        if size > schema.ITEM_BYTES_MAX:
            raise LimitExceeded("ITEM_BYTES_MAX", schema.ITEM_BYTES_MAX, size, "item")
    return item


class MemoryVault:
    """`ports.PayloadVault` with the same sealed payloads as on DynamoDB.

    `rows` is the payload table, (customer, sort key) -> (body, expires_at_s), open for tests that
    tamper with it. `random_bytes(n)` makes keys and nonces; give a seeded one to repeat a run.
    """

    def __init__(self, clock: Clock, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._clock, self._random = clock, random_bytes
        self._keys: dict[tuple[bytes, TurnKey], bytes] = {}
        self._held: dict[TurnKey, bytes] = {}
        self.rows: dict[tuple[str, str], tuple[bytes, int]] = {}

    async def new_key(self, turn: TurnKey) -> bytes:
        wrapped = self._random(schema.DATA_KEY_BYTES)  # a name for the key, nothing more
        self._keys[wrapped, turn] = self._random(schema.DATA_KEY_BYTES)
        return wrapped

    def held_key(self, turn: TurnKey) -> bytes | None:
        return self._held.get(turn)

    def drop_keys(self, turn: TurnKey) -> None:
        self._held.pop(turn, None)

    async def put(self, wrapped_key: bytes, payload: Payload) -> None:
        clear = schema.pack(payload)
        await self.put_blob(wrapped_key, payload.turn, payload.ref, clear, payload.expires_at_s)

    async def put_blob(
        self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef, blob: bytes, expires_at_s: int
    ) -> None:
        key, nonce = self._key(wrapped_key, turn), self._random(schema.NONCE_BYTES)
        body = schema.seal(key, turn, ref, expires_at_s, blob, nonce=nonce)
        self.rows[turn.customer, schema.payload_sort(turn, ref)] = (body, expires_at_s)

    async def get(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> list[Payload]:
        return [schema.unpack(*self._open(wrapped_key, turn, ref), turn, ref) for ref in refs]

    async def get_blob(self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef) -> bytes:
        return self._open(wrapped_key, turn, ref)[0]

    async def delete(self, turn: TurnKey, refs: Sequence[PayloadRef]) -> None:
        self.drop_keys(turn)
        for ref in refs:
            self.rows.pop((turn.customer, schema.payload_sort(turn, ref)), None)

    async def forget(self, customer: str) -> int:
        places = [place for place in self.rows if place[0] == customer]
        for place in places:
            del self.rows[place]
        for turn in [turn for turn in self._held if turn.customer == customer]:
            del self._held[turn]
        return len(places)

    def _key(self, wrapped_key: bytes, turn: TurnKey) -> bytes:
        if (wrapped_key, turn) not in self._keys:
            raise PayloadUnreadable("no data key is wrapped so for this turn")
        self._held[turn] = wrapped_key
        return self._keys[wrapped_key, turn]

    def _open(self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int]:
        """Clear bytes and expiry in seconds."""
        row = self.rows.get((turn.customer, schema.payload_sort(turn, ref)))
        if row is None:
            raise PayloadUnreadable(f"payload {ref} is not there")
        body, expires_at_s = row
        if expired(expires_at_s, self._clock.now_ms()):
            raise PayloadUnreadable(f"payload {ref} has expired")
        key = self._key(wrapped_key, turn)
        return schema.unseal(key, turn, ref, expires_at_s, body), expires_at_s
