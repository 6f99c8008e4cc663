"""The payload table on DynamoDB, under data keys that KMS wraps: envelope encryption.

    KMS key --wraps--> data key of one interaction --AES-256-GCM--> its payloads

The wrapped data key lies in the status item alone, so that removing it there makes every payload of
the turn unreadable at once. KMS binds it to customer and interaction by its encryption context.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ctxasr.errors import LimitExceeded, PayloadUnreadable, StoreUnavailable
from ctxasr.events import Payload, PayloadRef, TurnKey
from ctxasr.store import schema
from ctxasr.store.caller import Caller, refused
from ctxasr.store.dynamodb import erase
from ctxasr.store.schema import Item, Tables
from ctxasr.timing import expired

if TYPE_CHECKING:  # ports loads numpy, which no recorder needs here
    from ctxasr.ports import Clock

DATA_KEYS_MAX: Final = 1000
"""Data keys in memory: one for each interaction in flight."""

DATA_KEY_AGE_MS_MAX: Final = 300_000
"""A cached data key is asked of KMS again after this time: a revoked grant bites within it."""

WIPE_PAUSE_MS_MIN: Final = 1_000.0
"""Between two looks at the cache: a clock that stands still must not make the loop spin."""

PREVIOUS_KEYS_MAX: Final = 4
"""KMS keys that were in use before; each may cost one more request for an old turn."""

LARGE_BYTES: Final = 32_768
"""After a payload of this size other tasks of the process get their turn: it took 0.2 ms."""

BATCH_ITEMS_MAX: Final = 100
"""BatchGetItem's limit."""

BATCH_ROUNDS_MAX: Final = 10
"""Requests for one batch, each for what the last one left unprocessed."""


