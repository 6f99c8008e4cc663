"""A stolen table dump and a list of what people say: guesses are confirmed without any key.

"Yes", "no", a hundred first names: whoever finds a hash of the text in the dump, or the same number
beside the same text, reads without decrypting.

Attacker: has both tables and a list of likely texts.
Holds against it: nothing in a row but the ciphertext depends on the text.
"""

import base64
import hashlib

from _lab import Gained, Mutant, World, carry_out, record

from ctxasr.events import short_hash

MUTANT: Mutant = (
    "events.py",
    "number = short_hash(header.message_id)",
    "number = short_hash(content.texts[0])  # the same text is stored once",
)
GAINS = "a guess stands in the dump as a hash"

GUESSES = ["yes", "no", "stop", "call meg", "call the doctor"]


async def attack() -> str:
    world = World()
    for number, text in enumerate((*GUESSES, *GUESSES)):
        said = record("ContextText.Utterance", {"text": text}, interaction=f"turn-{number}")
        await world.deliver([said])
    loot = repr([(place, row) for place, row in world.vault.rows.items()])
    for number in range(2 * len(GUESSES)):
        status = await world.status(f"turn-{number}")
        loot += repr((status.turn, status.marks, [str(ref) for ref in status.refs], status.owner))
    for text in GUESSES:
        data = text.encode()
        digests = [
            hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256", "blake2b")
        ]
        forms = [short_hash(text), data.hex(), base64.b64encode(data).decode().rstrip("=")]
        forms += [digest.hex()[:16] for digest in digests]
        forms += [base64.b64encode(digest).decode()[:16] for digest in digests]
        if any(len(form) > 3 and form in loot for form in forms):
            raise Gained("a guess stands in the dump as a hash")
    numbers = [place[1].rsplit("#", 1)[1] for place in world.vault.rows]
    if len(set(numbers)) < len(numbers):
        raise Gained("the same text has the same number in two turns")
    return f"none of {len(GUESSES)} guesses is confirmed by the dump"


if __name__ == "__main__":
    carry_out(attack)
