"""The event-status table on DynamoDB, and the one place where requests are repeated.

Every write is one UpdateItem that changes nothing when it is repeated, so an answer that was lost
is simply asked for again. The write returns the item as it stands after it, either in its own
answer (fused: ReturnValues=ALL_NEW, strongly consistent and free) or by a GetItem with
ConsistentRead after it.

Used of DynamoDB: GetItem, UpdateItem and Query here, PutItem, DeleteItem and BatchGetItem in the
vault. Every attribute name is aliased.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import tenacity
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as Unreachable

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import ConsistentStatus, Event, Outcome, PayloadRef, TurnKey
from ctxasr.store import schema
from ctxasr.store.schema import Item, Tables

if TYPE_CHECKING:  # ports loads numpy, which no recorder needs here
    from ctxasr.ports import Clock

ATTEMPTS_MAX: Final = 4
"""Attempts of one request. The caller's `asyncio.timeout` may end them sooner."""

BACKOFF_FIRST_S: Final = 0.02
BACKOFF_MAX_S: Final = 0.4
"""Full jitter: uniform below a bound that doubles from the first to the longest."""

TURNS_MAX: Final = 1000
"""Unsettled turns that one look at a customer returns; the next look finds the rest."""

QUERY_PAGES_MAX: Final = 400
QUERY_PAGE_ITEMS: Final = 250
"""100,000 items of one customer, all younger than their expiry."""

ITEM_BYTES_MAX: Final = 409_600
"""DynamoDB's limit for one item; about 4,000 events of one turn."""

TRANSIENT: Final = frozenset({
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
    "Throttling", "TooManyRequestsException", "LimitExceededException", "InternalServerError",
    "ServiceUnavailable", "RequestTimeout", "TransactionConflictException",
    "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException",
})  # fmt: skip
"""Answers that may be different a moment later; so is every 5xx."""

_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


def code_of(error: ClientError) -> str:
    """The short name of an error answer."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_transient(error: BaseException) -> bool:
    """Throttled, a fault of the server, or no answer at all."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in TRANSIENT or status >= 500
    return isinstance(error, (HTTPClientError, Unreachable, ConnectionError))


@dataclass(frozen=True, slots=True)
class Caller:
    """Sends one request, repeats it while that may help; what went wrong is said without quoting.

    The clients' own retries are off (`ctxasr.store.local.clients`): two layers multiply.
    """

    attempts: int = ATTEMPTS_MAX
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, client: Any, operation: str, **request: Any) -> dict[str, Any]:
        """One operation, by its method's name.

        Raises:
            StoreUnavailable: no useful answer; a write is perhaps written.
            ClientError: an answer that repeating would not change.
        """
        method = getattr(client, operation)
        try:
            async for attempt in tenacity.AsyncRetrying(
                stop=tenacity.stop_after_attempt(self.attempts),
                wait=tenacity.wait_random_exponential(BACKOFF_FIRST_S, BACKOFF_MAX_S),
                retry=tenacity.retry_if_exception(is_transient),
                sleep=self.sleep,
                reraise=True,
            ):
                with attempt:
                    answer: dict[str, Any] = await method(**request)
        except ClientError as error:
            if not is_transient(error):
                raise
            raise self._unavailable(client, operation, code_of(error)) from None
        except (BotoCoreError, ConnectionError) as error:
            raise self._unavailable(client, operation, type(error).__name__) from None
        return answer

    def _unavailable(self, client: Any, operation: str, why: str) -> StoreUnavailable:
        # Only names: the text of an answer or of a parameter error may quote the request.
        return StoreUnavailable(
            f"{client.meta.endpoint_url}: no answer to {operation} ({why}); a reachable endpoint "
            "and valid AWS settings would be right"
        )


def refused(client: Any, operation: str, error: ClientError) -> StoreUnavailable | LimitExceeded:
    """The error for an answer that is a plain no; names its code alone, never its text."""
    code = code_of(error)
    if code == "ValidationException" and "size" in str(error).lower():
        return LimitExceeded("ITEM_BYTES_MAX", ITEM_BYTES_MAX, ITEM_BYTES_MAX + 1, "item")
    hint = "; the tables would have to be made first" if code == "ResourceNotFoundException" else ""
    return StoreUnavailable(f"{client.meta.endpoint_url} refused {operation} ({code}){hint}")


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
        return await self._write(turn, update.once(schema.EXPIRES_AT, {"N": str(expires_at_s)}))

    async def claim(self, turn: TurnKey, owner: str) -> ConsistentStatus:
        # A writes the claim; its answer is lost; A repeats it and fails on its own claim. The item
        # of the failed condition shows A as the owner, so A proceeds; B sees A there and stops.
        update = _Update().set(schema.OWNER, {"S": owner})
        update.require_absent(schema.OWNER).require_absent(schema.OUTCOME)
        return await self._write(turn, update.require_present(schema.EXPIRES_AT))

    async def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
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
        return await self._write(turn, update)

    async def read(self, turn: TurnKey) -> ConsistentStatus | None:
        item = await self._get(schema.status_key(turn))
        return None if item is None or self._expired(item) else schema.to_status(item)

    async def turns(self, customer: str) -> list[ConsistentStatus]:
        """At most TURNS_MAX.

        Raises:
            LimitExceeded: more than QUERY_PAGES_MAX pages of items that are no unsettled turns.
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
        for _ in range(QUERY_PAGES_MAX):
            answer = await self._send("query", **request)
            for item in answer["Items"]:
                if schema.is_turn(item) and not self._expired(item):
                    found.append(schema.to_status(item))
            if len(found) >= TURNS_MAX or "LastEvaluatedKey" not in answer:
                return found[:TURNS_MAX]
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
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
        return TurnKey(customer, item[schema.TURN]["S"])

    # ------------------------------------------------------------ inside

    async def _write(self, turn: TurnKey, update: _Update) -> ConsistentStatus:
        """One update; if its condition fails, the item as it is."""
        request = {"TableName": self._table, "Key": schema.status_key(turn), **update.arguments()}
        request["ReturnValues"] = "ALL_NEW" if self._fused else "NONE"
        item: Item | None = None
        try:
            answer = await self._call(self._client, "update_item", **request)
            item = answer.get("Attributes") or None
        except ClientError as error:
            if code_of(error) != _CONDITION_FAILED:
                raise refused(self._client, "update_item", error) from None
            item = error.response.get("Item") or None
        if item is None:  # not every server returns the item of a failed condition
            item = await self._get(schema.status_key(turn))
        return schema.absent(turn) if item is None else schema.to_status(item)

    async def _get(self, key: Item) -> Item | None:
        answer = await self._send("get_item", TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    async def _send(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return await self._call(self._client, operation, **request)
        except ClientError as error:
            raise refused(self._client, operation, error) from None

    def _expired(self, item: Item) -> bool:
        return schema.expired(schema.expiry_s(item), self._clock.now_ms())


class _Update:
    """Builds the arguments of one UpdateItem, every name and value aliased."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []

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
        """A claim or an outcome must not create an item: it would have no expiry."""
        self._conditions.append(f"attribute_exists({self._alias(name)})")
        return self

    def require_equal(self, name: str, value: dict[str, Any]) -> _Update:
        self._conditions.append(f"{self._alias(name)} = {self._value(value)}")
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
