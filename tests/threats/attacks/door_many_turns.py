"""The door, many turns in one body: the rate counts bodies, each of which writes many items.

Attacker: a customer, or whoever has their token.
Holds against it: the messages of one body begin one turn at most.
"""

from _lab import Gained, Mutant, carry_out, door

MUTANT: Mutant = (
    "gateway/http/dialogues.py",
    "if self._turns_max is not None and began > self._turns_max:",
    "if False:",
)

TURNS = 500


async def attack() -> str:
    from ctxasr.gateway.protocols.wyoming_frames import Message, to_bytes

    async with door(rate_per_min=1) as front:
        body = to_bytes(Message("transcribe")) * TURNS
        await front.client.post("/v1/wyoming", content=body, headers=front.headers())
        written = len(front.world.store._turns)
        if written > 1:
            raise Gained(f"one request at a rate of one has begun {written} turns")
        assert written == 1, "the first was taken in"
    return f"one of {TURNS} turns was begun"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
