"""Tampered ciphertext: flipped bits turn a known text into another one.

Where a cipher only hides and does not authenticate, whoever knows "call meg" makes "call jim" of it
without any key: the difference of the two texts is added to the ciphertext.

Attacker: can write the payload table and knows, or guesses, what was said.
Holds against it: the tag of AES-GCM over every bit of the body.
"""

from _lab import ANSWER, HEARD, MINE, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import PayloadKind, TurnKey

MUTANT: Mutant = (
    "store/schema.py",
    "return AESGCM(key).decrypt(nonce, sealed, _associated(turn, ref, expires_at_s))",
    "from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes; return Cipher("
    "algorithms.AES(key), modes.CTR(nonce + bytes([0, 0, 0, 2]))).decryptor().update(sealed[:-16])",
)
GAINS = "the utterance says 'call jim' now"


async def attack() -> str:
    world, here = World(), TurnKey(MINE, "turn-1")
    await world.deliver([turn()["utterance"]])
    status = await world.status()
    assert status.wrapped_key is not None
    (place, (body, expires_at_s)), (ref,) = world.vault.rows.popitem(), status.refs
    assert ref.kind is PayloadKind.UTTERANCE
    known, wanted = b'["","call meg"]', b'["","call jim"]'
    difference = bytes(a ^ b for a, b in zip(known, wanted, strict=True))
    start = len(body) - 16 - len(known)
    assert start > 0, "version and nonce stand in front"
    forged = bytearray(body)
    for number, flip in enumerate(difference):
        forged[start + number] ^= flip

    bits = [bytes(forged)]
    for bit in range(0, len(body) * 8, 7):  # and any other bit, header and tag included
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        bits.append(bytes(flipped))
    for tampered in bits:
        world.vault.rows[place] = (tampered, expires_at_s)
        try:
            (read,) = await world.vault.get(status.wrapped_key, here, [ref])
        except PayloadUnreadable:
            continue
        raise Gained("the utterance says 'call jim' now" if "call jim" in read.texts else "read")
    return f"{len(bits) + await flip_a_context()} changed bodies fail authentication"


async def flip_a_context() -> int:
    """The same with a context embedding: the answer must be the plain one."""
    world = World()
    await world.deliver(list(turn().values()))
    (place,) = (place for place in world.vault.rows if "#context#" in place[1])
    body, expires_at_s = world.vault.rows[place]
    assert (await world.answer(ANSWER, *HEARD)).context == "hit"
    step = 101
    for bit in range(0, len(body) * 8, step):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        world.vault.rows[place] = (bytes(flipped), expires_at_s)
        result = await world.answer(ANSWER, *HEARD)
        if result.context == "hit" or result.result.text != HEARD[0]:
            raise Gained("a changed context embedding was put to use")
    return len(body) * 8 // step


if __name__ == "__main__":
    carry_out(attack)
