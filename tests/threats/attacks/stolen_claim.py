"""Stolen claim: a second event takes a turn that the first has claimed.

Both would embed it: twice the cost, and the last writer decides what the context is.

Attacker: a second recorder with write access that wants its own event to own the turn.
Holds against it: the claim is a conditional write; an owned turn is not owned anew.
"""

import asyncio

from _lab import MINE, Gained, Mutant, carry_out, turn, wire

from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "store/dynamodb.py",
    "update.require_absent(schema.OWNER).require_absent(schema.OUTCOME)",
    "update.require_absent(schema.OUTCOME)",
)


async def attack() -> str:
    here = TurnKey(MINE, "turn-1")
    async with wire() as aws:
        given = turn()
        del given["expect"]
        ports = await aws.deliver(given.values())
        assert (await ports.store.claim(here, "first")).owner == "first"
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(aws.ports().store.claim(here, f"other-{n}")) for n in range(8)
            ]
        owners = {task.result().owner for task in others}
        seen = await ports.store.read(here)
    assert seen is not None
    if owners != {"first"} or seen.owner != "first":
        raise Gained("another event owns the turn now")
    return "eight others are told who owns the turn"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
