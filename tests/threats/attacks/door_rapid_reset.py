"""The door, requests that are taken back at once: HTTP/2 counts them as gone, and they are at work.

One connection could so begin any number of requests (CVE-2023-44487).

Attacker: anybody who can reach the port.
Holds against it: a connection may take back a hundred requests; then it is ended.
"""

import asyncio
import contextlib

from _lab import Gained, Mutant, carry_out, door, socket_of

MUTANT: Mutant = (
    "gateway/http/http2.py",
    "self._resets += 1",
    "pass",
)

REQUESTS = 2_000


async def attack() -> str:
    from h2.connection import H2Connection
    from h2.errors import ErrorCodes

    async with door() as front, socket_of(front) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = H2Connection()
        client.initiate_connection()
        with contextlib.suppress(ConnectionError):
            for _ in range(REQUESTS):
                number = client.get_next_available_stream_id()
                headers = {":method": "GET", ":path": "/v1/turns/a", ":scheme": "http"}
                client.send_headers(number, [*headers.items(), (":authority", "x")])
                client.reset_stream(number, ErrorCodes.CANCEL)
                writer.write(client.data_to_send())
                await writer.drain()
                await asyncio.sleep(0)
                if reader.at_eof() or writer.is_closing():
                    break
        ended = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(65_536):
                        pass
                ended = True
        writer.close()
        if not ended:
            raise Gained(f"{REQUESTS} requests were begun and taken back, and it goes on")
    return "the connection was ended"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
