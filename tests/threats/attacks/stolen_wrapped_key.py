"""A stolen table dump, with a grant on KMS for another customer's data.

The wrapped keys lie in the dump beside what they lock. KMS would unwrap them for whoever may ask,
so what may be asked is tied to customer and interaction.

Attacker: a service account that may decrypt for its own customer alone, and has both tables.
Holds against it: KMS binds every data key to its customer and interaction.
"""

from _lab import MINE, THEIRS, Gained, Mutant, carry_out, decrypt, turn, wire

from ctxasr.store import schema

MUTANT: Mutant = (
    "store/vault.py",
    'return {"customer": turn.customer, "interaction": turn.interaction}',
    'return {"service": "ctxasr"}',
)


async def attack() -> str:
    from botocore.exceptions import ClientError

    async with wire() as aws:
        await aws.deliver(list(turn(customer=THEIRS).values()))
        rows = await aws.dump()
        wrapped = [bytes(item[schema.KEY]["B"]) for item in rows["status"] if schema.KEY in item]
        assert wrapped, "the dump holds wrapped keys"
        assert rows["payload"], "and what they lock"
        asked = [
            {"customer": MINE, "interaction": "turn-1"},
            {"customer": THEIRS},
            {"interaction": "turn-1"},
            {"customer": THEIRS, "interaction": "turn-2"},
            {"service": "ctxasr"},
            {},
        ]
        for key in wrapped:
            for context in asked:
                try:
                    opened = await aws.kms.decrypt(CiphertextBlob=key, EncryptionContext=context)
                except ClientError:
                    continue
                texts = [decrypt(opened["Plaintext"], row) for row in rows["payload"]]
                raise Gained(f"{sum(text is not None for text in texts)} texts of another customer")
            # Without KMS: the wrapped key is no key itself.
            for guess in (key[:32], key[-32:]):
                assert all(decrypt(guess, row) is None for row in rows["payload"])
    return f"{len(asked)} other encryption contexts unwrap nothing"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
