"""Second evidence by Whisper: how long it takes, and what it does to the event loop and memory."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctxasr.speech.audio import load_samples
from ctxasr.speech.whisper import WhisperDecoder, WhisperRecognizer

pytestmark = pytest.mark.bench

AUDIO = Path(__file__).parents[2] / "scenarios" / "audio"
CALLS = 10_000
EIGHT = {
    "names": [
        "Meg Bauer", "Meg Jones", "Meg Power", "Peg Bower", "Greg Tower", "Find Bauer",
        "Mack Bower", "Matt Bauer",
    ],
    "sentences": [
        "Find a coffee shop near me", "Find a cough shop near me", "Find the coffee shop near me",
        "Find a coffee shop near by", "Fine a coffee shop near me", "Find a coffee shop in here",
        "Mind a coffee shop near me", "Find coffee shops near me",
    ],
}  # fmt: skip
"""As candidates made of what Whisper wrote; in small letters each has two forms, twice the time."""


@pytest.mark.parametrize("kind", EIGHT)
@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
async def test_eight_candidates_while_the_loop_stays_responsive(
    whisper_model: Path, process: bool, kind: str
) -> None:
    recognizer = WhisperRecognizer(str(whisper_model), process=process)
    lags_ms: list[float] = []
    stop = asyncio.Event()

    async def probe() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            lags_ms.append((time.perf_counter() - began) * 1_000.0 - 1.0)

    try:
        recognition = await recognizer.recognize(
            load_samples(AUDIO / "local_search_coffee-1.flac").samples
        )
        await recognizer.log_likelihoods(recognition, EIGHT[kind])
        probing = asyncio.create_task(probe())
        took_ms = []
        for _ in range(100):
            began = time.perf_counter()
            await recognizer.log_likelihoods(recognition, EIGHT[kind])
            took_ms.append((time.perf_counter() - began) * 1_000.0)
        stop.set()
        await probing
    finally:
        recognizer.close()
    lag_ms = sorted(lags_ms)[int(0.99 * len(lags_ms))]
    p50, p99 = statistics.median(took_ms), sorted(took_ms)[98]
    print(f"\neight {kind}: p50 {p50:.0f} ms, p99 {p99:.0f}, loop lag p99 {lag_ms:.1f} ms")
    assert p50 <= 80.0
    assert lag_ms < 20.0


def test_eight_candidates_beside_a_busy_process(whisper_model: Path) -> None:
    """As where the next utterance is being recognised meanwhile."""
    decoder = WhisperDecoder(str(whisper_model))
    decoder.recognize(load_samples(AUDIO / "local_search_coffee-1.flac").samples, 1)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        took_ms = []
        for _ in range(100):
            began = time.perf_counter()
            decoder.log_likelihoods(1, EIGHT["names"])
            took_ms.append((time.perf_counter() - began) * 1_000.0)
    finally:
        busy.kill()
        busy.wait()
    p50, p99 = statistics.median(took_ms), sorted(took_ms)[98]
    print(f"\neight names beside a busy process: p50 {p50:.0f} ms, p99 {p99:.0f}")
    assert p50 <= 80.0


def test_memory_stays_flat_over_many_calls(whisper_model: Path) -> None:
    decoder = WhisperDecoder(str(whisper_model))
    decoder.recognize(load_samples(AUDIO / "call_meg-2.flac").samples, 1)
    sizes = []
    for number in range(CALLS):
        decoder.log_likelihoods(1, ["Bauer", f"number {number}"])
        if number % 1_000 == 999:
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6)
    print(f"\nMB after each thousand of {CALLS} calls: {[round(size) for size in sizes]}")
    assert sizes[-1] - sizes[0] < 20.0
