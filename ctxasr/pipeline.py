"""What every event of an interaction goes through: the stages put together, and nothing else.

on_event       record -> decide -> claim, embed, settle | see settled | discard
sweep          settle what no event will settle any more

The answer's half is in `ctxasr.answer`. Recording alone loads neither numpy nor any model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from ctxasr.errors import ContextUnavailable, CtxasrError, StoreUnavailable
from ctxasr.events import (
    ConsistentStatus,
    Event,
    EventKey,
    Outcome,
    PayloadKind,
    PayloadRef,
    Record,
    TurnKey,
    short_hash,
    to_event,
)
from ctxasr.followups import placed
from ctxasr.ports import (
    AcousticScorer,
    Clock,
    ContextEncoder,
    Embedder,
    EventStore,
    PayloadVault,
    PhraseAligner,
    Telemetry,
)
from ctxasr.record import record as record_event
from ctxasr.timing import CLOCK_SKEW_MS_MAX
from ctxasr.trigger import (
    GRACE_MS,
    Decision,
    decide,
    discard,
    expects_speech,
    grounds_of,
    may_complete,
)
from ctxasr.windows import Windows, window_of

READ_BUDGET_MS: Final = 50.0
"""Fetching, retrieval and rescoring share this, counted from the recogniser's result."""

SOUND_READ_BUDGET_MS: Final = 150.0
"""The same where texts are scored against the audio as well."""

PAYLOAD_TTL_S: Final = 3_600
"""How long texts and contexts live."""

LOOK_FIRST_MS: Final = 20.0
"""Who waits for another's claim to be settled looks so soon, then each time twice as late."""

LOOKS_MAX: Final = 20
"""Looks of one event; those for the longest reply are sixteen."""

DECISIONS_MAX: Final = 4
"""Decisions of one event: the customer is forgotten between any two of them."""

SWEEP_LOOKS_MAX: Final = 10
"""Looks of one sweep at a customer's open turns: one more each time that some cannot be closed."""

PATIENCE: Final = 0.5
"""For this share of what is left of the compute window the owner of a claim is waited for."""


@dataclass(slots=True)  # not frozen, which takes thrice as long: a simulation makes millions
class Ports:
    """What the pipeline stands on, chosen by `app`; nobody changes it afterwards."""

    store: EventStore
    vault: PayloadVault
    clock: Clock
    telemetry: Telemetry
    encoder: ContextEncoder | None = None
    """Without one, and without an `embedder`, turns are settled as missed."""
    aligner: PhraseAligner | None = None
    """Without one the plain text stands."""
    scorer: AcousticScorer | None = None
    """Without one the hypotheses are all that is known of the sound."""
    embedder: Embedder | None = None
    """Embeds in place of `encoder`, in another process."""
    process: str = ""
    """Tells this process from others over the same tables."""
    windows: Windows = field(default_factory=Windows)
    payload_ttl_s: int = PAYLOAD_TTL_S
    read_budget_ms: float = READ_BUDGET_MS
    sound_read_budget_ms: float = SOUND_READ_BUDGET_MS
    """Of utterances of which the recogniser keeps the sound for `scorer`."""
    grace_ms: float = GRACE_MS
    patience: float = PATIENCE
    """The share of a window's rest after which another event does the work of a claim's owner."""


async def on_event(record: Record, ports: Ports) -> ConsistentStatus:
    """Record one event and do what its own write shows to be due. Returning acknowledges it.

    Raises:
        EnvelopeError, LimitExceeded: the message is wrong; delivering it again will not help.
        StoreUnavailable: perhaps written; deliver it again.
        PayloadUnreadable: KMS does not open the turn's key; as good as unavailable.
    """
    event = to_event(record, ports.payload_ttl_s)
    ports.windows.note(event)
    expires_at_s = record.received_at // 1000 + ports.payload_ttl_s
    status = await record_event(
        event, ports.store, ports.vault, expires_at_s, now_ms=ports.clock.now_ms()
    )
    event, status = await placed(event, status, ports.store, ports.vault, ports.clock, expires_at_s)
    # Once more: a window that was opened between the two may stand on an item without this event.
    ports.windows.note(event)
    ports.windows.see(status)
    ports.telemetry.point("recorded", event.key.turn, event=event.key.event)
    for _ in range(DECISIONS_MAX):
        match decide(status, event.key.event):
            case Decision.COMPUTE:
                status = await _settle(status, event, ports)
            case Decision.DISCARD:
                status = await discard(status, ports.store, ports.vault)
            case Decision.OTHERS if may_complete(event):
                return await _see_settled(status, event, ports)
            case _:
                return status
        is_open = status.outcome is None and status.owner is None
        if not is_open or event.key.event not in status.marks:
            return status
        # The customer was forgotten before that was done, and a duplicate of this event is in the
        # item that was made anew: nobody delivers it again once this one is acknowledged.
    raise StoreUnavailable(
        f"the turn was made anew after each of DECISIONS_MAX = {DECISIONS_MAX} decisions; "
        "deliver this again"
    )


