"""Fits the rescorer's weights on texts and sounds that were made or recorded for it.

    EVI, training split      n-best lists of people's names, by text alone
    right texts              everyday answers and follow-ups of SGD as the only hypothesis, beside
                             names that sound like a piece of them: what must not change
    names, followups,        the `tuning` halves of the spoken corpora, by every recogniser that is
    everyday                 given: with and without its phone loop, with and without its audio

Each utterance is met with lists that hold the answer and with lists that do not. A condition counts
as much as another, however many lists it has. Half of the everyday answers stand for those that
EVERYDAY_ANSWERS does not hold: of them the evidence does not say that they are everyday.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final
from zlib import crc32

from ctxasr.candidates import Candidate, text_of
from ctxasr.evaluate.corpora.conditions import EMPTIED, MANY, OWN, Condition, conditions_of
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
from ctxasr.evidence import Heard, heard_of
from ctxasr.hypotheses import Recognition
from ctxasr.ports import AcousticScorer
from ctxasr.rescore import SCORED_MAX, shortlist
from ctxasr.weights import Weights
from ctxasr.words import normalise

SPOKEN: Final[dict[Kind, int]] = {"names": 600, "followups": 300, "everyday": 300}
"""Utterances of each corpus that are made."""

CALLERS: Final = 600
"""Utterances of EVI."""

RIGHT_TEXTS: Final = 900
RIGHT_TEXT_WORDS_MAX: Final = 9
"""Longer answers are rarely given to a question that names something."""

SCORED: Final = SCORED_MAX + 3
"""Candidates that are scored against the audio for the fit; more than the product has time for."""

OFFERED: Final = 6
"""Names of a short list that are scored beside those."""

FOLLOWUPS: Final = 2.0
NEAREST_GAIN: Final = 0.5
RANDOM_HARM: Final = 0.7
RIGHT_TEXTS_HARM: Final = 2.0
EVERYDAY_HARM: Final = 1.0
"""How much a condition counts against the others, which count 1."""

WITHOUT_THEIR_SOUND: Final = 0.5
"""How much a condition of the spoken corpora counts where its n-best lists are read alone."""

_TEXT: Final = "without_phone_loop"
_LOOP: Final = "with_phone_loop"
_SOUND: Final = "with_tokens"
_SOUND_AND_LOOP: Final = "with_tokens_and_phone_loop"
_FRAMES: Final = "with_frames"


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
                name: one.evidence._asdict() | one.heard._asdict()
                for name, one in self.weights.items()
            },
        }


@dataclass(frozen=True, slots=True)
class _List:
    """The candidates of one utterance under one context, and whose condition they count to."""

    choices: tuple[Choice, ...]
    condition: tuple[str, str]
    weight: float


Sets = dict[str, list[_List]]
"""Lists by the weights that are fitted on them."""


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
    sets: Sets = defaultdict(list)
    total, done = len(texts) + len(spoken) * len(listeners), 0
    by_text = replace(any_listener, recognizer=None)
    for listener, utterances in [(by_text, texts), *((one, spoken) for one in listeners.values())]:
        met = {
            corpus: _conditions(
                corpus, [one for one in utterances if one.corpus == corpus], neighbours
            )
            for corpus in dict.fromkeys(one.corpus for one in utterances)
        }
        for utterance in utterances:
            await _add_lists(sets, utterance, listener, met[utterance.corpus], seed)
            done += 1
            progress(done, total)
    return _fitted(sets, seed)


async def _add_lists(
    sets: Sets,
    utterance: Utterance,
    listener: Listener,
    conditions: Sequence[Condition],
    seed: int,
) -> None:
    """One utterance under all conditions, with all that its recogniser gives, and with less."""
    recognition = await listener.hear(utterance)
    if not recognition.hypotheses:
        return
    plain = word_edits(utterance.reference, recognition.plain)
    unlisted = utterance.corpus in (RIGHT, "everyday") and crc32(utterance.reference.encode()) % 2
    known: dict[str, float] = {}
    with_less = [replace(recognition, phones=())] if recognition.phones else []
    for condition in conditions:
        key, weight = (utterance.corpus, condition.name), _weight(utterance, condition)
        turns = condition.of(utterance, seed)
        for turn, heard in product(turns, (recognition, *with_less)):
            bias = await listener.bias_after(turn)
            found = [one for _, one in (await shortlist(heard, bias, listener.aligner)).scored]
            if unlisted:
                found = [
                    one._replace(evidence=one.evidence._replace(everyday=0.0)) for one in found
                ]
            more = [word_edits(utterance.reference, " ".join(one.words)) - plain for one in found]
            by_text = tuple(
                Choice(one.evidence, errors, one.unchanged)
                for one, errors in zip(found, more, strict=True)
                if not one.by_sound_alone
            )
            if heard.phones:
                sets[_LOOP].append(_List(by_text, key, weight))
            else:
                share = WITHOUT_THEIR_SOUND if utterance.audio is not None else 1.0
                sets[_TEXT].append(_List(by_text, key, share * weight))
            frames = heard.scored_by == "frames"
            name = _FRAMES if frames else _SOUND_AND_LOOP if heard.phones else _SOUND
            has_less = frames and not heard.phones
            if heard.sound is not None and listener.scorer is not None and not has_less:
                scores = await _scores(found, heard, listener.scorer, known)
                by_sound = tuple(
                    Choice(
                        one.evidence,
                        errors,
                        one.unchanged,
                        Heard() if one.unchanged else heard_of(*scores[one.words], one.evidence),
                    )
                    for one, errors in zip(found, more, strict=True)
                    if one.unchanged or one.words in scores
                )
                sets[name].append(_List(by_sound, key, weight))


async def _scores(
    found: Sequence[Candidate],
    recognition: Recognition,
    scorer: AcousticScorer,
    known: dict[str, float],
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Log likelihoods of the likeliest texts and of the plain one, by their words."""
    texts: dict[tuple[str, ...], str] = {}
    for one in found:
        if not one.unchanged and one.words not in texts:
            texts[one.words] = text_of(one, recognition)
    offered = [one.words for one in found if one.by_sound_alone]
    kept = dict.fromkeys([*list(texts)[:SCORED], *offered[:OFFERED]])
    asked = [recognition.plain, *(texts[words] for words in kept)]
    if recognition.scored_by == "frames":  # comparable within one search only
        known.clear()
    new = [text for text in asked if text not in known]
    known |= dict(zip(new, await scorer.log_likelihoods(recognition, new), strict=True))
    plain = known[recognition.plain]
    scores = {words: (known[texts[words]], plain) for words in kept}
    return {words: both for words, both in scores.items() if all(map(math.isfinite, both))}


