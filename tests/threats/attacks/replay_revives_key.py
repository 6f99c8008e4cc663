"""Replayed event: an old utterance, sent again after its turn was discarded and shredded.

A replay that brought back a key would leave a readable text where the customer was promised none.

Attacker: has recorded a device's messages, or runs a queue that delivers twice.
Holds against it: a settled turn gets no key any more.
"""

from _lab import MINE, Gained, Mutant, carry_out, completed, turn, wire

from ctxasr.events import Outcome, TurnKey

MUTANT: Mutant = (
    "store/dynamodb.py",
    "return await self._write(turn, update.require_absent(schema.OUTCOME))",
    "return await self._write(turn, update)",
)
GAINS = "the turn has a key again"


async def attack() -> str:
    given, here = turn(), TurnKey(MINE, "turn-1")
    del given["expect"]
    async with wire() as aws:
        ports = await aws.deliver([*given.values(), completed()])
        status = await ports.store.read(here)
        assert status is not None
        assert (status.outcome, status.wrapped_key) == (Outcome.DISCARDED, None), "shredded"
        assert (await aws.dump())["payload"] == []

        for process in (ports, aws.ports()):  # where it was, and in a process that saw nothing
            await aws.deliver([*given.values(), completed()], process)
            if "key" in await aws.item():
                raise Gained(GAINS)
            if (await aws.dump())["payload"] or await process.store.turns(MINE):
                raise Gained("the turn has texts again")
        assert (await aws.item())["outcome"] == {"S": Outcome.DISCARDED.value}
        fresh = await ports.vault.new_key(here)
        opened = await ports.store.open_key(here, fresh, status.expires_at_s)
        if opened.wrapped_key is not None:
            raise Gained(GAINS)
    return "no key and no text comes back"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
