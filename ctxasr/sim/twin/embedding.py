"""The context against its deadline.

    claim .. get [decrypt] ....................... max .. encode .. put_blob .. settle
             follow .. read .. get_blob [decrypt]   |
                       (a follow-up)                 the window ends: settle as missed, delete

The window is that of the item which the claim returned. An event of the reply's end, or the next
recognise, that the same node handles ends it at once; on another node it does not.

A request that the deadline cancels has been carried out at its begin (half of them), or may be on
its way (half of the others): so a turn can be embedded although its window has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ctxasr.sim.region.doubles import BUSY_MS_MAX
from ctxasr.sim.twin.claiming import Claim
from ctxasr.sim.twin.counts import Tally, Twin
from ctxasr.sim.twin.dice import Bits, Dice, Lanes, Mask, Spread, Times
from ctxasr.sim.twin.happenings import Happenings
from ctxasr.sim.twin.recording import Recorded
from ctxasr.sim.twin.units import Rows, carried_out, contexts

BEGUN: Final = 0.75
"""A window that is over before it opens ends the embedding at its first requests; of these so many
had begun, by the loop's choice among what is ready."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the turn that asked has left to the one that answers, from whose recognise it counts."""

    embedded_at: Times
    """When its context could be found, else infinite."""
    keys: Bits
    """The nodes that have its key open."""
    answer_node: Bits
    answer_has_key: Times
    """When the node that listens has opened it as well, if it has."""
    context: Lanes
    """Which context it is (`units.context_of`)."""

    def only(self, lanes: Lanes) -> Before:
        """Of these turns."""
        return Before(
            self.embedded_at[lanes],
            self.keys[lanes],
            self.answer_node[lanes],
            self.answer_has_key[lanes],
            self.context[lanes],
        )


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came of turns that asked."""

    at: Times
    """When the context could be found, else infinite."""
    decided_at: Times
    would_be_at: Times
    """When it would have been there without a deadline."""
    context: Lanes
    """Which one (`units.context_of`)."""


def window_ends(
    happenings: Happenings, claimed: Claim, speak: Recorded, started: Recorded, ended: Recorded
) -> Times:
    """The end of the compute window, as the claimed item tells it."""
    began = np.where(speak.at <= claimed.at, happenings.speak, happenings.expect)
    began = np.where(started.at <= claimed.at, happenings.started, began)
    # A reply that ended before the expect-speech is not the one that the microphone waits for.
    seen, over = ended.at <= claimed.at, happenings.ended < happenings.expect
    until = np.where(seen & over, happenings.expect, began) + happenings.reply_ms
    return np.where(seen & ~over, np.minimum(until, happenings.ended), until)


def seen_meanwhile(
    until: Times, happenings: Happenings, claimed: Claim, started: Recorded, ended: Recorded
) -> Times:
    """... where the claim's node has recorded what it did not show yet."""

    def seen(one: Recorded) -> Mask:
        after = (one.answered >= claimed.answered) & (one.answered < until)
        noted: Mask = after & (one.node == claimed.node)
        return noted

    begins = seen(started) & (ended.at > claimed.at)
    until = np.where(begins, happenings.started + happenings.reply_ms, until)
    over = happenings.ended < happenings.expect
    until = np.where(seen(ended) & over, happenings.expect + happenings.reply_ms, until)
    return np.where(seen(ended) & ~over, np.minimum(until, ended.answered), until)


def shortened(until: Times, claimed: Claim, begins: Times, recorded: Recorded) -> Times:
    """... where the claim's node hears the customer speak again: on arrival, or once recorded."""
    noted = np.where(begins >= claimed.answered, begins, recorded.answered)
    notes = (recorded.node == claimed.node) & (recorded.answered >= claimed.answered)
    return np.where(notes, np.minimum(until, noted), until)


