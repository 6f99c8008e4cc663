"""One odd row: a single turn keeps all turns of a household from being closed.

A sweep looks at all unsettled turns of a customer. If one of their items cannot be read, and the
sweep stops there, then the data keys of all the others stay: nothing is shredded until it expires.

Attacker: whoever can write one item of the event-status table, or a newer version of this program
that works over the same tables while it is rolled out.
Holds against it: what is unknown in an item is skipped, and reading an item never raises.
"""

from _lab import MINE, Gained, Mutant, carry_out, record, wire

from ctxasr.events import Outcome, TurnKey
from ctxasr.pipeline import sweep
from ctxasr.store import schema

MUTANT: Mutant = (
    "store/schema.py",
    "except (KeyError, ValueError, LimitExceeded):",
    "except ZeroDivisionError:",
)

ODD = {
    "a mark that is a number": {"ev#m": {"N": "7"}},
    "a mark without a time": {"ev#m": {"S": "SpeechRecognizer.Recognize"}},
    "a mark whose time is a word": {"ev#m": {"S": "SpeechRecognizer.Recognize yesterday"}},
    "a mark with an odd number": {"ev#m": {"S": "SpeechRecognizer.ExpectSpeech 1 1e400"}},
    "a kind of payload that is unknown": {"ref#hologram#1": {"S": "odd#hologram#1"}},
    "a reference without a number": {"ref#reply": {"S": "odd#reply"}},
    "a reference to a place too long for a key": {"ref#reply#" + 1_100 * "x": {"S": "odd"}},
    "an expiry that is a text": {"expires_at": {"S": "tomorrow"}},
    "an owner that is a number": {"owner": {"N": "7"}},
    "a key that is a text": {"key": {"S": "key"}},
}


async def attack() -> str:
    async with wire() as aws:
        said = [
            record("ContextText.Utterance", {"text": "x"}, interaction=name, number=name)
            for name in ("a", "z")  # before the odd ones and after them
        ]
        ports = await aws.deliver(said)
        sound = await aws.item("a")
        for number, odd in enumerate(ODD.values()):
            item = {**sound, schema.INTERACTION: {"S": f"odd-{number}"}, **odd}
            await aws.dynamodb.put_item(TableName=aws.tables.status, Item=item)
        aws.clock.ms += ports.grace_ms + 1
        stopped = ""
        try:
            await sweep(MINE, ports)
        except Exception as error:
            stopped = type(error).__name__
        closed = [await ports.store.read(TurnKey(MINE, name)) for name in ("a", "z")]
    if stopped or any(one is None or one.outcome is not Outcome.DISCARDED for one in closed):
        raise Gained(f"the sweep of the whole household stops: {stopped}")
    return f"beside {len(ODD)} odd rows the sound turns are closed and their keys are gone"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
