"""Oversized item: the item of a turn is full to the brim, and can then not be closed.

DynamoDB takes no item over 400 KiB. Were that taken for a passing fault, each further event would
be delivered again for ever; could the full item not be settled, its key would stay.

Attacker: a device that sent events of one turn without end, to a version that took them.
Holds against it: a full item is a limit with a name, and closing a turn makes its item smaller.
"""

from _lab import MINE, TTL_S, Gained, Mutant, carry_out, record, turn, wire

from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import Mark, Outcome, TurnKey
from ctxasr.pipeline import sweep

MUTANT: Mutant = (
    "store/caller.py",
    'if code == "ValidationException" and _OVER_ITEM_BYTES.search(str(error)):',
    "if False:",
)
GAINS = "events that never fit are to be delivered again, for ever"

ROOM_BYTES = 800
"""What is left of the item: less than the next event takes."""

SERVER_BYTES_MAX = 405_000
"""The local server's limit; DynamoDB's is 409,600."""


async def attack() -> str:
    here = TurnKey(MINE, "turn-1")
    async with wire() as aws:
        ports = await aws.deliver([turn()["utterance"]])
        item = await aws.item()
        assert ports.vault.held_key(here) is not None
        held = sum(len(name) + len(next(iter(typed.values()))) for name, typed in item.items())
        mark = str(Mark("A.B", 1, None, "x" * (SERVER_BYTES_MAX - held - ROOM_BYTES)))
        await aws.dynamodb.put_item(TableName=aws.tables.status, Item={**item, "ev#f": {"S": mark}})
        refused = 0
        for number in range(3):
            name = str(number) + "\U0001f600" * 248
            said = record(f"A.{'B' * 128}", number=name)
            try:
                await aws.deliver([said], ports)
            except LimitExceeded as error:
                if error.name != "ITEM_BYTES_MAX":
                    raise
                refused += 1
            except StoreUnavailable:
                raise Gained("events that never fit are to be delivered again, for ever") from None
        assert refused == 3, refused
        aws.clock.ms += TTL_S * 500.0
        await sweep(MINE, ports)
        status = await ports.store.read(here)
        assert status is not None
        if status.outcome is not Outcome.DISCARDED or status.wrapped_key is not None:
            raise Gained("the full turn cannot be closed, and its key stays")
    return "a full item is refused by name, and its turn is closed and shredded"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
