"""Another customer's id in the envelope.

A device may write what it likes into its messages, so it names the account that it wants to write
to at every place where a careless reader might look.

Attacker: a customer with a device of their own and a program in its place.
Holds against it: the customer comes from the authenticated transport alone.
"""

from typing import Any

from _lab import MINE, START_MS, THEIRS, Gained, Mutant, World, carry_out, turn

from ctxasr.events import Record, TurnKey

MUTANT: Mutant = (
    "events.py",
    "turn, content = TurnKey(record.customer, interaction), "
    "_content(body, record.service_payloads)",
    "turn, content = TurnKey((body.model_extra or {}).get('customer', record.customer), "
    "interaction), _content(body, record.service_payloads)",
)


async def attack() -> str:
    world = World()
    await world.deliver(list(turn(customer=THEIRS).values()))
    victim = TurnKey(THEIRS, "turn-1")
    before = await world.store.read(victim)
    rows = {place: row for place, row in world.vault.rows.items() if place[0] == THEIRS}

    named: dict[str, Any] = {"customer": THEIRS, "customerId": THEIRS, "Customer": THEIRS}
    header = {
        "namespace": "ContextText", "name": "Utterance", "messageId": "m",
        "dialogRequestId": "turn-1",
    }  # fmt: skip
    message = {
        **named,
        "context": [{"header": named, "payload": named}],
        "event": {
            **named,
            "header": header | named,
            "endpoint": {"endpointId": THEIRS, "scope": named, **named},
            "payload": {"text": "call nobody", **named},
        },
    }
    given = {"customer": MINE, "received_at": START_MS, "message": message}
    await world.deliver([Record.model_validate(given)])

    after = {place: row for place, row in world.vault.rows.items() if place[0] == THEIRS}
    if await world.store.read(victim) != before or after != rows:
        raise Gained("an event was written into another's account")
    assert await world.store.read(TurnKey(MINE, "turn-1")) is not None, "it lies in the sender's"
    return "whatever the message says, it lies in its sender's account"


if __name__ == "__main__":
    carry_out(attack)
