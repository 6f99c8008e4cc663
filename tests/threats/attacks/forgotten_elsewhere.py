"""Forgotten elsewhere: one process holds a turn's data key while another erases the customer.

What the first process goes on sealing under that key nobody could open: the customer's new words
would be acknowledged and lost, for as long as the process holds the key.

Attacker: has a customer erased through another process than the one that listens.
Holds against it: a recorder compares the key that it used with the item that its own write returns.
"""

from _lab import MINE, Gained, Mutant, carry_out, turn, wire

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import TurnKey
from ctxasr.forget import forget

MUTANT: Mutant = (
    "record.py",
    "if key is not None and key == status.wrapped_key:",
    "if key is not None:",
)
GAINS = "acknowledged words that nobody can read"


async def attack() -> str:
    async with wire() as aws:
        given, here = turn(), TurnKey(MINE, "turn-1")
        ports, others = await aws.deliver([given["utterance"]]), aws.ports()
        held = ports.vault.held_key(here)
        assert held is not None
        await forget(MINE, others.store, others.vault)
        assert ports.vault.held_key(here) == held, "nobody told it"
        for said in (given["entities"], given["reply"], given["utterance"]):
            await aws.deliver([said], ports)
            status = await others.store.read(here)
            assert status is not None
            try:
                assert status.wrapped_key != held, "the item was made anew"
                assert status.wrapped_key is not None
                await others.vault.get(status.wrapped_key, here, sorted(status.refs))
            except (AssertionError, PayloadUnreadable):
                raise Gained(GAINS) from None
        if ports.vault.held_key(here) == held:
            raise Gained("the key of a customer who was forgotten is still held")
    return "what is acknowledged can be read"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
