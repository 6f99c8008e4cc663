"""The fifteen invariants of the design, each a named function over the evidence of a run.

A function returns the violations that it finds in what is left at the end; what the watch has found
during the run under the same number is added. A docstring says what the invariant means here, and
when it cannot apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ctxasr.answer import ContextState
from ctxasr.events import Mark, Outcome, PayloadKind, TurnKey, to_event
from ctxasr.sim.judging.evidence import Evidence, Message
from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.plans.templates import FORGET, MARK, names_of, place_of, record_of
from ctxasr.sim.region.doubles import PLAIN, dialogue_is
from ctxasr.sim.region.requests import ATTEMPTS_MAX, CALL_S_MAX, READ_TIMEOUT_S
from ctxasr.timing import REPLY_MS_MAX

REQUESTS_MAX: Final = 60
"""Requests of one handler: a turn has at most a dozen payloads here, and a sweep some turns."""

BUDGET_SLACK_MS: Final = 0.2
"""The budget runs by the node's crystal, the judge's clock by the true one."""

Found = Iterator[tuple[TurnKey | None, str]]


def settled(evidence: Evidence) -> Found:
    """1. Once the acknowledged events make a turn ready it is settled; at the end all turns are
    settled that have not expired. Where nothing goes wrong, none is missed while its question
    plays. Cannot apply where nothing was recorded."""
    for part in evidence.tables.partitions.values():
        for turn, status in part.newest.items():
            if status.outcome is None and status.expires_at_s * 1_000 > evidence.swept_ms:
                yield turn, "is not settled though faults have stopped"


def one_context(evidence: Evidence) -> Found:
    """2. A turn's outcome and owner are fixed once, and whoever reads its context gets the same.
    Cannot apply where no turn was embedded."""
    for part in evidence.tables.partitions.values():
        for turn, status in part.newest.items():
            contexts = [ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT]
            if len(contexts) != (status.outcome is Outcome.EMBEDDED):
                yield turn, f"is {status.outcome} with {len(contexts)} contexts"
            stored = evidence.watch.of(turn).contexts
            for ref in contexts:
                if len(stored.get(ref, ())) != 1:
                    yield turn, f"{len(stored.get(ref, ()))} contexts were stored at its place"


def own_claim(evidence: Evidence) -> Found:
    """3. An event whose claim was carried out without an answer is not acknowledged before its turn
    is settled. Cannot apply where no claim's answer was lost. All of it is seen during the run."""
    yield from ()


def plain_text(evidence: Evidence) -> Found:
    """4. Without a context the text is the recogniser's; with one, it or a name of that context.
    Cannot apply without answers."""
    for answer in evidence.answers:
        place = place_of(answer.message.delivery.event)
        text = answer.found.result.text
        allowed = {PLAIN}
        if answer.found.context is ContextState.HIT:
            allowed.add(names_of(place.dialogue, answer.asked)[1])
        if text not in allowed:
            yield answer.message.turn, f"a text that is not plain, context {answer.found.context}"
        if answer.found.result.plain_text != PLAIN:
            yield answer.message.turn, "the plain text was changed"


def in_budget(evidence: Evidence) -> Found:
    """5. A text comes within the read budget after the recogniser's; at once where the context is
    known to be missed. Cannot apply without answers."""
    for answer in evidence.answers:
        if answer.added_ms > evidence.read_budget_ms + BUDGET_SLACK_MS:
            yield answer.message.turn, f"came {answer.added_ms:.1f} ms after the plain result"


def consistent_state(evidence: Evidence) -> Found:
    """6. What a write or read shows as consistent is the leader's newest version at that instant,
    and turns are claimed or discarded only if it says so. All of it is seen during the run."""
    yield from ()


def same_rows(evidence: Evidence) -> Found:
    """7. The rows are a function of the set of events: each event's mark once, each payload once;
    no data key of a turn that was missed or discarded. (An item's expiry is its first write's.) Of
    a turn that was forgotten there may be any part of its events, whole in itself."""
    for turn, messages in _by_turn(evidence).items():
        if turn in evidence.watch.deleted:
            continue
        if evidence.watch.forgotten[turn]:
            yield from _whole_in_itself(evidence, turn, messages)
            continue
        status = evidence.tables.partition(turn.customer).newest.get(turn)
        if status is None:
            yield turn, "has events and no item"
            continue
        expected = {m.delivery.event: _mark(m) for m in messages}
        if status.marks != expected:
            wrong = sorted(set(expected.items()) ^ set(status.marks.items()), key=str)
            yield turn, f"events {sorted({event for event, _ in wrong})} are not as they were sent"
        kinds = sorted(m.template.kind for m in messages if m.template.kind)
        own = sorted(ref.kind for ref in status.refs if ref.kind is not PayloadKind.CONTEXT)
        if kinds != own:
            yield turn, f"refers to payloads {own}, was sent {kinds}"
        if status.outcome is Outcome.EMBEDDED:
            rows = evidence.tables.partition(turn.customer).rows
            for ref in status.refs:
                if (turn, ref) not in rows:
                    yield turn, f"its {ref.kind} is not there"
        elif status.outcome is not None:
            if status.wrapped_key is not None:
                yield turn, f"is {status.outcome} and keeps its data key"
            rows = evidence.tables.partition(turn.customer).rows
            left = [ref.kind for at, ref in rows if at == turn]
            if set(left) - {PayloadKind.CONTEXT} and not evidence.plan.faults:
                yield turn, f"is {status.outcome} and leaves {sorted(left)} though nothing failed"


