"""The real recogniser on real sound."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ctxasr.errors import LimitExceeded, MissingPart
from ctxasr.hypotheses import N_BEST_MAX, Recognition
from ctxasr.ports import RATE_HZ, Recognizer, Samples
from ctxasr.speech import pocketsphinx
from ctxasr.speech.audio import AUDIO_S_MAX, load_samples
from ctxasr.speech.lattice import oracle_edits
from ctxasr.speech.lexicon import PHONES
from ctxasr.speech.pocketsphinx import (
    ASSISTANT_OPTIONS,
    BELOW_BEST_MAX,
    PocketSphinxDecoder,
    PocketSphinxRecognizer,
)

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def decoder() -> PocketSphinxDecoder:
    return PocketSphinxDecoder()


@pytest.fixture(scope="module")
def sounds() -> dict[str, Samples]:
    return {
        name: load_samples(DATA / f"{name}.flac").samples
        for name in ("kitchen_lights", "call_meg_bauer")
    }


@pytest.fixture(scope="module")
def heard(decoder: PocketSphinxDecoder, sounds: dict[str, Samples]) -> dict[str, Recognition]:
    return {name: decoder.recognize(samples) for name, samples in sounds.items()}


def test_what_was_said_is_mostly_heard(heard: dict[str, Recognition]) -> None:
    recognition = heard["kitchen_lights"]
    assert recognition.plain == "turn on the kitchen lights please"
    assert 2.4 < recognition.duration_s < 2.6
    assert recognition.lattice is not None
    assert oracle_edits(recognition.lattice, "turn on the kitchen lights please".split()) == 0


def test_n_best_is_ordered_distinct_and_bounded(heard: dict[str, Recognition]) -> None:
    for recognition in heard.values():
        texts = [hypothesis.text for hypothesis in recognition.hypotheses]
        scores = [hypothesis.score for hypothesis in recognition.hypotheses]
        assert 10 < len(texts) == len(set(texts)) <= N_BEST_MAX
        assert scores[1:] == sorted(scores[1:], reverse=True)
        assert all(text == text.lower().strip() and "(" not in text for text in texts)
        # natural logarithms: neighbours differ by units to tens, as words under a weight of 9.5 do
        assert 5 < scores[1] - scores[-1] < 1_000


def test_the_lattice_holds_the_plain_result(heard: dict[str, Recognition]) -> None:
    for recognition in heard.values():
        assert recognition.lattice is not None
        assert oracle_edits(recognition.lattice, recognition.plain.split()) == 0
        assert all(0.0 <= arc.posterior <= 1.01 for arc in recognition.lattice.arcs)
        assert all(arc.acoustic <= 0.0 for arc in recognition.lattice.arcs)


def test_the_phone_loop_hears_the_name_that_the_words_lose(heard: dict[str, Recognition]) -> None:
    recognition = heard["call_meg_bauer"]
    assert "bauer" not in recognition.plain
    assert recognition.phones[-2:] == ("AW", "ER")
    assert set(recognition.phones) <= set(PHONES)


def test_nothing_carries_over_from_one_utterance_to_the_next(
    decoder: PocketSphinxDecoder, sounds: dict[str, Samples], heard: dict[str, Recognition]
) -> None:
    loud = np.random.default_rng(0).normal(0, 8000, RATE_HZ).astype(np.int16)
    for before in (loud, sounds["call_meg_bauer"], sounds["kitchen_lights"]):
        decoder.recognize(before)
        for name, samples in sounds.items():
            assert decoder.recognize(samples) == heard[name]


def test_no_file_is_left_and_none_is_written(
    decoder: PocketSphinxDecoder, sounds: dict[str, Samples]
) -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    handles = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert decoder.recognize(sounds["call_meg_bauer"]).lattice is not None
    new = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in new if "lattice" in name]
    if handles:
        assert len(os.listdir("/proc/self/fd")) == handles


def test_the_stock_language_model_is_an_option(sounds: dict[str, Samples]) -> None:
    stock = PocketSphinxDecoder(language="stock", phones=False)
    assert "kitchen lights please" in stock.recognize(sounds["kitchen_lights"]).plain


def test_a_path_through_a_lost_silence_is_no_hypothesis(
    sounds: dict[str, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    for beam in ("fwdflatbeam", "fwdflatwbeam"):  # those of PocketSphinx lose it
        monkeypatch.delitem(ASSISTANT_OPTIONS, beam)
    narrow = PocketSphinxDecoder(phones=False).recognize(sounds["call_meg_bauer"])
    scores = [hypothesis.score for hypothesis in narrow.hypotheses]
    assert len(scores) > 1
    assert max(scores) - min(scores) < BELOW_BEST_MAX


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pocketsphinx, "ASSISTANT_MODEL", tmp_path / "gone.lm.bin")
    with pytest.raises(MissingPart, match=r"gone\.lm\.bin: .*train --part language"):
        PocketSphinxDecoder().load()


def test_silence_and_nothing_give_no_hypothesis(decoder: PocketSphinxDecoder) -> None:
    room = np.random.default_rng(0).normal(0.0, 30.0, 2 * RATE_HZ).astype(np.int16)  # -61 dB
    flat = np.full(RATE_HZ, 7, np.int16)
    for samples in (room[:0], 0 * flat, flat, flat[:99], room):
        recognition = decoder.recognize(samples)
        assert recognition.hypotheses == ()
        assert recognition.plain == ""


def test_limits_hold_at_their_edge(decoder: PocketSphinxDecoder) -> None:
    most = int(AUDIO_S_MAX * RATE_HZ)
    assert decoder.recognize(np.zeros(most, np.int16)).duration_s == AUDIO_S_MAX
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
        decoder.recognize(np.zeros(most + 1, np.int16))
    assert PocketSphinxDecoder(n_best=N_BEST_MAX)
    for wrong in (0, N_BEST_MAX + 1):
        with pytest.raises(LimitExceeded, match="N_BEST_MAX"):
            PocketSphinxDecoder(n_best=wrong)


@pytest.fixture(params=[False, True], ids=["thread", "process"])
def recognizer(request: pytest.FixtureRequest) -> Iterator[PocketSphinxRecognizer]:
    made = PocketSphinxRecognizer(n_best=5, process=request.param)
    yield made
    made.close()


async def test_thread_and_process_hear_the_same(
    recognizer: PocketSphinxRecognizer, sounds: dict[str, Samples], heard: dict[str, Recognition]
) -> None:
    port: Recognizer = recognizer
    await recognizer.load()
    both = await asyncio.gather(*(port.recognize(samples) for samples in sounds.values()))
    for recognition, expected in zip(both, heard.values(), strict=True):
        assert recognition.plain == expected.plain
        assert recognition.phones == expected.phones
        assert recognition.lattice == expected.lattice
        assert len(recognition.hypotheses) == 5
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
        await port.recognize(np.zeros(int(AUDIO_S_MAX * RATE_HZ) + 1, np.int16))


async def test_a_dead_process_is_said_not_waited_for(sounds: dict[str, Samples]) -> None:
    recognizer = PocketSphinxRecognizer(process=True)
    try:
        await recognizer.load()
        (worker,) = multiprocessing.active_children()
        worker.kill()
        with pytest.raises(MissingPart, match="process has died"):
            await recognizer.recognize(sounds["call_meg_bauer"])
    finally:
        recognizer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_does_not_outlive_a_killed_parent() -> None:
    code = (
        "import asyncio, os\n"
        "from ctxasr.speech.pocketsphinx import PocketSphinxRecognizer\n"
        "if __name__ == '__main__':\n"
        "    recogniser = PocketSphinxRecognizer(process=True)\n"
        "    asyncio.run(recogniser.load())\n"
        "    print(*recogniser._worker._executor._processes, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -9
    worker = int(done.stdout)
    # Its stderr is ours: the run above returns only when the worker has closed it as well.
    state = Path(f"/proc/{worker}/stat")
    assert not state.exists() or state.read_text().rpartition(") ")[2][0] == "Z"
