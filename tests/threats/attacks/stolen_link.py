"""A token that is pointed elsewhere: a second turn hands out a token that is already out.

The next answer would be heard under names of the attacker's choosing.

Attacker: one skill of several in the same account, which sees the tokens of the others.
Holds against it: the first turn that hands out a token keeps it.
"""

from _lab import ANSWER, Gained, Mutant, World, carry_out, record, turn

MUTANT: Mutant = (
    "store/memory.py",
    "self._links.setdefault((turn.customer, token), (turn, expires_at_s))",
    "self._links[turn.customer, token] = (turn, expires_at_s)",
)


async def attack() -> str:
    world = World()
    await world.deliver(list(turn().values()))
    assert (await world.answer(ANSWER, "hour", "bauer")).result.text == "bauer"
    evil = turn("evil", names=["Power"])
    initiator = {"type": "FOLLOW_UP", "payload": {"token": "ask-turn-1"}}
    evil["expect"] = record(
        "SpeechRecognizer.ExpectSpeech",
        {"timeoutInMilliseconds": 8000, "initiator": initiator},
        interaction="evil",
        service_payloads=2,
    )
    await world.deliver(list(evil.values()))
    heard = await world.answer(ANSWER, "hour", "power", "bauer")
    if heard.listening.asked is None or heard.listening.asked.interaction != "turn-1":
        raise Gained("the answer was heard under the other turn's names")
    return "the token still leads to the turn that handed it out first"


if __name__ == "__main__":
    carry_out(attack)
