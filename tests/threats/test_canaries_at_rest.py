"""The threat: whoever takes the tables, or the logs at their loudest level, reads what was said."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from servers import OPERATIONS_OF_TESTS

from ctxasr.events import Outcome, Record, TurnKey, to_event
from ctxasr.record import record
from ctxasr.store.clients import KEY_ALIAS, Clients, clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.local import LocalAws
from ctxasr.store.vault import KmsVault

from .canaries import find_canaries

NOW_S = 1_700_000_000
CANARIES = [
    "Meg Bauer-Canary", "do you mean Zoë Canary?", "call my canary now", "Rue du Canari 7",
    "slot_of_canaries", "カナリア鳥です", "contact-canary",
]  # fmt: skip


class Clock:
    def now_ms(self) -> float:
        return NOW_S * 1000.0

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1000


class Lines(logging.Handler):
    """Keeps what was logged, arguments and exceptions included."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logs() -> Iterator[Lines]:
    """Everything that any logger says at DEBUG."""
    root, lines, before = logging.getLogger(), Lines(), logging.getLogger().level
    changed = []
    for name in ("botocore", "aiobotocore", "boto3", "aioboto3", "moto", "werkzeug", "aiohttp"):
        logger = logging.getLogger(name)
        changed.append((logger, logger.level))
        logger.setLevel(logging.DEBUG)
    root.setLevel(logging.DEBUG)
    root.addHandler(lines)
    yield lines
    root.removeHandler(lines)
    root.setLevel(before)
    for logger, level in changed:
        logger.setLevel(level)


@pytest.fixture
async def aws(logs: Lines) -> AsyncIterator[Clients]:
    async with (
        LocalAws(operations=OPERATIONS_OF_TESTS) as server,
        clients(server.endpoint) as opened,
    ):
        yield opened


def messages() -> list[dict[str, Any]]:
    """One message for each way in which a text reaches the tables."""
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("ContextText.Utterance", {"text": CANARIES[2]}),
        ("ContextText.Reply", {"text": CANARIES[1], "durationInMilliseconds": 900}),
        ("ContextText.Entities", {"kind": CANARIES[6], "values": [CANARIES[0], CANARIES[5]]}),
        ("ContextText.ScreenList", {"items": [CANARIES[3]]}),
        ("Dialog.ElicitSlot", {"slotToElicit": CANARIES[4]}),
        ("SpeechRecognizer.ExpectSpeech", {
            "timeoutInMilliseconds": 8000,
            "initiator": {"type": "ctxasr", "payload": {"token": "opaque"}},
        }),
        ("SpeechSynthesizer.Speak", {
            "url": "cid:1", "format": "AUDIO_MPEG", "token": "t",
            "caption": {"content": CANARIES[1]},
        }),
    ]  # fmt: skip
    made = []
    for number, (full_name, body) in enumerate(bodies):
        namespace, name = full_name.split(".")
        header = {"namespace": namespace, "name": name, "messageId": f"m{number}",
                  "dialogRequestId": "turn-1"}  # fmt: skip
        made.append({"directive": {"header": header, "payload": body}})
    return made


async def write_a_dialogue(store: DynamoEventStore, vault: KmsVault) -> None:
    """All canaries, through the adapters; read back too, as reading logs as well."""
    turn, expires_at_s = TurnKey("customer", "turn-1"), NOW_S + 600
    for message in messages():
        given = Record.model_validate(
            {"customer": "customer", "received_at": NOW_S * 1000, "message": message}
        )
        status = await record(to_event(given, 600), store, vault, expires_at_s)
    assert status.wrapped_key is not None
    read = await vault.get(status.wrapped_key, turn, sorted(status.refs))
    texts = {text for one in read for text in (*one.texts, one.label)}
    assert texts >= set(CANARIES), "all canaries went in and came out"
    await store.claim(turn, "m5")
    await store.settle(turn, Outcome.EMBEDDED, owner="m5")
    assert await store.read(turn) is not None
    assert len(await store.turns("customer")) == 0


async def dump(dynamodb: Any) -> bytes:
    """All items of all tables: names, strings, and binary values as they are."""
    parts: list[bytes] = []
    for table in (await dynamodb.list_tables())["TableNames"]:
        for item in (await dynamodb.scan(TableName=table, ConsistentRead=True))["Items"]:
            for name, typed in item.items():
                ((_, value),) = typed.items()
                raw = value if isinstance(value, bytes) else str(value).encode()
                parts += [name.encode(), raw]
    return b"\n".join(parts)


async def test_no_text_lies_in_the_tables_or_the_logs(aws: Clients, logs: Lines) -> None:
    store = DynamoEventStore(aws.dynamodb, _tables(), Clock())
    vault = KmsVault(aws.dynamodb, aws.kms, _tables(), KEY_ALIAS, Clock())
    await write_a_dialogue(store, vault)
    items = await dump(aws.dynamodb)
    assert items.count(b"ref#") == 6, "the dump holds what was written"
    assert b"body" in items
    assert find_canaries(items, CANARIES) == []
    said = "\n".join(logs.lines).encode()
    assert b"UpdateItem" in said, "the logs were listened to"
    assert find_canaries(said, CANARIES) == []


async def test_no_data_key_lies_in_the_logs(aws: Clients, logs: Lines) -> None:
    """A logged data key and a stolen table are the text."""
    turn = TurnKey("customer", "turn-1")
    writer = KmsVault(aws.dynamodb, aws.kms, _tables(), KEY_ALIAS, Clock())
    reader = KmsVault(aws.dynamodb, aws.kms, _tables(), KEY_ALIAS, Clock())
    wrapped = await writer.new_key(turn)
    key = await reader._data_key(wrapped, turn)
    said = "\n".join(logs.lines)
    assert len(said) > 1000, "the logs were listened to"
    assert base64.b64encode(key).decode() not in said
    assert key.hex() not in said
    assert repr(key) not in said


def _tables() -> Any:
    return LocalAws().tables


# ---------------------------------------------------------------- the checker itself


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", range(4))
def test_the_checker_finds_every_form(canary: str, encoding: str, before: int) -> None:
    hidden = secrets.token_bytes(before) + canary.encode(encoding) + secrets.token_bytes(5)
    for blob in (hidden, base64.b64encode(hidden), base64.urlsafe_b64encode(hidden)):
        noise = secrets.token_bytes(50)
        found = find_canaries(noise + blob + noise, [*CANARIES, "something else"])
        assert {one.canary for one in found} == {canary}


def test_the_checker_finds_json_and_hex_and_nothing_else() -> None:
    assert find_canaries(rb'{"a": "Zo\u00eb said"}', ["Zoë said"])[0].form == "json"
    assert find_canaries("Zoë said".encode().hex().encode(), ["Zoë said"])[0].form == "utf-8 hex"
    assert find_canaries(secrets.token_bytes(100_000), CANARIES) == []
    with pytest.raises(AssertionError, match="too few"):
        find_canaries(b"", ["short"])
