"""A log of AVS messages, one JSON object a line -> the turns of one customer.

Each line is an outer record `{customer, device, received_at, message}`, or a bare envelope where
the customer is given from outside; bare envelopes have no time, only their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from pydantic import ValidationError

from ctxasr.errors import InputError, ScenarioError
from ctxasr.events import (
    MESSAGE_BYTES_MAX,
    Envelope,
    ExpectSpeech,
    Message,
    Recognize,
    Record,
    Speak,
    describe,
    read_envelope,
    token_of,
)
from ctxasr.scenario.values import TURNS_MAX

LOG_LINES_MAX: Final = 10_000
"""Messages of one log: a scenario has at most 50 turns, a turn some twenty messages."""

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
    """All messages of one dialogRequestId, by their time."""

    interaction: str
    messages: list[Logged] = field(default_factory=list)

    def first(self, full_name: str) -> Logged | None:
        named = (one for one in self.messages if one.message.header.full_name == full_name)
        return next(named, None)


@dataclass(frozen=True, slots=True)
class Log:
    """The turns in their order. Without times, only the order of the messages is real."""

    turns: list[LoggedTurn]
    has_times: bool
    notes: list[str]


def read_log(lines: Iterable[str], file: str = "", customer: str | None = None) -> Log:
    """Sort the messages of one customer into turns.

    Client events without dialogRequestId belong to the turn whose Speak has their token.

    Raises:
        ScenarioError: a line is no record or envelope, belongs to no turn, or there are too many.
    """
    logged: list[Logged] = []
    bare = 0
    for number, text in enumerate(lines, 1):
        if number > LOG_LINES_MAX:
            message = f"more than LOG_LINES_MAX ({LOG_LINES_MAX}) lines; cut the log"
            raise ScenarioError(message, file=file, line=number)
        if text.strip():
            record, is_bare = _read_line(text, number, file, customer)
            bare += is_bare
            logged.append(Logged(number, record))
    if bare not in (0, len(logged)):
        message = "some lines are outer records and some are not; the times do not compare"
        raise ScenarioError(message, file=file)
    mine = _of_one_customer(logged, file, customer)
    mine.sort(key=lambda one: one.at_ms)
    turns = _turns(mine, file)
    return Log(turns, not bare, _notes(turns))


def _read_line(text: str, number: int, file: str, customer: str | None) -> tuple[Record, bool]:
    """A record, and whether it was a bare envelope; the time of those is their line number."""

    def fail(message: str) -> ScenarioError:
        return ScenarioError(message, file=file, line=number)

    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MESSAGE_BYTES_MAX + _RECORD_BYTES:
        raise fail(f"has {size} bytes, at most MESSAGE_BYTES_MAX ({MESSAGE_BYTES_MAX})")
    try:
        value: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise fail("is not JSON; a log has one JSON object a line") from None
    if not isinstance(value, dict):
        raise fail("must be a JSON object: an outer record or an envelope")
    if "event" not in value and "directive" not in value:
        try:
            return Record.model_validate(value), False
        except ValidationError as error:
            raise fail(describe(error)) from None
    if customer is None:
        raise fail("is a bare envelope, which names no customer; give --customer")
    try:
        envelope: Envelope = read_envelope(text)
        return Record(customer=customer, received_at=number, message=envelope), True
    except (InputError, ValidationError) as error:
        raise fail(describe(error) if isinstance(error, ValidationError) else str(error)) from None


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


def _turns(logged: list[Logged], file: str) -> list[LoggedTurn]:
    by_token: dict[str, str] = {}
    for one in logged:
        interaction = one.message.header.dialog_request_id or one.record.interaction
        if isinstance(one.message.payload, Speak) and interaction:
            by_token[one.message.payload.token] = interaction
    turns: dict[str, LoggedTurn] = {}
    for one in logged:
        header, token = one.message.header, getattr(one.message.payload, "token", None)
        interaction = header.dialog_request_id or one.record.interaction
        if interaction is None and isinstance(token, str):
            interaction = by_token.get(token)
        if interaction is None:
            message = (
                f"{header.full_name} belongs to no turn: it has no dialogRequestId, and no Speak "
                "of the log has its token"
            )
            raise ScenarioError(message, file=file, line=one.line)
        turn = turns.setdefault(interaction, LoggedTurn(interaction))
        turn.messages.append(one)
        if len(turns) > TURNS_MAX:
            message = f"more than TURNS_MAX ({TURNS_MAX}) turns; cut the log"
            raise ScenarioError(message, file=file, line=one.line)
    return sorted(turns.values(), key=_began)


def _began(turn: LoggedTurn) -> int:
    """When the customer spoke, or, where that is not in the log, the turn's first message."""
    recognize = turn.first(Recognize.full_name)
    return (recognize or turn.messages[0]).at_ms


def _notes(turns: list[LoggedTurn]) -> list[str]:
    """What a scenario cannot say of these turns."""
    notes = []
    for number, (turn, following) in enumerate(pairwise(turns), 1):
        if turn.messages[-1].at_ms > _began(following):
            notes.append(f"messages of turn {number} came after turn {number + 1} had begun")
        asked, answered = turn.first(ExpectSpeech.full_name), following.first(Recognize.full_name)
        if asked and answered:
            ask, answer = asked.message.payload, answered.message.payload
            assert isinstance(ask, ExpectSpeech), "named so"
            assert isinstance(answer, Recognize), "named so"
            if token_of(ask.initiator) != token_of(answer.initiator):
                notes.append(f"turn {number + 1} did not answer turn {number}: other initiator")
    return notes
