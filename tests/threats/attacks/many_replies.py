"""Many replies: one turn speaks dozens of times, and its texts are looked at as one.

Names are sought in all that the assistant has said. A megabyte of it would hold up everybody's
event loop for seconds.

Attacker: a skill that sends as many replies as a turn takes, each of the longest kind.
Holds against it: of a turn's replies the last are read that have room where one has.
"""

from _lab import Encoder, Gained, Mutant, World, carry_out, record, turn

from ctxasr.events import TEXT_BYTES_MAX, Outcome, TurnText
from ctxasr.ports import Matrix, Vector

MUTANT: Mutant = ("context.py", "if left_bytes < 0:", "if False:")

REPLIES = 20


async def attack() -> str:
    read: list[int] = []

    class Reading(Encoder):
        async def encode(self, turn: TurnText, past: Matrix) -> Vector:
            read.append(len(turn.reply))
            return await super().encode(turn, past)

    world, given = World(encoder=Reading()), turn()
    last = given.pop("expect")
    await world.deliver(list(given.values()))
    for number in range(REPLIES):
        text = f"{number} " + "a " * (TEXT_BYTES_MAX // 2 - 2)
        await world.deliver([record("ContextText.Reply", {"text": text}, number=f"said-{number}")])
    await world.deliver([last])
    assert (await world.status()).outcome is Outcome.EMBEDDED
    if read[0] > TEXT_BYTES_MAX:
        raise Gained(f"{read[0]} characters of one turn are looked at in one go")
    return f"{read[0]} characters are read, and the turn has its context"


if __name__ == "__main__":
    carry_out(attack)
