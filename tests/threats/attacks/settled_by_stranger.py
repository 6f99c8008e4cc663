"""Settled by a stranger: whoever does not own a turn closes it, and its texts are shredded.

The customer's next answer would be heard without the context that was on its way. So does one who
settles a turn as embedded with a reference to nothing.

Attacker: a recorder whose claim was lost, or one that never claimed.
Holds against it: settling is conditional on the owner, and on nobody where nobody claimed.
"""

from _lab import MINE, Gained, Mutant, carry_out, turn, wire

from ctxasr.events import Outcome, PayloadKind, PayloadRef, TurnKey

MUTANT: Mutant = (
    "store/dynamodb.py",
    'update.require_equal(schema.OWNER, {"S": owner})',
    "update.require_present(schema.OWNER)",
)


async def attack() -> str:
    here, nothing = TurnKey(MINE, "turn-1"), PayloadRef(PayloadKind.CONTEXT, "0" * 16)
    async with wire() as aws:
        given = turn()
        del given["expect"]
        ports = await aws.deliver(given.values())
        await ports.store.claim(here, "owner")
        before = await ports.store.read(here)
        for stranger in ("stranger", None, "owner ", "Owner"):
            for outcome in Outcome:
                ref = nothing if outcome is Outcome.EMBEDDED else None
                await aws.ports().store.settle(here, outcome, owner=stranger, ref=ref)
                seen = await ports.store.read(here)
                if seen != before:
                    raise Gained(f"a stranger has settled the turn as {outcome}")
        settled = await ports.store.settle(here, Outcome.MISSED, owner="owner")
    assert settled.outcome is Outcome.MISSED, "its owner can"
    return "only its owner settles a turn"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
