"""The pipeline for many customers: records, hears, sweeps, and ends in order.

An utterance, from any side:

    opening (Recognize) --record--------------------------------> recorded?
            \\--listen--> context --\\
    sound ----recognise-------------rescore--> text --record----> recorded?

Where another recogniser listens, its Recognize comes first as a record: its context is fetched
then, and waits here for the hypotheses.

The text is given whatever the store does: a store or a KMS that fails costs the context, never the
recogniser's own text. `recorded` then says that the events are not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, TypeVar

from ctxasr.answer import (
    ContextState,
    Listening,
    UtteranceResult,
    listen,
    on_utterance,
    with_hints,
)
from ctxasr.envelopes import (
    Envelope,
    Recognize,
    Record,
    Speak,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
)
from ctxasr.errors import StoreError, StoreUnavailable
from ctxasr.events import ConsistentStatus, Event, TurnKey, to_event
from ctxasr.forget import Forgotten, forget
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.downchannel import Channels
from ctxasr.gateway.http.erasures import CustomerErased, Erasures, Mark
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.memory import Remembered
from ctxasr.gateway.http.recogniser import Recogniser
from ctxasr.gateway.http.recordings import all_recorded, answering, note_of, within
from ctxasr.gateway.http.utterances import utterance_of
from ctxasr.hints import NO_HINTS, Hints
from ctxasr.hypotheses import Recognition
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.speech.recognisers import Engine

T = TypeVar("T")

_ERASED: Final = Listening(ContextState.MISSED, reason="the customer was erased meanwhile")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an utterance, whether it is in the store, and what was put there.

    `note` is that of `recordings.note_of`.
    """

    result: UtteranceResult
    recognition: Recognition
    recorded: bool
    utterance: Envelope
    note: str = ""

    @property
    def interaction(self) -> str:
        """The turn: another than the opening named, where that was the id of the asking turn."""
        return self.utterance.message.header.dialog_request_id or ""

    @property
    def text(self) -> str:
        """The text under the context."""
        return self.result.result.text

    def __repr__(self) -> str:
        return f"Heard({self.result!r}, recorded={self.recorded})"


