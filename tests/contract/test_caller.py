"""The one place where requests are repeated, at its edges; and dropped connections on sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from conftest import run

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.store import clients as clients_module
from ctxasr.store.caller import (
    ATTEMPTS_MAX,
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    CALL_S_MAX,
    IN_FLIGHT_MAX,
    WAITING_MAX,
    Caller,
    refused,
)
from ctxasr.store.clients import Endpoint, clients

from .places import Naps

LATE = ReadTimeoutError(endpoint_url="http://127.0.0.1:1")


class Client:
    """Stands for a client; `ask` is its one operation."""

    class meta:  # noqa: N801
        endpoint_url = "http://127.0.0.1:1"

    def __init__(self, ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self.ask = ask


async def test_places_and_waiting_are_bounded() -> None:
    """Exactly IN_FLIGHT_MAX are sent, WAITING_MAX wait; one more is refused at once."""
    inside, open_door = 0, asyncio.Event()

    async def ask() -> dict[str, Any]:
        nonlocal inside
        inside += 1
        await open_door.wait()
        return {}

    async def settled() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    call, client = Caller(), Client(ask)
    taken = [asyncio.create_task(call(client, "ask")) for _ in range(IN_FLIGHT_MAX + WAITING_MAX)]
    await settled()
    assert inside == IN_FLIGHT_MAX
    with pytest.raises(StoreUnavailable, match=f"WAITING_MAX is {WAITING_MAX}"):
        await call(client, "ask")
    taken[-1].cancel()  # whoever gives up makes room for one
    await settled()
    one_more = asyncio.create_task(call(client, "ask"))
    await settled()
    with pytest.raises(StoreUnavailable):
        await call(client, "ask")
    open_door.set()
    assert await asyncio.gather(*taken[:-1], one_more) == [{}] * (IN_FLIGHT_MAX + WAITING_MAX)
    assert inside == IN_FLIGHT_MAX + WAITING_MAX
    assert await call(client, "ask") == {}, "all places are free again"


@pytest.mark.parametrize(("attempt_s", "attempts"), [(0.0, 4), (4.0, 4), (4.001, 3), (12.001, 1)])
def test_no_attempt_begins_too_late(
    attempt_s: float, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In virtual time; without back-off the fourth would begin at three times the first."""
    monkeypatch.setattr("ctxasr.store.caller.BACKOFF_MAX_S", 0.0)
    assert (CALL_S_MAX, ATTEMPTS_MAX) == (12.0, 4), "the cases above are made for these"
    begun = 0

    async def ask() -> dict[str, Any]:
        nonlocal begun
        begun += 1
        await asyncio.sleep(attempt_s)
        raise LATE

    async def main() -> None:
        with pytest.raises(StoreUnavailable, match="ReadTimeoutError"):
            await Caller()(Client(ask), "ask")

    run(main())
    assert begun == attempts


async def test_back_off_is_full_jitter_under_a_doubling_bound() -> None:
    random.seed(1)

    async def ask() -> dict[str, Any]:
        raise LATE

    bounds = [min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**at) for at in range(8)]
    longest, shortest = [0.0] * 8, [1.0] * 8
    for _ in range(200):
        naps = Naps()
        with pytest.raises(StoreUnavailable):
            await Caller(attempts=9, sleep=naps)(Client(ask), "ask")
        longest = list(map(max, longest, naps.lengths_s))
        shortest = list(map(min, shortest, naps.lengths_s))
    assert all(high <= bound for high, bound in zip(longest, bounds, strict=True))
    assert all(high > 0.9 * bound for high, bound in zip(longest, bounds, strict=True))
    assert all(low < 0.1 * bound for low, bound in zip(shortest, bounds, strict=True))


@pytest.mark.parametrize("error", [LATE, TimeoutError(), ConnectionResetError(), OSError(9, "x")])
async def test_what_a_transport_lets_through_is_perhaps_written(error: Exception) -> None:
    begun = 0

    async def ask() -> dict[str, Any]:
        nonlocal begun
        begun += 1
        raise error

    with pytest.raises(StoreUnavailable, match=type(error).__name__):
        await Caller(sleep=Naps())(Client(ask), "ask")
    assert begun == ATTEMPTS_MAX


async def test_what_is_no_fault_of_the_server_is_not_repeated() -> None:
    begun = 0

    async def ask() -> dict[str, Any]:
        nonlocal begun
        begun += 1
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await Caller()(Client(ask), "ask")
    assert begun == 1


@pytest.mark.parametrize(
    ("code", "message", "named"),
    [
        ("ValidationException", "Item size has exceeded the maximum allowed size", True),
        ("ValidationException", "Item size to update has exceeded the maximum allowed size", True),
        ("ValidationException", "Size of hashkey has exceeded the maximum size limit", False),
        ("ValidationException", "ExpressionAttributeValues size exceeded: item-1", False),
        ("AccessDeniedException", "Item size has exceeded the maximum allowed size", False),
    ],
)
def test_only_an_item_that_is_too_long_is_called_so(code: str, message: str, named: bool) -> None:
    answer = ClientError({"Error": {"Code": code, "Message": message}}, "PutItem")
    error = refused(Client(asyncio.Event().wait), "put_item", answer)  # type: ignore[arg-type]
    assert isinstance(error, LimitExceeded if named else StoreUnavailable)
    assert message not in str(error), "it may quote the request"


# ---------------------------------------------------------------- sockets

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"

WAYS: dict[str, tuple[bytes, str]] = {
    "closed without an answer": (b"", "close"),
    "reset": (b"", "abort"),
    "cut in the head": (HEAD[:20], "close"),
    "cut in the body": (HEAD + b"Content-Length: 90\r\n\r\n{", "close"),
    "no HTTP": (b"nonsense\r\n\r\n", "keep"),
    "a page": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", "keep"),
    "silence": (b"", "keep"),
}
"""What is answered, and what becomes of the connection."""


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_that_breaks_is_perhaps_written(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real sockets: whatever aiohttp and aiobotocore make of it, it is asked again."""
    monkeypatch.setattr(clients_module, "READ_TIMEOUT_S", 0.1)
    (answer, then), asked, connections = WAYS[way], 0, set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                asked += 1
                writer.write(answer)
                if then == "abort":
                    writer.transport.abort()
                elif then == "close":
                    writer.close()
        writer.close()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(talk(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with clients(Endpoint(url, None, "us-east-1", "local", "local")) as (dynamodb, _):
            with pytest.raises(StoreUnavailable):
                await Caller(sleep=Naps())(dynamodb, "list_tables")
        await asyncio.gather(*connections)
        assert asked == ATTEMPTS_MAX
