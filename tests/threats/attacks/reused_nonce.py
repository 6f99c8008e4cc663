"""Two ciphertexts of one key and one nonce: the known text uncovers the unknown one.

AES-GCM is a stream: with the same key and nonce, the difference of two ciphertexts is the
difference of their texts. The assistant's reply is no secret; the customer's utterance is one.

Attacker: has the payload table and knows one text of the turn.
Holds against it: every payload gets 96 fresh random bits, a repeated one as well.
"""

from _lab import Gained, Mutant, carry_out, record, turn, wire

from ctxasr.store import schema

MUTANT: Mutant = (
    "store/vault.py",
    "nonce = os.urandom(schema.NONCE_BYTES)",
    "nonce = bytes(schema.NONCE_BYTES)",
)

SECRET = "call the doctor"
REPLY = "Which doctor do you mean?"


async def attack() -> str:
    async with wire() as aws:
        said, reply = turn(utterance=SECRET)["utterance"], {"text": REPLY}
        ports = await aws.deliver([said, record("ContextText.Reply", reply)])
        bodies: dict[str, list[bytes]] = {}
        for _ in range(3):
            for row in (await aws.dump())["payload"]:
                kind = row[schema.PAYLOAD]["S"].split("#")[1]
                bodies.setdefault(kind, []).append(bytes(row[schema.BODY]["B"]))
            await aws.deliver([said], ports)
    known, start = f'["","{REPLY}"]'.encode(), 1 + schema.NONCE_BYTES
    stream = bytes(a ^ b for a, b in zip(known, bodies["reply"][0][start:], strict=False))
    read = bytes(a ^ b for a, b in zip(stream, bodies["utterance"][0][start:], strict=False))
    if SECRET.encode() in read:
        raise Gained("the utterance was read with the help of the reply")
    nonces = {body[1:start] for body in bodies["utterance"]}
    assert len(nonces) == 3, "each repetition is encrypted anew"
    return "no two ciphertexts have a stream in common"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
