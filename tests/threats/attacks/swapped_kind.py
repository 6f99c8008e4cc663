"""Swapped ciphertext, between kinds: the reply is put where a service's names are read.

The assistant reads out a stranger's message ("... Power ..."). Where that text is taken for a list
of contacts, the next answer is bent towards it, and a name that was said is not heard.

Attacker: can write the payload table, with a stolen role that has no grant on KMS.
Holds against it: kind and number are part of what AES-GCM authenticates.
"""

from _lab import MINE, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import PayloadKind, TurnKey

MUTANT: Mutant = (
    "store/schema.py",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number, expires_at_s]",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, expires_at_s]",
)


async def attack() -> str:
    world = World()
    given = turn()
    del given["expect"]
    await world.deliver(list(given.values()))
    status = await world.status()
    assert status.wrapped_key is not None
    rows, here = world.vault.rows, TurnKey(MINE, "turn-1")
    places = {name: place for place in rows for name in PayloadKind if f"#{name}#" in place[1]}
    rows[places[PayloadKind.ENTITIES]] = rows[places[PayloadKind.REPLY]]
    refs = [ref for ref in status.refs if ref.kind is PayloadKind.ENTITIES]
    try:
        await world.vault.get(status.wrapped_key, here, refs)
    except PayloadUnreadable:
        return "the reply's ciphertext does not open as a list of names"
    raise Gained("the reply was read as a list of names")


if __name__ == "__main__":
    carry_out(attack)
