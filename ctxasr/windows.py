"""The compute windows that are open in this process, and who works in them.

expect-speech ------- embedding ------- end of the reply: TimeoutError
                          ^ barge-in: the end moves here

What another process handles (a barge-in, the end of the reply, another speech) does not move the
end here; the turn's outcome is then what its own process makes of it, and the next utterance looks
again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from ctxasr.errors import LimitExceeded
from ctxasr.events import ConsistentStatus, Event, ExpectSpeech, Recognize, TurnKey
from ctxasr.ports import Clock
from ctxasr.speeches import asking_speech
from ctxasr.timing import Deadline, compute_window
from ctxasr.trigger import expects_speech

WINDOWS_MAX: Final = 10_000
"""Compute windows open at once in one process."""


_EXPECT, _RECOGNIZE = ExpectSpeech.full_name, Recognize.full_name


def window_of(status: ConsistentStatus) -> Deadline:
    """The compute window of a turn that expects speech, on the clock of its records.

    Of an item without its expect-speech, which no claim of ours makes: one that is over.
    """

    expect = status.mark(_EXPECT)
    if expect is None:
        return Deadline(0.0, 0.0)
    asking = asking_speech(status, float(expect.at_ms))
    return compute_window(
        expect_speech_ms=float(expect.at_ms),
        reply_began_ms=asking.began_ms,
        reply_ms=asking.reply_ms,
        reply_ended_ms=asking.ended_ms,
    )


@dataclass(slots=True)
class _Window:
    device: str
    deadline: Deadline
    timeout: asyncio.Timeout
    clock: Clock
    marks: int
    """Of the item that it stands on: one with fewer of them is older."""
    barged_in_ms: float = math.inf

    def move(self, at_ms: float) -> None:
        if at_ms != self.deadline.at_ms:
            self.deadline.at_ms = at_ms
            if not self.timeout.expired():
                left_s = self.clock.timer_s(self.deadline.left_ms(self.clock.now_ms()))
                self.timeout.reschedule(asyncio.get_running_loop().time() + left_s)


class Windows:
    """What this process embeds right now, so that its compute windows can move."""

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
        self, status: ConsistentStatus, device: str, deadline: Deadline, clock: Clock
    ) -> AsyncIterator[None]:
        """Run the body until the deadline, which `status` gave; then TimeoutError.

        Raises:
            LimitExceeded: WINDOWS_MAX are open.
        """
        if self._count >= WINDOWS_MAX:
            raise LimitExceeded("WINDOWS_MAX", WINDOWS_MAX, self._count + 1)
        left_s = clock.timer_s(deadline.left_ms(clock.now_ms()))
        async with asyncio.timeout(left_s) as timeout:
            turn = status.turn
            theirs = self._open.setdefault(turn.customer, {})
            theirs[turn] = _Window(device, deadline, timeout, clock, len(status.marks))
            self._count += 1
            try:
                yield
            finally:
                self._count -= 1
                del theirs[turn]
                if not theirs:
                    del self._open[turn.customer]

    def note(self, event: Event) -> None:
        """The customer speaks again: the windows of the device's other turns end there."""
        turn = event.key.turn
        theirs = self._open.get(turn.customer)
        if theirs is None or event.mark.name != _RECOGNIZE:
            return
        for other, window in theirs.items():
            # A redelivered Recognize of an earlier turn carries its old time: no barge-in.
            later = event.mark.at_ms > window.deadline.opened_ms
            if other != turn and window.device == event.device and later:
                window.barged_in_ms = min(window.barged_in_ms, event.mark.at_ms)
                window.move(min(window.deadline.at_ms, window.barged_in_ms))

    def see(self, status: ConsistentStatus) -> None:
        """A turn's item is known anew: its window ends where that says.

        It may end sooner, as the reply ended, or later, as another speech was begun before the
        microphone opens: no event alone can tell which speech it belongs to.
        """
        window = self._open.get(status.turn.customer, {}).get(status.turn)
        if window is None or len(status.marks) < window.marks or not expects_speech(status):
            return  # none, or an answer that was overtaken
        window.marks = len(status.marks)
        window.move(min(window_of(status).at_ms, window.barged_in_ms))
