"""Sound in memory -> 16 kHz mono samples. Nothing is written to a file.

`speech.audio` reads files; the rules here are the same.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from ctxasr.errors import AudioError, LimitExceeded
from ctxasr.ports import Samples
from ctxasr.speech.audio import (
    AUDIO_S_MAX,
    RATE_HZ,
    RATE_HZ_MAX,
    RATE_HZ_MIN,
    to_int16,
)

FORMATS: Final = ("WAV", "WAVEX", "FLAC", "OGG")
"""libsndfile knows thirty more; what is not needed is not offered to strangers."""

SAMPLE_BYTES: Final = 2

SAMPLES_PER_S_MAX: Final = 192_000
"""All channels together: a minute of it takes 46 MB, however small the file is."""


def from_pcm(data: bytes) -> Samples:
    """Samples (n,) of 16-bit little-endian mono at 16 kHz, as AVS sends them.

    Raises:
        AudioError: half a sample.
        LimitExceeded: longer than AUDIO_S_MAX.
    """
    if len(data) % SAMPLE_BYTES:
        raise AudioError("audio: must be whole samples of 2 bytes")
    _check_s(len(data) / SAMPLE_BYTES / RATE_HZ)
    samples: Samples = np.frombuffer(data, "<i2").astype(np.int16)
    return samples


def from_file(data: bytes) -> Samples:
    """Samples (n,) of a whole WAV, FLAC or OGG file.

    Raises:
        AudioError: no such file, a broken or empty one, or a rate that cannot be read.
        LimitExceeded: longer than AUDIO_S_MAX, or over SAMPLES_PER_S_MAX.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in FORMATS:
                raise AudioError("audio: give WAV, FLAC or OGG")
            rate_hz, said = file.samplerate, file.frames
            if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
                raise AudioError(f"audio: {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz can be read")
            per_s = file.channels * rate_hz
            if per_s > SAMPLES_PER_S_MAX:
                raise LimitExceeded("SAMPLES_PER_S_MAX", SAMPLES_PER_S_MAX, per_s, "audio")
            most = int(AUDIO_S_MAX * rate_hz) + 1
            sound = file.read(most, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, ValueError, OverflowError):
        raise AudioError("audio: no sound file, or a broken one; give WAV, FLAC or OGG") from None
    _check_s(len(sound) / rate_hz)
    if not len(sound) or len(sound) < min(said, most) or not np.isfinite(sound).all():
        raise AudioError("audio: truncated, empty, or with samples that are no finite numbers")
    mono = sound.mean(axis=1, dtype=np.float32)  # (n, channels) -> (n,)
    if rate_hz != RATE_HZ:
        import soxr

        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    return to_int16(mono)


def _check_s(duration_s: float) -> None:
    if duration_s > AUDIO_S_MAX:
        raise LimitExceeded("AUDIO_S_MAX", AUDIO_S_MAX, round(duration_s, 1), "audio")
