"""Half-written: an interaction's name that is refused only after a key was opened for it.

Each such message costs a request to KMS and leaves an item in the table, with a key and without an
event, and the sender may repeat it under as many names as there are.

Attacker: a device that chooses names of 256 letters, of four bytes each.
Holds against it: a name's length in bytes is compared with a named limit before anything is done.
"""

from _lab import MINE, START_MS, Gained, Mutant, World, carry_out

from ctxasr.envelopes import Record
from ctxasr.errors import LimitExceeded

MUTANT: Mutant = ("events.py", "if size > INTERACTION_BYTES_MAX:", "if False:")

BODIES = {
    "ContextText.Utterance": {"text": "call meg"},
    "Dialog.ElicitSlot": {"slotToElicit": "contact"},
    "SpeechRecognizer.ExpectSpeech": {
        "timeoutInMilliseconds": 8000, "initiator": {"type": "x", "payload": {"token": "t"}},
    },
}  # fmt: skip


async def attack() -> str:
    world, refused = World(), 0
    for letters in (250, 251, 256):
        for full_name, body in BODIES.items():
            namespace, name = full_name.split(".")
            header = {
                "namespace": namespace, "name": name, "messageId": "m",
                "dialogRequestId": "\U0001f600" * letters,
            }  # fmt: skip
            message = {"directive": {"header": header, "payload": body}}
            given = {"customer": MINE, "received_at": START_MS, "message": message}
            try:
                await world.deliver([Record.model_validate(given)])
            except LimitExceeded as error:
                refused += error.name.endswith("_BYTES_MAX")
            if world.store._turns or world.store._links or world.vault.rows:
                raise Gained("something was written of a message that is refused")
    assert refused == 3 * len(BODIES), refused
    return "such names are refused, and nothing is written"


if __name__ == "__main__":
    carry_out(attack)
