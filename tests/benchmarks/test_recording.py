"""What recording costs: client CPU against the bare calls it must make, and latency under load.

Paired in one run: a record from its JSON through `on_event`, and the very same requests,
ready-made, through the same clients, in blocks whose order alternates. The servers run in processes
of their own, so `process_time` is the client's alone. `make bench` prints the figures.

The bare calls are what recording was seen to ask for, so a superfluous request would be on both
sides: REQUESTS says which ones the design demands, and both sides make these and no others. Beside
the bounded ratio stands the one with logs, metrics and spans as on Lambda.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any, Final

import numpy as np
import pytest
from conftest import recognize, record
from proof.interactions import recorder, served, set_up
from scipy.stats import bootstrap

from ctxasr.app import Traced
from ctxasr.events import Record, TurnKey
from ctxasr.pipeline import Ports, on_event
from ctxasr.store.clients import Clients, clients

pytestmark = pytest.mark.bench

SEED: Final = 5
RATIO_MAX: Final = 1.25
"""The contract: client CPU of recording over that of the bare calls."""

BLOCKS: Final = 34
BLOCK_INTERACTIONS: Final = 10
CONCURRENT: Final = 64
LOAD_ROUNDS: Final = 5
"""Interactions that each of the concurrent lanes sees through, one after the other."""

RecordOne = Callable[[str], Awaitable[None]]
Lane = Callable[[int, list[list[float]]], Coroutine[Any, Any, None]]
Calls = list[tuple[Callable[..., Awaitable[Any]], dict[str, Any]]]


class Tape:
    """A client that notes what it is asked for."""

    def __init__(self, client: Any, notes: Calls) -> None:
        self._client, self._notes, self.meta = client, notes, client.meta

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> Any:
            method = getattr(self._client, operation)
            self._notes.append((method, request))
            return await method(**request)

        return call


REQUESTS: Final = {
    "recognise": ("UpdateItem",),
    "utterance, opens the key": ("GenerateDataKey", "UpdateItem", "PutItem", "UpdateItem"),
    "entities": ("PutItem", "UpdateItem"),
    "reply": ("PutItem", "UpdateItem"),
    "expect-speech, with a link": ("UpdateItem", "UpdateItem"),
    "speech started": ("UpdateItem",),
}
"""By event what the design demands: a status update each, which reads as well; before it a link, or
a payload; before the first payload a data key, and the update that opens it."""

EVENTS: Final = tuple(REQUESTS)
"""One payload less than announced comes: recording alone, the context model never starts."""

WITH_TELEMETRY_BLOCKS: Final = 12


def interaction(customer: str) -> list[Record]:
    """The records of EVENTS."""
    turn = f"turn-of-{customer}"

    def one(full_name: str, payload: dict[str, Any], **more: Any) -> Record:
        return record(full_name, payload, interaction=turn, customer=customer, **more)

    token = {"type": "FOLLOW_UP", "payload": {"token": f"ask-{turn}"}}
    expect = {"timeoutInMilliseconds": 8_000, "initiator": token}
    names = [f"Meg Bauer {number}" for number in range(10)]
    return [
        recognize(turn, customer=customer),
        one("ContextText.Utterance", {"text": "call meg on her mobile, please"}),
        one("ContextText.Entities", {"kind": "contact", "values": names}),
        one("ContextText.Reply", {"text": "Do you mean Meg Jones or Meg Bauer?"}),
        one("SpeechRecognizer.ExpectSpeech", expect, service_payloads=2),
        one("SpeechSynthesizer.SpeechStarted", {"token": "speech"}),
    ]


async def taped(opened: Clients, records: list[Record], name: str, other: str) -> list[Calls]:
    """The requests of each record, for another customer: same length, but rows of its own."""
    notes: Calls = []
    tapes = Clients(Tape(opened.dynamodb, notes), Tape(opened.kms, notes))
    recording, found = recorder(tapes, "tape"), []
    for one in records:
        notes.clear()
        await on_event(one, recording)
        found.append([(method, _renamed(request, name, other)) for method, request in notes])
    return found


def _renamed(value: Any, name: str, other: str) -> Any:
    if isinstance(value, dict):
        return {_renamed(k, name, other): _renamed(v, name, other) for k, v in value.items()}
    return value.replace(name, other) if isinstance(value, str) else value


def as_on_lambda(recording: Ports) -> RecordOne:
    """The same with CloudWatch's logs, metrics and spans, written once an event."""
    from ctxasr.report.cloudwatch import CloudWatch

    watch = CloudWatch(recording.clock)
    store: Any = Traced(watch.counting(recording.store), "status", watch)
    vault: Any = Traced(recording.vault, "payload", watch)
    watched = replace(recording, telemetry=watch, store=store, vault=vault)

    async def record_one(text: str) -> None:
        one = Record.model_validate_json(text)
        header = one.message.message.header
        turn = TurnKey(one.customer, header.dialog_request_id or "")
        with watch.traces.invocation("record_event"), watch.turn("record", turn, header.message_id):
            await on_event(one, watched)
        watch.flush()

    return record_one


