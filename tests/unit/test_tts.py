"""Test voices and noise."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ctxasr.errors import InputError, LimitExceeded, MissingPart
from ctxasr.ports import RATE_HZ
from ctxasr.speech import tts
from ctxasr.speech.audio import load_samples
from ctxasr.speech.noise import (
    NOISE_KINDS,
    PEAK,
    SNR_DB_MAX,
    SNR_DB_MIN,
    add_noise,
    make_noise,
    speech_power,
)
from ctxasr.speech.silence import has_digital_silence

DATA = Path(__file__).parent.parent / "data"
needs_flite = pytest.mark.skipif(
    "flite:slt" not in tts.available_voices(), reason="needs the Debian package flite"
)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_has_power_one_and_follows_its_seed(kind: str) -> None:
    noise = make_noise(kind, RATE_HZ, 3)
    assert noise.shape == (RATE_HZ,)
    assert np.mean(noise**2) == pytest.approx(1.0)
    assert np.array_equal(noise, make_noise(kind, RATE_HZ, 3))
    assert not np.allclose(noise, make_noise(kind, RATE_HZ, 4))
    assert len(make_noise(kind, 0, 3)) == 0
    assert np.isfinite(make_noise(kind, 1, 3)).all()


def test_the_kinds_differ_where_they_should() -> None:
    def low_share(kind: str) -> float:
        power = np.abs(np.fft.rfft(make_noise(kind, RATE_HZ * 4, 0))) ** 2
        return float(power[: len(power) // 8].sum() / power.sum())  # under 1 kHz

    assert low_share("white") == pytest.approx(1 / 8, abs=0.02)
    assert low_share("pink") > 0.5
    assert low_share("babble") > 0.7

    def swing(kind: str) -> float:
        frames = make_noise(kind, RATE_HZ * 4, 0).reshape(-1, RATE_HZ // 20)
        levels = (frames**2).mean(axis=1)
        return float(levels.std() / levels.mean())

    assert swing("babble") > 2 * swing("white")
    assert swing("kitchen") > 2 * swing("white")


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("snr_db", [20.0, 5.0, -5.0])
def test_the_ratio_is_that_over_the_speech(kind: str, snr_db: float) -> None:
    speech = load_samples(DATA / "kitchen_lights.flac").samples // 8
    mixed = add_noise(speech, kind, snr_db, seed=1)
    noise_power = float(np.mean((mixed.astype(float) - speech) ** 2))
    got_db = 10 * np.log10(speech_power(speech) / noise_power)
    assert got_db == pytest.approx(snr_db, abs=0.1)
    padded = np.concatenate([speech, np.zeros(5 * RATE_HZ, np.int16)])
    assert speech_power(padded) == pytest.approx(speech_power(speech), rel=0.3)


def test_loud_mixtures_are_turned_down_not_clipped() -> None:
    speech = load_samples(DATA / "kitchen_lights.flac").samples
    mixed = add_noise(speech, "white", -20.0, seed=1)
    assert np.abs(mixed.astype(int)).max() == pytest.approx(PEAK, abs=1)
    for wrong in (SNR_DB_MIN - 1, SNR_DB_MAX + 1, float("nan")):
        with pytest.raises(InputError, match="snr_db"):
            add_noise(speech, "white", wrong, seed=1)
    add_noise(speech, "white", SNR_DB_MAX, seed=1)
    with pytest.raises(InputError, match="kitchen"):
        add_noise(speech, "thunder", 10.0, seed=1)


@needs_flite
def test_the_same_arguments_give_the_same_sound() -> None:
    one = tts.speak("bauer", "flite:slt", seed=1)
    assert np.array_equal(one, tts.speak("bauer", "flite:slt", seed=1))
    assert not np.array_equal(one, tts.speak("bauer", "flite:slt", seed=2))
    assert not np.array_equal(one, tts.speak("bauer", "flite:slt", seed=1, noise_kind="babble"))
    assert not has_digital_silence(one)
    assert 0.8 < len(one) / RATE_HZ < 2.5


@needs_flite
def test_the_committed_sound_is_what_the_readme_says() -> None:
    readme = (DATA / "README.md").read_text()
    assert 'speak("call meg bauer", "flite:slt", seed=2)' in readme
    made = tts.speak("call meg bauer", "flite:slt", seed=2)
    assert np.array_equal(made, load_samples(DATA / "call_meg_bauer.flac").samples)


@pytest.mark.parametrize("voice", tts.available_voices())
def test_every_voice_of_this_machine_speaks(voice: str) -> None:
    samples = tts.speak("the second one", voice)
    assert 0.8 < len(samples) / RATE_HZ < 3.0
    assert speech_power(samples) > 100_000


@needs_flite
def test_the_text_is_in_no_argument_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = next(p for p in os.environ["PATH"].split(":") if (Path(p) / "flite").exists())
    log, wrapper = tmp_path / "log", tmp_path / "bin" / "flite"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real}/flite "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    tts.speak("zanzibar canary", "flite:slt")
    assert "-voice slt" in log.read_text()
    assert "canary" not in log.read_text()
    assert list((tmp_path / "temp").iterdir()) == []


def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for voice, package in [
        ("flite:slt", "flite"),
        ("festival:kal_diphone", "festvox-kallpc16k"),
        ("espeak:en-us", "espeak-ng"),
    ]:
        with pytest.raises(MissingPart, match=package):
            tts.speak("hello", voice)


def test_wrong_requests_are_refused() -> None:
    for text in ("", "...", "🎉"):
        with pytest.raises(InputError, match="nothing to say"):
            tts.speak(text, "flite:slt")
    for voice in ("slt", "flite:", "flite:../x", "other:voice", "flite:slt) (system"):
        with pytest.raises(InputError, match="no such synthesiser"):
            tts.speak("hello", voice)
    with pytest.raises(LimitExceeded, match="SPEAK_CHARS_MAX"):
        tts.speak("a" * (tts.SPEAK_CHARS_MAX + 1), "flite:slt")


@needs_flite
def test_a_voice_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError, match="flite:slt"):
        tts.speak("hello", "flite:nobody")
    assert len(tts.speak("a" * tts.SPEAK_CHARS_MAX, "flite:slt")) > 0
