"""Turns of a handful of events, small enough that every interleaving of their recorders can be run.

    asks       entities, utterance, reply, expect-speech; the trigger waits for all of them
    races      a payload that nobody announced comes beside the trigger: two may want to claim
    fails      the same, and the context encoder fails: the turn is missed, and shredded
    discards   the request is completed and nobody expects an answer
    mixed      expect-speech and the end of the request race
    swept      a sweep comes between
    forgotten  the customer is forgotten between

The last events of a turn are recorded at the same time, those before them one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctxasr.errors import InputError
from ctxasr.events import Outcome, Record, TurnKey
from ctxasr.sim.plans.plan import START_MS

TURN: Final = TurnKey("customer", "turn")
TOKEN: Final = "asked"  # noqa: S105 -- names the turn that asked
REPLY_MS: Final = 4_000
TTL_S: Final = 3_600
SWEEPER: Final = "sweep"
"""One who is no event: it is not redelivered, another one will come."""
FORGETTER: Final = "forget"
"""The other one; only where it is answered has it forgotten."""
HELPERS: Final = frozenset({SWEEPER, FORGETTER})

_MESSAGES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "utterance": ("ContextText.Utterance", {"text": "call meg"}),
    "reply": ("ContextText.Reply", {"text": "Which Meg?", "durationInMilliseconds": REPLY_MS}),
    "entities": ("ContextText.Entities", {"kind": "contact", "values": ["Meg Jones"]}),
    "expect": (
        "SpeechRecognizer.ExpectSpeech",
        {
            "timeoutInMilliseconds": 8_000,
            "initiator": {"type": "FOLLOW_UP", "payload": {"token": TOKEN}},
        },
    ),
    "completed": ("InteractionModel.RequestProcessingCompleted", {}),
}


@dataclass(frozen=True, slots=True)
class SmallTurn:
    """A turn to explore.

    `events` in their usual order; `needed` are those that satisfy its trigger together, empty if
    nothing does; `outcomes` are those that it may have without any fault. One that is forgotten may
    also have none (what came before is gone, and the sweep closes what came after), and is embedded
    where the forget died.
    """

    name: str
    events: tuple[str, ...]
    needed: frozenset[str]
    outcomes: frozenset[Outcome]
    announced: int = 0
    encoder_fails: bool = False
    is_swept: bool = False
    is_forgotten: bool = False

    @property
    def helpers(self) -> tuple[str, ...]:
        """Who comes between and is no event."""
        return (SWEEPER,) * self.is_swept + (FORGETTER,) * self.is_forgotten

    def record(self, event: str) -> Record:
        """The event as it is delivered, the same at each delivery."""
        full_name, payload = _MESSAGES[event]
        namespace, name = full_name.split(".")
        header = {
            "namespace": namespace, "name": name, "messageId": event,
            "dialogRequestId": TURN.interaction,
        }  # fmt: skip
        return Record.model_validate(
            {
                "customer": TURN.customer,
                "received_at": START_MS + self.events.index(event),
                "message": {"directive": {"header": header, "payload": payload}},
                "service_payloads": self.announced if event == "expect" else 0,
            }
        )

    def split(self, recorders: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Events that are recorded before, and those that `recorders` processes record at once.

        The helpers are some of the recorders.

        Raises:
            InputError: the turn has fewer events, or there is no recorder.
        """
        helpers = len(self.helpers)
        at_once = recorders - helpers
        if not 1 <= at_once <= len(self.events):
            raise InputError(
                f"turn {self.name!r} can have {1 + helpers} to {len(self.events) + helpers} "
                f"recorders, not {recorders}"
            )
        before = len(self.events) - at_once
        return self.events[:before], self.events[before:]


_ASKING: Final = frozenset({"utterance", "reply", "expect"})
_RACING: Final = ("utterance", "reply", "expect", "entities")
EMBEDDED, MISSED, DISCARDED = Outcome.EMBEDDED, Outcome.MISSED, Outcome.DISCARDED

SMALL_TURNS: Final = {
    turn.name: turn
    for turn in (
        SmallTurn(
            "asks",
            ("entities", "utterance", "reply", "expect"),
            _ASKING | {"entities"},
            frozenset({EMBEDDED}),
            announced=1,
        ),
        SmallTurn("races", _RACING, _ASKING, frozenset({EMBEDDED})),
        SmallTurn("fails", _RACING, _ASKING, frozenset({MISSED}), encoder_fails=True),
        SmallTurn("discards", ("utterance", "reply", "completed"), frozenset(),
                  frozenset({DISCARDED})),
        SmallTurn("mixed", ("utterance", "reply", "expect", "completed"), _ASKING,
                  frozenset({EMBEDDED, DISCARDED})),
        SmallTurn("swept", ("utterance", "reply", "expect"), _ASKING,
                  frozenset({EMBEDDED, MISSED, DISCARDED}), is_swept=True),
        SmallTurn("forgotten", ("utterance", "expect", "completed", "reply"), _ASKING,
                  frozenset({EMBEDDED, DISCARDED}), is_forgotten=True),
    )
}  # fmt: skip