class Service:
    """The state of one process. `make_hearing` makes a recogniser, again if it has died."""

    def __init__(
        self, ports: Ports, make_hearing: Callable[[], Engine], hearing: Engine | None = None
    ) -> None:
        self.recogniser = Recogniser(make_hearing, hearing)
        self.ports = replace(ports, scorer=self.recogniser.scorer)
        self._until_s: float | None = None
        self._running: dict[asyncio.Task[Any], str] = {}
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.erasures = Erasures()
        self.remembered = Remembered()
        self.channels = Channels()
        self._asking: asyncio.Task[str] | None = None
        self._asked_ms = self._key_ms = -inf

    # ------------------------------------------------------------ events

    def record_of(
        self,
        grant: Grant,
        message: Envelope,
        device: str,
        interaction: str | None = None,
        service_payloads: int = 0,
    ) -> Record:
        """The outer record, as the transport knows it: whose, from where, and when."""
        return Record(
            customer=grant.customer,
            device=grant.device or device,
            received_at=round(self.ports.clock.now_ms()),
            message=message,
            interaction=interaction,
            service_payloads=service_payloads,
        )

    async def record(self, record: Record) -> ConsistentStatus:
        """`on_event` to its end, even if whoever sent it goes away meanwhile.

        Raises:
            CustomerErased: the customer was erased since the request arrived; nothing is recorded.
        """
        arrived = self.erasures.arrival(record.customer)
        if self.erasures.begun_since(arrived):
            raise CustomerErased
        event = self._note(record)
        writing = self._write(record, arrived)
        if not isinstance(record.message.message.payload, Recognize):
            return await asyncio.shield(writing)
        self.remembered.listen(event, lambda: self._listen(event))  # `hear` will ask for it
        status = await asyncio.shield(writing)
        answer = answering(event, status)
        self.remembered.listen(answer, lambda: self._listen(answer))
        return status

    def note(self, record: Record, status: ConsistentStatus) -> str:
        """What `note_of` says; the log has it as well."""
        event = to_event(record, self.ports.payload_ttl_s)
        what, note = note_of(event, status)
        if what:
            log(what, customer=event.key.turn.customer,
                interaction=event.key.turn.interaction, event=event.key.event)  # fmt: skip
        return note

    def _write(self, record: Record, arrived: Mark) -> asyncio.Task[ConsistentStatus]:
        """Write it, unless its customer was erased since its request arrived.

        Erasing waits for what is being written when it begins; what comes while it runs waits for
        its end. So this is decided here and not in the task, which may begin later.
        """
        may_write = self.erasures.may_write(arrived)

        async def in_time() -> ConsistentStatus:
            try:
                async with asyncio.timeout(limits.WRITING_S_MAX):
                    if not may_write:
                        await self.erasures.over(arrived)
                    return await on_event(record, self.ports)
            except TimeoutError:
                raise StoreUnavailable("WRITING_S_MAX has passed") from None

        return self._start(in_time(), record.customer)

    def _listen(
        self, event: Event, hints: Hints = NO_HINTS, begun: asyncio.Task[Listening] | None = None
    ) -> asyncio.Task[Listening]:
        customer = event.key.turn.customer
        listening = begun or self._start(listen(event, self.ports), customer)
        if not hints.phrases:
            return listening
        return self._start(with_hints(listening, hints, self.ports), customer)

    def turn_of(self, grant: Grant, message: Envelope) -> str | None:
        """The turn of a client event that names none: the one whose reply it speaks of."""
        body = message.message.payload
        if isinstance(body, SpeechStarted | SpeechFinished | SpeechInterrupted):
            return self.remembered.turn_of(grant.customer, body.token)
        return None

    def _note(self, record: Record, *, remember: bool = True) -> Event:
        """What later requests need to know of this one: who is there, which reply is whose."""
        event = to_event(record, self.ports.payload_ttl_s)  # before anything of it is remembered
        if not remember:
            return event
        self.saw(record.customer)
        message = record.message.message
        turn = message.header.dialog_request_id or record.interaction
        if isinstance(message.payload, Speak) and message.payload.token and turn:
            self.remembered.spoke(record.customer, message.payload.token, turn)
        return event

    async def forget(self, customer: str) -> Forgotten:
        """Erase a customer, here and in the store; what is still being written goes as well.

        Raises:
            StoreUnavailable, LimitExceeded: partly done; ask again.
        """
        writing = [task for task, whose in self._running.items() if whose == customer]
        with self.erasures.erasing(customer):
            self._forget(customer)
            if writing:
                _, late = await asyncio.wait(writing, timeout=limits.FORGET_S_MAX)
                if late:
                    raise StoreUnavailable("FORGET_S_MAX has passed")
            gone = await forget(customer, self.ports.store, self.ports.vault)
            self._forget(customer)
        return gone

    def _forget(self, customer: str) -> None:
        """What this process remembers, before and after: an early context may be read meanwhile."""
        self.remembered.forget(customer)
        if self.ports.aligner is not None:
            self.ports.aligner.forget()

    # ------------------------------------------------------------ utterances

    async def hear(
        self,
        opening: Record,
        hearing: Callable[[], Awaitable[Recognition | None]],
        *,
        record: bool = True,
        hints: Hints = NO_HINTS,
    ) -> Heard | None:
        """The text of the utterance that `opening`, a Recognize, opens; None if there is no sound.

        `hints` came with the utterance.

        Where the customer is erased meanwhile the text is the recogniser's own, and what was said
        is not recorded, nor what was recorded of it kept.

        Raises:
            EnvelopeError, LimitExceeded: the opening is wrong.
            StoreUnavailable: there is no sound, and the opening is perhaps not recorded.
            Problem and what else `hearing` raises.
        """
        arrived = self.erasures.arrival(opening.customer)
        event = self._note(opening, remember=not self.erasures.begun_since(arrived))
        recording = [self._write(opening, arrived)] if record else []
        listening = self._listen(event, hints, self.remembered.listening(event))
        try:
            recognition = await hearing()
            if recognition is None:
                for task in recording:
                    await asyncio.shield(task)
                return None
            erased = replace(_ERASED, hints=hints)
            status = None
            if event.initiator is None:  # perhaps an answer all the same: its recording tells
                status = await within(recording, self.ports.read_budget_ms / 1_000.0)
            if status is not None and (answer := answering(event, status)) != event:
                listening.cancel()
                listening = self._listen(answer, hints)
            known = erased if self.erasures.touched_since(arrived) else listening
            result = await on_utterance(known, recognition, self.ports, event.key.turn)
            if known is listening and self.erasures.touched_since(arrived):
                result = await on_utterance(erased, recognition, self.ports, event.key.turn)
        finally:
            listening.cancel()
        status = status or await within(recording, limits.RECORD_S_MAX)
        turn = event.key.turn if status is None else status.turn
        utterance = utterance_of(opening, turn, result.result.text)
        if record:
            said = opening.model_copy(
                update={
                    "message": utterance,
                    "received_at": round(self.ports.clock.now_ms()),
                    "service_payloads": 0,
                }
            )
            recording.append(self._write(said, arrived))
        recorded = await all_recorded(recording)
        note = "" if status is None else self.note(opening, status)
        return Heard(result, recognition, recorded, utterance, note)

    # ------------------------------------------------------------ sweeping

    def saw(self, *customers: str) -> None:
        """Their turns are swept from now on, for SEEN_S."""
        for customer in customers:
            self._seen[customer] = self.ports.clock.now_ms()
            self._seen.move_to_end(customer)
        while len(self._seen) > limits.CUSTOMERS_SEEN_MAX:
            self._seen.popitem(last=False)

    async def sweep_for_ever(self) -> None:
        """A round every SWEEP_PAUSE_S over the customers seen; errors are logged and left."""
        places = asyncio.Semaphore(limits.SWEEPS_AT_ONCE)
        while True:
            await asyncio.sleep(limits.SWEEP_PAUSE_S)
            async with asyncio.TaskGroup() as group:
                for customer in list(self._seen):
                    await places.acquire()
                    sweeping = group.create_task(self._sweep(customer))
                    sweeping.add_done_callback(lambda _: places.release())

    async def _sweep(self, customer: str) -> None:
        """One customer; who was not heard of for SEEN_S is forgotten once all is closed."""
        oldest_ms = self.ports.clock.now_ms() - 1_000.0 * limits.SEEN_S
        silent = self._seen.get(customer, 0.0) < oldest_ms
        try:
            async with asyncio.timeout(limits.SWEEP_S_MAX):
                settled = await sweep(customer, self.ports)
        except Exception as error:
            log("sweep failed", customer=customer, error=type(error).__name__)
            return
        if silent and self._seen.get(customer, 0.0) < oldest_ms:
            self._seen.pop(customer, None)
        if settled:
            log("swept", customer=customer, settled=settled)

    # ------------------------------------------------------------ beginning and end

    async def why_not_ready(self) -> str:
        """Why this process should get no requests now; empty if it should."""
        if self.stopping:
            return "stopping"
        if self.recogniser.loads:
            return "the recogniser loads its models"
        now_ms = self.ports.clock.now_ms()
        old = now_ms - self._asked_ms > 1_000.0 * limits.READY_CACHE_S
        if self._asking is None or (old and self._asking.done()):
            self._asking, self._asked_ms = self._start(self._why_no_store()), now_ms
        return await asyncio.shield(self._asking)  # whoever asks meanwhile gets the same answer

    async def _why_no_store(self) -> str:
        turn, now_ms = TurnKey("readyz", "readyz"), self.ports.clock.now_ms()
        missing = "the store does not answer"
        try:
            async with asyncio.timeout(limits.READY_S_MAX):
                await self.ports.store.read(turn)
                missing = "KMS gives no keys"
                if now_ms - self._key_ms > 1_000.0 * limits.READY_KEY_CACHE_S:
                    await self.ports.vault.new_key(turn)
                    self._key_ms = now_ms
        except (StoreError, TimeoutError):
            return missing
        return ""

    def stop(self) -> None:
        """From now on no new requests are wanted, and the grace runs."""
        if self._until_s is None:
            self._until_s = asyncio.get_running_loop().time() + limits.GRACE_S
            self.channels.close()

    def hurry(self) -> None:
        """Break off what still runs; nothing of it is acknowledged."""
        for task in self._running:
            task.cancel()

    @property
    def stopping(self) -> bool:
        return self._until_s is not None

    async def close(self) -> None:
        """Finish what is under way, as far as the grace reaches; then let go of the recogniser."""
        self.stop()
        assert self._until_s is not None, "stopped"
        left_s = max(0.0, self._until_s - asyncio.get_running_loop().time())
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=left_s)
            for task in late:
                task.cancel()
            log("stopped", unfinished=len(late))
        await self.recogniser.close()

    def _start(self, work: Coroutine[Any, Any, T], customer: str = "") -> asyncio.Task[T]:
        """Run it, and know of it, and whose it is, until it is done."""
        task = asyncio.create_task(work)
        self._running[task] = customer
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)
        if not task.cancelled():
            task.exception()  # looked at: whoever waits for it gets it too
