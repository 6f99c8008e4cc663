"""Everyday answers, each beside three names that sound like a piece of it: what must not change.

    "turn the power off"    beside Bauer, Burns, Turner
    "either"                beside Heather, Heath, Yves

The answers that every assistant hears stand in both halves; the others belong to one.
"""

from __future__ import annotations

from random import Random
from typing import Final

from ctxasr.evaluate.corpora.drawing import Drawn
from ctxasr.evaluate.corpora.halves import Half, of_half
from ctxasr.evaluate.corpora.neighbours import Neighbours, Sounds
from ctxasr.evaluate.corpora.people import single_names
from ctxasr.evaluate.corpora.voices import VOICES, draw_speech, speakers
from ctxasr.events import Entity, TurnText

COMMON: Final = """yes|no|yeah|nope|either|neither|both of them|the other one|none|none of them|
thank you|hang up|start over|turn the power off|call her|read it to me|the first one|
the second one|the last one|stop|cancel|never mind|go back|maybe later|yes please|no thanks|okay|
sure|i don't know|something else|say that again|what was that|
not now""".replace("\n", "").split("|")
"""What must not change in either half."""

RARER: Final = """neither of them|both|all of them|any of them|the top one|the bottom one|
the one on the left|number two|number three|the third one|the next one|the one before|
the cheaper one|the closest one|skip it|keep going|go on|that's all|that's right|that's wrong|
that one|this one|not that one|none of those|no thank you|thanks a lot|you're welcome|
good morning|good night|see you later|hold on|wait a minute|just a second|one moment|
turn it off|turn it down|turn it up|turn on the light|open the door|close the window|
make it louder|play it again|pause the music|next song|call him|call them back|call me later|
text her|text him back|write it down|delete it|save it for later|send it|do it again|
do not send it|read the next one|who is it|who was that|what time is it|where is it|how far is it|
how much is it|when is it|tell me more|show me more|i said no|i said yes|i have no idea|
i'm not sure|i'm done|i need more time|i changed my mind|let me think|let me see|leave it on|
leave me alone|be quiet|shut up|speak up|slow down|hurry up|help me|help|okay stop|okay thanks|
right|wrong|correct|exactly|of course|absolutely|definitely|maybe|perhaps|probably not|
not really|not yet|not today|tomorrow morning|later today|in an hour|in ten minutes|at noon|
at seven|this evening|two people|just me|only one|a few more|for two|too loud|much better|
it's fine|it doesn't matter|whatever you like|you choose|surprise me|anything else|
nothing else|nobody|no one|someone else|everyone|a different one|the same one|the same again|
go home|go to sleep|wake me up|log me out|set an alarm|add it to the list|take it off the list|
what's the weather|how do you spell it|repeat that please|can you hear me|
what did you say""".replace("\n", "").split("|")
"""Each of them belongs to one half."""

QUESTIONS: Final = (
    "Do you mean {0}, {1} or {2}?",
    "Which one, {0}, {1} or {2}?",
    "I found {0}, {1} and {2}. Which one?",
    "Should I call {0}, {1} or {2}?",
)
ASKED: Final = ("call my friend", "send a message", "who is there", "call someone")

NAMES: Final = 3
NEAREST: Final = 6
"""The three are drawn from so many nearest, so that several voices meet several names."""

NOISY: Final = 0.3


def answers(half: Half) -> list[str]:
    """Those of the half, the common ones first."""
    return [*COMMON, *of_half(half, RARER)]


def draw_everyday(
    n: int, seed: int, half: Half, people: list[str], quiet: bool = False
) -> list[Drawn]:
    """`n` answers, every one of them once before any comes again; the same for the same arguments.

    A voice says the same answer again only when all have said it.
    """
    rng = Random(seed)  # noqa: S311
    neighbours = Neighbours(single_names(half, people), Sounds())
    human = speakers(half, robotic=False, bent=not quiet)
    voices = [*human, *(voice for voice in VOICES[half] if voice not in human)]
    texts = answers(half)
    near = {text: neighbours.near_piece(text, NEAREST) for text in texts}
    drawn: list[Drawn] = []
    offsets = {text: rng.randrange(len(voices)) for text in texts}
    for number in range(n):
        text, again = texts[number % len(texts)], number // len(texts)
        nearest = near[text]
        # The nearest name is always there: a corpus is as hard as its hardest name.
        names = [nearest[0], *rng.sample(nearest[1:], min(NAMES, len(nearest)) - 1)]
        rng.shuffle(names)
        asked = TurnText(
            rng.choice(ASKED),
            rng.choice(QUESTIONS).format(*names),
            tuple(Entity("contact", name) for name in names),
        )
        speaker = voices[(offsets[text] + again) % len(voices)]
        speech = draw_speech(rng, speaker, noisy=0.0 if quiet else NOISY)
        drawn.append(Drawn(text, asked, "everyday", speech))
    return drawn
