"""The AWS Lambda entry points: synchronous, over one event loop and one set of clients a process.

record_event    records of SQS, of Kinesis, or one directly
embed_context   embed the turn that an event has claimed; asked by record_event
get_context     the context that a turn has left, for any model
rescore         hypotheses in, text out; the plain text whatever else fails
sweep           close what no event will close

The runtime knows no async handlers, and clients do not outlive their loop, so both are kept here:
they are made when Lambda loads the function (`_HANDLER` names it), else by its first invocation.
All work ends ANSWER_MARGIN_MS before Lambda would end it: what is not done then is reported as
failed, and comes again. What a function does not need is not imported: recording has no numpy.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from ctxasr import app
from ctxasr.envelopes import ExpectSpeech, Recognize, Record
from ctxasr.errors import CtxasrError, StoreUnavailable
from ctxasr.events import ConsistentStatus, EventKey, TurnKey, belongs_to_no_turn
from ctxasr.gateway import requests
from ctxasr.gateway.batches import Item, read_batch, work_on
from ctxasr.gateway.neighbours import SweepQueue, neighbours
from ctxasr.pipeline import Ports, embed, on_event
from ctxasr.pipeline import sweep as sweep_customer
from ctxasr.report.cloudwatch import CloudWatch
from ctxasr.trigger import expects_speech
from ctxasr.windows import window_of

ANSWER_MARGIN_MS: Final = 300.0
"""Kept of the time that Lambda leaves: to report what failed, and to write the metrics."""

SWEEP_MARGIN_MS: Final = 2_000.0
"""After the grace period: clocks differ, and SQS counts in seconds."""

Work = Callable[[Any, float], Awaitable[dict[str, Any]]]
"""Event and deadline, in seconds of the loop, to answer."""


# ---------------------------------------------------------------- entry points


def record_event(event: Any, context: Any) -> dict[str, Any]:
    """Record `envelopes.Record`s and do what they make due.

    A batch is answered with the items that failed. A message that is wrong never succeeds: it is
    reported as well, so that the queue's redrive policy moves it to the dead letters.

    Raises:
        EnvelopeError, LimitExceeded: one record, called directly, is wrong.
        StoreUnavailable: it is perhaps written; deliver it again.
    """
    return _run("record_event", _record_event, event, context)


def embed_context(event: Any, context: Any) -> dict[str, Any]:
    """`EmbedRequest` -> {interaction, outcome}. Repeating it changes nothing.

    Raises:
        InputError: names the wrong field.
        StoreUnavailable: ask again.
    """
    return _run("embed_context", _embed_context, event, context)


def get_context(event: Any, context: Any) -> dict[str, Any]:
    """`ContextRequest` -> what `gateway.contexts.describe_context` says; never fails but on input.

    Raises:
        InputError: names the wrong field.
    """
    return _run("get_context", _get_context, event, context)


def rescore(event: Any, context: Any) -> dict[str, Any]:
    """`RescoreRequest` -> {text, plain_text, changes, context, reason, added_ms}.

    Raises:
        InputError: names the wrong field; nothing else costs the customer the plain text.
    """
    return _run("rescore", _rescore, event, context)


def sweep(event: Any, context: Any) -> dict[str, Any]:
    """`SweepRequest` -> {settled}. In a batch, an item whose turn is not due yet comes when it is.

    Raises:
        InputError: names the wrong field.
        StoreUnavailable: ask again.
    """
    return _run("sweep", _sweep, event, context)


# ---------------------------------------------------------------- recording


async def _record_event(event: Any, deadline_s: float) -> dict[str, Any]:
    batch = read_batch(event)
    if batch is None:
        record = requests.record_of(event)
        async with asyncio.timeout_at(deadline_s):
            status = await _record(record)
        if status is None:
            left_out = {"ignored": belongs_to_no_turn(record.message.message, record.interaction)}
            return {"acknowledged": True, "interaction": None, "outcome": None} | left_out
        outcome = None if status.outcome is None else status.outcome.value
        turn = status.turn.interaction
        return {"acknowledged": True, "interaction": turn, "outcome": outcome}
    return await work_on(
        batch, lambda item: _record(requests.read_record(item.data)), _failed_item, deadline_s
    )


async def _record(record: Record) -> ConsistentStatus | None:
    """Returning acknowledges the record: also its sweep is arranged for.

    None for what belongs to no turn. It is left out: among the dead letters it would hide others.
    """
    service = await _service("record_event")
    header = record.message.message.header
    if belongs_to_no_turn(record.message.message, record.interaction):
        _process().watch.say("event of no known turn", event=header.message_id)
        return None
    requests.check_age(record, service.ports.payload_ttl_s, service.ports.clock.now_ms())
    interaction = header.dialog_request_id or record.interaction or ""
    turn = TurnKey(record.customer, interaction)
    with _process().watch.turn("record", turn, header.message_id):
        status = await on_event(record, service.ports)
        if service.sweeps is not None and needs_sweep(header.message_id, status):
            now_ms, grace_ms = service.ports.clock.now_ms(), service.ports.grace_ms
            await service.sweeps.later(status.turn, sweep_delay_s(status, now_ms, grace_ms))
    return status


def _failed_item(item: Item, error: Exception) -> None:
    if isinstance(error, _NotDueYet):
        _process().watch.say("not due yet", item=item.id)
    else:
        _process().watch.failed("comes again", error, item=item.id)


def needs_sweep(event: str, status: ConsistentStatus) -> bool:
    """Whether a recorder of this event, who sees the turn open, asks for its sweep.

    The first event to be written is not enough: A is written, its answer is lost; B sees two marks;
    A comes again and sees two as well. The least mark by time and id is the least of whatever else
    is there, so its recorder always asks, at each delivery, before the event is acknowledged.
    """
    if status.outcome is not None:
        return False
    least = min(status.marks, key=lambda one: (status.marks[one].at_ms, one), default=event)
    mark = status.marks.get(event)
    opens = mark is not None and mark.name in (Recognize.full_name, ExpectSpeech.full_name)
    return opens or event == least


def sweep_delay_s(status: ConsistentStatus, now_ms: float, grace_ms: float) -> float:
    """From now to when the turn's grace period is over, by what is known of it."""
    return (_heard_ms(status, now_ms) + grace_ms + SWEEP_MARGIN_MS - now_ms) / 1_000.0


