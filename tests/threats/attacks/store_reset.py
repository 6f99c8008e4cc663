"""The embedded store, wiped by moto's own back door.

`POST /moto-api/reset` empties every table of every account; moto asks nobody for anything there.

Attacker: a process that wants acknowledged events to be gone, and has got hold of the access key.
Holds against it: only POST to / is handed on, whoever asks.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/admission.py",
    'if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", "/"):',
    'if environ["REQUEST_METHOD"] != "POST":',
)
GAINS = "all acknowledged events are gone"


async def attack() -> str:
    async with store() as there:
        before = len(there.rows(key=there.key))
        target, paths = "DynamoDB_20120810.GetItem", ("/moto-api/reset", "/moto-api/data.json")
        for path in (*paths, "//moto-api/reset", "/%6doto-api/reset", "/latest/meta-data/"):
            for method in ("POST", "GET", "DELETE"):
                for key in (there.key, "local"):
                    status, told, _ = there.ask(target, {}, path=path, method=method, key=key)
                    if len(there.rows(key=there.key)) < before:
                        raise Gained("all acknowledged events are gone")
                    if status != 403:
                        raise Gained(f"{method} {path}: {str(told)[:40]}")
    return "moto's own paths are refused, and the rows are there"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
