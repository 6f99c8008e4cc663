"""Synthetic noise from a seed, mixed at a given ratio: for scenarios and tests.

Real rooms are worse; these kinds differ in what hurts a recogniser: `white` and `pink` mask
steadily, `babble` sounds like speech and fluctuates, `kitchen` hums and clinks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import InputError
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.silence import FRAME_S, speech_frames

SNR_DB_MIN: Final = -20.0
SNR_DB_MAX: Final = 60.0

BABBLE_TALKERS: Final = 6
SYLLABLES_HZ: Final = 4.0
"""Speech swells and fades about four times a second."""

CLINKS_PER_S: Final = 1.5
PEAK: Final = 0.97 * 32_767
"""Loudest sample after mixing; louder mixtures are turned down as a whole, never clipped."""

Floats = NDArray[np.float64]


def make_noise(kind: str, size: int, seed: int) -> Floats:
    """`size` samples of noise with power 1; the same for the same arguments.

    Raises:
        InputError: there is no such kind.
    """
    maker = _KINDS.get(kind)
    if maker is None:
        raise InputError(f"noise: no kind {kind[:20]!r}; there are {', '.join(NOISE_KINDS)}")
    if size == 0:
        return np.zeros(0)
    noise = maker(size, np.random.default_rng(seed))
    power = float(np.mean(noise**2))
    return noise / np.sqrt(power) if power > 0 else noise


def add_noise(speech: Samples, kind: str, snr_db: float, seed: int) -> Samples:
    """Mix noise under `speech` (n,) so that speech-active frames stand `snr_db` above it.

    Raises:
        InputError: no such kind, or a ratio outside SNR_DB_MIN to SNR_DB_MAX.
    """
    if not SNR_DB_MIN <= snr_db <= SNR_DB_MAX:
        raise InputError(f"snr_db: {snr_db:g}; {SNR_DB_MIN:g} to {SNR_DB_MAX:g} dB make sense")
    power = speech_power(speech)
    noise = make_noise(kind, len(speech), seed) * np.sqrt(power / 10.0 ** (snr_db / 10.0))
    mixed = speech + noise
    peak = float(np.abs(mixed).max(initial=0.0))
    if peak > PEAK:
        mixed = mixed * (PEAK / peak)
    samples: Samples = np.rint(mixed).astype(np.int16)
    return samples


def speech_power(speech: Samples) -> float:
    """Mean square (16-bit steps) over the frames that hold speech; of all in a tiny recording."""
    step = int(FRAME_S * RATE_HZ)
    active = speech_frames(speech)
    values = speech.astype(np.float64)
    if active.any():
        values = values[: len(active) * step].reshape(-1, step)[active]
    return float(np.mean(values**2)) if values.size else 0.0


def _white(size: int, rng: np.random.Generator) -> Floats:
    return rng.normal(0.0, 1.0, size)


def _pink(size: int, rng: np.random.Generator) -> Floats:
    """Power falls with frequency (1/f), shaped in the spectrum; flat below 20 Hz."""
    return _shaped(size, rng, lambda hz: 1.0 / np.sqrt(np.maximum(hz, 20.0)))


def _babble(size: int, rng: np.random.Generator) -> Floats:
    """Several talkers: each speech-shaped noise under its own slow envelope."""
    total = np.zeros(size)
    for _ in range(BABBLE_TALKERS):
        voice = _shaped(size, rng, _formant(rng.uniform(400.0, 900.0)))
        slow = _shaped(size, rng, lambda hz: np.where(hz < SYLLABLES_HZ, 1.0, 0.0))
        slow /= np.std(slow) + 1e-9
        total += voice / (np.std(voice) + 1e-9) * np.maximum(0.0, 1.0 + slow)
    return total


def _formant(corner_hz: float) -> Callable[[Floats], Floats]:
    """A talker's long-term spectrum: nothing under 80 Hz, falling past the first formant."""

    def gain(hz: Floats) -> Floats:
        return np.where(hz > 80.0, 1.0 / (1.0 + (hz / corner_hz) ** 2), 0.0)

    return gain


def _kitchen(size: int, rng: np.random.Generator) -> Floats:
    """A fridge's hum with its harmonics, a soft hiss, and dishes that clink."""
    time_s = np.arange(size) / RATE_HZ
    total = _pink(size, rng)
    total /= np.std(total) + 1e-9
    for harmonic in range(1, 6):
        phase = rng.uniform(0.0, 2.0 * np.pi)
        total += 1.2 / harmonic * np.sin(2.0 * np.pi * 120.0 * harmonic * time_s + phase)
    for start in np.flatnonzero(rng.random(size) < CLINKS_PER_S / RATE_HZ):
        length = min(size - int(start), RATE_HZ // 4)
        ring_s = np.arange(length) / RATE_HZ
        pitches_hz = rng.uniform(1_500.0, 6_000.0, 3)
        ring = sum(np.sin(2.0 * np.pi * pitch_hz * ring_s) for pitch_hz in pitches_hz)
        total[start : start + length] += 3.0 * rng.uniform(0.5, 1.5) * ring * np.exp(-ring_s / 0.03)
    return total


def _shaped(size: int, rng: np.random.Generator, gain: Callable[[Floats], Floats]) -> Floats:
    """White noise whose amplitude at each frequency (Hz) is multiplied by `gain`."""
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, size))
    hz: Floats = np.fft.rfftfreq(size, 1.0 / RATE_HZ).astype(np.float64)
    shaped: Floats = np.fft.irfft(spectrum * gain(hz), n=size)
    return shaped


_KINDS: Final[dict[str, Callable[[int, np.random.Generator], Floats]]] = {
    "white": _white,
    "pink": _pink,
    "babble": _babble,
    "kitchen": _kitchen,
}
NOISE_KINDS: Final = tuple(_KINDS)
