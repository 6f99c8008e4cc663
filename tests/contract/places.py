"""The stores that must pass the contract, each with a view of its raw rows.

A test that takes `place` runs on every store but for the EXCEPTIONS; test_counts.py holds the table
to what there is. The second server, dynalite, knows no KMS: its data keys come from moto's.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ctxasr.events import PayloadRef, TurnKey
from ctxasr.ports import EventStore, PayloadVault
from ctxasr.store import schema
from ctxasr.store.caller import Caller
from ctxasr.store.clients import Clients, Endpoint, clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.faults import Fault, FaultPlan
from ctxasr.store.memory import MemoryEventStore, MemoryVault
from ctxasr.store.vault import KmsVault

STORES: Final = ("memory", "moto", "moto-explicit", "dynalite")
"""moto and dynalite fused (ReturnValues=ALL_NEW), moto also with a ConsistentRead after writes."""

NO_TRANSPORT: Final = "memory has no transport that could refuse, throttle or fall silent"
NO_REQUESTS: Final = "memory sends no requests: none to count, to bound or to look at"
NO_TABLES: Final = "memory has no tables that somebody would have to make"
NO_KMS: Final = "memory has no KMS: its data keys lie beside it, wrapped by nothing"

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("memory", "test_attempts_are_bounded"): NO_TRANSPORT,
    ("memory", "test_the_callers_timeout_ends_the_retries"): NO_TRANSPORT,
    ("memory", "test_an_outage_in_the_middle_of_forgetting"): NO_TRANSPORT,
    ("memory", "test_unprocessed_keys_are_asked_for_again_and_not_for_ever"): NO_REQUESTS,
    ("memory", "test_requests_wait_for_a_place_and_then_are_refused"): NO_REQUESTS,
    ("memory", "test_every_read_asks_for_strong_consistency"): NO_REQUESTS,
    ("memory", "test_only_the_portable_subset_is_used"): NO_REQUESTS,
    ("memory", "test_the_sweeps_query_is_paged_and_bounded"): NO_REQUESTS,
    ("memory", "test_each_fault_is_what_its_name_says"): NO_TRANSPORT,
    ("memory", "test_a_partial_answer_is_the_real_one_split"): NO_TRANSPORT,
    ("memory", "test_tables_are_made_once_and_where_ttl_is_unknown_it_is_said"): NO_TABLES,
    ("memory", "test_missing_tables_are_named"): NO_TABLES,
    ("memory", "test_a_kms_outage_is_no_answer_and_a_refusal_is_unreadable"): NO_KMS,
    ("memory", "test_old_turns_open_while_the_previous_key_is_named"): NO_KMS,
    ("memory", "test_a_data_key_under_a_foreign_kms_key_is_refused"): NO_KMS,
}
"""(store, test) -> why the test cannot run on that store."""

NOW_S: Final = 1_700_000_000

Ports = tuple[EventStore, PayloadVault]


@dataclass
class HandClock:
    """A clock that stands still until a test moves it."""

    ms: float = NOW_S * 1000.0

    def now_ms(self) -> float:
        return self.ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1000


@dataclass
class Naps:
    """Counts the waits of a `Caller` instead of waiting."""

    lengths_s: list[float] = field(default_factory=list)

    async def __call__(self, length_s: float) -> None:
        self.lengths_s.append(length_s)


class Rows(Protocol):
    """The raw tables: body and expiry in seconds of a payload's row; how many rows there are."""

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None: ...

    async def write(
        self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int
    ) -> None: ...

    async def count(self) -> tuple[int, int]:
        """Of the event-status table, of the payload table."""
        ...


class Place(Protocol):
    """One store under test."""

    kind: str
    clock: HandClock
    rows: Rows
    store: EventStore
    vault: PayloadVault
    plan: FaultPlan
    """What befell the requests of the latest peer."""
    naps: Naps
    """... and how long it would have waited."""

    async def peer(self, *faults: str, only: tuple[str, ...] | None = None) -> Ports:
        """Another process over the same tables.

        Its requests go wrong as named, in their order; `only` names the operations that may.
        """
        ...


# ---------------------------------------------------------------- in memory


