"""Turn by turn through many dialogues at once.

For example:

    twin = play(Workload(), Latencies(), dialogues=1_000_000, seed=7)
    twin.share("embedded")      0.445
    twin.added_ms(0.99)         20.1

Every request, race and deadline of the shipped stages is there, as far as a run of fifty thousand
turns shows it: a test holds the two together. Left out, because it hardly ever happens without
faults: throttling, expiry, data keys that a node drops because it has more than a thousand, windows
that a process may not open, and who comes first where three are at odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ctxasr.pipeline import READ_BUDGET_MS
from ctxasr.sim.plans.plan import NODES
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.twin.answering import Asked, answer
from ctxasr.sim.twin.claiming import claim, wait_for_the_owner
from ctxasr.sim.twin.counts import Tally, Twin
from ctxasr.sim.twin.dice import NODES_MAX, Dice, Mask, Spread, Times
from ctxasr.sim.twin.embedding import Before, embed, seen_meanwhile, shortened, window_ends
from ctxasr.sim.twin.happenings import Happenings, Happens
from ctxasr.sim.twin.recording import Closing, Payloads, Recorded, close, record_payloads
from ctxasr.sim.twin.sizes import Settling, larger_writes
from ctxasr.sim.twin.units import DrawsRows, Rows
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload

DIALOGUES_PER_CHUNK: Final = 65_536
"""Large enough that calls cost less than what they do also for the few that reach a late turn; some
30 MB. Draws belong to a chunk, so another size gives other counts."""


def play(
    workload: Workload,
    latencies: Latencies | None = None,
    *,
    dialogues: int,
    seed: int = 0,
    read_budget_ms: float = READ_BUDGET_MS,
    nodes: int = NODES,
) -> Twin:
    """Play many dialogues without faults; memory does not grow with their number.

    The same seed gives the same counts again (`dice` says how far that carries).

    Raises:
        ValueError: no dialogues, no read budget, or more nodes than NODES_MAX.
    """
    if dialogues < 1 or read_budget_ms <= 0.0 or not 1 <= nodes <= NODES_MAX:
        raise ValueError(
            f"{dialogues} dialogues, read budget {read_budget_ms} ms, {nodes} nodes: there must be "
            f"at least one dialogue, a read budget, and 1 to {NODES_MAX} nodes"
        )
    twin = Twin(read_budget_ms)
    spread = Spread.of(latencies or Latencies())
    region = _Region(Happens(workload), DrawsRows(workload), spread, twin)
    for chunk, first in enumerate(range(0, dialogues, DIALOGUES_PER_CHUNK)):
        count = min(DIALOGUES_PER_CHUNK, dialogues - first)
        region.play(count, Dice(seed, chunk, nodes))
    return twin


class _Region:
    """Carries chunks of dialogues through their turns."""

    def __init__(self, happens: Happens, rows: DrawsRows, spread: Spread, twin: Twin) -> None:
        self._happens, self._spread, self._twin = happens, spread, twin
        self._rows = rows

    def play(self, count: int, dice: Dice) -> None:
        """One chunk."""
        twin = self._twin
        twin.dialogues += count
        twin.answers["none"] += count
        asked: Asked | None = None
        for number in range(1, TURNS_MAX + 1):
            happenings = self._happens.draw(number, count, dice)
            before = None if asked is None else self._answer(asked, happenings, dice)
            tally = Tally(twin.operations, count)
            asked = self._turn(number, happenings, before, dice, tally)
            twin.turns += count
            each = tally.each.astype(np.int64)
            twin.requests_squared += int(each @ each)
            count = len(asked.keys)
            if not count:
                return

    def _answer(self, asked: Asked, happenings: Happenings, dice: Dice) -> Before:
        twin = self._twin
        tally = Tally(twin.answer_operations, len(happenings))
        speech_ms, budget_ms = happenings.speech_ms, twin.read_budget_ms
        answered = answer(asked, speech_ms, budget_ms, self._spread, dice, tally, twin)
        twin.answering(answered.added_ms, answered.hit)
        return Before(asked.embedded_at, asked.keys, answered.node, answered.has_key, asked.context)

    def _turn(
        self, number: int, happenings: Happenings, before: Before | None, dice: Dice, tally: Tally
    ) -> Asked:
        """All events of a turn; returns what is left to the answers of those that get one."""
        spread, twin = self._spread, self._twin
        speak, started, completed, ended = events = tuple(
            Recorded.plain(begins, spread, dice)
            for begins in (
                happenings.speak, happenings.started, happenings.completed, happenings.ended,
            )
        )  # fmt: skip
        linked_at, linked = dice.request(spread.write, happenings.expect)
        expect = Recorded.plain(linked, spread, dice)
        closing = close(expect, completed, spread, dice)
        payloads = record_payloads(happenings.payloads, closing, spread, dice, tally)
        rows = self._rows.draw(happenings.entities, happenings.screen, dice)
        for _ in ("recognize", "speak", "started", "ended"):
            tally.add_all("record")
        tally.add("record", np.isfinite(happenings.completed))
        tally.add("link", happenings.asks)
        tally.add("record", happenings.asks)
        twin.payload_wcu_more += float(
            rows.more.sum(dtype=np.float64) - np.dot(rows.service_more, payloads.shut)
        )

        lanes = np.flatnonzero(happenings.asks)
        asks = _Asks(
            happenings.only(lanes), payloads.only(lanes), rows.only(lanes), expect.only(lanes),
            tuple(one.only(lanes) for one in events), closing.at[lanes], linked_at[lanes],
            None if before is None else before.only(lanes),
        )  # fmt: skip
        claims, settles = twin.operations["claim"], twin.operations["settle"]
        settling, asked = self._asked(asks, dice, own := tally.only(lanes))
        tally.join(lanes, own)
        settling = settling.among(lanes, closing.at)
        discarded = np.isinf(settling.owned_at)
        self._discard(
            happenings, payloads, rows, (speak, started, ended), closing, discarded, tally
        )
        twin.outcomes["discarded"] += int(np.count_nonzero(discarded))
        larger, claim_share, settle_share = larger_writes(
            number, happenings, payloads, events, expect, settling
        )
        claims, settles = twin.operations["claim"] - claims, twin.operations["settle"] - settles
        twin.larger_writes += larger + round(claims * claim_share + settles * settle_share)
        return asked

    def _discard(
        self,
        happenings: Happenings,
        payloads: Payloads,
        rows: Rows,
        others: tuple[Recorded, ...],
        closing: Closing,
        discarded: Mask,
        tally: Tally,
    ) -> None:
        """What is asked for about turns whose directives end before they show an expect-speech.

        A claim may have come before the discard, which then does nothing but ask. Who records after
        that and before the turn is discarded discards it as well. Turns whose directives do not end
        are left to the sweep.
        """
        refs = payloads.carried_out(closing.at)
        for one in (None, *others, *payloads.recorded):
            discards = np.isfinite(closing.at)
            if one is not None:
                discards &= (one.at >= closing.decided) & (one.at < closing.at)
            tally.add("settle", discards)
            tally.add_many("delete", refs * (discards & discarded))
        swept = ~happenings.asks & np.isinf(happenings.completed)
        tally.add("turns", swept)
        tally.add("settle", swept)
        tally.add_many("delete", rows.count * swept)
        # Once each: of those that were put, early or late.
        more = rows.more - rows.service_more * payloads.shut
        self._twin.payload_wcu_more += float(more[discarded].sum(dtype=np.float64))

    def _asked(self, asks: _Asks, dice: Dice, tally: Tally) -> tuple[Settling, Asked]:
        """Claim and embed; returns when they were, and what is left to their answers."""
        spread, twin, happenings, rows = self._spread, self._twin, asks.happenings, asks.rows
        speak, started, _, ended = asks.events
        claimed = claim(
            asks.payloads, asks.expect, asks.events, asks.closed_at, spread, dice, tally
        )
        known = window_ends(happenings, claimed, speak, started, ended)
        until = seen_meanwhile(known, happenings, claimed, started, ended)
        # The next recognise ends the window only if it comes after the window's begin.
        never = np.float32(np.inf)
        follows = np.where(happenings.next > happenings.expect, happenings.next, never)
        until = shortened(until, claimed, follows, Recorded.plain(follows, spread, dice))
        found = embed(
            claimed, until, rows, asks.payloads.keys, asks.closed_at, asks.before, spread, dice,
            tally, twin,
        )  # fmt: skip
        wait_for_the_owner(claimed, found.decided_at, known, rows.count, spread, dice, tally)
        embedded, lives = np.isfinite(found.at), claimed.at < asks.closed_at
        twin.outcomes["embedded"] += int(np.count_nonzero(embedded))
        twin.outcomes["missed"] += int(np.count_nonzero(lives & ~embedded))
        slack = np.where(lives, known - found.would_be_at, np.float32(0.0))
        twin.embedding(happenings.reply_ms, embedded, slack)
        lanes = np.flatnonzero(np.isfinite(happenings.next))
        begins = happenings.next[lanes]
        left = Asked(
            asks.linked_at[lanes] - begins,
            found.at[lanes] - begins,
            found.decided_at[lanes] - begins,
            (asks.payloads.keys | claimed.node)[lanes],
            found.context[lanes],
        )
        return Settling(np.where(lives, claimed.at, never), found.decided_at, embedded), left


@dataclass(frozen=True, slots=True)
class _Asks:
    """The turns that ask."""

    happenings: Happenings
    payloads: Payloads
    rows: Rows
    expect: Recorded
    events: tuple[Recorded, ...]
    closed_at: Times
    linked_at: Times
    before: Before | None
