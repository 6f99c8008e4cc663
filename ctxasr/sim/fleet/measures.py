"""What one run comes to, as counts that add up.

    Measures.of(evidence)      counts    "turns embedded": 412, "write units": 3_904, ...
                               bins      "added_us hit": {4_096: 17, ...}
                               seconds   "encoder_us": {3: 88_120, ...}

Everything is a whole number, so that sums do not depend on the order in which they are made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from ctxasr.events import Outcome, TurnKey
from ctxasr.sim.fleet.fine import bin_of
from ctxasr.sim.plans.templates import ANSWER, MOMENT_EVENTS, TURN_EVENTS
from ctxasr.sim.region.buckets import RCU_PER_S, WCU_PER_S

if TYPE_CHECKING:
    from ctxasr.sim.judging.evidence import Evidence, Message
    from ctxasr.sim.region.tables import Tables

REPLY_EDGES_MS: Final = (
    0, 250, 500, 750, 1_000, 1_250, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000,
    15_000, 20_000,
)  # fmt: skip
"""Lower edges of the lengths of replies that deadline hits are counted by; the last is open."""

UNITS: Final = ("status_wcu", "status_rcu", "payload_wcu", "payload_rcu")

UNSETTLED: Final = "unsettled"
"""What became of turns that nobody settled before they expired."""


@dataclass
class Measures:
    """`counts` by name, `bins` as `fleet.fine` has them, `seconds` of the run's own clock."""

    counts: Counter[str] = field(default_factory=Counter)
    bins: dict[str, Counter[int]] = field(default_factory=dict)
    seconds: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, other: Measures) -> None:
        """Take over another run's counts and bins; its seconds have a place of their own."""
        self.counts.update(other.counts)
        for name, bins in other.bins.items():
            self.bins.setdefault(name, Counter()).update(bins)

    def note(self, name: str, value: int) -> None:
        """One more value of a histogram."""
        self.bins.setdefault(name, Counter())[bin_of(value)] += 1

    def note_second(self, name: str, at_s: float, value: int = 1) -> None:
        """So much more in the second of `at_s`."""
        self.seconds.setdefault(name, Counter())[int(at_s)] += value

    def to_dict(self) -> dict[str, Any]:
        """JSON: names of bins and seconds become texts."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "bins": {name: _texts(bins) for name, bins in sorted(self.bins.items())},
            "seconds": {name: _texts(line) for name, line in sorted(self.seconds.items())},
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        bins, seconds = (
            {
                name: Counter({int(at): count for at, count in line.items()})
                for name, line in document[part].items()
            }
            for part in ("bins", "seconds")
        )
        return cls(Counter(document["counts"]), bins, seconds)

    @classmethod
    def of(cls, evidence: Evidence, *, rows_apart: bool = True) -> Self:
        """What is worth keeping of a run; `rows_apart`: payloads are no part of their items."""
        found = cls()
        found._count_events(evidence.messages)
        found._count_turns(evidence)
        found._count_answers(evidence)
        found._count_work(evidence)
        found._count_store(evidence.tables, rows_apart)
        return found

    def _count_events(self, messages: Iterable[Message]) -> None:
        """What was planned, and how often it had to be delivered."""
        dialogues, counts = set(), self.counts
        for message in messages:
            delivery = message.delivery
            what = delivery.event.rpartition(".")[2]
            if what in _EVENTS:
                counts["events"] += 1
                counts["deliveries"] += message.deliveries
                counts["acknowledged"] += message.acked
                if delivery.customer not in dialogues:
                    dialogues.add(delivery.customer)
                    self.note_second("dialogues", delivery.at_ms / 1_000.0)
                if what == "recognize":
                    self.note_second("turns", delivery.at_ms / 1_000.0)
            elif what == ANSWER:
                counts["answers planned"] += 1
        counts["dialogues"] += len(dialogues)

    def _count_turns(self, evidence: Evidence) -> None:
        """Each turn's outcome; of those that asked, by the length of the reply."""
        asked, reply_ms = set[TurnKey](), dict[TurnKey, int]()
        turns = dict[TurnKey, None]()
        for message in evidence.messages:
            what = message.delivery.event.rpartition(".")[2]
            if what in _EVENTS:
                turns[message.turn] = None
            if what == "expect":
                asked.add(message.turn)
            elif what == "reply":
                reply_ms[message.turn] = message.delivery.number
        counts = self.counts
        for turn in turns:
            status = evidence.tables.partition(turn.customer).newest.get(turn)
            known = evidence.watch.deleted.get(turn) if status is None else status.outcome
            outcome = UNSETTLED if known is None else str(known)
            counts["turns"] += 1
            counts[f"turns {outcome}"] += 1
            if turn in asked:
                counts[f"asked {outcome}"] += 1
                if turn in reply_ms:
                    hit = "hit" if outcome == Outcome.EMBEDDED else "missed"
                    edge = max(one for one in REPLY_EDGES_MS if one <= reply_ms[turn])
                    self.bins.setdefault(f"reply_ms {hit}", Counter())[edge] += 1

    def _count_answers(self, evidence: Evidence) -> None:
        for answer in evidence.answers:
            state = str(answer.found.context)
            self.counts[f"answers {state}"] += 1
            self.counts["answers changed"] += bool(answer.found.result.changes)
            self.note(f"added_us {state}", max(0, round(answer.added_ms * 1_000.0)))

    def _count_work(self, evidence: Evidence) -> None:
        """Requests, capacity, and what the encoder was busy with."""
        counts = self.counts
        for one in evidence.handled:
            counts["handlings"] += 1
            counts["handling requests"] += one.requests
            counts["handling attempts"] += one.attempts
            counts["handling_us"] += round(one.took_s * 1e6)
        for began_s, took_ms in evidence.watch.encodings:
            took_us = round(took_ms * 1_000.0)
            counts["encodings"] += 1
            counts["encoder_us"] += took_us
            self.note("encoder_us", took_us)
            _spread(self.seconds.setdefault("encoder_us", Counter()), began_s, took_us)

    def _count_store(self, tables: Tables, rows_apart: bool) -> None:
        """Units, in halves: eventually consistent reads cost one. And what waits for its TTL."""
        counts, used = self.counts, tables.used
        for name in UNITS:
            counts[f"{name} halves"] += round(2 * getattr(used, name))
        counts["requests"] += used.requests
        counts["kms requests"] += used.kms_requests
        counts["throttled"] += used.throttled
        counts["written_bytes"] += used.written_bytes
        counts["returned_bytes"] += used.returned_bytes
        for name, per_s in (("write_units", WCU_PER_S), ("read_units", RCU_PER_S)):
            line = self.seconds.setdefault(name, Counter())
            line.update({at: math.ceil(units) for at, units in tables.units[per_s].items()})
        for part in tables.partitions.values():
            counts["stored_items"] += len(part.sizes) + len(part.links)
            counts["stored_bytes"] += tables.customers_bytes(part)
            if rows_apart:
                counts["stored_items"] += len(part.rows)
                counts["stored_bytes"] += sum(row.size_bytes for row in part.rows.values())


_EVENTS: Final = frozenset((*TURN_EVENTS, *MOMENT_EVENTS))


def _spread(line: Counter[int], began_s: float, took_us: int) -> None:
    """Busy time in the seconds in which it passes."""
    second, left_us = int(began_s), took_us
    room_us = round((second + 1 - began_s) * 1e6)
    while left_us > 0:
        part = min(left_us, room_us)
        line[second] += part
        left_us, second, room_us = left_us - part, second + 1, 1_000_000


def _texts(line: Counter[int]) -> dict[str, int]:
    return {str(at): line[at] for at in sorted(line)}
