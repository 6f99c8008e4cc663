"""The task: given a turn, which phrase will the answer contain?

A *step* is one turn with what was named in it and the customer's answer to it. From a step, `pose`
draws an *example*: the phrases on offer (named in the reply, by a service, by the customer, in the
last turns; first and last words of those names; distractors; sometimes what the answer newly
names, as a retriever's hit) and the targets: the longest phrases that the answer contains, or
'none of these'. Texts vary from one draw to the next: kinds are dropped, lists move to the screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ctxasr.encoder.tokens import PHRASE_WORDS_MAX
from ctxasr.events import TurnText
from ctxasr.hypotheses import PHRASE_CHARS_MAX, Phrase
from ctxasr.words import normalise

HISTORY_STEPS: Final = 2
"""Earlier turns whose names are still on offer."""

DISTRACTORS_MAX: Final = 12
CANDIDATES_MAX: Final = 64
PART_LETTERS_MIN: Final = 3
PART_RATE: Final = 0.5
CATALOGUE_RATE: Final = 0.3
"""How often a retriever is taken to have found what the answer newly names."""

STRANGERS_MAX: Final = 12
"""Names of another dialogue among the phrases of one step, under the signals of a right one."""

SOURCES: Final = ("reply", "results", "utterance", "history", "catalogue", "distractor", "stranger")
"""Where a phrase was named; the first that applies."""

_NAME: Final = re.compile(r"[^\W\d_]{2}")
_NO_NAMES: Final = frozenset({"true", "false", "yes", "no", "dontcare", "none"})
_NO_PARTS: Final = frozenset({"the", "and", "for", "new", "san", "los", "saint", "inn", "with"})


@dataclass(frozen=True, slots=True)
class Mention:
    """A name (normalised), its kind, and where it was named (one of SOURCES)."""

    text: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Step:
    """A turn, what it names, and the answer to it with what only the answer names."""

    turn: TurnText
    mentions: tuple[Mention, ...]
    answer: str
    new: tuple[Mention, ...] = ()
    asked: tuple[str, ...] = ()
    """Kinds that the reply asks for."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Steps in their order; `origin` is the data set."""

    identity: str
    origin: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One step as posed: targets count from 1 over the phrases, 0 is 'none of these'."""

    turn: TurnText
    phrases: tuple[Phrase, ...]
    sources: tuple[str, ...]
    targets: tuple[int, ...]


Catalogue = Mapping[str, Sequence[str]]
"""Kind to names."""


def is_name(text: str) -> bool:
    """Whether a normalised text can be a biasing phrase: letters, a few words, no truth value."""
    words = text.split()
    return (
        0 < len(words) <= PHRASE_WORDS_MAX
        and len(text) <= PHRASE_CHARS_MAX
        and _NAME.search(text) is not None
        and text not in _NO_NAMES
    )


def mentions_of(pairs: Iterable[tuple[str, str]], source: str) -> list[Mention]:
    """(kind, raw text) pairs as mentions, without repetitions and what is no name."""
    found = {normalise(text): kind for kind, text in pairs}
    return [Mention(text, kind, source) for text, kind in found.items() if is_name(text)]


def pose_all(
    dialogues: Sequence[Dialogue], catalogue: Catalogue, rng: Random, items_max: int
) -> list[list[Example]]:
    """Every dialogue posed, with names of the one before it as strangers."""
    posed = []
    for place, dialogue in enumerate(dialogues):
        strangers = [m for step in dialogues[place - 1].steps for m in step.mentions]
        posed.append(pose(dialogue, catalogue, rng, items_max, strangers))
    return posed


def pose(
    dialogue: Dialogue,
    catalogue: Catalogue,
    rng: Random,
    items_max: int,
    strangers: Sequence[Mention] = (),
) -> list[Example]:
    """One example for every step. The same generator state gives the same examples.

    `strangers` are names of another dialogue: what stands in a stale or mistaken context.
    """
    kinds = sorted(catalogue)
    examples: list[Example] = []
    for index, step in enumerate(dialogue.steps):
        turn, screened = _vary(step, rng, items_max)
        offered = [m for m in step.mentions if m.source != "results"]
        on_offer = {normalise(entity.text) for entity in turn.entities} | screened
        offered += [m for m in step.mentions if m.source == "results" and m.text in on_offer]
        for earlier in dialogue.steps[max(0, index - HISTORY_STEPS) : index]:
            offered += [replace(m, source="history") for m in earlier.mentions]
        if step.new and rng.random() < CATALOGUE_RATE:
            offered += step.new
        offered = _with_parts(offered, rng)
        offered += _distractors(step, kinds, catalogue, rng)
        count = min(len(strangers), rng.randrange(STRANGERS_MAX + 1))
        foreign = [replace(m, source="stranger") for m in rng.sample(strangers, count)]
        offered += _with_parts(foreign, rng)[:STRANGERS_MAX]
        first: dict[str, Mention] = {}
        rank = {source: place for place, source in enumerate(SOURCES)}
        for mention in sorted(offered, key=lambda m: rank[m.source]):
            first.setdefault(mention.text, mention)
        chosen = list(first.values())
        if len(chosen) > CANDIDATES_MAX:
            kept = sorted(rng.sample(range(len(chosen)), CANDIDATES_MAX))
            chosen = [chosen[place] for place in kept]
        phrases = tuple(_as_phrase(mention, on_offer, screened, rng) for mention in chosen)
        examples.append(
            Example(
                turn=turn,
                phrases=phrases,
                sources=tuple(mention.source for mention in chosen),
                targets=targets_of([mention.text for mention in chosen], step.answer),
            )
        )
    return examples


def targets_of(texts: Sequence[str], answer: str) -> tuple[int, ...]:
    """Which of the normalised texts the answer contains, none inside another; (0,) for none."""
    padded = f" {answer} "
    found = [place for place, text in enumerate(texts) if f" {text} " in padded]
    longest = [
        place + 1
        for place in found
        if not any(place != other and f" {texts[place]} " in f" {texts[other]} " for other in found)
    ]
    return tuple(longest) or (0,)


def _vary(step: Step, rng: Random, items_max: int) -> tuple[TurnText, set[str]]:
    """The turn as one service or another would report it, and what moved to the screen."""
    entities = list(step.turn.entities)
    screen = list(step.turn.screen)
    if not screen and entities and rng.random() < 0.15:
        kind = rng.choice(entities).kind
        screen = [entity.text for entity in entities if entity.kind == kind]
        if rng.random() < 0.5:
            entities = [entity for entity in entities if entity.kind != kind]
    if len(entities) > items_max:
        kept = sorted(rng.sample(range(len(entities)), items_max))
        entities = [entities[place] for place in kept]
    if rng.random() < 0.15:
        entities = [replace(entity, kind="") for entity in entities]
    slot = step.asked[0] if step.asked and rng.random() < 0.4 else step.turn.slot
    turn = replace(step.turn, entities=tuple(entities), screen=tuple(screen), slot=slot)
    return turn, {normalise(text) for text in screen}


def _with_parts(mentions: Sequence[Mention], rng: Random) -> list[Mention]:
    found = list(mentions)
    for mention in mentions:
        words = mention.text.split()
        if len(words) > 1 and rng.random() < PART_RATE:
            found += [
                replace(mention, text=word)
                for word in (words[0], words[-1])
                if len(word) >= PART_LETTERS_MIN and word not in _NO_PARTS
            ]
    return found


def _distractors(
    step: Step, kinds: Sequence[str], catalogue: Catalogue, rng: Random
) -> list[Mention]:
    if not kinds:
        return []
    near = [m.kind for m in (*step.new, *step.mentions) if m.kind in catalogue]
    near += [kind for kind in step.asked if kind in catalogue]
    found = []
    for _ in range(rng.randrange(DISTRACTORS_MAX + 1)):
        kind = rng.choice(near) if near and rng.random() < 0.6 else rng.choice(kinds)
        found.append(Mention(rng.choice(catalogue[kind]), kind, "distractor"))
    return found


def _as_phrase(mention: Mention, entities: set[str], screened: set[str], rng: Random) -> Phrase:
    """The phrase as the biasing stage may name it; what has several signals has one of them."""
    if mention.source == "stranger":
        signal = rng.choice(("entities", "entities", "reply", "screen", "utterance"))
    elif mention.source in ("catalogue", "distractor"):
        signal = "catalogue"
    elif mention.text in screened:
        signal = "screen"
    elif mention.text in entities and rng.random() < 0.7:
        signal = "entities"
    else:
        signal = {"results": "entities", "history": "entities"}.get(mention.source, mention.source)
    bare = rng.random() < (0.4 if signal in ("reply", "utterance", "screen") else 0.15)
    return Phrase(mention.text, signal, "" if bare else mention.kind)
