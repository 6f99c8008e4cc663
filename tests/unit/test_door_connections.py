"""Connections before their first request: TLS handshakes, and how much is taken at once."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import World
from hyperframe.frame import DataFrame
from integration.certificates import certificate
from test_door import PCM, SECOND, Door
from test_door_http1 import CHUNKED, POST, ended, exchange, head, idle
from test_door_http2 import connected
from test_door_server import Running, running

from ctxasr.gateway.http import limits, server
from ctxasr.gateway.http.http1 import Http1
from ctxasr.gateway.http.http2 import Http2
from ctxasr.gateway.http.places import Place, Places


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The door's context, and one of clients that trust it."""
    paths: tuple[Path, Path] = certificate(tmp_path)
    return server.tls_context(*paths), ssl.create_default_context(cafile=str(paths[0]))


async def health(it: Running, client: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port, ssl=client)
    writer.write(head(b"Connection: close"))
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a ClientHello."""


@pytest.mark.parametrize("begun", [b"", HELLO])
async def test_handshakes_under_way_have_places_of_their_address(
    begun: bytes,
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_OF_ADDRESS_MAX", 8)
    places = Places()
    monkeypatch.setattr(server, "Places", lambda: places)
    async with running(Door(World()), tls=tls[0]) as it:
        silent = await idle(it, 3 * limits.CONNECTIONS_OF_ADDRESS_MAX)
        for _, writer in silent:
            writer.write(begun)
        for _ in "ab":
            assert (await health(it, tls[1])).startswith(b"HTTP/1.1 200 ")
        assert len(places) <= limits.CONNECTIONS_OF_ADDRESS_MAX
        for reader, _ in silent[: 2 * limits.CONNECTIONS_OF_ADDRESS_MAX]:
            assert await asyncio.wait_for(ended(reader), 30), "the oldest made room"
        for _, writer in silent:
            writer.close()


class Watched(Places):
    def __init__(self) -> None:
        super().__init__()
        self.nobody = asyncio.Event()

    def take(self, address: str, end: Callable[[], object]) -> Place | None:
        self.nobody.clear()
        return super().take(address, end)

    def leave(self, place: Place) -> None:
        super().leave(place)
        if not len(self):
            self.nobody.set()


async def test_a_handshake_that_fails_or_does_not_end_leaves_its_place(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S_MAX", 0.2)
    places = Watched()
    monkeypatch.setattr(server, "Places", lambda: places)
    async with running(Door(World()), tls=tls[0]) as it:
        for begun in (b"", HELLO, head()):  # silent, slow, and no TLS at all
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(begun)
            answer = await asyncio.wait_for(reader.read(), 30)
            assert b"HTTP" not in answer
            writer.close()
        _, gone = await asyncio.open_connection("127.0.0.1", it.port)
        gone.close()
        assert (await health(it, tls[1])).startswith(b"HTTP/1.1 200 ")
        await asyncio.wait_for(places.nobody.wait(), 30)


async def test_the_end_does_not_wait_for_handshakes(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with running(Door(World()), tls=tls[0]) as it:
        ((reader, writer),) = await idle(it, 1)
        assert (await health(it, tls[1])).startswith(b"HTTP/1.1 200 ")
        began_s = asyncio.get_running_loop().time()
        it.signals._came(2)
        await it.end
        assert asyncio.get_running_loop().time() - began_s < limits.HANDSHAKE_S_MAX
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("chosen", ["h2", "http/1.1"])
async def test_the_end_does_not_wait_for_a_client_that_does_not_say_goodbye(
    chosen: str, tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_S_MAX", 0.05)
    monkeypatch.setattr(limits, "KEEP_ALIVE_S", 600)
    tls[1].set_alpn_protocols([chosen])
    async with running(Door(World()), tls=tls[0]) as it:

        def silent() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", it.port))
            return tls[1].wrap_socket(plain, server_hostname="127.0.0.1")

        with await asyncio.to_thread(silent) as client:
            assert client.selected_alpn_protocol() == chosen
            began_s = asyncio.get_running_loop().time()
            it.signals._came(15)
            await it.end
            assert asyncio.get_running_loop().time() - began_s < limits.GRACE_S / 2


# ---------------------------------------------------------------- at once

SIZE = 200_000
ONE_BYTE = {
    "chunks": (Http1, head(CHUNKED, first=POST) + b"1\r\na\r\n" * (SIZE // 6) + b"0\r\n\r\n"),
    "extensions": (Http1, head(CHUNKED, first=POST) + (b"1;" + b"x" * 9_000 + b"\r\na\r\n") * 20),
}


class Rounds:
    """How much a protocol gets, by the round of the event loop."""

    def __init__(self, kind: type[Http1] | type[Http2], patch: pytest.MonkeyPatch) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.round = 0
        took, loop = kind.data_received, asyncio.get_running_loop()

        def seen(protocol: Http1 | Http2, data: bytes) -> None:
            if not self.sizes:
                loop.call_soon(self._next)
            self.sizes.append((self.round, len(data)))
            took(protocol, data)  # type: ignore[arg-type]

        patch.setattr(kind, "data_received", seen)

    def _next(self) -> None:
        self.round += 1
        asyncio.get_running_loop().call_soon(self._next)

    def check(self, at_least: int) -> None:
        assert sum(size for _, size in self.sizes) >= at_least, "all of it"
        assert max(size for _, size in self.sizes) <= limits.PIECE_BYTES_MAX
        rounds = [number for number, _ in self.sizes]
        assert len(set(rounds)) == len(rounds), "the others have their turn between two pieces"


@pytest.mark.parametrize("how", ONE_BYTE)
async def test_chunks_that_come_at_once_are_taken_in_pieces(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, sent = ONE_BYTE[how]
    async with running(Door(World())) as it:
        rounds = Rounds(kind, monkeypatch)
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(sent)
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 401 ")
        writer.close()
        rounds.check(limits.PIECE_BYTES_MAX + 1)


async def test_frames_that_come_at_once_are_taken_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Door(World())) as it, connected(it) as client:
        rounds = Rounds(Http2, monkeypatch)
        number = client.ask("/v1/records", method="POST", end=False)
        frame = DataFrame(number)
        frame.data = b"a"
        client.writer.write(frame.serialize() * 5_000)
        frame.flags.add("END_STREAM")
        client.writer.write(frame.serialize())
        while number not in client.ended:
            await client.read_some()
        assert client.status[number] == 422
        rounds.check(50_000)


async def test_a_body_in_many_pieces_arrives_whole() -> None:
    """Also where the client sends no more, and another request follows."""
    async with running(Door(World())) as it:
        given = b'{"a": "' + b"x" * SIZE + b'"}'
        token = it.door.tokens["customer"][0].encode()
        lines = (b"Authorization: Bearer " + token, b"Content-Length: %d" % len(given))
        answer = await exchange(it, head(*lines, first=POST) + given + head(b"Connection: close"))
        assert answer.count(b"HTTP/1.1 422 ") == 1
        assert answer.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("size", [120_000, limits.HEADER_BYTES_MAX + limits.PIECE_BYTES_MAX])
@pytest.mark.parametrize("where", ["trailers", "extension"])
async def test_what_belongs_to_no_body_is_bounded_in_it(size: int, where: str) -> None:
    long = b"x" * size
    body = b"0\r\nx: " + long + b"\r\n\r\n" if where == "trailers" else b"1;" + long + b"\r\na\r\n"
    async with running(Door(World())) as it:
        answer = await exchange(it, head(CHUNKED, first=POST) + body)
        assert answer.startswith(b"HTTP/1.1 431 "), answer[:300]
        assert answer.count(b"HTTP/1.1 ") == 1


async def half_closed(it: Running, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    writer.write(sent)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


async def test_who_has_sent_all_and_says_so_still_gets_the_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "KEEP_ALIVE_S", 600)  # nobody waits for the next request
    door = Door(World())
    async with running(door) as it:
        assert (await half_closed(it, head())).startswith(b"HTTP/1.1 200 ")
        known = b"Authorization: Bearer " + door.tokens["customer"][0].encode()
        ping = head(known, first=b"GET /ping HTTP/1.1")
        assert (await half_closed(it, ping * 3)).count(b"HTTP/1.1 204 ") == 3
        sound = (b"Content-Type: " + PCM.encode(), b"Content-Length: %d" % len(SECOND))
        recognise = b"POST /v1/recognise?interaction=a HTTP/1.1"
        answer = await half_closed(it, head(known, *sound, first=recognise) + SECOND)
        assert b'"power"' in answer
        cut = await half_closed(it, head(known, *sound, first=recognise) + SECOND[:-1])
        assert cut == b"", "it has gone away inside its body"
