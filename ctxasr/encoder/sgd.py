"""Reads the sgd_followup extract of the Schema-Guided Dialogue data (Rastogi et al., AAAI 2020).

    catalog_train.json.gz     {kind: [name, ...]}
    train, dev, test          {id, prev_user, system, sys_acts, results, state, answer, entities}
    dialogues_train.jsonl.gz  {id, turns: [{who, text, acts, values: [{slot, start, end}]}]}

A wrong line is named by file and number, never shown.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ctxasr.encoder.tasks import Dialogue, Mention, Step, is_name, mentions_of
from ctxasr.encoder.tokens import ITEMS_MAX
from ctxasr.errors import DataError
from ctxasr.events import Entity, TurnText
from ctxasr.words import normalise, stands_in

DIALOGUE_STEPS_MAX: Final = 12
"""Steps of one dialogue that are read; the median dialogue of the data has nine."""


def read_catalogue(data: Path) -> dict[str, list[str]]:
    """Kind to normalised names, from `catalog_train.json.gz`."""
    path = _file(data, "catalog_train.json.gz")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            raw = json.load(lines)
        named = {
            kind: [text for text in dict.fromkeys(map(normalise, values)) if is_name(text)]
            for kind, values in raw.items()
        }
    except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: {type(error).__name__}; gzipped JSON of kinds to lists of names is wanted"
        ) from None
    return {kind: values for kind, values in named.items() if values}


def read_split(data: Path, split: str) -> list[Dialogue]:
    """The dialogues of `train`, `dev` or `test`.

    For `train`, whole dialogues of `dialogues_train.jsonl.gz` take the place of their turns.

    Raises:
        DataError: a file is missing or malformed; the message names file and line.
    """
    turns: dict[str, list[Step]] = {}
    for record in _lines(_file(data, f"{split}.jsonl.gz"), _record_step):
        identity, step = record
        turns.setdefault(identity, []).append(step)
    if split == "train":
        for identity, steps in _lines(_file(data, "dialogues_train.jsonl.gz"), _dialogue_steps):
            turns[identity] = steps
    return [
        Dialogue(identity, "sgd", tuple(steps[:DIALOGUE_STEPS_MAX]))
        for identity, steps in sorted(turns.items())
        if steps
    ]


def _file(data: Path, name: str) -> Path:
    for path in (data / name, data / "sgd_followup" / name):
        if path.is_file():
            return path
    raise DataError(f"{data / name} is missing; --data (or CTXASR_DATA) names the folder with it")


def _lines(path: Path, read: Any) -> Iterator[Any]:
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 - named in the error
                yield read(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"field {error}" if isinstance(error, KeyError) else type(error).__name__
        raise DataError(
            f"{path}:{number}: {what}; a JSON object with the fields of sgd_followup is wanted"
        ) from None
    except (OSError, EOFError) as error:
        raise DataError(
            f"{path}:{number + 1}: {type(error).__name__}; a complete gzip file is wanted"
        ) from None
    if number == 0:
        raise DataError(f"{path}:1: the file is empty; one JSON object a line is wanted")


def _results(results: Sequence[Mapping[str, str]]) -> tuple[list[Mention], tuple[Entity, ...]]:
    pairs = {(kind, text): None for result in results for kind, text in result.items()}
    named = [(kind, text) for kind, text in pairs if is_name(normalise(text))][:ITEMS_MAX]
    return mentions_of(named, "results"), tuple(Entity(kind, text) for kind, text in named)


def _record_step(record: Mapping[str, Any]) -> tuple[str, Step]:
    """A line of train, dev or test: one follow-up turn. The id is split-dialogue-turn."""
    identity = record["id"].split("-", 1)[1].rsplit("-", 1)[0]
    reply, utterance = normalise(record["system"]), normalise(record["prev_user"])
    acts = [(act["slot"], value) for act in record["sys_acts"] for value in act["values"]]
    said = [(slot, value) for slot, value in acts if normalise(value) in reply]
    state = [
        (name.split(".", 1)[-1], value)
        for name, values in record["state"].items()
        for value in values
        if stands_in(normalise(value), utterance)
    ]
    listed, entities = _results(record["results"])
    mentions = [*mentions_of(said, "reply"), *listed, *mentions_of(state, "utterance")]
    answered = [(entity["slot"], entity["value"]) for entity in record["entities"]]
    return identity, Step(
        turn=TurnText(record["prev_user"], record["system"], entities),
        mentions=tuple(mentions),
        answer=normalise(record["answer"]),
        new=tuple(mentions_of(answered, "catalogue")),
        asked=tuple(act["slot"] for act in record["sys_acts"] if act["act"] == "REQUEST"),
    )


def _dialogue_steps(record: Mapping[str, Any]) -> tuple[str, list[Step]]:
    """A whole dialogue: every (user, system, user) in it is a step."""
    turns = record["turns"]
    steps = []
    for before, system, after in zip(turns, turns[1:], turns[2:], strict=False):
        if (before["who"], system["who"], after["who"]) != ("user", "system", "user"):
            continue
        listed, entities = _results(system.get("results", []))
        asked = [act.split(":", 1) for act in system["acts"] if act.startswith("REQUEST:")]
        steps.append(
            Step(
                turn=TurnText(before["text"], system["text"], entities),
                mentions=(
                    *mentions_of(_spans(system), "reply"),
                    *listed,
                    *mentions_of(_spans(before), "utterance"),
                ),
                answer=normalise(after["text"]),
                new=tuple(mentions_of(_spans(after), "catalogue")),
                asked=tuple(slot for _, slot in asked),
            )
        )
    return record["id"], steps


def _spans(turn: Mapping[str, Any]) -> list[tuple[str, str]]:
    text = turn["text"]
    return [(v["slot"], text[v["start"] : v["end"]]) for v in turn.get("values", [])]
