"""The embedded store, made to read without end.

The server reads to its end what stands behind a refused request, so that the client sees the
refusal. Who never ends keeps it busy.

Attacker: any process on this machine.
Holds against it: no more than REQUEST_BYTES_MAX is ever read of one connection.
"""

import socket

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = ("store/loopback.py", "self._left -= len(read)", "self._left -= 0")

MEGABYTE = b"x" * 1_000_000
SENT_MB = 64
"""Well above what both ends of a connection on loopback keep for one another."""


async def attack() -> str:
    async with store() as there:
        sent_mb = 0
        with socket.create_connection(there.address, timeout=20) as endless:
            endless.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
            try:
                while sent_mb < SENT_MB:
                    endless.sendall(MEGABYTE)
                    sent_mb += 1
            except (ConnectionError, TimeoutError):
                pass
        if sent_mb == SENT_MB:
            raise Gained(f"{sent_mb} MB of a refused request were read")
    return "a refused request is read to its bound, then the connection is closed"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
