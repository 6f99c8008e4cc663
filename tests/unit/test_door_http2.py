"""The door over HTTP/2: requests, bodies, slow and hostile clients, and the end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from conftest import World, recognize
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import FrameTooLargeError, ProtocolError
from hyperframe.frame import GoAwayFrame, SettingsFrame
from test_door import PCM, SECOND, Door, ask_back, body_of
from test_door_server import Running, logged, running

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.frames import PREFACE, Frames
from ctxasr.gateway.http.guard import CHANNEL_PATH
from ctxasr.gateway.http.problems import Problem

Headers = list[tuple[str, str]]


class Client:
    """One connection with prior knowledge; `reads` false: it takes no credit back for answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str):
        self.reader, self.writer, self.token = reader, writer, token
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.reads = True
        self.status: dict[int, int] = {}
        self.headers: dict[int, dict[str, str]] = {}
        self.body: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.told_to_send: set[int] = set()
        self.reset: dict[int, int] = {}
        self.goaway: int | None = None
        self.closed = False

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def ask(self, path: str, *more: tuple[str, str], method: str = "GET", end: bool = True) -> int:
        number = self.h2.get_next_available_stream_id()
        headers: Headers = [
            (":method", method), (":path", path), (":scheme", "http"), (":authority", "door"),
            ("authorization", f"Bearer {self.token}"), *more,
        ]  # fmt: skip
        self.h2.send_headers(number, headers, end_stream=end)
        self.flush()
        return number

    async def post(self, path: str, body: bytes, kind: str = "application/json") -> int:
        number = self.ask(path, ("content-type", kind), method="POST", end=False)
        while body:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                await self.read_some()
                continue
            self.h2.send_data(number, body[:room])
            self.flush()
            body = body[room:]
        self.h2.end_stream(number)
        self.flush()
        return number

    async def read_some(self) -> None:
        data = await asyncio.wait_for(self.reader.read(65_536), 30)
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            match event:
                case ResponseReceived(stream_id=int(number), headers=headers):
                    self.headers[number] = {str(k): str(v) for k, v in headers or ()}
                    self.status[number] = int(self.headers[number][":status"])
                case InformationalResponseReceived(stream_id=int(number)):
                    self.told_to_send.add(number)
                case DataReceived(stream_id=int(number), data=part):
                    self.body[number] = self.body.get(number, b"") + (part or b"")
                    if self.reads and event.flow_controlled_length:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, number)
                case StreamEnded(stream_id=int(number)):
                    self.ended.add(number)
                case StreamReset(stream_id=int(number)):
                    self.reset[number] = int(event.error_code)
                case ConnectionTerminated():
                    self.goaway = int(event.error_code or 0)
        self.flush()

    async def answer(self, number: int) -> tuple[int, bytes]:
        while number not in self.ended and not self.closed:
            await self.read_some()
        return self.status[number], self.body.get(number, b"")

    async def end(self) -> None:
        """Read on until the connection is closed."""
        while not self.closed:
            try:
                await self.read_some()
            except (ConnectionError, ProtocolError):
                return


@asynccontextmanager
async def connected(it: Running, token: str | None = None) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    client = Client(reader, writer, token or it.door.tokens["customer"][0])
    client.flush()
    try:
        yield client
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_dialogue_over_one_connection() -> None:
    door = Door(World())
    async with running(door) as it, connected(it) as client:
        async with it.client() as service:  # HTTP/1.1, at the same port
            await ask_back(service)
        sound = await client.post("/v1/recognise?interaction=d2&token=ask-turn-1", SECOND * 8, PCM)
        other = client.ask("/v1/turns/turn-1")
        assert (await client.answer(other))[0] == 200
        status, body = await client.answer(sound)
        assert (status, json.loads(body)["text"]) == (200, "meg bauer")
        ping = client.ask("/ping")
        assert await client.answer(ping) == (204, b"")
        assert client.headers[ping]["cache-control"] == "no-store"
        assert "connection" not in client.headers[ping]
        missing = client.ask("/v1/turns/none", method="HEAD")
        assert (await client.answer(missing))[1] == b""
        large = client.ask("/openapi.json")
        status, body = await client.answer(large)
        assert (status, len(json.loads(body)["paths"]) > 10) == (200, True)
        await client.end()
        assert client.goaway == ErrorCodes.NO_ERROR, "one request for anybody ends the connection"


async def test_many_requests_at_once_and_their_bodies() -> None:
    """Several bodies that are larger than the windows together, in pieces that alternate."""
    async with running(Door(World())) as it, connected(it) as client:
        numbers = [
            client.ask(
                "/v1/records", ("content-type", "application/json"), method="POST", end=False
            )
            for _ in range(6)
        ]
        body = json.dumps(body_of(recognize())).encode().ljust(200_000)
        sent = dict.fromkeys(numbers, 0)
        while any(at < len(body) for at in sent.values()):
            moved = False
            for number, at in sent.items():
                room = min(client.h2.local_flow_control_window(number), 16_384, len(body) - at)
                if room > 0:
                    client.h2.send_data(number, body[at : at + room])
                    sent[number] += room
                    moved = True
            client.flush()
            if not moved:
                await client.read_some()
        for number in numbers:
            client.h2.end_stream(number)
        client.flush()
        assert [(await client.answer(number))[0] for number in numbers] == [200] * 6


