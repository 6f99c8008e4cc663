"""Re-dated expiry: a text that should be gone is given a new date, and read again.

The rows of expired turns stay in the table until the sweeper comes, for days at times.

Attacker: can write both tables, and asks through the service, which holds the key.
Holds against it: the expiry is part of what AES-GCM authenticates.
"""

from _lab import MINE, TTL_S, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "store/schema.py",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number, expires_at_s]",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number]",
)


async def attack() -> str:
    world, here = World(), TurnKey(MINE, "turn-1")
    await world.deliver(list(turn().values()))
    world.clock.skipped_ms += 2_000 * TTL_S
    assert await world.store.read(here) is None, "the turn has expired"

    later_s = 10 * TTL_S
    item = world.store._turns[here]
    world.store._turns[here] = item._replace(expires_at_s=item.expires_at_s + later_s)
    for place, (body, expires_at_s) in list(world.vault.rows.items()):
        world.vault.rows[place] = (body, expires_at_s + later_s)

    status = await world.status()
    assert status.wrapped_key is not None
    opened = 0
    for ref in status.refs:
        try:
            await world.vault.get_blob(status.wrapped_key, here, ref)
            opened += 1
        except PayloadUnreadable:
            continue
    if opened:
        raise Gained(f"{opened} expired payloads were read under a new date")
    return f"none of {len(status.refs)} payloads opens under another date"


if __name__ == "__main__":
    carry_out(attack)