def embed(
    claimed: Claim,
    until: Times,
    rows: Rows,
    keys: Bits,
    closed_at: Times,
    before: Before | None,
    spread: Spread,
    dice: Dice,
    tally: Tally,
    into: Twin,
) -> Embedded:
    """Embed each turn until the deadline strikes, at `until`.

    Where `closed_at` is earlier than the claim, nothing runs.
    """
    never, count = np.float32(np.inf), len(until)
    lives = claimed.at < closed_at
    begins = np.where(lives, claimed.answered, never)
    until = np.maximum(until, begins)
    begun = lives & ((begins < until) | dice.share(BEGUN, count))
    tally.add("get", begun)
    ready = begins + dice.of(spread.read, count)
    into.payload_rcu += carried_out(rows.reads, begun, ready >= until)
    opens = (keys & claimed.node) == 0
    tally.add("decrypt", opens & (ready < until))
    ready += dice.of(spread.kms, count) * opens
    context = rows.context
    if before is not None:
        begun = lives & ((begins < until) | dice.share(BEGUN, count))
        past, found = _past(begins, begun, until, claimed, before, spread, dice, tally, into)
        ready = np.maximum(ready, past)
        context = context + before.context * found
    takes_ms = dice.of(spread.encoder, count)
    encoded = ready + takes_ms
    runs = ready < until
    into.encodings += int(np.count_nonzero(runs))
    # A forward pass that has begun runs to its end, whoever gives up meanwhile.
    busy_ms = np.minimum(takes_ms[runs], np.float32(BUSY_MS_MAX))
    into.encoder_busy_ms += float(busy_ms.sum(dtype=np.float64))
    tally.add("put_blob", encoded < until)
    stored = encoded + dice.of(spread.write, count)
    settles = stored < until
    context_more = contexts()[0].take(context) - np.float32(1.0)
    into.payload_wcu_more += carried_out(context_more, encoded < until, stored >= until)
    tally.add("settle", settles)
    at, answered = dice.request(spread.write, stored)
    late = lives & (answered > until)
    missed_at, _ = dice.request(spread.write, until)
    goes_on = (at == stored) | dice.coin(count)
    into.withdrawn_settles += int(np.count_nonzero(late & settles & ~goes_on))
    in_spite = settles & goes_on & ((at == stored) | (answered < missed_at))
    embedded = lives & (~late | in_spite)
    missed = late & ~embedded
    tally.add("settle", late)
    tally.add_many("delete", (rows.count + np.uint8(1)) * missed)  # and what may be stored
    into.payload_wcu_more += float(rows.more[missed].sum(dtype=np.float64))
    into.payload_wcu_more += carried_out(context_more, missed & (encoded < until), stored >= until)
    embedded_at = np.where(embedded, at, never)
    decided_at = np.where(missed, missed_at, embedded_at)
    return Embedded(embedded_at, np.where(lives, decided_at, closed_at), at, context)


def _past(
    begins: Times,
    begun: Mask,
    until: Times,
    claimed: Claim,
    before: Before,
    spread: Spread,
    dice: Dice,
    tally: Tally,
    into: Twin,
) -> tuple[Times, Mask]:
    """When the dialogue's past is there, or is known to be missing; and which."""
    count = len(begins)
    tally.add("follow", begun)
    followed = begins + dice.of(spread.read, count)
    tally.add("read", followed < until)
    read_at, read = dice.request(spread.read, followed)
    found = before.embedded_at <= read_at
    tally.add("get_blob", found & (read < until))
    fetched = read + dice.of(spread.read, count)
    into.payload_rcu += carried_out(
        contexts()[1].take(before.context), found & (read < until), fetched >= until
    )
    keys = before.keys | before.answer_node * (before.answer_has_key <= fetched)
    opens = found & ((keys & claimed.node) == 0)
    tally.add("decrypt", opens & (fetched < until))
    return np.where(found, fetched + dice.of(spread.kms, count) * opens, read), found
