"""The compute windows that are open in this process, and who works in them.

expect-speech ------- embedding ------- end of the reply: TimeoutError
                          ^ barge-in: the end moves here

A barge-in that another process handles does not move the end here; the turn's outcome is then what
its own process makes of it, and the next utterance looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from ctxasr.errors import LimitExceeded
from ctxasr.events import (
    FOLLOW_UP,
    ConsistentStatus,
    Event,
    ExpectSpeech,
    Mark,
    Recognize,
    Reply,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    TurnKey,
)
from ctxasr.ports import Clock
from ctxasr.timing import Deadline, compute_window

WINDOWS_MAX: Final = 10_000
"""Compute windows open at once in one process."""


_EXPECT, _RECOGNIZE = ExpectSpeech.full_name, Recognize.full_name
_REPLY, _SPEAK, _STARTED = Reply.full_name, Speak.full_name, SpeechStarted.full_name
_ENDS: Final = (SpeechFinished.full_name, SpeechInterrupted.full_name)


def window_of(status: ConsistentStatus) -> Deadline:
    """The compute window of a turn that expects speech, on the clock of its records.

    Of an item without its expect-speech, which no claim of ours makes: one that is over.
    """

    first: dict[str, Mark] = {}
    for mark in status.marks.values():
        known = first.get(mark.name)
        if known is None or mark.at_ms < known.at_ms:
            first[mark.name] = mark
    followed = first.get(FOLLOW_UP)
    if followed is not None:  # what came later belongs to another turn
        first = {name: one for name, one in first.items() if one.at_ms <= followed.at_ms}
    if _EXPECT not in first:
        return Deadline(0.0, 0.0)
    speak, reply = first.get(_SPEAK), first.get(_REPLY)
    began, said = first.get(_STARTED) or speak, reply or speak
    ends = [float(first[name].at_ms) for name in _ENDS if name in first]
    return compute_window(
        expect_speech_ms=float(first[_EXPECT].at_ms),
        reply_began_ms=None if began is None else float(began.at_ms),
        reply_ms=0.0 if said is None else float(said.number or 0),
        reply_ended_ms=min(ends, default=None),
    )


class _Window(NamedTuple):
    device: str
    deadline: Deadline
    timeout: asyncio.Timeout
    clock: Clock


class Windows:
    """What this process embeds right now, so that a barge-in can shorten its compute window."""

    def __init__(self) -> None:
        self._open: dict[str, dict[TurnKey, _Window]] = {}
        """By customer: each event of one looks at the windows of that customer alone."""
        self._count = 0
        self._busy: dict[TurnKey, asyncio.Event] = {}

    @asynccontextmanager
    async def alone(self, turn: TurnKey) -> AsyncIterator[bool]:
        """One task of this process at a time; yields whether it had to wait for another one."""
        waited = False
        while (other := self._busy.get(turn)) is not None:
            waited = True
            await other.wait()
        done = self._busy[turn] = asyncio.Event()
        try:
            yield waited
        finally:
            del self._busy[turn]
            done.set()

    @asynccontextmanager
    async def open(
        self, turn: TurnKey, device: str, deadline: Deadline, clock: Clock
    ) -> AsyncIterator[None]:
        """Run the body until the deadline; then TimeoutError.

        Raises:
            LimitExceeded: WINDOWS_MAX are open.
        """
        if self._count >= WINDOWS_MAX:
            raise LimitExceeded("WINDOWS_MAX", WINDOWS_MAX, self._count + 1)
        left_s = clock.timer_s(deadline.left_ms(clock.now_ms()))
        async with asyncio.timeout(left_s) as timeout:
            theirs = self._open.setdefault(turn.customer, {})
            theirs[turn] = _Window(device, deadline, timeout, clock)
            self._count += 1
            try:
                yield
            finally:
                self._count -= 1
                del theirs[turn]
                if not theirs:
                    del self._open[turn.customer]

    def note(self, event: Event) -> None:
        """The reply of a turn ended, or its customer speaks again: its window ends there."""
        turn = event.key.turn
        theirs = self._open.get(turn.customer)
        if theirs is None:
            return
        name = event.mark.name
        if name in _ENDS:
            if turn in theirs:
                _shorten(theirs[turn], event.mark.at_ms)
        elif name == _RECOGNIZE:
            for other, window in theirs.items():
                # A redelivered Recognize of an earlier turn carries its old time: no barge-in.
                later = event.mark.at_ms > window.deadline.opened_ms
                if other != turn and window.device == event.device and later:
                    _shorten(window, event.mark.at_ms)


def _shorten(window: _Window, at_ms: float) -> None:
    if window.deadline.shorten(at_ms) and not window.timeout.expired():
        left_s = window.clock.timer_s(window.deadline.left_ms(window.clock.now_ms()))
        window.timeout.reschedule(asyncio.get_running_loop().time() + left_s)
