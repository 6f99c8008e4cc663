"""What a client sends, in pieces: between two of them every other connection has its turn.

    transport --data--> Pieces --PIECE_BYTES_MAX each round of the loop--> HTTP/1.1 or HTTP/2

Otherwise one read of asyncio (256 kB) could be forty thousand chunks or frames of one byte, and
hold the loop for half a second. So also what h11 bounds only while it is incomplete (the trailers
of a body, the extensions of a chunk) never arrives in one piece.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ctxasr.gateway.http import limits


class Pieces(asyncio.Protocol):
    """The transport's protocol, and the protocol's transport: what is sent passes through.

    Nothing more is read while something is left that has not been handed on.
    """

    def __init__(self, transport: Any, below: Any, loop: asyncio.AbstractEventLoop) -> None:
        """`below` is TLS's own transport, or the same."""
        self._transport, self._below, self._loop = transport, below, loop
        self._protocol: Any = None
        self._rest = bytearray()
        self._paused = False
        """By the protocol."""
        self._next: asyncio.Handle | None = None

    def begin(self, protocol: Any, first: bytes) -> None:
        """From now on `protocol` gets what comes; `first` has come already."""
        self._protocol = protocol
        self._transport.set_protocol(self)
        protocol.connection_made(self)
        if first:
            self.data_received(first)

    # ------------------------------------------------------------ what the transport calls

    def data_received(self, data: bytes) -> None:
        """More has come."""
        self._rest += data
        if self._next is None:
            self._hand_on()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        kept: bool | None = self._protocol.eof_received()
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed: what is left would not be answered."""
        self._rest.clear()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It takes again."""
        self._protocol.resume_writing()

    # ------------------------------------------------------------ what the protocol calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """End it; with TLS, an idle client's goodbye is not waited for longer than a moment."""
        self._transport.close()
        if self._below is not self._transport:
            self._loop.call_later(limits.DRAIN_S_MAX, self._leave)

    def _leave(self) -> None:
        if not self._below.get_write_buffer_size():
            self._below.abort()

    def pause_reading(self) -> None:
        """Hand nothing on."""
        self._paused = True
        self._go_on()

    def resume_reading(self) -> None:
        """Hand on again, first what is left."""
        self._paused = False
        self._go_on()

    # ------------------------------------------------------------ pieces

    def _hand_on(self) -> None:
        self._next = None
        if self._rest and not self._paused and not self._transport.is_closing():
            piece = bytes(self._rest[: limits.PIECE_BYTES_MAX])
            del self._rest[: limits.PIECE_BYTES_MAX]
            self._protocol.data_received(piece)
        self._go_on()

    def _go_on(self) -> None:
        if self._transport.is_closing():
            self._rest.clear()
        elif self._paused or self._rest:
            self._transport.pause_reading()
            if not self._paused and self._next is None:
                self._next = self._loop.call_soon(self._hand_on)
        else:
            self._transport.resume_reading()
