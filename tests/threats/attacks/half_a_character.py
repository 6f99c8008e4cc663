"""Half a character: a token that is a text in Python, and nothing that a database can take.

"\\ud800" alone stands in JSON and in no UTF-8. The store answers with a fault of its own, the event
looks as if it should be delivered again, and it is, for ever.

Attacker: a device that echoes such a token.
Holds against it: tokens are checked for being texts before anything is written.
"""

from _lab import Gained, Mutant, World, carry_out, recognize, record

MUTANT: Mutant = (
    "envelopes.py",
    "Token = Annotated[str, StringConstraints(min_length=0)]  "
    "# any constraint refuses half characters",
    "Token = str",
)


async def attack() -> str:
    from pydantic import ValidationError

    world, refused = World(), 0
    for token in ("\ud800", "ask-\udfff", "\udc00\ud800"):
        for initiator in (token, {"type": "FOLLOW_UP", "payload": {"token": token}}):
            body = {"timeoutInMilliseconds": 8000, "initiator": initiator}
            for full_name in ("SpeechRecognizer.Recognize", "SpeechRecognizer.ExpectSpeech"):
                try:
                    await world.deliver([record(full_name, body)])
                except ValidationError:
                    refused += 1
                    continue
                raise Gained("a token that no database takes goes to the store, again and again")
    await world.deliver([recognize("turn-1", "\U0001f600 ask")])
    return f"{refused} such tokens are refused, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
