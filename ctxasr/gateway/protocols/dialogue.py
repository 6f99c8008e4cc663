"""The turns of one device, told as the records that AVS clients send.

Other protocols know runs, conversations and messages; ctxasr knows turns, linked by tokens. What
an adapter reads from its protocol it tells here, and out come records:

    begin       a new turn                              (no record)
    hear        the microphone is open                  SpeechRecognizer.Recognize
    utter       what the customer said                  ContextText.Utterance
    reply       what the assistant says, and whether    ContextText.Reply
                it waits for an answer                  SpeechRecognizer.ExpectSpeech
    play        the reply is heard, or was              SpeechSynthesizer.SpeechStarted, Finished
    complete    nothing more comes                      InteractionModel.RequestProcessingCompleted

A reply that asks leaves a token, made of the conversation's id and the turn's. The next `hear`
hands it back if it belongs to that conversation, comes in time, and no wake word was said before
it: then the utterance is taken for the answer.

Ids come from the dialogue's name and its count of turns, so the same messages give the same
records. Customer, device and time come from the transport, never from a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from ctxasr.documents import describe
from ctxasr.envelopes import (
    Body,
    ExpectSpeech,
    Recognize,
    Record,
    Reply,
    RequestProcessingCompleted,
    SpeechFinished,
    SpeechStarted,
    Utterance,
)
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.events import TEXT_BYTES_MAX, short_hash
from ctxasr.timing import spoken_ms

ANSWER_MS: Final = 8_000
"""How long the microphone stays open for an answer; the usual `timeoutInMilliseconds` of AVS."""

DIALOGUE_NAME_CHARS_MAX: Final = 200
"""A dialogue's name; turn number and message name come behind it, and an id may have 256."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_FROM_DEVICE: Final = (Recognize, SpeechStarted, SpeechFinished)
"""What a device would send as events; the rest are directives."""


class Ignored(StrEnum):
    """Why a message led to nothing."""

    UNKNOWN = "its type is not known here"
    UNUSED = "it says nothing about the turn"
    NO_TURN = "no turn is open"
    REPEATED = "the turn has that already"
    EMPTY = "its text is empty"
    REFUSED = "its utterance was refused"


