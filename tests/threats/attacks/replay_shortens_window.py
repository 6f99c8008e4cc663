"""Replayed event: an old Recognize, sent again while the next reply plays.

A Recognize of the same device is a barge-in and ends the compute window. An old one must not, or a
replay costs the customer the context of every turn.

Attacker: has recorded the device's messages and sends the last one at the right moment.
Holds against it: a Recognize from before the window opened is no barge-in.
"""

import asyncio

from _lab import Encoder, Gained, Mutant, World, carry_out, recognize, turn

from ctxasr.events import Outcome

MUTANT: Mutant = (
    "windows.py",
    "later = event.mark.at_ms > window.deadline.opened_ms",
    "later = True",
)


async def attack() -> str:
    world = World(encoder=Encoder(takes_ms=500.0))
    old = recognize("turn-0", at_ms=-20_000)
    await world.deliver([old])
    async with asyncio.TaskGroup() as group:
        group.create_task(world.deliver(list(turn().values())))
        await asyncio.sleep(0.1)
        assert world.encoder.calls, "the embedding is under way"
        await world.deliver([old], world.ports)
    if (await world.status()).outcome is not Outcome.EMBEDDED:
        raise Gained("a replayed Recognize ended the window, and the context was missed")
    return "the window stays open until the reply ends"


if __name__ == "__main__":
    carry_out(attack)
