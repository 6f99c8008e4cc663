"""Replayed event: the one that claimed, fifty times while its embedding is under way.

Each replay owns the claim, as a redelivery should. Where each also ran the model, one message would
cost fifty times the computing, and every other customer's window would pass.

Attacker: has recorded one message of one device and sends it as often as the line carries.
Holds against it: one embedding of a turn at a time, and those that waited look again.
"""

import asyncio

from _lab import Encoder, Gained, Mutant, World, carry_out, turn

from ctxasr.events import Outcome

MUTANT: Mutant = (
    "pipeline.py",
    "if waited:  # for an earlier delivery of this event, which may have failed",
    "if False:",
)

REPLAYS = 50


async def attack() -> str:
    world = World(encoder=Encoder(takes_ms=100.0))
    given = turn()
    last = given.pop("expect")
    await world.deliver(list(given.values()))
    async with asyncio.TaskGroup() as group:
        for _ in range(REPLAYS):
            group.create_task(world.deliver([last]))
    await world.deliver([last])
    assert (await world.status()).outcome is Outcome.EMBEDDED
    if len(world.encoder.calls) > 1:
        raise Gained(f"{REPLAYS} replays ran the model {len(world.encoder.calls)} times")
    contexts = [place for place in world.vault.rows if "#context#" in place[1]]
    assert len(contexts) == 1, "one embedding is stored"
    return f"{REPLAYS} replays ran the model once"


if __name__ == "__main__":
    carry_out(attack)
