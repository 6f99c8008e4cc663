"""Swapped ciphertext, between turns: an old text is played back in a new dialogue.

Whoever rotates keys may re-wrap a data key: KMS does that without showing it. So the key of one
turn is brought to another turn of the same customer, and its ciphertext with it.

Attacker: holds a key rotation role (kms:ReEncrypt) and can write both tables.
Holds against it: the interaction is part of what AES-GCM authenticates, whatever key it is under.
"""

from _lab import MINE, Gained, Mutant, carry_out, transplant, wire

MUTANT: Mutant = (
    "store/schema.py",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number, expires_at_s]",
    "place = [FORMAT_VERSION, turn.customer, ref.kind, ref.number, expires_at_s]",
)


async def attack() -> str:
    async with wire() as aws:
        if await transplant(aws, ("turn-0", MINE), ("turn-1", MINE)):
            raise Gained("the old turn's text was read as the new one's")
    return "another turn's ciphertext does not open, though its key was brought along"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
