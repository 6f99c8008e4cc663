"""on_event and on_utterance: the stages put together, and nothing else.

on_event       record -> decide -> claim, compute, settle | discard
listen         while the customer speaks: find the turn that asked, and its context
on_utterance   hypotheses + context -> text, within the read budget; else the plain text
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from ctxasr.bias import Bias, bias_of
from ctxasr.context import ContextEmbedding, compute, context_ref, fetch, window_of
from ctxasr.events import (
    ConsistentStatus,
    Event,
    Outcome,
    Record,
    TurnKey,
    to_event,
)
from ctxasr.hypotheses import Recognition, Result
from ctxasr.ports import Clock, ContextEncoder, EventStore, PayloadVault, PhraseAligner, Telemetry
from ctxasr.record import record as record_event
from ctxasr.rescore import rescore
from ctxasr.trigger import GRACE_MS, Decision, decide, discard, expects_speech
from ctxasr.windows import Windows

READ_BUDGET_MS: Final = 50.0
"""Fetching, retrieval and rescoring share this, counted from the recogniser's result."""

PAYLOAD_TTL_S: Final = 3_600
"""How long texts and contexts live."""


class ContextState(StrEnum):
    """What an utterance could use of the turn before it."""

    HIT = "hit"
    MISSED = "missed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Ports:
    """What the pipeline stands on, chosen by `app`."""

    store: EventStore
    vault: PayloadVault
    encoder: ContextEncoder
    aligner: PhraseAligner
    clock: Clock
    telemetry: Telemetry
    process: str = ""
    """Tells this process from others over the same tables."""
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
    # Once more: a window that was opened between the two may stand on an item without this event.
    ports.windows.note(event)
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
        if ports.clock.now_ms() < _last_ms(status, ports) + ports.grace_ms:
            continue
        outcome = Outcome.MISSED if expects_speech(status) else Outcome.DISCARDED
        closed = await discard(
            status, ports.store, ports.vault, outcome=outcome, owner=status.owner
        )
        settled += closed.outcome is outcome
    return settled


def _last_ms(status: ConsistentStatus, ports: Ports) -> float:
    """When a turn was last heard of; one whose reply still plays may yet be embedded."""
    if not status.marks:  # its key was opened and its first event is on the way
        return (status.expires_at_s - ports.payload_ttl_s) * 1_000.0
    last_ms = float(max(mark.at_ms for mark in status.marks.values()))
    return max(last_ms, window_of(status).at_ms) if expects_speech(status) else last_ms


async def _settle(
    status: ConsistentStatus, event_id: str, device: str, ports: Ports
) -> ConsistentStatus:
    """Claim the turn and, if it is ours, see to it that it is settled."""
    status = await ports.store.claim(status.turn, event_id)
    if status.owner != event_id:
        return status
    async with ports.windows.alone(status.turn) as waited:
        if waited:  # for an earlier delivery of this event, which may have failed
            status = await ports.store.read(status.turn) or status
        if status.outcome is not None:
            return status
        return await _embed(status, event_id, device, ports)


async def _embed(
    status: ConsistentStatus, owner: str, device: str, ports: Ports
) -> ConsistentStatus:
    """Embed the turn inside its window, or settle it as missed.

    Cancelled (Ctrl-C, a Lambda that ends) it settles nothing: the event is not acknowledged, and
    its redelivery owns the claim and goes on.
    """
    turn, deadline, began_ms = status.turn, window_of(status), ports.clock.now_ms()
    ref = context_ref(turn, ports.process, began_ms)
    ports.telemetry.point("window", turn, at_ms=deadline.opened_ms, duration_ms=deadline.window_ms)
    try:
        async with ports.windows.open(turn, device, deadline, ports.clock):
            with ports.telemetry.span("embed", turn):
                embedding = await compute(status, ports.store, ports.vault, ports.encoder)
            embedding = replace(embedding, computed_ms=ports.clock.now_ms() - began_ms)
            assert status.wrapped_key is not None, "compute has read with it"
            blob = embedding.to_bytes()
            await ports.vault.put_blob(status.wrapped_key, turn, ref, blob, status.expires_at_s)
            settled = await ports.store.settle(turn, Outcome.EMBEDDED, owner=owner, ref=ref)
    except Exception as error:  # late, or the model failed in whatever way: the plain result stands
        ports.telemetry.point("missed", turn, cause=type(error).__name__)
        # Where the answer to a settle was lost, this finds the turn embedded and changes nothing.
        settled = await discard(
            status, ports.store, ports.vault, outcome=Outcome.MISSED, owner=owner
        )
    if ref not in settled.refs:  # missed, or another attempt was faster
        await ports.vault.delete(turn, [ref])
    return settled


