"""A KMS outage while texts arrive: encryption that falls back to a key that everybody knows.

Attacker: can cut the way to KMS for a while, and reads the tables afterwards.
Holds against it: without a data key from KMS nothing is written; the event is delivered again.
"""

from _lab import THEIRS, Gained, Mutant, carry_out, decrypt, find_canaries, turn, wire

from ctxasr.errors import StoreUnavailable
from ctxasr.store import schema

MUTANT: Mutant = (
    "store/caller.py",
    "raise self._unavailable(client, operation, type(error).__name__) from None",
    "return {'Plaintext': bytes(32), 'CiphertextBlob': bytes(32), "
    "'Attributes': None, 'Item': None}",
)
GAINS = "the utterance was written under a key that everybody knows"

SECRET = "call the canary doctor"
NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the port `discard`."""


async def attack() -> str:
    from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients

    down = Endpoint(NOBODY, None, LOCAL_REGION, "local", "local")
    async with wire() as aws, clients(down) as (_, kms):
        given = turn(utterance=SECRET, customer=THEIRS)
        given = {name: given[name] for name in ("recognize", "utterance", "reply")}
        ports, refused = aws.ports(kms=kms), 0
        for one in given.values():
            try:
                await aws.deliver([one], ports)
            except StoreUnavailable as error:
                if SECRET in str(error):
                    raise Gained("the error quotes the utterance") from None
                refused += 1
        rows = await aws.dump()
        parts = [str(rows).encode()]
        for row in rows["payload"]:
            body = bytes(row[schema.BODY]["B"])
            clear = [decrypt(key, row) for key in (bytes(32), body[:32], body[-32:])]
            parts += [body, *(text for text in clear if text is not None)]
        if find_canaries(b"\n".join(parts), [SECRET]):
            raise Gained("the utterance was written under a key that everybody knows")
        assert rows["payload"] == []
        assert refused == 2, "both texts are not acknowledged, so that they are delivered again"
        await aws.deliver(given.values())
        assert len((await aws.dump())["payload"]) == 2, "they are, when KMS is back"
    return "no text is written without KMS"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
