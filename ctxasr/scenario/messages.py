"""The messages of a scenario's turns: genuine envelopes in the transport's outer record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ctxasr.envelopes import Value
from ctxasr.events import (
    Body,
    ElicitSlot,
    Entities,
    Envelope,
    ExpectSpeech,
    Header,
    Initiator,
    InitiatorPayload,
    Message,
    Recognize,
    Record,
    Reply,
    RequestProcessingCompleted,
    ScreenList,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    TurnKey,
    Utterance,
)
from ctxasr.scenario.model import Scenario, Turn
from ctxasr.scenario.values import Delivery

EXPECT_SPEECH_TIMEOUT_MS: Final = 8_000
"""What Alexa devices are told to wait for an answer."""

AUDIO_FORMAT: Final = "AUDIO_L16_RATE_16000_CHANNELS_1"
"""16 kHz, 16 bits, mono: what the recogniser takes."""

_FROM_CLIENT: Final = (Recognize, SpeechStarted, SpeechFinished, SpeechInterrupted)


@dataclass(frozen=True, slots=True)
class TurnMessages:
    """Builds the records of one turn. `asked_with` is the token of the turn before, if it asked."""

    scenario: Scenario
    index: int
    customer: str
    asked_with: str | None

    @property
    def key(self) -> TurnKey:
        return TurnKey(self.customer, f"{self.scenario.name}-{self.index + 1}")

    @property
    def token(self) -> str:
        """What this turn's expect-speech hands to the client."""
        return f"ask-{self.key.interaction}"

    @property
    def turn(self) -> Turn:
        return self.scenario.turns[self.index]

    def record(self, delivery: Delivery, at_ms: float, heard: str) -> Record:
        """The record of one arrival; `heard` is the text that the recogniser settled on."""
        announced = self.turn.announced if delivery.event == "expect_speech" else 0
        name = f"{delivery.event}-{delivery.number}"
        return self._record(self._body(delivery, heard), name, at_ms, announced)

    def reply_ended(self, at_ms: float, *, interrupted: bool) -> Record:
        body: Body = (
            SpeechInterrupted(token=self._speech_token)
            if interrupted
            else SpeechFinished(token=self._speech_token)
        )
        return self._record(body, "speech_ended", at_ms, 0)

    @property
    def _speech_token(self) -> str:
        return f"speech-{self.key.interaction}"

    def _moment_token(self, number: int) -> str:
        return f"moment-{number}-{self.key.interaction}"

    def _body(self, delivery: Delivery, heard: str) -> Body:
        turn = self.turn
        match delivery.event:
            case "recognize":
                return Recognize(
                    profile="NEAR_FIELD", format=AUDIO_FORMAT, initiator=self._initiator()
                )
            case "utterance":
                return Utterance(text=heard)
            case "entities":
                offered = turn.entities[delivery.number - 1]
                values = [
                    Value(id=one.id, text=one.text) if one.id else one.text
                    for one in offered.entities
                ]
                return Entities(kind=offered.kind, values=tuple(values))
            case "moment" | "moment_reply" | "moment_started" | "moment_finished":
                return self._moment(delivery)
            case "screen":
                return ScreenList(items=turn.screen)
            case "slot":
                assert turn.elicit_slot is not None, "delivered only where there is one"
                return ElicitSlot(slot_to_elicit=turn.elicit_slot)
            case "speak":
                return Speak(
                    url=f"cid:{self._speech_token}", format="AUDIO_MPEG", token=self._speech_token
                )
            case "reply":
                assert turn.reply is not None, "delivered only where there is one"
                return Reply(text=turn.reply.text, duration_in_milliseconds=round(turn.reply_ms))
            case "expect_speech":
                initiator = Initiator(type="FOLLOW_UP", payload=InitiatorPayload(token=self.token))
                return ExpectSpeech(
                    timeout_in_milliseconds=EXPECT_SPEECH_TIMEOUT_MS, initiator=initiator
                )
            case "speech_started":
                return SpeechStarted(token=self._speech_token)
            case "completed":
                return RequestProcessingCompleted()

    def _moment(self, delivery: Delivery) -> Body:
        """Of a speech before the reply."""
        said, token = self.turn.moments[delivery.number - 1], self._moment_token(delivery.number)
        match delivery.event:
            case "moment":
                return Speak(url=f"cid:{token}", format="AUDIO_MPEG", token=token)
            case "moment_reply":
                plays_ms = round(said.plays_ms)
                return Reply(text=said.text, duration_in_milliseconds=plays_ms, token=token)
            case "moment_started":
                return SpeechStarted(token=token)
            case _:
                return SpeechFinished(token=token)

    def _initiator(self) -> Initiator:
        if self.asked_with is None:
            return Initiator(type="WAKEWORD")
        return Initiator(type="FOLLOW_UP", payload=InitiatorPayload(token=self.asked_with))

    def _record(self, body: Body, name: str, at_ms: float, announced: int) -> Record:
        namespace, _, short = body.full_name.rpartition(".")
        header = Header(
            namespace=namespace,
            name=short,
            message_id=f"{self.key.interaction}-{name}",
            dialog_request_id=self.key.interaction,
        )
        message: dict[str, Any] = {
            "event" if isinstance(body, _FROM_CLIENT) else "directive": Message(
                header=header, payload=body
            )
        }
        return Record(
            customer=self.customer,
            received_at=round(at_ms),
            message=Envelope(**message),
            service_payloads=announced,
        )
