"""The embedded store, its threads taken up by connections that say nothing.

Attacker: any process on this machine: it opens connections and stays silent.
Holds against it: of connections that have not shown the credential the oldest goes when there are
STRANGERS_MAX, so that the store's own client always gets in.
"""

import socket

from _lab import Gained, Mutant, carry_out
from _store import store

from ctxasr.store.loopback import STRANGERS_MAX

MUTANT: Mutant = (
    "store/loopback.py",
    "if len(self._open) > STRANGERS_MAX:",
    "if len(self._open) > 100 * STRANGERS_MAX:",
)

MORE = 64


async def attack() -> str:
    async with store() as there:
        mine = []
        for number in range(STRANGERS_MAX + MORE):
            mine.append(socket.create_connection(there.address, timeout=20))
            if number % 2:
                mine[-1].sendall(b"POST / HTTP/1.1\r\nX: ")  # and never the rest
        assert there.rows(key=there.key), "the store's own client is served"
        held = 0
        for silent in mine[:MORE]:
            silent.settimeout(0.2)
            try:
                assert silent.recv(1) == b"", "closed: another came"
            except TimeoutError:
                held = len(mine)
                break
        for one in mine:
            one.close()
        if held:
            raise Gained(f"{held} silent connections are held open, a thread for each")
    return f"{len(mine)} silent connections are {STRANGERS_MAX} in the end"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
