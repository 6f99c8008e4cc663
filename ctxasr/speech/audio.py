"""Sound in: files, standard input, bodies of requests. One reader for all of them.

    load_samples("bauer.wav")        read_sound(body, "audio", raw_hz=16_000)

What had to be changed or is missing (channels, rate, a cut-off end, no speech) is said in `notes`,
so that nobody wonders later why a file sounds different from what was recognised.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import AudioError, LimitExceeded, MissingPart
from ctxasr.hypotheses import Recognition
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.containers import Container, container_of, kind_of, unread_note
from ctxasr.speech.conversion import converted
from ctxasr.speech.foreign import foreign_kind_of
from ctxasr.speech.silence import FULL_SCALE

AUDIO_S_MAX: Final = 60.0
"""Longest utterance: a follow-up lasts seconds; the recogniser needs some 20 MB a minute."""

RATE_HZ_MIN: Final = 8_000
"""Telephone speech; below it the consonants are gone."""

RATE_HZ_MAX: Final = 96_000

CHANNELS_MAX: Final = 8

SAMPLES_PER_S_MAX: Final = 192_000
"""All channels together: a minute of it takes 46 MB, however small the file is."""

FILE_BYTES_MAX: Final = 100_000_000
"""Read of a file or a pipe: a minute of SAMPLES_PER_S_MAX samples of 8 bytes, and its headers."""

_BEYOND_END: Final = 39
"""libsndfile's SFE_BAD_SEEK: all of a FLAC of unknown length has been read."""

_FORMATS: Final = frozenset({"WAV", "WAVEX", "FLAC", "OGG", "AIFF", "CAF", "AU"})
"""What libsndfile may take the bytes for; it knows more, and what is not needed is not offered."""


def checked_duration_s(samples: Samples) -> float:
    """The length of 16 kHz samples (n,).

    Raises:
        LimitExceeded: longer than AUDIO_S_MAX.
    """
    duration_s = len(samples) / RATE_HZ
    if duration_s > AUDIO_S_MAX:
        raise LimitExceeded("AUDIO_S_MAX", AUDIO_S_MAX, round(duration_s, 1), "utterance")
    return duration_s


@dataclass(frozen=True, slots=True)
class LoadedAudio:
    """Samples at RATE_HZ, mono, int16 (n,), and what is to be said of them."""

    samples: Samples
    notes: tuple[str, ...] = ()
    cut_off: bool = False
    """Whether the end of the file is missing; a note says how much."""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE_HZ

    def notes_with(self, recognition: Recognition) -> tuple[str, ...]:
        """The notes, and one more if nothing was heard."""
        if recognition.hypotheses or any(note.startswith("no speech") for note in self.notes):
            return self.notes
        return (*self.notes, "no speech: the recogniser heard no word")