def as_it_is(recording: Ports) -> RecordOne:
    """Recording alone, from a record's JSON."""

    async def record_one(text: str) -> None:
        await on_event(Record.model_validate_json(text), recording)

    return record_one


async def asked(opened: Clients, work: Awaitable[Any]) -> tuple[str, ...]:
    """The operations that go out while `work` is done, in order."""
    names: list[str] = []

    def note(model: Any, **_: Any) -> None:
        names.append(model.name)

    for client in opened:
        client.meta.events.register("before-call", note)
    try:
        await work
    finally:
        for client in opened:
            client.meta.events.unregister("before-call", note)
    return tuple(names)


async def check_requests(opened: Clients, record_one: RecordOne) -> None:
    """Both sides make the requests that the design demands."""
    ours = {}
    for title, one in zip(EVENTS, interaction("ours-checked"), strict=True):
        text = one.model_dump_json(by_alias=True, exclude_unset=True)
        ours[title] = await asked(opened, record_one(text))
    assert ours == REQUESTS
    bare = {}
    tape = await taped(opened, interaction("tape-checked"), "tape-checked", "bare-checked")
    for title, calls in zip(EVENTS, tape, strict=True):
        bare[title] = await asked(opened, send(calls))
    assert bare == REQUESTS


async def send(calls: Calls) -> None:
    for method, request in calls:
        await method(**request)


async def block(
    opened: Clients, record_one: RecordOne, number: int
) -> tuple[list[float], list[float], list[int]]:
    """CPU seconds of each of EVENTS, recorded and bare; and how many requests each makes."""
    ours, bare = [], []
    for k in range(BLOCK_INTERACTIONS):
        place = f"{number:04}-{k:04}"
        tape = interaction(f"tape-{place}")
        bare.append(await taped(opened, tape, f"tape-{place}", f"bare-{place}"))
        records = interaction(f"ours-{place}")
        ours.append([one.model_dump_json(by_alias=True, exclude_unset=True) for one in records])
    took_ours_s, took_bare_s = [], []

    async def record_all(event: int) -> None:
        began_s = time.process_time()
        for texts in ours:
            await record_one(texts[event])
        took_ours_s.append(time.process_time() - began_s)

    async def send_all(event: int) -> None:
        began_s = time.process_time()
        for calls in bare:
            await send(calls[event])
        took_bare_s.append(time.process_time() - began_s)

    for event in range(len(EVENTS)):
        pair = [record_all, send_all]
        for one in pair if (number + event) % 2 else reversed(pair):
            await one(event)
    counts = [[len(calls) for calls in one] for one in bare]
    assert counts == [list(map(len, REQUESTS.values()))] * BLOCK_INTERACTIONS
    return took_ours_s, took_bare_s, counts[0]