async def sweep(customer: str, ports: Ports) -> int:
    """Close the customer's turns whose grace period is over; returns how many were settled.

    Raises:
        StoreUnavailable: some could not be closed; all others are.
    """
    settled, failed, after = 0, list[Exception](), None
    for _ in range(SWEEP_LOOKS_MAX):
        seen, failed_before = await ports.store.turns(customer, after=after), len(failed)
        for status in seen:
            try:
                if ports.clock.now_ms() >= _last_ms(status, ports) + ports.grace_ms:
                    settled += await _close(status, ports)
            except Exception as error:  # whatever is wrong with this one, the others are closed
                ports.telemetry.point("not closed", status.turn, cause=type(error).__name__)
                failed.append(error)
        if len(failed) == failed_before:
            break
        after = seen[-1].turn  # those that stay open must not hide the ones behind them for ever
    for cause in failed:
        if not isinstance(cause, CtxasrError):
            raise cause
    if failed:
        raise StoreUnavailable(
            f"{len(failed)} turns were not closed, {settled} others were; {failed[0]}"
        )
    return settled


async def _close(status: ConsistentStatus, ports: Ports) -> bool:
    """Settle a turn whose grace period is over, unless an event is faster."""
    asked = expects_speech(status) or status.unreadable  # perhaps, in a newer version's words
    outcome = Outcome.MISSED if asked else Outcome.DISCARDED
    closed = await discard(status, ports.store, ports.vault, outcome=outcome, owner=status.owner)
    return closed.outcome is outcome


def _last_ms(status: ConsistentStatus, ports: Ports) -> float:
    """When a turn was last heard of; one whose reply still plays may yet be embedded."""
    if not status.marks:  # its key was opened and its first event is on the way
        return (status.expires_at_s - ports.payload_ttl_s) * 1_000.0
    last_ms = float(max(mark.at_ms for mark in status.marks.values()))
    return max(last_ms, window_of(status).at_ms) if expects_speech(status) else last_ms


async def embed(key: EventKey, device: str, ports: Ports) -> ConsistentStatus | None:
    """What an `Embedder` does in its own process: embed the turn that `key` has claimed.

    Returns the turn as it is afterwards; None if it has expired. Another's turn stays untouched.

    Raises:
        StoreUnavailable: perhaps settled; ask again.
    """
    status = await ports.store.read(key.turn)
    if status is None or status.owner != key.event or not expects_speech(status):
        return status
    return await _embed_alone(status, key, device, replace(ports, embedder=None))


async def _settle(status: ConsistentStatus, event: Event, ports: Ports) -> ConsistentStatus:
    """Claim the turn and, if it is ours, embed it; returns once it is settled."""
    grounds = grounds_of(status)
    status = await ports.store.claim(status.turn, event.key.event, grounds=grounds)
    if status.owner == event.key.event:
        return await _embed_alone(status, event.key, event.device, ports)
    return await _see_settled(status, event, ports) if may_complete(event) else status


async def _see_settled(status: ConsistentStatus, event: Event, ports: Ports) -> ConsistentStatus:
    """Wait until the owner of the claim has settled the turn; in vain, work in its place.

        utterance, its duplicate    recorded, acknowledged ............ claims, dies
        the last payload                           recorded, loses the claim

    Nobody delivers the owner again. So an event that may have completed the trigger (the item does
    not tell which one did) is not acknowledged before the turn is settled: by its owner, or by this
    event with half of the window left, or closed when the window is over on every clock.
    """
    if status.outcome is not None or status.owner is None:  # settled, or gone
        return status
    waited_ms, pause_ms, tried = 0.0, LOOK_FIRST_MS, False
    left_ms = window_of(status).left_ms(ports.clock.now_ms())
    patience_ms = max(LOOK_FIRST_MS, left_ms * ports.patience)
    ports.telemetry.point("waits", status.turn, event=event.key.event, owner=status.owner)
    for _ in range(LOOKS_MAX):
        if status.outcome is not None or status.owner is None:
            return status
        if waited_ms >= patience_ms and not tried:
            tried = True
            owner = EventKey(status.turn, status.owner)
            facts = {"event": event.key.event, "owner": status.owner}
            ports.telemetry.point("takes over", status.turn, **facts)
            status = await _embed_alone(status, owner, event.device, ports, in_its_place=True)
            continue
        left_ms = window_of(status).at_ms + CLOCK_SKEW_MS_MAX - ports.clock.now_ms()
        if left_ms <= 0.0:
            return await _miss(status, ports)
        sleep_ms = max(LOOK_FIRST_MS, min(pause_ms, left_ms))
        await asyncio.sleep(ports.clock.timer_s(sleep_ms))
        waited_ms, pause_ms = waited_ms + sleep_ms, pause_ms * 2.0
        seen = await ports.store.read(status.turn)
        if seen is None:  # expired: it can only be closed
            return await _miss(status, ports)
        status = seen
    raise StoreUnavailable(
        "another event owns the claim and has not settled it; deliver this again"
    )


