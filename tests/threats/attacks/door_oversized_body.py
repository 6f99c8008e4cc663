"""The door, an oversized body: without a length, and with one that lies.

Attacker: a customer, or a broken client, that sends without end.
Holds against it: what arrives is counted, whatever the headers say.
"""

from collections.abc import AsyncIterator

from _lab import Gained, Mutant, carry_out, door, turn

MUTANT: Mutant = ("gateway/http/guard.py", "if self._bytes > self.bytes_max:", "if False:")

PIECE = b" " * 65_536
PIECES = 256
"""16 MiB: many times what any path takes as JSON."""


async def attack() -> str:
    from ctxasr.gateway.http.limits import DRAIN_BYTES_MAX, JSON_BYTES_MAX

    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        sent = 0
        for _ in range(PIECES):
            sent += len(PIECE)
            yield PIECE
        yield b"{}"

    async with door() as front:
        for path in ("/v1/records", "/v1/utterances", "/v1/assist"):
            for lie in ({}, {"Content-Length": "2"}):
                headers = {"Content-Type": "application/json"} | lie | front.headers()
                answer = await front.client.post(path, content=endless(), headers=headers)
                most = JSON_BYTES_MAX + DRAIN_BYTES_MAX + len(PIECE)
                if answer.status_code != 413 or sent > most:
                    raise Gained(f"{path} took in {sent} bytes and answered {answer.status_code}")
        assert front.world.store._turns == {}
        assert (await front.record(turn()["utterance"])).status_code == 200
    return "more than fits is refused, and not read to its end"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
