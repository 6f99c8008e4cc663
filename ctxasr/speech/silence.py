"""Silence in 16 kHz samples: where speech begins and ends, and silence that is digital.

trim_silence(samples)    cut what lies before and after the speech
dither(samples)          noise into a recording that stands still to the bit
why_no_speech(samples)   for recordings that hold none
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.ports import RATE_HZ, Samples

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

SPEECH_DB_MIN: Final = -60.0
"""Of full scale: frames that are all below hold no speech. A whisper across a room has -50 dB."""

NOISE_DB_MAX: Final = -40.0
NOISE_CONTRAST_DB: Final = 6.0
"""What stays below the first, and as level as the second says, is a room in which nobody speaks."""

FULL_SCALE: Final = 32_768.0
"""The value 1.0 in 16-bit steps."""

_FULL_SCALE_DB: Final = 20.0 * np.log10(FULL_SCALE)


def to_int16(sound: NDArray[Any]) -> Samples:
    """From -1..1 to 16 bit, clipped at full scale."""
    steps = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    out: Samples = steps.astype(np.int16)
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
    return to_int16((samples + noise) / FULL_SCALE)


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


def why_no_speech(samples: Samples) -> str | None:
    """Why `samples` (n,) cannot hold speech, by their level alone; None where they may."""
    if len(samples) and (samples == samples[0]).all():
        return "every sample is the same"
    levels = np.sort(frame_levels_db(samples)) - _FULL_SCALE_DB
    if len(levels) < TRIM_RUN_FRAMES:
        return None
    floor, top = np.percentile(levels, 10), levels[-TRIM_RUN_FRAMES]
    level = top < NOISE_DB_MAX and top - floor < NOISE_CONTRAST_DB
    if top < SPEECH_DB_MIN or level:
        return f"nothing but noise at {top:.0f} dB of full scale"
    return None
