"""A log of messages -> the turns of one customer.

Each document is an outer record `{customer, device, received_at, message}`, or a bare envelope
where the customer is given from outside; bare envelopes have no time, only their order. Or it is an
event of Home Assistant's Assist pipeline, which becomes the records that it means.

Messages that belong to no turn are left out and counted, as the HTTP door does it; none of them
refuses a log.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from pydantic import ValidationError

from ctxasr.documents import describe
from ctxasr.errors import EnvelopeError, InputError, ScenarioError
from ctxasr.events import (
    MESSAGE_BYTES_MAX,
    Envelope,
    ExpectSpeech,
    Mark,
    Message,
    Recognize,
    Record,
    Speak,
    belongs_to_no_turn,
    marked_token,
    names_turn,
    read_envelope,
)
from ctxasr.followups import answers_among
from ctxasr.scenario.assist_log import is_assist, is_used, read_assist
from ctxasr.scenario.log_text import documents_in
from ctxasr.scenario.values import TURNS_MAX
from ctxasr.status import spoken_ms, turn_ms

LINES_NAMED_MAX: Final = 5
"""Lines that a note names of those that it counts."""

_RECORD_BYTES: Final = 4_096
"""What an outer record may add to its message."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One message of the log and the line on which it stands."""

    line: int
    record: Record

    @property
    def message(self) -> Message:
        return self.record.message.message

    @property
    def at_ms(self) -> int:
        return self.record.received_at


@dataclass(slots=True)
class LoggedTurn:
    """All messages of one dialogRequestId, by their time.

    One that `follows` came under the id of a turn before it.
    """

    interaction: str
    messages: list[Logged] = field(default_factory=list)
    follows: bool = False

    def first(self, full_name: str) -> Logged | None:
        named = (one for one in self.messages if one.message.header.full_name == full_name)
        return next(named, None)


@dataclass(frozen=True, slots=True)
class Log:
    """The turns in their order. Without times, only the order of the messages is real."""

    turns: list[LoggedTurn]
    has_times: bool
    notes: list[str]


def read_log(text: str, file: str = "", customer: str | None = None) -> Log:
    """Sort the messages of one customer into turns.

    Client events without dialogRequestId belong to the turn whose Speak has their token.

    Raises:
        ScenarioError: a message of a turn is wrong, or there are too many, or none of a turn.
    """
    documents = documents_in(text, file)
    logged: list[Logged] = []
    bare = 0
    assist = [(line, one) for line, one in documents.found if is_assist(one)]
    others = [(line, one) for line, one in documents.found if not is_assist(one)]
    passed_over, left_out = documents.passed_over, list[int]()
    if assist and others:
        if any(is_used(one) for _, one in assist):
            message = "holds both events of Assist and envelopes; give each a log of its own"
            raise ScenarioError(message, file=file)
        passed_over, assist = sorted(passed_over + [line for line, _ in assist]), []
    notes = _counted(passed_over, "line holds no message", "lines hold no message")
    if assist:
        told = read_assist(assist, file, customer)
        logged = [Logged(line, record) for line, record in told.records]
        bare = 0 if told.has_times else len(logged)
        notes += _counted(told.unknown, "event is of no known type", "events are of no known type")
    else:
        logged, left_out, is_bare = _records(others, file, customer)
        bare = len(logged) if is_bare else 0
    mine = _of_one_customer(logged, file, customer)
    mine.sort(key=lambda one: one.at_ms)
    turns, more = _turns(mine, file)
    notes += _counted(
        sorted(left_out + more), "message belongs to no turn", "messages belong to no turn"
    )
    return Log(turns, not bare, notes + _notes(turns))


def _records(
    documents: Sequence[tuple[int, dict[str, Any]]], file: str, customer: str | None
) -> tuple[list[Logged], list[int], bool]:
    """The records, the lines of what names no turn and fits to none, and if all are bare."""
    read: list[tuple[Logged, bool, bool]] = []
    left_out = []
    for number, (line, document) in enumerate(documents, 1):
        names_turn = _names_turn(document)
        try:
            record, is_bare = _read(document, line, number, file, customer)
        except ScenarioError:
            if names_turn:
                raise
            left_out.append(line)
        else:
            read.append((Logged(line, record), is_bare, names_turn))
    forms = {(one.record.customer, is_bare) for one, is_bare, names_turn in read if names_turn}
    if len({is_bare for _, is_bare in forms}) > 1:
        message = "some lines are outer records and some are not; the times do not compare"
        raise ScenarioError(message, file=file)
    fitting = [one for one, is_bare, _ in read if (one.record.customer, is_bare) in forms]
    others = [one for one, is_bare, _ in read if (one.record.customer, is_bare) not in forms]
    left_out += [one.line for one in others if customer in (None, one.record.customer)]
    if left_out and not fitting:
        raise ScenarioError("the log holds no messages of a turn", file=file)
    return fitting, left_out, any(is_bare for _, is_bare in forms)


def _names_turn(document: dict[str, Any]) -> bool:
    """As `names_turn`; an outer record may name the turn as well."""
    envelope = document.get("message") if "message" in document else document
    return names_turn(envelope, document.get("interaction"))


def _read(
    document: dict[str, Any], line: int, number: int, file: str, customer: str | None
) -> tuple[Record, bool]:
    """A record, and whether it was a bare envelope; the time of those is their number."""

    def fail(message: str) -> ScenarioError:
        return ScenarioError(message, file=file, line=line)

    text = json.dumps(document, ensure_ascii=False)
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MESSAGE_BYTES_MAX + _RECORD_BYTES:
        raise fail(f"has {size} bytes, at most MESSAGE_BYTES_MAX ({MESSAGE_BYTES_MAX})")
    if "event" not in document and "directive" not in document:
        try:
            return Record.model_validate(document), False
        except ValidationError as error:
            raise fail(describe(error)) from None
    if customer is None:
        raise fail("is a bare envelope, which names no customer; give --customer")
    try:
        envelope: Envelope = read_envelope(text)
        return Record(customer=customer, received_at=number, message=envelope), True
    except (InputError, ValidationError) as error:
        raise fail(describe(error) if isinstance(error, ValidationError) else str(error)) from None


