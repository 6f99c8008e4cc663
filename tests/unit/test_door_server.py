"""The door on a real socket: slow clients, and the end, with a store in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from conftest import World, recognize
from test_door import PCM, SECOND, Door, ask_back, body_of

from ctxasr.app import Settings
from ctxasr.gateway.http import limits, server
from ctxasr.gateway.http.guard import OPEN
from ctxasr.gateway.http.http1 import Http1
from ctxasr.gateway.http.logs import LOGGER, JsonLines


class Running:
    """A door that listens; `signals` is how the process would be told to end."""

    def __init__(self, door: Door, signals: server._Signals, url: str, end: asyncio.Task[None]):
        self.door, self.signals, self.url, self.end = door, signals, url, end
        self.port = int(url.rpartition(":")[2])

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.door.tokens['customer'][0]}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False)

    async def recognise(self, client: httpx.AsyncClient) -> httpx.Response:
        sound = {"Content-Type": PCM}
        return await client.post("/v1/recognise?interaction=a", content=SECOND, headers=sound)


@asynccontextmanager
async def running(
    door: Door, buffer_bytes: int | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Running]:
    """`buffer_bytes`: how much the system takes of an answer before its client does."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    signals = server._Signals()
    told = server.Serving(Settings(), door.guard.tokens, ready.set_result, tls=tls)
    listener = server.bound("127.0.0.1", 0)
    if buffer_bytes is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    serving = server._uvicorn(listener, told, door.service, signals)
    end = asyncio.create_task(serving)
    try:
        yield Running(door, signals, await ready, end)
    finally:
        if not end.done():
            signals._came(signal.SIGTERM)
        await end
        listener.close()


async def test_a_client_that_is_slow_with_its_headers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HEADERS_S_MAX", 0.05)
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with running(door) as it, it.client() as client:
        slow = asyncio.create_task(it.recognise(client))  # slow here, not there
        await door.ear.listens.wait()
        for begun in (b"", b"GET / HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(begun)
            assert await asyncio.wait_for(reader.read(), 30) == b"", "closed, without a word"
            writer.close()
            await writer.wait_closed()
        gate.set()
        assert (await slow).status_code == 200, "its headers had come"


async def test_a_client_that_does_not_take_its_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the answer is complete and the connection idle: closing would wait as well."""
    monkeypatch.setattr(limits, "SEND_S_MAX", 0.05)
    door = Door(World())
    ends: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    lost = Http1.connection_lost

    def seen(self: Http1, error: Exception | None) -> None:
        ends.put_nowait(self.transport.get_write_buffer_limits())
        lost(self, error)

    async with running(door, buffer_bytes=2_048) as it, it.client() as client:
        await ask_back(client)
        monkeypatch.setattr(Http1, "connection_lost", seen)
        token = door.tokens["customer"][0]
        for path in ("/openapi.json", "/v1/turns/turn-1/phrases"):
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                deaf.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(deaf, ("127.0.0.1", it.port))
                head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
                await loop.sock_sendall(deaf, head.encode() * (1 if path in OPEN else 40))
                limits_bytes = await asyncio.wait_for(ends.get(), 30)
                assert limits_bytes == (0, 0), "no answer is too short to be waited for"
        monkeypatch.setattr(limits, "SEND_S_MAX", 60.0)
        assert len((await client.get("/openapi.json")).content) > 10_000, "who reads gets it all"


async def test_a_refused_client_is_not_told_to_send_its_body() -> None:
    async with running(Door(World())) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"POST /v1/recognise HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n")
        writer.write(b"Content-Length: 99999999999\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"100 Continue" not in answer
        writer.close()
        await writer.wait_closed()


async def test_without_a_token_there_is_one_request_a_connection() -> None:
    async with running(Door(World())) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.count(b"HTTP/1.1 200 ") == 1
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def logged() -> AsyncIterator[list[dict[str, object]]]:
    """What is logged meanwhile."""
    lines: list[dict[str, object]] = []
    handler, level = logging.Handler(), LOGGER.level
    handler.emit = lambda record: lines.append(json.loads(JsonLines().format(record)))  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)


async def test_a_client_that_goes_away_is_no_fault_and_its_method_no_text() -> None:
    door = Door(World())
    token = door.tokens["customer"][0]
    path = "/v1/recognise?interaction=z"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {PCM}\r\nContent-Length: 64000\r\n\r\n"
    async with logged() as lines, running(door) as it:

        async def logs_a_request(sent: bytes) -> dict[str, object]:
            lines.clear()
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            for _ in range(10_000):
                await asyncio.sleep(0)
                for line in lines:
                    if line["what"] == "request":
                        return line
            raise AssertionError(lines)

        line = await logs_a_request(head.encode() + bytes(1_000))
        assert (line["route"], line["status"]) == ("/v1/recognise", None)
        assert not [line for line in lines if line["level"] == "ERROR"]
        line = await logs_a_request(b"CALL_MEG_BAUER / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line["method"] == "-"


async def refused(it: Running) -> bool:
    """Whether new connections come to an end; until then there is a way to know why."""
    for _ in range(10_000):
        async with it.client() as late:
            try:
                answer = await late.get("/readyz")
            except httpx.TransportError:
                return True
            assert answer.json()["reason"] == "stopping"
    return False


async def test_what_was_received_is_answered_and_nobody_new_is_let_in() -> None:
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with running(door) as it, it.client() as client, it.client() as idle:
        assert (await idle.get("/v1/turns/a")).status_code == 404
        received = asyncio.create_task(it.recognise(client))
        await door.ear.listens.wait()
        it.signals._came(signal.SIGTERM)
        assert it.signals.first == signal.SIGTERM
        assert await refused(it), "the listener closes within a tick of uvicorn's"
        gate.set()
        answer = await received
        assert (answer.json()["text"], answer.json()["recorded"]) == ("power", True)
        await it.end


@pytest.mark.parametrize("again", [False, True])
async def test_the_grace_is_bounded_and_a_second_signal_ends_it(
    again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 60.0 if again else 0.05)
    door = Door(World())
    door.ear.gate = asyncio.Event()  # never set
    async with running(door) as it, it.client() as client:
        received = asyncio.create_task(it.recognise(client))
        await door.ear.listens.wait()
        it.signals._came(signal.SIGINT)
        if again:
            it.signals._came(signal.SIGINT)
        await asyncio.wait_for(it.end, 30)
        received.cancel()


async def test_what_is_broken_off_at_the_end_is_told_so() -> None:
    door, writing = Door(World()), asyncio.Event()

    async def hang(*_: object) -> None:
        writing.set()
        await asyncio.Event().wait()

    object.__setattr__(door.service.ports.store, "record", hang)
    async with running(door) as it, it.client() as client:
        sent = asyncio.create_task(client.post("/v1/records", json=body_of(recognize())))
        await writing.wait()
        for _ in "ab":
            it.signals._came(signal.SIGTERM)
        answer = await asyncio.wait_for(sent, 30)
        assert (answer.status_code, answer.json()["title"]) == (503, "Stopping")
