"""The speeches of a logged turn: all but the last are moments of a scenario, the last its reply.

    Speak a, Reply "One moment.", Speak b, Reply "Which Meg?"      moments: [One moment.]
    SpeechStarted a, SpeechFinished a, SpeechStarted b             reply: Which Meg?

The speeches of a turn are told apart by their tokens. A reply that has no token belongs to the
speech at its place, where there are as many of them as speeches, and else to the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ctxasr.envelopes import Message
from ctxasr.events import Reply, Speak, SpeechFinished, SpeechInterrupted, SpeechStarted
from ctxasr.scenario.log import Logged

_NAMES = {
    Speak.full_name: "moment",
    Reply.full_name: "moment_reply",
    SpeechStarted.full_name: "moment_started",
    SpeechFinished.full_name: "moment_finished",
    SpeechInterrupted.full_name: "moment_finished",
}
_ENDS = (SpeechFinished, SpeechInterrupted)


@dataclass(slots=True)
class Moment:
    """A speech before the reply; `number` counts those whose words the log holds, from 1."""

    text: str = ""
    given_ms: float | None = None
    started_ms: float | None = None
    ended_ms: float | None = None
    number: int = 0

    @property
    def plays_ms(self) -> float | None:
        """How long it played; None to have it estimated."""
        if self.given_ms is not None or self.started_ms is None or self.ended_ms is None:
            return self.given_ms
        return max(0.0, self.ended_ms - self.started_ms)


class Moments:
    """Those of one turn, by their tokens."""

    def __init__(self, messages: Iterable[Logged]) -> None:
        once = {one.message.header.message_id: one for one in reversed(list(messages))}
        unique = list(reversed(once.values()))
        spoken = [one.message.payload for one in unique]
        tokens = list(dict.fromkeys(body.token for body in spoken if isinstance(body, Speak)))
        self._by_token = {token: Moment() for token in tokens[:-1]}
        loose = [
            one.message.header.message_id
            for one in unique
            if isinstance(one.message.payload, Reply) and one.message.payload.token not in tokens
        ]
        paired = loose if len(loose) == len(tokens) else []
        self._replies = dict(zip(paired, tokens, strict=False))
        for one in unique:
            self._read(one)
        self.said = [moment for moment in self._by_token.values() if moment.text]
        for number, moment in enumerate(self.said, start=1):
            moment.number = number

    def __bool__(self) -> bool:
        return bool(self._by_token)

    @property
    def wordless(self) -> bool:
        """Whether the log does not say the words of some."""
        return len(self.said) < len(self._by_token)

    def of(self, message: Message) -> Moment | None:
        """The moment that a message belongs to; None for all else."""
        body = message.payload
        token: str | None = None
        if isinstance(body, Reply):
            token = body.token or self._replies.get(message.header.message_id)
        elif isinstance(body, Speak | SpeechStarted | SpeechFinished | SpeechInterrupted):
            token = body.token
        return self._by_token.get(token or "")

    def events(self, message: Message) -> list[str]:
        """What such a message is in a scenario; nothing where the log does not say the words."""
        moment = self.of(message)
        assert moment is not None, "asked of those alone"
        name = _NAMES[message.header.full_name]
        return [f"{name}_{moment.number}"] if moment.number else []

    def _read(self, one: Logged) -> None:
        moment, body = self.of(one.message), one.message.payload
        if moment is None:
            return
        if isinstance(body, Reply):
            moment.text, moment.given_ms = body.text, body.duration_in_milliseconds
        elif isinstance(body, Speak):
            moment.text = moment.text or body.words
        elif isinstance(body, SpeechStarted):
            moment.started_ms = float(one.at_ms)
        elif isinstance(body, _ENDS):
            moment.ended_ms = float(one.at_ms)
