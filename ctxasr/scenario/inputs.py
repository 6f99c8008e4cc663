"""Scenario files on their way in: found, read and heard before anything runs.

    scenario_files([scenarios/])  ->  every *.scenario.yaml below it, sorted
    load_checked(files)           ->  both forms of scenarios, and what was converted in their audio

A broken file among fifty is then reported at once, not after the forty-nine others have run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctxasr.errors import InputError, ScenarioError
from ctxasr.scenario.format import SUFFIX, Scenario, SimulatedScenario, load_any

FILES_MAX: Final = 10_000
"""Scenario files of one command; a replay of as many takes hours."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Scenarios whose files and audio can be read, and notes on audio that is converted."""

    scenarios: tuple[Scenario, ...]
    """The spoken ones."""
    notes: tuple[str, ...]
    simulated: tuple[SimulatedScenario, ...] = ()


def scenario_files(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths` and all scenario files below its folders, each once.

    Raises:
        ScenarioError: a folder holds none, or there are more than FILES_MAX.
    """
    files: dict[Path, None] = {}
    for path in paths:
        found = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise ScenarioError(f"no *{SUFFIX} in this folder", file=str(path))
        files |= dict.fromkeys(found)
        if len(files) > FILES_MAX:
            raise ScenarioError(f"more than FILES_MAX ({FILES_MAX}) scenarios", file=str(path))
    return list(files)


def load_checked(paths: Sequence[Path]) -> Checked:
    """Load every scenario and decode every sound file of it.

    Raises:
        ScenarioError: a scenario or one of its sound files is wrong or cut off; names file,
            line and field.
    """
    loaded = [load_any(file) for file in scenario_files(paths)]
    spoken = tuple(one for one in loaded if isinstance(one, Scenario))
    simulated = tuple(one for one in loaded if isinstance(one, SimulatedScenario))
    notes = [note for scenario in spoken for note in _check_audio(scenario)]
    return Checked(spoken, tuple(notes), simulated)


def _check_audio(scenario: Scenario) -> list[str]:
    from ctxasr.speech.audio import load_samples

    notes = []
    for index in range(len(scenario.turns)):
        path = scenario.audio_path(index)
        if path is None:
            continue
        field = f"turns.{index}.user.audio"
        file, line = str(scenario.path), scenario.line_of(field)
        try:
            loaded = load_samples(path, whole=True)
        except InputError as error:
            raise ScenarioError(str(error), file=file, line=line, field=field) from None
        notes += [f"{file}:{line}: {field}: {path.name}: {note}" for note in loaded.notes]
    return notes
