"""What the adapters of other protocols remember of each device between its messages.

The adapters are pure: a dialogue and a message in, a dialogue and records out. Here the dialogues
are kept, in memory and bounded; after a restart a device's next turn begins a new dialogue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from ctxasr.envelopes import Recognize, Record
from ctxasr.errors import EnvelopeError, LimitExceeded, StoreError
from ctxasr.events import ConsistentStatus, short_hash
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.erasures import CustomerErased, Erasures, bearing
from ctxasr.gateway.http.limits import MESSAGES_MAX, RECORD_S_MAX, TURNS_MAX
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.problems import Problem
from ctxasr.gateway.http.service import Service
from ctxasr.gateway.protocols import assist, wyoming
from ctxasr.gateway.protocols.dialogue import Dialogue, Sender, Step
from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes
from ctxasr.hints import NO_HINTS, Hints
from ctxasr.hypotheses import Recognition

Recordings = list[tuple[str, ConsistentStatus]]
"""The ids of the events, and the turn's status after each."""

Place = tuple[str, str]
"""Customer and device."""

S = TypeVar("S", bound=Step)


class Dialogues:
    """The dialogues of all devices that speak another protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names = count(1)

    @property
    def erasures(self) -> Erasures:
        """Of the service."""
        return self._service.erasures

    async def assist(
        self, grant: Grant, device: str, event: Mapping[str, Any]
    ) -> tuple[Step, Recordings]:
        """Record what an event of a Home Assistant Assist pipeline means.

        Raises:
            EnvelopeError, LimitExceeded: the event is wrong.
            StoreUnavailable: perhaps recorded; send it again.
        """
        return await self.take(grant, device, lambda now, by: assist.hear(now, event, by))

    async def wyoming(self, grant: Grant, device: str, body: bytes) -> bytes:
        """Take in Wyoming messages, in their order, and return the answers to them.

        An utterance's messages, from `transcribe` to `audio-stop`, come in one body.

        Raises:
            EnvelopeError, LimitExceeded: a message is wrong; those before it are taken in.
            StoreUnavailable: perhaps recorded; send it again.
            Problem: all places of the recogniser are taken.
        """
        if not body:
            raise EnvelopeError("body: is empty; give Wyoming messages")
        buffer, answers = bytearray(body), bytearray()
        conversation = Conversation(self, grant, device, TURNS_MAX)
        for number in count(1):
            if not buffer:
                break
            if number > MESSAGES_MAX:
                raise LimitExceeded("MESSAGES_MAX", MESSAGES_MAX, number, "body")
            read = read_message(buffer)
            if read is None:
                raise EnvelopeError("body: its last message is cut off")
            del buffer[: read.size_bytes]
            try:
                answer = await conversation.take(read.message)
            except CustomerErased:
                if not answers:
                    raise
                break  # what was said is told
            if answer is not None:
                answers += to_bytes(answer)
        return bytes(answers)

    async def text(
        self, opening: Record, audio: bytes, hints: Hints
    ) -> tuple[str, tuple[str, ...]]:
        """What was said, under the context that was fetched when the turn began; and notes on it.

        Raises:
            AudioError: the sound is a file that cannot be read.
            Problem: all places of the recogniser are taken.
        """
        from ctxasr.gateway.http.sound import recognise_body

        if not audio:
            return "", ("no speech: no sound came",)
        notes = [f"{hints.left_out} names and terms left out"] if hints.left_out else []

        async def recognition() -> Recognition:
            return await recognise_body(self._service.recogniser, opening.customer, audio, notes)

        heard = await self._service.hear(opening, recognition, record=False, hints=hints)
        assert heard is not None, "there is sound, if only silence"
        return heard.text, tuple(notes)

    def kept(self, place: Place) -> Dialogue | None:
        """The dialogue of a customer's device, if it has one."""
        return self._service.remembered.dialogues.get(*place)

    def keep(self, place: Place, dialogue: Dialogue) -> None:
        """Remember it. After a failure it is an earlier one: the same message leads to the same."""
        self._service.remembered.dialogues.put(*place, dialogue)

    async def take(
        self, grant: Grant, device: str, hear: Callable[[Dialogue, Sender], S]
    ) -> tuple[S, Recordings]:
        """One step of a device's dialogue, and the recording of what it led to.

        Raises:
            EnvelopeError, LimitExceeded: the message is wrong.
            StoreUnavailable: perhaps recorded; send it again.
            CustomerErased: since the message arrived.
        """
        place = (grant.customer, grant.device or device)
        before = self.kept(place) or self._fresh(place)
        step = self._step(place, before, hear)
        try:
            recorded = [
                (record.message.message.header.message_id, await self._service.record(record))
                for record in step.records
            ]
        except StoreError:
            if self.kept(place) is step.dialogue:
                self.keep(place, before)
            raise
        return step, recorded

    async def try_to_take(
        self, grant: Grant, device: str, hear: Callable[[Dialogue, Sender], S]
    ) -> S:
        """The same where nobody would send the message again: the step holds either way.

        Raises:
            EnvelopeError, LimitExceeded: the message is wrong.
        """
        place = (grant.customer, grant.device or device)
        step = self._step(place, self.kept(place) or self._fresh(place), hear)
        for record in step.records:
            try:
                async with asyncio.timeout(RECORD_S_MAX):  # it goes on behind the answer
                    await self._service.record(record)
            except (StoreError, CustomerErased, TimeoutError) as error:
                log("not recorded in time", customer=place[0], error=type(error).__name__)
        return step

    def _step(self, place: Place, before: Dialogue, hear: Callable[[Dialogue, Sender], S]) -> S:
        """Before the first wait: the next message of this device may come while this is written."""
        if self.erasures.begun_since(self.erasures.arrival(place[0])):
            raise CustomerErased
        step = hear(before, Sender(*place, round(self._service.ports.clock.now_ms())))
        self.keep(place, step.dialogue)
        return step

    def _fresh(self, place: Place) -> Dialogue:
        who = short_hash(" ".join(place))
        return Dialogue(f"{who}-{self._service.ports.process or 'door'}-{next(self._names)}")


