"""Unclosable turn: one turn that the sweep cannot close, first in order, to keep all others open.

The texts of an open turn lie there until they expire: whoever makes the sweep stumble over one turn
keeps the others, and their keys, from being shredded.

Attacker: a device whose first turn of the day makes the store refuse whatever closes it.
Holds against it: the sweep closes the others, and says at its end that one was not closed.
"""

from typing import Any

from _lab import MINE, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import StoreUnavailable
from ctxasr.events import ConsistentStatus, TurnKey
from ctxasr.pipeline import sweep
from ctxasr.trigger import GRACE_MS

MUTANT: Mutant = (
    "pipeline.py",
    "except Exception as error:  # whatever is wrong with this one, the others are closed",
    "except ZeroDivisionError as error:",
)


async def attack() -> str:
    world, refused = World(), 0

    class Refusing:
        """The store, which refuses to settle the attacker's turn."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        async def settle(self, here: TurnKey, *given: Any, **named: Any) -> ConsistentStatus:
            nonlocal refused
            if here.interaction == "turn-0":
                refused += 1
                raise StoreUnavailable("refused")
            return await world.store.settle(here, *given, **named)

    for number in range(4):
        await world.deliver([turn(f"turn-{number}")["utterance"]])
    world.clock.skipped_ms = GRACE_MS
    ports = world.process()
    ports.store = Refusing()  # type: ignore[assignment]
    try:
        await sweep(MINE, ports)
    except StoreUnavailable:
        assert refused == 1, "the turn that was refused is reported"
    left = [one for one in await world.store.turns(MINE) if one.turn.interaction != "turn-0"]
    if left:
        raise Gained(f"{len(left)} turns of others stay open, and their texts are kept")
    return "the others are closed, and the one that was not is reported"


if __name__ == "__main__":
    carry_out(attack)
