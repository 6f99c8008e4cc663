"""Reading on a slow clock: a machine whose clock lags sees texts that have already expired.

Attacker: whoever can hold back the time of one reader, by blocking its time server for a while.
Holds against it: a reader takes its own clock for slow, by the skew that machines may have.
"""

from _lab import MINE, START_MS, TTL_S, Gained, Mutant, World, carry_out, turn

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import TurnKey
from ctxasr.timing import CLOCK_SKEW_MS_MAX

MUTANT: Mutant = (
    "timing.py",
    "return now_ms + CLOCK_SKEW_MS_MAX >= expires_at_s * 1000",
    "return now_ms >= expires_at_s * 1000",
)
GAINS = "a payload, was read by a machine whose clock lags"


async def attack() -> str:
    world, here = World(), TurnKey(MINE, "turn-1")
    await world.deliver(list(turn().values()))
    status = await world.status()
    assert status.wrapped_key is not None
    assert CLOCK_SKEW_MS_MAX >= 1_000, "as much as may be blocked unnoticed"

    lags_ms = 1_000.0  # true time: exactly the expiry
    world.clock.skipped_ms += START_MS + TTL_S * 1_000.0 - lags_ms - world.clock.now_ms()
    for ref in status.refs:
        try:
            await world.vault.get_blob(status.wrapped_key, here, ref)
        except PayloadUnreadable:
            continue
        raise Gained(f"{ref.kind}, a payload, was read by a machine whose clock lags")
    if await world.store.read(here) is not None:
        raise Gained("the status item was read by a machine whose clock lags")
    return "a clock that lags by the allowed skew shows nothing that has expired"


if __name__ == "__main__":
    carry_out(attack)