def _conditions(
    corpus: str, utterances: Sequence[Utterance], neighbours: Neighbours
) -> list[Condition]:
    """The conditions of a corpus, without the emptied context and the longest lists."""
    if corpus == RIGHT:
        return [Condition(OWN, False, lambda one, rng: [one.asked])]
    known = conditions_of(corpus, utterances, neighbours)
    return [one for one in known if one.name != EMPTIED and f"{MANY:,}" not in one.name]


def _weight(utterance: Utterance, condition: Condition) -> float:
    if utterance.corpus == RIGHT:
        return RIGHT_TEXTS_HARM
    if utterance.corpus == "everyday":
        return EVERYDAY_HARM
    if condition.right is None:
        return FOLLOWUPS
    if condition.right:
        return NEAREST_GAIN if "nearest" in condition.name else 1.0
    return RANDOM_HARM if "random" in condition.name else 1.0


RIGHT: Final = "right texts"


def _right_texts(
    data: Path, people: Sequence[str], listener: Listener, n: int, rng: Random
) -> Iterator[Utterance]:
    """Texts that are right, beside names that sound like a piece of them."""
    near = Neighbours(single_names("tuning", list(people)), listener.sounds)
    path = data_file(data, "sgd_followup", "dev.jsonl.gz")
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


def _fitted(sets: Sets, seed: int) -> Tuning:
    weights = {}
    for name, lists in sorted(sets.items()):
        counts = Counter(one.condition for one in lists)
        weighed = [Choices(one.choices, one.weight / counts[one.condition]) for one in lists]
        unused: tuple[str, ...] = ("gain",) if name in (_TEXT, _SOUND) else ()
        if name != _SOUND_AND_LOOP:  # the scores of frames have no zero
            unused += ("doubt", "doubted_names")
        weights[name] = fit(weighed, unused=unused)
    return Tuning(weights, {name: len(lists) for name, lists in sets.items()}, seed)
