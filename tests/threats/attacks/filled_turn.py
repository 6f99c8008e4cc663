"""Filled turn: events of one turn until its item takes no more, to the last byte.

A turn without a payload has no key that closing could remove: where the outcome no longer fits, the
turn can never be claimed nor settled, and every sweep finds it again.

Attacker: a device that sends events of one turn without end.
Holds against it: a turn takes no more events long before its item is full; what is left is kept for
owner, outcome and context.
"""

import asyncio

from _lab import MINE, TTL_S, Gained, Mutant, World, carry_out, record, turn

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import Outcome
from ctxasr.pipeline import sweep
from ctxasr.store.schema import ITEM_BYTES_MAX

MUTANT: Mutant = (
    "store/room.py",
    "return not short and item_bytes(item) >= STATUS_BYTES_MAX",
    "return False",
)

WIDE = "\U0001f600" * 220
"""Four bytes each, and a message id counts characters."""


async def attack() -> str:
    world = World()
    await world.deliver([turn()["expect"]])
    for number in range(ITEM_BYTES_MAX // len(WIDE)):
        try:
            await world.deliver([record("A.B", number=f"{number}{WIDE}")])
        except LimitExceeded:
            break
    for length in range(len(WIDE), 0, -1):  # the first that fits leaves not one byte
        try:
            await world.deliver([record("A.B", number="x" * length)])
        except LimitExceeded:
            continue
    await asyncio.sleep(TTL_S / 2)
    try:
        await sweep(MINE, world.ports)
    except StoreUnavailable as error:
        if "ITEM_BYTES_MAX" not in str(error):
            raise
        raise Gained("the turn can neither be claimed nor settled") from None
    status = await world.status()
    assert status.outcome is Outcome.MISSED, status.outcome
    return f"{len(status.marks)} events are taken, the others refused, and the turn is closed"


if __name__ == "__main__":
    carry_out(attack)