def _whole_in_itself(evidence: Evidence, turn: TurnKey, messages: list[Message]) -> Found:
    """Marks as they were sent, a reference for each that brings a payload, and for no other."""
    status = evidence.tables.partition(turn.customer).newest.get(turn)
    if status is None:
        return
    sent = {m.delivery.event: m for m in messages}
    there = [sent[event] for event in status.marks if event in sent]
    if any(status.marks[one.delivery.event] != _mark(one) for one in there):
        yield turn, "events of what was made anew are not as they were sent"
    if not status.marks.keys() <= sent.keys():
        return  # of events that were never acknowledged, nothing is demanded
    kinds = sorted(one.template.kind for one in there if one.template.kind)
    own = sorted(ref.kind for ref in status.refs if ref.kind is not PayloadKind.CONTEXT)
    if kinds != own:
        yield turn, f"made anew it refers to payloads {own}, and its events brought {kinds}"
    if status.outcome in (Outcome.MISSED, Outcome.DISCARDED) and status.wrapped_key is not None:
        yield turn, f"is {status.outcome} and keeps its data key"


def crash_converges(evidence: Evidence) -> Found:
    """8. A turn over which a node died ends as any other: settled, with one context at most. Cannot
    apply where no node died."""
    for number, judged in ((1, settled), (2, one_context)):
        for turn, what in judged(evidence):
            if turn in evidence.crashes:
                yield turn, f"after a crash {what} ({number})"


def acknowledged_is_read(evidence: Evidence) -> Found:
    """9. Every consistent answer about a turn holds all events that were acknowledged before, and
    their payloads are sealed under its data key. A forget takes back what was acknowledged; once it
    is answered, no event that was over when it began is there, nor its payload."""
    yield from _came_back(evidence)
    for turn, facts in evidence.watch.facts.items():
        if turn in evidence.watch.deleted:
            continue
        status = evidence.tables.partition(turn.customer).newest.get(turn)
        lost = facts.acked - (status.marks.keys() if status is not None else set())
        if lost:
            yield turn, f"lost {sorted(lost)} at the end"


def _came_back(evidence: Evidence) -> Found:
    for message in evidence.gone:
        partition, turn = evidence.tables.partition(message.customer), message.turn
        status, event = partition.newest.get(turn), message.delivery.event
        if status is not None and event in status.marks:
            yield turn, f"{event} came back after its customer was forgotten"
        payload = to_event(record_of(message.template, message.customer, 0.0), 0).payload
        if payload is not None and (turn, payload.ref) in partition.rows:
            yield turn, f"the payload of {event} came back after its customer was forgotten"


def own_dialogue(evidence: Evidence) -> Found:
    """10. A context is made of turns of its own dialogue, in order, none that began after its own,
    whatever token was echoed; and an answer gets the context of the turn that asked, if that began
    before it. Cannot apply without contexts."""
    for answer in evidence.answers:
        context = answer.found.listening.context
        if context is not None:
            delivery = answer.message.delivery
            place = place_of(delivery.event)
            own, began_ms = (delivery.customer, place.dialogue, place.turn), evidence.watch.began_ms
            if (
                not dialogue_is(context.vectors, own, began_ms)
                or int(context.vectors[-1][3]) != answer.asked
            ):
                yield answer.message.turn, "got a context that is not the asking turn's"


def customers_apart(evidence: Evidence) -> Found:
    """11. What is done for one customer's event asks for that customer's rows alone, and a row lies
    where it was sealed for. Cannot apply without rows."""
    for customer, part in evidence.tables.partitions.items():
        turns = {turn.customer for turn in part.newest} | {turn.customer for turn, _ in part.rows}
        if turns - {customer}:
            yield TurnKey(customer, ""), f"holds rows of {sorted(turns - {customer})}"
        for (turn, ref), row in part.rows.items():
            if row.bound[:2] != (turn, ref):
                yield turn, f"its {ref.kind} was sealed for {row.bound[0]}"