class _Stream(io.BytesIO):
    """For libsndfile, which may be led to before the beginning; Python would print a traceback."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(max(offset, 0) if whence == 0 else offset, whence)


def load_samples(
    path: Path | str, *, raw_hz: int | None = None, whole: bool = False
) -> LoadedAudio:
    """Read a WAV, FLAC, OGG, AIFF, CAF or AU file, or a pipe; see `read_sound`.

    `whole` refuses what is cut off: figures and tests would speak of half an utterance.

    Raises:
        AudioError: missing, a directory, or not to be read; or as `read_sound`.
        LimitExceeded: as `read_sound`.
    """
    path = Path(path)
    name = path.name
    try:
        if path.is_dir():
            raise AudioError(f"{name}: a directory; give one FLAC, WAV or OGG file")
        with path.open("rb") as file:
            found = read_stream(file, name, raw_hz=raw_hz)
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; give a FLAC, WAV or OGG file") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror})") from None
    if whole and found.cut_off:
        raise AudioError(f"{name}: {'; '.join(found.notes)}")
    return found


def read_stream(stream: BinaryIO, name: str, *, raw_hz: int | None = None) -> LoadedAudio:
    """As `read_sound`, of what a stream holds; no more than FILE_BYTES_MAX is taken from it."""
    return read_sound(stream.read(FILE_BYTES_MAX + 1), name, raw_hz=raw_hz)


def read_sound(data: bytes, name: str, *, raw_hz: int | None = None) -> LoadedAudio:
    """Samples of a whole file in memory; `name` is for messages.

    `raw_hz`: without a known header the bytes are 16-bit little-endian mono at this rate.

    Raises:
        AudioError: no sound file, a broken or empty one, half a sample, a rate outside RATE_HZ_MIN
            to RATE_HZ_MAX, or values that are no numbers.
        LimitExceeded: AUDIO_S_MAX, CHANNELS_MAX, SAMPLES_PER_S_MAX or FILE_BYTES_MAX is passed.
    """
    if not data:
        raise AudioError(f"{name}: is empty (0 bytes); give a FLAC, WAV or OGG file")
    before: tuple[str, ...] = ()
    if raw_hz is not None and kind_of(data) is None and foreign_kind_of(data) is None:
        sound, rate_hz, share = _raw(data, raw_hz, name), raw_hz, 1.0
    else:
        file = container_of(data, name)
        if raw_hz is not None:
            before = (f"a {file.kind} file, though given as raw sound",)
        stream = _Stream(file.data)
        sound, rate_hz, share = _decoded(file, stream, name)
        before += file.notes
        if file.kind == "FLAC" and share == 1.0:  # only its decoder knows where it ends
            before += unread_note(len(file.data) - stream.tell())
    if len(data) > FILE_BYTES_MAX:
        raise LimitExceeded("FILE_BYTES_MAX", FILE_BYTES_MAX, len(data), name)
    if share < 1.0:
        before += (_cut_off(len(sound) / rate_hz, share),)
    if not len(sound):
        why = "cut off before its sound begins" if share < 1.0 else "holds no sound (0 frames)"
        raise AudioError(f"{name}: {why}; give a whole recording")
    samples, after = converted(sound, rate_hz, name)
    return LoadedAudio(samples, before + after, share < 1.0)


def _cut_off(duration_s: float, share: float) -> str:
    whole = f" of {duration_s / share:.2f} s" if share > 0.0 else ""
    return f"cut off: {duration_s:.2f} s{whole} are there; what was said after that is lost"


def _raw(data: bytes, rate_hz: int, name: str) -> NDArray[np.float32]:
    _check_rate(rate_hz, name)
    _check_s(len(data) // 2 / rate_hz, name)
    if len(data) % 2:
        raise AudioError(f"{name}: must be whole samples of 2 bytes, or a WAV, FLAC or OGG file")
    return np.frombuffer(data, "<i2").astype(np.float32)[:, None] / np.float32(FULL_SCALE)


def _decoded(
    file: Container, stream: BinaryIO, name: str
) -> tuple[NDArray[np.float32], int, float]:
    """Float samples (n, channels), the rate in Hz, and how much of what is claimed is there."""
    soundfile = _libsndfile()
    try:
        with soundfile.SoundFile(stream) as opened:
            if opened.format not in _FORMATS:
                raise AudioError(f"{name}: its headers contradict one another; write it again")
            rate_hz = opened.samplerate
            _check_rate(rate_hz, name)
            if opened.channels > CHANNELS_MAX:
                raise LimitExceeded("CHANNELS_MAX", CHANNELS_MAX, opened.channels, name)
            per_s = opened.channels * rate_hz
            if per_s > SAMPLES_PER_S_MAX:
                raise LimitExceeded("SAMPLES_PER_S_MAX", SAMPLES_PER_S_MAX, per_s, name)
            most = int(AUDIO_S_MAX * rate_hz) + 1
            sound, broke_off = _frames(opened, min(most, opened.frames))
            if len(sound) == most:
                said = file.frames if file.kind == "FLAC" else opened.frames
                _check_s(max(most, said) / rate_hz, name)
    except (soundfile.SoundFileError, ValueError, OverflowError, RuntimeError):
        broken = "cut off before its sound begins" if file.share < 1.0 else "a broken sound file"
        raise AudioError(
            f"{name}: {broken}, or one in a coding that is not read; give a whole WAV, FLAC or OGG"
        ) from None
    if file.frames:
        return sound, rate_hz, min(1.0, len(sound) / file.frames)
    return sound, rate_hz, 0.0 if broke_off else file.share


def _frames(opened: Any, most: int) -> tuple[NDArray[np.float32], bool]:
    """Up to `most` frames, and whether they broke off before an end.

    A FLAC that breaks off, or does not know its length, ends with an error; the frames before it
    are there, and no longer NaN.
    """
    out = np.full((most, opened.channels), np.nan, np.float32)
    try:
        return opened.read(out=out), False
    except _libsndfile().LibsndfileError as error:
        if opened.format != "FLAC":
            raise
        there = np.flatnonzero(~np.isnan(out[:, -1]))
        return out[: there[-1] + 1 if len(there) else 0], error.code != _BEYOND_END


def _check_rate(rate_hz: int, name: str) -> None:
    if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
        raise AudioError(f"{name}: {rate_hz} Hz; {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz can be read")


def _check_s(duration_s: float, name: str) -> None:
    if duration_s > AUDIO_S_MAX:
        raise LimitExceeded("AUDIO_S_MAX", AUDIO_S_MAX, round(duration_s, 1), name)


def _libsndfile() -> Any:
    """Raises MissingPart where the library below the module is missing."""
    try:
        import soundfile
    except OSError:
        fix = "pip install --force-reinstall soundfile"
        raise MissingPart(
            f"soundfile finds no libsndfile: {fix}, or the package libsndfile1"
        ) from None
    return soundfile


def save_flac(path: Path | str, samples: Samples) -> None:
    """Write 16 kHz mono FLAC; equal samples give equal bytes.

    Raises:
        AudioError: the file cannot be written there.
    """
    soundfile, path = _libsndfile(), Path(path)
    try:
        soundfile.write(path, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    except (soundfile.SoundFileError, OSError):
        raise AudioError(f"{path.name}: cannot be written; is the folder there?") from None


def save_whole_flac(path: Path, samples: Samples) -> None:
    """The same under its own name only when it is complete; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    try:
        save_flac(part, samples)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
