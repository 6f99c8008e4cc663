"""A look-alike of another customer's id: other case, a blank, another form of the same letter.

Attacker: registers an account whose id differs from the victim's in nothing that can be seen.
Holds against it: ids are compared byte by byte and nothing tidies them up.
"""

import unicodedata

from _lab import MINE, THEIRS, Gained, Mutant, World, carry_out, recognize, turn

MUTANT: Mutant = (
    "envelopes.py",
    "Identifier = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX)]",
    "Identifier = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX, "
    "strip_whitespace=True, to_lower=True)]",
)

VICTIM = "zoë-ﬁsher"
ALIKE = [
    VICTIM.upper(), VICTIM.title(), f" {VICTIM}", f"{VICTIM}\n", f"{VICTIM}\0", f"{VICTIM}\u200b",
    f"\u202e{VICTIM}", unicodedata.normalize("NFD", VICTIM), unicodedata.normalize("NFKC", VICTIM),
    VICTIM.replace("o", "\u043e"), VICTIM.replace("-", "\u2010"), f"{VICTIM}#turn-1", f'"{VICTIM}"',
]  # fmt: skip


async def attack() -> str:
    world = World()
    await world.deliver(list(turn(customer=VICTIM).values()))
    own = await world.answer(recognize("turn-2", "ask-turn-1", customer=VICTIM), "power", "bauer")
    assert own.result.text == "bauer", "the victim's own context"
    for alike in (*ALIKE, MINE, THEIRS):
        assert alike != VICTIM
        opening = recognize("turn-2", "ask-turn-1", customer=alike)
        result = await world.answer(opening, "power", "bauer")
        if result.result.text != "power":
            raise Gained(f"{alike!a} was taken for {VICTIM!a}")
    return f"{len(ALIKE)} look-alikes are other customers"


if __name__ == "__main__":
    carry_out(attack)
