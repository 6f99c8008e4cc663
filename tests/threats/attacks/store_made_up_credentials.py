"""The embedded store, read by another process with the credentials that every moto takes.

It finds the port among the listening sockets and asks for a customer's rows, as any AWS program
would whose keys are made up.

Attacker: any process on this machine; it knows the port and a customer's name.
Holds against it: the store was given a random access key when it started, and compares it.
"""

from _lab import Gained, Mutant, carry_out
from _store import MADE_UP, store

MUTANT: Mutant = (
    "store/admission.py",
    'if not compare_digest(signed["key"].encode(), self._key):',
    'if not compare_digest(signed["key"].encode(), signed["key"].encode()):',
)


async def attack() -> str:
    async with store() as there:
        assert there.rows(key=there.key), "the rows are there for whoever has the key"
        near = [there.key[:-1], there.key + "0", there.key.upper() + "_", "AKIAIOSFODNN7EXAMPLE"]
        for key in (MADE_UP, *near):
            rows = there.rows(key=key)
            if rows:
                raise Gained(f"{len(rows)} rows of a customer, with the access key of nobody")
        scanned, _, _ = there.ask(
            "DynamoDB_20120810.Scan", {"TableName": there.aws.tables.payload}, key=MADE_UP
        )
        assert scanned == 403
    return "made-up access keys, and those that are nearly right, read no rows"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
