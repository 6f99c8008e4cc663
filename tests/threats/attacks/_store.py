"""The embedded store of `ctxasr serve` and `replay`, as others on the machine meet it: a port."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from _lab import MINE, TTL_S, Encoder, ExactAligner, HandClock, on_event, record

from ctxasr.pipeline import Ports
from ctxasr.store import schema
from ctxasr.store.clients import Clients, clients
from ctxasr.store.local import LocalAws

__all__ = ["MADE_UP", "SAID", "Store", "store", "wrapped_key"]

SAID = "call meg at the wombat inn"
MADE_UP = "local"
"""The access key that every moto takes."""


@dataclass
class Store:
    """A running store that holds one text, and the bare means of another process."""

    aws: LocalAws
    own: Clients
    """The clients of the process whose store it is."""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = str(self.aws.endpoint).removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def key(self) -> str:
        """The access key, for attackers who have got hold of it."""
        assert self.aws.endpoint.access_key is not None
        return self.aws.endpoint.access_key

    def ask(
        self,
        target: str,
        body: dict[str, Any] | bytes,
        *,
        key: str = MADE_UP,
        service: str = "dynamodb",
        path: str = "/",
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, Any, dict[str, str]]:
        """One request by a client of the attacker's own making: status, answer, headers."""
        scope = f"{key}/20261130/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        sent = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
            "Content-Type": "application/x-amz-json-1.0",
            **({"X-Amz-Target": target} if target else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read()
            told = json.loads(text) if text[:1] == b"{" else text
            return answer.status, told, {n.lower(): v for n, v in answer.getheaders()}
        finally:
            connection.close()

    def rows(self, **more: Any) -> list[dict[str, Any]]:
        """The victim's rows of texts, as far as the store gives them away; `more` as for ask()."""
        asked = {
            "TableName": self.aws.tables.payload,
            "KeyConditionExpression": "customer = :c",
            "ExpressionAttributeValues": {":c": {"S": MINE}},
        }
        status, told, _ = self.ask("DynamoDB_20120810.Query", asked, **more)
        return list(told["Items"]) if status == 200 else []


@asynccontextmanager
async def store() -> AsyncIterator[Store]:
    """The store that `ctxasr serve` starts, with one customer's utterance in it."""
    async with LocalAws() as aws, clients(aws.endpoint) as own:
        said = record("ContextText.Utterance", {"text": SAID})
        await on_event(said, _ports(aws, own))
        yield Store(aws, own)


def _ports(aws: LocalAws, own: Clients) -> Ports:
    from conftest import Spy

    from ctxasr.store.dynamodb import DynamoEventStore
    from ctxasr.store.vault import KmsVault

    clock = HandClock()
    return Ports(
        store=DynamoEventStore(own.dynamodb, aws.tables, clock),
        vault=KmsVault(own.dynamodb, own.kms, aws.tables, aws.key_alias, clock),
        encoder=Encoder(), aligner=ExactAligner(), clock=clock, telemetry=Spy(),
        process="process", payload_ttl_s=TTL_S,
    )  # fmt: skip


async def wrapped_key(there: Store) -> bytes:
    """The turn's wrapped data key, as it lies in the status table."""
    from ctxasr.events import TurnKey

    key = schema.status_key(TurnKey(MINE, "turn-1"))
    answer = await there.own.dynamodb.get_item(TableName=there.aws.tables.status, Key=key)
    return bytes(answer["Item"]["key"]["B"])
