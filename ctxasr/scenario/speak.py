"""Make the audio of a scenario with the voices that it names.

The same scenario, voice and machine give the same samples: the seed of each step follows from the
scenario's seed and the turn.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ctxasr.errors import ScenarioError
from ctxasr.scenario.format import Scenario, SimulatedScenario, load_any
from ctxasr.scenario.model import User
from ctxasr.scenario.values import DEFAULT_SNR_DB


@dataclass(frozen=True, slots=True)
class Spoken:
    """One audio file of a scenario; `made` is false where it was there already."""

    turn: int
    """From 1."""
    path: Path
    voice: str
    made: bool


def speak_scenario(path: Path | str, force: bool = False) -> list[Spoken]:
    """Make the audio of each user step that has a voice; a simulated scenario has none.

    Files that exist are kept, unless `force`.

    Raises:
        ScenarioError: the scenario is wrong, or an audio path leads out of its folder.
        MissingPart: the machine lacks a voice.
    """
    scenario = load_any(path, need_audio=False)
    if isinstance(scenario, SimulatedScenario):
        return []
    spoken = []
    for index, target in _targets(scenario):
        user = scenario.turns[index].user
        missing = force or not target.is_file()
        if missing:
            _make(target, user, step_seed(scenario.seed, index))
        spoken.append(Spoken(index + 1, target, user.voice or "", missing))
    return spoken


def step_seed(seed: int, index: int) -> int:
    """31 bits for the step of turn `index` (from 0)."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _targets(scenario: Scenario) -> list[tuple[int, Path]]:
    """The steps to make; checked as a whole before the first file is written."""
    folder = scenario.path.parent.resolve()
    targets: list[tuple[int, Path]] = []
    owners: dict[Path, int] = {}
    for index, turn in enumerate(scenario.turns):
        target = scenario.audio_path(index)
        if target is None or turn.user.voice is None:
            continue
        field = f"turns.{index}.user.audio"
        resolved = target.resolve()
        problem = ""
        if not resolved.is_relative_to(folder):
            problem = "leads out of the scenario's folder; no audio is written there"
        elif resolved.suffix != ".flac":
            problem = "the name of a sound file ends in .flac"
        elif owners.setdefault(resolved, index) != index:
            problem = f"is also the file of turn {owners[resolved] + 1}; each step needs its own"
        if problem:
            line = scenario.line_of(field)
            raise ScenarioError(problem, file=str(scenario.path), line=line, field=field)
        targets.append((index, target))
    return targets


def _make(target: Path, user: User, seed: int) -> None:
    """One file, under its own name only when it is complete."""
    from ctxasr.speech.audio import save_whole_flac
    from ctxasr.speech.tts import speak

    assert user.voice is not None, "_targets chose it"
    assert user.says is not None, "the format wants `says` with `audio`"
    snr_db = DEFAULT_SNR_DB if user.snr_db is None else user.snr_db
    samples = speak(user.says, user.voice, seed=seed, noise_kind=user.noise, snr_db=snr_db)
    save_whole_flac(target, samples)
