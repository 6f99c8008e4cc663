"""The embedded store's KMS, asked to open a key out of a stolen dump of the tables.

The wrapped keys lie beside the texts that they lock, and the store's KMS is a port on this machine.

Attacker: any process on this machine, with a dump of both tables: a core file, a swapped-out page.
Holds against it: KMS stands behind the same credential, which is in no table.
"""

import base64

from _lab import MINE, Gained, Mutant, carry_out
from _store import MADE_UP, store, wrapped_key

MUTANT: Mutant = (
    "store/admission.py",
    'if not compare_digest(signed["key"].encode(), self._key):',
    'if len(signed["key"]) > len(self._key):',
)


async def attack() -> str:
    async with store() as there:
        blob = base64.b64encode(await wrapped_key(there)).decode()
        context = {"customer": MINE, "interaction": "turn-1"}
        body, target = (
            {"CiphertextBlob": blob, "EncryptionContext": context},
            "TrentService.Decrypt",
        )
        status, _, _ = there.ask(target, body, service="kms", key=there.key)
        assert status == 200, "it opens for whoever has the key"
        status, told, _ = there.ask(target, body, service="kms", key=MADE_UP)
        if status == 200:
            raise Gained(f"a data key in clear, {len(base64.b64decode(told['Plaintext']))} bytes")
    return "the embedded KMS opens nothing for made-up credentials"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
