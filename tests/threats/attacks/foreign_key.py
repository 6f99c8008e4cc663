"""A data key of the attacker's own: texts are encrypted as always, and the attacker can read them.

Before a turn's first text comes, the attacker writes a wrapped key into its status item. It is
wrapped by a KMS key of their own that anybody may use, for exactly this customer and interaction.
KMS finds the wrapping key by itself unless it is told which one to use.

Attacker: can write the status table and read the payload table; no grant on the service's KMS key.
Holds against it: every decryption names the service's own key.
"""

from _lab import MINE, START_MS, TTL_S, Gained, Mutant, carry_out, decrypt, turn, wire

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import TurnKey
from ctxasr.store import schema

MUTANT: Mutant = ("store/vault.py", "KeyId=key_id,", "**{},  # KMS finds the key by itself")

KNOWN = b"thirty-two bytes that are known."


async def attack() -> str:
    async with wire() as aws:
        own = (await aws.kms.create_key())["KeyMetadata"]["KeyId"]
        wrapped = await aws.kms.encrypt(
            KeyId=own,
            Plaintext=KNOWN,
            EncryptionContext={"customer": MINE, "interaction": "turn-1"},
        )
        item = {
            **schema.status_key(TurnKey(MINE, "turn-1")),
            schema.KEY: {"B": wrapped["CiphertextBlob"]},
            schema.EXPIRES_AT: {"N": str(START_MS // 1000 + TTL_S)},
        }
        await aws.dynamodb.put_item(TableName=aws.tables.status, Item=item)
        try:
            await aws.deliver([turn()["utterance"]])
        except PayloadUnreadable:
            assert (await aws.dump())["payload"] == [], "nothing was written under it"
            return "a key that the service's own KMS key has not wrapped is not used"
        for row in (await aws.dump())["payload"]:
            if decrypt(KNOWN, row) is not None:
                raise Gained("the utterance lies under a key that the attacker made")
    return "the text lies under another key"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
