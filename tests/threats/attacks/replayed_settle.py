"""Replayed settle: the owner's own old request, sent again when the turn is settled.

A late "missed" would shred the context that the customer is about to use.

Attacker: has recorded the owner's requests, or is its retry that was held up on the way.
Holds against it: an outcome is written once.
"""

from _lab import MINE, Gained, Mutant, answer, carry_out, turn, wire

from ctxasr.events import Outcome, TurnKey

MUTANT: Mutant = (
    "store/dynamodb.py",
    "update.require_absent(schema.OUTCOME).require_present(schema.EXPIRES_AT)",
    "update.require_present(schema.EXPIRES_AT)",
)


async def attack() -> str:
    here = TurnKey(MINE, "turn-1")
    async with wire() as aws:
        ports = await aws.deliver(turn().values())
        before = await ports.store.read(here)
        assert before is not None
        assert before.outcome is Outcome.EMBEDDED
        for outcome in (Outcome.MISSED, Outcome.DISCARDED, Outcome.EMBEDDED):
            for owner in (before.owner, None):
                await aws.ports().store.settle(here, outcome, owner=owner)
        seen = await ports.store.read(here)
        if seen != before:
            raise Gained("a settled turn was settled anew, and its key is gone")
        assert (await answer(aws.ports())).result.text == "bauer", "the context is still there"
    return "a settled turn stays as it is"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
