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
    ConsistentStatus,
    Event,
    ExpectSpeech,
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


def window_of(status: ConsistentStatus) -> Deadline:
    """The compute window of a turn that expects speech, on the clock of its records."""

    def at(*names: str) -> float | None:
        marks = [mark for mark in map(status.mark, names) if mark is not None]
        return min((float(mark.at_ms) for mark in marks), default=None)

    expect = at(ExpectSpeech.full_name)
    assert expect is not None, "asked of turns that expect speech"
    reply = status.mark(Reply.full_name) or status.mark(Speak.full_name)
    return compute_window(
        expect_speech_ms=expect,
        reply_began_ms=at(SpeechStarted.full_name) or at(Speak.full_name),
        reply_ms=float(reply.number or 0) if reply is not None else 0.0,
        reply_ended_ms=at(SpeechFinished.full_name, SpeechInterrupted.full_name),
    )


class _Window(NamedTuple):
    device: str
    deadline: Deadline
    timeout: asyncio.Timeout
    clock: Clock


class Windows:
    """What this process embeds right now, so that a barge-in can shorten its compute window."""

    def __init__(self) -> None:
        self._open: dict[TurnKey, _Window] = {}
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
        if len(self._open) >= WINDOWS_MAX:
            raise LimitExceeded("WINDOWS_MAX", WINDOWS_MAX, len(self._open) + 1)
        left_s = clock.timer_s(deadline.left_ms(clock.now_ms()))
        async with asyncio.timeout(left_s) as timeout:
            self._open[turn] = _Window(device, deadline, timeout, clock)
            try:
                yield
            finally:
                del self._open[turn]

    def note(self, event: Event) -> None:
        """The reply of a turn ended, or its customer speaks again: its window ends there."""
        turn, name = event.key.turn, event.mark.name
        if name in (SpeechFinished.full_name, SpeechInterrupted.full_name):
            if turn in self._open:
                _shorten(self._open[turn], event.mark.at_ms)
        elif name == Recognize.full_name:
            for other, window in self._open.items():
                theirs = (other.customer, window.device) == (turn.customer, event.device)
                # A redelivered Recognize of an earlier turn carries its old time: no barge-in.
                later = event.mark.at_ms > window.deadline.opened_ms
                if other != turn and theirs and later:
                    _shorten(window, event.mark.at_ms)


def _shorten(window: _Window, at_ms: float) -> None:
    if window.deadline.shorten(at_ms) and not window.timeout.expired():
        left_s = window.clock.timer_s(window.deadline.left_ms(window.clock.now_ms()))
        window.timeout.reschedule(asyncio.get_running_loop().time() + left_s)
