"""Durations, the compute window, and the deadline under which a context embedding is made.

The compute window runs from the expect-speech directive to the end of the reply, or to the
customer's barge-in. Inside it the context model costs nobody any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

Milliseconds = float

READ_BUDGET_MS_MAX: Final = 60_000.0
"""A minute after the recogniser's result nobody waits for a text any more."""

SPEECH_WORDS_PER_S: Final = 2.7
"""English speech synthesis: about 160 words a minute."""

SPEECH_PAUSE_MS: Final = 250.0
"""Lead-in and tail of one spoken reply."""

REPLY_MS_MAX: Final = 240_000.0
"""Longest reply that keeps a window open: Alexa's limit for one speech output."""

CLOCK_SKEW_MS_MAX: Final = 1_000
"""How far clocks of two machines may disagree; machines under NTP keep within a tenth of it."""

SPEED_MIN: Final = 0.1
SPEED_MAX: Final = 100.0
"""How many times as fast as real time the compute windows of a replay may pass."""

_DURATION: Final = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?P<unit>ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def parse_duration_ms(text: str) -> Milliseconds:
    """Read "120ms", "2s", "1.5m" or "1h".

    Raises:
        ValueError: for anything else, negative durations, bare numbers and more than 15 digits
            included.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError('no duration; write for example "120ms" or "2s"')
    return float(Decimal(match["number"]) * _UNIT_MS[match["unit"]])


def format_duration(duration_ms: Milliseconds) -> str:
    """The shortest exact form that `parse_duration_ms` reads back."""
    digits = Decimal(repr(float(duration_ms)))  # no binary fractions, no exponent
    if duration_ms >= 1_000 and digits % 100 == 0:
        return f"{(digits / 1_000).normalize():f}s"
    return f"{digits.normalize():f}ms"


def spoken_ms(text: str) -> Milliseconds:
    """How long a synthesiser needs to say `text`: an estimate for when there is no audio."""
    words = len(text.split())
    return min(REPLY_MS_MAX, SPEECH_PAUSE_MS + 1_000.0 * words / SPEECH_WORDS_PER_S)


def expired(expires_at_s: int, now_ms: Milliseconds) -> bool:
    """At its expiry an item is gone, whatever the sweeper of the table has done.

    A reader whose clock is slow must not see more, so it takes its clock for slow.
    """
    return now_ms + CLOCK_SKEW_MS_MAX >= expires_at_s * 1000


def is_later(one_ms: Milliseconds, other_ms: Milliseconds) -> bool:
    """Whether the first instant is later on every clock: two recorders may have noted them."""
    return one_ms > other_ms + CLOCK_SKEW_MS_MAX


@dataclass(slots=True)
class Deadline:
    """An instant that may still move: a barge-in shortens the window, another speech lengthens it.

    `opened_ms` and `at_ms` are instants on one clock.
    """

    opened_ms: Milliseconds
    at_ms: Milliseconds

    @property
    def window_ms(self) -> Milliseconds:
        return max(0.0, self.at_ms - self.opened_ms)

    def left_ms(self, now_ms: Milliseconds) -> Milliseconds:
        return max(0.0, self.at_ms - now_ms)

    def shorten(self, at_ms: Milliseconds) -> bool:
        """Move the deadline to `at_ms` if that is earlier; says whether it moved."""
        if at_ms >= self.at_ms:
            return False
        self.at_ms = at_ms
        return True


def compute_window(
    *,
    expect_speech_ms: Milliseconds,
    reply_began_ms: Milliseconds | None,
    reply_ms: Milliseconds,
    reply_ended_ms: Milliseconds | None,
) -> Deadline:
    """From the expect-speech directive to the end of the reply, all instants on one clock.

    The reply is taken to begin with the directive where nobody said when it began; an end that
    was reported (finished, interrupted) comes before the estimate.
    """
    began_ms = expect_speech_ms if reply_began_ms is None else reply_began_ms
    deadline = Deadline(expect_speech_ms, began_ms + min(reply_ms, REPLY_MS_MAX))
    if reply_ended_ms is not None:
        deadline.shorten(reply_ended_ms)
    return deadline
