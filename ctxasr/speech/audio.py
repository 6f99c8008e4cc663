"""Sound files in and out, and what a recogniser needs of the samples: 16 kHz, mono, 16 bit.

What had to be changed on the way (channels, rate, clipping) is said in `notes`, so that nobody
wonders later why a file sounds different from what was recognised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import AudioError, LimitExceeded
from ctxasr.ports import Samples

RATE_HZ: Final = 16_000

AUDIO_S_MAX: Final = 60.0
"""Longest utterance: a follow-up lasts seconds; the recogniser needs some 20 MB a minute."""

RATE_HZ_MIN: Final = 8_000
"""Telephone speech; below it the consonants are gone."""

RATE_HZ_MAX: Final = 96_000

CHANNELS_MAX: Final = 8

DITHER_SIGMA: Final = 20.0
"""In steps of 16 bit: about -64 dB of full scale, inaudible, yet enough for the cepstral mean."""

SILENT_RUN_S: Final = 0.02
"""A run of one constant value this long is digital silence, which no microphone gives."""

FRAME_S: Final = 0.01
"""Step in which energy is measured."""

TRIM_KEPT_S: Final = 0.25
"""Silence left before and after the speech: the recogniser's first and last word lean on it."""

TRIM_CONTRAST_DB: Final = 10.0
"""With less between the quietest and the loudest frames, nothing is taken for silence."""

TRIM_LEVEL: Final = 0.25
"""Speech starts this far (in dB) from the noise floor to the loudest frames."""

TRIM_RUN_FRAMES: Final = 4
"""Frames in a row above the level that make speech; a click has one or two."""

_SCALE: Final = 32_768.0


@dataclass(frozen=True, slots=True)
class LoadedAudio:
    """Samples at RATE_HZ, mono, int16 (n,), and what was converted to get there."""

    samples: Samples
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE_HZ


def load_samples(path: Path | str) -> LoadedAudio:
    """Read FLAC, WAV, OGG or what else libsndfile knows. The file is only read.

    Raises:
        AudioError: missing, a directory, empty, truncated, no sound file, a rate outside
            RATE_HZ_MIN to RATE_HZ_MAX, or values that are no numbers; names the file.
        LimitExceeded: longer than AUDIO_S_MAX.
    """
    path = Path(path)
    name = path.name
    if path.is_dir():
        raise AudioError(f"{name}: a directory; give one FLAC, WAV or OGG file")
    if not path.is_file():
        raise AudioError(f"{name}: no such file; give a FLAC, WAV or OGG file")
    if path.stat().st_size == 0:
        raise AudioError(f"{name}: the file is empty (0 bytes); give FLAC, WAV or OGG")
    sound, rate_hz, frames_said = _decode(path)
    if len(sound) < frames_said or len(sound) == 0:
        raise AudioError(
            f"{name}: truncated, {len(sound)} of {frames_said} frames are there; give a whole file"
            if frames_said
            else f"{name}: holds no sound (0 frames); give a recording"
        )
    if not np.isfinite(sound).all():
        raise AudioError(f"{name}: has samples that are no finite numbers; export it as 16-bit")
    notes = []
    if sound.shape[1] > 1:
        notes.append(f"{sound.shape[1]} channels mixed down to mono")
    mono = sound.mean(axis=1, dtype=np.float32)  # (n, channels) -> (n,)
    if rate_hz != RATE_HZ:
        import soxr

        mono = soxr.resample(mono, rate_hz, RATE_HZ)
        lost = "; nothing above 4 kHz in it" if rate_hz == RATE_HZ_MIN else ""
        notes.append(f"resampled from {rate_hz} Hz to {RATE_HZ} Hz{lost}")
    clipped = int((np.abs(mono) > 1.0).sum())
    if clipped > 0:
        notes.append(f"{clipped} samples beyond full scale clipped")
    return LoadedAudio(to_int16(mono), tuple(notes))