def sealed_at_rest(evidence: Evidence) -> Found:
    """12. No text stands in the status table, nor in the places and keys of payloads."""
    for part in evidence.tables.partitions.values():
        for turn, status in part.newest.items():
            words = [turn.interaction, status.owner or ""]
            words += [ref.number for ref in status.refs]
            for event, mark in status.marks.items():
                words += [event, mark.name, mark.token]
            if MARK in " ".join(words):
                yield turn, "its item holds a text"
        for token in part.links:
            if MARK in token:
                yield None, "a link's token holds a text"


def silent(evidence: Evidence) -> Found:
    """13. No text stands in telemetry, in exceptions or in a trace."""
    for step in evidence.watch.trace:
        if MARK in step.detail or MARK in step.what:
            yield None, f"a text stands in the trace ({step.event})"
            return


def unread_after_expiry(evidence: Evidence) -> Found:
    """14. Nothing is handed out or used at or after its expiry by true time, whatever a node's
    clock says. What is read is seen during the run; at the end the slowest clock tries. Cannot
    apply without rows."""
    for answer in evidence.answers:
        listening, at_ms = answer.found.listening, START_MS + answer.at_s * 1_000.0
        if listening.context is not None and at_ms >= listening.expires_at_s * 1_000:
            yield answer.message.turn, "was rescored with a context that had expired"


def bounded(evidence: Evidence) -> Found:
    """15. Every handler makes at most REQUESTS_MAX requests, ATTEMPTS_MAX times each, and takes no
    longer than the longest reply and the time-outs of its own requests. (A forget makes one for
    each row.)"""
    for one in evidence.handled:
        if one.requests > REQUESTS_MAX and one.event != FORGET:
            yield None, f"{one.event} made {one.requests} requests"
        if one.attempts > one.requests * ATTEMPTS_MAX:
            yield None, f"{one.event} made {one.attempts} attempts at {one.requests} requests"
        longest_s = REPLY_MS_MAX / 1_000.0 + one.requests * (CALL_S_MAX + READ_TIMEOUT_S + 1.0)
        if one.took_s > longest_s:
            yield None, f"{one.event} took {one.took_s:.0f} s"


INVARIANTS: Final[dict[int, Callable[[Evidence], Found]]] = dict(
    enumerate(
        (
            settled, one_context, own_claim, plain_text, in_budget, consistent_state, same_rows,
            crash_converges, acknowledged_is_read, own_dialogue, customers_apart, sealed_at_rest,
            silent, unread_after_expiry, bounded,
        ),
        start=1,
    )
)  # fmt: skip
"""By their numbers in the design."""


def cannot_apply(evidence: Evidence) -> dict[int, str]:
    """The invariants that this run says nothing about, each with the reason."""
    parts = list(evidence.tables.partitions.values())
    facts = evidence.watch.facts.values()
    items, rows = any(part.newest for part in parts), any(part.rows for part in parts)
    contexts = any(one.contexts for one in facts)
    reasons = {
        "no event was recorded": (items, (1, 6, 7, 9, 12, 15)),
        "no context was stored": (contexts, (2, 10)),
        "no claim's answer was lost": (any(one.lost_claims for one in facts), (3,)),
        "nobody answered": (evidence.answers, (4, 5)),
        "no node died": (evidence.crashes, (8,)),
        "no payload was left": (rows, (11, 14)),
        "nothing was told": (evidence.handled, (13,)),
    }
    return {
        number: reason
        for reason, (holds, numbers) in reasons.items()
        for number in numbers
        if not holds
    }


def judge(evidence: Evidence) -> list[Violation]:
    """All violations of a run, those seen during it first."""
    watch = evidence.watch
    for number, judged in INVARIANTS.items():
        for turn, what in judged(evidence):
            watch.violate(number, turn, what)
    for turn in evidence.crashes:
        name = f"{turn.customer}/{turn.interaction}"
        for number in (1, 2):
            for _ in range(watch.broken[number, name]):
                watch.violate(8, turn, f"invariant {number} broke after a crash")
    _cover(evidence)
    return watch.found


def _by_turn(evidence: Evidence) -> dict[TurnKey, list[Message]]:
    found: dict[TurnKey, dict[str, Message]] = {}
    for message in evidence.messages:
        if message.template.message is not None and message.acked:
            found.setdefault(message.turn, {})[message.delivery.event] = message
    return {turn: list(messages.values()) for turn, messages in found.items()}


def _mark(message: Message) -> Mark:
    one = message.template
    at_ms = START_MS + int(message.delivery.at_ms)
    return Mark(one.name, at_ms, one.number, one.token)


def _cover(evidence: Evidence) -> None:
    hit = evidence.watch.coverage.hit
    for answer in evidence.answers:
        found = answer.found
        hit(f"answer: {found.context}")
        if found.result.changes:
            hit("answer: changed by context")
        if found.reason == "read budget exceeded":
            hit("answer: read budget exceeded")
