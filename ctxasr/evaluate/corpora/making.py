"""Makes a folder of a corpus: utterances.jsonl, audio/, and a card that says how it was made.

What is there already is kept, and nothing stands under its name before it is complete: a stopped
command goes on where it was when it is given again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ctxasr.errors import InputError
from ctxasr.evaluate.corpora.drawing import Drawn
from ctxasr.evaluate.corpora.everyday import draw_everyday
from ctxasr.evaluate.corpora.followups import draw_followups
from ctxasr.evaluate.corpora.halves import Half
from ctxasr.evaluate.corpora.names import draw_names
from ctxasr.evaluate.corpora.people import read_people
from ctxasr.evaluate.corpora.utterance import UTTERANCES_FILE, Utterance, to_line
from ctxasr.evaluate.corpora.voices import check, say

Kind = Literal["names", "followups", "everyday"]

N_MAX: Final = 10_000
"""Utterances of one corpus that is made: some three hours of speech."""

N_DEFAULT: Final[dict[Kind, int]] = {"names": 500, "followups": 300, "everyday": 600}

CARD_FILE: Final = "CORPUS.md"

_SOURCES: Final[dict[Kind, str]] = {
    "names": "Names: people.json.gz of the EVI data (PolyAI, CC BY 4.0). Questions: this package.",
    "followups": "Names, questions and answers: lists of this package.",
    "everyday": "Answers and questions: this package. Names beside them: lists of this package "
    "and people.json.gz of the EVI data (PolyAI, CC BY 4.0).",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a made corpus follows from, beside the synthesisers.

    `quiet`: no noise, and no voice is bent, as a recogniser that is easily thrown needs it.
    """

    kind: Kind
    n: int
    seed: int
    half: Half
    quiet: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.n <= N_MAX:
            raise InputError(f"n is {self.n}; from 1 to {N_MAX} utterances can be made (N_MAX)")

    @property
    def command(self) -> str:
        """What makes it again."""
        needs = "" if self.kind == "followups" else " --data DIR"
        return (
            f"ctxasr corpus make {self.kind} OUT --n {self.n} --seed {self.seed} "
            f"--half {self.half}{' --quiet' * self.quiet}{needs}"
        )


def draw(plan: Plan, data: Path | None) -> list[Drawn]:
    """The utterances of a plan; `data` is the folder of the evaluation data, where it is needed.

    Raises:
        DataError: the names of people are needed, and not there.
    """
    if plan.kind == "followups":
        return draw_followups(plan.n, plan.seed, plan.half, plan.quiet)
    make = draw_names if plan.kind == "names" else draw_everyday
    return make(plan.n, plan.seed, plan.half, read_people(data), plan.quiet)


def make(
    folder: Path,
    plan: Plan,
    data: Path | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make what is missing of a corpus; returns how many sounds were made.

    Raises:
        InputError: the folder holds another corpus.
        DataError: the names of people are needed, and not there.
        MissingPart: a synthesiser is not installed; names the package. Nothing is written then.
        OSError: the folder cannot be written.
    """
    drawn = draw(plan, data)
    check(one.speech.speaker for one in drawn)
    utterances = [_utterance(folder, plan, number, one) for number, one in enumerate(drawn, 1)]
    lines = [
        to_line(
            utterance, folder,
            noise=one.speech.noise, snr_db=one.speech.snr_db if one.speech.noise else None,
            says=one.says,
        )
        for utterance, one in zip(utterances, drawn, strict=True)
    ]  # fmt: skip
    _write(folder, CARD_FILE, _card(plan, drawn, lines))
    made = 0
    for done, (utterance, one) in enumerate(zip(utterances, drawn, strict=True), start=1):
        made += _speak(utterance.audio, one)
        progress(done, plan.n)
    _write(folder, UTTERANCES_FILE, "".join(f"{line}\n" for line in lines))
    return made


def _utterance(folder: Path, plan: Plan, number: int, one: Drawn) -> Utterance:
    name = f"{plan.kind}-{number:05}"
    return Utterance(
        id=name,
        corpus=plan.kind,
        reference=one.reference,
        asked=one.asked,
        speaker=one.speech.speaker,
        audio=folder / "audio" / f"{name}.flac",
        also=one.also,
        sort=one.sort,
    )


def _speak(path: Path | None, one: Drawn) -> bool:
    """One file, under its own name only when it is complete; False if it is there."""
    from ctxasr.speech.audio import save_whole_flac

    assert path is not None, "_utterance names it"
    if path.is_file():
        return False
    save_whole_flac(path, say(one.says or one.reference, one.speech))
    return True


def _write(folder: Path, name: str, text: str) -> None:
    """Whole or not at all; a folder of something else is left as it is."""
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{path}: is of another corpus or version; choose another folder, or remove this one"
        )
    part = path.with_name(f".part-{name}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _card(plan: Plan, drawn: Sequence[Drawn], lines: Sequence[str]) -> str:
    """It names the drawing by its digest: sounds of another version's are not kept for this one."""
    digest = hashlib.sha256("\n".join([*lines, *(repr(one.speech) for one in drawn)]).encode())
    noisy = sum(bool(one.speech.noise) for one in drawn)
    sorts = sorted({one.sort for one in drawn})
    voices = sorted({one.speech.speaker for one in drawn})
    counts = ", ".join(f"{sort} {sum(one.sort == sort for one in drawn)}" for sort in sorts)
    return (
        f"# Spoken {plan.kind}, {plan.half} half\n\n"
        f"Made by `{plan.command}` (seed {plan.seed}). The same command on the same synthesisers "
        f"makes the same files.\n\n"
        f"- drawing {digest.hexdigest()[:16]}\n"
        f"- {plan.n} utterances, {noisy} of them in noise: {counts}\n"
        f"- voices: {', '.join(voices)}\n"
        f"- a voice with @ is bent: played at that speed, pitch and formants with it\n"
        f"- {_SOURCES[plan.kind]}\n"
        f"- the voices are synthetic: figures on people need recordings of people\n"
    )
