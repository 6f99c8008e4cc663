"""What context is worth, and what it costs, over whole corpora: `ctxasr evaluate`.

Corpora by name ("evi", "human") or by the folder that `ctxasr corpus make` made. Each utterance
is heard once and met with every condition of its corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ctxasr.errors import DataError, InputError
from ctxasr.evaluate.corpora.conditions import Condition, conditions_of
from ctxasr.evaluate.corpora.neighbours import Neighbours
from ctxasr.evaluate.corpora.people import read_people
from ctxasr.evaluate.corpora.reading import Split, read_evi, read_human
from ctxasr.evaluate.corpora.utterance import UTTERANCES_FILE, Utterance, read_folder
from ctxasr.evaluate.corpora.vocabulary import COMMON_GIVEN, FAMILY
from ctxasr.evaluate.gain_and_harm import Curve, Figures, curve_of, render, subsets
from ctxasr.evaluate.trial_file import TrialFile, run_of
from ctxasr.evaluate.trials import Listener, Trial, trials_of

if TYPE_CHECKING:
    from rich.console import Console

THRESHOLD: Final = 0.0
"""Margin above which the shipped rescorer changes a text."""

RECORDED: Final = ("evi", "human")
"""Corpora that have a name, in the folder of the evaluation data."""

CLIPS: Final = "human-"
"""How the corpora of short clips begin: each borrows the options of the others."""

_NEED_PEOPLE: Final = frozenset({"names", "evi-name", "evi-postcode", "evi-dob"})

Corpora = dict[str, list[Utterance]]
"""Utterances by corpus."""


@dataclass(frozen=True, slots=True)
class Study:
    """The trials of one corpus, in the order of its conditions."""

    corpus: str
    recogniser: str
    conditions: tuple[Condition, ...]
    trials: tuple[Trial, ...]
    seed: int
    threshold: float = THRESHOLD

    def by_condition(self) -> dict[str, list[Trial]]:
        """Its trials under each condition."""
        found: dict[str, list[Trial]] = {one.name: [] for one in self.conditions}
        for trial in self.trials:
            found[trial.condition].append(trial)
        return {name: trials for name, trials in found.items() if trials}

    def figures(self) -> dict[str, Figures]:
        """By condition."""
        return {name: self._figures(trials) for name, trials in self.by_condition().items()}

    def parts(self) -> dict[str, dict[str, Figures]]:
        """By condition, of the answers that are on the list and those that are not."""
        return {
            name: {part: self._figures(some) for part, some in subsets(trials).items()}
            for name, trials in self.by_condition().items()
        }

    def _figures(self, trials: Sequence[Trial]) -> Figures:
        return Figures(tuple(trials), self.threshold, self.seed)

    def curve(self) -> Curve:
        """Gain and harm under each condition, by threshold."""
        return curve_of(self.by_condition(), self.threshold)

    def to_json(self) -> dict[str, Any]:
        """The object of `ctxasr evaluate --json` for one corpus."""
        right, parts = {one.name: one.right for one in self.conditions}, self.parts()
        return {
            "recogniser": self.recogniser,
            "utterances": len({trial.utterance for trial in self.trials}),
            "seed": self.seed,
            "threshold": self.threshold,
            "conditions": {
                name: {"answer_on_offer": right[name]}
                | figures.to_json()
                | {"parts": {part: found.to_json() for part, found in parts[name].items()}}
                for name, figures in self.figures().items()
            },
            "curve": self.curve().to_json(),
        }

    def render(self, console: Console) -> None:
        """A table for people; the same figures as `to_json`."""
        parts = self.parts()
        rows = [
            (label, found)
            for name, figures in self.figures().items()
            for label, found in (
                (name, figures), *((f"  {part}", some) for part, some in parts[name].items())
            )
        ]  # fmt: skip
        render(f"{self.corpus} by {self.recogniser}", rows, console)


def is_corpus(name: str) -> bool:
    """Whether `name` is a recorded corpus or the folder of a made one."""
    path = Path(name)
    return (path / UTTERANCES_FILE).is_file() or (name in RECORDED and not path.exists())


def read_corpora(names: Iterable[str], data: Path | None, split: Split = "test") -> Corpora:
    """The utterances of several corpora; what has the same kind is one corpus.

    Raises:
        DataError: one of them is missing or malformed.
    """
    found: Corpora = {}
    for name in dict.fromkeys(names):
        if (Path(name) / UTTERANCES_FILE).is_file():
            utterances = read_folder(Path(name))
        else:
            utterances = read_evi(data, split) if name == "evi" else read_human(data)
        for utterance in utterances:
            found.setdefault(utterance.corpus, []).append(utterance)
    for corpus, utterances in found.items():
        if len({one.id for one in utterances}) < len(utterances):
            raise InputError(f"{corpus}: two folders of it hold utterances of the same id")
    return found


def sampled(corpora: Corpora, limit: int | None, seed: int) -> Corpora:
    """At most `limit` utterances of each corpus, drawn by the seed, in their order."""
    if limit is None:
        return corpora
    found = {}
    for corpus, utterances in corpora.items():
        places = range(len(utterances))
        rng = Random(f"{seed}:{corpus}")  # noqa: S311
        kept = sorted(rng.sample(places, min(limit, len(places))))
        found[corpus] = [utterances[place] for place in kept]
    return found


def names_to_draw(corpora: Corpora, data: Path | None) -> list[str]:
    """Names for lists: those of the EVI profiles; of our own lists where no figure needs them.

    Raises:
        DataError: they are needed, and `data` does not hold them.
    """
    if data is not None or _NEED_PEOPLE & corpora.keys():
        return read_people(data)
    return [f"{given} {family}".title() for family in FAMILY for given in COMMON_GIVEN[::8]]


async def study(
    corpora: Corpora,
    listener: Listener,
    neighbours: Neighbours,
    *,
    recogniser: str,
    seed: int,
    resume: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Study]:
    """Run every utterance of every corpus; `progress(done, total)` counts utterances.

    With `resume` what is done is kept in that file, and not done again.

    Raises:
        DataError: there is no utterance.
        AudioError: a sound is missing, cut off or broken.
        InputError: `resume` is a file of something else.
    """
    total, done = sum(map(len, corpora.values())), 0
    if not total:
        raise DataError("no utterance in these corpora")
    clips = [one for name, some in corpora.items() if name.startswith(CLIPS) for one in some]
    found = []
    for corpus, utterances in corpora.items():
        beside = clips if corpus.startswith(CLIPS) else utterances
        conditions = conditions_of(corpus, beside, neighbours)
        heard_by = recogniser if any(one.audio for one in utterances) else "n-best list"
        file = None
        if resume is not None:
            file = TrialFile.load(resume, run_of(utterances, heard_by, seed, neighbours.names))
        trials: list[Trial] = []
        for place, utterance in enumerate(utterances):
            known = None if file is None else file.get(place)
            if known is None:
                known = await trials_of(utterance, conditions, listener, seed)
                if file is not None:
                    file.add(place, known)
            trials += known
            done += 1
            progress(done, total)
        found.append(Study(corpus, heard_by, tuple(conditions), tuple(trials), seed))
    return found
