"""on_event and on_utterance: the stages put together, and nothing else.

on_event       record -> decide -> claim, compute, settle | discard
listen         while the customer speaks: find the turn that asked, and its context
on_utterance   hypotheses + context -> text, within the read budget; else the plain text
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from ctxasr.bias import Bias, bias_of
from ctxasr.context import ContextEmbedding, compute, context_ref, fetch, window_of
from ctxasr.errors import CtxasrError, LimitExceeded
from ctxasr.events import (
    ConsistentStatus,
    Event,
    Outcome,
    Recognize,
    Record,
    SpeechFinished,
    SpeechInterrupted,
    TurnKey,
    to_event,
)
from ctxasr.hypotheses import Recognition, Result
from ctxasr.ports import Clock, ContextEncoder, EventStore, PayloadVault, PhraseAligner, Telemetry
from ctxasr.record import record as record_event
from ctxasr.rescore import rescore
from ctxasr.timing import Deadline
from ctxasr.trigger import GRACE_MS, Decision, claim, decide, discard, expects_speech

READ_BUDGET_MS: Final = 50.0
"""Fetching, retrieval and rescoring share this, counted from the recogniser's result."""

PAYLOAD_TTL_S: Final = 3_600
"""How long texts and contexts live."""

WINDOWS_MAX: Final = 10_000
"""Compute windows open at once in one process."""


class ContextState(StrEnum):
    """What an utterance could use of the turn before it."""

    HIT = "hit"
    MISSED = "missed"
    NONE = "none"


class Windows:
    """The compute windows that are open in this process, so that a barge-in can shorten them."""

    def __init__(self) -> None:
        self._open: dict[TurnKey, tuple[str, Deadline, asyncio.Timeout, Clock]] = {}
        self._settled: dict[TurnKey, asyncio.Event] = {}

    def closing(self, turn: TurnKey) -> asyncio.Event | None:
        """Set when the window of `turn`, if it is open in this process, has closed."""
        return self._settled.get(turn)

    @asynccontextmanager
    async def open(
        self, turn: TurnKey, device: str, deadline: Deadline, clock: Clock
    ) -> AsyncIterator[None]:
        """Run the body until the deadline; then TimeoutError."""
        if len(self._open) >= WINDOWS_MAX:
            raise LimitExceeded("WINDOWS_MAX", WINDOWS_MAX, len(self._open) + 1)
        async with asyncio.timeout(clock.timer_s(deadline.left_ms(clock.now_ms()))) as timeout:
            self._open[turn] = (device, deadline, timeout, clock)
            closed = self._settled[turn] = asyncio.Event()
            try:
                yield
            finally:
                del self._open[turn], self._settled[turn]
                closed.set()

    def note(self, event: Event) -> None:
        """The reply of a turn ended, or its customer speaks again: its window ends there."""
        turn, name = event.key.turn, event.mark.name
        if name in (SpeechFinished.full_name, SpeechInterrupted.full_name):
            self._shorten(turn, event.mark.at_ms)
        elif name == Recognize.full_name:
            for other, (device, *_) in list(self._open.items()):
                if other.customer == turn.customer and device == event.device and other != turn:
                    self._shorten(other, event.mark.at_ms)

    def _shorten(self, turn: TurnKey, at_ms: float) -> None:
        if turn not in self._open:
            return
        _, deadline, timeout, clock = self._open[turn]
        if deadline.shorten(at_ms) and not timeout.expired():
            left_s = clock.timer_s(deadline.left_ms(clock.now_ms()))
            timeout.reschedule(asyncio.get_running_loop().time() + left_s)


@dataclass(frozen=True, slots=True)
class Ports:
    """What the pipeline stands on, chosen by `app`."""

    store: EventStore
    vault: PayloadVault
    encoder: ContextEncoder
    aligner: PhraseAligner
    clock: Clock
    telemetry: Telemetry
    windows: Windows = field(default_factory=Windows)
    payload_ttl_s: int = PAYLOAD_TTL_S
    read_budget_ms: float = READ_BUDGET_MS
    grace_ms: float = GRACE_MS


async def on_event(record: Record, ports: Ports) -> ConsistentStatus:
    """Record one event and do what its own write shows to be due. Returning acknowledges it.

    Raises:
        EnvelopeError, LimitExceeded: the message is wrong; delivering it again will not help.
        StoreUnavailable: perhaps written; deliver it again.
    """
    event = to_event(record, ports.payload_ttl_s)
    ports.windows.note(event)
    expires_at_s = record.received_at // 1000 + ports.payload_ttl_s
    status = await record_event(event, ports.store, ports.vault, expires_at_s)
    ports.telemetry.point("recorded", event.key.turn, event=event.key.event)
    match decide(status, event.key.event):
        case Decision.COMPUTE:
            return await _settle(status, event.key.event, event.device, ports)
        case Decision.DISCARD:
            return await discard(status, ports.store, ports.vault)
        case _:
            return status


