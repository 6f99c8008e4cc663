"""Who speaks in the made corpora: voices of each half, as they are and bent, in quiet and in noise.

flite:awb          as the synthesiser has it
flite:awb@0.93     played slower: 7% lower and longer, the throat with it, so another speaker
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np

from ctxasr.evaluate.corpora.halves import Half
from ctxasr.ports import RATE_HZ, Samples

BENDS: Final = ("", "@0.93", "@1.07")
"""How a voice is bent; further than this it is nobody's voice any more."""

_ROBOTIC: Final = "espeak:"
"""Formant synthesis: what was trained on people hardly follows it."""

VOICES: Final[dict[Half, tuple[str, ...]]] = {
    "tuning": ("flite:slt", "flite:rms", "flite:kal16", "espeak:en-us"),
    "held-out": (
        "flite:awb", "festival:cmu_us_slt_arctic_hts", "festival:ked_diphone", "espeak:en-gb",
    ),
}  # fmt: skip

NOISES: Final = ("pink", "kitchen", "babble")
SNR_DB: Final = (8.0, 20.0)
"""The range that ratios are drawn from."""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a text is said. `noise` is empty in a quiet room."""

    speaker: str
    seed: int
    noise: str = ""
    snr_db: float = 20.0


def speakers(half: Half, *, robotic: bool = True, bent: bool = True) -> tuple[str, ...]:
    """Every voice of a half with its bends; without `robotic` those that people sound like."""
    voices = [v for v in VOICES[half] if robotic or not v.startswith(_ROBOTIC)]
    return tuple(voice + bend for voice in voices for bend in (BENDS if bent else BENDS[:1]))


def draw_speech(rng: Random, speaker: str, *, noisy: float) -> Speech:
    """How one utterance is said; a share `noisy` of them in noise."""
    noise = rng.choice(NOISES) if rng.random() < noisy else ""
    snr_db = round(rng.uniform(*SNR_DB), 1)
    return Speech(speaker, rng.randrange(2**31), noise, snr_db)


def check(voices: Iterable[str]) -> None:
    """That all of them can speak, before the first one does.

    Raises:
        MissingPart: a synthesiser is not installed; names the package.
        InputError: a voice of it is not.
    """
    from ctxasr.speech.tts import check_voice

    for voice in sorted({speaker.partition("@")[0] for speaker in voices}):
        check_voice(voice)


def say(text: str, speech: Speech) -> Samples:
    """Samples (n,) of `text`; the same for the same arguments on the same synthesisers.

    Raises:
        MissingPart: the synthesiser or the voice is not installed.
        InputError: there is nothing to say.
    """
    from ctxasr.speech.noise import add_noise
    from ctxasr.speech.tts import speak

    voice, _, bend = speech.speaker.partition("@")
    samples = speak(text, voice, seed=speech.seed)
    if bend:
        samples = _played_at(samples, float(bend))
    if speech.noise:
        samples = add_noise(samples, speech.noise, speech.snr_db, speech.seed)
    return samples


def _played_at(samples: Samples, speed: float) -> Samples:
    """As if a record turned at another speed: pitch, formants and tempo move together."""
    import soxr

    played = soxr.resample(samples.astype(np.float32), RATE_HZ * speed, RATE_HZ)
    bent: Samples = np.clip(np.rint(played), -32_768, 32_767).astype(np.int16)
    return bent
