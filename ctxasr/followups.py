"""Answers that come under the dialogRequestId of the turn that asked.

AVS wants a new dialogRequestId for every Recognize. Some clients send the answer to a question
under the id of the turn that asked, with its token or without. Such an answer is a turn of its own,
named after the asking turn and its Recognize, so that every redelivery and every process finds the
same name:

    d1           Recognize r1, Utterance, Reply, ExpectSpeech T | Recognize r2 (T), Reply, ...
                                                                | a mark FOLLOW_UP at r2's time
    answer-...                                                    Recognize r2 (T), Reply, ...

Every event is first recorded under the id that it has. The item that this write returns shows the
FOLLOW_UP marks; what came after one belongs to that turn and is recorded there as well, and its
text is moved. What a client reports of a speech belongs to the turn of its Speak, by its token. A
recorder that writes the FOLLOW_UP mark sees what was there before it. So it does not matter in
which order they come, and turns with ids of their own cost nothing. `TurnStatus.mark` and
`own_refs` do not see what belongs to a later turn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Set
from dataclasses import replace
from math import inf
from typing import Final

from ctxasr.errors import PayloadUnreadable
from ctxasr.events import (
    CAPTION_PREFIX,
    FOLLOW_UP,
    ConsistentStatus,
    Event,
    EventKey,
    ExpectSpeech,
    Mark,
    Outcome,
    Payload,
    PayloadRef,
    Recognize,
    RequestProcessingCompleted,
    TurnKey,
    short_hash,
)
from ctxasr.ports import Clock, EventStore, PayloadVault
from ctxasr.record import record
from ctxasr.status import ANEW, spoken_ms, turn_ms

_COMPLETED: Final = RequestProcessingCompleted.full_name
_OPENS: Final = (Recognize.full_name, ExpectSpeech.full_name)
"""Events whose recorder may find that a follow-up has begun: whichever comes last."""


def answer_turn(turn: TurnKey, recognize: str) -> TurnKey:
    """The turn that the Recognize with this messageId opens under the id of `turn`."""
    return TurnKey(turn.customer, f"answer-{short_hash(f'{turn.interaction} {recognize}')}")


def asked_by(status: ConsistentStatus, token: str) -> TurnKey:
    """Which of the turns under one id handed out `token`, whose link names that id.

    A token that an answer echoed is that of the turn before it; another one is of the last turn.
    """
    before = status.turn
    for interaction, mark in _follow_ups(status):
        if mark.token == token:
            return before
        before = TurnKey(status.turn.customer, interaction)
    return before


def answers_among(marks: Mapping[str, Mark], known: Set[str]) -> list[tuple[str, Mark]]:
    """The Recognizes under one id that begin turns of their own, oldest first.

    `marks` by event id; `known` are the Recognizes whose token was handed out under this id.
    """
    spoken = sorted(
        (mark.at_ms, one) for one, mark in marks.items() if mark.name == Recognize.full_name
    )
    asked_ms = sorted(m.at_ms for m in marks.values() if m.name == ExpectSpeech.full_name)
    ended_ms = [m.at_ms for m in marks.values() if m.name == _COMPLETED]
    over_ms = sorted(asked_ms + ended_ms)
    found, began_ms, tokens = [], -inf, set[str]()
    for at_ms, one in spoken:
        mark, begun = marks[one], one in known
        if not begun and tokens and (not mark.token or mark.token not in tokens):
            # Not the first of its turn. With a token of its own it answers some other turn;
            # without one, the turn under way, if that has asked.
            instants = over_ms if mark.token else asked_ms
            first = bisect_left(instants, began_ms)
            begun = first < len(instants) and instants[first] <= at_ms
        if begun:
            found.append((one, mark))
            began_ms = at_ms
        tokens.add(mark.token)
    return found


def own_refs(status: ConsistentStatus) -> frozenset[PayloadRef]:
    """The payloads of a turn without those of a later one under the same id."""
    followed = status.mark(FOLLOW_UP)
    if followed is None:
        return status.refs
    later = {short_hash(one) for one, mark in status.marks.items() if mark.at_ms > followed.at_ms}
    return frozenset(ref for ref in status.refs if _number(ref) not in later)


async def read_asking(turn: TurnKey, token: str, store: EventStore) -> ConsistentStatus | None:
    """The turn that handed out `token`, whose link names `turn`; without a token `turn` itself.

    None if it has expired.
    """
    status = await store.read(turn)
    asked = turn if status is None or not token else asked_by(status, token)
    return status if asked == turn else await store.read(asked)


def repeats_finished(event: Event, status: ConsistentStatus) -> bool:
    """Whether a Recognize came under the id of a turn that has ended without a question."""
    if event.mark.name != Recognize.full_name or event.key.turn != status.turn:
        return False
    own = status.marks.get(event.key.event, event.mark)
    earlier = any(
        mark.name == Recognize.full_name and mark.at_ms < own.at_ms
        for mark in status.marks.values()
    )
    over = status.outcome is Outcome.DISCARDED
    return earlier and (over or status.mark(_COMPLETED) is not None)


def came_again(event: Event, status: ConsistentStatus) -> bool:
    """Whether a Recognize comes again after its turn has asked or ended."""
    own = status.marks.get(event.key.event)
    if event.mark.name != Recognize.full_name or own is None:
        return False
    return any(
        own.at_ms < mark.at_ms <= event.mark.at_ms
        for mark in status.marks.values()
        if mark.name in (ExpectSpeech.full_name, _COMPLETED)
    )


async def placed(
    event: Event,
    status: ConsistentStatus,
    store: EventStore,
    vault: PayloadVault,
    clock: Clock,
    expires_at_s: int,
) -> tuple[Event, ConsistentStatus]:
    """The event in the turn that it belongs to, and that turn, recorded there if it is another.

    `status` is what recording the event under its own id has returned.

    Raises:
        StoreUnavailable: perhaps written; deliver the event again.
    """
    if event.mark.name in _OPENS:
        for recognize, mark in await _answers(event, status, store):
            status = await _begin(event, recognize, mark, status, store, vault, clock, expires_at_s)
    turn = _Turns(status).of(event.key.event, event.mark)
    if turn == status.turn:
        return event, status
    moved = await _record(event, turn, store, vault, clock, expires_at_s)
    if event.payload is not None:
        await vault.delete(event.key.turn, [event.payload.ref])
    return moved


# ---------------------------------------------------------------- who begins


async def _answers(
    event: Event, status: ConsistentStatus, store: EventStore
) -> list[tuple[str, Mark]]:
    """The Recognizes of the item that begin turns of their own, oldest first."""
    asked = any(mark.name == ExpectSpeech.full_name for mark in status.marks.values())
    known = set[str]()
    for one, mark in status.marks.items():
        if mark.name == Recognize.full_name:
            begun = answer_turn(status.turn, one).interaction in status.marks
            if begun or await _answers_here(event, one, mark, status, store, asked):
                known.add(one)
    return answers_among(status.marks, known)


async def _answers_here(
    event: Event,
    recognize: str,
    mark: Mark,
    status: ConsistentStatus,
    store: EventStore,
    asked: bool,
) -> bool:
    """Whether the token that a Recognize echoes was handed out under its own id."""
    if not mark.token or not asked:
        return False
    if event.mark.name == ExpectSpeech.full_name:
        return event.initiator == mark.token
    if event.key.event != recognize:
        return False
    return await store.follow(status.turn.customer, mark.token) == status.turn


async def _begin(
    event: Event,
    recognize: str,
    mark: Mark,
    status: ConsistentStatus,
    store: EventStore,
    vault: PayloadVault,
    clock: Clock,
    expires_at_s: int,
) -> ConsistentStatus:
    """Let the Recognize begin a turn of its own, with what came after it; returns the shared item.

    Without a token of its own it gets one that leads back to the turn that asked, unless it says
    that it answers nothing.
    """
    turn = answer_turn(status.turn, recognize)
    asked = event.mark.name == ExpectSpeech.full_name and event.mark.at_ms <= mark.at_ms
    if turn.interaction in status.marks and event.key.event != recognize and not asked:
        return status  # whoever has begun it has moved the rest as well, or its redelivery will
    token = mark.token or _own_token(turn, mark)
    if not mark.token and token:
        await store.link(status.turn, token, expires_at_s)
    pointer = Mark(FOLLOW_UP, mark.at_ms, None, token)
    begins = Event(EventKey(status.turn, turn.interaction), event.device, pointer, None, None)
    status = await store.record(begins, expires_at_s)
    opening = Event(EventKey(turn, recognize), event.device, mark._replace(token=token), None, None)
    await store.record(opening, expires_at_s)
    turns = _Turns(status)
    for other, later in sorted(status.marks.items()):
        if later.name in (FOLLOW_UP, Recognize.full_name) or other == event.key.event:
            continue
        if turns.of(other, later) == turn:
            payload = await _payload(status, other, vault)
            late = Event(EventKey(status.turn, other), event.device, later, payload, None)
            await _record(late, turn, store, vault, clock, expires_at_s)
            if payload is not None:
                await vault.delete(status.turn, [payload.ref])
    return status


# ---------------------------------------------------------------- what belongs where


def _follow_ups(status: ConsistentStatus) -> list[tuple[str, Mark]]:
    """The turns that began under the id of `status`, and their marks there, oldest first."""
    found = [(one, mark) for one, mark in status.marks.items() if mark.name == FOLLOW_UP]
    return sorted(found, key=lambda pair: (pair[1].at_ms, pair[0]))


class _Turns:
    """Which of the turns under one id an event belongs to."""

    def __init__(self, status: ConsistentStatus) -> None:
        self._status, begun = status, _follow_ups(status)
        self._names = [status.turn.interaction, *(one for one, _ in begun)]
        self._begun_ms = [pointer.at_ms for _, pointer in begun]
        self._spoken = spoken_ms(status.marks.values()) if begun else {}

    def of(self, event: str, mark: Mark) -> TurnKey:
        """The one that the event begins, or that under way."""
        turn, marks = self._status.turn, self._status.marks
        if not self._begun_ms:
            return turn
        own = answer_turn(turn, event)
        if own.interaction in marks:
            return own
        before = bisect_left(self._begun_ms, turn_ms(marks.get(event, mark), self._spoken))
        return TurnKey(turn.customer, self._names[before])


async def _record(
    event: Event,
    turn: TurnKey,
    store: EventStore,
    vault: PayloadVault,
    clock: Clock,
    expires_at_s: int,
) -> tuple[Event, ConsistentStatus]:
    payload = None if event.payload is None else replace(event.payload, turn=turn)
    mark, initiator = event.mark, event.initiator
    if initiator is None and turn == answer_turn(event.key.turn, event.key.event):
        token = _own_token(turn, mark)
        mark, initiator = mark._replace(token=token), token or None
    moved = event._replace(
        key=EventKey(turn, event.key.event), payload=payload, mark=mark, initiator=initiator
    )
    return moved, await record(moved, store, vault, expires_at_s, now_ms=clock.now_ms())


def _own_token(turn: TurnKey, mark: Mark) -> str:
    """What leads from a turn whose Recognize echoes nothing to the one that asked; "" by ANEW."""
    return "" if mark.number == ANEW else turn.interaction


def _number(ref: PayloadRef) -> str:
    """What stands for the event that has brought a payload."""
    return ref.number.removeprefix(CAPTION_PREFIX)


async def _payload(status: ConsistentStatus, event: str, vault: PayloadVault) -> Payload | None:
    """The text that an event has left in the shared turn, unless it is gone."""
    number = short_hash(event)
    refs = [ref for ref in status.refs if _number(ref) == number]
    if not refs or status.wrapped_key is None:
        return None
    try:
        return (await vault.get(status.wrapped_key, status.turn, refs))[0]
    except PayloadUnreadable:
        return None  # expired, shredded, or moved already
