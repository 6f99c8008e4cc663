"""Fits the rescorer's weights on texts and sounds that were made or recorded for it.

    EVI, training split      n-best lists of people's names, by text alone
    right texts              everyday answers and follow-ups of SGD as the only hypothesis, beside
                             names that sound like a piece of them: what must not change
    names, followups,        the `tuning` halves of the spoken corpora, by every recogniser that is
    everyday                 given: with and without its phone loop, with and without its audio

Each utterance is met with lists that hold the answer and with lists that do not. A condition counts
by its word errors, so that neither large sets of data nor poor recognisers drown the others; harm
counts more than gain.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ctxasr.candidates import text_of
from ctxasr.evaluate.corpora.conditions import Condition, conditions_of
from ctxasr.evaluate.corpora.everyday import QUESTIONS, answers
from ctxasr.evaluate.corpora.making import Kind, Plan, make
from ctxasr.evaluate.corpora.neighbours import Neighbours
from ctxasr.evaluate.corpora.people import data_file, read_people, single_names
from ctxasr.evaluate.corpora.reading import read_evi
from ctxasr.evaluate.corpora.utterance import Utterance, read_folder
from ctxasr.evaluate.fitting import Choice, Choices, fit
from ctxasr.evaluate.metrics import word_edits
from ctxasr.evaluate.trials import Listener
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Recognition
from ctxasr.rescore import SCORED_MAX, Shortlist, shortlist
from ctxasr.weights import Weights
from ctxasr.words import normalise

if TYPE_CHECKING:
    from ctxasr.bias import Bias

SPOKEN: Final[dict[Kind, int]] = {"names": 200, "followups": 300, "everyday": 300}
"""Utterances of each corpus that are made."""

CALLERS: Final = 600
"""Utterances of EVI."""

RIGHT_TEXTS: Final = 900
RIGHT_TEXT_WORDS_MAX: Final = 9
"""Longer answers are rarely given to a question that names something."""

SCORED: Final = SCORED_MAX + 3
"""Candidates that are scored against the audio for the fit; more than the product has time for."""

GAIN: Final = 1.0
NEAREST_GAIN: Final = 0.3
RANDOM_HARM: Final = 3.0
NEAREST_HARM: Final = 2.0
OTHER_HARM: Final = 3.0
EVERYDAY_HARM: Final = 3.0
"""How much a condition counts: harm is dearer."""

ERRORS_MIN: Final = 0.3
"""A condition with fewer plain errors an utterance counts as if it had so many."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The fitted weights, and on how many lists of candidates."""

    weights: Mapping[str, Weights]
    lists: Mapping[str, int]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """What `ctxasr train --part rescorer` prints."""
        return {
            "seed": self.seed,
            "lists": dict(self.lists),
            "weights": {
                name: one.evidence._asdict() | {"audio": one.audio}
                for name, one in self.weights.items()
            },
        }


@dataclass(frozen=True, slots=True)
class _List:
    """The candidates of one utterance under one context, and whose condition they count to."""

    choices: tuple[Choice, ...]
    condition: tuple[str, str]
    weight: float
    plain_errors: int


