"""Oversized list: a hundred thousand contacts, or one contact as long as a book.

Attacker: a service that was asked for contacts and sends as many as it likes.
Holds against it: a list and each of its entries have named limits, before anything is written.
"""

from _lab import Gained, Mutant, carry_out, refused_by

MUTANT: Mutant = ("events.py", "if len(texts) > ENTITIES_MAX:", "if False:")


async def attack() -> str:
    from ctxasr.events import ENTITIES_MAX
    from ctxasr.hypotheses import PHRASE_CHARS_MAX

    many = [f"Meg {number}" for number in range(100_000)]
    for values in (many, many[: ENTITIES_MAX + 1]):
        names = [{"name": {"value": value, "synonyms": []}} for value in values]
        for name, body in (
            ("ContextText.Entities", {"kind": "contact", "values": values}),
            ("ContextText.ScreenList", {"items": values}),
            ("Dialog.UpdateDynamicEntities", {"types": [{"name": "contact", "values": names}]}),
        ):
            if await refused_by(name, body) != "ENTITIES_MAX":
                raise Gained(f"{name} with {len(values)} entries was written")
    long = {"kind": "contact", "values": ["x" * (PHRASE_CHARS_MAX + 1)]}
    assert await refused_by("ContextText.Entities", long) == "PHRASE_CHARS_MAX"
    fits = {"kind": "contact", "values": many[:ENTITIES_MAX]}
    assert await refused_by("ContextText.Entities", fits) == ""
    return "longer lists are refused by name, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
