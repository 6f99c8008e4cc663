"""An interaction with the name of a link: one device keeps a household from being understood.

The item that leads from a token to its turn lies in the same table, under `link#<token>`. A turn
that calls itself so would take that place before the link comes.

Attacker: one device of the household, or a skill in it, which chooses its interactions' names.
Holds against it: such names are escaped, so that no turn stands where a link would.
"""

from _lab import Gained, Mutant, answer, carry_out, recognize, record, turn, wire

from ctxasr.store import schema

MUTANT: Mutant = (
    "store/schema.py",
    "if sort.startswith((_LINK, _ESCAPE)):",
    "if sort.startswith(_ESCAPE):",
)
GAINS = "the sweep does not see the turn: its key is never shredded"

NAMES = ["link#ask-turn-1", "turn#link#ask-turn-1", "turn#turn-1", "turn#"]


async def attack() -> str:
    async with wire() as aws:
        for name in NAMES:
            said = record("ContextText.Utterance", {"text": "x"}, interaction=name, number=name)
            await aws.deliver([recognize(name), said])
        ports = await aws.deliver(turn().values())
        result = await answer(ports)
        items = (await aws.dump())["status"]
        links = [item for item in items if not schema.is_turn(item)]
        turns = await ports.store.turns("customer")
    if result.result.text != "bauer" or len(links) != 1:
        raise Gained("the household's token leads nowhere")
    if {status.turn.interaction for status in turns} != set(NAMES):
        raise Gained("the sweep does not see the turn: its key is never shredded")
    return "turns with such names are turns, and the link is a link"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
