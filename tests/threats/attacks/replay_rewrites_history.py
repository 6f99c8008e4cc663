"""Replayed event: the same ids with other contents, from last week's recording.

A later expect-speech would move the compute window, an announced count would hold the trigger up,
a later time would prolong the life of the whole turn.

Attacker: has recorded messages and can change what is in them, but not their ids.
Holds against it: every attribute of the status item is written once.
"""

from _lab import MINE, START_MS, TTL_S, Gained, Mutant, carry_out, record, turn, wire

from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "store/dynamodb.py",
    'self._sets.append(f"{alias} = if_not_exists({alias}, {self._value(value)})")',
    'self._sets.append(f"{alias} = {self._value(value)}")',
)
GAINS = "the turn lives longer than it was promised to"


async def attack() -> str:
    here = TurnKey(MINE, "turn-1")
    async with wire() as aws:
        given = turn()
        del given["utterance"]  # the trigger waits for it
        ports = await aws.deliver(given.values())
        before = await ports.store.read(here)
        assert before is not None
        assert before.expires_at_s == START_MS // 1000 + TTL_S
        later = turn(at_ms=300_000, reply_ms=9_000, names=["Nobody"])
        del later["utterance"]
        later["expect"] = record(
            "SpeechRecognizer.ExpectSpeech",
            {"timeoutInMilliseconds": 1, "initiator": {"type": "x", "payload": {"token": "t"}}},
            service_payloads=16,
            at_ms=-300_000,
        )
        for process in (ports, aws.ports()):
            await aws.deliver(later.values(), process)
        after = await ports.store.read(here)
    assert after is not None
    if after.expires_at_s != before.expires_at_s:
        raise Gained("the turn lives longer than it was promised to")
    if after != before:
        raise Gained("the turn's history was rewritten")
    return "what was noted first stands"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
