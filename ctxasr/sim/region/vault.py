"""The payload table and the data keys of a simulated region.

A row is not encrypted here: it holds what it was sealed under (the wrapped key, the turn, the
reference, the expiry), and opens only where all of that is the same. So a row that was moved,
re-dated or is asked for under another key fails as a ciphertext would, at a tenth of the price;
that the real ciphertexts do is for the contract tests of the real vaults.

The sizes and ages are those of `ctxasr.store.vault` and `ctxasr.store.schema`, by value.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.events import Payload, PayloadRef, TurnKey
from ctxasr.ports import Clock
from ctxasr.sim.region.buckets import ROW_BYTES, read_units, write_units
from ctxasr.sim.region.requests import Handling
from ctxasr.timing import expired

PAYLOAD_BYTES_MAX: Final = 402_000
DATA_KEYS_MAX: Final = 1_000
DATA_KEY_AGE_MS_MAX: Final = 300_000
BATCH_ITEMS_MAX: Final = 100
"""As in the two modules; a test holds them equal."""


class Row(NamedTuple):
    """What lies in the payload table; `expires_at_s` is the attribute, `bound` what was sealed."""

    wrapped_key: bytes
    bound: tuple[TurnKey, PayloadRef, int]
    clear: Payload | bytes
    expires_at_s: int
    number: int
    """Of the sealing: stands for the nonce."""
    size_bytes: int = ROW_BYTES


class DataKeys:
    """The data keys that one process has open: bounded in number and age."""

    __slots__ = ("_clock", "_held", "_of", "_oldest_ms", "_opened")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened: OrderedDict[tuple[bytes, TurnKey], float] = OrderedDict()
        self._of: dict[TurnKey, list[bytes]] = {}
        """What is open of each turn."""
        self._held: dict[TurnKey, bytes] = {}
        self._oldest_ms = math.inf

    def __len__(self) -> int:
        return len(self._opened)

    def has(self, wrapped_key: bytes, turn: TurnKey) -> bool:
        """Whether it is open here."""
        self._drop_old()
        return (wrapped_key, turn) in self._opened

    def keep(self, wrapped_key: bytes, turn: TurnKey) -> None:
        """KMS has opened it."""
        if (wrapped_key, turn) not in self._opened:
            now_ms = self._clock.now_ms()
            self._opened[wrapped_key, turn] = now_ms
            self._of.setdefault(turn, []).append(wrapped_key)
            self._oldest_ms = min(self._oldest_ms, now_ms)
        self._drop_old()

    def hold(self, wrapped_key: bytes, turn: TurnKey) -> None:
        """It was put to use for the turn."""
        if (wrapped_key, turn) in self._opened:
            self._held[turn] = wrapped_key

    def held(self, turn: TurnKey) -> bytes | None:
        """The one that was last put to use."""
        self._drop_old()
        return self._held.get(turn)

    def drop(self, turn: TurnKey) -> None:
        """Forget all of a turn."""
        for wrapped_key in list(self._of.get(turn, ())):
            self._remove((wrapped_key, turn))

    def drop_customer(self, customer: str) -> None:
        """Forget all of a customer."""
        for place in [place for place in self._opened if place[1].customer == customer]:
            self._remove(place)

    def _remove(self, place: tuple[bytes, TurnKey]) -> None:
        wrapped_key, turn = place
        del self._opened[place]
        left = self._of[turn]
        left.remove(wrapped_key)
        if not left:
            del self._of[turn]
        if self._held.get(turn) == wrapped_key:
            del self._held[turn]

    def _drop_old(self) -> None:
        oldest_ms = self._clock.now_ms() - DATA_KEY_AGE_MS_MAX
        if self._oldest_ms > oldest_ms and len(self._opened) <= DATA_KEYS_MAX:
            return
        self._oldest_ms = math.inf
        while self._opened:
            place, kept_ms = next(iter(self._opened.items()))
            if len(self._opened) <= DATA_KEYS_MAX and kept_ms > oldest_ms:
                self._oldest_ms = kept_ms
                return
            self._remove(place)


class PayloadPort:
    """`ports.PayloadVault` as the code of one handling sees it.

    `text_bytes`: how much longer the texts of its payloads are than those that it hands in;
    `context_bytes`: the same of its contexts. That counts for limits and capacity.
    """

    __slots__ = ("_context_bytes", "_handling", "_tables", "_text_bytes")

    def __init__(self, handling: Handling, text_bytes: int = 0, context_bytes: int = 0) -> None:
        self._handling, self._tables = handling, handling.tables
        self._text_bytes, self._context_bytes = text_bytes, context_bytes

    async def new_key(self, turn: TurnKey) -> bytes:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)

        def apply() -> bytes:
            tables.kms_requests += 1
            tables.keys_made += 1
            wrapped = tables.keys_made.to_bytes(8, "big")
            tables.key_of[wrapped] = turn
            return wrapped

        wrapped = await handling.request("new_key", tables.latencies.kms, apply, kms=True)
        handling.node.keys.keep(wrapped, turn)
        return wrapped

    def held_key(self, turn: TurnKey) -> bytes | None:
        return self._handling.node.keys.held(turn)

    def drop_keys(self, turn: TurnKey) -> None:
        self._tables.coverage.hit("sealed again")
        self._handling.node.keys.drop(turn)

    async def put(self, wrapped_key: bytes, payload: Payload) -> None:
        # '["label","text"]': exact for what JSON need not escape and UTF-8 not stretch.
        size = len(payload.label) + sum(map(len, payload.texts)) + 3 * len(payload.texts) + 4
        size += sum(len(one) + 5 for one in payload.ids if one)
        if size * 6 > PAYLOAD_BYTES_MAX:  # it may be too long: look
            size = len(_packed(payload))
        size += self._text_bytes
        await self._put(wrapped_key, payload.turn, payload.ref, payload, payload.expires_at_s, size)

    async def put_blob(
        self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef, blob: bytes, expires_at_s: int
    ) -> None:
        size = len(blob) + self._context_bytes
        await self._put(wrapped_key, turn, ref, blob, expires_at_s, size, "put_blob")

    async def get(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> list[Payload]:
        opened = await self._open(wrapped_key, turn, refs, "get")
        for one in opened:
            if not isinstance(one, Payload):
                raise PayloadUnreadable("no list of texts")
        return [one for one in opened if isinstance(one, Payload)]

    async def get_blob(self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef) -> bytes:
        (clear,) = await self._open(wrapped_key, turn, [ref], "get_blob")
        return clear if isinstance(clear, bytes) else _packed(clear)

    async def delete(self, turn: TurnKey, refs: Sequence[PayloadRef]) -> None:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)
        handling.node.keys.drop(turn)
        for ref in dict.fromkeys(refs):

            def apply(ref: PayloadRef = ref) -> None:
                partition = tables.partition(turn.customer)
                row = partition.rows.get((turn, ref))
                size = 0 if row is None else row.size_bytes
                tables.charge(partition.payload_writes, write_units(size))
                tables.written_bytes += size
                partition.rows.pop((turn, ref), None)

            await handling.request("delete", tables.latencies.write, apply)

    async def forget(self, customer: str) -> int:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, customer)
        handling.node.keys.drop_customer(customer)

        partition = tables.partition(customer)

        def query() -> list[tuple[TurnKey, PayloadRef]]:
            size = sum(row.size_bytes for row in partition.rows.values())
            tables.charge(partition.payload_reads, read_units(size))
            return list(partition.rows)

        def erase(place: tuple[TurnKey, PayloadRef]) -> None:
            row = partition.rows.get(place)
            tables.charge(partition.payload_writes, write_units(row.size_bytes if row else 0))
            partition.rows.pop(place, None)

        places = await handling.request("forget_payloads", tables.latencies.read, query)
        for place in places:
            await handling.request("forget_payload", tables.latencies.write, partial(erase, place))
        return len(places)

    # ------------------------------------------------------------ inside

    async def _put(
        self,
        wrapped_key: bytes,
        turn: TurnKey,
        ref: PayloadRef,
        clear: Payload | bytes,
        expires_at_s: int,
        size: int,
        operation: str = "put",
    ) -> None:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)
        if size > PAYLOAD_BYTES_MAX:
            raise LimitExceeded("PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX, size, f"payload {ref}")
        await self._data_key(wrapped_key, turn)
        size += ROW_BYTES + len(ref.kind)
        tables.rows_sealed += 1
        bound = (turn, ref, expires_at_s)
        row = Row(wrapped_key, bound, clear, expires_at_s, tables.rows_sealed, size)
        await self._store(operation, row)

    def _store(self, operation: str, row: Row) -> Coroutine[Any, Any, None]:
        """Put a row where it was sealed for."""
        handling, tables = self._handling, self._tables

        def apply() -> None:
            turn, ref, _ = row.bound
            partition = tables.partition(turn.customer)
            before = partition.rows.get((turn, ref))
            size = row.size_bytes if before is None else max(before.size_bytes, row.size_bytes)
            tables.charge(partition.payload_writes, write_units(size))
            tables.written_bytes += row.size_bytes
            tables.keep(handling, partition, row)

        return handling.request(operation, tables.latencies.write, apply)

    async def _open(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef], operation: str
    ) -> list[Payload | bytes]:
        handling, tables = self._handling, self._tables
        tables.watch.asked(handling, turn.customer)
        if not refs:
            return []
        rows = await self._rows(turn, refs, operation)
        await self._data_key(wrapped_key, turn)
        now_ms = handling.node.clock.now_ms()
        opened = []
        for ref in refs:
            row = rows.get(ref)
            if row is None:
                raise PayloadUnreadable(f"payload {ref} is not there")
            if expired(row.expires_at_s, now_ms):
                tables.coverage.hit("payload expired")
                raise PayloadUnreadable(f"payload {ref} has expired")
            if row.wrapped_key != wrapped_key or row.bound != (turn, ref, row.expires_at_s):
                raise PayloadUnreadable(f"payload {ref} fails authentication")
            tables.watch.opened(handling, turn, ref, row)
            opened.append(row.clear)
        return opened

    async def _rows(
        self, turn: TurnKey, refs: Sequence[PayloadRef], operation: str
    ) -> dict[PayloadRef, Row]:
        """Those of the rows that are there."""
        handling, tables = self._handling, self._tables
        unique, rows = list(dict.fromkeys(refs)), dict[PayloadRef, Row]()
        for begin in range(0, len(unique), BATCH_ITEMS_MAX):
            batch = unique[begin : begin + BATCH_ITEMS_MAX]

            def apply(batch: list[PayloadRef] = batch) -> None:
                partition = tables.partition(turn.customer)
                found = {ref: partition.rows.get((turn, ref)) for ref in batch}
                sizes = [0 if row is None else row.size_bytes for row in found.values()]
                tables.charge(partition.payload_reads, sum(map(read_units, sizes)))
                tables.returned_bytes += sum(sizes)
                rows.update({ref: row for ref, row in found.items() if row is not None})

            await handling.request(operation, tables.latencies.read, apply)
        return rows

    async def _data_key(self, wrapped_key: bytes, turn: TurnKey) -> None:
        """Have KMS unwrap the key for this turn, unless this process has it open."""
        handling, tables = self._handling, self._tables
        keys = handling.node.keys
        if not keys.has(wrapped_key, turn):
            latency = tables.latencies.kms

            def apply() -> TurnKey | None:
                tables.kms_requests += 1
                return tables.key_of.get(wrapped_key)

            found = await handling.request("decrypt", latency, apply, kms=True)
            if found != turn:
                raise PayloadUnreadable("KMS does not unwrap this data key for this turn")
            keys.keep(wrapped_key, turn)
        keys.hold(wrapped_key, turn)


def _packed(payload: Payload) -> bytes:
    """As the real vaults pack a payload, for its length."""
    document = [payload.label, *payload.named]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
