"""The door, connections that say nothing: they take all places, and `/healthz` starves.

Whoever watches over the service then takes it for dead, and starts it anew.

Attacker: anybody who can reach the port.
Holds against it: an address has a share of the places until it shows a token, and its own oldest
connection makes room for its next.
"""

import asyncio

from _lab import Gained, Mutant, carry_out, door, socket_of, told

MUTANT: Mutant = (
    "gateway/http/places.py",
    "place.end()",
    "pass",
)

IDLE = 40


async def attack() -> str:
    from ctxasr.gateway.http import limits

    vars(limits)["CONNECTIONS_OF_ADDRESS_MAX"] = 8
    vars(limits)["CONNECTIONS_MAX"] = 16
    async with door() as front, socket_of(front) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(IDLE)]
        health = await told(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert health.startswith(b"HTTP/1.1 200 "), "the service lives"
        held = 0
        for reader, writer in silent:
            try:
                await asyncio.wait_for(reader.read(), 0.05)
            except TimeoutError:
                held += 1
            except ConnectionError:
                pass
            writer.close()
        if held > limits.CONNECTIONS_OF_ADDRESS_MAX:
            raise Gained(f"{held} of {IDLE} silent connections are held by one address")
    return f"{held} of {IDLE} silent connections were left, and `/healthz` was answered"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
