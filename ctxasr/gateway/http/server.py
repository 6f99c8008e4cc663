"""Socket, signals and shutdown: uvicorn under the rules of `ctxasr serve`.

    SIGTERM or SIGINT -> no new connections -> what was received is finished -> what still settles,
    settles -> the recogniser ends                                          all within GRACE_S

A second SIGINT ends the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import uvicorn

from ctxasr.app import App, Models, Settings, aws, local
from ctxasr.errors import InputError
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant, Tokens
from ctxasr.gateway.http.connection import ALPN, Connection
from ctxasr.gateway.http.description import describe
from ctxasr.gateway.http.dialogues import Dialogues
from ctxasr.gateway.http.guard import Guard
from ctxasr.gateway.http.logs import Logged, log, to_stderr
from ctxasr.gateway.http.places import Places
from ctxasr.gateway.http.routes import BODY_BYTES_MAX, application
from ctxasr.gateway.http.service import Service
from ctxasr.gateway.wyoming_server import WyomingServer
from ctxasr.settings import AWS
from ctxasr.speech.recognisers import make_recogniser

BACKLOG: Final = 128
"""Connections that wait to be taken, also while the models load."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What `ctxasr serve` is told. `ready` gets each address, HTTP first, when it takes requests.

    `wyoming` is where Wyoming peers connect, all of them in the name of `speaks_for`.
    """

    settings: Settings
    tokens: Tokens
    ready: Callable[[str], None]
    rate_per_min: int = limits.RATE_PER_MIN
    wyoming: socket.socket | None = None
    speaks_for: str = ""
    tls: ssl.SSLContext | None = None


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address; 0 is any free port.

    Raises:
        InputError: the port is in use, or the host is none of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # so that nobody else can; whoever comes early waits
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"{host}:{port}: cannot be listened on ({why}); give another --host or --port"
        ) from None
    return listener


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS for clients of HTTP/2 and HTTP/1.1; `key` may stand in the certificate's file.

    Raises:
        InputError: no certificate and key in PEM, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(ALPN))
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"--tls-cert {certificate}: no certificate with its key ({type(error).__name__}); give "
            "both in PEM, the key without a password, also as --tls-key"
        ) from None
    return context


def run(listener: socket.socket, serving: Serving) -> int | None:
    """Serve until a signal; returns its number.

    Raises:
        StoreUnavailable: the store cannot be reached at the start.
    """
    to_stderr()
    with contextlib.ExitStack() as sockets:
        for one in filter(None, (listener, serving.wyoming)):
            sockets.callback(one.close)
        return asyncio.run(_serve(listener, serving))


async def _serve(listener: socket.socket, serving: Serving) -> int | None:
    signals = _Signals()
    with signals.handled():
        try:
            async with _opened(serving) as service:
                await _uvicorn(listener, serving, service, signals)
        except asyncio.CancelledError:  # a signal before there was anything to finish
            if signals.first is None:
                raise
    return signals.first


@asynccontextmanager
async def _opened(serving: Serving) -> AsyncIterator[Service]:
    settings = serving.settings
    opened: AbstractAsyncContextManager[App]
    if settings.endpoint_url is None:
        opened = local(settings, models=Models())
    else:  # on AWS itself the tables come from infra/, and the service may not make any
        opened = aws(settings, set_up=settings.endpoint_url != AWS)
    make = partial(make_recogniser, settings.recogniser, process=True)
    hearing = make()
    loading = asyncio.create_task(hearing.load())  # in its process, while this one loads the rest
    await asyncio.sleep(0)
    try:
        async with opened as app:
            await loading
            ports = replace(app.ports, telemetry=Logged())
            service = Service(ports, make, hearing)
            service.saw(*serving.tokens.customers)
            try:
                yield service
            finally:
                await service.close()
    finally:
        loading.cancel()
        hearing.close()


async def _uvicorn(
    listener: socket.socket, serving: Serving, service: Service, signals: _Signals
) -> None:
    dialogues = Dialogues(service)
    app = application(service, dialogues)
    describe(app)
    guard = Guard(
        app,
        serving.tokens,
        service.ports.clock,
        body_bytes_max=BODY_BYTES_MAX,
        rate_per_min=serving.rate_per_min,
        stopping=lambda: service.stopping,
    )
    config = uvicorn.Config(
        guard,
        http=cast(Any, partial(Connection, Places(), serving.tls)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.GRACE_S,
    )
    tcp = WyomingServer(dialogues, Grant(customer=serving.speaks_for or "-"))
    addresses = [] if serving.wyoming is None else [await tcp.start(serving.wyoming)]

    def ready(url: str) -> None:
        for address in (url, *addresses):
            serving.ready(address)

    server = _Server(config, ready, "http" if serving.tls is None else "https")

    def stop() -> None:
        if server.should_exit:
            server.force_exit = True
            service.hurry()
        server.should_exit = True
        service.stop()

    signals.then(stop)
    sweeping = asyncio.create_task(service.sweep_for_ever())
    try:
        await server.serve(sockets=[listener])
    finally:
        await tcp.close()
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
    log("stopping", requests=server.server_state.total_requests)


class _Signals:
    """SIGTERM and SIGINT: the first is remembered, and each does what there is to do by then."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "made inside the main task"
        self._do: Callable[[], Any] = task.cancel
        self.first: int | None = None

    def then(self, do: Callable[[], Any]) -> None:
        """From now on a signal does this."""
        self._do = do
        if self.first is not None:
            do()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._came, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _came(self, number: int) -> None:
        self.first = self.first or number
        self._do()


class _Server(uvicorn.Server):
    """uvicorn's server; its signals and its listener are ours, and it says where it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None], scheme: str) -> None:
        super().__init__(config)
        self._ready, self._scheme = ready, scheme

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; TLS is `Connection`'s: uvicorn's comes before a connection has its place."""
        assert sockets, "bound before"
        await self.lifespan.startup()

        def connection() -> asyncio.Protocol:
            made: asyncio.Protocol = self.config.http_protocol_class(
                config=self.config,  # type: ignore[call-arg]
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            return made

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connection, sock=sockets[0], backlog=BACKLOG)
        self.servers = [listening]
        self.started = True
        host, port = sockets[0].getsockname()[:2]
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._ready(f"{self._scheme}://{place}")
