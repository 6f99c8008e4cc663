"""The messages of simulated dialogues: validated once, then copied for every customer.

An event is named by its place, `d0t1.reply` for dialogue 0, turn 1. All texts begin with MARK, so
that a text which stands where it must not is found by looking for MARK.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from ctxasr.events import Envelope, PayloadKind, Record, speech_of
from ctxasr.sim.plans.plan import START_MS

MARK: Final = "zq"
"""No identifier holds it."""

TURN_EVENTS: Final = (
    "recognize", "utterance", "entities", "screen", "speak", "reply", "expect", "started",
    "finished", "interrupted", "completed",
)  # fmt: skip
"""What may happen in a turn, in the usual order."""

MOMENT_EVENTS: Final = ("moment", "moment_reply", "moment_started", "moment_finished")
"""A speech before the reply, between utterance and speak: "One moment."."""

ANSWER: Final = "answer"
"""A line of a plan that is no event of the tables: the customer speaks, and a text comes of it."""

SWEEP: Final = "sweep"
"""Another one: the customer's turns are looked at."""

FORGET: Final = "forget"
"""And another: the customer is erased, by a process that need not be one of those that record."""

_NAMES: Final = {
    "recognize": "SpeechRecognizer.Recognize",
    "utterance": "ContextText.Utterance",
    "entities": "ContextText.Entities",
    "screen": "ContextText.ScreenList",
    "moment": "SpeechSynthesizer.Speak",
    "moment_reply": "ContextText.Reply",
    "moment_started": "SpeechSynthesizer.SpeechStarted",
    "moment_finished": "SpeechSynthesizer.SpeechFinished",
    "speak": "SpeechSynthesizer.Speak",
    "reply": "ContextText.Reply",
    "expect": "SpeechRecognizer.ExpectSpeech",
    "started": "SpeechSynthesizer.SpeechStarted",
    "finished": "SpeechSynthesizer.SpeechFinished",
    "interrupted": "SpeechSynthesizer.SpeechInterrupted",
    "completed": "InteractionModel.RequestProcessingCompleted",
}
_FROM_CLIENT: Final = {
    "recognize", "moment_started", "moment_finished", "started", "finished", "interrupted",
}  # fmt: skip
_WITH_NUMBER: Final = ("expect", "reply", "moment_reply")


TEMPLATES_MAX: Final = 4_096
"""Messages that are kept: 3 kB each, and 30 microseconds to make."""


class Template(NamedTuple):
    """One event without its customer and time, and what the tables must make of it.

    `number` is what its mark holds, `kind` and `texts` its payload.
    """

    event: str
    name: str
    interaction: str
    message: Envelope
    announced: int
    number: int | None
    token: str
    kind: PayloadKind | None
    texts: tuple[str, ...]


class Place(NamedTuple):
    """Where an event stands: `d0t1.reply`."""

    dialogue: int
    turn: int
    what: str

    @property
    def interaction(self) -> str:
        return f"d{self.dialogue}t{self.turn}"


@cache
def place_of(event: str) -> Place:
    """Parse the name of an event.

    Raises:
        ValueError: it is none.
    """
    interaction, _, what = event.partition(".")
    dialogue, _, turn = interaction[1:].partition("t")
    if what not in (*TURN_EVENTS, *MOMENT_EVENTS, ANSWER):
        raise ValueError(f"{event!r} is no event; d0t1.reply is one")
    return Place(int(dialogue), int(turn), what)


def token_of_turn(dialogue: int, turn: int) -> str:
    """What the turn's ExpectSpeech hands out and the next turn's Recognize echoes."""
    return f"ask-d{dialogue}t{turn}"


def names_of(dialogue: int, turn: int) -> tuple[str, str]:
    """What the service of a turn has on offer; the customer wants the second."""
    return f"{MARK}d{dialogue}t{turn}a", f"{MARK}d{dialogue}t{turn}b"


@lru_cache(TEMPLATES_MAX)
def template(event: str, number: int) -> Template:
    """The message of an event; `number` as in `Delivery`."""
    dialogue, turn, what = place = place_of(event)
    said = f"{MARK}{place.interaction}"
    echoed = number if what == "recognize" and number else turn - 1
    before = token_of_turn(dialogue, echoed) if echoed else ""
    follow_up = {"type": "FOLLOW_UP", "payload": {"token": before} if before else {}}
    asking = {"type": "FOLLOW_UP", "payload": {"token": token_of_turn(dialogue, turn)}}
    speech = {"token": f"speech-{place.interaction}"}
    moment = {"token": f"moment-{place.interaction}"}
    names = names_of(dialogue, turn)
    payload: dict[str, dict[str, Any]] = {
        "recognize": {"initiator": follow_up},
        "utterance": {"text": f"{said}u"},
        "entities": {"kind": "contact", "values": list(names)},
        "screen": {"items": [f"{said}c"]},
        "moment": {"url": "cid:1", "format": "AUDIO_MPEG", **moment},
        "moment_reply": {"text": f"{said}m", "durationInMilliseconds": number, **moment},
        "moment_started": moment, "moment_finished": moment,
        "speak": {"url": "cid:1", "format": "AUDIO_MPEG", **speech},
        "reply": {"text": f"{said}r", "durationInMilliseconds": number},
        "expect": {"timeoutInMilliseconds": 8_000, "initiator": asking},
        "started": speech, "finished": speech, "interrupted": speech, "completed": {},
    }  # fmt: skip
    namespace, name = _NAMES[what].split(".")
    header = {
        "namespace": namespace, "name": name, "messageId": event,
        "dialogRequestId": place.interaction,
    }  # fmt: skip
    side = "event" if what in _FROM_CLIENT else "directive"
    message = {side: {"header": header, "payload": payload[what]}}
    kinds = {
        "utterance": (PayloadKind.UTTERANCE, (f"{said}u",)),
        "entities": (PayloadKind.ENTITIES, names),
        "screen": (PayloadKind.SCREEN, (f"{said}c",)),
        "reply": (PayloadKind.REPLY, (f"{said}r",)),
        "moment_reply": (PayloadKind.REPLY, (f"{said}m",)),
    }
    kind, texts = kinds.get(what, (None, ()))
    return Template(
        event,
        _NAMES[what],
        place.interaction,
        Envelope.model_validate(message),
        number if what == "expect" else 0,
        number if what in _WITH_NUMBER else None,
        before if what == "recognize" else speech_of(payload[what].get("token")),
        kind,
        texts,
    )


_SET: Final = set(Record.model_fields)


def record_of(one: Template, customer: str, at_ms: float) -> Record:
    """The record that the transport hands over, `at_ms` after the start.

    Made as `model_construct` does, without its search for defaults, which takes six times as long.
    """
    record = Record.__new__(Record)
    fields = {
        "customer": customer,
        "device": "device",
        "received_at": START_MS + int(at_ms),
        "message": one.message,
        "interaction": None,
        "service_payloads": one.announced,
    }
    object.__setattr__(record, "__dict__", fields)
    object.__setattr__(record, "__pydantic_fields_set__", _SET)
    object.__setattr__(record, "__pydantic_extra__", None)
    object.__setattr__(record, "__pydantic_private__", None)
    return record
