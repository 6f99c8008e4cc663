"""What the attacks share: how one is carried out, the services they attack, what they can steal.

    python tests/threats/attacks/swapped_kind.py
    repelled: the reply's ciphertext does not open as a contact list

Exit code 0: repelled. 1: the attacker got through. 2: the attack itself is broken.

An attack names its mutant: (file under ctxasr/, one line of it, what stands there instead). With
that line changed it gets through; `test_attacks.py` tries both. Where there are several ways
through, GAINS is a part of what it then says.

Two places to attack: `World` of the tests' conftest, which has both tables in memory and virtual
time, and `wire()`, the DynamoDB and KMS adapters over a local server, real requests included.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, cast

TESTS: Final = Path(__file__).parents[2]
sys.path.insert(1, str(TESTS))

from conftest import (  # noqa: E402
    ANSWER,
    HEARD,
    START_MS,
    TTL_S,
    Encoder,
    ExactAligner,
    Spy,
    World,
    completed,
    recognition,
    recognize,
    record,
    run,
    turn,
)
from servers import OPERATIONS_OF_TESTS  # noqa: E402
from threats.canaries import find_canaries  # noqa: E402

from ctxasr.answer import UtteranceResult, listen, on_utterance  # noqa: E402
from ctxasr.events import PayloadRef, Record, TurnKey  # noqa: E402
from ctxasr.pipeline import Ports, on_event  # noqa: E402
from ctxasr.store import schema  # noqa: E402

__all__ = [
    "ANSWER", "HEARD", "MINE", "START_MS", "THEIRS", "TTL_S", "Door", "Encoder", "ExactAligner",
    "Gained", "HandClock", "Mutant", "Rows", "UtteranceResult", "Wire", "World", "answer",
    "carry_out", "completed", "decrypt", "door", "find_canaries", "listen", "on_event",
    "on_utterance", "recognition", "recognize", "record", "refused_by", "run", "socket_of",
    "told", "transplant", "turn", "wire",
]  # fmt: skip

SERVER_VARIABLE: Final = "CTXASR_ATTACKED_SERVER"
"""The endpoint of a server with DynamoDB and KMS, as JSON; without it `wire` starts its own."""

REPELLED: Final = 0
GOT_THROUGH: Final = 1
BROKEN: Final = 2

MINE: Final = "customer"
"""The attacker's account where the attacker is a customer; else the victim's."""

THEIRS: Final = "another"

Mutant = tuple[str, str, str]
"""File under ctxasr/, the line that is changed, and what it becomes."""


class Gained(Exception):
    """The attacker has what they came for; the message says what."""


def carry_out(
    attack: Callable[[], Coroutine[Any, Any, str]], *, real_time: bool = False
) -> NoReturn:
    """Run an attack, print how it ended, and exit.

    It returns what repelled it and raises Gained where it got through. In virtual time unless it
    needs sockets.
    """
    try:
        said = asyncio.run(attack()) if real_time else run(attack())
        code, line = REPELLED, f"repelled: {said}"
    except Gained as gained:
        code, line = GOT_THROUGH, f"GOT THROUGH: {gained}"
    except BaseException:
        traceback.print_exc()
        code, line = BROKEN, "broken: the attack could not be carried out"
    print(line, flush=True)
    sys.exit(code)


async def answer(
    ports: Ports, *heard: str, customer: str = MINE, token: str = ""
) -> UtteranceResult:
    """What an answer to turn-1 becomes: the customer's way to their own context."""
    from ctxasr.events import to_event

    opening = recognize("turn-2", token or "ask-turn-1", customer=customer, at_ms=5_000)
    event = to_event(opening, TTL_S)
    known = await listen(event, ports)
    return await on_utterance(known, recognition(*(heard or HEARD)), ports, event.key.turn)


async def refused_by(full_name: str, payload: dict[str, Any]) -> str:
    """The name of the limit that refuses this message; empty where it was recorded.

    Where it was refused, nothing may have been written, not even half of it.
    """
    from ctxasr.errors import LimitExceeded

    world = World()
    try:
        await world.deliver([record(full_name, payload)])
    except LimitExceeded as error:
        if world.vault.rows or world.store._turns or world.store._links:
            raise Gained(f"{full_name} is refused, but half of it was written") from None
        return error.name
    return ""


# ---------------------------------------------------------------- the adapters over a server


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self, now_ms: float = START_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> float:
        return self.ms

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0