def _decode(path: Path) -> tuple[NDArray[np.float32], int, int]:
    """Float samples (n, channels), the rate in Hz, and the number of frames the header claims."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, said = file.samplerate, _claimed_frames(path, file)
            if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
                raise AudioError(
                    f"{path.name}: {rate_hz} Hz; {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz can be read"
                )
            if file.channels > CHANNELS_MAX:
                raise LimitExceeded("CHANNELS_MAX", CHANNELS_MAX, file.channels, path.name)
            most = int(AUDIO_S_MAX * rate_hz)
            sound = file.read(most + 1, dtype="float32", always_2d=True)
            if len(sound) > most:
                seconds = max(said, len(sound)) / rate_hz
                raise LimitExceeded("AUDIO_S_MAX", AUDIO_S_MAX, round(seconds, 1), path.name)
    except soundfile.SoundFileError:
        raise AudioError(
            f"{path.name}: no sound file that can be read, or a broken one; give FLAC, WAV or OGG"
        ) from None
    return sound, rate_hz, said


def _claimed_frames(path: Path, file: Any) -> int:
    """The header's length. libsndfile shortens a truncated WAV without a word: look for oneself."""
    frames = int(file.frames)
    with path.open("rb") as raw:
        head = raw.read(4096)
    size = path.stat().st_size
    at = head.find(b"data")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and 12 <= at <= len(head) - 8:
        claimed_bytes = int.from_bytes(head[at + 4 : at + 8], "little")
        have_bytes = size - at - 8
        # 0 and 0xFFFFFFFF are what a program writes that streams and never comes back
        if have_bytes < claimed_bytes < 0xFFFF_FF00 and have_bytes > 0:
            return max(frames + 1, frames * claimed_bytes // have_bytes)
    return frames


def save_flac(path: Path | str, samples: Samples) -> None:
    """Write 16 kHz mono FLAC; equal samples give equal bytes.

    Raises:
        AudioError: the file cannot be written there.
    """
    import soundfile

    path = Path(path)
    try:
        soundfile.write(path, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    except (soundfile.SoundFileError, OSError):
        raise AudioError(f"{path.name}: cannot be written; is the folder there?") from None


def to_int16(sound: NDArray[Any]) -> Samples:
    """From -1..1 to 16 bit, clipped at full scale."""
    out: Samples = np.clip(np.rint(sound * _SCALE), -_SCALE, _SCALE - 1).astype(np.int16)
    return out


def has_digital_silence(samples: Samples) -> bool:
    """Whether some SILENT_RUN_S stand still to the bit."""
    run = int(SILENT_RUN_S * RATE_HZ)
    moves = np.flatnonzero(np.diff(samples))
    edges = np.concatenate([[-1], moves, [len(samples) - 1]])
    return bool(len(samples)) and bool(np.diff(edges).max() >= run)


def dither(samples: Samples, seed: int = 0) -> Samples:
    """Add Gaussian noise of DITHER_SIGMA where the recording has digital silence; else as it is.

    Cepstral mean normalisation takes the mean over the utterance, and the logarithm of frames
    without any energy draws it far off.
    """
    if not has_digital_silence(samples):
        return samples
    noise = np.random.default_rng(seed).normal(0.0, DITHER_SIGMA, len(samples))
    return to_int16((samples + noise) / _SCALE)


def frame_levels_db(samples: Samples) -> NDArray[np.float64]:
    """Energy of each whole FRAME_S in dB (of squared 16-bit steps); (n,) -> (frames,)."""
    step = int(FRAME_S * RATE_HZ)
    frames = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    levels: NDArray[np.float64] = 10.0 * np.log10((frames**2).mean(axis=1) + 1.0)
    return levels


def speech_frames(samples: Samples) -> NDArray[np.bool_]:
    """For each FRAME_S whether it is loud enough to be speech; all of them without contrast."""
    levels = frame_levels_db(samples)
    if not len(levels):
        return np.zeros(0, np.bool_)
    floor, top = np.percentile(levels, [10, 95])
    if top - floor < TRIM_CONTRAST_DB:
        return np.ones(len(levels), np.bool_)
    active: NDArray[np.bool_] = levels > floor + TRIM_LEVEL * (top - floor)
    return active


def trim_silence(samples: Samples) -> Samples:
    """Cut what lies more than TRIM_KEPT_S before the first and after the last speech."""
    active = speech_frames(samples)
    if len(active) < TRIM_RUN_FRAMES:
        return samples
    runs = np.convolve(active, np.ones(TRIM_RUN_FRAMES), "valid") == TRIM_RUN_FRAMES
    starts = np.flatnonzero(runs)
    if not len(starts):
        return samples
    step, kept = int(FRAME_S * RATE_HZ), int(TRIM_KEPT_S * RATE_HZ)
    first = max(0, int(starts[0]) * step - kept)
    last = min(len(samples), int(starts[-1] + TRIM_RUN_FRAMES) * step + kept)
    return samples[first:last]