@dataclass(frozen=True, slots=True)
class Sender:
    """What the authenticated transport knows; `received_at` in milliseconds since 1970."""

    customer: str
    device: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn under way: its interaction's id, and what was told of it."""

    interaction: str
    conversation: str = ""
    told: frozenset[str] = frozenset()
    audio_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply that asks leaves behind, until `until_ms` (milliseconds since 1970)."""

    token: str
    conversation: str
    until_ms: int

    def answered_by(self, turn: Turn, at_ms: float) -> bool:
        """Whether a turn whose microphone opens at `at_ms` is the answer.

        Where one of the two names no conversation, time alone tells.
        """
        same = "" in (turn.conversation, self.conversation)
        same = same or turn.conversation == self.conversation
        return same and at_ms <= self.until_ms


@dataclass(frozen=True, slots=True)
class Dialogue:
    """All that is kept of one device between messages; no text is.

    `name` must not be used twice, not even after a restart: the interactions are named after it.
    While `refused`, the sound of an utterance that was refused may still come.

    Raises:
        EnvelopeError: the name holds other than letters, digits and ``_.:-``, or is empty.
        LimitExceeded: the name is longer than DIALOGUE_NAME_CHARS_MAX.
    """

    name: str
    turns: int = 0
    turn: Turn | None = None
    asked: Asked | None = None
    refused: bool = False

    def __post_init__(self) -> None:
        if len(self.name) > DIALOGUE_NAME_CHARS_MAX:
            limit = DIALOGUE_NAME_CHARS_MAX
            raise LimitExceeded("DIALOGUE_NAME_CHARS_MAX", limit, len(self.name))
        if not _NAME.fullmatch(self.name):
            raise EnvelopeError("dialogue.name: must be letters, digits and _.:- only")


@dataclass(frozen=True, slots=True)
class Step:
    """What one message led to: the dialogue after it, and records for `on_event`, in order."""

    dialogue: Dialogue
    records: tuple[Record, ...] = ()
    ignored: Ignored | None = None

    def __repr__(self) -> str:
        return f"Step({len(self.records)} records, ignored={self.ignored!s})"


class Telling:
    """Tells one message: the dialogue as it becomes, and the records so far.

    Each method returns None, or why it told nothing.
    """

    def __init__(self, dialogue: Dialogue, sender: Sender) -> None:
        self.dialogue, self._sender = dialogue, sender
        self._records: list[Record] = []

    def step(self, ignored: Ignored | None = None) -> Step:
        """The end of the message. One that led to any record was not ignored."""
        return Step(self.dialogue, tuple(self._records), None if self._records else ignored)

    def begin(self, conversation: str = "") -> None:
        """A new turn; the one before it is left as it is, for the sweep if it never ended."""
        number = self.dialogue.turns + 1
        turn = Turn(f"{self.dialogue.name}-{number}", conversation)
        self.dialogue = replace(self.dialogue, turns=number, turn=turn)

    def wake(self) -> None:
        """A wake word: what comes next is no answer."""
        self.dialogue = replace(self.dialogue, asked=None)

    def hear(self) -> Ignored | None:
        """The microphone is open, perhaps for the answer to what was asked."""
        turn, asked = self.dialogue.turn, self.dialogue.asked
        if refused := self._refuses(Recognize):
            return refused
        assert turn is not None, "else refused"
        initiator = None
        if asked is not None and asked.answered_by(turn, self._sender.received_at):
            initiator = {"type": "FOLLOW_UP", "payload": {"token": asked.token}}
        self.dialogue = replace(self.dialogue, asked=None)
        self._tell(Recognize, {} if initiator is None else {"initiator": initiator})
        return None

    def utter(self, text: str, field: str) -> Ignored | None:
        """What the customer said; `field` names the text's place in the message."""
        if refused := self._refuses(Utterance, text, field):
            return refused
        self._tell(Utterance, {"text": text})
        return None

    def reply(self, text: str, field: str, *, asks: bool, conversation: str = "") -> Ignored | None:
        """What the assistant says, and whether the microphone will re-open after it."""
        turn = self.dialogue.turn
        refused = self._refuses(Reply, text, field)
        # Voices differ in pace: the reply may take twice the estimate before the answer begins.
        until_ms = self._sender.received_at + round(2 * spoken_ms(text)) + ANSWER_MS
        if refused is None:
            self._tell(Reply, {"text": text})
            if self.dialogue.asked is not None:  # the question was told before its text
                asked = replace(self.dialogue.asked, until_ms=until_ms)
                self.dialogue = replace(self.dialogue, asked=asked)
        if not asks or turn is None or self._refuses(ExpectSpeech):
            return refused
        conversation = conversation or turn.conversation
        token = short_hash(f"{conversation} {turn.interaction}")
        initiator = {"type": "FOLLOW_UP", "payload": {"token": token}}
        self._tell(ExpectSpeech, {"timeoutInMilliseconds": ANSWER_MS, "initiator": initiator})
        self.dialogue = replace(self.dialogue, asked=Asked(token, conversation, until_ms))
        return None

    def play(self, moment: type[SpeechStarted] | type[SpeechFinished]) -> Ignored | None:
        """The reply is being played from now on, or was played to its end."""
        turn = self.dialogue.turn
        if refused := self._refuses(moment):
            return refused
        assert turn is not None, "else refused"
        self._tell(moment, {"token": f"{turn.interaction}-reply"})
        return None

    def complete(self) -> Ignored | None:
        """Nothing more comes of this turn, but that its reply was played."""
        if refused := self._refuses(RequestProcessingCompleted):
            return refused
        self._tell(RequestProcessingCompleted, {})
        return None

    def told(self, body: type[Body]) -> bool:
        """Whether the turn under way has that already."""
        return self.dialogue.turn is not None and body.full_name in self.dialogue.turn.told

    def _refuses(
        self, body: type[Body], text: str | None = None, field: str = ""
    ) -> Ignored | None:
        if text is not None:
            try:
                size = len(text.encode())
            except UnicodeEncodeError:  # `json` reads such a text, and no store could take it
                raise EnvelopeError(f"{field}: holds half of a surrogate pair") from None
            if size > TEXT_BYTES_MAX:
                raise LimitExceeded("TEXT_BYTES_MAX", TEXT_BYTES_MAX, size, field)
        if self.dialogue.turn is None:
            return Ignored.NO_TURN
        if self.told(body):
            return Ignored.REPEATED
        return Ignored.EMPTY if text is not None and not text.strip() else None

    def _tell(self, body: type[Body], payload: dict[str, Any]) -> None:
        turn = self.dialogue.turn
        assert turn is not None, "whoever tells has asked _refuses"
        namespace, name = body.full_name.split(".")
        header = {
            "namespace": namespace,
            "name": name,
            "messageId": f"{turn.interaction}-{name}",
            "dialogRequestId": turn.interaction,
        }
        form = "event" if body in _FROM_DEVICE else "directive"
        given = {
            "customer": self._sender.customer,
            "device": self._sender.device,
            "received_at": self._sender.received_at,
            "message": {form: {"header": header, "payload": payload}},
        }
        try:
            self._records.append(Record.model_validate(given))
        except ValidationError as error:  # the sender's own fields
            raise EnvelopeError(describe(error)) from None
        turn = replace(turn, told=turn.told | {body.full_name})
        self.dialogue = replace(self.dialogue, turn=turn)
