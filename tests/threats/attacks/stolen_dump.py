"""A stolen table dump: all items of both tables, and everything that is public.

Attacker: has a backup, a broken disk or a read-only role on both tables; nothing on KMS.
Holds against it: every text lies under AES-256-GCM, and the status item holds none.
"""

from _lab import (
    THEIRS,
    Gained,
    Mutant,
    carry_out,
    completed,
    decrypt,
    find_canaries,
    record,
    turn,
    wire,
)  # fmt: skip

from ctxasr.store import schema

MUTANT: Mutant = (
    "store/dynamodb.py",
    'update.once(schema.ref_attribute(ref), {"S": schema.payload_sort(turn, ref)})',
    'update.once(schema.ref_attribute(ref), {"S": " ".join(event.payload.texts)})',
)
GAINS = "texts stand in the dump"

CANARIES = [
    "canary meg",
    "Zoë Canary",
    "カナリア鳥です",
    "Meg Bauer-Canary",
    "canary_slot",
    "canary-kind",
]


async def attack() -> str:
    said = turn(utterance=CANARIES[0], names=CANARIES[1:4], customer=THEIRS)
    last = said.pop("expect")
    caption = {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t", "caption": CANARIES[3]}
    entities = {"kind": CANARIES[5], "values": CANARIES}
    more = [
        record("Dialog.ElicitSlot", {"slotToElicit": CANARIES[4]}, customer=THEIRS),
        record("ContextText.Entities", entities, customer=THEIRS, number="e"),
        record("SpeechSynthesizer.Speak", caption, customer=THEIRS, number="c"),
    ]  # fmt: skip
    async with wire() as aws:
        await aws.deliver([*said.values(), *more])
        rows = [await aws.dump()]
        await aws.deliver([last, completed(customer=THEIRS)])
        rows.append(await aws.dump())
    parts = []
    for item in (item for dump in rows for items in dump.values() for item in items):
        for name, typed in item.items():
            ((_, value),) = typed.items()
            parts += [
                name.encode(),
                bytes(value) if isinstance(value, bytes) else str(value).encode(),
            ]
    loot = b"\n".join(parts)
    assert loot.count(b"body") >= 8, "the dump holds what was written"
    found = {one.canary for one in find_canaries(loot, CANARIES)}
    if found:
        raise Gained(f"{len(found)} of {len(CANARIES)} texts stand in the dump")
    assert any("#context#" in row[schema.PAYLOAD]["S"] for row in rows[1]["payload"]), "embedded"
    keys = [
        bytes(32),
        b"ctxasr".ljust(32, b"\0"),
        *(part[:32] for part in parts if len(part) >= 32),
    ]
    for row in rows[1]["payload"]:
        if any(decrypt(key, row) is not None for key in keys):
            raise Gained("a key for the texts lies in the dump")
    return f"{len(CANARIES)} texts in {len(parts)} values, and no key for them"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
