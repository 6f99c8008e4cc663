"""Another customer's initiator token: handed out by the attacker first, or sent with their speech.

Under a token that both share, the victim's next answer would be heard under names of the attacker's
choosing, and the attacker's under what the victim was offered.

Attacker: a customer who has seen tokens, or knows how they are counted.
Holds against it: a token is handed out and looked up under its sender's account alone.
"""

from _lab import MINE, THEIRS, Gained, Mutant, answer, carry_out, record, turn, wire

from ctxasr.context import fetch
from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "store/schema.py",
    'return {CUSTOMER: {"S": customer}, INTERACTION: {"S": _LINK + token}}',
    'return {CUSTOMER: {"S": token.rpartition("#")[0] or customer}, '
    'INTERACTION: {"S": _LINK + token.rpartition("#")[2]}}',
)
GAINS = "another's contacts came out of the recogniser"

TOKENS = ["ask-theirs", "another#ask-theirs", "link#ask-theirs", "../another/ask-theirs", "theirs"]


async def attack() -> str:
    async with wire() as aws:
        ports = aws.ports()
        # "theirs" is the name of a turn of the victim; the token is that of their next one.
        token = {"type": "FOLLOW_UP", "payload": {"token": "ask-next"}}
        expect = {"timeoutInMilliseconds": 8_000, "initiator": token}
        full_name = "SpeechRecognizer.ExpectSpeech"
        await aws.deliver([record(full_name, expect, interaction="theirs", customer=MINE)], ports)
        await aws.deliver(turn("theirs", customer=THEIRS).values(), ports)
        await aws.deliver(turn("next", customer=THEIRS, names=["Nora Power"]).values(), ports)
        own = await answer(ports, customer=THEIRS, token="ask-theirs")
        assert own.result.text == "bauer", "the token is good for its own customer"
        heard = await answer(ports, customer=THEIRS, token="ask-next")
        if heard.listening.asked != TurnKey(THEIRS, "next"):
            raise Gained("the victim's answer was heard under another turn's names")

        for guess in TOKENS:
            result = await answer(ports, customer=MINE, token=guess)
            if result.result.text != "power" or result.listening.context is not None:
                raise Gained(GAINS)
        # And as the start of a turn of one's own, whose embedding would carry the other's on.
        await aws.deliver(turn("mine", asked_with="ask-theirs", names=["Nobody"]).values(), ports)
        status = await ports.store.read(TurnKey(MINE, "mine"))
        assert status is not None
        phrases = (await fetch(status, ports.vault)).phrases
        if any("bauer" in phrase.text for phrase in phrases):
            raise Gained("another's context was carried into a dialogue of one's own")
    return "a token leads nowhere from another account"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
