"""HTTP/1.1 on one connection: uvicorn's, without patience for slow clients and two-faced heads.

What two parsers may read in two ways is refused, and the connection closed: a proxy in front that
read it the other way would take the rest for a request of somebody else (RFC 9112, sections 2.2,
5.2 and 6.3).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import is_ssl

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.places import Place
from ctxasr.gateway.http.problems import Problem
from ctxasr.gateway.http.transports import wait_for_all

_MALFORMED: Final = "the request is malformed: RFC 9112 says how it should be"


class Http1(H11Protocol):
    """Ends connections that uvicorn would keep for slow clients.

    Closes one whose request line and headers do not come within HEADERS_S_MAX; uvicorn's own timer
    ends with the first byte. Cuts off one whose answer is not taken within SEND_S_MAX: closing it
    would wait for the client as well.
    """

    _timer: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _refused = False
    _half_closed = False

    def __init__(self, place: Place, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._place = place
        self.conn = self._strict = Strict()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        wait_for_all(transport)
        self._arm()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending = self.loop.call_later(limits.SEND_S_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._sent()

    def _sent(self) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def on_response_complete(self) -> None:
        self._arm()
        super().on_response_complete()
        if self._half_closed:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._place.leave()
        self._disarm()
        self._sent()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's closes at once
        """The client sends no more; who has sent its whole request waits for the answer.

        With TLS the connection closes in any case. So it does where the answer has begun: what is
        written of it is still sent, and who leaves a downchannel is gone.
        """
        if self._refused:
            self._close()
        asked = self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
        waits = asked and self.conn.our_state is h11.SEND_RESPONSE
        self._half_closed = waits and not is_ssl(self.transport)
        return self._half_closed

    def send_400_response(self, msg: str) -> None:
        """Say why, if no answer has begun; what still comes is passed over for a moment.

        A connection that is closed while its client sends loses the answer.
        """
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = self._strict.refusal.response()
            headers = [*answer.raw_headers, (b"connection", b"close")]
            reason = HTTPStatus(answer.status_code).phrase
            for event in (
                h11.Response(status_code=answer.status_code, headers=headers, reason=reason),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            if self.transport.can_write_eof():
                self.transport.write_eof()
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(limits.DRAIN_S_MAX, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _arm(self) -> None:
        self._disarm()
        self._timer = self.loop.call_later(limits.HEADERS_S_MAX, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _late(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class Strict(h11.Connection):
    """The server's side of a connection; looks at each head as it came."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=limits.HEADER_BYTES_MAX)
        self.refusal = Problem(HTTPStatus.BAD_REQUEST, "BadRequest", _MALFORMED)
        """How the last request that was refused is answered."""

    def next_event(self) -> Any:
        """What came, as h11 tells it.

        Raises:
            h11.RemoteProtocolError: it is refused.
        """
        begins = self.their_state is h11.IDLE
        before = self.trailing_data[0] if begins else b""
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                self.refusal = _too_large("HEADER_BYTES_MAX", limits.HEADER_BYTES_MAX)
            raise
        if isinstance(event, h11.Request):
            refusal = why_not(before[: len(before) - len(self.trailing_data[0])])
            if refusal is not None:
                self.refusal = refusal
                raise h11.RemoteProtocolError(refusal.title, refusal.status_code)
        return event


def why_not(head: bytes) -> Problem | None:
    """Why a request with this head is refused, if it is. h11 has found it well-formed."""
    if len(head) > limits.HEADER_BYTES_MAX:
        return _too_large("HEADER_BYTES_MAX", limits.HEADER_BYTES_MAX)
    lines = head.split(b"\n")[:-2]  # the last two are the empty line
    if any(not line.endswith(b"\r") for line in head.split(b"\n")[:-1]):
        return _ambiguous("a line ends without a carriage return")
    if len(lines) - 1 > limits.HEADERS_MAX:
        return _too_large("HEADERS_MAX", limits.HEADERS_MAX)
    if any(line.startswith((b" ", b"\t")) for line in lines):
        return _ambiguous("a header goes on in a second line")
    fields = [line.partition(b":")[::2] for line in lines[1:]]
    names = [name.lower() for name, _ in fields]
    listed = any(
        n == b"content-length" and b"," in value
        for n, (_, value) in zip(names, fields, strict=True)
    )
    if listed or names.count(b"content-length") + names.count(b"transfer-encoding") > 1:
        return _ambiguous("the length of the body is said twice")
    if b"transfer-encoding" in names and lines[0].rstrip().endswith(b"HTTP/1.0"):
        return _ambiguous("HTTP/1.0 has no Transfer-Encoding")
    return None


def _too_large(limit: str, most: int) -> Problem:
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return Problem(status, "LimitExceeded", f"{limit} is {most}, the request has more")


def _ambiguous(what: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "BadRequest", f"{what}, so it can be read in two ways")
