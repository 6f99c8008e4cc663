"""Endless duration: a number of four hundred digits stops the sweep of a whole account.

"durationInMilliseconds" may be any whole number on the wire, and no float can hold this one. The
turn would never be settled, and neither would any other turn of the account that the sweep was to
close: their texts would stay readable until they expire.

Attacker: a service that sends one reply with a long number.
Holds against it: numbers on the wire have a named limit, refused before anything is written.
"""

from _lab import MINE, Gained, Mutant, World, carry_out, record, turn

from ctxasr.errors import InputError
from ctxasr.pipeline import sweep

MUTANT: Mutant = (
    "envelopes.py",
    "Count = Annotated[int, Field(ge=0, le=COUNT_MAX, strict=True)]",
    "Count = Annotated[int, Field(ge=0, strict=True)]",
)
GAINS = "the account's turns are not swept any more"


async def attack() -> str:
    from pydantic import ValidationError

    world = World()
    await world.deliver([turn("other")["utterance"]])
    given, endless = turn("bad"), {"text": "x", "durationInMilliseconds": 10**400}
    del given["reply"]
    await world.deliver(list(given.values()))
    refused = 0
    for number in (10**400, 10**309, 2**64):
        endless["durationInMilliseconds"] = number
        try:
            await world.deliver([record("ContextText.Reply", endless, interaction="bad")])
        except (InputError, ValidationError):
            refused += 1
        except OverflowError:
            break
    world.clock.skipped_ms += 60_000.0
    try:
        await sweep(MINE, world.ports)
    except OverflowError:
        raise Gained("the account's turns are not swept any more") from None
    if refused < 3 or world.vault.rows:
        raise Gained("a number without an end was recorded")
    return "such numbers are refused, and the account is swept"


if __name__ == "__main__":
    carry_out(attack)
