"""`ctxasr serve`: what it is told, and the errors that need no server.

fastapi, uvicorn and the rest are the extra `serve`.
"""

from __future__ import annotations

import ipaddress
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from ctxasr.cli.shared import EndpointUrl, Recogniser, settings_from
from ctxasr.errors import InputError, MissingPart
from ctxasr.timing import READ_BUDGET_MS_MAX

HOST: Final = "127.0.0.1"
PORT: Final = 8787
CUSTOMER: Final = "local"
"""Whom the token names that is made where no file of tokens is given."""

RATE: Final = 600
RATE_MAX: Final = 1_000_000
"""As RATE_PER_MIN and RATE_PER_MIN_MAX of the door, which is too heavy to import for `--help`."""


def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; other than loopback needs --tokens.")
    ] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any free one.")] = PORT,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML or JSON: SHA-256 of a token, and its customer."),
    ] = None,
    token_for: Annotated[
        str | None,
        typer.Option(metavar="CUSTOMER", help="Print a line for that file, and the token; end."),
    ] = None,
    rate: Annotated[
        int, typer.Option(min=1, max=RATE_MAX, help="Requests of one customer in a minute.")
    ] = RATE,
    read_budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=READ_BUDGET_MS_MAX,
            show_default="CTXASR_READ_BUDGET_MS, or 50; 150 with audio",
            help="Time for a text's context after the recogniser's result; more on a busy machine.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Speak TLS: the certificate chain, in PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key, where that is another file.")
    ] = None,
    endpoint_url: EndpointUrl = None,
    recogniser: Recogniser = None,
    wyoming: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, metavar="PORT", help="Wyoming peers on loopback; not with --tokens."
        ),
    ] = None,
    openapi: Annotated[
        bool, typer.Option("--openapi", help="Print the OpenAPI description and end.")
    ] = False,
) -> None:
    """Serve the pipeline over HTTP: the Alexa Voice Service's shape, and plain JSON.

    The first line on stdout says where; the next one where Wyoming peers connect, if they may.
    SIGTERM ends it with exit code 0, Ctrl-C with 130; what was received is finished first.

    - `ctxasr serve`
    - `ctxasr serve --wyoming 10300`
    - `ctxasr serve --token-for meg >> tokens.yaml`
    - `ctxasr serve --tokens tokens.yaml --endpoint-url aws`
    """
    from ctxasr.report.output import STOPPED, print_json, print_text, say

    _check_extra()
    if openapi:
        from ctxasr.gateway.http.description import description

        print_json(description())
        return
    from ctxasr.gateway.http import auth

    if token_for is not None:
        token, line = auth.mint(token_for)
        print_text(line)
        say(f"the token, shown this once: {token}")
        return
    if not _is_loopback(host):
        if tokens is None:
            raise InputError(f"--host {host} can be reached by others; give --tokens FILE as well")
        if tls_cert is None:
            say(f"warning: {host} is not encrypted; give --tls-cert, or put a proxy in front of it")
    if tls_key is not None and tls_cert is None:
        raise InputError("--tls-key is of no use without --tls-cert FILE")
    if wyoming is not None and tokens is not None:
        raise InputError(
            "Wyoming knows no tokens; serve it in a process of its own, without --tokens"
        )
    known = None if tokens is None else auth.load_tokens(tokens)
    settings = settings_from(endpoint_url, recogniser)
    if read_budget_ms is not None:
        settings = replace(settings, read_budget_ms=read_budget_ms)
    from ctxasr.gateway.http.server import Serving, bound, run, tls_context

    tls = None if tls_cert is None else tls_context(tls_cert, tls_key)

    listener = bound(host, port)
    peers = None if wyoming is None else bound(HOST, wyoming)
    if known is None:
        token, known = auth.only(CUSTOMER)
        say(f"the token of this run, for customer {CUSTOMER}: {token}")
    if settings.endpoint_url is None:
        say("no --endpoint-url: all is kept in memory, and gone at the end")
    serving = Serving(
        settings, known, lambda url: print_text(f"{url}\n"), rate, peers, CUSTOMER, tls
    )
    ended_by = run(listener, serving)
    if ended_by == signal.SIGINT:
        raise typer.Exit(STOPPED)


def _check_extra() -> None:
    try:
        import fastapi  # noqa: F401
        import h2  # noqa: F401
        import limits  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingPart(f"{error.name}: pip install 'ctxasr[serve]'") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
