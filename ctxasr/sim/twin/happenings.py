"""What happens in a turn, and when: the draws of `sim.workload.turns`, for many turns at once.

Times are ms since the turn's recognise, whole as in a plan.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ctxasr.sim.plans.plan import REPLY_STEP_MS
from ctxasr.sim.twin.dice import Dice, Lanes, Mask, Times, spread
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.sim.workload.turns import (
    COMPLETED_MS,
    COMPLETES,
    EXPECT_MS,
    STARTED_MS,
    Range,
)
from ctxasr.timing import REPLY_MS_MAX


@dataclass(frozen=True, slots=True)
class Happenings:
    """One row of each array is one turn; infinite: it does not happen."""

    payloads: tuple[Times, Times, Times, Times]
    """Utterance, then reply and services in the order in which they come; missing ones last."""
    speak: Times
    expect: Times
    started: Times
    ended: Times
    """Finished or interrupted."""
    completed: Times
    reply_ms: Times
    speech_ms: Times
    asks: Mask
    entities: Mask
    screen: Mask
    next: Times
    """When the customer answers."""

    def __len__(self) -> int:
        return len(self.speak)

    def only(self, lanes: Lanes) -> Happenings:
        """These turns."""
        found = {
            one.name: getattr(self, one.name).take(lanes)
            for one in fields(self)
            if one.name != "payloads"
        }
        utterance, second, third, fourth = (one.take(lanes) for one in self.payloads)
        return Happenings((utterance, second, third, fourth), **found)


class Happens:
    """Draws the happenings of a workload."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._speech, self._think = spread(workload.speech_ms), spread(workload.think_ms)
        self._service, self._delay = spread(workload.service_ms), spread(workload.answer_delay_ms)
        replies = np.minimum(spread(workload.reply_ms), np.float32(REPLY_MS_MAX))
        steps = np.maximum(1.0, np.rint(replies / np.float32(REPLY_STEP_MS)))
        self._reply = (steps * np.float32(REPLY_STEP_MS)).astype(np.float32)

    def draw(self, number: int, count: int, dice: Dice) -> Happenings:
        """`count` turns, each the `number`-th of its dialogue, from 1."""
        workload = self._workload
        speech = dice.of(self._speech, count)
        said = speech + dice.of(self._think, count)
        reply_ms = dice.of(self._reply, count)
        entities, screen = dice.share(workload.entities, count), dice.share(workload.screen, count)
        asks = dice.share(workload.asks[min(number, len(workload.asks)) - 1], count)
        streamed = said + _within(EXPECT_MS, dice, count) * asks
        completed = streamed + _within(COMPLETED_MS, dice, count)
        began = said + _within(STARTED_MS, dice, count)
        barges_in = dice.share(workload.barge_ins, count)
        ended = began + reply_ms * np.where(barges_in, dice.uniform(count), np.float32(1.0))
        delay = dice.of(self._delay, count) * ~barges_in
        answers = workload.answers if number < TURNS_MAX else 0.0
        answered = asks & dice.share(answers, count)
        reply = np.rint(said)
        first, last = self._services(speech, entities, screen, dice)
        return Happenings(
            payloads=(
                np.rint(speech),
                np.minimum(reply, first),
                np.maximum(np.minimum(reply, last), first),
                np.maximum(reply, last),
            ),
            speak=reply,
            expect=_only(asks, np.rint(streamed)),
            started=np.rint(began),
            ended=np.rint(ended),
            completed=_only(dice.share(COMPLETES, count), np.rint(completed)),
            reply_ms=reply_ms,
            speech_ms=np.rint(speech),
            asks=asks,
            entities=entities,
            screen=screen,
            next=_only(answered, np.rint(ended + delay)),
        )

    def _services(
        self, speech: Times, entities: Mask, screen: Mask, dice: Dice
    ) -> tuple[Times, Times]:
        """When the service payloads come, the earlier one first."""
        count = len(speech)
        one = _only(entities, np.rint(speech + dice.of(self._service, count)))
        other = _only(screen, np.rint(speech + dice.of(self._service, count)))
        return np.minimum(one, other), np.maximum(one, other)


def _within(bounds: Range, dice: Dice, count: int) -> Times:
    return np.float32(bounds[0]) + np.float32(bounds[1] - bounds[0]) * dice.uniform(count)


def _only(where: Mask, times: Times) -> Times:
    """The times, infinite elsewhere."""
    return np.where(where, times, np.float32(np.inf))