async def test_without_a_token_a_body_is_refused_and_the_others_go_on() -> None:
    async with running(Door(World())) as it, connected(it) as client:
        known, client.token = client.token, "nobody"
        refused = client.ask("/v1/recognise", method="POST", end=False)
        client.h2.send_data(refused, bytes(16_384))
        client.flush()
        client.token = known
        while refused not in client.status:
            await client.read_some()
        assert client.status[refused] == 401
        await client.end()
        assert client.goaway == ErrorCodes.NO_ERROR, "closed: its body was not read"


@pytest.mark.parametrize("how", ["one header", "many headers", "a long target"])
async def test_heads_are_bounded(how: str) -> None:
    more = {
        "one header": [("x", "y" * limits.HEADER_BYTES_MAX)],
        "many headers": [(f"x{n}", "y") for n in range(limits.HEADERS_MAX + 1)],
        "a long target": [],
    }[how]
    path = "/ping" + ("?" + "x" * limits.TARGET_BYTES_MAX if how == "a long target" else "")
    async with running(Door(World())) as it, connected(it) as client:
        number = client.ask(path, *more)
        await client.answer(number) if how != "one header" else await client.end()
        assert client.status.get(number) == {"many headers": 431, "a long target": 414}.get(how)
        if how == "one header":
            assert client.goaway is not None


async def is_cut_off(it: Running, client: Client, frames: Callable[[], object]) -> bool:
    """Whether the door ends a connection that goes on so; others are served meanwhile."""
    async with logged() as lines:
        with suppress(ConnectionError, ProtocolError):
            for _ in range(10_000):
                frames()
                client.flush()
                await client.writer.drain()
                await asyncio.sleep(0)
                if client.writer.is_closing() or client.reader.at_eof():
                    break
        await client.end()
    async with it.client() as other:
        assert (await other.get("/healthz")).status_code == 200
    return [one["error"] for one in lines if one["what"] == "HTTP/2 broken off"] == ["flood"]


async def test_a_client_that_takes_back_what_it_asks_is_cut_off() -> None:
    async with running(Door(World())) as it, connected(it) as client:

        def ask_and_reset() -> None:
            client.h2.reset_stream(client.ask("/v1/turns/none"), ErrorCodes.CANCEL)

        assert await is_cut_off(it, client, ask_and_reset)


@pytest.mark.parametrize("kind", ["ping", "settings", "window", "empty data"])
async def test_a_client_that_sends_nothing_but_frames_is_cut_off(kind: str) -> None:
    async with running(Door(World())) as it, connected(it) as client:
        number = client.ask("/v1/records", method="POST", end=False)
        frames: dict[str, Callable[[], object]] = {
            "ping": lambda: client.h2.ping(b"12345678"),
            "settings": lambda: client.h2.update_settings({4: 70_000}),
            "window": lambda: client.h2.increment_flow_control_window(1),
            "empty data": lambda: client.h2.send_data(number, b""),
        }
        assert await is_cut_off(it, client, frames[kind])


async def test_who_waits_to_be_told_to_send_is_told() -> None:
    body = json.dumps({"interaction": "d1", "hypotheses": [{"text": "call meg"}]}).encode()
    more = ("content-type", "application/json"), ("expect", "100-continue")
    async with running(Door(World())) as it, connected(it) as client:
        number = client.ask("/v1/utterances", *more, method="POST", end=False)
        while number not in client.told_to_send:
            await client.read_some()
        client.h2.send_data(number, body, end_stream=True)
        client.flush()
        assert (await client.answer(number))[0] == 200
        refused = client.ask("/v1/none", *more, method="POST", end=False)
        assert (await client.answer(refused))[0] == 404
        assert refused not in client.told_to_send, "nobody reads its body"


async def test_who_says_goodbye_still_gets_the_answers() -> None:
    """GOAWAY before the end of a body: no more streams, but what was asked is answered."""
    body = json.dumps({"interaction": "d1", "hypotheses": [{"text": "call meg"}]}).encode()
    async with running(Door(World())) as it, connected(it) as client:
        number = client.ask(
            "/v1/utterances", ("content-type", "application/json"), method="POST", end=False
        )
        client.writer.write(GoAwayFrame(0).serialize())
        client.h2.send_data(number, body, end_stream=True)
        client.flush()
        status, answer = await client.answer(number)
        assert (status, json.loads(answer)["text"]) == (200, "call meg")
        await client.end()
        assert client.goaway == ErrorCodes.NO_ERROR


NO_FRAMES = {
    "HTTP/1.1": b"GET / HTT",
    "zeros": bytes(9),
    "a frame that is too long": (limits.FRAME_BYTES_MAX + 1).to_bytes(3) + bytes(6),
    "the same behind others": (b"\0\0\0\4" + bytes(5)) * 3 + b"\xff\xff\xff\6" + bytes(5),
}