def ratio(ours_s: np.ndarray[Any, Any], bare_s: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Median over blocks, and its 95% interval (percentile bootstrap)."""
    values = ours_s / bare_s  # (blocks,)
    found = bootstrap(
        (values,), np.median, method="percentile", random_state=np.random.default_rng(SEED)
    )
    low, high = found.confidence_interval
    return float(np.median(values)), float(low), float(high)


@pytest.mark.parametrize("name", ["moto", "dynalite"])
async def test_recording_costs_little_more_than_its_bare_calls(name: str) -> None:
    with served(name) as endpoint:
        async with clients(endpoint) as opened:
            await set_up(opened)
            record_one = as_it_is(recorder(opened, "bench"))
            watched_one = as_on_lambda(recorder(opened, "bench"))
            await check_requests(opened, record_one)
            await block(opened, record_one, 0)  # warms both up
            gc.collect()
            gc.freeze()  # what is loaded shall not be walked again and again
            try:
                blocks = [await block(opened, record_one, 1 + n) for n in range(BLOCKS)]
                with redirect_stdout(StringIO()):
                    watched = [
                        await block(opened, watched_one, 1 + BLOCKS + n)
                        for n in range(WITH_TELEMETRY_BLOCKS)
                    ]
            finally:
                gc.unfreeze()
    ours_s, bare_s = (np.array([one[side] for one in blocks]) for side in (0, 1))
    requests = blocks[0][2]
    n = BLOCKS * BLOCK_INTERACTIONS
    print(
        f"\nclient CPU of recording over its bare calls, {name}, n = {n} events a row, seed {SEED}"
    )
    for event, title in enumerate(EVENTS):
        value, low, high = ratio(ours_s[:, event], bare_s[:, event])
        ours_ms, bare_ms = (
            float(np.median(side[:, event])) * 1_000.0 / BLOCK_INTERACTIONS
            for side in (ours_s, bare_s)
        )
        print(
            f"  {title:28} {requests[event]:2} requests  {ours_ms:5.2f} ms over {bare_ms:5.2f}"
            f" = {value:.3f} [{low:.3f}, {high:.3f}]"
        )
    value, low, high = ratio(ours_s.sum(axis=1), bare_s.sum(axis=1))
    print(f"  {'all':28} {sum(requests)} requests  {value:.3f} [{low:.3f}, {high:.3f}]"
          f" (bound {RATIO_MAX})")  # fmt: skip
    watched_s = [np.array([one[side] for one in watched]).sum(axis=1) for side in (0, 1)]
    also, also_low, also_high = ratio(*watched_s)
    print(
        f"  {'all, with telemetry as on Lambda':41} {also:.3f} [{also_low:.3f}, {also_high:.3f}]"
        f" (no bound, n = {WITH_TELEMETRY_BLOCKS * BLOCK_INTERACTIONS} interactions)"
    )
    assert high <= RATIO_MAX


async def latencies(lane: Lane) -> str:
    """What CONCURRENT lanes at once took, in words; each notes its ms by event."""
    took_ms: list[list[float]] = [[] for _ in EVENTS]
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CONCURRENT):
            group.create_task(lane(number, took_ms))
    per_s = CONCURRENT * LOAD_ROUNDS * len(EVENTS) / (time.perf_counter() - began_s)
    p50, p95, p99 = np.percentile(np.concatenate(took_ms), [50, 95, 99])
    each = ", ".join(f"{np.percentile(one, 99):.0f}" for one in took_ms)
    n = sum(map(len, took_ms))
    return (
        f"p50 {p50:4.0f} ms, p95 {p95:4.0f}, p99 {p99:4.0f}, {per_s:4.0f} events/s, n = {n}"
        f"; p99 by event {each}"
    )


@pytest.mark.parametrize("name", ["moto", "dynalite"])
async def test_64_concurrent_interactions(name: str) -> None:
    """Reported, not bounded: on one machine it is the servers' time that is seen."""
    with served(name) as endpoint:
        async with clients(endpoint) as opened:
            await set_up(opened)
            recording = recorder(opened, "bench")
            names = [f"{lane:03}-{k}" for lane in range(CONCURRENT) for k in range(LOAD_ROUNDS)]
            ready = {
                place: await taped(
                    opened, interaction(f"tape-{place}"), f"tape-{place}", f"bare-{place}"
                )
                for place in names
            }

            async def record_lane(number: int, took_ms: list[list[float]]) -> None:
                for k in range(LOAD_ROUNDS):
                    for event, one in enumerate(interaction(f"ours-{number:03}-{k}")):
                        began_s = time.perf_counter()
                        await on_event(one, recording)
                        took_ms[event].append((time.perf_counter() - began_s) * 1_000.0)

            async def send_lane(number: int, took_ms: list[list[float]]) -> None:
                for k in range(LOAD_ROUNDS):
                    for event, calls in enumerate(ready[f"{number:03}-{k}"]):
                        began_s = time.perf_counter()
                        await send(calls)
                        took_ms[event].append((time.perf_counter() - began_s) * 1_000.0)

            print(f"\n{CONCURRENT} concurrent interactions, {name} ({', '.join(EVENTS)})")
            for title, lane in (("bare calls", send_lane), ("on_event", record_lane)):
                print(f"  {title:10}  {await latencies(lane)}")
