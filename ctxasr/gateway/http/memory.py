"""What one process remembers of its customers between requests; each can be forgotten.

    speech       a Speak's token      -> its turn: AVS clients name no turn when they play a reply
    listenings   an interaction       -> the context that is fetched while its customer speaks
    dialogues    a device             -> where its dialogue stands, for protocols without turns

Each memory is bounded as a whole and for each customer, so that nobody fills it for all; what was
kept longest goes first. No text is in any, but in a context, and that goes by itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ctxasr.answer import Listening
from ctxasr.events import Event, short_hash
from ctxasr.gateway.http import limits
from ctxasr.gateway.protocols.dialogue import Dialogue

T = TypeVar("T")


class Memory(Generic[T]):
    """(customer, name) -> value; at most `whole_max`, and `share_max` of one customer."""

    def __init__(
        self, whole_max: int, share_max: int, let_go: Callable[[T], Any] = lambda _: None
    ) -> None:
        """`let_go` is told of every value that is dropped, replaced ones included."""
        self._whole_max, self._share_max, self._let_go = whole_max, share_max, let_go
        self._kept: OrderedDict[tuple[str, str], T] = OrderedDict()
        self._names: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, customer: str, name: str) -> T | None:
        """What is kept there."""
        return self._kept.get((customer, name))

    def put(self, customer: str, name: str, value: T) -> None:
        """Keep it, as the newest; what no longer fits is let go."""
        self.drop(customer, name)
        self._kept[customer, name] = value
        names = self._names.setdefault(customer, OrderedDict())
        names[name] = None
        if len(names) > self._share_max:
            self.drop(customer, next(iter(names)))
        if len(self._kept) > self._whole_max:
            self.drop(*next(iter(self._kept)))

    def take(self, customer: str, name: str) -> T | None:
        """What is kept there; from now on it is the caller's."""
        found = self._kept.pop((customer, name), None)
        if found is not None:
            names = self._names[customer]
            del names[name]
            if not names:
                del self._names[customer]
        return found

    def drop(self, customer: str, name: str) -> None:
        """Let go of what is kept there, if anything is."""
        found = self.take(customer, name)
        if found is not None:
            self._let_go(found)

    def forget(self, customer: str) -> None:
        """Let go of all that is kept of a customer."""
        for name in list(self._names.get(customer, ())):
            self.drop(customer, name)


@dataclass(frozen=True, slots=True)
class Early:
    """A context that is being fetched for the token `initiator`, and the end of its time."""

    initiator: str
    task: asyncio.Task[Listening]
    timer: asyncio.TimerHandle

    def end(self) -> None:
        """Stop fetching."""
        self.timer.cancel()
        self.task.cancel()


class Remembered:
    """The three memories of one process."""

    def __init__(self) -> None:
        self._speech: Memory[str] = Memory(
            limits.SPEECH_TOKENS_MAX, limits.SPEECH_TOKENS_OF_ONE_MAX
        )
        self.listenings: Memory[Early] = Memory(
            limits.LISTENINGS_MAX, limits.LISTENINGS_OF_ONE_MAX, Early.end
        )
        self.dialogues: Memory[Dialogue] = Memory(limits.DIALOGUES_MAX, limits.DIALOGUES_OF_ONE_MAX)

    def spoke(self, customer: str, token: str, interaction: str) -> None:
        """The reply with this token, of any length, is that of the turn."""
        self._speech.put(customer, short_hash(token), interaction)

    def turn_of(self, customer: str, token: str) -> str | None:
        """The turn whose reply has the token."""
        return self._speech.get(customer, short_hash(token))

    def listen(self, event: Event, start: Callable[[], asyncio.Task[Listening]]) -> None:
        """Keep what `start` fetches for `event`, a Recognize, unless that is under way already."""
        turn = event.key.turn
        kept = self.listenings.get(turn.customer, turn.interaction)
        if event.initiator is None or (kept is not None and kept.initiator == event.initiator):
            return
        timer = asyncio.get_running_loop().call_later(
            limits.LISTENING_S_MAX, self.listenings.drop, turn.customer, turn.interaction
        )
        early = Early(event.initiator, start(), timer)
        self.listenings.put(turn.customer, turn.interaction, early)

    def listening(self, event: Event) -> asyncio.Task[Listening] | None:
        """What was begun for the turn of `event`, unless that was for another token."""
        turn = event.key.turn
        kept = self.listenings.take(turn.customer, turn.interaction)
        if kept is None:
            return None
        if event.initiator not in (None, kept.initiator):
            kept.end()
            return None
        kept.timer.cancel()
        return kept.task

    def forget(self, customer: str) -> None:
        """Nothing of this customer is remembered any more."""
        for memory in (self._speech, self.listenings, self.dialogues):
            memory.forget(customer)
