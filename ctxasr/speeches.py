"""Which of a turn's speeches the microphone opens after, and when that one plays.

    Speak 1   Speak 2   ExpectSpeech   Started 1   Finished 1   Started 2   Finished 2
    "One moment."       |                                                    |
              "Meg Jones or Meg Bauer?"                                      |
                        |---------------------- window ----------------------|

A device plays the speeches of a turn one after the other, in the order of their directives, and
opens the microphone behind the last one (AVS: ExpectSpeech waits for the Speak before it). Events
come in any order, and some never come: tokens tell which belong together. A speech that ended
before the expect-speech is not the one. Of rows without tokens (older versions wrote none, and some
clients send none) all speeches are taken for one that is said as often as it was begun.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, Self

from ctxasr.events import (
    Mark,
    Reply,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    TurnStatus,
)

ENDS: Final = (SpeechFinished.full_name, SpeechInterrupted.full_name)
_BEGINNINGS: Final = (Speak.full_name, SpeechStarted.full_name)
_OF_SPEECH: Final = frozenset({*_BEGINNINGS, *ENDS, Reply.full_name})


class Speech(NamedTuple):
    """Instants of one token, each list in the order of time; `reply_ms` is how long it plays."""

    token: str
    spoken_ms: list[float]
    started_ms: list[float]
    ended_ms: list[float]
    caption_ms: int | None
    reply_ms: int | None

    @classmethod
    def of(cls, token: str, marks: list[Mark]) -> Self:
        """All that was noted of a token."""

        def times(*names: str) -> list[float]:
            return sorted(float(mark.at_ms) for mark in marks if mark.name in names)

        return cls(
            token,
            times(Speak.full_name),
            times(SpeechStarted.full_name),
            times(*ENDS),
            _number([mark for mark in marks if mark.name == Speak.full_name]),
            _number([mark for mark in marks if mark.name == Reply.full_name]),
        )

    @property
    def times(self) -> int:
        """How often it is said: a client may use one token again."""
        return max(1, len(self.spoken_ms), len(self.started_ms))

    @property
    def end_ms(self) -> float | None:
        """When it was reported to have ended, for the last time."""
        return self.ended_ms[self.times - 1] if len(self.ended_ms) >= self.times else None

    @property
    def start_ms(self) -> float | None:
        """When it was reported to have begun, for the last time."""
        return self.started_ms[self.times - 1] if len(self.started_ms) >= self.times else None

    @property
    def place(self) -> tuple[float, float, str]:
        """Sorts speeches as they are played: by their directives, then by what was reported."""
        reported = [at_ms for at_ms in (self.start_ms, self.end_ms) if at_ms is not None]
        return (self.spoken_ms or self.started_ms)[-1], min(reported, default=math.inf), self.token

    def began_ms(self, free_ms: float) -> float:
        """When it begins, if the device has played what was before it at `free_ms`."""
        if self.start_ms is not None:
            return self.start_ms
        directive_ms = (self.spoken_ms or self.started_ms)[-1]
        return max(directive_ms, free_ms, *self.ended_ms[: self.times - 1])


class Asking(NamedTuple):
    """What is known of the speech after which the microphone opens."""

    began_ms: float | None
    reply_ms: float
    ended_ms: float | None


def asking_speech(status: TurnStatus, expect_speech_ms: float) -> Asking:
    """The last speech, unless it had ended before the expect-speech.

    Then, or where none is known, the one that asks is still to come: it is taken to begin with the
    expect-speech, and to last as long as the last reply.
    """
    speeches, loose = _speeches(status)
    replies = sorted((mark for mark in loose if mark.name == Reply.full_name), key=_in_time)
    numbers = [reply.number for reply in replies]
    if len(numbers) != len(speeches):  # which is whose nobody says, but for the last one
        numbers = [*[None] * (len(speeches) - 1), *numbers[-1:]] or numbers[-1:]
    last, free_ms = Asking(None, 0.0, None), 0.0
    for speech, number in zip(speeches, [*numbers, None], strict=False):
        began_ms = speech.began_ms(free_ms)
        known = (speech.reply_ms, number, speech.caption_ms)
        reply_ms = float(next((one for one in known if one is not None), 0))
        last = Asking(began_ms, reply_ms, speech.end_ms)
        free_ms = began_ms + reply_ms if speech.end_ms is None else speech.end_ms
    if speeches and (last.ended_ms is None or last.ended_ms >= expect_speech_ms):
        return last
    said = _number([mark for mark in status.own_marks() if mark.name == Reply.full_name])
    ends = [float(mark.at_ms) for mark in loose if mark.name in ENDS and not speeches]
    ended_ms = min((at_ms for at_ms in ends if at_ms >= expect_speech_ms), default=None)
    return Asking(None, last.reply_ms if said is None else float(said), ended_ms)


def _speeches(status: TurnStatus) -> tuple[list[Speech], list[Mark]]:
    """The speeches as they are played, and the marks that belong to none of them.

    An end whose token was never begun is the end of another turn's speech. Where one speech is
    known and tokens are missing, ends without one are its own.
    """
    by_token: dict[str, list[Mark]] = {}
    for mark in status.own_marks():
        if mark.name in _OF_SPEECH:
            by_token.setdefault(mark.token, []).append(mark)
    begun = {
        token for token, marks in by_token.items() if any(m.name in _BEGINNINGS for m in marks)
    }
    loose = [mark for token, marks in by_token.items() if token not in begun for mark in marks]
    own = {token: by_token[token] for token in begun}
    if "" in own:  # a reply without a token is of any speech
        loose += [mark for mark in own[""] if mark.name == Reply.full_name]
        own[""] = [mark for mark in own[""] if mark.name != Reply.full_name]
    if len(own) == 1:
        ((token, marks),) = own.items()
        own[token] = marks + [m for m in loose if m.name in ENDS and "" in (token, m.token)]
    return sorted((Speech.of(*one) for one in own.items()), key=lambda one: one.place), loose


def _in_time(mark: Mark) -> tuple[float, int]:
    return mark.at_ms, mark.number or 0


def _number(marks: list[Mark]) -> int | None:
    """The number of the latest mark that has one."""
    return next((m.number for m in sorted(marks, key=_in_time)[::-1] if m.number is not None), None)
