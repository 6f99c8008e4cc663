"""Readers of the recorded corpora: telephone n-best lists (EVI) and short clips of people.

    read_evi(data)       who was asked for a name, a postcode or a birthday; n-best lists, no sound
    read_human(data)     digits and wake words as answers, and coffee orders; sound

The data are read where they lie: `data` is the folder that holds evi_names/ and human_speech/.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from ctxasr.errors import DataError
from ctxasr.evaluate.corpora.people import EVI_FOLDER, data_file
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.events import Entity, TurnText

T = TypeVar("T")

Split = Literal["train", "dev", "test"]

HUMAN_FOLDER: Final = "human_speech"

NAME_ATTEMPTS: Final = 2
"""Later attempts at a name are mostly spelled."""

_EVI_QUESTIONS: Final = {
    "name": TurnText("", "What is your name?", slot="name"),
    "postcode": TurnText("", "What is your postcode?", slot="postcode"),
    "dob": TurnText("", "What is your date of birth?", slot="date_of_birth"),
}
_HUMAN_QUESTIONS: Final = {
    "digits": ("How many?", "number"),
    "names": ("Which assistant do you mean?", "assistant"),
}
_DIGITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip


def read_evi(data: Path | None, split: Split = "test") -> list[Utterance]:
    """Name turns (attempts 0 and 1) and, to see that they stay, postcodes and birthdays.

    Their corpora are evi-name, evi-postcode and evi-dob; the reference is what the caller was
    asked to say, not a transcript.

    Raises:
        DataError: the file is missing or malformed; names the line.
    """
    return list(_parsed(data_file(data, EVI_FOLDER, f"{split}.jsonl.gz"), _evi))


def _evi(turn: Any) -> Iterator[Utterance]:
    item, heard = str(turn["item"]), tuple(map(str, turn["nbest"]))
    if heard and not (item == "name" and turn["attempt"] >= NAME_ATTEMPTS):
        yield Utterance(
            id=str(turn["id"]),
            corpus=f"evi-{item}",
            reference=str(turn["expected"]),
            asked=_EVI_QUESTIONS[item],
            speaker=str(turn["speaker"]),
            heard=heard,
        )


def read_human(data: Path | None) -> list[Utterance]:
    """Clips of people: human-digits, human-names and human-orders.

    Digits and names are asked for with all of them on offer; orders with the drinks, sizes and so
    on that any order names. The reference of an order is the words of its slots.

    Raises:
        DataError: the file is missing or malformed; names the line.
    """
    path = data_file(data, HUMAN_FOLDER, "clips.jsonl")
    clips = list(_parsed(path, lambda clip: [clip]))
    try:
        names = sorted({clip["text"] for clip in clips if clip["kind"] == "names"})
        options = {"digits": _DIGITS, "names": tuple(names)}
        asked = {
            kind: TurnText("", question, tuple(Entity(sort, name) for name in options[kind]))
            for kind, (question, sort) in _HUMAN_QUESTIONS.items()
        }
        sold = {pair for clip in clips for pair in clip.get("slots", {}).items()}
        menu = tuple(Entity(kind, value) for kind, value in sorted(sold))
        asked["orders"] = TurnText("", "What can I get you?", menu)
        return [_clip(clip, asked, path.parent) for clip in clips]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: {type(error).__name__} {error}; not as described") from None


def _clip(clip: Any, asked: dict[str, TurnText], folder: Path) -> Utterance:
    kind, path = clip["kind"], clip["audio"]
    order = kind == "orders"
    return Utterance(
        id=path,
        corpus=f"human-{kind}",
        reference=" ".join(clip["slots"].values()) if order else clip["text"],
        asked=asked[kind],
        speaker=clip.get("speaker", ""),
        audio=folder / path,
        scored="slots" if order else "words",
    )


def _parsed(path: Path, read: Callable[[Any], Iterable[T]]) -> Iterator[T]:
    opened, number = gzip.open if path.suffix == ".gz" else open, 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                yield from read(json.loads(line))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}:{number}: {type(error).__name__}; not as described") from None
