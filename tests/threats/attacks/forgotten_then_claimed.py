"""Forgotten, then claimed: a customer is forgotten between a recorder's write and its claim.

A late event of the turn makes its item anew, without the expect-speech that the recorder saw. A
claim that stood on the old item would close the new one before it has asked anything.

Attacker: repeats an old event of a turn while its customer is being erased.
Holds against it: a claim demands the events, the references and the key that it stands on.
"""

from typing import Any

from _lab import MINE, Gained, Mutant, carry_out, on_event, turn, wire

from ctxasr.events import TurnKey
from ctxasr.forget import forget

MUTANT: Mutant = (
    "pipeline.py",
    "status = await ports.store.claim(status.turn, event.key.event, grounds=grounds)",
    "status = await ports.store.claim(status.turn, event.key.event)",
)


async def attack() -> str:
    async with wire() as aws:
        given, here = turn(), TurnKey(MINE, "turn-1")
        last = given.pop("expect")
        ports, others = await aws.deliver(given.values()), aws.ports()
        claim = ports.store.claim

        async def after_a_forget(*args: Any, **more: Any) -> Any:
            await forget(MINE, others.store, others.vault)
            await on_event(given["started"], others)
            return await claim(*args, **more)

        ports.store.claim = after_a_forget  # type: ignore[method-assign]
        await on_event(last, ports)
        status = await others.store.read(here)
        assert status is not None
        assert len(status.marks) == 1, "the late event"
        if status.owner is not None or status.outcome is not None:
            raise Gained("a turn that has not asked yet is claimed and closed")
        await aws.deliver([*given.values(), last], others)
        status = await others.store.read(here)
        assert status is not None
        assert status.outcome == "embedded", "it comes again"
    return "the turn that was made anew is nobody's"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