Rows = dict[str, list[dict[str, Any]]]
"""All items of both tables as the low-level client speaks them, by table: 'status', 'payload'."""


@dataclass
class Wire:
    """Both adapters over real requests; `ports()` is one more process over the same tables."""

    dynamodb: Any
    kms: Any
    tables: schema.Tables
    clock: HandClock
    key_alias: str

    def ports(self, **changes: Any) -> Ports:
        from ctxasr.store.dynamodb import DynamoEventStore
        from ctxasr.store.vault import KmsVault

        kms = changes.pop("kms", self.kms)
        given: dict[str, Any] = {
            "store": DynamoEventStore(self.dynamodb, self.tables, self.clock),
            "vault": KmsVault(self.dynamodb, kms, self.tables, self.key_alias, self.clock),
            "encoder": Encoder(),
            "aligner": ExactAligner(),
            "clock": self.clock,
            "telemetry": Spy(),
            "process": "process",
            "payload_ttl_s": TTL_S,
        }
        return Ports(**(given | changes))

    async def deliver(self, records: Iterable[Any], ports: Ports | None = None) -> Ports:
        ports = ports or self.ports()
        for one in records:
            await on_event(one, ports)
        return ports

    async def dump(self) -> Rows:
        """What a thief of both tables has."""
        rows: Rows = {}
        for name, table in (("status", self.tables.status), ("payload", self.tables.payload)):
            answer = await self.dynamodb.scan(TableName=table, ConsistentRead=True)
            rows[name] = answer["Items"]
        return rows

    async def item(self, interaction: str = "turn-1", customer: str = MINE) -> dict[str, Any]:
        """The status item of a turn, raw."""
        key = schema.status_key(TurnKey(customer, interaction))
        answer = await self.dynamodb.get_item(
            TableName=self.tables.status, Key=key, ConsistentRead=True
        )
        return cast(dict[str, Any], answer["Item"])


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    """Fresh tables on the server that the environment names, or on one of our own."""
    from ctxasr.store.clients import KEY_ALIAS, Endpoint, clients
    from ctxasr.store.local import LocalAws, ensure_key, ensure_tables

    tables, given = schema.Tables.named(f"attack-{os.getpid()}"), os.environ.get(SERVER_VARIABLE)
    async with AsyncExitStack() as stack:
        if given is None:
            own = LocalAws(tables, operations=OPERATIONS_OF_TESTS)
            endpoint = (await stack.enter_async_context(own)).endpoint
        else:
            endpoint = Endpoint(**json.loads(given))
        dynamodb, kms = await stack.enter_async_context(clients(endpoint))
        await ensure_tables(dynamodb, tables)
        await ensure_key(kms)
        yield Wire(dynamodb, kms, tables, HandClock(), KEY_ALIAS)


async def transplant(aws: Wire, source: tuple[str, str], target: tuple[str, str]) -> bool:
    """Bring an utterance and its data key from one (interaction, customer) to another, and read it.

    The event's own name is the same in both, so that only the place differs.
    """
    from ctxasr.errors import PayloadUnreadable

    for interaction, customer in (source, target):
        said = {"text": f"{interaction} of {customer}"}
        one = record(
            "ContextText.Utterance", said, interaction=interaction, number="m", customer=customer
        )
        await aws.deliver([one_id(one)])
    here = TurnKey(target[1], target[0])
    rows = {
        (row["payload"]["S"].split("#")[0], row["customer"]["S"]): row
        for row in (await aws.dump())["payload"]
    }
    wrapped = (await aws.item(*source))["key"]["B"]
    answer = await aws.kms.re_encrypt(
        CiphertextBlob=bytes(wrapped),
        SourceEncryptionContext={"customer": source[1], "interaction": source[0]},
        DestinationEncryptionContext={"customer": target[1], "interaction": target[0]},
        DestinationKeyId=aws.key_alias,
    )
    status = {**await aws.item(*target), "key": {"B": answer["CiphertextBlob"]}}
    await aws.dynamodb.put_item(TableName=aws.tables.status, Item=status)
    row = {**rows[target], "body": rows[source]["body"]}
    await aws.dynamodb.put_item(TableName=aws.tables.payload, Item=row)

    ports = aws.ports()
    seen = await ports.store.read(here)
    assert seen is not None
    assert seen.wrapped_key is not None
    assert seen.wrapped_key == answer["CiphertextBlob"], "planted"
    try:
        (read,) = await ports.vault.get(seen.wrapped_key, here, sorted(seen.refs))
    except PayloadUnreadable as error:
        if "authentication" not in str(error):
            raise AssertionError("the key itself opens here") from None
        return False
    return read.texts == (f"{source[0]} of {source[1]}",)


