"""Real people on the telephone: their names, rescored against lists that do or do not hold them.

The n-best lists of a production recogniser (test split of evi_names, attempts 0 and 1 of the name
question) without scores, lattice or phone loop, so the weights without a phone loop count. Nothing
was fitted on these data. The reference is the name that the caller was asked to say.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctxasr.app import default_aligner
from ctxasr.bias import bias_of
from ctxasr.evaluate.metrics import best_edits, error_rate, relative_change, word_count, word_edits
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition, normalise
from ctxasr.rescore import rescore

pytestmark = pytest.mark.proof

SEED = 1
LIST_SIZES = (2, 10, 100)


def read(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def recognition(turn: dict[str, Any]) -> Recognition:
    texts = dict.fromkeys(normalise(text) for text in turn["nbest"])
    return Recognition(tuple(Hypothesis(text, -float(rank)) for rank, text in enumerate(texts)))


async def errors(
    turns: list[dict[str, Any]], people: list[str], size: int, right: bool
) -> list[int]:
    rng = random.Random(SEED)
    found = []
    for turn in turns:
        names = [name for name in rng.sample(people, size) if name != turn["expected"]]
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
    for size in LIST_SIZES:
        changes = {}
        for right in (True, False):
            with_list = await errors(turns, people, size, right)
            changes[right] = relative_change(with_list, plain, speakers, SEED)
            held = "with" if right else "without"
            now = error_rate(with_list, words, speakers, SEED).value
            print(f"  list of {size:3} {held:7} the name: {now:.3f}, {changes[right]}")
        assert changes[True].value <= -0.30
        assert changes[False].value <= 0.03
