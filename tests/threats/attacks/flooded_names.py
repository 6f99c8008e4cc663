"""Flooded names: a service offers so many names that the turn's context no longer fits.

An embedding that is too large would be refused at the end, and the customer's answer heard without
any context, the names of the other services included.

Attacker: one skill of those that were invoked; it sends as many names as it may.
Holds against it: the names of one context are cut to a named number.
"""

from _lab import Gained, Mutant, World, carry_out, record, turn

from ctxasr.events import ENTITIES_MAX, Outcome

MUTANT: Mutant = (
    "context.py",
    "if len(self.phrases) >= CONTEXT_PHRASES_MAX or self._left_bytes < _SHORTEST_BYTES:",
    "if False:",
)


async def attack() -> str:
    world = World()
    given = turn()
    last = given.pop("expect")
    await world.deliver(list(given.values()))
    for number in range(4):
        names = [f"First{number} Last{index}" for index in range(ENTITIES_MAX)]
        body = {"kind": "contact", "values": names}
        await world.deliver([record("ContextText.Entities", body, number=f"flood-{number}")])
    await world.deliver([last])
    if (await world.status()).outcome is not Outcome.EMBEDDED:
        raise Gained("the turn has no context")
    return f"{len((await world.context()).phrases)} names are kept, and the turn has its context"


if __name__ == "__main__":
    carry_out(attack)
