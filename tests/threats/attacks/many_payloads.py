"""Many payloads: one turn gets payloads without end, and its trigger would read all of them.

Attacker: a skill that answers with hundreds of lists, each of them within its limit.
Holds against it: a turn takes a named number of payloads; of a refused one nothing stays.
"""

from _lab import Gained, Mutant, World, carry_out, record, turn

from ctxasr.errors import LimitExceeded
from ctxasr.events import Outcome

MUTANT: Mutant = (
    "store/room.py",
    "return payloads(item) >= TURN_PAYLOADS_MAX",
    "return False",
)


async def attack() -> str:
    from ctxasr.store.room import TURN_PAYLOADS_MAX

    world, given = World(), turn()
    last, refused = given.pop("expect"), 0
    await world.deliver(list(given.values()))
    for number in range(150):
        body = {"kind": "contact", "values": ["x" * 200] * 500}
        try:
            await world.deliver([record("ContextText.Entities", body, number=f"flood-{number}")])
        except LimitExceeded:
            refused += 1
    if not refused or len(world.vault.rows) > TURN_PAYLOADS_MAX:
        raise Gained(f"{len(world.vault.rows)} payloads of one turn lie there to be read")
    await world.deliver([last])
    assert (await world.status()).outcome is Outcome.EMBEDDED
    return f"{len(world.vault.rows)} rows are kept, {refused} refused, and the turn has its context"


if __name__ == "__main__":
    carry_out(attack)
