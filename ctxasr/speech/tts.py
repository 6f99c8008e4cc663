"""Test voices: text to samples by the synthesisers that a machine has installed.

    speak("bauer", "flite:slt")                                     a clean voice
    speak("bauer", "festival:ked_diphone", noise_kind="kitchen", snr_db=10, seed=7)

A voice is named `program:voice`. The text reaches the program in a private folder that is removed
at once: it stands in no process list and in no file name.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from ctxasr.errors import InputError, LimitExceeded, MissingPart
from ctxasr.ports import RATE_HZ, Samples
from ctxasr.speech.audio import load_samples
from ctxasr.speech.noise import add_noise
from ctxasr.speech.silence import DITHER_SIGMA, trim_silence

SPEAK_CHARS_MAX: Final = 1_000
"""About a minute of speech."""

SPEAK_TIMEOUT_S: Final = 60.0
"""The slowest voice needs half a second for a sentence."""

PAUSE_S: Final = 0.3
"""Silence before and after the speech, as a microphone that opens early and closes late has it."""

PACKAGES: Final = {
    "flite": "flite",
    "festival": "festival (and a voice: festvox-kallpc16k, festvox-us-slt-hts)",
    "espeak": "espeak-ng",
}
"""Debian packages by the first half of a voice's name."""

_PROGRAMS: Final = {"flite": "flite", "festival": "text2wave", "espeak": "espeak-ng"}
_ESPEAK_VOICES: Final = ("en-us", "en-gb")
_FLITE_SKIPPED: Final = frozenset({"awb_time"})  # can only tell the time
_VOICE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")


@cache
def available_voices() -> tuple[str, ...]:
    """The voices of this machine, sorted; empty where no synthesiser is installed."""
    found: list[str] = []
    if shutil.which("flite"):
        listed = _ask(["flite", "-lv"]).partition(":")[2].split()
        found += [f"flite:{name}" for name in dict.fromkeys(listed) if name not in _FLITE_SKIPPED]
    if shutil.which("festival") and shutil.which("text2wave"):
        listed = _ask(["festival", "--batch", "(print (voice.list))"]).strip("() \n").split()
        found += [f"festival:{name}" for name in listed if _VOICE_NAME.fullmatch(name)]
    if shutil.which("espeak-ng"):
        found += [f"espeak:{name}" for name in _ESPEAK_VOICES]
    return tuple(sorted(found))


def speak(
    text: str,
    voice: str,
    *,
    seed: int = 0,
    noise_kind: str | None = None,
    snr_db: float = 20.0,
) -> Samples:
    """Samples (n,) of `text` said by `voice`, with PAUSE_S around it and dither under it.

    The same arguments on the same synthesiser give the same samples. `noise_kind` is one of
    `noise.NOISE_KINDS`, `snr_db` counts over the frames with speech.

    Raises:
        MissingPart: the synthesiser is not installed; names the Debian package.
        InputError: no such voice, nothing to say, or no such noise.
        LimitExceeded: `text` has more than SPEAK_CHARS_MAX characters.
    """
    if len(text) > SPEAK_CHARS_MAX:
        raise LimitExceeded("SPEAK_CHARS_MAX", SPEAK_CHARS_MAX, len(text), "speak")
    if not any(c.isalnum() for c in text):
        raise InputError("speak: the text has no letter or digit; there is nothing to say")
    maker, name = _maker_of(voice)
    speech = trim_silence(_synthesise(text, maker, name))
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.int16)
    padded = np.concatenate([pause, speech, pause])
    if noise_kind is not None:
        padded = add_noise(padded, noise_kind, snr_db, seed)
    room = np.random.default_rng([seed, 1]).normal(0.0, DITHER_SIGMA, len(padded))
    return np.clip(np.rint(padded + room), -32_768, 32_767).astype(np.int16)


def check_voice(voice: str) -> None:
    """That this machine can speak with the voice.

    Raises:
        MissingPart: the synthesiser is not installed; names the Debian package.
        InputError: no such voice.
    """
    _maker_of(voice)


def _maker_of(voice: str) -> tuple[Callable[[str, Path, Path], list[str]], str]:
    """What makes the command of a voice, and the voice's own name."""
    family, _, name = voice.partition(":")
    maker = _COMMANDS.get(family)
    if maker is None or not _VOICE_NAME.fullmatch(name):
        raise InputError(f"voice {voice[:40]!r}: no such synthesiser; write for example flite:slt")
    if not shutil.which(_PROGRAMS[family]):
        raise MissingPart(f"voice {voice}: install the Debian package {PACKAGES[family]}")
    if voice not in available_voices():
        there = ", ".join(v for v in available_voices() if v.startswith(family + ":"))
        raise InputError(f"voice {voice}: not installed; there are {there}")
    return maker, name


def _synthesise(text: str, maker: Callable[[str, Path, Path], list[str]], name: str) -> Samples:
    with tempfile.TemporaryDirectory(prefix="speak") as folder:  # mode 0700
        source, target = Path(folder) / "text", Path(folder) / "speech.wav"
        source.write_text(" ".join(text.split()) + "\n", encoding="utf-8")
        _ask(maker(name, source, target))
        return load_samples(target).samples


def _ask(command: list[str]) -> str:
    """Run a synthesiser; its own words are never passed on, for they may quote the text."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SPEAK_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        raise MissingPart(f"{command[0]} did not work; is it fully installed?") from None
    return done.stdout.decode(errors="replace")


def _flite(name: str, source: Path, target: Path) -> list[str]:
    return ["flite", "-voice", name, "-f", str(source), "-o", str(target)]


def _festival(name: str, source: Path, target: Path) -> list[str]:
    return ["text2wave", "-eval", f"(voice_{name})", "-o", str(target), str(source)]


def _espeak(name: str, source: Path, target: Path) -> list[str]:
    return ["espeak-ng", "-v", name, "-f", str(source), "-w", str(target)]


_COMMANDS: Final[dict[str, Callable[[str, Path, Path], list[str]]]] = {
    "flite": _flite,
    "festival": _festival,
    "espeak": _espeak,
}
