"""One connection, until it is known which HTTP its client speaks.

With TLS the handshake says so (ALPN); without, the first bytes do: HTTP/2 with prior knowledge
begins with a preface that is no HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.frames import PREFACE
from ctxasr.gateway.http.http1 import Http1
from ctxasr.gateway.http.http2 import Http2
from ctxasr.gateway.http.places import Place, Places

ALPN: Final = ("h2", "http/1.1")


class Connection(asyncio.Protocol):
    """Takes a place, finds out the protocol, and hands over to it."""

    def __init__(
        self,
        places: Places,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._places, self._config, self._state = places, config, server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._place: Place | None = None
        self._first = b""

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        self._transport = transport
        peer = get_remote_addr(transport)
        self._place = self._places.take(peer[0] if peer else "", transport.abort)
        if self._place is None:
            transport.abort()
            return
        self._state.connections.add(cast(Any, self))
        self._timer = self._loop.call_later(limits.HEADERS_S_MAX, transport.close)
        if is_ssl(transport):
            tls = transport.get_extra_info("ssl_object")
            self._hand_over(Http2 if tls.selected_alpn_protocol() == ALPN[0] else Http1)

    def data_received(self, data: bytes) -> None:
        """The first bytes, until they tell."""
        self._first += data
        if len(self._first) >= len(PREFACE) or not PREFACE.startswith(self._first):
            self._hand_over(Http2 if self._first.startswith(PREFACE) else Http1)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone before it said anything."""
        if self._place is not None:
            self._timer.cancel()
            self._state.connections.discard(cast(Any, self))
            self._place.leave()

    def shutdown(self) -> None:
        """The server stops: nothing was received yet."""
        self._transport.close()

    def _hand_over(self, kind: type[Http1] | type[Http2]) -> None:
        self._timer.cancel()
        self._state.connections.discard(cast(Any, self))
        assert self._place is not None, "taken when the client connected"
        app_state = {**self._app_state, "place": self._place}
        protocol: Any = kind(self._place, self._config, self._state, app_state, self._loop)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._first:
            protocol.data_received(self._first)