@dataclass(frozen=True, slots=True)
class Listening:
    """What is known of the context while the customer still speaks.

    `undecided` says that the asking turn was not settled yet: it may be worth another look.
    """

    state: ContextState
    asked: TurnKey | None = None
    context: ContextEmbedding | None = None
    window_ms: float | None = None
    reason: str = ""
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class UtteranceResult:
    """The text, and what the context did to it. `added_ms` is what it cost after the plain text."""

    result: Result
    listening: Listening
    added_ms: float
    reason: str

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"UtteranceResult({self.context}, {len(self.result.changes)} changes)"

    @property
    def context(self) -> ContextState:
        """What this utterance could use."""
        return self.listening.state

    @property
    def window_ms(self) -> float | None:
        """The compute window of the turn that asked."""
        return self.listening.window_ms

    @property
    def context_ms(self) -> float | None:
        """How long its embedding took."""
        context = self.listening.context
        return None if context is None else context.computed_ms


async def listen(event: Event, ports: Ports) -> Listening:
    """Find the context for the utterance that `event`, a Recognize, opens; never fails.

    Runs while the customer speaks, so it costs nothing after the recogniser's result.
    """
    if event.initiator is None:
        return Listening(ContextState.NONE, reason="nothing was asked")
    turn = event.key.turn
    unknown = Listening(ContextState.MISSED, reason="the asking turn is unknown or expired")
    try:
        asked = await ports.store.follow(turn.customer, event.initiator)
    except Exception as error:
        return replace(unknown, reason=f"the store failed: {type(error).__name__}")
    return unknown if asked is None or asked == turn else await _look(asked, ports)


async def _look(asked: TurnKey, ports: Ports) -> Listening:
    """The context that the turn `asked` has left, as far as it is settled; never fails."""
    found = Listening(ContextState.MISSED, asked, reason="the asking turn is unknown or expired")
    try:
        with ports.telemetry.span("fetch", asked):
            status = await ports.store.read(asked)
            if status is None:
                return found
            found = replace(
                found,
                window_ms=window_of(status).window_ms if expects_speech(status) else None,
                undecided=status.outcome is None,
                reason=f"the asking turn is {status.outcome or 'not settled yet'}",
            )
            if status.outcome is not Outcome.EMBEDDED:
                return found
            context = await fetch(status, ports.vault)
            await ports.aligner.prepare([phrase.text for phrase in context.phrases])
    except Exception as error:  # whatever is wrong with a context, the plain result stands
        return replace(found, reason=f"context unreadable: {type(error).__name__}")
    return replace(found, state=ContextState.HIT, context=context, reason="")


def bias_in(context: ContextEmbedding) -> Bias:
    """What a context embedding says the answer may be."""
    return bias_of(context.phrases, context.logits())


async def on_utterance(
    listening: Listening | asyncio.Task[Listening],
    recognition: Recognition,
    ports: Ports,
    turn: TurnKey,
) -> UtteranceResult:
    """The text of an utterance. Without a context the plain text, to the letter and at once.

    `listening` is what `listen` found, or the task that runs it. Waiting for it, looking once more
    at an asking turn that was not settled, and rescoring share the read budget.
    """
    began_ms = ports.clock.now_ms()
    plain = Result(recognition.plain, recognition.plain)
    if isinstance(listening, Listening):
        known = listening
    elif listening.done():
        known = listening.result()
    else:
        known = Listening(ContextState.MISSED, reason="not found in time", undecided=True)
    if known.context is None and not known.undecided:
        return UtteranceResult(plain, known, 0.0, known.reason)
    result, reason = plain, "read budget exceeded"
    try:
        async with asyncio.timeout(ports.clock.timer_s(ports.read_budget_ms)):
            if not isinstance(listening, Listening):
                known = await listening
            if known.undecided and known.asked is not None:
                known = await _look(known.asked, ports)
            reason = known.reason
            if known.context is not None:
                reason = "read budget exceeded"
                with ports.telemetry.span("rescore", turn, phrases=len(known.context.phrases)):
                    result = await rescore(recognition, bias_in(known.context), ports.aligner)
                reason = _why(result)
    except TimeoutError:
        known = replace(known, state=ContextState.MISSED)
    except Exception as error:  # a broken context must never cost the customer the plain result
        known, reason = replace(known, state=ContextState.MISSED), f"failed: {type(error).__name__}"
    return UtteranceResult(result, known, ports.clock.now_ms() - began_ms, reason)


def _why(result: Result) -> str:
    named = [f"named by {change.signal}" for change in result.changes]
    return "; ".join(named) or "nothing that was named sounds like it"