def one_id(given: Record) -> Record:
    """The same record under the message id 'm': one place for the payload in every turn."""
    document = given.model_dump(by_alias=True, exclude_unset=True)
    for message in (document["message"].get("event"), document["message"].get("directive")):
        if message is not None:
            message["header"]["messageId"] = "m"
    return Record.model_validate(document)


# ---------------------------------------------------------------- the HTTP door


@dataclass
class Door:
    """The door of `ctxasr serve` over tables in memory; `tokens` opens it, by customer."""

    client: Any
    world: World
    tokens: dict[str, str]
    file: dict[str, str]
    """The file of tokens, as a thief of it sees it: digest to customer."""

    def headers(self, customer: str = MINE) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[customer]}"}

    async def record(self, given: Record, customer: str = MINE, **more: Any) -> Any:
        """Send a record's message as the customer whose token is used."""
        body = {"message": given.message.model_dump(by_alias=True, exclude_unset=True), **more}
        if given.service_payloads:
            body["service_payloads"] = given.service_payloads
        return await self.client.post("/v1/records", json=body, headers=self.headers(customer))


@asynccontextmanager
async def door(world: World | None = None, *, rate_per_min: int = 600) -> AsyncIterator[Door]:
    """The application and its guard, called without a socket; needs real time, for its threads."""
    import httpx

    from ctxasr.gateway.http.auth import Tokens, mint
    from ctxasr.gateway.http.guard import Guard
    from ctxasr.gateway.http.routes import BODY_BYTES_MAX, application
    from ctxasr.gateway.http.service import Service

    world, tokens, grants, file = world or World(), {}, {}, {}
    for customer in (MINE, THEIRS):
        tokens[customer], line = mint(customer)
        digest = line.split('"')[1]
        grants[digest], file[digest] = grant(customer), customer

    class Deaf:
        def close(self) -> None:
            """Nothing is recognised here."""

    service = Service(world.ports, cast(Any, Deaf))
    guard = Guard(
        application(service), Tokens(grants), world.clock,
        body_bytes_max=BODY_BYTES_MAX, rate_per_min=rate_per_min,
    )  # fmt: skip
    transport = httpx.ASGITransport(cast(Any, guard), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        yield Door(client, world, tokens, file)
    await service.close()


@asynccontextmanager
async def socket_of(front: Door) -> AsyncIterator[int]:
    """The door behind a port of loopback, as `ctxasr serve` opens it; yields the port."""
    import uvicorn

    from ctxasr.gateway.http import server
    from ctxasr.gateway.http.connection import Connection
    from ctxasr.gateway.http.places import Places

    guard: Any = front.client._transport.app
    kind: Any = partial(Connection, Places(), None)
    config = uvicorn.Config(guard, http=kind, ws="none", lifespan="off", log_config=None)
    listener = server.bound("127.0.0.1", 0)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = server._Server(config, ready.set_result, "http")
    serving = asyncio.create_task(running.serve([listener]))
    try:
        yield int((await ready).rpartition(":")[2])
    finally:
        running.should_exit = running.force_exit = True
        await serving
        listener.close()


async def told(port: int, sent: bytes, wait_s: float = 10.0) -> bytes:
    """What a connection is answered until it is closed, or until it is waited for no longer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = bytearray()
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(wait_s):
            while piece := await reader.read(65_536):
                answer += piece
    writer.close()
    return bytes(answer)


def grant(customer: str) -> Any:
    """Whom a token names."""
    from ctxasr.gateway.http.auth import Grant

    return Grant(customer=customer)


# ---------------------------------------------------------------- what a thief does at home


def decrypt(key: bytes, row: dict[str, Any]) -> bytes | None:
    """A payload row under a data key; all but the key is public. None if it does not open."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    interaction, kind, number = row[schema.PAYLOAD]["S"].rsplit("#", 2)
    here = TurnKey(row[schema.CUSTOMER]["S"], interaction)
    ref = PayloadRef.parse(f"{kind}#{number}")
    body, expires_at_s = bytes(row[schema.BODY]["B"]), schema.expiry_s(row)
    nonce, sealed = body[1 : 1 + schema.NONCE_BYTES], body[1 + schema.NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, schema._associated(here, ref, expires_at_s))
    except InvalidTag:
        return None
