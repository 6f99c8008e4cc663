"""The door on a real socket: slow clients, and the end, with a store in memory."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from conftest import World
from test_door import PCM, SECOND, Door

from ctxasr.app import Settings
from ctxasr.gateway.http import limits, server


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
async def running(door: Door) -> AsyncIterator[Running]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    signals = server._Signals()
    told = server.Serving(Settings(), door.guard.tokens, ready.set_result)
    listener = server.bound("127.0.0.1", 0)
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
        assert (await idle.get("/readyz")).status_code == 200
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
