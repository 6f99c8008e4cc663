"""A token that is pointed elsewhere: a second turn hands out a token that is already out.

The next answer would be heard under names of the attacker's choosing.

Attacker: one skill of several in the same account, which sees the tokens of the others.
Holds against it: the first turn that hands out a token keeps it.
"""

from _lab import Gained, Mutant, answer, carry_out, record, turn, wire

MUTANT: Mutant = (
    "store/dynamodb.py",
    'update = _Update().once(schema.TURN, {"S": turn.interaction})',
    'update = _Update().set(schema.TURN, {"S": turn.interaction})',
)


async def attack() -> str:
    evil = turn("evil", names=["Power"])
    initiator = {"type": "FOLLOW_UP", "payload": {"token": "ask-turn-1"}}
    evil["expect"] = record(
        "SpeechRecognizer.ExpectSpeech",
        {"timeoutInMilliseconds": 8000, "initiator": initiator},
        interaction="evil",
        service_payloads=2,
    )
    async with wire() as aws:
        ports = await aws.deliver(turn().values())
        assert (await answer(ports, "hour", "bauer")).result.text == "bauer"
        await aws.deliver(evil.values(), ports)
        heard = await answer(ports, "hour", "power", "bauer")
    if heard.listening.asked is None or heard.listening.asked.interaction != "turn-1":
        raise Gained("the answer was heard under the other turn's names")
    return "the token still leads to the turn that handed it out first"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
