"""Finished trials in a file, so that a run that was stopped can go on.

    {"run": "5f0c...", "utterance": 17, "trials": [[...], ...]}     one line an utterance

A run is named by all that its trials follow from: the package's sources, the recogniser, the seed,
the corpus and the names to draw from. Lines of other runs are left alone, so that one file serves
several corpora, and what other code computed is never taken for this one's. No line holds a text.
A line that was torn off by whatever stopped the run is dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from ctxasr.errors import InputError
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.evaluate.fleet.checkpoint import code
from ctxasr.evaluate.trials import Trial

_HEAD: Final = b'{"run": "'
"""How a line begins: what was torn off begins in the same way, and other people's files do not."""


def run_of(
    utterances: Sequence[Utterance], recogniser: str, seed: int, names: Sequence[str]
) -> str:
    """The name of a run; `names` are those that lists are drawn from."""
    found = hashlib.sha256(f"{code()} {recogniser} {seed} {names}".encode())
    for one in utterances:
        there = one.audio is not None and one.audio.is_file()
        sound = one.audio and (one.audio.name, one.audio.stat().st_size if there else 0)
        said = (one.id, one.corpus, one.speaker, one.reference, one.also, one.heard, sound)
        asked = one.asked
        named = tuple((entity.kind, entity.text) for entity in asked.entities)
        before = (asked.utterance, asked.reply, named, asked.screen, asked.slot)
        found.update(f"{said} {before}\n".encode())
    return found.hexdigest()[:32]


class TrialFile:
    """The trials of one run that are done, by the place of their utterance."""

    def __init__(self, path: Path, run: str) -> None:
        self.path, self._run = path, run
        self._known: dict[int, list[Trial]] = {}

    @classmethod
    def load(cls, path: Path, run: str) -> Self:
        """Read what is there of the run; a file that is not there yet has nothing.

        Raises:
            InputError: it is a file of something else.
            OSError: it cannot be read.
        """
        found = cls(path, run)
        if not path.exists():
            return found
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                torn = not line.endswith(b"\n") and (
                    line[: len(_HEAD)] in (_HEAD, _HEAD[: len(line)])
                )
                if torn:
                    found._cut(line)
                elif found._take(line) is None:
                    raise InputError(f"{path}:{number}: no line of --resume; choose another file")
        return found

    def __len__(self) -> int:
        return len(self._known)

    def get(self, place: int) -> list[Trial] | None:
        """The trials of an utterance, if they are done."""
        return self._known.get(place)

    def add(self, place: int, trials: list[Trial]) -> None:
        """Keep them; when this returns they are in the file.

        Raises:
            OSError: the disk is full or the like.
        """
        self._known[place] = trials
        line = {"run": self._run, "utterance": place, "trials": [one.to_list() for one in trials]}
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")

    def _take(self, line: bytes) -> bool | None:
        """Whether the line is of this run; None if it is of no run."""
        try:
            value: Any = json.loads(line)
            mine = value["run"] == self._run
            if mine:
                found = [Trial.from_list(one) for one in value["trials"]]
                self._known[int(value["utterance"])] = found
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return bool(mine)

    def _cut(self, torn: bytes) -> None:
        with self.path.open("r+b") as file:
            file.truncate(self.path.stat().st_size - len(torn))
