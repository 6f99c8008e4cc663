"""What the invariants are judged by: messages, answers, handlers, what was seen, final tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ctxasr.answer import UtteranceResult
from ctxasr.events import Outcome, Record, TurnKey, to_event
from ctxasr.sim.judging.watch import Watch
from ctxasr.sim.luck import kind
from ctxasr.sim.plans.plan import START_MS, Delivery, Plan
from ctxasr.sim.plans.templates import ANSWER, FORGET, SWEEP, Template, place_of, template
from ctxasr.sim.region.nodes import WRONG_MS_MAX
from ctxasr.sim.region.requests import Handling
from ctxasr.sim.region.tables import Tables
from ctxasr.timing import expired


class Message:
    """One event in the queue, until it is acknowledged."""

    __slots__ = (
        "acked", "customer", "deliveries", "delivery", "number", "template", "turn", "under_way",
        "what",
    )  # fmt: skip

    def __init__(self, delivery: Delivery, number: int) -> None:
        self.delivery, self.number, self.customer = delivery, number, f"c{delivery.customer}"
        self.acked, self.deliveries = False, 0
        self.under_way = 0
        """Deliveries that are to come or are not over."""
        interaction, _, what = delivery.event.partition(".")
        self.turn = TurnKey(self.customer, interaction)
        self.what = what or interaction
        is_event = what and what != ANSWER
        self.template: Template = template(delivery.event, delivery.number) if is_event else _NONE


_NONE: Template = Template(SWEEP, "", "", None, 0, None, "", None, ())  # type: ignore[arg-type]


class Answer(NamedTuple):
    """An answer: what came of it and what it cost, by the loop's own time.

    `asked` is the number of the turn whose token it echoes; 0 if nobody asked.
    """

    message: Message
    asked: int
    found: UtteranceResult
    added_ms: float
    at_s: float


class Handled(NamedTuple):
    """What one handler used."""

    event: str
    requests: int
    attempts: int
    took_s: float


@dataclass
class Evidence:
    """All that is known of a run at its end."""

    plan: Plan
    watch: Watch
    tables: Tables
    read_budget_ms: float
    messages: list[Message] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    handled: list[Handled] = field(default_factory=list)
    crashes: set[TurnKey] = field(default_factory=set)
    gone: set[Message] = field(default_factory=set)
    """Events that were over, acknowledged, when a forget began that was answered since."""
    cut_short: set[TurnKey] = field(default_factory=set)
    """Turns of which a delivery failed or died."""
    swept_ms: float = 0.0
    """When the last sweep looked, since 1970: what had expired by then it could not see."""

    def message(self, delivery: Delivery) -> Message:
        """A new message."""
        # Its number is of its name and not of its place in the plan: lines may be deleted.
        made = Message(delivery, kind(delivery.event))
        self.messages.append(made)
        return made

    def over(self, customer: str) -> set[Message]:
        """The customer's events that are acknowledged and will not be delivered again."""
        return {
            one
            for one in self.messages
            if one.customer == customer and one.acked and not one.under_way
            if one.template.message is not None
        }

    def acknowledged(self, record: Record) -> None:
        """The event is acknowledged, in a turn that was forgotten before it came: its payload must
        open under the turn's data key (9).

        Not asked where a delivery of the turn was cut short: under its dead key it may have
        overwritten what another had sealed. Nor once the payload has expired.
        """
        payload = to_event(record, self.plan.payload_ttl_s).payload
        now_ms = START_MS + self.tables.loop.now_s * 1_000.0 + WRONG_MS_MAX
        if payload is None or payload.turn in self.cut_short:
            return
        part = self.tables.partition(record.customer)
        status, row = part.newest.get(payload.turn), part.rows.get((payload.turn, payload.ref))
        if status is None or row is None or expired(payload.expires_at_s, now_ms):
            return
        closed = status.outcome in (Outcome.MISSED, Outcome.DISCARDED)
        if not closed and row.wrapped_key != status.wrapped_key:
            what = "acknowledged, and sealed under a key that is not its turn's"
            self.watch.violate(9, payload.turn, f"{payload.ref.kind} is {what}")

    def crashed(self, handling: Handling) -> None:
        """A node died over this event."""
        self.crashes.add(TurnKey(handling.customer, handling.event.partition(".")[0]))


def begins_of(plan: Plan) -> dict[tuple[int, int, int], float]:
    """When each turn begins, in ms from the start, by customer, dialogue and turn."""
    found: dict[tuple[int, int, int], float] = {}
    for one in plan.deliveries:
        if one.event not in (SWEEP, FORGET):
            place = place_of(one.event)
            turn = (one.customer, place.dialogue, place.turn)
            found[turn] = min(one.at_ms, found.get(turn, one.at_ms))
    return found


def echoes_of(plan: Plan) -> dict[tuple[int, str], int]:
    """The turns whose token is echoed where that is not the turn before, by who echoes it."""
    return {
        (one.customer, one.event.partition(".")[0]): one.number
        for one in plan.deliveries
        if one.number and one.event.endswith(".recognize")
    }