def _counted(lines: Sequence[int], one: str, many: str) -> list[str]:
    """A note with the number of something and the first lines on which it stands; or none."""
    if not lines:
        return []
    named = ", ".join(str(line) for line in lines[:LINES_NAMED_MAX])
    more = f" and {len(lines) - LINES_NAMED_MAX} more" if len(lines) > LINES_NAMED_MAX else ""
    where = "line" if len(lines) == 1 else "lines"
    return [f"{len(lines)} {one if len(lines) == 1 else many} ({where} {named}{more})"]


def _of_one_customer(logged: list[Logged], file: str, customer: str | None) -> list[Logged]:
    customers = {one.record.customer for one in logged}
    if customer is None and len(customers) > 1:
        message = f"has messages of {len(customers)} customers; choose one with --customer"
        raise ScenarioError(message, file=file)
    mine = [one for one in logged if customer in (None, one.record.customer)]
    if not mine:
        which = "holds no messages" if not logged else "holds no messages of this customer"
        raise ScenarioError(f"the log {which}", file=file)
    return mine


def _turns(logged: list[Logged], file: str) -> tuple[list[LoggedTurn], list[int]]:
    """The turns, and the lines of what belongs to none."""
    by_token: dict[str, str] = {}
    for one in logged:
        interaction = one.message.header.dialog_request_id or one.record.interaction
        if isinstance(one.message.payload, Speak) and one.message.payload.token and interaction:
            by_token[one.message.payload.token] = interaction
    turns: dict[str, LoggedTurn] = {}
    left_out = []
    for one in logged:
        header, token = one.message.header, getattr(one.message.payload, "token", None)
        interaction = header.dialog_request_id or one.record.interaction
        if not interaction and isinstance(token, str):
            interaction = by_token.get(token)
        try:
            if belongs_to_no_turn(one.message, interaction):
                left_out.append(one.line)
                continue
        except EnvelopeError as error:
            raise ScenarioError(str(error), file=file, line=one.line) from None
        assert interaction, "it belongs to a turn"
        turns.setdefault(interaction, LoggedTurn(interaction)).messages.append(one)
        if len(turns) > TURNS_MAX:
            message = f"more than TURNS_MAX ({TURNS_MAX}) turns; cut the log"
            raise ScenarioError(message, file=file, line=one.line)
    if not turns:
        raise ScenarioError("the log holds no messages of a turn", file=file)
    apart = [one for turn in turns.values() for one in _apart(turn)]
    if len(apart) > TURNS_MAX:
        raise ScenarioError(f"more than TURNS_MAX ({TURNS_MAX}) turns; cut the log", file=file)
    return sorted(apart, key=_began), sorted(left_out)


def _apart(turn: LoggedTurn) -> list[LoggedTurn]:
    """The turn, and those that answer it under its own id, as `followups` tells them apart."""
    marks, tokens = dict[str, Mark](), set[str]()
    for one in turn.messages:
        header, body = one.message.header, one.message.payload
        mark = Mark(header.full_name, one.at_ms, token=marked_token(body))
        marks.setdefault(header.message_id, mark)
        if isinstance(body, ExpectSpeech) and body.link:
            tokens.add(body.link)
    known = {one for one, mark in marks.items() if mark.token in tokens}
    begun = answers_among(marks, known)
    if not begun:
        return [turn]
    parts = [LoggedTurn(turn.interaction, follows=number > 0) for number in range(len(begun) + 1)]
    places = {one: number for number, (one, _) in enumerate(begun, 1)}
    begun_ms, spoken = [mark.at_ms for _, mark in begun], spoken_ms(marks.values())
    for one in turn.messages:
        event = one.message.header.message_id
        before = bisect_left(begun_ms, turn_ms(marks[event], spoken))
        parts[places.get(event, before)].messages.append(one)
    return [part for part in parts if part.messages]


def _began(turn: LoggedTurn) -> int:
    """When the customer spoke, or, where that is not in the log, the turn's first message."""
    recognize = turn.first(Recognize.full_name)
    return (recognize or turn.messages[0]).at_ms


def _notes(turns: list[LoggedTurn]) -> list[str]:
    """What a scenario cannot say of these turns."""
    notes = []
    for number, (turn, following) in enumerate(pairwise(turns), 1):
        if following.follows:
            told = f"turn {number + 1} has the dialogRequestId of a turn before it"
            notes.append(f"{told}; a replay gives it one of its own")
        if turn.messages[-1].at_ms > _began(following):
            notes.append(f"messages of turn {number} came after turn {number + 1} had begun")
        asked, answered = turn.first(ExpectSpeech.full_name), following.first(Recognize.full_name)
        if asked and answered:
            ask, answer = asked.message.payload, answered.message.payload
            assert isinstance(ask, ExpectSpeech), "named so"
            assert isinstance(answer, Recognize), "named so"
            if following.follows and answer.link is None and not answer.begins_anew:
                pass  # its id says what it answers
            elif ask.link != answer.link:
                notes.append(f"turn {number + 1} did not answer turn {number}: other initiator")
            elif ask.link is None and answer.begins_anew:
                # Where the question has no initiator, its answer has none either.
                why = "it was begun anew, as by a wake word"
                notes.append(f"turn {number + 1} did not answer turn {number}: {why}")
    return notes
