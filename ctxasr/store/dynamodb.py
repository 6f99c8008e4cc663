"""The event-status table on DynamoDB.

Every write is one UpdateItem that changes nothing when it is repeated, so an answer that was lost
is simply asked for again. The write returns the item as it stands after it, either in its own
answer (fused: ReturnValues=ALL_NEW, strongly consistent and free) or by a GetItem with
ConsistentRead after it.

Used of DynamoDB: GetItem, UpdateItem, DeleteItem and Query here, PutItem, DeleteItem, Query and
BatchGetItem in the vault. Every attribute name is aliased.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ctxasr.errors import LimitExceeded, StoreUnavailable, first_error
from ctxasr.events import (
    NO_GROUNDS,
    ConsistentStatus,
    Event,
    Grounds,
    Outcome,
    PayloadRef,
    TurnKey,
)
from ctxasr.store import room, schema
from ctxasr.store.caller import Caller, code_of, refused
from ctxasr.store.schema import Item, Tables
from ctxasr.timing import expired

if TYPE_CHECKING:  # ports loads numpy, which no recorder needs here
    from ctxasr.ports import Clock

TURNS_MAX: Final = 1000
"""Unsettled turns that one look at a customer returns; the next look finds the rest."""

QUERY_PAGES_MAX: Final = 400
QUERY_PAGE_ITEMS: Final = 250
"""100,000 items of one customer, all younger than their expiry."""

ERASE_ITEMS_MAX: Final = 1000
"""Items that one call of `forget` deletes; whoever calls it asks until none is left."""

ERASE_AT_ONCE: Final = 16
"""Deletions in flight: other requests of the process shall not wait behind them."""

_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


async def erase(send: Callable[..., Any], table: str, sort: str, customer: str) -> int:
    """Delete up to ERASE_ITEMS_MAX items of one customer, oldest key first; how many.

    Raises:
        StoreUnavailable: some are deleted; ask again.
    """
    answer = await send(
        "query",
        TableName=table,
        KeyConditionExpression="#c = :c",
        ProjectionExpression="#c, #s",
        ExpressionAttributeNames={"#c": schema.CUSTOMER, "#s": sort},
        ExpressionAttributeValues={":c": {"S": customer}},
        ConsistentRead=True,
        Limit=ERASE_ITEMS_MAX,
    )
    keys = answer["Items"]
    for at in range(0, len(keys), ERASE_AT_ONCE):
        try:
            async with asyncio.TaskGroup() as group:
                for key in keys[at : at + ERASE_AT_ONCE]:
                    group.create_task(send("delete_item", TableName=table, Key=key))
        except ExceptionGroup as errors:
            raise first_error(errors) from None
    return len(keys)


class DynamoEventStore:
    """`ports.EventStore` over an aioboto3 DynamoDB client.

    `fused` reads with the write itself; otherwise a ConsistentRead follows each write.
    """

    def __init__(
        self,
        client: Any,
        tables: Tables,
        clock: Clock,
        *,
        fused: bool = True,
        call: Caller | None = None,
    ) -> None:
        self._client, self._table, self._clock = client, tables.status, clock
        self._fused, self._call = fused, call or Caller()

    async def open_key(
        self, turn: TurnKey, wrapped_key: bytes, expires_at_s: int
    ) -> ConsistentStatus:
        update = _Update().once(schema.KEY, {"B": wrapped_key})
        update.once(schema.EXPIRES_AT, {"N": str(expires_at_s)})
        # A late payload must not bring back the key of a turn that was shredded.
        return await self._write(turn, update.require_absent(schema.OUTCOME))

    async def record(self, event: Event, expires_at_s: int) -> ConsistentStatus:
        turn = event.key.turn
        update = _Update().once(
            schema.event_attribute(event.key.event), {"S": schema.mark_text(event.mark)}
        )
        if event.payload is not None:
            ref = event.payload.ref
            update.once(schema.ref_attribute(ref), {"S": schema.payload_sort(turn, ref)})
            update.require_absent(schema.LADEN)
        update.once(schema.EXPIRES_AT, {"N": str(expires_at_s)}).require_absent(schema.FULL)
        status, applied = await self._try(turn, update)
        if applied:
            await self._note_fullness(status)
        elif event.key.event not in status.marks:
            if not status.expires_at_s:
                raise StoreUnavailable("the turn was forgotten meanwhile; deliver this again")
            raise room.no_room(status, payload=event.payload is not None)
        return status

    async def _note_fullness(self, status: ConsistentStatus) -> None:
        """Whoever fills the item shuts it for all others, before the event is acknowledged.

        A fills it, and dies here      B is taken as well, and shuts it
        A fills it                     B is taken into the reserve, and shuts it as well
        """
        update = _Update()
        if room.is_full(status):
            update.set(schema.FULL, {"BOOL": True})
        if room.is_laden(status):
            update.set(schema.LADEN, {"BOOL": True})
        if update:
            await self._try(status.turn, update.require_present(schema.EXPIRES_AT))

    async def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> ConsistentStatus:
        # A writes the claim; its answer is lost; A repeats it and fails on its own claim. The item
        # of the failed condition shows A as the owner, so A proceeds; B sees A there and stops.
        # The expiry is not looked at: of a turn that has expired but is not swept yet no payload
        # can be read any more, so that its owner settles it as missed, and its key goes at once.
        #
        # A records the last event; the customer is forgotten; a late event makes the item anew; A
        # claims. The item has neither A's expect-speech nor its key: only a claim that demands them
        # leaves it alone.
        update = _Update().set(schema.OWNER, {"S": owner})
        update.require_absent(schema.OWNER).require_absent(schema.OUTCOME)
        update.require_present(schema.EXPIRES_AT)
        return await self._write(turn, update.require_grounds(grounds))

    async def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> ConsistentStatus:
        update = _Update().set(schema.OUTCOME, {"S": outcome.value})
        if ref is not None:
            update.set(schema.ref_attribute(ref), {"S": schema.payload_sort(turn, ref)})
        if outcome is not Outcome.EMBEDDED:
            update.remove(schema.KEY)
        update.require_absent(schema.OUTCOME).require_present(schema.EXPIRES_AT)
        if owner is None:
            update.require_absent(schema.OWNER)
        else:
            update.require_equal(schema.OWNER, {"S": owner})
        return await self._write(turn, update.require_grounds(grounds))

    async def read(self, turn: TurnKey) -> ConsistentStatus | None:
        item = await self._get(schema.status_key(turn))
        return None if item is None or self._expired(item) else schema.to_status(item)

    async def turns(self, customer: str, *, after: TurnKey | None = None) -> list[ConsistentStatus]:
        """At most TURNS_MAX.

        Raises:
            LimitExceeded: QUERY_PAGES_MAX pages of items, and no unsettled turn among them.
        """
        found: list[ConsistentStatus] = []
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#c = :c",
            "FilterExpression": "attribute_not_exists(#o)",
            "ExpressionAttributeNames": {"#c": schema.CUSTOMER, "#o": schema.OUTCOME},
            "ExpressionAttributeValues": {":c": {"S": customer}},
            "ConsistentRead": True,
            "Limit": QUERY_PAGE_ITEMS,
        }
        if after is not None:
            request["ExclusiveStartKey"] = schema.status_key(after)
        for _ in range(QUERY_PAGES_MAX):
            answer = await self._send("query", **request)
            for item in answer["Items"]:
                if schema.is_turn(item) and not self._expired(item):
                    found.append(schema.to_status(item))
            if len(found) >= TURNS_MAX or "LastEvaluatedKey" not in answer:
                return found[:TURNS_MAX]
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        if found:
            return found
        raise LimitExceeded("QUERY_PAGES_MAX", QUERY_PAGES_MAX, QUERY_PAGES_MAX + 1, "turns")

    async def link(self, turn: TurnKey, token: str, expires_at_s: int) -> None:
        update = _Update().once(schema.TURN, {"S": turn.interaction})
        update.once(schema.EXPIRES_AT, {"N": str(expires_at_s)})
        await self._send(
            "update_item",
            TableName=self._table,
            Key=schema.link_key(turn.customer, token),
            **update.arguments(),
        )

    async def follow(self, customer: str, token: str) -> TurnKey | None:
        item = await self._get(schema.link_key(customer, token))
        if item is None or self._expired(item):
            return None
        return schema.linked_turn(item)

    async def forget(self, customer: str) -> int:
        return await erase(self._send, self._table, schema.INTERACTION, customer)

    # ------------------------------------------------------------ inside

    async def _write(self, turn: TurnKey, update: _Update) -> ConsistentStatus:
        """One update; if its condition fails, the item as it is."""
        return (await self._try(turn, update))[0]

    async def _try(self, turn: TurnKey, update: _Update) -> tuple[ConsistentStatus, bool]:
        """The item after the update, and True; or False, and the item on which it failed."""
        request = {"TableName": self._table, "Key": schema.status_key(turn), **update.arguments()}
        request["ReturnValues"] = "ALL_NEW" if self._fused else "NONE"
        item: Item | None = None
        applied = True
        try:
            answer = await self._call(self._client, "update_item", **request)
            item = answer.get("Attributes") or None
        except ClientError as error:
            if code_of(error) != _CONDITION_FAILED:
                raise refused(self._client, "update_item", error) from None
            item, applied = error.response.get("Item") or None, False
        if item is None:  # not every server returns the item of a failed condition
            item = await self._get(schema.status_key(turn))
        return schema.absent(turn) if item is None else schema.to_status(item), applied

    async def _get(self, key: Item) -> Item | None:
        answer = await self._send("get_item", TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    async def _send(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return await self._call(self._client, operation, **request)
        except ClientError as error:
            raise refused(self._client, operation, error) from None

    def _expired(self, item: Item) -> bool:
        return expired(schema.expiry_s(item), self._clock.now_ms())


class _Update:
    """Builds the arguments of one UpdateItem, every name and value aliased."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._sets)

    def once(self, name: str, value: dict[str, Any]) -> _Update:
        """Set it if it is not there: the only way in which repeated events may write."""
        alias = self._alias(name)
        self._sets.append(f"{alias} = if_not_exists({alias}, {self._value(value)})")
        return self

    def set(self, name: str, value: dict[str, Any]) -> _Update:
        self._sets.append(f"{self._alias(name)} = {self._value(value)}")
        return self

    def remove(self, name: str) -> _Update:
        self._removes.append(self._alias(name))
        return self

    def require_absent(self, name: str) -> _Update:
        self._conditions.append(f"attribute_not_exists({self._alias(name)})")
        return self

    def require_present(self, name: str) -> _Update:
        """A claim or an outcome must not make an item: it would have no expiry."""
        self._conditions.append(f"attribute_exists({self._alias(name)})")
        return self

    def require_equal(self, name: str, value: dict[str, Any]) -> _Update:
        self._conditions.append(f"{self._alias(name)} = {self._value(value)}")
        return self

    def require_grounds(self, grounds: Grounds) -> _Update:
        for event in grounds.events:
            self.require_present(schema.event_attribute(event))
        for ref in grounds.refs:
            self.require_present(schema.ref_attribute(ref))
        if grounds.wrapped_key is not None:
            self.require_equal(schema.KEY, {"B": grounds.wrapped_key})
        return self

    def arguments(self) -> dict[str, Any]:
        expression = "SET " + ", ".join(self._sets)
        if self._removes:
            expression += " REMOVE " + ", ".join(self._removes)
        arguments: dict[str, Any] = {
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {alias: name for name, alias in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }
        if self._conditions:
            arguments["ConditionExpression"] = " AND ".join(self._conditions)
            arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return arguments

    def _alias(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def _value(self, value: dict[str, Any]) -> str:
        alias = f":v{len(self._values)}"
        self._values[alias] = value
        return alias