@pytest.mark.parametrize("piece_bytes", [1, 7, 1_000])
@pytest.mark.parametrize("sent", NO_FRAMES.values(), ids=NO_FRAMES.keys())
async def test_what_is_no_http2_ends_the_connection(
    sent: bytes, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: a frame that is too long is not waited for."""
    monkeypatch.setattr(limits, "HEADERS_S_MAX", 60.0)
    async with running(Door(World())) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        for at in range(0, len(PREFACE + sent), piece_bytes):
            writer.write((PREFACE + sent)[at : at + piece_bytes])
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer[-17:][3] == GoAwayFrame.type, "a GOAWAY, then the end"
        writer.close()


async def test_frames_and_heads_are_taken_up_to_their_limits() -> None:
    def frame(kind: int, length: int, flags: int = 0) -> bytes:
        return length.to_bytes(3) + bytes((kind, flags)) + (1).to_bytes(4)

    longest = limits.FRAME_BYTES_MAX
    parts = limits.HEADER_BYTES_MAX - 100
    for begins, refused in {
        (frame(0, longest),): False,
        (frame(0, longest + 1),): True,
        (frame(1, 100) + bytes(100), frame(9, parts)): False,
        (frame(1, 100) + bytes(100), frame(9, parts + 1)): True,
        (frame(1, 100) + bytes(100), *[frame(9, 10) + bytes(10)] * 3, frame(9, parts - 29)): True,
    }.items():
        frames = Frames(H2Configuration(client_side=False))
        frames.initiate_connection()
        frames.receive_data(PREFACE + SettingsFrame().serialize())
        for begin in begins[:-1]:
            frames.receive_data(begin)
        if not refused:
            frames.receive_data(begins[-1])
            continue
        with pytest.raises(FrameTooLargeError):
            frames.receive_data(begins[-1])


async def test_a_client_that_does_not_take_its_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SEND_S_MAX", 0.1)
    async with running(Door(World())) as it, connected(it) as client:
        client.reads = False
        client.h2.update_settings({4: 1_000})
        client.flush()
        await client.answer(client.ask("/v1/turns/none"))
        client.ask("/openapi.json")
        await client.end()
        assert sum(map(len, client.body.values())) < 5_000


async def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEADERS_S_MAX", 0.05)
    monkeypatch.setattr(limits, "KEEP_ALIVE_S", 0.05)
    async with running(Door(World())) as it:
        async with connected(it) as client:
            await client.end()
            assert client.goaway == ErrorCodes.NO_ERROR
        async with connected(it) as client:
            assert (await client.answer(client.ask("/ping")))[0] == 204
            await client.end()
            assert client.goaway == ErrorCodes.NO_ERROR


async def test_what_was_received_is_answered_at_the_end_and_the_downchannel_closes() -> None:
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with running(door) as it, connected(it) as client:
        channel = client.ask(CHANNEL_PATH)
        while channel not in client.status:
            await client.read_some()
        sound = await client.post("/v1/recognise?interaction=a", SECOND, PCM)
        await door.ear.listens.wait()
        assert len(door.service.channels) == 1
        it.signals._came(signal.SIGTERM)
        status, body = await client.answer(channel)
        assert (status, body.splitlines()[-1]) == (200, b"--ctxasr-directive--")
        late = client.ask("/ping")
        while late not in client.reset and late not in client.status:
            await client.read_some()
        assert client.reset.get(late, ErrorCodes.REFUSED_STREAM) == ErrorCodes.REFUSED_STREAM
        gate.set()
        assert (await client.answer(sound))[0] == 200
        await client.end()
        await it.end
    assert len(door.service.channels) == 0


async def test_downchannels_live_are_bounded_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHANNEL_PAUSE_S", 0.01)
    monkeypatch.setattr(limits, "CHANNELS_OF_ONE_MAX", 1)
    door = Door(World())
    async with running(door) as it, connected(it) as client, it.client() as other:
        first = client.ask(CHANNEL_PATH)
        while client.body.get(first, b"").count(b"\r\n") < 5:
            await client.read_some()
        assert client.headers[first]["content-type"].startswith("multipart/related; boundary=")
        second = client.ask(CHANNEL_PATH)
        assert (await client.answer(first))[1].endswith(b"--ctxasr-directive--\r\n"), "replaced"
        with pytest.raises(Problem, match="CHANNELS_OF_ONE_MAX"):
            door.service.channels.open("customer", "kitchen")
        monkeypatch.setattr(limits, "CHANNELS_MAX", 1)
        with pytest.raises(Problem, match="CHANNELS_MAX"):
            door.service.channels.open("other", "kitchen")
        assert second not in client.ended
        monkeypatch.setattr(limits, "CHANNEL_S_MAX", 0.0)
        assert (await other.get(CHANNEL_PATH)).content == b"--ctxasr-directive--\r\n"
        assert (await client.answer(second))[0] == 200, "replaced by one over HTTP/1.1"
    assert len(door.service.channels) == 0
