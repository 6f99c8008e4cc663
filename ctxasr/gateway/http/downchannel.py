"""The downchannel of AVS clients: held open, and kept alive.

    GET /v20160207/directives      multipart/related, for up to CHANNEL_S_MAX

Clients open it before anything else, and keep their connection for it. The directives of this door
come with the answers to events, so there is none in it; before its last boundary there are blank
lines, which tell clients and proxies that it lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from ctxasr.gateway.http import limits
from ctxasr.gateway.http.multipart import BOUNDARY
from ctxasr.gateway.http.problems import too_many, unavailable

SIGN: Final = b"\r\n"
"""Before the first boundary anything is allowed, and passed over (RFC 2046)."""

END: Final = f"--{BOUNDARY}--\r\n".encode("ascii")


class Channels:
    """The channels that are open, by customer and device."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], asyncio.Event] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, customer: str, device: str) -> AsyncIterator[bytes]:
        """What goes through a new channel; it replaces an older one of the device.

        Raises:
            Problem: there are too many, of this customer or of all.
        """
        place = (customer, device)
        older = self._open.pop(place, None)
        if older is not None:
            older.set()
        if sum(one == customer for one, _ in self._open) >= limits.CHANNELS_OF_ONE_MAX:
            raise too_many("CHANNELS_OF_ONE_MAX", limits.CHANNELS_OF_ONE_MAX)
        if len(self._open) >= limits.CHANNELS_MAX:
            raise unavailable("Busy", f"CHANNELS_MAX is {limits.CHANNELS_MAX}: all are open")
        over = self._open[place] = asyncio.Event()
        return self._through(place, over)

    def close(self) -> None:
        """End all: the service stops."""
        for over in self._open.values():
            over.set()

    async def _through(self, place: tuple[str, str], over: asyncio.Event) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + limits.CHANNEL_S_MAX
        try:
            while not over.is_set() and (left_s := until_s - loop.time()) > 0:
                yield SIGN
                try:
                    async with asyncio.timeout(min(left_s, limits.CHANNEL_PAUSE_S)):
                        await over.wait()
                except TimeoutError:
                    continue
            yield END
        finally:
            if self._open.get(place) is over:
                del self._open[place]