def left_s(status: ConsistentStatus, now_ms: float, grace_ms: float) -> float:
    """The same for a turn that nothing was heard of just now: its last mark counts."""
    last_ms = max((float(mark.at_ms) for mark in status.marks.values()), default=now_ms)
    return (_heard_ms(status, last_ms) + grace_ms + SWEEP_MARGIN_MS - now_ms) / 1_000.0


def _heard_ms(status: ConsistentStatus, last_ms: float) -> float:
    """When the turn's last event was, or its reply will have ended."""
    return max(last_ms, window_of(status).at_ms) if expects_speech(status) else last_ms


# ---------------------------------------------------------------- embedding, sweeping


async def _embed_context(event: Any, deadline_s: float) -> dict[str, Any]:
    request = requests.read(requests.EmbedRequest, event)
    turn = TurnKey(request.customer, request.interaction)
    async with asyncio.timeout_at(deadline_s):
        service = await _service("embed_context")
        with _process().watch.turn("embed", turn, request.event):
            status = await embed(EventKey(turn, request.event), request.device, service.ports)
    outcome = None if status is None or status.outcome is None else status.outcome.value
    return {"interaction": turn.interaction, "outcome": outcome}


async def _sweep(event: Any, deadline_s: float) -> dict[str, Any]:
    batch = read_batch(event)
    if batch is None:
        async with asyncio.timeout_at(deadline_s):
            return {"settled": await _sweep_one(requests.read(requests.SweepRequest, event))}

    async def work(item: Item) -> None:
        request = requests.read_json(requests.SweepRequest, item.data)
        try:
            await _sweep_one(request)
        except StoreUnavailable:  # of another turn, perhaps: that has a message of its own
            if request.interaction is None or await _open_turn(request) is not None:
                raise
        status = None if request.interaction is None else await _open_turn(request)
        if status is None:
            return
        service = await _service("sweep")
        if service.sweeps is not None and item.receipt:
            now_ms, grace_ms = service.ports.clock.now_ms(), service.ports.grace_ms
            await service.sweeps.again(item.receipt, left_s(status, now_ms, grace_ms))
        raise _NotDueYet

    return await work_on(batch, work, _failed_item, deadline_s)


class _NotDueYet(Exception):
    """A sweep came before its turn's grace period was over, as every later event makes it."""


async def _sweep_one(request: requests.SweepRequest) -> int:
    """Most turns that a sweep is asked for were settled by their events: one read finds that."""
    if request.interaction is not None and await _open_turn(request) is None:
        return 0
    ports = (await _service("sweep")).ports
    with _process().watch.turn("sweep", TurnKey(request.customer, request.interaction or "")):
        return await sweep_customer(request.customer, ports)


async def _open_turn(request: requests.SweepRequest) -> ConsistentStatus | None:
    ports = (await _service("sweep")).ports
    status = await ports.store.read(TurnKey(request.customer, request.interaction or ""))
    return status if status is not None and status.outcome is None else None


# ---------------------------------------------------------------- using contexts


async def _get_context(event: Any, deadline_s: float) -> dict[str, Any]:
    from ctxasr.gateway.contexts import describe_context, nothing

    request = requests.read(requests.ContextRequest, event)
    watch = _process().watch
    turn = TurnKey(request.customer, request.interaction or "")
    try:
        async with asyncio.timeout_at(deadline_s):
            service = await _service("get_context")
            with watch.turn("get", turn):
                found = await describe_context(request, service.ports)
    except Exception as error:
        watch.failed("no context", error)
        return nothing(request, error)
    if found["age_ms"] is not None:
        watch.measure("ContextAgeMs", found["age_ms"])
    return found


