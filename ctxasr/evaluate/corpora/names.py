"""Whole names, said in answer to a question for one: drawn by a seed from a list of people."""

from __future__ import annotations

from random import Random
from typing import Final

from ctxasr.evaluate.corpora.drawing import Drawn
from ctxasr.evaluate.corpora.halves import Half
from ctxasr.evaluate.corpora.people import people_of
from ctxasr.evaluate.corpora.voices import draw_speech, speakers
from ctxasr.events import TurnText

QUESTIONS: Final = (
    TurnText("", "What is your name?", slot="name"),
    TurnText("call someone", "Who would you like to call?", slot="contact"),
    TurnText("send a message", "Who should I send it to?", slot="contact"),
    TurnText("book a table for tonight", "Which name should I put the booking under?", slot="name"),
    TurnText("show me my contacts", "Here they are. Which one?", slot="contact"),
)
NOISY: Final = 0.5


def draw_names(
    n: int, seed: int, half: Half, people: list[str], quiet: bool = False
) -> list[Drawn]:
    """`n` names, each once as long as there are enough; the same for the same arguments."""
    rng = Random(seed)  # noqa: S311
    pool, voices = sorted(people_of(half, people)), speakers(half, bent=not quiet)
    order: list[str] = []
    while len(order) < n:
        order += rng.sample(pool, len(pool))
    return [
        Drawn(
            reference=name,
            asked=rng.choice(QUESTIONS),
            sort="in",
            speech=draw_speech(rng, rng.choice(voices), noisy=0.0 if quiet else NOISY),
        )
        for name in order[:n]
    ]
