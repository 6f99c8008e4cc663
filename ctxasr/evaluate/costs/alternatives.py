"""The two designs that the two tables are compared with, as honest programs of their own.

Blob         one item with everything in one ciphertext. Each event: consistent read, decrypt,
             change, encrypt, write if the version is still the one that was read; else once more.
             Whoever writes knows the item, so the claim goes with the write that satisfies the
             trigger, a discard with the last one, and the embedding needs no read.
Attributes   one item; events and ciphertexts are set if they do not exist, ALL_NEW returns them.

Both send through the same `Caller` as the package, so that client CPU can be compared.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from ctxasr.errors import StoreUnavailable
from ctxasr.evaluate.costs.capacity import Step
from ctxasr.evaluate.costs.designs import (
    BLOB_REF,
    CONTEXT,
    PAYLOAD_PREFIX,
    VERSION,
    Shape,
    attribute_of,
    blob_clear,
    blob_read,
    blob_rest,
    context_ref,
    expiry,
    text,
    token_of,
)
from ctxasr.evaluate.costs.programs import Place, Program
from ctxasr.events import ConsistentStatus, Event, Mark, Outcome, PayloadRef, TurnKey
from ctxasr.store import schema
from ctxasr.store.caller import Caller
from ctxasr.store.schema import Item
from ctxasr.store.vault import KmsVault

CONFLICTS_MAX: Final = 16
"""Tries of one event of the blob design; each lost try costs its read and its refused write."""


@dataclass(slots=True)
class Known:
    """The item of a turn as its last reader or writer knows it."""

    wrapped_key: bytes = b""
    version: int = 0
    marks: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    owner: str | None = None
    outcome: Outcome | None = None
    context: bytes | None = None


class OneItem(Program):
    """What both one-item designs share: the data keys in hand, sealing, the link."""

    def __init__(self, place: Place, shape: Shape) -> None:
        super().__init__(place, shape)
        self.keys: dict[tuple[int, TurnKey], tuple[bytes, bytes]] = {}
        self.table, self.expiry = place.tables.status, expiry(shape)
        self.call = Caller()

    async def unwrap(self, vault: KmsVault, turn: TurnKey, wrapped: bytes | None) -> bytes:
        """The data key; a fresh one if there is none yet. Each process asks KMS once a turn."""
        held = (id(vault), turn)
        if held in self.keys and self.keys[held][0] == wrapped:
            return self.keys[held][1]
        bound = {"customer": turn.customer, "interaction": turn.interaction}
        request: dict[str, Any] = {"KeyId": self.place.key_id, "EncryptionContext": bound}
        kms = self.place.kms
        if wrapped is None:
            answer = await self.call(kms, "generate_data_key", KeySpec="AES_256", **request)
            wrapped = bytes(answer["CiphertextBlob"])
        else:
            answer = await self.call(kms, "decrypt", CiphertextBlob=wrapped, **request)
        self.keys[held] = (wrapped, bytes(answer["Plaintext"]))
        return self.keys[held][1]

    def wrapped(self, vault: KmsVault, turn: TurnKey) -> bytes | None:
        """The wrapped key that this process holds open."""
        return self.keys.get((id(vault), turn), (None,))[0]

    def seal(self, key: bytes, turn: TurnKey, ref: PayloadRef, clear: bytes) -> bytes:
        nonce = os.urandom(schema.NONCE_BYTES)
        return schema.seal(key, turn, ref, self.shape.expires_at_s, clear, nonce=nonce)

    def unseal(self, key: bytes, turn: TurnKey, ref: PayloadRef, body: bytes) -> bytes:
        return schema.unseal(key, turn, ref, self.shape.expires_at_s, bytes(body))

    async def get(self, key: Item) -> Item | None:
        answer = await self.call(
            self.place.dynamodb, "get_item", TableName=self.table, Key=key, ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item

    async def link(self, event: Event) -> None:
        if event.initiator is not None:
            turn = event.key.turn
            await self.store.link(turn, event.initiator, self.shape.expires_at_s)

    async def look(self, turn: TurnKey) -> bytes:
        link = await self.get(schema.link_key(turn.customer, token_of(turn)))
        assert link is not None, "written before the expect-speech"
        item = await self.get(schema.status_key(TurnKey(turn.customer, link[schema.TURN]["S"])))
        assert item is not None, "it has not expired"
        key = await self.unwrap(self.reader, turn, bytes(item[schema.KEY]["B"]))
        return self.unseal(key, turn, context_ref(), item[CONTEXT]["B"])

    def status(self, turn: TurnKey, known: Known) -> ConsistentStatus:
        return ConsistentStatus(
            turn,
            {name: Mark.parse(mark) for name, mark in known.marks.items()},
            frozenset(map(PayloadRef.parse, known.texts)),
            known.wrapped_key,
            known.owner,
            known.outcome,
            self.shape.expires_at_s,
        )


class Blob(OneItem):
    """One ciphertext of everything, rewritten with each event under optimistic locking."""

    async def event(
        self, event: Event, vault: KmsVault, *, embeds: bool, ends: Outcome | None
    ) -> ConsistentStatus:
        with self.meter.during(Step.RECORD):
            await self.link(event)
            known, decided = await self._record(event, vault, embeds, ends)
        if embeds:
            with self.meter.during(Step.EMBED):
                turn = event.key.turn
                key = await self.unwrap(vault, turn, known.wrapped_key)
                known.context = self.seal(key, turn, context_ref(), self.context)
                known.outcome = ends
                await self._put(turn, known, key)
        return decided

    async def _record(
        self, event: Event, vault: KmsVault, embeds: bool, ends: Outcome | None
    ) -> tuple[Known, ConsistentStatus]:
        for _ in range(CONFLICTS_MAX):
            known, key = await self._read(event.key.turn, vault)
            if event.key.event in known.marks:
                return known, self.status(event.key.turn, known)
            known.marks[event.key.event] = schema.mark_text(event.mark)
            if event.payload is not None:
                known.texts[str(event.payload.ref)] = schema.pack(event.payload).decode()
            decided = self.status(event.key.turn, known)
            if embeds:
                known.owner = event.key.event
            if ends is Outcome.DISCARDED:
                known.texts.clear()
                known.context = None
            known.outcome = None if embeds else ends
            try:
                await self._put(event.key.turn, known, key)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                continue  # another event came between: read again
            return known, decided
        raise StoreUnavailable(f"CONFLICTS_MAX is {CONFLICTS_MAX}: too many writers of one item")

    async def _read(self, turn: TurnKey, vault: KmsVault) -> tuple[Known, bytes]:
        item = await self.get(schema.status_key(turn))
        if item is None:
            key = await self.unwrap(vault, turn, None)
            return Known(self.wrapped(vault, turn) or b""), key
        key = await self.unwrap(vault, turn, bytes(item[schema.KEY]["B"]))
        clear = self.unseal(key, turn, BLOB_REF, item[schema.BODY]["B"])
        marks, texts = blob_read(clear)
        return Known(
            bytes(item[schema.KEY]["B"]),
            int(item[VERSION]["N"]),
            marks,
            texts,
            item.get(schema.OWNER, {}).get("S"),
            None,
            bytes(item[CONTEXT]["B"]) if CONTEXT in item else None,
        ), key

    async def _put(self, turn: TurnKey, known: Known, key: bytes) -> None:
        known.version += 1
        blob = self.seal(key, turn, BLOB_REF, blob_clear(known.marks, known.texts))
        rest = blob_rest(
            self.expiry,
            known.version,
            known.wrapped_key,
            blob,
            owner=known.owner,
            outcome=known.outcome,
            context=known.context,
        )
        condition: dict[str, Any] = {
            "ConditionExpression": "attribute_not_exists(#v)",
            "ExpressionAttributeNames": {"#v": VERSION},
        }
        if known.version > 1:
            condition["ConditionExpression"] = "#v = :v"
            condition["ExpressionAttributeValues"] = {":v": {"N": str(known.version - 1)}}
        item = {**schema.status_key(turn), **rest}
        await self.call(
            self.place.dynamodb, "put_item", TableName=self.table, Item=item, **condition
        )


class Attributes(OneItem):
    """One item; every text is a ciphertext attribute that is set once."""

    async def event(
        self, event: Event, vault: KmsVault, *, embeds: bool, ends: Outcome | None
    ) -> ConsistentStatus:
        turn = event.key.turn
        with self.meter.during(Step.RECORD):
            await self.link(event)
            changes: Item = {
                schema.event_attribute(event.key.event): text(schema.mark_text(event.mark))
            }
            if event.payload is not None:
                ref = event.payload.ref
                key = await self._open_key(turn, vault)
                body = self.seal(key, turn, ref, schema.pack(event.payload))
                changes[attribute_of(ref)] = {"B": body}
            item = await self._update(turn, {**changes, **self.expiry}, once=True)
            decided = self._status(item)
        if embeds:
            with self.meter.during(Step.EMBED):
                owner: Item = {schema.OWNER: text(event.key.event)}
                item = await self._update(turn, owner, absent=schema.OWNER)
                key = await self.unwrap(vault, turn, bytes(item[schema.KEY]["B"]))
                for ref in decided.refs:
                    self.unseal(key, turn, ref, item[attribute_of(ref)]["B"])
                context = self.seal(key, turn, context_ref(), self.context)
                settled: Item = {} if ends is None else {schema.OUTCOME: text(ends)}
                await self._update(turn, {CONTEXT: {"B": context}, **settled}, returns="NONE")
        elif ends is not None:
            gone = [schema.KEY, *map(attribute_of, sorted(decided.refs)), CONTEXT]
            discarded = ends is Outcome.DISCARDED
            with self.meter.during(Step.DISCARD if discarded else Step.EMBED):
                await self._update(
                    turn,
                    {schema.OUTCOME: text(ends)},
                    remove=gone if discarded else [],
                    absent=schema.OUTCOME,
                    returns="NONE",
                )
        return decided

    async def _open_key(self, turn: TurnKey, vault: KmsVault) -> bytes:
        held = self.wrapped(vault, turn)
        if held is not None:
            return await self.unwrap(vault, turn, held)
        await self.unwrap(vault, turn, None)
        fresh = self.wrapped(vault, turn) or b""
        item = await self._update(turn, {schema.KEY: {"B": fresh}, **self.expiry}, once=True)
        return await self.unwrap(vault, turn, bytes(item[schema.KEY]["B"]))

    def _status(self, item: Item) -> ConsistentStatus:
        status = schema.to_status(item)
        found = [name[len(PAYLOAD_PREFIX) :] for name in item if name.startswith(PAYLOAD_PREFIX)]
        refs = frozenset(map(PayloadRef.parse, found))
        return ConsistentStatus(
            status.turn, status.marks, refs, status.wrapped_key, status.owner, status.outcome,
            status.expires_at_s,
        )  # fmt: skip

    async def _update(
        self,
        turn: TurnKey,
        changes: Item,
        *,
        once: bool = False,
        remove: list[str] | tuple[str, ...] = (),
        absent: str | None = None,
        returns: str = "ALL_NEW",
    ) -> Item:
        names = {f"#n{i}": name for i, name in enumerate([*changes, *remove])}
        aliases = {name: alias for alias, name in names.items()}
        sets = []
        for index, name in enumerate(changes):
            alias = aliases[name]
            sets.append(
                f"{alias} = if_not_exists({alias}, :v{index})" if once else f"{alias} = :v{index}"
            )
        expression = "SET " + ", ".join(sets)
        if remove:
            expression += " REMOVE " + ", ".join(aliases[name] for name in remove)
        request: dict[str, Any] = {}
        if absent is not None:
            request["ConditionExpression"] = f"attribute_not_exists({aliases[absent]})"
        answer = await self.call(
            self.place.dynamodb,
            "update_item",
            TableName=self.table,
            Key=schema.status_key(turn),
            UpdateExpression=expression,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={f":v{i}": value for i, value in enumerate(changes.values())},
            ReturnValues=returns,
            **request,
        )
        item: Item = answer.get("Attributes") or {}
        return item