class KmsVault:
    """`ports.PayloadVault` over aioboto3 DynamoDB and KMS clients; `key_id` is a KMS key or alias.

    `previous_keys` still open what they wrapped, but wrap nothing more: after the alias has moved
    to a new key, name the old one here until its payloads have expired. No other key is ever used,
    so that whoever can write the table cannot bring a key of their own.

    Writes raise LimitExceeded for a payload over PAYLOAD_BYTES_MAX and PayloadUnreadable for a
    wrapped key that KMS does not unwrap for this turn; everything raises StoreUnavailable when
    the table or KMS did not answer.
    """

    def __init__(
        self,
        dynamodb: Any,
        kms: Any,
        tables: Tables,
        key_id: str,
        clock: Clock,
        *,
        previous_keys: Sequence[str] = (),
        call: Caller | None = None,
    ) -> None:
        if len(previous_keys) > PREVIOUS_KEYS_MAX:
            raise LimitExceeded("PREVIOUS_KEYS_MAX", PREVIOUS_KEYS_MAX, len(previous_keys))
        self._dynamodb, self._kms, self._key_id = dynamodb, kms, key_id
        self._previous_keys = tuple(previous_keys)
        self._table, self._clock, self._call = tables.payload, clock, call or Caller()
        self._keys = DataKeys(clock)
        self._wiping: asyncio.TimerHandle | None = None

    async def new_key(self, turn: TurnKey) -> bytes:
        try:
            answer = await self._call(
                self._kms,
                "generate_data_key",
                KeyId=self._key_id,
                KeySpec="AES_256",
                EncryptionContext=_context(turn),
            )
        except ClientError as error:
            raise refused(self._kms, "generate_data_key", error) from None
        wrapped: bytes = answer["CiphertextBlob"]
        self._keep(wrapped, turn, answer["Plaintext"])
        return wrapped

    def held_key(self, turn: TurnKey) -> bytes | None:
        # Only a key that was put to use: a fresh one may yet lose the race for the status item.
        return self._keys.held(turn)

    def drop_keys(self, turn: TurnKey) -> None:
        self._keys.drop(turn)

    async def put(self, wrapped_key: bytes, payload: Payload) -> None:
        clear = schema.pack(payload)
        await self.put_blob(wrapped_key, payload.turn, payload.ref, clear, payload.expires_at_s)

    async def put_blob(
        self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef, blob: bytes, expires_at_s: int
    ) -> None:
        key = await self._data_key(wrapped_key, turn)
        nonce = os.urandom(schema.NONCE_BYTES)
        body = schema.seal(key, turn, ref, expires_at_s, blob, nonce=nonce)
        item = {
            **schema.payload_key(turn, ref),
            schema.BODY: {"B": body},
            schema.EXPIRES_AT: {"N": str(expires_at_s)},
        }
        await self._send("put_item", TableName=self._table, Item=item)

    async def get(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> list[Payload]:
        clear = await self._read(wrapped_key, turn, refs)
        found = []
        for ref in refs:
            found.append(schema.unpack(*clear[ref], turn, ref))
            await _let_others_work(len(clear[ref][0]))
        return found

    async def get_blob(self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef) -> bytes:
        return (await self._read(wrapped_key, turn, [ref]))[ref][0]

    async def delete(self, turn: TurnKey, refs: Sequence[PayloadRef]) -> None:
        """Also forgets the turn's data keys: payloads are deleted when their turn is shredded."""
        self.drop_keys(turn)
        for ref in dict.fromkeys(refs):
            key = schema.payload_key(turn, ref)
            await self._send("delete_item", TableName=self._table, Key=key)

    async def forget(self, customer: str) -> int:
        self._keys.drop_customer(customer)
        return await erase(self._send, self._table, schema.PAYLOAD, customer)

    # ------------------------------------------------------------ inside

    async def _read(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> dict[PayloadRef, tuple[bytes, int]]:
        """The clear bytes and the expiry in seconds of each reference."""
        if not refs:
            return {}
        rows: dict[str, Item] = {}
        for batch in batches(refs, BATCH_ITEMS_MAX):
            await self._read_batch([schema.payload_key(turn, ref) for ref in batch], rows)
        key = await self._data_key(wrapped_key, turn)
        clear: dict[PayloadRef, tuple[bytes, int]] = {}
        for ref in refs:
            row = rows.get(schema.payload_sort(turn, ref))
            if row is None:
                raise PayloadUnreadable(f"payload {ref} is not there")
            expires_at_s = schema.expiry_s(row)
            # Asked after each wait: what expires meanwhile is not shown.
            if expired(expires_at_s, self._clock.now_ms()):
                raise PayloadUnreadable(f"payload {ref} has expired")
            body = row.get(schema.BODY, {}).get("B", b"")
            clear[ref] = (schema.unseal(key, turn, ref, expires_at_s, body), expires_at_s)
            await _let_others_work(len(body))
        return clear

    async def _read_batch(self, keys: list[Item], rows: dict[str, Item]) -> None:
        request: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for times in range(BATCH_ROUNDS_MAX):
            if times:
                await self._call.pause(times - 1)
            answer = await self._send("batch_get_item", RequestItems=request)
            for row in answer["Responses"].get(self._table, []):
                rows[row[schema.PAYLOAD]["S"]] = row
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                return
        raise StoreUnavailable(
            f"batch_get_item left keys unprocessed in {BATCH_ROUNDS_MAX} rounds: throttled"
        )

    async def _data_key(self, wrapped_key: bytes, turn: TurnKey) -> bytes:
        key = self._keys.find(wrapped_key, turn)
        if key is None:
            key = await self._unwrap(wrapped_key, turn)
            self._keep(wrapped_key, turn, key)
        self._keys.hold(wrapped_key, turn)
        return key

    def _keep(self, wrapped_key: bytes, turn: TurnKey, key: bytes) -> None:
        self._keys.keep(wrapped_key, turn, key)
        if self._wiping is None:
            self._wipe_later()

    def _wipe_later(self) -> None:
        """A process that nobody asks anything forgets its keys as well.

        An environment that Lambda has frozen runs no timer: it keeps its keys until its next call.
        """
        self._keys.drop_old()
        self._wiping = None
        if len(self._keys):
            left_s = self._clock.timer_s(max(self._keys.left_ms(), WIPE_PAUSE_MS_MIN))
            self._wiping = asyncio.get_running_loop().call_later(left_s, self._wipe_later)

    async def _unwrap(self, wrapped_key: bytes, turn: TurnKey) -> bytes:
        for key_id in (self._key_id, *self._previous_keys):
            try:
                answer = await self._call(
                    self._kms,
                    "decrypt",
                    KeyId=key_id,
                    CiphertextBlob=wrapped_key,
                    EncryptionContext=_context(turn),
                )
            except ClientError:
                # Another key wrapped it (IncorrectKeyException of AWS, AccessDeniedException of
                # moto), or this one is gone, disabled or not ours: an older one may still be right.
                continue
            return bytes(answer["Plaintext"])
        raise PayloadUnreadable("KMS does not unwrap this data key for this turn")

    async def _send(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return await self._call(self._dynamodb, operation, **request)
        except ClientError as error:
            raise refused(self._dynamodb, operation, error) from None


class DataKeys:
    """Data keys in clear, in memory alone: bounded in number and age, zeroed when they leave."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: OrderedDict[tuple[bytes, TurnKey], tuple[bytearray, float]] = OrderedDict()
        self._held: dict[TurnKey, bytes] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, wrapped_key: bytes, turn: TurnKey) -> bytes | None:
        """A copy: the caller's must not turn to zeros when the cached one is dropped."""
        self.drop_old()
        found = self._keys.get((wrapped_key, turn))
        return None if found is None else bytes(found[0])

    def keep(self, wrapped_key: bytes, turn: TurnKey, key: bytes) -> None:
        """The turn is part of the place: KMS, not this cache, decides who may unwrap what."""
        if (wrapped_key, turn) in self._keys:
            return
        self._keys[wrapped_key, turn] = (bytearray(key), self._clock.now_ms())
        self.drop_old()

    def hold(self, wrapped_key: bytes, turn: TurnKey) -> None:
        """Note that the key was put to use for the turn, if it is still kept."""
        if (wrapped_key, turn) in self._keys:
            self._held[turn] = wrapped_key

    def held(self, turn: TurnKey) -> bytes | None:
        """The wrapped key that was last put to use for the turn."""
        self.drop_old()
        return self._held.get(turn)

    def drop(self, turn: TurnKey) -> None:
        """Forget all keys of a turn."""
        for place in [place for place in self._keys if place[1] == turn]:
            self._remove(place)

    def drop_customer(self, customer: str) -> None:
        """Forget all keys of a customer."""
        for place in [place for place in self._keys if place[1].customer == customer]:
            self._remove(place)

    def _remove(self, place: tuple[bytes, TurnKey]) -> None:
        key, _ = self._keys.pop(place)
        key[:] = bytes(len(key))
        if self._held.get(place[1]) == place[0]:
            del self._held[place[1]]

    def left_ms(self) -> float:
        """How long the oldest key may still stay."""
        oldest_ms = next((kept_ms for _, kept_ms in self._keys.values()), math.inf)
        return oldest_ms + DATA_KEY_AGE_MS_MAX - self._clock.now_ms()

    def drop_old(self) -> None:
        """Oldest first; entries are never moved, so the order of entry is the order of age."""
        oldest_ms = self._clock.now_ms() - DATA_KEY_AGE_MS_MAX
        while self._keys:
            place, (_, kept_ms) = next(iter(self._keys.items()))
            if len(self._keys) <= DATA_KEYS_MAX and kept_ms > oldest_ms:
                return
            self._remove(place)


async def _let_others_work(worked_bytes: int) -> None:
    """Decrypting and parsing hold up the event loop: not for a whole turn at once."""
    if worked_bytes >= LARGE_BYTES:
        await asyncio.sleep(0)


def batches(refs: Iterable[PayloadRef], size: int) -> list[list[PayloadRef]]:
    """Each reference once, in lists of at most `size`."""
    unique = list(dict.fromkeys(refs))
    return [unique[at : at + size] for at in range(0, len(unique), size)]


def _context(turn: TurnKey) -> dict[str, str]:
    return {"customer": turn.customer, "interaction": turn.interaction}
