"""KMS keys change while turns are in flight; a key that is not ours opens nothing.

Shown on moto's KMS, for dynalite has none. It answers a Decrypt under the wrong key with
AccessDeniedException, AWS with IncorrectKeyException: any refusal leads to the next key.
"""

from __future__ import annotations

import os

import pytest

from ctxasr.errors import LimitExceeded, PayloadUnreadable
from ctxasr.store import schema
from ctxasr.store.vault import PREVIOUS_KEYS_MAX, KmsVault

from .conftest import EXPIRES_S, TURN, event, payload
from .places import HandClock, WirePlace

CONTEXT = {"customer": TURN.customer, "interaction": TURN.interaction}


async def made(place: WirePlace) -> str:
    key = await place.clients.kms.create_key()
    return str(key["KeyMetadata"]["KeyId"])


async def rotated(place: WirePlace) -> tuple[str, str]:
    """Move the alias to a new key; the old one and the new one."""
    kms = place.clients.kms
    old = str((await kms.describe_key(KeyId=place.key_alias))["KeyMetadata"]["KeyId"])
    new = await made(place)
    await kms.update_alias(AliasName=place.key_alias, TargetKeyId=new)
    return old, new


async def wrapped_by(place: WirePlace, wrapped: bytes) -> str:
    answer = await place.clients.kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=CONTEXT)
    return str(answer["KeyId"]).rsplit("/", 1)[1]


async def test_old_turns_open_while_the_previous_key_is_named(place: WirePlace) -> None:
    wrapped, reply = await place.vault.new_key(TURN), payload("before")
    await place.store.open_key(TURN, wrapped, EXPIRES_S)
    await place.vault.put(wrapped, reply)
    old, new = await rotated(place)
    assert await wrapped_by(place, wrapped) == old

    _, vault = await place.peer()
    with pytest.raises(PayloadUnreadable, match="KMS"):
        await vault.get(wrapped, TURN, [reply.ref])
    for previous, requests in (([old], 2), (["alias/deleted-since", await made(place), old], 4)):
        _, vault = await place.peer(previous_keys=previous)
        assert await vault.get(wrapped, TURN, [reply.ref]) == [reply]
        assert place.plan.operations["Decrypt"] == requests
    late = payload("after", number="2")  # a turn in flight goes on under its own data key
    await vault.put(wrapped, late)
    assert await vault.get(wrapped, TURN, [late.ref, reply.ref]) == [late, reply]
    fresh = await vault.new_key(TURN)
    assert await wrapped_by(place, fresh) == new, "the previous key wraps nothing more"
    _, vault = await place.peer()
    await vault.put(fresh, payload("under the new key", number="3"))


async def test_a_data_key_under_a_foreign_kms_key_is_refused(place: WirePlace) -> None:
    """Whoever can write the tables, and has a KMS key, must not speak in a customer's name."""
    foreign = await made(place)
    old, _ = await rotated(place)
    generated = await place.clients.kms.generate_data_key(
        KeyId=foreign, KeySpec="AES_256", EncryptionContext=CONTEXT
    )
    wrapped, forged = generated["CiphertextBlob"], payload("forged")
    assert await wrapped_by(place, wrapped) == foreign, "KMS itself would unwrap it"
    nonce = os.urandom(schema.NONCE_BYTES)
    clear = schema.pack(forged)
    body = schema.seal(generated["Plaintext"], TURN, forged.ref, EXPIRES_S, clear, nonce=nonce)
    await place.rows.write(TURN, forged.ref, body, EXPIRES_S)
    assert (await place.store.open_key(TURN, wrapped, EXPIRES_S)).wrapped_key == wrapped
    await place.store.record(event(carried=forged), EXPIRES_S)
    for previous in ([], [old]):
        _, vault = await place.peer(previous_keys=previous)
        with pytest.raises(PayloadUnreadable, match="KMS"):
            await vault.get(wrapped, TURN, [forged.ref])
        with pytest.raises(PayloadUnreadable, match="KMS"):
            await vault.put(wrapped, payload("would be readable to the attacker", number="2"))


def test_previous_keys_are_bounded() -> None:
    def vault(count: int) -> KmsVault:
        keys = [f"key-{number}" for number in range(count)]
        return KmsVault(None, None, schema.Tables(), "alias/x", HandClock(), previous_keys=keys)

    vault(PREVIOUS_KEYS_MAX)
    with pytest.raises(LimitExceeded, match="PREVIOUS_KEYS_MAX"):
        vault(PREVIOUS_KEYS_MAX + 1)
