"""After a discard: a backup of the payload table, taken before, and the right to use KMS.

Deleting rows is not enough, for they live on in backups. The wrapped key lies in the status item
alone; when it is gone from there, no right on KMS opens the backup any more.

Attacker: has yesterday's payload table, today's status table, and may decrypt with KMS.
Holds against it: settling without an embedding removes the wrapped key in the same write.
"""

from _lab import MINE, Gained, Mutant, carry_out, completed, decrypt, turn, wire

from ctxasr.store import schema

MUTANT: Mutant = ("store/dynamodb.py", "update.remove(schema.KEY)", "pass  # the rows are deleted")


async def attack() -> str:
    async with wire() as aws:
        given = turn()
        del given["expect"]
        await aws.deliver(given.values())
        backup = (await aws.dump())["payload"]
        assert len(backup) == 4
        await aws.deliver([completed()])
        rows = await aws.dump()
        assert rows["payload"] == [], "deleted as well"
        for item in rows["status"]:
            if schema.KEY not in item:
                continue
            key = await aws.kms.decrypt(
                CiphertextBlob=bytes(item[schema.KEY]["B"]),
                EncryptionContext={"customer": MINE, "interaction": "turn-1"},
            )
            read = [decrypt(key["Plaintext"], row) for row in backup]
            raise Gained(f"{sum(one is not None for one in read)} texts of a discarded turn")
    return "no key is left for the backup"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
