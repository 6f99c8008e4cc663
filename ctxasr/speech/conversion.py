"""Decoded sound of any rate and number of channels -> 16 kHz, mono, 16 bit; each change is said.

converted(sound, 44_100)  ->  samples, ("2 channels mixed down to mono", "resampled from ...")
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctxasr.errors import AudioError
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.silence import to_int16, why_no_speech

FLOAT_PEAK_MAX: Final = 8.0
"""Floats up to here (18 dB over full scale) are loud sound; beyond, they count integer steps."""

INTEGER_SCALES: Final = (2.0**15, 2.0**23, 2.0**31)
"""Full scale of floats that count integer steps: the first that the peak does not pass by more
than INTEGER_OVERSHOOT."""

INTEGER_OVERSHOOT: Final = 2.0
"""A filter or a gain before the export may go beyond full scale. A recording of 24 bits with so low
a peak would be fainter than -42 dB."""

CLIPPED_SHARE: Final = 0.001
"""From this share of samples that stand still at full scale, three in a row, clipping is said."""

CLIPPED_LEVEL: Final = 0.98
"""Where clipping may stand: mu-law ends at 0.9803."""

TURNED_DOWN_LEVEL: Final = 0.25
"""What was clipped and then turned down stands still at a lower level, down to here."""

TURNED_DOWN_STEPS: Final = 16
"""Levels in the uppermost tenth, if it is to be told from a coarse coding: mu-law has four."""

OFFSET: Final = 0.01
"""A mean of this much of full scale is an offset of the converter, no speech."""

CANCELLED_POWER: Final = 0.2
"""With less than this share of the loudest channel's power left in their mean, channels cancel one
another, or are so many that the mean is faint."""

SILENT_POWER: Final = 1e-4
"""A channel with less than this share of the loudest one's power (40 dB below) is left out."""

Floats = NDArray[np.float32]


def converted(sound: Floats, rate_hz: int, name: str) -> tuple[Samples, tuple[str, ...]]:
    """Samples (n,) of `sound` (n, channels), and what was changed. `sound` may be written over.

    Raises:
        AudioError: values that are no finite numbers, or of no scale that is known.
    """
    if not np.isfinite(sound).all():
        raise AudioError(f"{name}: has samples that are no finite numbers; export it as 16-bit")
    notes: list[str] = []
    sound = _scaled(sound, name, notes)
    _look_for_clipping(sound, notes)
    _centre(sound, notes)
    mono = _one_channel(sound, notes)
    if rate_hz != RATE_HZ:
        import soxr

        mono = soxr.resample(mono, rate_hz, RATE_HZ)
        lost = "; nothing above 4 kHz in it" if rate_hz == RATE_HZ // 2 else ""
        notes.append(f"resampled from {rate_hz} Hz to {RATE_HZ} Hz{lost}")
    over = int((np.abs(mono) > 1.0).sum())
    if over:
        peak = float(np.abs(mono).max())
        mono = mono / np.float32(peak)
        lower = f"turned down by {20.0 * math.log10(peak):.1f} dB"
        notes.append(f"{over} samples beyond full scale: {lower}, so that none is clipped")
    samples = to_int16(mono)
    silent = why_no_speech(samples)
    if silent is not None:
        notes.append(f"no speech: {silent}")
    return samples, tuple(notes)


def _scaled(sound: Floats, name: str, notes: list[str]) -> Floats:
    peak = float(np.abs(sound).max(initial=0.0))
    if peak <= FLOAT_PEAK_MAX:
        return sound
    mean: NDArray[Any] = sound.mean(axis=0, dtype=np.float64)  # not zero: unsigned steps
    swing = float(np.abs(sound - mean.astype(np.float32)).max())
    scale = next((one for one in INTEGER_SCALES if swing <= INTEGER_OVERSHOOT * one), None)
    if scale is None:
        raise AudioError(
            f"{name}: floats up to {peak:.3g}, where 1 is full scale; export as 16-bit"
        )
    bits = round(math.log2(scale)) + 1
    notes.append(f"floats up to {peak:.0f} in place of 1: taken for steps of {bits} bits")
    return sound / np.float32(scale)


def _look_for_clipping(sound: Floats, notes: list[str]) -> None:
    """Runs of three samples at a channel's highest or lowest value, if it can only be a limit."""
    worst, level = 0.0, 0.0
    for channel in sound.T:
        both = float(channel.max(initial=0.0)), float(channel.min(initial=0.0))
        edges = [edge for edge in both if _may_be_a_limit(channel, edge)]
        at = np.zeros(len(channel), np.bool_)
        for edge in edges:
            at |= np.abs(channel - edge) < 1e-6
        share = float((at[2:] & at[1:-1] & at[:-2]).mean()) if edges and len(at) > 2 else 0.0
        if share > worst:
            worst, level = share, max(map(abs, edges))
    if worst >= CLIPPED_SHARE:
        lower = "its highest level, and was turned down"
        where = "full scale" if level >= CLIPPED_LEVEL else lower
        notes.append(f"clipped: {worst:.1%} of it stands at {where}; record it more quietly")


def _may_be_a_limit(channel: Floats, edge: float) -> bool:
    """Near full scale; or lower, if so many levels lie close below that chance meets none twice."""
    if abs(edge) >= CLIPPED_LEVEL:
        return True
    if abs(edge) < TURNED_DOWN_LEVEL:
        return False
    near = channel[channel >= 0.9 * edge] if edge > 0.0 else channel[channel <= 0.9 * edge]
    return len(np.unique(near)) >= TURNED_DOWN_STEPS


def _centre(sound: Floats, notes: list[str]) -> None:
    mean: NDArray[Any] = sound.mean(axis=0, dtype=np.float64)
    offset = float(np.abs(mean).max(initial=0.0))
    if offset >= OFFSET:
        sound -= mean.astype(np.float32)
        notes.append(f"a constant offset of {offset:.0%} of full scale removed")


def _one_channel(sound: Floats, notes: list[str]) -> Floats:
    """The mean of the channels that are not silent, or the loudest where that would be faint."""
    channels = sound.shape[1]
    if channels == 1:
        return sound[:, 0]
    powers = (sound.astype(np.float64) ** 2).mean(axis=0)  # (channels,)
    loudest = int(powers.argmax())
    loud = powers >= SILENT_POWER * powers[loudest]
    if loud.sum() == 1:
        notes.append(f"of {channels} channels only channel {loudest + 1} has sound: taken alone")
        return sound[:, loudest].copy()
    mono: Floats = sound[:, loud].mean(axis=1, dtype=np.float32)  # (n, channels) -> (n,)
    silent = channels - int(loud.sum())
    some = f"{channels} channels" + (f", of which {silent} are silent," if silent else "")
    if float((mono.astype(np.float64) ** 2).mean()) < CANCELLED_POWER * powers[loudest]:
        alone = f"channel {loudest + 1}, the loudest, is taken alone"
        notes.append(f"{some} cancel one another, or are faint in their mean: {alone}")
        return sound[:, loudest].copy()
    notes.append(f"{some} mixed down to mono")
    return mono
