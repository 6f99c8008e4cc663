"""The door, readers that do not read: answers that nobody takes keep their connections for ever.

A few hundred of them, and nobody else can connect.

Attacker: a customer; without a token there is one small answer a connection.
Holds against it: an answer that is not taken in time is cut off, with its connection.
"""

import asyncio
import socket
from typing import Any

from _lab import Gained, Mutant, carry_out, door, turn

MUTANT: Mutant = (
    "gateway/http/http1.py",
    "self._sending = self.loop.call_later(limits.SEND_S_MAX, self.transport.abort)",
    "pass",
)

SMALL_BYTES = 2_048
PATIENCE_S = 3.0


async def attack() -> str:
    import uvicorn

    from ctxasr.gateway.http import limits, server
    from ctxasr.gateway.http.http1 import Http1
    from ctxasr.gateway.http.places import Places

    vars(limits)["SEND_S_MAX"] = 0.2
    vars(limits)["HEADERS_S_MAX"] = 600.0
    async with door() as front:
        for one in turn().values():
            await front.record(one)
        lost = asyncio.Event()

        class Watched(Http1):
            def __init__(self, **named: Any) -> None:
                place = Places().take("127.0.0.1", lambda: None)
                assert place is not None, "the first one"
                super().__init__(place, **named)

            def connection_lost(self, exc: Exception | None) -> None:
                lost.set()
                super().connection_lost(exc)

        app: Any = front.client._transport.app
        config = uvicorn.Config(app, http=Watched, ws="none", lifespan="off", log_config=None)
        listener = server.bound("127.0.0.1", 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BYTES)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running = server._Server(config, ready.set_result, "http")
        serving = asyncio.create_task(running.serve([listener]))
        address = ("127.0.0.1", int((await ready).rpartition(":")[2]))
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, address)
        token = f"Authorization: {front.headers()['Authorization']}"
        asked = f"GET /v1/turns/turn-1/phrases HTTP/1.1\r\nHost: door\r\n{token}\r\n\r\n"
        await loop.sock_sendall(deaf, asked.encode() * 40)
        try:
            await asyncio.wait_for(lost.wait(), PATIENCE_S)
        except TimeoutError:
            raise Gained("the connection is kept, though nobody reads") from None
        finally:
            deaf.close()
            running.should_exit = True
            await serving
            listener.close()
    return "the connection was cut off"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
