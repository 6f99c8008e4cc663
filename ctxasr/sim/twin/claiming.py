"""Who claims a turn, and who finds it claimed.

The trigger is complete when the last of payloads and expect-speech is carried out. Whoever records
from then on, until a claim is carried out, sees it complete and claims as well: the events of the
reply (speak, started, ended, completed) run into that now and then, and one of them may be first.
Then the event that has completed the trigger waits until the turn is settled, looking after 20 ms,
40 ms, ...; the others wait for nobody.

Left out: a fourth event that is kept from its claim by the claim of a third; and that one who has
waited for half of the window embeds as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ctxasr.pipeline import LOOK_FIRST_MS, LOOKS_MAX
from ctxasr.sim.twin.counts import Tally
from ctxasr.sim.twin.dice import Bits, Dice, Lanes, Spread, Times
from ctxasr.sim.twin.recording import Payloads, Recorded
from ctxasr.timing import CLOCK_SKEW_MS_MAX


@dataclass(slots=True)
class Claim:
    """The claim of each turn that asked."""

    at: Times
    answered: Times
    node: Bits
    losers: list[tuple[Lanes, Times]] = field(default_factory=list)
    """Turns that another event has claimed, and when the one that completed them learnt it."""


def claim(
    payloads: Payloads,
    expect: Recorded,
    others: tuple[Recorded, ...],
    closed_at: Times,
    spread: Spread,
    dice: Dice,
    tally: Tally,
) -> Claim:
    """Claim every turn; where `closed_at` is earlier, in vain."""
    last = expect
    for one, there in zip(payloads.recorded, payloads.there, strict=True):
        later = there & (one.at > last.at)
        last = Recorded(
            np.where(later, one.at, last.at),
            np.where(later, one.answered, last.answered),
            np.where(later, one.node, last.node),
        )
    tally.add("claim", last.at < closed_at)
    at, answered = dice.request(spread.write, last.answered)
    found = Claim(at, answered, last.node.copy())
    for other in others:
        lanes = np.flatnonzero((other.at > last.at) & (other.at < found.at))
        if len(lanes):
            _claim_too(found, lanes, other, spread, dice, tally)
    return found


def _claim_too(
    found: Claim, lanes: Lanes, other: Recorded, spread: Spread, dice: Dice, tally: Tally
) -> None:
    at, answered = dice.request(spread.write, other.answered[lanes])
    own = tally.only(lanes)
    own.add_all("claim")
    tally.join(lanes, own)
    wins = at < found.at[lanes]
    won = lanes[wins]
    found.losers.append((won, found.answered[won]))
    found.at[won], found.answered[won] = at[wins], answered[wins]
    found.node[won] = other.node[won]


def wait_for_the_owner(
    found: Claim,
    decided: Times,
    window_ends: Times,
    refs: Bits,
    spread: Spread,
    dice: Dice,
    tally: Tally,
) -> None:
    """What the losers ask for until the turn is decided.

    Long after the window they do not wait, but settle it themselves (as their owner does then).
    """
    for lanes, since in found.losers:
        own = tally.only(lanes)
        now, ends, until = since, window_ends[lanes] + np.float32(CLOCK_SKEW_MS_MAX), decided[lanes]
        waits = since < until
        pause_ms = np.float32(LOOK_FIRST_MS)
        for _ in range(LOOKS_MAX):
            late = waits & (ends <= now)
            own.add("settle", late)
            own.add_many("delete", refs[lanes] * late)
            waits &= ~late
            if not waits.any():
                break
            at, now = dice.request(spread.read, now + np.minimum(pause_ms, ends - now))
            own.add("read", waits)
            waits &= at < until
            pause_ms *= np.float32(2.0)
        tally.join(lanes, own)
