"""Swapped ciphertext, between customers: another's text is put into one's own account and read.

Both turns have the same name, for clients choose their names. The victim's data key is re-wrapped
for the attacker's turn, which KMS does without showing it.

Attacker: a customer who also holds a key rotation role (kms:ReEncrypt) and can write both tables.
Holds against it: the customer is part of what AES-GCM authenticates, whatever key it is under.
"""

from _lab import MINE, THEIRS, Gained, Mutant, carry_out, transplant, wire

MUTANT: Mutant = (
    "store/schema.py",
    "place = [FORMAT_VERSION, turn.customer, turn.interaction, ref.kind, ref.number, expires_at_s]",
    "place = [FORMAT_VERSION, turn.interaction, ref.kind, ref.number, expires_at_s]",
)


async def attack() -> str:
    async with wire() as aws:
        if await transplant(aws, ("turn-1", THEIRS), ("turn-1", MINE)):
            raise Gained("another customer's text was read as one's own")
    return "another customer's ciphertext does not open, though its key was brought along"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
