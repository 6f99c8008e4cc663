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
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
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
    Utterance,
)
from ctxasr.errors import StoreError, StoreUnavailable
from ctxasr.events import ConsistentStatus, Event, TurnKey, short_hash, to_event
from ctxasr.forget import Forgotten, forget
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.erasures import CustomerErased, Erasures, Mark
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.memory import Remembered
from ctxasr.gateway.http.recogniser import Hearing, Recogniser
from ctxasr.hints import NO_HINTS, Hints
from ctxasr.hypotheses import Recognition
from ctxasr.pipeline import Ports, on_event, sweep

T = TypeVar("T")

_ERASED: Final = Listening(ContextState.MISSED, reason="the customer was erased meanwhile")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an utterance, whether it is in the store, and what was put there."""

    result: UtteranceResult
    recognition: Recognition
    recorded: bool
    utterance: Envelope
    text: str

    def __repr__(self) -> str:
        return f"Heard({self.result!r}, recorded={self.recorded})"


class Service:
    """The state of one process. `make_hearing` makes a recogniser, again if it has died."""

    def __init__(
        self, ports: Ports, make_hearing: Callable[[], Hearing], hearing: Hearing | None = None
    ) -> None:
        self.ports = ports
        self.recogniser = Recogniser(make_hearing, hearing)
        self._until_s: float | None = None
        self._running: dict[asyncio.Task[Any], str] = {}
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.erasures = Erasures()
        self.remembered = Remembered()
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
        if isinstance(record.message.message.payload, Recognize):  # `hear` will ask for it
            self.remembered.listen(event, lambda: self._listen(event))
        return await asyncio.shield(writing)

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

    def _listen(self, event: Event) -> asyncio.Task[Listening]:
        return self._start(listen(event, self.ports), event.key.turn.customer)

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
        if isinstance(message.payload, Speak) and turn:
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

    # ------------------------------------------------------------ utterances

    async def hear(
        self,
        opening: Record,
        hearing: Callable[[], Awaitable[Recognition | None]],
        *,
        record: bool = True,
        plain_text: str | None = None,
        hints: Hints = NO_HINTS,
    ) -> Heard | None:
        """The text of the utterance that `opening`, a Recognize, opens; None if there is no sound.

        `plain_text` stands where the context changes nothing: the recogniser's text to the letter,
        where `hearing` gives a normalised one. `hints` came with the utterance.

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
        listening = self.remembered.listening(event) or self._listen(event)
        if hints.phrases:
            listening = self._start(with_hints(listening, hints, self.ports), opening.customer)
        try:
            recognition = await hearing()
            if recognition is None:
                for task in recording:
                    await asyncio.shield(task)
                return None
            erased = replace(_ERASED, hints=hints)
            known = erased if self.erasures.touched_since(arrived) else listening
            result = await on_utterance(known, recognition, self.ports, event.key.turn)
            if known is listening and self.erasures.touched_since(arrived):
                result = await on_utterance(erased, recognition, self.ports, event.key.turn)
        finally:
            listening.cancel()
        text = result.result.text
        if plain_text is not None and not result.result.changes:
            text = plain_text
        utterance = _utterance(opening, event.key.turn, text)
        if record:
            said = opening.model_copy(
                update={
                    "message": utterance,
                    "received_at": round(self.ports.clock.now_ms()),
                    "service_payloads": 0,
                }
            )
            recording.append(self._write(said, arrived))
        return Heard(result, recognition, await _all_recorded(recording), utterance, text)

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
        while True:
            await asyncio.sleep(limits.SWEEP_PAUSE_S)
            oldest_ms = self.ports.clock.now_ms() - 1_000.0 * limits.SEEN_S
            for customer, seen_ms in list(self._seen.items()):
                if seen_ms < oldest_ms:
                    self._seen.pop(customer, None)
                try:
                    async with asyncio.timeout(limits.SWEEP_S_MAX):
                        settled = await sweep(customer, self.ports)
                except Exception as error:
                    log("sweep failed", customer=customer, error=type(error).__name__)
                else:
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


async def _all_recorded(recording: Iterable[asyncio.Task[ConsistentStatus]]) -> bool:
    """Whether all are written within RECORD_S_MAX; the rest goes on behind the answer.

    Raises:
        EnvelopeError, LimitExceeded: an event that no repetition will record.
    """
    tasks = list(recording)
    if not tasks:
        return False
    _, late = await asyncio.wait(tasks, timeout=limits.RECORD_S_MAX)
    recorded = not late
    for task in tasks:
        if task.done():
            # KMS may refuse for good: the text is given all the same.
            with suppress(StoreError, CustomerErased):
                task.result()
                continue
            recorded = False
    return recorded


def opening_of(interaction: str, token: str | None) -> Envelope:
    """The Recognize of an utterance that came without one; the same for the same turn."""
    initiator = {"type": "FOLLOW_UP", "payload": {"token": token}} if token else None
    payload = {} if initiator is None else {"initiator": initiator}
    return _envelope(
        Recognize.full_name, f"recognize-{short_hash(interaction)}", interaction, payload
    )


def _utterance(opening: Record, turn: TurnKey, text: str) -> Envelope:
    """What was understood, as a directive; the same for a Recognize that comes again."""
    opened_by = opening.message.message.header.message_id
    return _envelope(
        Utterance.full_name, f"utterance-{short_hash(opened_by)}", turn.interaction, {"text": text}
    )


def _envelope(full_name: str, message: str, interaction: str, payload: dict[str, Any]) -> Envelope:
    namespace, name = full_name.split(".")
    header = {
        "namespace": namespace, "name": name, "messageId": message, "dialogRequestId": interaction,
    }  # fmt: skip
    form = "event" if full_name == Recognize.full_name else "directive"
    return Envelope.model_validate({form: {"header": header, "payload": payload}})
