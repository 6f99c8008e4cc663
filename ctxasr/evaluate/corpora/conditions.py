"""Which names are on offer while an utterance is heard: with the answer, without it, too many.

A condition turns an utterance into the turns that may have asked for it. What these name goes the
product's own way into a bias: encoder, prior and all. Lists without the answer hold no name either
that sounds the same: nobody could hear the difference.

    name among 100              99 drawn at random, and the right one
    name among its 99 nearest   those of all names that sound most like it, and the right one
    100 random without it       nothing but distractors
    100 nearest without it      the hardest of them
    own options                 what the asking turn of the corpus has on offer
    emptied                     nothing was asked
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ctxasr.evaluate.corpora.neighbours import Neighbours, Sounds
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.events import Entity, TurnText
from ctxasr.words import normalise

SIZES: Final = (2, 10, 100)
"""Of lists of names."""

MANY: Final = 1_000
"""The longest list."""

OTHERS: Final = 3
"""Other dialogues under whose contexts each answer is met."""

EMPTIED: Final = "emptied"
OWN: Final = "own options"
ANOTHER: Final = "another dialogue's"
FOREIGN: Final = "another question's"
SOUND_ALIKE: Final = "everyday answers beside names that sound like them"
NOTHING: Final = TurnText("", "")

KIND: Final = "name"
"""What the listed names are, where the corpus does not say."""

Turns = Callable[[Utterance, Random], list[TurnText]]


@dataclass(frozen=True, slots=True)
class Condition:
    """`right` says whether the answer is on offer; None where that depends on the utterance.

    `harm` names the kind of list without it: what a plot shows together.
    """

    name: str
    right: bool | None
    turns: Turns
    harm: str = ""

    def of(self, utterance: Utterance, seed: int) -> list[TurnText]:
        """The asking turns; drawn from the seed, the utterance and the condition alone."""
        return self.turns(utterance, Random(f"{seed}:{self.name}:{utterance.id}"))  # noqa: S311


def conditions_of(
    corpus: str, utterances: Sequence[Utterance], neighbours: Neighbours
) -> list[Condition]:
    """What an utterance of a corpus is met with; `neighbours` holds the names to draw from."""
    emptied = Condition(EMPTIED, None, lambda utterance, rng: [NOTHING])
    match corpus:
        case "names" | "evi-name":
            return [emptied, *_with_name(neighbours), *_without_name(neighbours)]
        case "evi-postcode" | "evi-dob":
            return [emptied, *(_random_without(neighbours, size) for size in SIZES)]
        case "everyday":
            return [emptied, _own(right=False)]
        case "human-digits" | "human-names":
            return [
                emptied,
                _own(right=True),
                _foreign(utterances),
                _random_without(neighbours, 10),
            ]
        case "human-orders":
            return [emptied, _own(right=True), _random_without(neighbours, SIZES[1])]
    return [
        emptied,
        _own(right=None),
        _with_more(neighbours),
        _another(utterances, neighbours.sounds),
    ]


def _with_name(neighbours: Neighbours) -> list[Condition]:
    def among(size: int) -> Condition:
        def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
            others = _random(neighbours, utterance.reference, size - 1, rng)
            return [_listing(utterance, [*others, utterance.reference], rng)]

        return Condition(f"name among {size:,}", True, turns)

    def nearest(utterance: Utterance, rng: Random) -> list[TurnText]:
        near = neighbours.nearest(utterance.reference, SIZES[-1] - 1)
        return [_listing(utterance, [*near, utterance.reference], rng)]

    return [
        *(among(size) for size in (*SIZES, MANY)),
        Condition(f"name among its {SIZES[-1] - 1} nearest", True, nearest),
    ]


def _without_name(neighbours: Neighbours) -> list[Condition]:
    def nearest(size: int) -> Condition:
        def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
            near = neighbours.nearest(utterance.reference, SIZES[-1])[:size]
            return [_listing(utterance, near, rng)]

        return Condition(f"{size} nearest without it", False, turns, "nearest neighbours")

    return [
        *(_random_without(neighbours, size) for size in SIZES),
        *(nearest(size) for size in SIZES),
    ]


def _random_without(neighbours: Neighbours, size: int) -> Condition:
    def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
        return [_listing(utterance, _random(neighbours, utterance.reference, size, rng), rng)]

    return Condition(f"{size} random without it", False, turns, "random lists")


def _own(*, right: bool | None) -> Condition:
    harm = SOUND_ALIKE if right is False else ""
    return Condition(OWN, right, lambda utterance, rng: [utterance.asked], harm)


def _with_more(neighbours: Neighbours) -> Condition:
    def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
        asked = utterance.asked
        more = _random(neighbours, utterance.reference, SIZES[-1], rng)
        kind = asked.entities[0].kind if asked.entities else KIND
        return [replace(asked, entities=(*asked.entities, *(Entity(kind, name) for name in more)))]

    return Condition(f"own and {SIZES[-1]} names", None, turns)


def _another(utterances: Sequence[Utterance], sounds: Sounds) -> Condition:
    """Of dialogues whose options share no word with the answer or its own options, by sound."""
    offered = [(one.asked, _words(one.options, sounds)) for one in utterances if one.options]

    def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
        own = _words((*utterance.options, utterance.reference, *utterance.also), sounds)
        others = [asked for asked, words in offered if words.isdisjoint(own)]
        return rng.sample(others, min(OTHERS, len(others)))

    return Condition(ANOTHER, False, turns, ANOTHER)


def _words(texts: Sequence[str], sounds: Sounds) -> set[object]:
    """The words of the texts, and how each can be said."""
    words = {word for text in texts for word in normalise(text).split()}
    return {*words, *(phones for word in words for phones in sounds.of(word))}


def _foreign(utterances: Sequence[Utterance]) -> Condition:
    """The short lists that other questions of the same collection offer."""
    offered = {
        one.corpus: one.asked.entities for one in utterances if len(one.asked.entities) <= SIZES[1]
    }

    def turns(utterance: Utterance, rng: Random) -> list[TurnText]:
        return [
            replace(utterance.asked, entities=entities)
            for corpus, entities in offered.items()
            if corpus != utterance.corpus
        ]

    return Condition(FOREIGN, False, turns, FOREIGN)


def _random(neighbours: Neighbours, reference: str, size: int, rng: Random) -> list[str]:
    """Names at random, none of which sounds like the reference."""
    found: list[str] = []
    while len(found) < size:
        drawn = rng.sample(neighbours.names, min(size, len(neighbours.names)))
        fresh = [name for name in drawn if not neighbours.sounds.same(name, reference)]
        before = len(found)
        found = list(dict.fromkeys([*found, *fresh]))[:size]
        if len(found) == before:
            break  # there are no more
    return found


def _listing(utterance: Utterance, names: list[str], rng: Random) -> TurnText:
    """The corpus's question with these names on offer; their order says nothing."""
    rng.shuffle(names)
    kind = utterance.asked.slot or KIND
    return replace(utterance.asked, entities=tuple(Entity(kind, name) for name in names), screen=())
