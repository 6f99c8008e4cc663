"""What is seen during a run: the evidence on which the invariants are judged.

Ports, nodes and deliveries tell this object what happens; it compares, counts, and keeps little:
for each turn who was acknowledged, what was shown and opened. With `trace` it keeps every step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ctxasr.events import ConsistentStatus, Outcome, PayloadKind, PayloadRef, TurnKey
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.plans.templates import MARK, Template, place_of

if TYPE_CHECKING:
    from ctxasr.sim.region.requests import Handling
    from ctxasr.sim.region.tables import Loop
    from ctxasr.sim.region.vault import Row

FOUND_MAX: Final = 20
"""Violations of one invariant that are named of a run: a broken build breaks everything."""

MISS_SLACK_MS: Final = 1.0
"""A window is over to the millisecond: marks hold whole ones."""


class Violation(NamedTuple):
    """An invariant that did not hold."""

    invariant: int
    turn: str
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}: {self.turn}: {self.what}"


class Step(NamedTuple):
    """One line of a trace; times in ms from the start."""

    at_ms: float
    node: str
    event: str
    what: str
    detail: str


@dataclass(slots=True)
class TurnFacts:
    """What was seen of one turn."""

    acked: set[str] = field(default_factory=set)
    kinds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Acknowledged events by what they bring: utterance, reply, service, expect, completed."""
    announced: int = 0
    lost_claims: set[str] = field(default_factory=set)
    contexts: dict[PayloadRef, set[bytes]] = field(default_factory=dict)
    """Which contexts were stored where; a repeated request stores the same one."""
    context_read: set[int] = field(default_factory=set)
    """Numbers of the writes whose context somebody was given."""
    crashed: bool = False
    plays_ms: float = 0.0
    """Until when its question plays at least, since 1970, by what its item showed at the claim."""


