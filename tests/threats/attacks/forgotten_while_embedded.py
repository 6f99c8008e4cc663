"""Forgotten while it was embedded: a context computed from texts that were erased meanwhile.

The turn comes again, and the same event claims it again in another process. The first process still
owns the claim by its name, and would settle the new turn with what it made of the forgotten texts.

Attacker: speaks on a device after its owner has had everything erased, and hopes for old names.
Holds against it: settling demands the data key under which the context was computed.
"""

import asyncio
from typing import Any

from _lab import MINE, Gained, Mutant, carry_out, on_event, turn, wire

from ctxasr.events import PayloadKind, TurnKey
from ctxasr.forget import forget

MUTANT: Mutant = (
    "pipeline.py",
    "turn, Outcome.EMBEDDED, owner=key.event, ref=ref, grounds=grounds",
    "turn, Outcome.EMBEDDED, owner=key.event, ref=ref",
)
GAINS = "a context of forgotten texts"


async def attack() -> str:
    async with wire() as aws:
        given, here = turn(), TurnKey(MINE, "turn-1")
        last = given.pop("expect")
        ports, others = await aws.deliver(given.values()), aws.ports()
        settle = ports.store.settle

        async def after_a_forget(*args: Any, **more: Any) -> Any:
            await forget(MINE, others.store, others.vault)
            await aws.deliver(given.values(), others)

            async def dies(*args: Any, **more: Any) -> Any:
                raise asyncio.CancelledError

            others.vault.get = dies  # type: ignore[method-assign]
            with_claim = asyncio.create_task(on_event(last, others))
            await asyncio.wait([with_claim])
            assert with_claim.cancelled(), "it has claimed, and stopped there"
            return await settle(*args, **more)

        ports.store.settle = after_a_forget  # type: ignore[method-assign]
        await on_event(last, ports)
        status = await aws.ports().store.read(here)
        assert status is not None
        if status.outcome is not None:
            raise Gained(f"{GAINS} settles the turn that came after them")
        left = [row for row in (await aws.dump())["payload"] if "#context#" in row["payload"]["S"]]
        if left or any(ref.kind is PayloadKind.CONTEXT for ref in status.refs):
            raise Gained(f"{GAINS} is still there")
    return "it is not settled, and not kept"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
