"""What the utterance that answers finds of the turn that asked, and what that adds to its result.

    recognise .. follow .. read .. [get_blob [decrypt]] .. speech ends .. align
                             not settled yet: once more .. read [get_blob [decrypt]] .. align

What comes after the end of speech shares the read budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctxasr.sim.twin.counts import Tally, Twin
from ctxasr.sim.twin.dice import Bits, Dice, Lanes, Mask, Spread, Times
from ctxasr.sim.twin.units import contexts
from ctxasr.sim.workload.statistics import TURNS_MAX


@dataclass(frozen=True, slots=True)
class Asked:
    """The turns that asked; times count from the recognise of their answer."""

    linked_at: Times
    embedded_at: Times
    decided_at: Times
    keys: Bits
    context: Lanes
    """Which context it is (`units.context_of`)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of the utterances, and what their node knows since."""

    added_ms: Times
    hit: Mask
    node: Bits
    has_key: Times


def answer(
    asked: Asked,
    speech_ms: Times,
    read_budget_ms: float,
    spread: Spread,
    dice: Dice,
    tally: Tally,
    into: Twin,
) -> Answered:
    """Listen, recognise, look again if it may help, rescore."""
    count, never = len(speech_ms), np.float32(np.inf)
    budget = np.float32(read_budget_ms)
    limit = speech_ms + budget
    node = dice.nodes(count)
    tally.add_all("follow")
    followed_at, followed = dice.request(spread.read, np.zeros(count, np.float32))
    linked = asked.linked_at <= followed_at
    tally.add("read", linked & (followed < limit))
    read_at, read = dice.request(spread.read, followed)
    found = linked & (asked.embedded_at <= read_at)
    again = linked & ~found & (asked.decided_at > read_at)
    has_key = _fetch(asked.keys, node, found, read, limit, spread, dice, tally)
    heard = np.where(found, has_key, np.where(linked, read, followed))
    ready = np.maximum(heard, speech_ms)
    has_key = np.where(found & (has_key <= limit), has_key, never)
    lanes = np.flatnonzero(again)
    if len(lanes):
        _look_again(lanes, asked, node, found, has_key, ready, limit, spread, dice, tally)
    named = asked.context % (TURNS_MAX + 1) ** 2 > 0  # a context that names nothing is not sought
    ready = np.where(found & named, ready + dice.of(spread.aligner, count), ready)
    into.payload_rcu += float(contexts()[1].take(asked.context[found]).sum(dtype=np.float64))
    added_ms = np.minimum(ready - speech_ms, budget)
    return Answered(added_ms, found & (ready <= limit), node, has_key)


def _fetch(
    keys: Bits,
    node: Bits,
    found: Mask,
    begins: Times,
    limit: Times,
    spread: Spread,
    dice: Dice,
    tally: Tally,
) -> Times:
    """When a context that was found can be read."""
    tally.add("get_blob", found & (begins < limit))
    fetched = begins + dice.of(spread.read, len(begins))
    opens = found & ((keys & node) == 0)
    tally.add("decrypt", opens & (fetched < limit))
    opened: Times = fetched + dice.of(spread.kms, len(begins)) * opens
    return opened


def _look_again(
    lanes: Lanes,
    asked: Asked,
    node: Bits,
    found: Mask,
    has_key: Times,
    ready: Times,
    limit: Times,
    spread: Spread,
    dice: Dice,
    tally: Tally,
) -> None:
    """Of these, `found`, `has_key` and `ready` change."""
    own, ends = tally.only(lanes), limit[lanes]
    begins = ready[lanes]
    own.add("read", begins < ends)
    read_at, read = dice.request(spread.read, begins)
    now = asked.embedded_at[lanes] <= read_at
    opened = _fetch(asked.keys[lanes], node[lanes], now, read, ends, spread, dice, own)
    found[lanes] = now
    ready[lanes] = np.where(now, opened, read)
    has_key[lanes] = np.where(now & (opened <= ends), opened, np.float32(np.inf))
    tally.join(lanes, own)
