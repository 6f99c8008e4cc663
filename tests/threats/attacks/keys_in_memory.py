"""A memory image: data keys of turns that were shredded, or long done, lie in a core dump.

Attacker: gets a core dump or a swapped page of a recording process, and has both tables.
Holds against it: a data key is overwritten with zeros when it leaves the cache.
"""

from _lab import MINE, Gained, Mutant, carry_out, decrypt, turn, wire

from ctxasr.events import TurnKey
from ctxasr.store.vault import DATA_KEY_AGE_MS_MAX, KmsVault

MUTANT: Mutant = ("store/vault.py", "key[:] = bytes(len(key))", "del key")
GAINS = "the key of a shredded turn lies in the memory image"


async def attack() -> str:
    async with wire() as aws:
        ports = aws.ports()
        assert isinstance(ports.vault, KmsVault)
        for name in ("turn-1", "turn-2"):
            await aws.deliver([turn(name)["utterance"]], ports)
        rows = (await aws.dump())["payload"]
        memory = [key for key, _ in ports.vault._keys._keys.values()]  # these very bytes
        assert any(decrypt(bytes(key), row) for key in memory for row in rows), "in use"

        await ports.vault.delete(TurnKey(MINE, "turn-1"), [])  # shredded
        if sum(any(key) for key in memory) > 1:
            raise Gained("the key of a shredded turn lies in the memory image")
        aws.clock.ms += DATA_KEY_AGE_MS_MAX
        ports.vault.held_key(TurnKey(MINE, "turn-2"))  # any look at the cache
        if any(any(key) for key in memory):
            raise Gained("the key of a turn that is long done lies in the memory image")
    return f"{len(memory)} data keys are zeros"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
