"""The embedded store of one pipeline, read through that of another in the same process.

Both are accounts of one moto, and moto lets a header choose the account.

Attacker: a client of the second store, which has its credential and no other.
Holds against it: each store says itself which account a request is for, whatever the request says.
"""

from _lab import Gained, Mutant, carry_out
from _store import Store, store

from ctxasr.store.clients import clients
from ctxasr.store.local import LocalAws

MUTANT: Mutant = (
    "store/local.py",
    'environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account',
    'environ.setdefault("HTTP_X_MOTO_ACCOUNT_ID", self._account)',
)
GAINS = "rows of the other store"


async def attack() -> str:
    async with store() as victim, LocalAws() as second, clients(second.endpoint) as own:
        mine = Store(second, own)
        if mine.rows(key=victim.key) or victim.rows(key=mine.key):
            raise Gained("one store takes the other's credential")
        for number in range(1, 10):
            rows = mine.rows(key=mine.key, X_Moto_Account_Id=f"{number:012d}")
            if rows:
                raise Gained(f"{len(rows)} rows of the other store, by a header")
    return "a header with another's account leads nowhere"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