async def sweep(customer: str, ports: Ports) -> int:
    """Close the customer's turns whose grace period is over; returns how many were settled."""
    settled = 0
    for status in await ports.store.turns(customer):
        last_ms = max((mark.at_ms for mark in status.marks.values()), default=0)
        if ports.clock.now_ms() < last_ms + ports.grace_ms:
            continue
        outcome = Outcome.MISSED if expects_speech(status) else Outcome.DISCARDED
        await discard(status, ports.store, ports.vault, outcome=outcome, owner=status.owner)
        settled += 1
    return settled


async def _settle(
    status: ConsistentStatus, event_id: str, device: str, ports: Ports
) -> ConsistentStatus:
    """Claim the turn and, if it is ours, embed it inside its window, or let it be missed."""
    status = await claim(status, event_id, ports.store)
    if status.owner != event_id or status.outcome is not None:
        return status
    closing = ports.windows.closing(status.turn)
    if closing is not None:  # a redelivery, while this process is still at it: acknowledge together
        await closing.wait()
        return await ports.store.read(status.turn) or status
    turn, deadline, ref = status.turn, window_of(status), context_ref(status.turn)
    began_ms = ports.clock.now_ms()
    ports.telemetry.point("window", turn, at_ms=deadline.opened_ms, duration_ms=deadline.window_ms)
    try:
        async with ports.windows.open(turn, device, deadline, ports.clock):
            with ports.telemetry.span("embed", turn):
                embedding = await compute(status, ports.store, ports.vault, ports.encoder)
            embedding = replace(embedding, computed_ms=ports.clock.now_ms() - began_ms)
            assert status.wrapped_key is not None, "compute has read with it"
            blob = embedding.to_bytes()
            await ports.vault.put_blob(status.wrapped_key, turn, ref, blob, status.expires_at_s)
            return await ports.store.settle(turn, Outcome.EMBEDDED, owner=event_id, ref=ref)
    except Exception as error:  # late, or the model failed in whatever way: the plain result stands
        ports.telemetry.point("missed", turn, cause=type(error).__name__)
        return await discard(
            status, ports.store, ports.vault, outcome=Outcome.MISSED, owner=event_id, orphan=ref
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """What is known of the context while the customer still speaks."""

    state: ContextState
    asked: TurnKey | None = None
    context: ContextEmbedding | None = None
    window_ms: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UtteranceResult:
    """The text, and what the context did to it. `added_ms` is what it cost after the plain text."""

    result: Result
    context: ContextState
    window_ms: float | None
    context_ms: float | None
    added_ms: float
    reason: str


async def listen(event: Event, ports: Ports) -> Listening:
    """Find the context for the utterance that `event`, a Recognize, opens.

    Runs while the customer speaks, so it costs nothing after the recogniser's result.
    """
    if event.initiator is None:
        return Listening(ContextState.NONE, reason="nothing was asked")
    turn = event.key.turn
    missed = Listening(ContextState.MISSED, reason="the asking turn is unknown or expired")
    try:
        with ports.telemetry.span("fetch", turn):
            asked = await ports.store.follow(turn.customer, event.initiator)
            status = await ports.store.read(asked) if asked is not None else None
            if asked is None or status is None:
                return missed
            window_ms = window_of(status).window_ms if expects_speech(status) else None
            missed = replace(missed, asked=asked, window_ms=window_ms, reason=_why(status))
            if status.outcome is not Outcome.EMBEDDED:
                return missed
            context = await fetch(asked, status, ports.vault)
            ports.aligner.prepare([phrase.text for phrase in context.phrases])
            return Listening(ContextState.HIT, asked, context, window_ms, "")
    except CtxasrError as error:
        return replace(missed, reason=f"context unreadable: {type(error).__name__}")


def _why(status: ConsistentStatus) -> str:
    outcome = "not settled when the customer spoke" if status.outcome is None else status.outcome
    return f"the asking turn is {outcome}"


def bias_in(context: ContextEmbedding) -> Bias:
    """What a context embedding says the answer may be."""
    return bias_of(context.phrases, context.logits())


async def on_utterance(
    listening: Listening, recognition: Recognition, ports: Ports, turn: TurnKey
) -> UtteranceResult:
    """The text of an utterance. Without a context the plain text, to the letter and at once."""
    plain = Result(recognition.plain, recognition.plain)
    context = listening.context
    if context is None:
        return UtteranceResult(
            plain, listening.state, listening.window_ms, None, 0.0, listening.reason
        )
    began_ms = ports.clock.now_ms()
    reason = "nothing that was named sounds like it"
    try:
        with ports.telemetry.span("rescore", turn, phrases=len(context.phrases)):
            result = rescore(recognition, bias_in(context), ports.aligner)
    except Exception as error:  # a broken context must never cost the customer the plain result
        result, reason = plain, f"rescoring failed: {type(error).__name__}"
    added_ms = ports.clock.now_ms() - began_ms
    if added_ms > ports.read_budget_ms:
        result, reason = plain, "read budget exceeded"
    if result.changes:
        reason = "; ".join(f"named by {change.signal}" for change in result.changes)
    return UtteranceResult(
        result, listening.state, listening.window_ms, context.computed_ms, added_ms, reason
    )
