"""The socket of the embedded server: 127.0.0.1, a free port, a thread for each connection.

Whoever is on this machine can connect, so connections that have not shown the credential are
strangers: at most STRANGERS_MAX of them, the oldest goes when another comes, and what one may send
and how long it may be silent is bounded.
"""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from typing import Any, Final

from ctxasr.store.admission import BODY_BYTES_MAX, Admission, Environ

STRANGERS_MAX: Final = 256
"""Open connections that have not shown the credential. All that the clients of one process open at
once, twice CONNECTIONS_MAX, fit in; each shows it in its first packet."""

ACCEPT_QUEUE: Final = 1_024
"""Connections that the system keeps until they are accepted; beyond it a client's wait a second."""

SILENCE_S_MAX: Final = 10.0
"""Of a connection from which something is awaited; then it is closed."""

REQUEST_BYTES_MAX: Final = BODY_BYTES_MAX + 64_000
"""What is ever read of a connection: the head, the body, and what stands behind a refused one."""

POLL_S: Final = 0.02
"""How long stopping takes at most."""


class Strangers:
    """The connections that have not shown the credential, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}

    def add(self, connection: socket.socket) -> None:
        """One more; shuts the oldest down where there are too many."""
        oldest = None
        with self._lock:
            self._open[connection] = None
            if len(self._open) > STRANGERS_MAX:
                oldest = next(iter(self._open))
                del self._open[oldest]
        if oldest is not None:
            with suppress(OSError):  # gone already
                oldest.shutdown(socket.SHUT_RDWR)  # its thread reads the end

    def remove(self, connection: socket.socket) -> None:
        """It is known now, or closed."""
        with self._lock:
            self._open.pop(connection, None)

    def known(self, environ: Environ) -> None:
        """The request's connection is no stranger's."""
        self.remove(environ["werkzeug.socket"])


class _Bounded(io.BufferedIOBase):
    """The first REQUEST_BYTES_MAX bytes of a connection; then its end."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._left = connection, REQUEST_BYTES_MAX

    def _took(self, read: bytes) -> bytes:
        self._left -= len(read)
        return read

    def _at_most(self, size: int | None) -> int:
        return self._left if size is None or size < 0 else min(size, self._left)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._connection.close()  # the socket stays open until its file is closed
        super().close()

    def read(self, size: int | None = -1) -> bytes:
        return self._took(self._connection.read(self._at_most(size)))

    def readline(self, size: int | None = -1) -> bytes:
        return self._took(self._connection.readline(self._at_most(size)))


def listen(admission: Admission, strangers: Strangers) -> Any:
    """A werkzeug server that listens and does not serve yet; quiet, whatever comes.

    Raises:
        ImportError: werkzeug or moto is not installed.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import ThreadedWSGIServer

    class Handler(MotoRequestHandler):
        timeout = SILENCE_S_MAX

        def setup(self) -> None:
            super().setup()
            self.rfile = _Bounded(self.rfile)

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            """One line for each request is nobody's business."""

        def version_string(self) -> str:
            return "ctxasr"

        def send_error(self, *_: Any) -> None:
            """What is no HTTP gets no answer: http.server would quote it."""
            self.close_connection = True

    class Server(ThreadedWSGIServer):
        request_queue_size = ACCEPT_QUEUE

        def process_request(self, request: Any, client_address: Any) -> None:
            strangers.add(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            strangers.remove(request)
            super().shutdown_request(request)

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            """A fault's traceback may quote what was sent."""

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nor does socketserver print one."""

    server = Server("127.0.0.1", 0, admission, Handler)
    admission.host = f"127.0.0.1:{server.port}"
    return server
