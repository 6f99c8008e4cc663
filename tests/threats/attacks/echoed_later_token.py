"""A token from the future: what was said later stands in an earlier turn's context.

A turn whose last payload is late is embedded after the next one has been. Where its Recognize
echoes the token of that next turn, it would be embedded as if the next turn had come before it, and
its answer would be heard as if the customer had already said what they say only then.

Attacker: one device of the household, which chooses the tokens that it echoes.
Holds against it: a turn extends the context of no turn that began later than itself.
"""

from _lab import Gained, Mutant, World, carry_out, turn

MUTANT: Mutant = (
    "context.py",
    "if is_later(max(before.began_ms, context.latest_ms), status.began_ms):",
    "if False:",
)


async def attack() -> str:
    world = World()
    first = turn("turn-1", asked_with="ask-turn-2", reply_ms=60_000, names=("Meg Jones",))
    late = first.pop("reply")
    await world.deliver(list(first.values()))
    await world.deliver(list(turn("turn-2", at_ms=9_000, names=("Zoe Later",)).values()))
    await world.deliver([late])
    context = await world.context("turn-1")
    if len(context.vectors) != 1 or any(one.text == "zoe later" for one in context.phrases):
        raise Gained("an earlier turn's context holds what was said later")
    return "a turn that echoes a later token begins a dialogue of its own"


if __name__ == "__main__":
    carry_out(attack)
