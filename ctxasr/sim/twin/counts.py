"""What the twin counts: small, additive, and enough for shares, rates and quantiles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.sim.fleet.measures import REPLY_EDGES_MS
from ctxasr.sim.twin.dice import Lanes, Mask, Times

ADDED_BINS: Final = 8_192
"""From 0 to the read budget."""

SLACK_MS_MAX: Final = 60_000.0
SLACK_STEP_MS: Final = 5.0
"""Slack is kept in steps of 5 ms, from -60 s to 60 s."""

_SLACK_BINS: Final = int(2 * SLACK_MS_MAX / SLACK_STEP_MS)


def _counts(bins: int) -> NDArray[np.int64]:
    return np.zeros(bins, np.int64)


@dataclass
class Twin:
    """What came of it; two of them add up."""

    read_budget_ms: float
    dialogues: int = 0
    turns: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Turns that were embedded, missed, discarded."""
    answers: Counter[str] = field(default_factory=Counter)
    """Utterances by the context that they could use: hit, missed; none of a dialogue's first."""
    operations: Counter[str] = field(default_factory=Counter)
    """Requests of events and sweeps, by name as in `sim.region.status` and `sim.region.vault`."""
    answer_operations: Counter[str] = field(default_factory=Counter)
    """Requests of the utterances that answer."""
    requests_squared: int = 0
    """The sum over turns of the square of the requests of their events."""
    asked: NDArray[np.int64] = field(default_factory=lambda: _counts(len(REPLY_EDGES_MS)))
    """Turns that asked back, by the length of their reply."""
    embedded: NDArray[np.int64] = field(default_factory=lambda: _counts(len(REPLY_EDGES_MS)))
    added: NDArray[np.int64] = field(default_factory=lambda: _counts(ADDED_BINS + 2))
    """Utterances that answer, by what the context added to the plain result: nothing at all, then
    ADDED_BINS equal steps up to the read budget, then the whole budget."""
    slack: NDArray[np.int64] = field(default_factory=lambda: _counts(_SLACK_BINS))
    """Turns that asked, by what was left of their window when their context was stored, or would
    have been had nothing ended it."""
    larger_writes: int = 0
    """Writes of status items of two units; the others cost one."""
    withdrawn_settles: int = 0
    """Settles that the deadline cancelled before they were on their way."""
    payload_wcu_more: float = 0.0
    """What writes of payloads and contexts cost beyond one unit each."""
    payload_rcu: float = 0.0
    encodings: int = 0
    encoder_busy_ms: float = 0.0

    @property
    def requests_per_turn(self) -> float:
        """Of its events, without those of the utterance that answers."""
        return self.operations.total() / self.turns

    @property
    def requests_sd(self) -> float:
        """Standard deviation over turns."""
        return float(np.sqrt(self.requests_squared / self.turns - self.requests_per_turn**2))

    @property
    def table_requests(self) -> int:
        """Requests to the two tables, of events, sweeps and answers."""
        return self.operations.total() + self.answer_operations.total() - self.kms_requests

    @property
    def kms_requests(self) -> int:
        """Data keys made and opened."""
        return self._asked_for("new_key", "decrypt")

    @property
    def status_wcu(self) -> float:
        """Write units of the event-status table."""
        writes = self._asked_for("record", "open_key", "link", "claim", "settle")
        return float(writes + self.larger_writes - 2 * self.withdrawn_settles)  # two units each

    @property
    def status_rcu(self) -> float:
        """Its read units; no item is as long as two."""
        return float(self._asked_for("follow", "read", "turns"))

    @property
    def payload_wcu(self) -> float:
        """Write units of the payload table."""
        return self._asked_for("put", "put_blob", "delete") + self.payload_wcu_more

    def _asked_for(self, *operations: str) -> int:
        return sum(self.operations[one] + self.answer_operations[one] for one in operations)

    @property
    def hit_rate(self) -> NDArray[np.float64]:
        """The share embedded of those that asked, by length of reply; nan where none asked."""
        nothing = np.full(len(self.asked), np.nan)
        rate: NDArray[np.float64] = np.divide(
            self.embedded, self.asked, out=nothing, where=self.asked > 0
        )
        return rate

    def share(self, outcome: str) -> float:
        """Of all turns."""
        return self.outcomes[outcome] / self.turns

    def added_ms(self, quantile: float) -> float:
        """A quantile of the added latency, to a step of the read budget (about 6 microseconds)."""
        below = np.cumsum(self.added)
        if not below[-1]:
            return float("nan")
        at = int(np.searchsorted(below, quantile * below[-1]))
        step_ms = self.read_budget_ms / ADDED_BINS
        return min(max(at - 0.5, 0.0) * step_ms, self.read_budget_ms) if at else 0.0

    def added_at_most(self, ms: float) -> float:
        """The share of answers to which at most so much was added."""
        if ms >= self.read_budget_ms:
            return 1.0
        steps = ms / self.read_budget_ms * ADDED_BINS
        whole = int(steps)
        below = self.added[: whole + 1].sum() + self.added[whole + 1] * (steps - whole)
        return float(below / self.added.sum())

    def slack_ms(self, quantile: float) -> float:
        """A quantile of the slack; negative: how much too late."""
        below = np.cumsum(self.slack)
        if not below[-1]:
            return float("nan")
        at = int(np.searchsorted(below, quantile * below[-1]))
        return (at + 0.5) * SLACK_STEP_MS - SLACK_MS_MAX

    def merge(self, other: Twin) -> None:
        """Add another's counts, of the same read budget."""
        assert self.read_budget_ms == other.read_budget_ms, "they must have the same read budget"
        for one in fields(self):
            if one.name != "read_budget_ms":
                mine = getattr(self, one.name)
                mine += getattr(other, one.name)
                setattr(self, one.name, mine)

    # ------------------------------------------------------------ told by the stages

    def embedding(self, reply_ms: Times, embedded: Mask, slack_ms: Times) -> None:
        """Turns that asked."""
        bins = np.searchsorted(np.array(REPLY_EDGES_MS, np.float32), reply_ms, side="right") - 1
        self.asked += np.bincount(bins, minlength=len(REPLY_EDGES_MS))
        self.embedded += np.bincount(bins[embedded], minlength=len(REPLY_EDGES_MS))
        at = (np.clip(slack_ms, -SLACK_MS_MAX, SLACK_MS_MAX - 1) + SLACK_MS_MAX) / SLACK_STEP_MS
        self.slack += np.bincount(at.astype(np.intp), minlength=_SLACK_BINS)

    def answering(self, added_ms: Times, hit: Mask) -> None:
        """Utterances that answer."""
        some = np.ceil(added_ms * np.float32(ADDED_BINS / self.read_budget_ms)).astype(np.intp)
        spent = added_ms >= np.float32(self.read_budget_ms)
        self.added += np.bincount(np.where(spent, ADDED_BINS + 1, some), minlength=ADDED_BINS + 2)
        hits = int(np.count_nonzero(hit))
        self.answers += Counter(hit=hits, missed=len(hit) - hits)


class Tally:
    """Requests of some turns: all told, and of each turn."""

    __slots__ = ("each", "operations")

    def __init__(self, operations: Counter[str], count: int) -> None:
        self.operations = operations
        self.each = np.zeros(count, np.int16)

    def add(self, operation: str, happened: Mask) -> None:
        """One request of each of these turns."""
        self.operations[operation] += int(np.count_nonzero(happened))
        self.each += happened

    def add_many(self, operation: str, counts: NDArray[np.integer]) -> None:
        """Several of each turn."""
        self.operations[operation] += int(counts.sum())
        self.each += counts.astype(np.int16)

    def add_all(self, operation: str) -> None:
        """One request of every turn."""
        self.operations[operation] += len(self.each)
        self.each += 1

    def only(self, lanes: Lanes) -> Tally:
        """For some of the turns; `join` adds what it counted."""
        return Tally(self.operations, len(lanes))

    def join(self, lanes: Lanes, other: Tally) -> None:
        """Lanes are all different."""
        self.each[lanes] += other.each
