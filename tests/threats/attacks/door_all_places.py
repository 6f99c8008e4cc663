"""The door, all places: requests whose bodies never come, until nobody else is let in.

Attacker: a customer, or whoever has their token, within the rate.
Holds against it: one customer gets a share of the places, and waits for the rest.
"""

import asyncio
from collections.abc import AsyncIterator

from _lab import MINE, THEIRS, Gained, Mutant, carry_out, door, turn

MUTANT: Mutant = (
    "gateway/http/guard.py",
    "if self._at_work[customer] >= limits.REQUESTS_OF_ONE_MAX:",
    "if False:",
)


async def attack() -> str:
    from ctxasr.gateway.http.limits import REQUESTS_MAX

    async with door() as front:

        async def never() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        headers = front.headers(MINE) | {"Content-Type": "application/json"}
        held = [
            asyncio.create_task(front.client.post("/v1/records", content=never(), headers=headers))
            for _ in range(REQUESTS_MAX)
        ]
        for _ in range(100):
            await asyncio.sleep(0)
        other = await front.record(turn(customer=THEIRS)["utterance"], THEIRS)
        waiting = sum(not task.done() for task in held)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        if other.status_code == 503:
            raise Gained("the other customer is told to come again")
        assert other.status_code == 200, other.text
    return f"{waiting} of {REQUESTS_MAX} requests wait, and the other customer is served"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
