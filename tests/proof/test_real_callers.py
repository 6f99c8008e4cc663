"""Real people on the telephone: their names, rescored against lists that do or do not hold them.

The n-best lists of a production recogniser (test split of evi_names, attempts 0 and 1 of the name
question) without scores, lattice or phone loop, so the weights without a phone loop count. Nothing
was fitted on these data. The reference is the name that the caller was asked to say.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctxasr.app import default_aligner
from ctxasr.bias import bias_of
from ctxasr.evaluate.metrics import best_edits, error_rate, relative_change, word_count, word_edits
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition
from ctxasr.rescore import rescore
from ctxasr.speech.phonetics import Ints, distances, encode, pad
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.words import normalise

pytestmark = pytest.mark.proof

SEED = 1
LIST_SIZES = (2, 10, 100)

Others = Callable[[dict[str, Any], list[str], int, random.Random], list[str]]
"""Names for a list, none of them the caller's own."""


def read(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def recognition(turn: dict[str, Any]) -> Recognition:
    texts = dict.fromkeys(normalise(text) for text in turn["nbest"])
    return Recognition(tuple(Hypothesis(text, -float(rank)) for rank, text in enumerate(texts)))


def random_others(
    turn: dict[str, Any], people: list[str], size: int, rng: random.Random
) -> list[str]:
    return [name for name in rng.sample(people, size) if name != turn["expected"]]


class Neighbours:
    """The names that sound most like a given one."""

    def __init__(self, people: list[str]):
        self._people, self._sounds = people, Pronouncer()
        self._table, self._lengths = pad([self._encode(name) for name in people])

    def __call__(
        self, turn: dict[str, Any], people: list[str], size: int, rng: random.Random
    ) -> list[str]:
        far = distances(self._table, self._lengths, self._encode(turn["expected"]))
        near = [self._people[i] for i in np.argsort(far, kind="stable")[: size + 1]]
        return [name for name in near if name != turn["expected"]][:size]

    def _encode(self, name: str) -> Ints:
        return encode((self._sounds.phrase_phones(normalise(name)) or ((),))[0])


async def errors(
    turns: list[dict[str, Any]], people: list[str], size: int, others: Others, *, right: bool
) -> list[int]:
    rng = random.Random(SEED)
    found = []
    for turn in turns:
        names = others(turn, people, size, rng)
        if right:
            names = [*names[: size - 1], turn["expected"]]
        phrases = [Phrase(normalise(name), "entities", "name") for name in sorted(names)]
        bias = bias_of(phrases, np.zeros(len(phrases) + 1, np.float32))
        result = await rescore(recognition(turn), bias, default_aligner())
        found.append(word_edits(turn["expected"], result.text))
    return found


async def test_a_list_with_the_name_helps_and_one_without_it_hardly_harms(data: Path) -> None:
    folder = data / "evi_names"
    (people,) = read(folder / "people.json.gz")
    turns = [
        turn
        for turn in read(folder / "test.jsonl.gz")
        if turn["item"] == "name" and turn["attempt"] < 2 and turn["nbest"]
    ]
    speakers = [turn["speaker"] for turn in turns]
    words = [word_count(turn["expected"]) for turn in turns]
    plain = [word_edits(turn["expected"], turn["nbest"][0]) for turn in turns]
    oracle = [best_edits(turn["expected"], recognition(turn).hypotheses) for turn in turns]
    rate = error_rate(plain, words, speakers, SEED)
    best = error_rate(oracle, words, speakers, SEED)
    print(f"\nreal callers: n = {len(turns)}, plain {rate}, n-best oracle {best.value:.3f}")
    for kind, others in (("random", random_others), ("neighbour", Neighbours(people))):
        for size in LIST_SIZES:
            changes = {}
            for right in (True, False):
                with_list = await errors(turns, people, size, others, right=right)
                changes[right] = relative_change(with_list, plain, speakers, SEED)
                held = "with" if right else "without"
                now = error_rate(with_list, words, speakers, SEED).value
                print(f"  {kind} list of {size:3} {held:7} the name: {now:.3f}, {changes[right]}")
            assert changes[True].value <= -0.30
            # Neighbours without the name are the open problem: printed, not bounded.
            assert kind == "neighbour" or changes[False].value <= 0.03