async def _rescore(event: Any, deadline_s: float) -> dict[str, Any]:
    request = requests.read(requests.RescoreRequest, event)
    watch, turn = _process().watch, TurnKey(request.customer, request.interaction or "")
    try:
        from ctxasr.gateway.contexts import rescored

        async with asyncio.timeout_at(deadline_s):
            service = await _service("rescore")
            with watch.turn("rescore", turn):
                answer, age_ms = await rescored(request, service.ports)
    except Exception as error:
        watch.failed("not rescored", error)
        return request.plain_answer(f"failed: {type(error).__name__}")
    if age_ms is not None:
        watch.measure("ContextAgeMs", age_ms)
        watch.measure("RescoreMs", answer["added_ms"])
    return answer


# ---------------------------------------------------------------- one process


@dataclass(frozen=True, slots=True)
class Service:
    """What one function stands on, open."""

    ports: Ports
    sweeps: SweepQueue | None = None


class Process:
    """What one process keeps between invocations."""

    def __init__(self) -> None:
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.watch = CloudWatch(app.SystemClock())
        self._services: dict[str, Service] = {}
        self._opening = asyncio.Lock()

    async def service(self, name: str) -> Service:
        """What the function `name` stands on; the first call opens it."""
        async with self._opening:
            if name not in self._services:
                self._services[name] = await self._open(name)
        return self._services[name]

    async def _open(self, name: str) -> Service:
        if name in ("get_context", "rescore"):
            importlib.import_module("ctxasr.gateway.contexts")  # now, not while somebody waits

        records, get = name == "record_event", os.environ.get
        function = get("CTXASR_EMBED_FUNCTION", "").strip() if records else None
        queues = records or name == "sweep"
        queue = get("CTXASR_SWEEP_QUEUE_URL", "").strip() if queues else None
        settings = app.Settings.from_environment()
        async with AsyncExitStack() as stack:
            embedder, sweeps = await stack.enter_async_context(neighbours(function, queue))
            models = app.Models(
                encoder=name == "embed_context", aligner=name == "rescore", embedder=embedder
            )
            opening = app.aws(settings, telemetry=self.watch, models=models, set_up=False)
            opened = await stack.enter_async_context(opening)
            self.stack.push_async_callback(stack.pop_all().aclose)
        if records and not (function and queue):
            self.watch.say("incomplete", embeds=bool(function), sweeps=bool(queue))
        return Service(replace(opened.ports, store=self.watch.counting(opened.ports.store)), sweeps)


_kept: list[Process] = []
"""At most one: of this process."""


def _process() -> Process:
    if not _kept:
        _kept.append(Process())
    return _kept[0]


async def _service(name: str) -> Service:
    return await _process().service(name)


def _run(name: str, work: Work, event: Any, context: Any) -> dict[str, Any]:
    """One invocation. What goes wrong leaves without the text of any error but our own."""
    process = _process()
    left_ms = float(context.get_remaining_time_in_millis()) - ANSWER_MARGIN_MS

    async def main() -> dict[str, Any]:
        deadline_s = asyncio.get_running_loop().time() + max(0.0, left_ms) / 1_000.0
        with process.watch.traces.invocation(name):
            return await work(event, deadline_s)

    try:
        return process.runner.run(main())
    except CtxasrError as error:
        process.watch.failed(f"{name} failed", error)
        raise
    except TimeoutError:
        late = StoreUnavailable(f"{name} ran out of time: perhaps done; ask again")
        process.watch.failed(f"{name} failed", late)
        raise late from None
    except Exception as error:
        process.watch.failed(f"{name} failed", error)
        raise CtxasrError(f"{name} failed: {type(error).__name__}") from None
    finally:
        process.watch.flush()


def close() -> None:
    """Give back what this process keeps; the next invocation opens it anew."""
    while _kept:
        process = _kept.pop()
        process.runner.run(process.stack.aclose())
        process.runner.close()
        process.watch.traces.close()


def _prepare() -> None:
    """Open what the function that Lambda loads will need, while it is loaded.

    The zip's runtime names it in _HANDLER, an image's in its command. Where this fails, the first
    invocation tries again and says why.
    """
    for handler in (os.environ.get("_HANDLER", ""), *sys.argv[1:2]):
        module, _, name = handler.rpartition(".")
        if module == __name__ and name in __all__:
            try:
                _process().runner.run(_service(name))
            except Exception as error:
                _process().watch.failed("not prepared", error)
            return


__all__ = ["embed_context", "get_context", "record_event", "rescore", "sweep"]

_prepare()
