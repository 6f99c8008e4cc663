"""Long label: one name of a kind that is as long as a book, and the kind goes with every phrase.

A context holds so many bytes of phrases: a kind that takes them all leaves none for any name, and
writing it out three hundred times holds up everybody whom this process serves.

Attacker: one skill of those that were invoked; it names its slot types as it likes.
Holds against it: a kind has a named limit, refused before anything is written.
"""

from typing import Any

from _lab import Gained, Mutant, carry_out, refused_by

MUTANT: Mutant = ("events.py", "if len(kind) > KIND_CHARS_MAX:", "if False:")


async def attack() -> str:
    for size in (257, 100_000, 240_000):
        kind = "k" * size
        values = [{"name": {"value": "Meg", "synonyms": []}}]
        given: dict[str, dict[str, Any]] = {
            "ContextText.Entities": {"kind": kind, "values": ["Meg"]},
            "Dialog.UpdateDynamicEntities": {"types": [{"name": kind, "values": values}]},
        }
        for name, body in given.items():
            if await refused_by(name, body) != "KIND_CHARS_MAX":
                raise Gained(f"a kind of {size} characters was written")
    return "longer kinds are refused by name, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
