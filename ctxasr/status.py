"""One turn as the event-status table holds it: marks, references, owner, outcome.

What an envelope makes of them is in `ctxasr.events`, where these names can be had as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from ctxasr.envelopes import COUNT_MAX, Speak, SpeechFinished, SpeechInterrupted, SpeechStarted

FOLLOW_UP: Final = "Turn.FollowUp"
"""Name of a mark, ours: a later turn began under this turn's id (see `ctxasr.followups`)."""


ANEW: Final = 0
"""Number in the mark of a Recognize that says that it answers nothing."""

_REPORTS: Final = frozenset(
    body.full_name for body in (SpeechStarted, SpeechFinished, SpeechInterrupted)
)
"""What a client tells of a speech, perhaps after the customer has spoken again."""


class PayloadKind(StrEnum):
    """What a payload's text is. All but the first two and the last are service payloads."""

    UTTERANCE = "utterance"
    REPLY = "reply"
    ENTITIES = "entities"
    SCREEN = "screen"
    SLOT = "slot"
    CONTEXT = "context"

    @property
    def from_service(self) -> bool:
        return self in (PayloadKind.ENTITIES, PayloadKind.SCREEN, PayloadKind.SLOT)


class TurnKey(NamedTuple):
    """One interaction of one customer."""

    customer: str
    interaction: str


class EventKey(NamedTuple):
    """One event of a turn; the same over redeliveries, so it can own the claim."""

    turn: TurnKey
    event: str


class Mark(NamedTuple):
    """An event as the status table holds it: name, time, and what little belongs to it.

    `number` is the announced service payloads of ExpectSpeech, the duration in ms of Reply or of a
    Speak with a caption, and ANEW of a Recognize by a wake word. `token` is what a Recognize
    echoes of the turn that asked, and of a speech and its reply a short hash: the same one tells
    that they belong together.
    """

    name: str
    at_ms: int
    number: int | None = None
    token: str = ""

    def __str__(self) -> str:
        number = "-" if self.number is None else str(self.number)
        tail = [number, self.token] if self.token else [] if number == "-" else [number]
        return " ".join([self.name, str(self.at_ms), *tail])

    @classmethod
    def parse(cls, text: str) -> Mark:
        """The inverse of `str`.

        Raises:
            ValueError: no mark, or one of a form that this version does not know.
        """
        name, at_ms, *rest = text.split(" ", 3)
        number = to_count(rest[0]) if rest and rest[0] != "-" else None
        return cls(name, to_count(at_ms), number, "".join(rest[1:]))


class PayloadRef(NamedTuple):
    """Where a payload lies: kind and number within its turn."""

    kind: PayloadKind
    number: str

    def __str__(self) -> str:
        return f"{self.kind}#{self.number}"

    @classmethod
    def parse(cls, text: str) -> PayloadRef:
        """The inverse of `str`.

        Raises:
            ValueError: no reference, or one to a kind of payload that this version does not know.
        """
        kind, number = text.split("#", 1)
        return cls(PayloadKind(kind), number)


class Outcome(StrEnum):
    """How a turn was settled."""

    EMBEDDED = "embedded"
    MISSED = "missed"
    DISCARDED = "discarded"
    UNKNOWN = "settled by a newer version"
    """What no store ever writes: this version found an outcome that it does not know."""


class TurnStatus(NamedTuple):
    """One item of the event-status table, from a read that may be stale.

    `unreadable` says that the item holds more: marks, references or an owner of a form that this
    version does not know. They are not shown here, and stay where they are.
    """

    turn: TurnKey
    marks: Mapping[str, Mark]
    refs: frozenset[PayloadRef]
    wrapped_key: bytes | None
    owner: str | None
    outcome: Outcome | None
    expires_at_s: int
    unreadable: bool = False

    @property
    def began_ms(self) -> float:
        """When its first event was, in ms since 1970; 0 where it has none."""
        return float(min((mark.at_ms for mark in self.marks.values()), default=0))

    def mark(self, name: str) -> Mark | None:
        """The earliest event of that name, unless it is of a later turn under the same id."""
        earliest = followed = None
        for mark in self.marks.values():
            if mark.name == name and (earliest is None or mark.at_ms < earliest.at_ms):
                earliest = mark
            elif mark.name == FOLLOW_UP and (followed is None or mark.at_ms < followed):
                followed = mark.at_ms
        later = earliest is not None and followed is not None and earliest.at_ms > followed
        return None if later else earliest

    def own_marks(self) -> list[Mark]:
        """Those that are of no later turn under the same id."""
        marks = self.marks.values()
        followed = min((m.at_ms for m in marks if m.name == FOLLOW_UP), default=None)
        if followed is None:
            return list(marks)
        spoken = spoken_ms(marks)
        return [m for m in marks if turn_ms(m, spoken) <= followed]


def spoken_ms(marks: Iterable[Mark]) -> Mapping[str, list[int]]:
    """When each speech was directed, by its token, in the order of time."""
    found: dict[str, list[int]] = {}
    for mark in marks:
        if mark.name == Speak.full_name and mark.token:
            found.setdefault(mark.token, []).append(mark.at_ms)
    return {token: sorted(instants) for token, instants in found.items()}


def turn_ms(mark: Mark, spoken: Mapping[str, list[int]]) -> int:
    """The instant that tells which of the turns under one id an event belongs to.

    Its own, but of a report that of the speech it is about: `spoken_ms` of all marks under the id.
    """
    instants = spoken.get(mark.token) if mark.name in _REPORTS else None
    if not instants:
        return mark.at_ms
    return instants[max(0, bisect_right(instants, mark.at_ms) - 1)]


class ConsistentStatus(TurnStatus):
    """The same from ReturnValues=ALL_NEW or a ConsistentRead: what decisions may stand on."""

    __slots__ = ()


class Grounds(NamedTuple):
    """What a decision about a turn stood on: its write takes effect only where all of it still is.

    A turn that was forgotten and came again has another data key, and its events only as they come
    again. `wrapped_key` is None where the decision saw none: one may have been opened since.
    """

    wrapped_key: bytes | None = None
    events: tuple[str, ...] = ()
    refs: tuple[PayloadRef, ...] = ()

    def hold(self, status: TurnStatus) -> bool:
        """Whether the item still shows them."""
        return (
            self.wrapped_key in (None, status.wrapped_key)
            and status.marks.keys() >= set(self.events)
            and status.refs.issuperset(self.refs)
        )


NO_GROUNDS: Final = Grounds()


def to_count(text: str) -> int:
    """A whole number as the tables hold it.

    Raises:
        ValueError: anything but 0 to COUNT_MAX in decimal digits.
    """
    if len(text) <= len(str(COUNT_MAX)) and text.isascii() and text.isdecimal():
        count = int(text)
        if count <= COUNT_MAX:
            return count
    raise ValueError("no whole number from 0 to COUNT_MAX")