async def tune(
    listeners: Mapping[str, Listener],
    data: Path,
    corpora: Path,
    *,
    seed: int = 7,
    scale: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuning:
    """Make the corpora in the folder `corpora` where they are missing, hear them by every listener,
    and fit; `scale` takes so much of all the material.

    Raises:
        DataError: the data are missing.
        MissingPart: a voice is not installed; names the Debian package.
    """
    people = read_people(data)
    any_listener = next(iter(listeners.values()))
    neighbours = Neighbours(people, any_listener.sounds)
    spoken: list[Utterance] = []
    for kind, n in SPOKEN.items():
        plan = Plan(kind, max(1, round(n * scale)), seed, "tuning")
        make(corpora / kind, plan, data)
        spoken += read_folder(corpora / kind)
    rng = Random(seed)  # noqa: S311
    callers = [one for one in read_evi(data, "train") if one.corpus == "evi-name"]
    texts = rng.sample(callers, min(len(callers), round(CALLERS * scale)))
    texts += list(_right_texts(data, people, any_listener, round(RIGHT_TEXTS * scale), rng))
    sets: dict[str, list[_List]] = defaultdict(list)
    total, done = len(texts) + len(spoken) * len(listeners), 0
    by_text = replace(any_listener, recognizer=None)
    for utterance in texts:
        recognition = await by_text.hear(utterance)
        sets["without_phone_loop"] += await _lists(
            utterance, recognition, by_text, neighbours, seed
        )
        done += 1
        progress(done, total)
    for listener in listeners.values():
        for utterance in spoken:
            for name, one in (await _heard(utterance, listener, neighbours, seed)).items():
                sets[name] += one
            done += 1
            progress(done, total)
    return _fitted(sets, seed)


async def _heard(
    utterance: Utterance, listener: Listener, neighbours: Neighbours, seed: int
) -> dict[str, list[_List]]:
    """One utterance with all that its recogniser gives, and with less of it."""
    recognition = await listener.hear(utterance)
    bare = replace(recognition, phones=(), sound=None)
    found = {"without_phone_loop": await _lists(utterance, bare, listener, neighbours, seed)}
    if recognition.phones:
        loop = replace(recognition, sound=None)
        found["with_phone_loop"] = await _lists(utterance, loop, listener, neighbours, seed)
    if recognition.sound is not None and listener.scorer is not None:
        found["with_sound"] = await _lists(utterance, recognition, listener, neighbours, seed)
    return found


async def _lists(
    utterance: Utterance,
    recognition: Recognition,
    listener: Listener,
    neighbours: Neighbours,
    seed: int,
) -> list[_List]:
    if not recognition.hypotheses:
        return []
    plain = word_edits(utterance.reference, recognition.plain)
    found, heard = [], dict[str, float]()
    for condition in _conditions(utterance, neighbours):
        for turn in condition.of(utterance, seed):
            bias: Bias = await listener.bias_after(turn)
            short = await shortlist(recognition, bias, listener.aligner)
            choices = await _choices(utterance, short, plain, listener, heard)
            key = (utterance.corpus, condition.name)
            found.append(_List(tuple(choices), key, _weight(utterance, condition), plain))
    return found


async def _choices(
    utterance: Utterance, short: Shortlist, plain: int, listener: Listener, heard: dict[str, float]
) -> list[Choice]:
    """What the rescorer could make of an utterance, and what each would cost."""
    recognition, found = short.recognition, [one for _, one in short.scored]
    if recognition.sound is None or listener.scorer is None:
        return [
            Choice(one.evidence, _more(utterance, one.words, plain), one.unchanged) for one in found
        ]
    texts = {one.words: text_of(one, recognition) for one in found if not one.unchanged}
    kept = dict(list(texts.items())[:SCORED])
    asked = [text for text in (recognition.plain, *kept.values()) if text not in heard]
    scores = await listener.scorer.log_likelihoods(recognition, asked)
    heard |= dict(zip(asked, scores, strict=True))
    base = heard[recognition.plain]
    return [
        Choice(
            one.evidence,
            _more(utterance, one.words, plain),
            one.unchanged,
            0.0 if one.unchanged else heard[kept[one.words]] - base,
        )
        for one in found
        if one.unchanged or one.words in kept
    ]


def _more(utterance: Utterance, words: Sequence[str], plain: int) -> int:
    return word_edits(utterance.reference, " ".join(words)) - plain


def _conditions(utterance: Utterance, neighbours: Neighbours) -> list[Condition]:
    """The conditions of its corpus, without the emptied context and the longest lists."""
    if utterance.corpus == RIGHT:
        return [Condition("own options", False, lambda one, rng: [one.asked])]
    known = conditions_of(utterance.corpus, [utterance, *_others(utterance)], neighbours)
    return [one for one in known if one.name != "emptied" and "1,000" not in one.name]


def _others(utterance: Utterance) -> list[Utterance]:
    """Somebody else's question, for the condition of a wrong context."""
    asked = TurnText("call me a taxi", "Do you mean Elm Street or Oak Road?",
                     (Entity("place", "Elm Street"), Entity("place", "Oak Road")))  # fmt: skip
    return [replace(utterance, id=f"{utterance.id}-other", asked=asked)]


def _weight(utterance: Utterance, condition: Condition) -> float:
    if utterance.corpus in (RIGHT, "everyday"):
        return EVERYDAY_HARM
    if condition.right is False:
        if "nearest" in condition.name:
            return NEAREST_HARM
        return RANDOM_HARM if "random" in condition.name else OTHER_HARM
    return NEAREST_GAIN if "nearest" in condition.name else GAIN


RIGHT: Final = "right texts"


def _right_texts(
    data: Path, people: Sequence[str], listener: Listener, n: int, rng: Random
) -> Iterator[Utterance]:
    """Texts that are right, beside names that sound like a piece of them."""
    near = Neighbours(single_names("tuning", list(people)), listener.sounds)
    path = data_file(data, "sgd_followup", "train.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        spoken = [json.loads(line)["answer"] for line in lines]
    spoken = [text for text in spoken if 0 < len(text.split()) <= RIGHT_TEXT_WORDS_MAX]
    texts = [*(answers("tuning") * 4), *rng.sample(spoken, min(len(spoken), 500))]
    for number, text in enumerate(rng.sample(texts, min(n, len(texts)))):
        names = near.near_piece(normalise(text), 8)
        names = rng.sample(names, min(3, len(names)))
        if not names:
            continue
        reply = rng.choice(QUESTIONS).format(*(names * 3)[:3])
        entities = tuple(Entity("contact", name) for name in names)
        written = text if rng.random() < 0.5 else normalise(text)
        asked = TurnText("call my friend", reply, entities)
        yield Utterance(str(number), RIGHT, text, asked, heard=(written,))


def _fitted(sets: Mapping[str, Sequence[_List]], seed: int) -> Tuning:
    weights = {}
    for name, lists in sets.items():
        errors: dict[tuple[str, str], float] = defaultdict(float)
        for one in lists:
            errors[one.condition] += max(ERRORS_MIN, one.plain_errors)
        weighed = [Choices(one.choices, one.weight / errors[one.condition]) for one in lists]
        unused = () if name == "with_phone_loop" else ("gain",)
        weights[name] = fit(weighed, unused=unused, audio=name == "with_sound")
    return Tuning(weights, {name: len(lists) for name, lists in sets.items()}, seed)
