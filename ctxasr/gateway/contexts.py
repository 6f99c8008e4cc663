"""Contexts for others: as vectors for any model, or put to use on hypotheses.

    describe_context   {interaction, outcome, state, reason, vectors, age_ms, provenance, phrases?}
    rescored           {text, plain_text, changes, context, reason, added_ms}

Vectors are (turns, d), the oldest turn first: 32-bit floats, little-endian, row by row, in base64.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from dataclasses import replace
from typing import Any

from ctxasr.answer import ContextState, Listening, bias_in, on_utterance
from ctxasr.bias import GENERIC_SIGNAL, BiasingPhrase
from ctxasr.context import ContextEmbedding, fetch
from ctxasr.errors import PayloadUnreadable
from ctxasr.events import ConsistentStatus, Outcome, PayloadKind, TurnKey
from ctxasr.followups import own_refs, read_asking
from ctxasr.gateway.requests import ContextRequest, RescoreRequest
from ctxasr.pipeline import Ports
from ctxasr.ports import Matrix, PayloadVault
from ctxasr.trigger import expects_speech
from ctxasr.windows import window_of


async def describe_context(request: ContextRequest, ports: Ports) -> dict[str, Any]:
    """The context of the turn that asked.

    `state` is `none` where there is none to be had (nobody asked, or the turn is unknown), `missed`
    where there should be one and `reason` says why there is none.

    Raises:
        StoreUnavailable, PayloadUnreadable, ContextUnavailable: see `nothing`.
    """
    turn = await _asked(request, ports)
    token = request.token or ""
    status = None if turn is None else await read_asking(turn, token, ports.store)
    if status is None:
        return nothing(request, None)
    answer = nothing(request, None) | {
        "interaction": status.turn.interaction,
        "outcome": None if status.outcome is None else status.outcome.value,
    }
    if status.outcome is not Outcome.EMBEDDED:
        discarded = status.outcome is Outcome.DISCARDED
        state = ContextState.NONE if discarded else ContextState.MISSED
        reason = f"the turn is {status.outcome or 'not settled yet'}"
        return answer | {"state": state.value, "reason": reason}
    context = await fetch(status, ports.vault)
    answer |= {
        "state": ContextState.HIT.value,
        "reason": "",
        "vectors": encoded(context.vectors),
        "age_ms": max(0.0, ports.clock.now_ms() - context.computed_at_ms),
        "provenance": _provenance(status, context),
    }
    return answer | ({"phrases": _phrases(context)} if request.phrases else {})


def nothing(request: ContextRequest, error: BaseException | None) -> dict[str, Any]:
    """The answer without a context: the turn is unknown, or `error` came between."""
    unknown = "the turn is unknown or expired"
    asked = request.token is not None or error is not None
    return {
        "interaction": request.interaction,
        "outcome": None,
        "state": (ContextState.MISSED if asked else ContextState.NONE).value,
        "reason": unknown if error is None else f"failed: {type(error).__name__}",
        "vectors": None,
        "age_ms": None,
        "provenance": None,
    }


def encoded(vectors: Matrix) -> dict[str, Any]:
    """A matrix as JSON: `numpy.frombuffer(base64.b64decode(data), "<f4").reshape(shape)`."""
    data = base64.b64encode(vectors.astype("<f4").tobytes()).decode()
    return {"dtype": "<f4", "shape": list(vectors.shape), "data": data}


def _provenance(status: ConsistentStatus, context: ContextEmbedding) -> dict[str, Any]:
    return {
        "model": context.model,
        "turns": len(context.vectors),
        "computed_ms": context.computed_ms,
        "computed_at_ms": context.computed_at_ms,
        "window_ms": window_of(status).window_ms if expects_speech(status) else None,
        "signals": dict(Counter(phrase.signal for phrase in context.phrases)),
        "left_out": context.left_out,
        "unpronounceable": context.unpronounceable,
    }


async def reply_of(status: ConsistentStatus, vault: PayloadVault) -> str:
    """What the assistant said in a turn; empty where no service told, or where it has expired.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    refs = sorted(ref for ref in own_refs(status) if ref.kind is PayloadKind.REPLY)[:1]
    if status.wrapped_key is None or not refs:
        return ""
    try:
        found = await vault.get(status.wrapped_key, status.turn, refs)
    except PayloadUnreadable:
        return ""
    return " ".join(text for one in found for text in one.texts)


def _phrases(context: ContextEmbedding) -> list[dict[str, Any]]:
    """What the context names, with the log probability that the answer contains it."""
    named = bias_in(context).phrases
    return [phrase_fields(one) for one in named if one.phrase.signal != GENERIC_SIGNAL]


def phrase_fields(one: BiasingPhrase) -> dict[str, Any]:
    """A biasing phrase as JSON."""
    phrase = one.phrase
    fields: dict[str, Any] = {"text": phrase.spelling, "signal": phrase.signal, "kind": phrase.kind}
    return fields | ({"id": phrase.id} if phrase.id else {}) | {"log_prior": one.log_prior}


async def rescored(request: RescoreRequest, ports: Ports) -> tuple[dict[str, Any], float | None]:
    """The answer to hypotheses, within the read budget, and how old its context was (ms).

    Finding and reading the context count against the budget here: nobody listened before.
    """
    asked = TurnKey(request.customer, request.interaction or "")
    if request.interaction is None and request.token is None:
        known: Listening | asyncio.Task[Listening] = Listening(
            ContextState.NONE, reason="nothing was asked"
        )
    elif request.token is None:
        known = Listening(ContextState.MISSED, asked, reason="not found in time", undecided=True)
    else:
        known = asyncio.create_task(_listening(request, ports))
    result = await on_utterance(known, request.recognition(), ports, asked)
    answer = {
        "text": result.result.text,
        "plain_text": result.result.plain_text,
        "changes": [one.to_json() for one in result.result.changes],
        "context": result.context.value,
        "reason": result.reason,
        "added_ms": result.added_ms,
        "left_out": result.left_out,
        "unpronounceable": result.unpronounceable,
    }
    context = result.listening.context
    age_ms = None if context is None else ports.clock.now_ms() - context.computed_at_ms
    return answer, age_ms


async def _listening(request: RescoreRequest, ports: Ports) -> Listening:
    """The turn that handed out the token; `on_utterance` then reads its context."""
    unknown = Listening(ContextState.MISSED, reason="the asking turn is unknown or expired")
    asked = await _asked(request, ports)
    if asked is None:
        return unknown
    return replace(unknown, asked=asked, token=request.token or "", undecided=True)


async def _asked(request: ContextRequest | RescoreRequest, ports: Ports) -> TurnKey | None:
    if request.token is not None:
        return await ports.store.follow(request.customer, request.token)
    return TurnKey(request.customer, request.interaction or "")
