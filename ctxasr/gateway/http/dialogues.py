"""What the adapters of other protocols remember of each device between its messages.

The adapters are pure: a dialogue and a message in, a dialogue and records out. Here the dialogues
are kept, in memory and bounded; after a restart a device's next turn begins a new dialogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar

from ctxasr.envelopes import Recognize, Record
from ctxasr.errors import EnvelopeError, LimitExceeded, StoreError
from ctxasr.events import ConsistentStatus, short_hash
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.limits import MESSAGES_MAX, TURNS_MAX
from ctxasr.gateway.http.problems import Problem
from ctxasr.gateway.http.service import Service
from ctxasr.gateway.protocols import assist, wyoming
from ctxasr.gateway.protocols.dialogue import Dialogue, Sender, Step
from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes
from ctxasr.hypotheses import Recognition

Recordings = list[tuple[str, ConsistentStatus]]
"""The ids of the events, and the turn's status after each."""


S = TypeVar("S", bound=Step)


class Dialogues:
    """The dialogues of all devices that speak another protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names = count(1)

    async def assist(
        self, grant: Grant, device: str, event: Mapping[str, Any]
    ) -> tuple[Step, Recordings]:
        """Record what an event of a Home Assistant Assist pipeline means.

        Raises:
            EnvelopeError, LimitExceeded: the event is wrong.
            StoreUnavailable: perhaps recorded; send it again.
        """
        return await self._take(grant, device, lambda now, by: assist.hear(now, event, by))

    async def wyoming(self, grant: Grant, device: str, body: bytes) -> bytes:
        """Take in Wyoming messages, in their order, and return the answers to them.

        An utterance's messages, from `transcribe` to `audio-stop`, come in one body.

        Raises:
            EnvelopeError, LimitExceeded: a message is wrong; those before it are taken in.
            StoreUnavailable: perhaps recorded; send it again.
            Problem: all places of the recogniser are taken.
        """
        kept, place = self._service.remembered.dialogues, (grant.customer, grant.device or device)
        before = kept.get(*place)
        try:
            return await self._wyoming(grant, device, body)
        except Problem:
            # The same body again shall find the same question open: its token was used up by the
            # Recognize of this attempt.
            if before is not None:
                kept.put(*place, before)
            raise

    async def _wyoming(self, grant: Grant, device: str, body: bytes) -> bytes:
        if not body:
            raise EnvelopeError("body: is empty; give Wyoming messages")
        buffer, answers = bytearray(body), bytearray()
        audio, opening = bytearray(), None
        for number in count(1):
            if not buffer:
                return bytes(answers)
            if number > MESSAGES_MAX:
                raise LimitExceeded("MESSAGES_MAX", MESSAGES_MAX, number, "body")
            read = read_message(buffer)
            if read is None:
                raise EnvelopeError("body: its last message is cut off")
            del buffer[: read.size_bytes]
            step, _ = await self._take(grant, device, _hear(read.message, opening is None))
            for record in step.records:
                if isinstance(record.message.message.payload, Recognize):
                    audio, opening = bytearray(), record
            audio += step.audio
            answer = step.answer
            if step.spoken:
                if opening is None:
                    raise EnvelopeError("audio-stop: its utterance did not begin in this body")
                text = await self._text(opening, bytes(audio))
                told, _ = await self._take(grant, device, _transcribed(text))
                answer = told.answer
            if answer is not None:
                answers += to_bytes(answer)
        raise AssertionError("count() does not end")

    async def _text(self, opening: Record, audio: bytes) -> str:
        """What was said, under the context that was fetched when the turn began."""
        from ctxasr.gateway.http.sound import from_pcm

        async def recognition() -> Recognition:
            return await self._service.recogniser.recognise(
                opening.customer, lambda: from_pcm(audio)
            )

        heard = await self._service.hear(opening, recognition, record=False)
        assert heard is not None, "there is sound, if only silence"
        return heard.text

    async def _take(
        self, grant: Grant, device: str, hear: Callable[[Dialogue, Sender], S]
    ) -> tuple[S, Recordings]:
        device, kept = grant.device or device, self._service.remembered.dialogues
        place = (grant.customer, device)
        before = kept.get(*place) or self._fresh(place)
        now_ms = round(self._service.ports.clock.now_ms())
        step = hear(before, Sender(grant.customer, device, now_ms))
        # Before the first wait: the next message of this device may come while this one is written.
        kept.put(*place, step.dialogue)
        try:
            recorded = [
                (record.message.message.header.message_id, await self._service.record(record))
                for record in step.records
            ]
        except StoreError:
            if kept.get(*place) is step.dialogue:
                kept.put(*place, before)  # so that the same message leads to the same records
            raise
        return step, recorded

    def _fresh(self, place: tuple[str, str]) -> Dialogue:
        who = short_hash(" ".join(place))
        return Dialogue(f"{who}-{self._service.ports.process or 'door'}-{next(self._names)}")


def _hear(message: Message, first: bool) -> Callable[[Dialogue, Sender], wyoming.Heard]:
    """The adapter's step; `first`: no turn has begun in this body yet."""

    def step(dialogue: Dialogue, sender: Sender) -> wyoming.Heard:
        heard = wyoming.hear(dialogue, message, sender)
        if heard.dialogue.turns > dialogue.turns and not first:
            raise LimitExceeded("TURNS_MAX", TURNS_MAX, TURNS_MAX + 1, "body")
        return heard

    return step


def _transcribed(text: str) -> Callable[[Dialogue, Sender], wyoming.Heard]:
    return lambda dialogue, sender: wyoming.transcribed(dialogue, text, sender)
