"""What must stay fast: the event loop under the encoder, rescoring, the cold start.

`make bench` prints the figures. Bounds are those of the project's contract; times of a shared
machine vary, so each is a median over many rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ctxasr.app import SystemClock, default_aligner, default_encoder
from ctxasr.bias import GENERIC_ANSWERS, GENERIC_SIGNAL, bias_of, phrases_of
from ctxasr.context import compute
from ctxasr.evaluate.corpora.vocabulary import FAMILY, GIVEN
from ctxasr.events import Entity, Payload, PayloadKind, PayloadRef, TurnKey, TurnText
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition
from ctxasr.pipeline import SOUND_READ_BUDGET_MS
from ctxasr.rescore import rescore
from ctxasr.scenario.inputs import load_checked
from ctxasr.scenario.replay import Options, replay_all
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.store.memory import MemoryEventStore
from ctxasr.store.room import TURN_PAYLOADS_MAX
from ctxasr.store.schema import Tables, absent
from ctxasr.store.vault import KmsVault

pytestmark = pytest.mark.bench

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = [f"{given} {family}" for given in GIVEN[:10] for family in FAMILY[:10]]


def report(name: str, values_ms: list[float], bound_ms: float) -> None:
    ordered = sorted(values_ms)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    print(
        f"\n{name}: median {statistics.median(ordered):.2f} ms, p95 {p95:.2f}, "
        f"max {ordered[-1]:.2f}, n = {len(ordered)} (bound on the median {bound_ms:g})"
    )


async def test_the_event_loop_stays_responsive_while_the_encoder_runs() -> None:
    encoder = default_encoder()
    entities = tuple(Entity("contact", name) for name in NAMES)
    turn = TurnText("call meg", "Which one do you mean?", entities)
    nothing = np.zeros((0, encoder.dimensions), np.float32)
    lags_ms: list[float] = []

    async def probe(stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)  # the probe itself: how late does a 1 ms timer fire?
            lags_ms.append((time.perf_counter() - began) * 1_000.0 - 1.0)

    stop = asyncio.Event()
    probing = asyncio.create_task(probe(stop))
    for _ in range(60):
        await encoder.encode(turn, nothing)
        await encoder.embed_phrases([Phrase(name, "entities", "contact") for name in NAMES])
    stop.set()
    await probing
    report("event loop lag while encoding", lags_ms, 20.0)
    assert len(lags_ms) > 100
    assert statistics.median(lags_ms) < 20.0


class Table:
    """A DynamoDB client that answers at once, from memory: what is measured is ours alone."""

    def __init__(self, name: str) -> None:
        self.meta = SimpleNamespace(endpoint_url="memory")
        self._name, self.rows = name, dict[str, dict[str, Any]]()

    async def put_item(self, *, Item: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.rows[Item["payload"]["S"]] = Item
        return {}

    async def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        keys = RequestItems[self._name]["Keys"]
        return {"Responses": {self._name: [self.rows[key["payload"]["S"]] for key in keys]}}


class Keys:
    """KMS, in the same way."""

    meta = SimpleNamespace(endpoint_url="memory")

    async def generate_data_key(self, **_: Any) -> dict[str, bytes]:
        return {"CiphertextBlob": b"wrapped", "Plaintext": bytes(32)}


async def test_the_event_loop_stays_responsive_while_a_full_turn_is_read() -> None:
    clock, tables, turn = SystemClock(), Tables(), TurnKey("customer", "turn")
    table = Table(tables.payload)
    vault = KmsVault(table, Keys(), tables, "alias/x", clock)
    wrapped, expires_at_s = await vault.new_key(turn), int(time.time()) + 3_600
    refs = [PayloadRef(PayloadKind.UTTERANCE, "0"), PayloadRef(PayloadKind.REPLY, "0")]
    refs += [PayloadRef(PayloadKind.ENTITIES, f"{n:04}") for n in range(TURN_PAYLOADS_MAX - 2)]
    for place, ref in enumerate(refs):
        texts = tuple(f"{place:03} {n:03} {'x' * 190}" for n in range(500))
        await vault.put(wrapped, Payload(turn, ref, texts, expires_at_s, "contact"))
    status = absent(turn)._replace(refs=frozenset(refs), wrapped_key=wrapped)
    encoder, store = default_encoder(), MemoryEventStore(clock)
    await compute(status, store, vault, encoder)
    lags_ms: list[float] = []

    async def probe() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            lags_ms.append((time.perf_counter() - began) * 1_000.0 - 1.0)

    longest_ms = []
    for _ in range(15):
        lags_ms.clear()
        probing = asyncio.create_task(probe())
        await compute(status, store, vault, encoder)
        await asyncio.sleep(0.002)
        probing.cancel()
        longest_ms.append(max(lags_ms))
    report("longest lag of the event loop while 64 payloads of 100 kB lie there", longest_ms, 50.0)
    assert statistics.median(longest_ms) < 50.0


async def test_names_that_nobody_knows_are_prepared_and_rescored_in_time() -> None:
    aligner = default_aligner()
    names = [f"{a}{b}ev {b}{a}ski" for a in ("zor", "vim", "kal", "pre", "dro") for b in
             ("ma", "li", "ton", "gra", "u", "chi", "pel", "wo", "sta", "nee")]  # fmt: skip
    began = time.perf_counter()
    await aligner.prepare(names)
    per_name_ms = (time.perf_counter() - began) * 1_000.0 / len(names)
    report("preparing one name of two unknown words", [per_name_ms], 20.0)
    assert per_name_ms < 20.0


SHORT = [
    "power", "bower", "the hour", "meg power", "meg bower", "yes", "the other one",
    "call meg power", "no thank you", "turn it off please",
]  # fmt: skip
"""Answers of one to four words, as a recogniser may have heard them."""


async def test_text_alone_takes_3_ms_for_short_answers_beside_100_names() -> None:
    """The names with their parts, and every everyday answer; n-best lists of five."""
    names = [f"{given} {family}" for given, family in zip((*GIVEN, "Meg"), FAMILY, strict=True)]
    turn = TurnText("", "", tuple(Entity("contact", name) for name in names))
    aligner, phrases = default_aligner(), list(phrases_of(turn))
    assert sum(phrase.whole == "" for phrase in phrases) == 100
    assert len(phrases) > 290, "nearly each has two parts"
    bias = bias_of(phrases, np.zeros(len(phrases) + 1, np.float32))
    assert sum(one.phrase.signal == GENERIC_SIGNAL for one in bias.phrases) == len(GENERIC_ANSWERS)
    await aligner.prepare([phrase.spelling for phrase in phrases])
    heard = [
        Recognition(tuple(Hypothesis(SHORT[(start + i) % len(SHORT)]) for i in range(5)))
        for start in range(len(SHORT))
    ]
    for recognition in heard:  # the list is made ready once for a dialogue's utterances
        await rescore(recognition, bias, aligner)
    took_ms, busy_ms = [], []
    for number in range(500):
        began, busy = time.perf_counter(), time.process_time()
        await rescore(heard[number % len(heard)], bias, aligner)
        took_ms.append((time.perf_counter() - began) * 1_000.0)
        busy_ms.append((time.process_time() - busy) * 1_000.0)
    p99_ms = sorted(took_ms)[int(0.99 * len(took_ms))]
    report("rescoring short answers at 100 names", took_ms, 3.0)
    print(f"p99 {p99_ms:.2f} ms (bound 10); of the processor, {statistics.median(busy_ms):.2f} ms")
    assert statistics.median(took_ms) <= 3.0
    assert p99_ms <= 10.0


async def test_rescoring_100_phrases_adds_less_than_30_ms() -> None:
    aligner = default_aligner()
    phrases = [Phrase(name, "entities", "contact") for name in NAMES]
    bias = bias_of(phrases, np.zeros(101, np.float32))
    assert len(NAMES) == 100
    assert len(bias.phrases) == 100 + len(GENERIC_ANSWERS)
    await aligner.prepare([phrase.text for phrase in phrases])
    words = "call the hour and our power now or do an hour please".split()
    hypotheses = [" ".join(words[i % 5 : 4 + i % 7]) for i in range(20)]
    heard = Pronouncer().phrase_phones("meg bauer please call")[0]
    recognition = Recognition(tuple(Hypothesis(text) for text in hypotheses), None, heard)
    took_ms = []
    for _ in range(60):
        began = time.perf_counter()
        await rescore(recognition, bias, aligner)
        took_ms.append((time.perf_counter() - began) * 1_000.0)
    report("rescoring at 100 phrases", took_ms, 30.0)
    assert statistics.median(took_ms) < 30.0


async def test_context_costs_less_than_the_read_budget_on_the_committed_scenarios() -> None:
    """The budget with acoustic evidence, which PocketSphinx gives."""
    scenarios = load_checked([SCENARIOS]).scenarios
    async with aclosing(replay_all(scenarios, Options())) as runs:
        added_ms = [run.report.added_ms async for run in runs if run.report.context == "hit"]
    report("added after the plain result, hits", added_ms, SOUND_READ_BUDGET_MS)
    assert len(added_ms) > 30
    assert statistics.quantiles(added_ms, n=20)[-1] < SOUND_READ_BUDGET_MS


def test_a_replay_from_cold_takes_less_than_12_s() -> None:
    command = [sys.executable, "-m", "ctxasr", "replay", "--json"]
    took_ms = []
    for _ in range(3):
        began = time.perf_counter()
        scenario = str(SCENARIOS / "call_meg.scenario.yaml")
        subprocess.run([*command, scenario], check=True, capture_output=True)
        took_ms.append((time.perf_counter() - began) * 1_000.0)
    report("replay of one scenario, cold", took_ms, 12_000.0)
    assert statistics.median(took_ms) < 12_000.0
