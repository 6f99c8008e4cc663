"""Replayed event: an old utterance, sent again after its turn was discarded and shredded.

A replay that brought back a key would leave a readable text where the customer was promised none.

Attacker: has recorded a device's messages, or runs a queue that delivers twice.
Holds against it: a settled turn gets no key any more.
"""

from _lab import MINE, Gained, Mutant, World, carry_out, completed, turn

from ctxasr.events import Outcome, TurnKey

MUTANT: Mutant = ("store/memory.py", "if item.outcome is None:", "if item.wrapped_key is None:")


async def attack() -> str:
    world = World()
    given = turn()
    del given["expect"]
    await world.deliver([*given.values(), completed()])
    status = await world.status()
    assert (status.outcome, status.wrapped_key) == (Outcome.DISCARDED, None), "shredded"
    assert world.vault.rows == {}

    for ports in (world.ports, world.process()):  # where it was, and in a process that saw nothing
        await world.deliver([*given.values(), completed()], ports)
        status = await world.status()
        if status.wrapped_key is not None:
            raise Gained("the turn has a key again")
        if world.vault.rows or await world.store.turns(MINE):
            raise Gained("the turn has texts again")
    assert status.outcome is Outcome.DISCARDED
    fresh = await world.vault.new_key(TurnKey(MINE, "turn-1"))
    opened = await world.store.open_key(TurnKey(MINE, "turn-1"), fresh, status.expires_at_s)
    if opened.wrapped_key is not None:
        raise Gained("the turn has a key again")
    return "no key and no text comes back"


if __name__ == "__main__":
    carry_out(attack)
