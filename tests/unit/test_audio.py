"""Sound files: what is read, what is converted with a note, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctxasr.errors import AudioError, LimitExceeded
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.audio import (
    AUDIO_S_MAX,
    CHANNELS_MAX,
    FILE_BYTES_MAX,
    RATE_HZ_MAX,
    RATE_HZ_MIN,
    SAMPLES_PER_S_MAX,
    load_samples,
    read_sound,
    save_flac,
)
from ctxasr.speech.conversion import FLOAT_PEAK_MAX
from ctxasr.speech.silence import (
    NOISE_DB_MAX,
    SPEECH_DB_MIN,
    TRIM_KEPT_S,
    dither,
    has_digital_silence,
    trim_silence,
    why_no_speech,
)


def tone(seconds: float, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def test_flac_round_trip_is_exact_and_says_nothing(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32767, RATE_HZ).astype(np.int16)
    for name in ("one.flac", "two.flac"):
        save_flac(tmp_path / name, samples)
    loaded = load_samples(tmp_path / "one.flac")
    assert np.array_equal(loaded.samples, samples)
    assert loaded.notes == ()
    assert loaded.duration_s == 1.0
    assert (tmp_path / "one.flac").read_bytes() == (tmp_path / "two.flac").read_bytes()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(44_100, 2), (8_000, 1), (96_000, 1), (48_000, 3)]
)
def test_other_rates_and_channels_are_converted_and_said(
    tmp_path: Path, form: str, rate_hz: int, channels: int
) -> None:
    sound = np.stack([tone(0.5, rate_hz)] * channels, axis=1)
    path = tmp_path / "sound"
    soundfile.write(path, sound, rate_hz, format=form)
    loaded = load_samples(path)
    assert loaded.samples.dtype == np.int16
    assert abs(loaded.duration_s - 0.5) < 0.01
    middle = loaded.samples[2000:6000] / 32768
    assert abs(np.sqrt(2 * np.mean(middle**2)) - 0.5) < 0.02  # the tone keeps its level
    assert any(f"{rate_hz} Hz" in note for note in loaded.notes)
    assert any("mono" in note for note in loaded.notes) == (channels > 1)
    assert any("4 kHz" in note for note in loaded.notes) == (rate_hz == 8_000)


def test_what_is_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    whole = tmp_path / "whole.flac"
    save_flac(whole, (tone(1.0) * 20_000).astype(np.int16))
    wave = tmp_path / "whole.wav"
    soundfile.write(wave, tone(1.0), RATE_HZ, subtype="PCM_16")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("call me")
    (tmp_path / "head.wav").write_bytes(wave.read_bytes()[:44])
    (tmp_path / "cut.flac").write_bytes(whole.read_bytes()[:100])
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE_HZ)
    holed = np.where(np.arange(1000) == 500, np.nan, 0.0)
    soundfile.write(tmp_path / "nan.wav", holed, RATE_HZ, subtype="FLOAT")
    expected = {
        "missing.wav": "no such file",
        ".": "directory",
        "empty.wav": "0 bytes",
        "text.wav": "no sound file",
        "head.wav": "cut off before its sound begins",
        "cut.flac": "cut off before its sound begins",
        "none.wav": "no sound",
        "nan.wav": "finite",
    }
    for name, reason in expected.items():
        before = (tmp_path / name).read_bytes() if (tmp_path / name).is_file() else b""
        with pytest.raises(AudioError, match=reason) as caught:
            load_samples(tmp_path / name)
        assert str(caught.value).startswith((tmp_path / name).name)
        assert not before or (tmp_path / name).read_bytes() == before


def test_limits_hold_at_their_edge(tmp_path: Path) -> None:
    path = tmp_path / "edge.wav"
    most = int(AUDIO_S_MAX * RATE_HZ)
    soundfile.write(path, np.zeros(most), RATE_HZ)
    assert load_samples(path).duration_s == AUDIO_S_MAX
    soundfile.write(path, np.zeros(most + 1), RATE_HZ)
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
        load_samples(path)
    for rate_hz, fine in [
        (RATE_HZ_MIN, True),
        (RATE_HZ_MIN - 1, False),
        (RATE_HZ_MAX, True),
        (RATE_HZ_MAX + 1, False),
    ]:
        soundfile.write(path, tone(0.1, rate_hz), rate_hz)
        if fine:
            load_samples(path)
        else:
            with pytest.raises(AudioError, match="Hz"):
                load_samples(path)
    soundfile.write(path, np.zeros((100, CHANNELS_MAX)), RATE_HZ)
    load_samples(path)
    soundfile.write(path, np.zeros((100, CHANNELS_MAX + 1)), RATE_HZ)
    with pytest.raises(LimitExceeded, match="CHANNELS_MAX"):
        load_samples(path)
    soundfile.write(path, np.zeros((100, 4)), SAMPLES_PER_S_MAX // 4)
    load_samples(path)
    soundfile.write(path, np.zeros((100, 4)), SAMPLES_PER_S_MAX // 4 + 1)
    with pytest.raises(LimitExceeded, match="SAMPLES_PER_S_MAX"):
        load_samples(path)


def test_no_more_than_file_bytes_max_is_read_of_anything(tmp_path: Path) -> None:
    path = tmp_path / "padded.wav"
    soundfile.write(path, tone(0.1), RATE_HZ, subtype="PCM_16")
    with path.open("ab") as file:
        file.truncate(FILE_BYTES_MAX)  # zeros behind the sound: a chunk without a name
    assert load_samples(path).duration_s == pytest.approx(0.1)
    with path.open("ab") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(LimitExceeded, match="FILE_BYTES_MAX"):
        load_samples(path)
    with pytest.raises(AudioError, match="no sound file"):
        load_samples("/dev/zero")  # it has no end


@pytest.mark.parametrize("rate_hz", [RATE_HZ_MIN, RATE_HZ])
def test_raw_sound_is_read_at_the_rate_that_is_said(rate_hz: int) -> None:
    raw = (tone(0.5, rate_hz) * 20_000).astype("<i2").tobytes()
    assert read_sound(raw, "raw", raw_hz=rate_hz).duration_s == pytest.approx(0.5, abs=0.001)
    with pytest.raises(AudioError, match="whole samples of 2 bytes"):
        read_sound(raw[:-1], "raw", raw_hz=rate_hz)
    with pytest.raises(AudioError, match="7999 Hz"):
        read_sound(raw, "raw", raw_hz=RATE_HZ_MIN - 1)
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):
        read_sound(bytes(2 * (60 * rate_hz + 1)), "raw", raw_hz=rate_hz)
    with pytest.raises(LimitExceeded, match="AUDIO_S_MAX"):  # too long, whether whole or not
        read_sound(bytes(2 * (60 * rate_hz + 1) + 1), "raw", raw_hz=rate_hz)


def test_floats_are_loud_or_count_steps_at_an_edge(tmp_path: Path) -> None:
    for peak, said in ((FLOAT_PEAK_MAX, "turned down"), (FLOAT_PEAK_MAX * 1.01, "16 bits")):
        soundfile.write(tmp_path / "a.wav", 2.0 * peak * tone(0.1), RATE_HZ, subtype="FLOAT")
        assert said in " ".join(load_samples(tmp_path / "a.wav").notes)


def test_levels_without_speech_are_told_at_their_edges() -> None:
    noise = np.random.default_rng(0).normal(0, 1, RATE_HZ)

    def room(level_db: float) -> Samples:
        return np.rint(noise * 32_768 * 10 ** (level_db / 20)).astype(np.int16)

    assert "noise at" in (why_no_speech(room(NOISE_DB_MAX - 2)) or "")
    assert why_no_speech(room(NOISE_DB_MAX + 1)) is None, "loud noise may hold speech"
    whisper = room(SPEECH_DB_MIN - 10)
    whisper[4_000:8_000] = room(SPEECH_DB_MIN + 3)[4_000:8_000]
    assert why_no_speech(whisper) is None
    whisper[4_000:8_000] = room(SPEECH_DB_MIN - 3)[4_000:8_000]
    assert "noise at" in (why_no_speech(whisper) or "")


def test_loud_float_files_are_turned_down_and_say_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", 3.0 * tone(0.1), RATE_HZ, subtype="FLOAT")
    loaded = load_samples(tmp_path / "loud.wav")
    assert loaded.samples.max() == 32767
    assert (np.diff(np.flatnonzero(loaded.samples == 32767)) > 1).all(), "no flat tops"
    assert "so that none is clipped" in loaded.notes[0]


def test_dither_only_where_the_silence_is_digital() -> None:
    noisy = np.random.default_rng(1).normal(0, 30, RATE_HZ).astype(np.int16)
    assert dither(noisy) is noisy
    silent = noisy.copy()
    silent[:320] = 0
    assert has_digital_silence(silent)
    assert not has_digital_silence(noisy[:0])
    silent[319] = 1
    assert not has_digital_silence(silent[:320])
    dithered = dither(np.zeros(RATE_HZ, np.int16))
    assert 19 < dithered.std() < 21
    assert np.array_equal(dithered, dither(np.zeros(RATE_HZ, np.int16)))
    full = dither(np.full(RATE_HZ, 32767, np.int16))
    assert full.min() > 32000  # clipped, not wrapped round


def test_trimming_keeps_the_speech_and_its_margins() -> None:
    speech = (tone(0.8) * 20_000).astype(np.int16)
    samples: Samples = np.random.default_rng(2).normal(0, 20, 4 * RATE_HZ).astype(np.int16)
    start = 2 * RATE_HZ
    samples[start : start + len(speech)] += speech
    samples[RATE_HZ // 2] = 20_000  # a click is no speech
    trimmed = trim_silence(samples)
    assert abs(len(trimmed) / RATE_HZ - (0.8 + 2 * TRIM_KEPT_S)) < 0.05
    assert np.array_equal(trimmed, samples[start - int(TRIM_KEPT_S * RATE_HZ) :][: len(trimmed)])
    assert np.array_equal(trim_silence(trimmed), trimmed)
    for whole in (samples[: RATE_HZ // 4], samples[:10], samples[:0], speech):
        assert np.array_equal(trim_silence(whole), whole)
