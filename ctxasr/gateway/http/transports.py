"""How asyncio's transports tell that a client does not take its answer."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.utils import is_ssl


def wait_for_all(transport: asyncio.Transport) -> None:
    """From now on `pause_writing` means: something is still to be sent.

    A transport with TLS pauses when as much as the limit waits, one without when more does; with a
    limit of 0 the former would pause, and go on, when nothing waits.
    """
    transport.set_write_buffer_limits(high=1 if is_ssl(transport) else 0, low=0)