class Watch:
    """The evidence of one run."""

    __slots__ = (
        "began_ms", "broken", "calm", "coverage", "deleted", "encodings", "facts", "forgotten",
        "found", "loop", "trace", "traced",
    )  # fmt: skip

    def __init__(self, loop: Loop, coverage: Coverage, *, trace: bool = True) -> None:
        self.loop, self.coverage, self.traced = loop, coverage, trace
        self.found: list[Violation] = []
        """Those that are named; `broken` counts all."""
        self.broken: Counter[tuple[int, str]] = Counter()
        """By invariant and turn."""
        self.facts: dict[TurnKey, TurnFacts] = {}
        self.trace: list[Step] = []
        self.forgotten: Counter[TurnKey] = Counter()
        """How often a turn's item was deleted because its customer was to be forgotten."""
        self.deleted: dict[TurnKey, Outcome | None] = {}
        """Turns whose items the sweeper of the tables has deleted after their expiry; outcomes."""
        self.began_ms: dict[tuple[int, int, int], float] = {}
        """When the plan's turns begin, in ms from the start, by customer, dialogue and turn."""
        self.calm = False
        """Whether nothing goes wrong in the plan."""
        self.encodings: list[tuple[float, float]] = []
        """When each began, in s from the start, and the ms that the encoder is busy with it."""

    def violate(self, invariant: int, turn: TurnKey | None, what: str) -> None:
        """Note that an invariant did not hold."""
        name = "" if turn is None else f"{turn.customer}/{turn.interaction}"
        self.broken[invariant, name] += 1
        if sum(one.invariant == invariant for one in self.found) < FOUND_MAX:
            self.found.append(Violation(invariant, name, what))

    def counts(self) -> dict[int, int]:
        """All violations by invariant."""
        found = Counter[int]()
        for (invariant, _), count in self.broken.items():
            found[invariant] += count
        return dict(sorted(found.items()))

    def note(self, handling: Handling, what: str, detail: str = "") -> None:
        """A step of the trace."""
        if self.traced:
            at_ms = round(self.loop.now_s * 1_000.0, 3)
            self.trace.append(Step(at_ms, handling.node.name, handling.event, what, detail))

    def of(self, turn: TurnKey) -> TurnFacts:
        """The facts of a turn."""
        found = self.facts.get(turn)
        if found is None:
            found = self.facts[turn] = TurnFacts()
        return found

    # ------------------------------------------------------------ told by the tables

    def asked(self, handling: Handling, customer: str) -> None:
        """A request is about to be made (11)."""
        if customer != handling.customer:
            self.violate(11, None, f"{handling.event} of {handling.customer} asked for {customer}")

    def wrote(
        self,
        handling: Handling,
        operation: str,
        before: ConsistentStatus | None,
        status: ConsistentStatus,
    ) -> None:
        """A write was carried out at the leader (2, 6, 9)."""
        if self.traced:
            self.note(handling, operation, f"{status.outcome or status.owner or ''}")
        turn, event, hit = status.turn, handling.event, self.coverage.hit
        old = None if before is None else before.outcome
        if before is not None:
            if old is not None and status.outcome is not old:
                self.violate(2, turn, f"settled as {old}, then as {status.outcome}")
            if before.owner is not None and status.owner != before.owner:
                self.violate(2, turn, f"owned by {before.owner}, then by {status.owner}")
            if len(status.marks) < len(before.marks):
                self.violate(9, turn, f"{operation} dropped an event")
        if operation == "record":
            self._cover_record(handling, before, status)
        elif operation == "claim":
            handling.decision = "compute"
            hit(_of_claim(status, event))
            if before is not None and before.owner is None and status.owner is not None:
                self._judge_claim(before)
        elif operation == "open_key":
            if before is not None and before.wrapped_key is not None:
                hit("key race lost")
        elif operation == "settle":
            handling.decision = "settle"
            if old is None and status.outcome is not None:
                self._judge_settle(handling, before, status)

    def forgot(self, handling: Handling, turn: TurnKey) -> None:
        """The item of a turn is deleted: what was acknowledged of it need not be there any more."""
        self.note(handling, "forgotten", turn.interaction)
        self.forgotten[turn] += 1
        self.facts.pop(turn, None)

    def _cover_record(
        self, handling: Handling, before: ConsistentStatus | None, status: ConsistentStatus
    ) -> None:
        event, hit = handling.event, self.coverage.hit
        what = event.rpartition(".")[2]
        if before is not None and event in before.marks:
            hit("duplicate changed nothing")
        if status.outcome is not None:
            hit("settled already")
        elif status.owner == event:
            hit("owner found itself again")
        elif status.owner is not None:
            hit("claimed by another event")
        elif handling.decision == "":
            handling.decision = "wait"
        if status.outcome in (Outcome.MISSED, Outcome.DISCARDED):
            if what in ("utterance", "reply", "entities", "screen"):
                hit("payload came after closing")
            elif what == "expect" and status.outcome is Outcome.DISCARDED:
                hit("late expect-speech found the turn discarded")

    def _judge_claim(self, before: ConsistentStatus) -> None:
        """Only a turn that expects speech and has all its payloads may be claimed."""
        names = {mark.name for mark in before.marks.values()}
        kinds = {ref.kind for ref in before.refs}
        if "SpeechRecognizer.ExpectSpeech" not in names or not {
            PayloadKind.UTTERANCE, PayloadKind.REPLY
        } <= kinds:  # fmt: skip
            self.violate(6, before.turn, "claimed although its trigger was not satisfied")
        shown = {event.rpartition(".")[2]: mark for event, mark in before.marks.items()}
        begins, reply = shown.get("started") or shown.get("speak"), shown.get("reply")
        if begins is not None and reply is not None:
            self.of(before.turn).plays_ms = float(begins.at_ms + (reply.number or 0))

    def _judge_miss(self, status: ConsistentStatus) -> None:
        """Where nothing goes wrong, only the end of the question or a barge-in is too early (1).

        What a turn says before its question ends sooner, and that is no reason.
        """
        turn, now_ms = status.turn, self.loop.now_s * 1_000.0
        left_ms = self.of(turn).plays_ms - START_MS - now_ms
        ended = any(event.endswith((".finished", ".interrupted")) for event in status.marks)
        place = (int(turn.customer[1:]), *place_of(f"{turn.interaction}.reply")[:2])
        others = [ms for one, ms in self.began_ms.items() if one[0] == place[0] and one != place]
        if left_ms > MISS_SLACK_MS and not ended and not any(ms <= now_ms for ms in others):
            self.violate(1, turn, f"is missed though its question plays for {left_ms:.0f} ms more")

    def _judge_settle(
        self, handling: Handling, before: ConsistentStatus | None, status: ConsistentStatus
    ) -> None:
        self.coverage.hit(f"outcome: {status.outcome}")
        if status.outcome is Outcome.MISSED and self.calm:
            self._judge_miss(status)
        if handling.event == "sweep":
            self.coverage.hit(f"swept: {status.outcome}")
        elif status.owner not in (None, handling.event):
            self.coverage.hit("worked in place of the owner")
        elif status.outcome is Outcome.DISCARDED:
            self.coverage.hit("decided to discard")
            names = {mark.name for mark in status.marks.values()}
            if "InteractionModel.RequestProcessingCompleted" not in names:
                self.violate(6, status.turn, "discarded before its directives had ended")

    def shown(
        self,
        handling: Handling,
        turn: TurnKey,
        status: ConsistentStatus,
        newest: ConsistentStatus | None,
    ) -> None:
        """A node is about to be shown an item as strongly consistent (6, 9)."""
        facts = self.facts.get(turn)
        if newest is not None and status is not newest and status != newest:
            self.violate(6, turn, f"{handling.event} was shown an item that is not the newest")
        known = status.marks.keys()
        if facts is not None and not facts.acked <= known and turn not in self.deleted:
            lost = sorted(facts.acked - status.marks.keys())
            self.violate(9, turn, f"{handling.event} was shown an item without {', '.join(lost)}")

    def read(self, handling: Handling, expires_at_s: int) -> None:
        """An item was read (14)."""
        if self.loop.now_s * 1_000.0 + START_MS >= expires_at_s * 1_000:
            self.violate(14, None, f"{handling.event} was shown an item that had expired")

    def put(self, handling: Handling, turn: TurnKey, ref: PayloadRef, row: Row) -> None:
        """A row is about to be written (2)."""
        if ref.kind is PayloadKind.CONTEXT:
            contexts = self.of(turn).contexts
            assert isinstance(row.clear, bytes), "a context is a blob"
            contexts.setdefault(ref, set()).add(row.clear)
            if len(contexts) > 1:
                self.coverage.hit("two attempts stored a context")

    def opened(self, handling: Handling, turn: TurnKey, ref: PayloadRef, row: Row) -> None:
        """A payload is about to be handed out (2, 14)."""
        if self.loop.now_s * 1_000.0 + START_MS >= row.expires_at_s * 1_000:
            self.violate(14, turn, f"{handling.event} was given {ref.kind} after its expiry")
        if ref.kind is PayloadKind.CONTEXT:
            given = self.of(turn).context_read
            given.add(row.number)
            if len(given) > 1:
                self.violate(2, turn, "two different contexts of one turn took effect")

    def answer_lost(self, handling: Handling, operation: str) -> None:
        """A request was carried out and its sender will not hear of it."""
        self.note(handling, f"{operation}: answer lost")
        if operation in ("claim", "settle"):
            self.coverage.hit(f"{operation} carried out without an answer")
        if operation == "claim":
            turn = TurnKey(handling.customer, handling.event.partition(".")[0])
            self.of(turn).lost_claims.add(handling.event)

    # ------------------------------------------------------------ told by the world

    def acked(
        self,
        handling: Handling,
        one: Template,
        turn: TurnKey,
        status: ConsistentStatus | None,
        *,
        erased: bool = False,
    ) -> None:
        """The event is acknowledged; `status` is the leader's item (1, 3, 8).

        `erased`: it was forgotten while this delivery was under way, perhaps after it was written.
        """
        self.note(handling, "acknowledged")
        if erased:
            self.coverage.hit("acknowledged across a forget")
            if status is None or one.event not in status.marks:
                return
        if handling.decision == "wait":
            self.coverage.hit("decided to wait")
        facts = self.of(turn)
        facts.acked.add(one.event)
        _count(facts, one)
        if status is None or status.outcome is not None or turn in self.deleted:
            return
        kinds = facts.kinds
        ready = kinds["utterance"] and kinds["reply"] and kinds["service"] >= facts.announced
        if (kinds["expect"] and ready) or (kinds["completed"] and not kinds["expect"]):
            expects = any(m.name == "SpeechRecognizer.ExpectSpeech" for m in status.marks.values())
            if kinds["expect"] or not expects:
                self.violate(1, turn, f"{one.event} was acknowledged last, and nothing is settled")
                if status.owner == one.event in facts.lost_claims:
                    self.violate(3, turn, f"{one.event} did not know its own claim")

    def told(self, handling: Handling, name: str, facts: dict[str, Any]) -> None:
        """Telemetry, or the text of an exception (13)."""
        for value in facts.values():
            if MARK not in str(value):
                continue
            turn = TurnKey(handling.customer, handling.event)
            self.violate(13, turn, f"a text stands in telemetry ({name})")


def _of_claim(status: ConsistentStatus, event: str) -> str:
    """The branch of the protocol that a claim has reached."""
    if status.owner is None and status.outcome is None:
        return "claim refused: the item was made anew"
    return "decided to compute" if status.owner == event else "claim lost to another"


def _count(facts: TurnFacts, one: Template) -> None:
    what = one.event.partition(".")[2]
    if what in ("entities", "screen"):
        what = "service"
    facts.kinds[what] += 1
    facts.announced = max(facts.announced, one.announced)
