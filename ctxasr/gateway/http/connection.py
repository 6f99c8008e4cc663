"""One connection, until it is known which HTTP its client speaks.

    connected -> a place -> the TLS handshake, if there is one -> HTTP/1.1 or HTTP/2, in pieces

With TLS the handshake says which (ALPN); without, the first bytes do: HTTP/2 with prior knowledge
begins with a preface that is no HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.frames import PREFACE
from ctxasr.gateway.http.http1 import Http1
from ctxasr.gateway.http.http2 import Http2
from ctxasr.gateway.http.pieces import Pieces
from ctxasr.gateway.http.places import Place, Places

ALPN: Final = ("h2", "http/1.1")


class Connection(asyncio.Protocol):
    """Takes a place, finds out the protocol, and hands over to it.

    With `tls` the place is taken before the handshake: who never finishes it takes none of others.
    """

    def __init__(
        self,
        places: Places,
        tls: ssl.SSLContext | None,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._places, self._tls, self._config, self._state = places, tls, config, server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._place: Place | None = None
        self._timer: asyncio.TimerHandle | None = None
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
        if self._tls is None:
            self._timer = self._loop.call_later(limits.HEADERS_S_MAX, transport.close)
        else:
            transport.pause_reading()  # until TLS reads
            self._handshake = self._loop.create_task(self._shake_hands(self._tls))

    def data_received(self, data: bytes) -> None:
        """The first bytes, until they tell."""
        self._first += data
        if self._tls is not None:
            return  # they came with the end of the handshake
        if len(self._first) >= len(PREFACE) or not PREFACE.startswith(self._first):
            self._hand_over(Http2 if self._first.startswith(PREFACE) else Http1)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone before it said anything, or was cut off."""
        self._let_go()
        if self._place is not None:
            self._place.leave()

    def shutdown(self) -> None:
        """The server stops: nothing was received yet."""
        self._transport.close()

    async def _shake_hands(self, tls: ssl.SSLContext) -> None:
        secure = None
        try:
            if not self._transport.is_closing():
                secure = await self._loop.start_tls(
                    self._transport,
                    self,
                    tls,
                    server_side=True,
                    ssl_handshake_timeout=limits.HANDSHAKE_S_MAX,
                )
        except OSError as error:  # no TLS, none in common, too slow, or gone
            self.connection_lost(error)
            return
        if secure is None:  # cut off meanwhile
            self.connection_lost(None)
            return
        below, self._transport = self._transport, secure
        chosen = secure.get_extra_info("ssl_object").selected_alpn_protocol()
        self._hand_over(Http2 if chosen == ALPN[0] else Http1, below)

    def _hand_over(self, kind: type[Http1] | type[Http2], below: Any = None) -> None:
        self._let_go()
        assert self._place is not None, "taken when the client connected"
        app_state = {**self._app_state, "place": self._place}
        protocol: Any = kind(self._place, self._config, self._state, app_state, self._loop)
        between = Pieces(self._transport, below or self._transport, self._loop)
        between.begin(protocol, self._first)

    def _let_go(self) -> None:
        """Nothing is waited for here any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._state.connections.discard(cast(Any, self))
