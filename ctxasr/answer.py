"""A follow-up utterance: find the context while the customer speaks, then rescore under it.

listen         the turn that asked, and its context; runs while the customer speaks
on_utterance   hypotheses + context -> text, within the read budget; else the plain text
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ctxasr.bias import Bias, bias_of
from ctxasr.context import ContextEmbedding, fetch
from ctxasr.events import Event, Outcome, TurnKey
from ctxasr.followups import read_asking
from ctxasr.hints import NO_HINTS, Hints, hinted
from ctxasr.hypotheses import Recognition, Result
from ctxasr.pipeline import Ports
from ctxasr.rescore import can_be_scored, result_of, shortlist
from ctxasr.timing import expired, is_later
from ctxasr.trigger import expects_speech
from ctxasr.windows import window_of

LATE: Final = "read budget exceeded"
"""The reason of a text that is plain because its context could not be used in time."""

_FUTURE: Final = "the turn that handed out the token began later"
_EXPIRED: Final = "the context has expired since it was fetched"


class ContextState(StrEnum):
    """What an utterance could use of the turn before it."""

    HIT = "hit"
    MISSED = "missed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Listening:
    """What is known of the context while the customer still speaks, since `at_ms`.

    `undecided` says that the asking turn was not settled yet: it may be worth another look at
    `asked`, the turn that `token` is linked to. From
    `expires_at_s` on (seconds since 1970) the context may be used no more, wherever it waits.
    `hints` came with the utterance itself, and hold whatever became of the context.
    """

    state: ContextState
    asked: TurnKey | None = None
    context: ContextEmbedding | None = None
    window_ms: float | None = None
    reason: str = ""
    undecided: bool = False
    expires_at_s: int = 0
    hints: Hints = NO_HINTS
    at_ms: float = math.inf
    token: str = ""


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

    @property
    def unpronounceable(self) -> int:
        """Names of the context that can never be heard: without a sound in English."""
        context = self.listening.context
        return 0 if context is None else context.unpronounceable

    @property
    def left_out(self) -> int:
        """Names of the context, and of what came with the utterance, that a limit kept out."""
        context = self.listening.context
        return self.listening.hints.left_out + (0 if context is None else context.left_out)


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
    if asked is None:
        return unknown
    return await _look(asked, event.initiator, float(event.mark.at_ms), ports)


async def _look(asked: TurnKey, token: str, at_ms: float, ports: Ports) -> Listening:
    """The context that the turn which `token` leads to has left, if it is settled; never fails.

    An utterance that began at `at_ms` has no use for what was said later.
    """
    unknown = "the asking turn is unknown or expired"
    found = Listening(ContextState.MISSED, asked, reason=unknown, token=token, at_ms=at_ms)
    try:
        with ports.telemetry.span("fetch", asked):
            status = await read_asking(asked, token, ports.store)
            if status is None:
                return found
            if is_later(status.began_ms, at_ms):
                return replace(found, reason=_FUTURE)
            found = replace(
                found,
                window_ms=window_of(status).window_ms if expects_speech(status) else None,
                undecided=status.outcome is None,
                expires_at_s=status.expires_at_s,
                reason=f"the asking turn is {status.outcome or 'not settled yet'}",
            )
            if status.outcome is not Outcome.EMBEDDED:
                return found
            context = await fetch(status, ports.vault)
            if is_later(context.latest_ms, at_ms):
                return replace(found, reason=_FUTURE)
            if ports.aligner is not None:
                await ports.aligner.prepare([phrase.spelling for phrase in context.phrases])
    except Exception as error:  # whatever is wrong with a context, the plain result stands
        return replace(found, reason=f"context unreadable: {type(error).__name__}")
    return replace(found, state=ContextState.HIT, context=context, reason="")


async def with_hints(
    listening: Listening | asyncio.Task[Listening], hints: Hints, ports: Ports
) -> Listening:
    """The same, with what came along with the utterance; how it sounds is worked out meanwhile."""
    if ports.aligner is not None:
        await ports.aligner.prepare([phrase.spelling for phrase in hints.phrases])
    known = listening if isinstance(listening, Listening) else await listening
    return replace(known, hints=hints)


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
    if known.context is None and not known.undecided and not known.hints.phrases:
        return UtteranceResult(plain, known, 0.0, known.reason)
    result, reason, decided = plain, LATE, False
    scorer = ports.scorer if can_be_scored(recognition) else None
    budget_ms = ports.read_budget_ms if scorer is None else ports.sound_read_budget_ms
    try:
        async with asyncio.timeout(ports.clock.timer_s(budget_ms)):
            if not isinstance(listening, Listening):
                known = await listening
            known = await _looked_again(known, ports)
            reason, bias = known.reason, _bias_of(known)
            if bias.phrases and ports.aligner is not None:
                reason = LATE
                with ports.telemetry.span("rescore", turn, phrases=_named(known)):
                    found = await shortlist(recognition, bias, ports.aligner)
                    result, decided = result_of(recognition, found.by_text()), True
                    if scorer is not None:
                        result = result_of(recognition, await found.by_sound(scorer))
                reason = _why(result)
    except Exception as error:  # a broken context must never cost the customer the plain result
        late = isinstance(error, TimeoutError)
        if decided:  # without a look at the audio; what the text alone has decided stands
            reason = _why(result)
        else:
            known = _missed(known)
            reason = reason if late else f"failed: {type(error).__name__}"
    return UtteranceResult(result, known, ports.clock.now_ms() - began_ms, reason)


async def _looked_again(known: Listening, ports: Ports) -> Listening:
    """The same, after another look at an asking turn that was not settled; no expired context."""
    if known.undecided and known.asked is not None:
        again = await _look(known.asked, known.token, known.at_ms, ports)
        known = replace(again, hints=known.hints)
    if known.context is not None and expired(known.expires_at_s, ports.clock.now_ms()):
        return replace(known, state=ContextState.MISSED, context=None, reason=_EXPIRED)
    return known


def _bias_of(known: Listening) -> Bias:
    """All that is known of what the answer may be."""
    return hinted(Bias() if known.context is None else bias_in(known.context), known.hints)


def _named(known: Listening) -> int:
    return len(known.hints.phrases) + (len(known.context.phrases) if known.context else 0)


def _missed(known: Listening) -> Listening:
    """What could not be used in time; where nothing was asked, only hints."""
    none = known.state is ContextState.NONE
    return known if none else replace(known, state=ContextState.MISSED)


def _why(result: Result) -> str:
    named = [f"named by {change.signal}" for change in result.changes]
    return "; ".join(named) or "nothing that was named sounds like it"
