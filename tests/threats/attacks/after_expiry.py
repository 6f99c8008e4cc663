"""Reading after expiry while the rows remain.

DynamoDB deletes expired rows when it has time, within two days. Until then everything is still
there: the status item, the wrapped key, the ciphertexts.

Attacker: whoever asks the service late: a support tool, a replayed token, a forgotten session.
Holds against it: every read compares the expiry with the clock, in code.
"""

from _lab import ANSWER, HEARD, MINE, START_MS, TTL_S, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import TurnKey

MUTANT: Mutant = (
    "timing.py",
    "return now_ms + CLOCK_SKEW_MS_MAX >= expires_at_s * 1000",
    "return False  # TTL deletes what has expired",
)
GAINS = "the context answered after its expiry"


async def attack() -> str:
    world, here = World(), TurnKey(MINE, "turn-1")
    await world.deliver(list(turn().values()))
    status = await world.status()
    assert status.wrapped_key is not None
    assert await world.vault.get(status.wrapped_key, here, sorted(status.refs)[-2:])
    assert (await world.answer(ANSWER, *HEARD)).result.text == "bauer", "readable until then"

    world.clock.skipped_ms += START_MS + TTL_S * 1_000.0 - world.clock.now_ms()
    assert world.vault.rows, "the rows remain"
    late = await world.answer(ANSWER, *HEARD)
    if late.result.text != "power":
        raise Gained("the context answered after its expiry")
    for ref in status.refs:
        try:
            await world.vault.get_blob(status.wrapped_key, here, ref)
        except PayloadUnreadable:
            continue
        raise Gained(f"{ref.kind} was read at its expiry")
    return "nothing is returned at or after the expiry"


if __name__ == "__main__":
    carry_out(attack)
