"""Another customer's initiator token: an answer that claims to answer somebody else's question.

With the other's context the attacker's own result would show what the other was offered: names of
their contacts come out of the recogniser.

Attacker: a customer who has seen a token, in a log or on a wire, and sends it with their speech.
Holds against it: a token is looked up under its sender's account alone.
"""

from _lab import MINE, THEIRS, Gained, Mutant, World, carry_out, recognize, turn

MUTANT: Mutant = (
    "store/memory.py",
    "turn, expires_at_s = self._links.get((customer, token), (None, 0))",
    "turn, expires_at_s = next((v for (_, t), v in self._links.items() if t == token), (None, 0))",
)

TOKENS = ["ask-theirs", "another#ask-theirs", "link#ask-theirs", "../another/ask-theirs", "theirs"]


async def attack() -> str:
    world = World()
    await world.deliver(list(turn("theirs", customer=THEIRS).values()))
    own = await world.answer(recognize("t", "ask-theirs", customer=THEIRS), "power", "bauer")
    assert own.result.text == "bauer", "the token is good for its own customer"
    for token in TOKENS:
        result = await world.answer(recognize("turn-2", token, customer=MINE), "power", "bauer")
        if result.result.text != "power" or result.listening.context is not None:
            raise Gained("another's contacts came out of the recogniser")
    # And as the start of a turn of one's own, whose embedding would carry the other's on.
    mine = turn("mine", asked_with="ask-theirs", names=["Nobody"])
    await world.deliver(list(mine.values()))
    if any("bauer" in phrase.text for phrase in (await world.context("mine")).phrases):
        raise Gained("another's context was carried into a dialogue of one's own")
    return "a token leads nowhere from another account"


if __name__ == "__main__":
    carry_out(attack)
