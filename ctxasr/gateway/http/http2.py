"""HTTP/2 on one connection (RFC 9113): h2 reads and writes the frames, each request is ASGI.

    HEADERS -> a stream and its task;  DATA -> its body, and credit when the body is read
    answer  -> HEADERS and DATA, as far as the client's windows reach; the rest waits, bounded

A client that only keeps the connection busy is cut off: see CONTROL_FRAMES_MAX, RESETS_MAX. As with
HTTP/1.1, an answer that is not taken within SEND_S_MAX ends its connection, and `Connection: close`
in an answer closes it when the other requests are answered.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from starlette.types import Message
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.frames import Frames
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.places import Place
from ctxasr.gateway.http.transports import wait_for_all

_OF_HTTP1: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Headers that HTTP/2 does not have."""

_NO_BODY: Final = frozenset({204, 304})


class Http2(asyncio.Protocol):
    """One client's connection and its streams."""

    def __init__(
        self,
        place: Place,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.place, self.config, self.state = place, config, server_state
        self.app_state, self.loop = app_state, loop
        self.h2 = Frames(H2Configuration(client_side=False, header_encoding=None))
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.STREAMS_MAX,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.HEADER_BYTES_MAX,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW_BYTES_MAX,
            },
        )
        self.h2.decoder.max_header_list_size = limits.HEADER_BYTES_MAX
        self.streams: dict[int, Stream] = {}
        self.transport: asyncio.Transport
        self._last = False
        """No more requests are taken; the connection closes when these are answered."""
        self._idle: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._resets = self._frames = 0
        self._since_s = loop.time()

    # ------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: Any) -> None:
        """The first bytes, or the handshake, have shown that the client speaks HTTP/2."""
        self.transport = transport
        self.state.connections.add(self)  # type: ignore[arg-type]  # uvicorn asks for shutdown()
        self.h2.initiate_connection()
        more = limits.CONNECTION_WINDOW_BYTES_MAX - limits.STREAM_WINDOW_BYTES_MAX
        self.h2.increment_flow_control_window(more)
        wait_for_all(transport)
        self.flush()
        self._wait_for_next(limits.HEADERS_S_MAX)

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        try:
            for event in self.h2.receive_data(data):
                self._take(event)
        except ProtocolError as error:
            self._break_off(type(error).__name__)
            return
        self._frames_are_bounded()
        for stream in list(self.streams.values()):
            stream.pump()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was cut off."""
        self.state.connections.discard(self)
        self.place.leave()
        for timer in (self._idle, self._sending):
            if timer is not None:
                timer.cancel()
        for stream in list(self.streams.values()):
            stream.gone()
        self.streams.clear()

    def pause_writing(self) -> None:
        """The client takes nothing: until it does, nothing of it is read either."""
        self.transport.pause_reading()
        self._sending = self.loop.call_later(limits.SEND_S_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """All that was written has been taken."""
        if self._sending is not None:
            self._sending.cancel()
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """The server stops: what was received is answered."""
        self._last = True
        self._close_if_done()

    # ------------------------------------------------------------ what streams call

    def flush(self) -> None:
        """Write what h2 has to say."""
        if (data := self.h2.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)

    def answered(self, stream: Stream, last: bool) -> None:
        """A stream is at its end; `last`: no more are wanted from this client."""
        self.streams.pop(stream.id, None)
        self.state.total_requests += 1
        self._last = self._last or last
        self._wait_for_next(limits.KEEP_ALIVE_S)
        self._close_if_done()

    # ------------------------------------------------------------ frames

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(number), headers=headers):
                self._open(number, headers)
            case DataReceived(stream_id=int(number), data=data):
                self._frames += not data
                self._body(number, bytes(data or b""), event.flow_controlled_length or 0)
            case StreamEnded(stream_id=int(number)):
                if number in self.streams:
                    self.streams[number].feed(b"", 0, whole=True)
            case StreamReset(stream_id=int(number)):
                self._resets += 1
                if (stream := self.streams.pop(number, None)) is not None:
                    stream.gone()
                    self._wait_for_next(limits.KEEP_ALIVE_S)
                    self._close_if_done()
            case ConnectionTerminated():
                self._frames += 1
                self._last = True
                self._close_if_done()
            case RemoteSettingsChanged():
                self._frames += 1
                table_bytes = min(self.h2.encoder.header_table_size, limits.HEADER_TABLE_BYTES_MAX)
                self.h2.encoder.header_table_size = table_bytes
            case _:
                self._frames += 1

    def _open(self, number: int, headers: Any) -> None:
        if self._last:
            self.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        if self._idle is not None:
            self._idle.cancel()
        stream = self.streams[number] = Stream(self, number, headers)
        task = self.loop.create_task(stream.run(self.config.loaded_app))
        self.state.tasks.add(task)
        task.add_done_callback(self.state.tasks.discard)

    def _body(self, number: int, data: bytes, credit: int) -> None:
        if number in self.streams:
            self.streams[number].feed(data, credit)
        elif credit:  # of a request that is answered already: the connection's credit goes back
            self.h2.acknowledge_received_data(credit, number)

    def _frames_are_bounded(self) -> None:
        now_s = self.loop.time()
        if now_s - self._since_s > limits.CONTROL_FRAMES_S:
            self._frames, self._since_s = 0, now_s
        if self._frames > limits.CONTROL_FRAMES_MAX or self._resets > limits.RESETS_MAX:
            self.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._break_off("flood")

    def _break_off(self, why: str) -> None:
        log("HTTP/2 broken off", error=why)
        self.flush()  # the GOAWAY that h2 has made
        self.transport.close()

    # ------------------------------------------------------------ the end

    def _wait_for_next(self, wait_s: float) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if not self.streams:
            self._idle = self.loop.call_later(wait_s, self.shutdown)

    def _close_if_done(self) -> None:
        if self._last and not self.streams and not self.transport.is_closing():
            self.h2.close_connection()
            self.flush()
            self.transport.close()


class Stream:
    """One request and its answer."""

    def __init__(self, connection: Http2, number: int, headers: Any) -> None:
        self._connection, self.id = connection, number
        self._body, self._credit, self._whole = bytearray(), 0, False
        self._out, self._ended, self._last = bytearray(), False, False
        self._begun = self._done = self._gone = False
        self._came, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._late: asyncio.TimerHandle | None = None
        self._bodyless = False
        fields = [(bytes(name), bytes(value)) for name, value in headers]
        pseudo = {name: value for name, value in fields if name.startswith(b":")}
        path, _, query = pseudo.get(b":path", b"/").partition(b"?")
        plain = [(name, value) for name, value in fields if not name.startswith(b":")]
        if b":authority" in pseudo and not any(name == b"host" for name, _ in plain):
            plain.insert(0, (b"host", pseudo[b":authority"]))
        self._waits = any((n, v.lower()) == (b"expect", b"100-continue") for n, v in plain)
        transport = connection.transport
        self.scope = {
            "type": "http",
            "asgi": {"version": connection.config.asgi_version, "spec_version": "2.3"},
            "http_version": "2",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
            "method": pseudo.get(b":method", b"").decode("latin-1"),
            "root_path": "",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "headers": plain,
            "state": connection.app_state.copy(),
        }

    async def run(self, app: Any) -> None:
        """Let the application answer; what it leaves unanswered is reset."""
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            closing = self._connection.transport.is_closing()
            if not self._ended and not self._gone and not closing:
                self._connection.h2.reset_stream(self.id, ErrorCodes.INTERNAL_ERROR)
                self._connection.flush()
                self._finish()

    # ------------------------------------------------------------ the body

    def feed(self, data: bytes, credit: int, *, whole: bool = False) -> None:
        """More of the body has come, or its end."""
        self._body += data
        self._credit += credit
        self._whole = self._whole or whole
        self._came.set()

    async def receive(self) -> Message:
        """ASGI: the next piece of the body; then, that the client has gone.

        A client that waits to be told to send (`Expect`) is told when the application reads.
        """
        if self._waits and not (self._whole or self._body or self._begun or self._gone):
            self._connection.h2.send_headers(self.id, [(b":status", b"100")])
            self._connection.flush()
        self._waits = False
        while not (self._came.is_set() or self._gone or self._done):
            await self._came.wait()
        self._came.clear()
        if self._gone or self._done:
            return {"type": "http.disconnect"}
        data, self._body = bytes(self._body), bytearray()
        self._give_credit()
        return {"type": "http.request", "body": data, "more_body": not self._whole}

    def _give_credit(self) -> None:
        if self._credit:
            self._connection.h2.acknowledge_received_data(self._credit, self.id)
            self._credit = 0
            self._connection.flush()

    # ------------------------------------------------------------ the answer

    async def send(self, message: Message) -> None:
        """ASGI: headers, then the body; waits while the client does not take it."""
        if self._gone or self._connection.transport.is_closing():
            return
        if message["type"] == "http.response.start":
            self._start(message)
            return
        if not self._bodyless:
            self._out += message.get("body", b"")
        self._ended = not message.get("more_body", False)
        self.pump()
        self._connection.flush()
        if len(self._out) > limits.SEND_BUFFER_BYTES_MAX and not self._gone:
            self._room.clear()
            await self._room.wait()

    def _start(self, message: Message) -> None:
        status, given = message["status"], message.get("headers", ())
        headers = [(b":status", b"%d" % status), *self._connection.state.default_headers]
        headers += [(name.lower(), value) for name, value in given if name.lower() not in _OF_HTTP1]
        self._last = any(
            name.lower() == b"connection" and value.lower() == b"close" for name, value in given
        )
        self._bodyless = status in _NO_BODY or self.scope["method"] == "HEAD"
        self._begun = True
        self._connection.h2.send_headers(self.id, headers)
        self._connection.flush()

    def pump(self) -> None:
        """Hand to h2 what the client's windows have room for."""
        closing = self._connection.transport.is_closing()
        if self._gone or self._done or not self._begun or closing:
            return
        h2 = self._connection.h2
        while self._out and (room := h2.local_flow_control_window(self.id)) > 0:
            size = min(room, h2.max_outbound_frame_size, len(self._out))
            h2.send_data(self.id, bytes(self._out[:size]))
            del self._out[:size]
        if len(self._out) <= limits.SEND_BUFFER_BYTES_MAX:
            self._room.set()
        if self._out:
            if self._late is None:
                abort = self._connection.transport.abort
                self._late = self._connection.loop.call_later(limits.SEND_S_MAX, abort)
            return
        self._in_time()
        if self._ended:
            h2.end_stream(self.id)
            if not self._whole:  # answered before the end of its body: no more of it is wanted
                h2.reset_stream(self.id, ErrorCodes.NO_ERROR)
            self._finish()

    def gone(self) -> None:
        """The client has taken the request back, or gone away."""
        self._gone = True
        self._in_time()
        self._give_credit_back()
        self._came.set()
        self._room.set()

    def _finish(self) -> None:
        self._done = True
        self._in_time()
        self._give_credit_back()
        self._came.set()
        self._room.set()
        self._connection.answered(self, self._last)

    def _give_credit_back(self) -> None:
        """What was not read of the body no longer weighs on the connection."""
        self._body = bytearray()
        try:
            self._give_credit()
        except ProtocolError:  # the connection itself is at its end
            self._credit = 0

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