class MemoryPlace:
    kind = "memory"

    def __init__(self) -> None:
        self.clock = HandClock()
        self._store, self._vault = MemoryEventStore(self.clock), MemoryVault(self.clock)
        self.store: EventStore = self._store
        self.vault: PayloadVault = self._vault
        self.rows: Rows = MemoryRows(self._store, self._vault)
        self.plan, self.naps = FaultPlan.script([]), Naps()

    async def peer(self, *faults: str, only: tuple[str, ...] | None = None) -> Ports:
        self.plan, self.naps = FaultPlan.script(faults), Naps()
        return Repeated(self._store, self.plan), Repeated(self._vault, self.plan)


class Repeated:
    """A port in memory as its callers see it after answers were lost: calls come once more.

    A fault after which a request was carried out is a repetition here; one before it is nothing.
    The port does not know operations, so `only` means nothing.
    """

    CARRIED_OUT: Final = (Fault.LOST, Fault.CLOSED, Fault.ERROR)

    def __init__(self, target: Any, plan: FaultPlan) -> None:
        self._target, self._plan = target, plan

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name in ("held_key", "drop_keys"):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            while (fault := self._plan.draw(name)) is not Fault.NONE:
                if fault in self.CARRIED_OUT:
                    await method(*args, **kwargs)
            return await method(*args, **kwargs)

        return call


@dataclass
class MemoryRows:
    store: MemoryEventStore
    vault: MemoryVault

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None:
        return self.vault.rows.get((turn.customer, schema.payload_sort(turn, ref)))

    async def write(self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int) -> None:
        self.vault.rows[turn.customer, schema.payload_sort(turn, ref)] = (body, expires_at_s)

    async def count(self) -> tuple[int, int]:
        return len(self.store), len(self.vault.rows)


# ---------------------------------------------------------------- on a server


class WirePlace:
    """A store on a DynamoDB server: its tables are made, `clients` are without faults."""

    def __init__(
        self,
        kind: str,
        endpoint: Endpoint,
        opened: Clients,
        tables: schema.Tables,
        key_alias: str,
    ) -> None:
        self.kind, self.clock = kind, HandClock()
        self.endpoint, self.clients = endpoint, opened
        self.tables, self.key_alias = tables, key_alias
        self.rows: Rows = DynamoRows(opened.dynamodb, tables)
        self.plan, self.naps = FaultPlan.script([]), Naps()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Operation and arguments of what the latest peer asked of DynamoDB."""
        self._peers = AsyncExitStack()
        self.store, self.vault = self.over(opened)

    async def peer(
        self,
        *faults: str,
        only: tuple[str, ...] | None = None,
        call: Caller | None = None,
        **vault: Any,
    ) -> Ports:
        """`vault` are arguments of KmsVault."""
        self.plan, self.naps, self.requests = FaultPlan.script(faults, only=only), Naps(), []
        opened = await self._peers.enter_async_context(clients(self.endpoint, faults=self.plan))
        asked = self.requests

        def watch(params: dict[str, Any], model: Any, **_: Any) -> None:
            asked.append((model.name, params))

        opened.dynamodb.meta.events.register("provide-client-params.dynamodb", watch)
        return self.over(opened, call or Caller(sleep=self.naps), **vault)

    def over(self, opened: Clients, call: Caller | None = None, **vault: Any) -> Ports:
        """Both ports over these clients."""
        vault = {"key_id": self.key_alias, "tables": self.tables, **vault}
        fused = self.kind != "moto-explicit"
        return (
            DynamoEventStore(opened.dynamodb, vault["tables"], self.clock, fused=fused, call=call),
            KmsVault(opened.dynamodb, opened.kms, clock=self.clock, call=call, **vault),
        )

    async def close(self) -> None:
        await self._peers.aclose()


@dataclass
class DynamoRows:
    client: Any
    tables: schema.Tables

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None:
        key = schema.payload_key(turn, ref)
        item = (await self.client.get_item(TableName=self.tables.payload, Key=key)).get("Item")
        return None if item is None else (item["body"]["B"], int(item["expires_at"]["N"]))

    async def write(self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int) -> None:
        row = {"body": {"B": body}, "expires_at": {"N": str(expires_at_s)}}
        item = {**schema.payload_key(turn, ref), **row}
        await self.client.put_item(TableName=self.tables.payload, Item=item)

    async def count(self) -> tuple[int, int]:
        status, payload = [
            (await self.client.scan(TableName=table, Select="COUNT", ConsistentRead=True))["Count"]
            for table in (self.tables.status, self.tables.payload)
        ]
        return status, payload
