"""Answers to a question that offers names: a name or a part, a position, two names, letters, none.

Do you mean Meg Jones or Meg Bauer?    bauer | the second one | the first meg | both of them |
                                       no, bauer | b a u e r | call meg jones | neither | ...
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from ctxasr.evaluate.corpora.drawing import Drawn
from ctxasr.evaluate.corpora.everyday import COMMON
from ctxasr.evaluate.corpora.halves import Half, of_half
from ctxasr.evaluate.corpora.vocabulary import OUTSIDE, pools
from ctxasr.evaluate.corpora.voices import Speech, draw_speech, speakers
from ctxasr.events import Entity, TurnText
from ctxasr.words import normalise

NOISY: Final = 0.4

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth")
NUMBERS: Final = ("one", "two", "three", "four", "five", "six")

CARRIERS: Final = (
    "{} please", "i mean {}", "{} thanks", "{} i think", "it's {}", "i said {}", "um {}",
    "that would be {}", "let's take {}", "i want {}", "make it {}", "{} of course",
)  # fmt: skip
POSITIONS: Final = (
    "the {ordinal} one", "number {number}", "number {number} please", "the {ordinal}",
    "option {number}", "the last one",
)  # fmt: skip
TWO: Final = ("{} or {}", "{} and {}", "both {} and {}", "either {} or {}")
CORRECTED: Final = ("no {}", "no i mean {}", "not {other}, {}", "yes {}", "sorry {}")

ELSEWHERE: Final = """i need to buy some milk|send her an email|add eggs to my shopping list|
what's on the news|turn up the heating|when does it close|book it for friday|how old is he|
i'd like a coffee|remind me at noon|is it going to rain|somewhere cheaper|the one near the station|
does it have parking|play the radio|just the two of us|on monday morning|my brother|
leave it for now|the blue one|i'm not at home|in half an hour|ask me again tomorrow|
what did he say""".replace("\n", "").split("|")
"""Answers that none of the names on offer stands in."""

SORTS: Final[dict[str, int]] = {
    "part": 20, "whole": 18, "carrier": 14, "position": 12, "two": 6, "corrected": 5, "spelled": 4,
    "generic": 9, "outside": 8, "other": 4,
}  # fmt: skip
"""How many of a hundred answers are of which sort."""


def draw_followups(n: int, seed: int, half: Half, quiet: bool = False) -> list[Drawn]:
    """`n` dialogues; the same for the same arguments."""
    rng = Random(seed)  # noqa: S311
    named, voices = pools(half), speakers(half, robotic=False, bent=not quiet)
    outside = of_half(half, [*OUTSIDE, *ELSEWHERE])
    drawn: list[Drawn] = []
    for _ in range(n):
        asked, others = _question(rng, named)
        sort = rng.choices(list(SORTS), list(SORTS.values()))[0]
        speech = draw_speech(rng, rng.choice(voices), noisy=0.0 if quiet else NOISY)
        drawn.append(_answered(rng, asked, sort, speech, others, outside))
    return drawn


def _question(rng: Random, named: dict[str, list[str]]) -> tuple[TurnText, list[str]]:
    """The asking turn, and names of the same sort that it may lack."""
    sort = rng.choices(["contact", "device", "place", "song"], [5, 2, 2, 1])[0]
    if sort == "contact":
        first, same = rng.choice(named["given"]), rng.random() < 0.5
        names = [
            _titled(f"{first if same else given} {family}")
            for given, family in zip(
                rng.sample(named["given"], 4), rng.sample(named["family"], 4), strict=True
            )
        ][: rng.randint(2, 4)]
        reply = rng.choice(["Do you mean {}?", "Which one, {}?", "Should I call {}?"])
        wanted = f"call {first}" if same else "call my friend"
        return _turn(wanted, reply.format(" or ".join(names)), sort, names), named["family"]
    if sort == "device":
        device = rng.choice(named["devices"])
        names = [f"{room} {device}" for room in rng.sample(named["rooms"], rng.randint(2, 4))]
        reply = f"Which {device}, the {' or the '.join(names)}?"
        return _turn(f"turn on the {device}", reply, sort, names), named["rooms"]
    if sort == "place":
        names = [_titled(name) for name in rng.sample(named["places"], rng.randint(3, 5))]
        reply = f"I found {', '.join(names)}. Which one?"
        return _turn("find a place nearby", reply, sort, names), named["places"]
    names = rng.sample(named["songs"], rng.randint(3, 6))
    shown = TurnText("play a song", "Here is what I found. Which one?", screen=tuple(names))
    return shown, named["songs"]


def _titled(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in name.split())


def _turn(utterance: str, reply: str, kind: str, names: Sequence[str]) -> TurnText:
    return TurnText(utterance, reply, tuple(Entity(kind, name) for name in names))


def _answered(
    rng: Random,
    asked: TurnText,
    sort: str,
    speech: Speech,
    others: Sequence[str],
    outside: Sequence[str],
) -> Drawn:
    names = [*(entity.text for entity in asked.entities), *asked.screen]
    kind = asked.entities[0].kind if asked.entities else "song"
    name = rng.choice(names)
    part = _part(rng, name, kind)
    if sort == "spelled":
        word = max(part.split(), key=len)
        letters = [char for char in word.lower() if char.isalpha()]
        says = " ".join(f"{char.upper()}." for char in letters)  # "a" alone would be the article
        return Drawn(" ".join(letters), asked, sort, speech, says, (word.lower(), name.lower()))
    text = {
        "part": lambda: part,
        "whole": lambda: name,
        "carrier": lambda: rng.choice(CARRIERS).format(part),
        "position": lambda: _position(rng, names),
        "two": lambda: _two(rng, names, kind),
        "corrected": lambda: _corrected(rng, names, name, kind),
        "generic": lambda: rng.choice(COMMON),
        "outside": lambda: rng.choice(outside),
        "other": lambda: rng.choice(others),
    }[sort]()
    if sort == "other" and any(text.lower() in one.lower() for one in names):
        sort = "part"
    return Drawn(normalise(text), asked, sort, speech)


def _part(rng: Random, name: str, kind: str) -> str:
    """What a name is called for short: "bauer" of Meg Bauer, "the kitchen one"; or the whole."""
    words, luck = name.split(), rng.random()
    if len(words) < 2 or kind == "song" or luck < 0.2:
        return name
    if kind == "place":
        return name if luck < 0.6 else " ".join(words[:-1])
    if kind == "device" and luck < 0.6:
        return f"the {_told_apart(name, kind)} one"
    return _told_apart(name, kind) if luck < 0.8 else words[0]


def _told_apart(name: str, kind: str) -> str:
    """The part that tells a name from the others: the family, the room; or the whole."""
    if kind == "device":
        return name.rsplit(" ", 1)[0]
    return name.rsplit(" ", 1)[-1] if kind == "contact" else name


def _position(rng: Random, names: Sequence[str]) -> str:
    place, luck = rng.randrange(min(len(names), len(ORDINALS))), rng.random()
    first = names[0].split()[0]
    if luck < 0.2 and all(name.split()[0] == first for name in names):
        return f"the {ORDINALS[place]} {first}"
    if luck < 0.35:
        return "both of them" if len(names) == 2 else "all of them"
    if luck < 0.5 and len(names) == 2:
        return "the other one"
    return rng.choice(POSITIONS).format(ordinal=ORDINALS[place], number=NUMBERS[place])


def _two(rng: Random, names: Sequence[str], kind: str) -> str:
    one, other = rng.sample(list(names), 2)
    if rng.random() < 0.6:  # "Jones or Bauer"
        one, other = _told_apart(one, kind), _told_apart(other, kind)
    return rng.choice(TWO).format(one, other)


def _corrected(rng: Random, names: Sequence[str], name: str, kind: str) -> str:
    other = _told_apart(rng.choice([one for one in names if one != name]), kind)
    return rng.choice(CORRECTED).format(_told_apart(name, kind), other=other)
