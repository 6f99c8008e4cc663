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
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ctxasr.answer import Listening, UtteranceResult, listen, on_utterance
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
from ctxasr.errors import MissingPart, StoreError
from ctxasr.events import ConsistentStatus, Event, TurnKey, short_hash, to_event
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.auth import Grant
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.problems import unavailable
from ctxasr.hypotheses import Recognition
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.ports import Samples

T = TypeVar("T")


class Hearing(Protocol):
    """A recogniser with a beginning and an end, as PocketSphinxRecognizer."""

    async def load(self) -> None: ...

    async def recognize(self, samples: Samples) -> Recognition: ...

    def close(self) -> None: ...


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
        self._until_s: float | None = None
        self._make_hearing = make_hearing
        self._hearing = hearing or make_hearing()
        self._loading: asyncio.Task[None] | None = None
        self._utterances = 0
        self._running: set[asyncio.Task[Any]] = set()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._spoken: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._listening: OrderedDict[TurnKey, asyncio.Task[Listening]] = OrderedDict()
        self._ready: tuple[float, str] | None = None

    # ------------------------------------------------------------ events

    def record_of(self, grant: Grant, message: Envelope, device: str, **outer: Any) -> Record:
        """The outer record, as the transport knows it: whose, from where, and when."""
        return Record(
            customer=grant.customer,
            device=grant.device or device,
            received_at=round(self.ports.clock.now_ms()),
            message=message,
            **outer,
        )

    async def record(self, record: Record) -> ConsistentStatus:
        """`on_event` to its end, even if whoever sent it goes away meanwhile."""
        self._note(record)
        writing = self._start(on_event(record, self.ports))
        if isinstance(record.message.message.payload, Recognize):
            self._listen_for(to_event(record, self.ports.payload_ttl_s))
        return await asyncio.shield(writing)

    def _listen_for(self, event: Event) -> None:
        """Fetch the context while the customer speaks; `hear` will ask for it."""
        turn = event.key.turn
        if event.initiator is None or turn in self._listening:
            return
        self._listening[turn] = self._start(listen(event, self.ports))
        while len(self._listening) > limits.LISTENINGS_MAX:
            self._listening.popitem(last=False)[1].cancel()
        asyncio.get_running_loop().call_later(limits.LISTENING_S_MAX, self._forget_listening, turn)

    def _forget_listening(self, turn: TurnKey) -> None:
        late = self._listening.pop(turn, None)
        if late is not None:
            late.cancel()

    def turn_of(self, grant: Grant, message: Envelope) -> str | None:
        """The turn of a client event that names none: the one whose reply it speaks of."""
        body = message.message.payload
        if isinstance(body, SpeechStarted | SpeechFinished | SpeechInterrupted):
            return self._spoken.get((grant.customer, body.token))
        return None

    def _note(self, record: Record) -> None:
        """What later requests need to know of this one: who is there, which reply is whose."""
        self.saw(record.customer)
        message = record.message.message
        turn = message.header.dialog_request_id or record.interaction
        if isinstance(message.payload, Speak) and turn is not None:
            self._spoken[record.customer, message.payload.token] = turn
            while len(self._spoken) > limits.SPEECH_TOKENS_MAX:
                self._spoken.popitem(last=False)

    # ------------------------------------------------------------ utterances

    async def hear(
        self,
        opening: Record,
        hearing: Callable[[], Awaitable[Recognition | None]],
        *,
        record: bool = True,
        plain_text: str | None = None,
    ) -> Heard | None:
        """The text of the utterance that `opening`, a Recognize, opens; None if there is no sound.

        `plain_text` stands where the context changes nothing: the recogniser's text to the letter,
        where `hearing` gives a normalised one.

        Raises:
            EnvelopeError, LimitExceeded: the opening is wrong.
            StoreUnavailable: there is no sound, and the opening is perhaps not recorded.
            Problem and what else `hearing` raises.
        """
        self._note(opening)
        event = to_event(opening, self.ports.payload_ttl_s)
        recording = [self._start(on_event(opening, self.ports))] if record else []
        listening = self._listening.pop(event.key.turn, None)
        if listening is None:
            listening = self._start(listen(event, self.ports))
        try:
            recognition = await hearing()
            if recognition is None:
                for task in recording:
                    await asyncio.shield(task)
                return None
            result = await on_utterance(listening, recognition, self.ports, event.key.turn)
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
            recording.append(self._start(on_event(said, self.ports)))
        return Heard(result, recognition, await _all_recorded(recording), utterance, text)

    async def recognise(self, samples: Callable[[], Samples]) -> Recognition:
        """Decode what `samples` returns; reading it may take a while too.

        Raises:
            Problem: RECOGNITIONS_MAX are at work, or the recogniser has died.
            AudioError, LimitExceeded: by `samples`.
        """
        if self._utterances >= limits.RECOGNITIONS_MAX:
            detail = f"RECOGNITIONS_MAX is {limits.RECOGNITIONS_MAX}: all places are taken"
            raise unavailable("RecogniserBusy", detail)
        hearing = self._hearing
        self._utterances += 1
        try:
            return await hearing.recognize(await asyncio.to_thread(samples))
        except MissingPart:
            if hearing is self._hearing and not self.stopping:  # the first of all that see it
                self._hearing = self._make_hearing()
                self._loading = self._start(self._hearing.load())
                log("recogniser died", logging.ERROR)
            raise unavailable("RecogniserDied", "the recogniser is being made anew") from None
        finally:
            self._utterances -= 1

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
        if self._loading is not None and not self._loading.done():
            return "the recogniser loads its models"
        now_ms = self.ports.clock.now_ms()
        if self._ready is None or now_ms - self._ready[0] > 1_000.0 * limits.READY_CACHE_S:
            self._ready = (now_ms, "")  # whoever asks meanwhile need not ask the store as well
            self._ready = (now_ms, await self._why_no_store())
        return self._ready[1]

    async def _why_no_store(self) -> str:
        try:
            async with asyncio.timeout(limits.READY_S_MAX):
                await self.ports.store.read(TurnKey("readyz", "readyz"))
        except (StoreError, TimeoutError):
            return "the store does not answer"
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
        await asyncio.to_thread(self._hearing.close)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run it, and know of it until it is done."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
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
            with suppress(StoreError):  # KMS may refuse for good: the text is given all the same
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
