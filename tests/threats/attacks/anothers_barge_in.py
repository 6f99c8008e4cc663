"""Another customer's barge-in: speech in one house ends the compute window in another.

Device names are chosen by devices, so many households have a "kitchen".

Attacker: a customer whose device calls itself as the victim's does, and who keeps talking.
Holds against it: only the same customer's same device can barge in.
"""

import asyncio

from _lab import THEIRS, Encoder, Gained, Mutant, World, carry_out, recognize, turn

from ctxasr.events import Outcome

MUTANT: Mutant = (
    "windows.py",
    "theirs = self._open.get(turn.customer)",
    "theirs = {turn: one for some in self._open.values() for turn, one in some.items()}",
)


async def attack() -> str:
    world = World(encoder=Encoder(takes_ms=500.0))
    async with asyncio.TaskGroup() as group:
        group.create_task(world.deliver(list(turn(device="kitchen").values())))
        await asyncio.sleep(0.1)
        assert world.encoder.calls, "the embedding is under way"
        for name in ("turn-2", "turn-1"):
            speech = recognize(name, customer=THEIRS, device="kitchen", at_ms=100)
            await world.deliver([speech])
    if (await world.status()).outcome is not Outcome.EMBEDDED:
        raise Gained("another's speech ended the window, and the context was missed")
    return "another's speech ends no window"


if __name__ == "__main__":
    carry_out(attack)