class Conversation:
    """The Wyoming messages of one peer in their order: those of a body, or of a connection.

    It may begin `turns_max` turns; None: any number. Where it `acknowledges`, a message that could
    not be recorded is an error, and may be sent again; else the text is given all the same.
    """

    def __init__(
        self,
        dialogues: Dialogues,
        grant: Grant,
        device: str,
        turns_max: int | None = None,
        *,
        acknowledges: bool = True,
    ) -> None:
        self._grant = grant
        self._dialogues, self._acknowledges = dialogues, acknowledges
        self._device, self._turns_max = grant.device or device, turns_max
        self._audio, self._hints = bytearray(), NO_HINTS
        self._opening: Record | None = None
        self._turns = 0
        self._before: Dialogue | None = None
        self._arrived = dialogues.erasures.arrival(grant.customer)
        self._dialogue: Dialogue | None = None
        """After the last step: an utterance is told to its end though its customer is erased."""

    @property
    def listens(self) -> bool:
        """Whether an utterance has begun whose transcript is still to come."""
        return self._opening is not None

    async def take(self, message: Message) -> Message | None:
        """Take one message in; returns the answer to it, if it has one.

        Raises:
            EnvelopeError, LimitExceeded: the message is wrong; those before it are taken in.
            StoreUnavailable: perhaps recorded; send it again.
            Problem: all places of the recogniser are taken.
        """
        place = (self._grant.customer, self._device)
        if self._opening is None:
            self._before = self._dialogues.kept(place)
            self._arrived = self._dialogues.erasures.arrival(self._grant.customer)
        try:
            with bearing(self._arrived):
                return await self._take(message)
        except Problem:
            # The same messages again shall find the same question open: its token was used up by
            # the Recognize of this attempt.
            if self._before is not None and not self._is_erased:
                self._dialogues.keep(place, self._before)
            raise

    async def _take(self, message: Message) -> Message | None:
        step = await self._told(self._hear(message))
        for record in step.records:
            if isinstance(record.message.message.payload, Recognize):
                self._audio, self._opening, self._hints = bytearray(), record, step.hints
                if step.hints.left_out:
                    log("hints left out", customer=record.customer, count=step.hints.left_out)
        self._audio += step.audio
        if not step.spoken:
            return step.answer
        if self._opening is None:
            raise EnvelopeError("audio-stop: its utterance did not begin here")
        opening, self._opening = self._opening, None
        text, notes = await self._dialogues.text(opening, bytes(self._audio), self._hints)
        return (await self._told(_transcribed(text, notes), spoken=True)).answer

    @property
    def _is_erased(self) -> bool:
        return self._dialogues.erasures.begun_since(self._arrived)

    async def _told(
        self, hear: Callable[[Dialogue, Sender], wyoming.Heard], *, spoken: bool = False
    ) -> wyoming.Heard:
        if self._is_erased and (spoken or self.listens) and self._dialogue is not None:
            step = hear(self._dialogue, Sender(self._grant.customer, self._device, 0))
            step = replace(step, records=())
        elif self._acknowledges:
            step = (await self._dialogues.take(self._grant, self._device, hear))[0]
        else:
            step = await self._dialogues.try_to_take(self._grant, self._device, hear)
        self._dialogue = step.dialogue
        return step

    def _hear(self, message: Message) -> Callable[[Dialogue, Sender], wyoming.Heard]:
        def step(dialogue: Dialogue, sender: Sender) -> wyoming.Heard:
            refused = self._dialogue is not None and self._dialogue.refused
            if message.type == "audio-start" and not self.listens and not refused:
                dialogue = wyoming.afresh(dialogue)
            heard = wyoming.hear(dialogue, message, sender)
            began = self._turns + (heard.dialogue.turns > dialogue.turns)
            if self._turns_max is not None and began > self._turns_max:
                raise LimitExceeded("TURNS_MAX", self._turns_max, began, "body")
            self._turns = began
            return heard

        return step


def _transcribed(text: str, notes: tuple[str, ...]) -> Callable[[Dialogue, Sender], wyoming.Heard]:
    return lambda dialogue, sender: wyoming.transcribed(dialogue, text, sender, notes)