async def _miss(status: ConsistentStatus, ports: Ports) -> ConsistentStatus:
    """Close a turn in the name of its owner."""
    return await discard(
        status, ports.store, ports.vault, outcome=Outcome.MISSED, owner=status.owner
    )


async def _embed_alone(
    status: ConsistentStatus,
    key: EventKey,
    device: str,
    ports: Ports,
    *,
    in_its_place: bool = False,
) -> ConsistentStatus:
    """Embed a turn that `key` owns, unless that is done or under way.

    Cancelled (Ctrl-C, a Lambda that ends) it settles nothing: the event is not acknowledged, and
    its redelivery owns the claim and goes on. Nor does one that works `in_its_place` and fails: the
    owner may be at work, and succeed. What it has stored is left to TTL, for its own settle may
    still be on the way.
    """
    async with ports.windows.alone(status.turn) as waited:
        if waited:  # for an earlier delivery of this event, which may have failed
            status = await ports.store.read(status.turn) or status
        if status.outcome is not None:
            return status
        if not expects_speech(status):  # made anew while this waited: another turn, so to speak
            return status
        deadline = window_of(status)
        facts = {"at_ms": deadline.opened_ms, "duration_ms": deadline.window_ms}
        ports.telemetry.point("window", status.turn, **facts)
        ref = context_ref(status.turn, ports.process, ports.clock.now_ms())
        try:
            async with ports.windows.open(status, device, deadline, ports.clock):
                if ports.embedder is None:
                    settled = await _embed_here(status, key, ref, ports)
                else:
                    settled = await _embed_elsewhere(status, key, device, ports.embedder, ports)
        except Exception as error:  # late, or the model failed in whatever way: plain stands
            if in_its_place:
                return await ports.store.read(status.turn) or status
            ports.telemetry.point("missed", status.turn, cause=type(error).__name__)
            # Where the answer to a settle was lost, this finds the turn embedded and stops.
            settled = await _miss(status, ports)
        if ports.embedder is None and ref not in settled.refs:  # missed, or another was faster
            await ports.vault.delete(status.turn, [ref])
        ports.telemetry.point("settled", status.turn, outcome=str(settled.outcome))
        return settled


async def _embed_here(
    status: ConsistentStatus, key: EventKey, ref: PayloadRef, ports: Ports
) -> ConsistentStatus:
    """Compute the dialogue's context after this turn, store it at `ref`, settle with it."""
    from ctxasr.context import compute  # numpy, which recording does without

    if ports.encoder is None or status.wrapped_key is None:
        raise ContextUnavailable("this process has no context encoder, or the turn no data key")
    turn, began_ms = status.turn, ports.clock.now_ms()
    with ports.telemetry.span("embed", turn):
        embedding = await compute(status, ports.store, ports.vault, ports.encoder)
    now_ms = ports.clock.now_ms()
    embedding = replace(embedding, computed_at_ms=now_ms, computed_ms=now_ms - began_ms)
    blob = embedding.to_bytes()
    await ports.vault.put_blob(status.wrapped_key, turn, ref, blob, status.expires_at_s)
    # Not under the key of a turn that was forgotten meanwhile: a redelivery may own its successor.
    grounds = grounds_of(status)
    return await ports.store.settle(
        turn, Outcome.EMBEDDED, owner=key.event, ref=ref, grounds=grounds
    )


async def _embed_elsewhere(
    status: ConsistentStatus, key: EventKey, device: str, embedder: Embedder, ports: Ports
) -> ConsistentStatus:
    await embedder.embed(key, device)
    settled = await ports.store.read(status.turn)
    if settled is None or settled.outcome is None:
        raise ContextUnavailable("the embedder has not settled the turn")
    return settled


def context_ref(turn: TurnKey, process: str, began_ms: float) -> PayloadRef:
    """A place of its own for each attempt, so that no attempt overwrites what another settled.

    A redelivery in another process may embed the same turn at the same time: both store, one
    settles with its reference, and only that one is ever read.
    """
    attempt = f"{turn.interaction} {process} {began_ms!r}"
    return PayloadRef(PayloadKind.CONTEXT, short_hash(attempt))
