"""A revoked grant on KMS: a process that was taken over goes on reading with the keys it has.

Attacker: has taken over a process; its role was revoked when that was found out.
Holds against it: data keys in memory are asked of KMS again when they are five minutes old.
"""

from typing import Any

from _lab import MINE, Gained, Mutant, carry_out, turn, wire

from ctxasr.errors import PayloadUnreadable, StoreUnavailable
from ctxasr.events import TurnKey
from ctxasr.store.vault import DATA_KEY_AGE_MS_MAX, KmsVault

MUTANT: Mutant = (
    "store/vault.py",
    "if len(self._keys) <= DATA_KEYS_MAX and kept_ms > oldest_ms:",
    "if len(self._keys) <= DATA_KEYS_MAX:",
)

NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the port `discard`: a KMS that gives no answer gives no key."""


class Refusing:
    """What KMS says without the grant. A double: the local server knows no grants."""

    def __init__(self, kms: Any) -> None:
        self.meta, self.asked = kms.meta, 0

    async def decrypt(self, **_: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        self.asked += 1
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Decrypt")


async def attack() -> str:
    from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients

    down = Endpoint(NOBODY, None, LOCAL_REGION, "local", "local")
    async with wire() as aws, clients(down) as (_, kms):
        ports, here = aws.ports(), TurnKey(MINE, "turn-1")
        await aws.deliver([turn()["utterance"]], ports)
        status = await ports.store.read(here)
        assert isinstance(ports.vault, KmsVault)
        assert status is not None
        assert status.wrapped_key is not None
        assert await ports.vault.get(status.wrapped_key, here, sorted(status.refs)), "by its key"
        aws.clock.ms += DATA_KEY_AGE_MS_MAX
        refusing = Refusing(aws.kms)
        for answering, expected in ((refusing, PayloadUnreadable), (kms, StoreUnavailable)):
            ports.vault._kms = answering
            try:
                await ports.vault.get(status.wrapped_key, here, sorted(status.refs))
            except expected:
                continue
            raise Gained("the process reads on, long after its grant was revoked")
        assert refusing.asked > 0, "KMS was asked"
    return "after five minutes the process reads nothing more, whether KMS refuses or is silent"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
