"""The frames of an HTTP/2 connection, as h2 reads and writes them, but for two things.

h2 keeps a frame until all of it has come, and a request's head until its last frame has: only then
does it look at how long they are, and up to 16 MB of each connection lie there. Here a frame that
says it is too long ends the connection at once, and so does a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import FrameTooLargeError
from hyperframe.frame import ContinuationFrame, Frame, GoAwayFrame, HeadersFrame

from ctxasr.gateway.http import limits

if TYPE_CHECKING:
    from typing_extensions import Buffer

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113, 3.4)."""

_HEAD_BYTES: Final = 9
"""Of each frame: three for its length, one for its type; see RFC 9113, 4.1."""


class Frames(H2Connection):
    """A server's connection; a client that opens no more streams still gets its answers."""

    _skipped_bytes = len(PREFACE)
    _head = b""
    _request_bytes = 0

    def receive_data(self, data: Buffer) -> list[Event]:
        """As h2 does it.

        Raises:
            ProtocolError: what has come breaks the protocol, or a limit; GOAWAY can be sent.
        """
        self._look_at_lengths(bytes(data))
        return super().receive_data(data)

    def _look_at_lengths(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._skipped_bytes:
                passed = min(self._skipped_bytes, len(data) - at)
                self._skipped_bytes -= passed
                at += passed
                continue
            more = data[at : at + _HEAD_BYTES - len(self._head)]
            self._head += more
            at += len(more)
            if len(self._head) == _HEAD_BYTES:
                self._begin(int.from_bytes(self._head[:3]), self._head[3])

    def _begin(self, length: int, kind: int) -> None:
        self._head, self._skipped_bytes = b"", length
        continued = kind == ContinuationFrame.type
        if kind == HeadersFrame.type or continued:
            self._request_bytes = length + (self._request_bytes if continued else 0)
        if length > limits.FRAME_BYTES_MAX or self._request_bytes > limits.HEADER_BYTES_MAX:
            self.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
            raise FrameTooLargeError

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """RFC 9113, 6.8: h2 itself takes the connection for closed, and would break answers off."""
        return [], [ConnectionTerminated()]
