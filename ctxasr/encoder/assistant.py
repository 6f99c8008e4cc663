"""Assistant dialogues from our own templates: contacts, devices, places, music, lists, screens.

The booking dialogues of the data have no 'do you mean Meg Jones or Meg Bauer?'. These have. Names
are combined from the lists below and from the words of CMUdict, a tenth of which is held out for
evaluation, so what is learnt is the pattern and not the name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from ctxasr.dictionary import dictionary
from ctxasr.encoder.tasks import Dialogue, Mention, Step, mentions_of
from ctxasr.events import Entity, TurnText
from ctxasr.words import normalise

HELD_OUT: Final = 10
"""One in so many CMUdict words is kept for evaluation."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN: Final = _words(
    """
    anna ben carla dan ella frank grace hugo irene jack kate leo meg nora oscar paula quinn
    rosa sam tina umar vera will xavier yara zoe amir bella chloe david erik fatima george
    hannah ivan julia kevin laura maria nick olivia peter ruth steve tom ursula victor wendy
    yusuf alice bob cathy dennis emma felix gina henry ines john karen linda mike nancy otto
    priya ravi sara theo
    """
)
RELATIONS: Final = _words("mom dad grandma grandpa work home office boss doctor dentist plumber")
ROOMS: Final = _words(
    """
    kitchen bedroom bathroom hallway garage office basement attic nursery porch den study
    garden patio closet laundry living guest dining upstairs downstairs desk floor ceiling
    hall
    """
)
DEVICES: Final = _words(
    """
    light lamp fan heater plug speaker thermostat door lock camera blinds shades television
    switch humidifier sprinkler vacuum lights
    """
)
PLACES: Final = _words(
    """
    coffee cafe bakery diner grill pizza market pharmacy hardware books cinema gym garage bank
    deli bistro tavern kitchen burgers noodles sushi museum park hotel salon florist
    """
)
COLOURS: Final = _words(
    """
    blue red green golden silver black white little big old happy lucky sunny quiet royal
    corner river mountain ocean midnight morning broken electric wild lonely
    """
)
THINGS: Final = _words(
    """
    bottle dragon lantern apple horse rose moon river wolf garden train window dream heart
    road fire rain summer star mirror shadow bird city dancer
    """
)
ITEMS: Final = _words(
    """
    milk eggs bread butter cheese apples bananas rice pasta coffee tea sugar flour onions
    tomatoes chicken soap batteries candles paper napkins lemons yogurt carrots
    """
)
TASKS: Final = _words(
    """
    laundry pasta workout meeting dentist medication homework oven nap yoga roast rent taxes
    gardening
    """
)


@dataclass(frozen=True, slots=True)
class Domain:
    """How one sort of request goes. {h} is the heading that all names share, {l} the list."""

    kinds: tuple[str, ...]
    requests: tuple[str, ...]
    replies: tuple[str, ...]
    verbs: tuple[str, ...]
    confirms: tuple[str, ...]


DOMAINS: Final[Mapping[str, Domain]] = {
    "contact": Domain(
        ("contact", "contact_name", "person", "name", "contacts"),
        ("call {h}", "phone {h} please", "text {h}", "send a message to {h}", "video call {h}"),
        (
            "Do you mean {l}?", "Did you mean {l}?", "I found {l}. Who should I call?",
            "Which {h}? {l}?", "Which {h} do you mean?", "Who would you like to call?",
            "There are several, {l}. Which one?",
        ),
        ("call", "text", "phone", "i mean", "i said"),
        ("Should I call {a}?", "Calling {a}, is that right?", "Send the message to {a}?"),
    ),
    "device": Domain(
        ("device", "device_name", "smart_device", "appliance", "endpoint"),
        ("turn on the {h}", "switch off the {h}", "dim the {h}", "turn the {h} off", "open {h}"),
        (
            "Which {h}? {l}?", "Do you mean the {l}?", "You have {l}. Which one?",
            "Which {h} do you mean?", "Which device?", "I found {l}. Which should I turn on?",
        ),
        ("turn on", "turn off", "the", "switch on", "i mean the"),
        ("Turn off the {a} too?", "Should I switch on the {a}?"),
    ),
    "place": Domain(
        ("place", "place_name", "business", "business_name", "location", "restaurant", "shop"),
        ("find a {h}", "where is the nearest {h}", "is there a {h} near here", "show me a {h}"),
        (
            "I found {l}. Which one?", "There is {l} nearby. Where do you want to go?",
            "The closest are {l}.", "Here are some places. Which one would you like?",
            "How about {l}?",
        ),
        ("directions to", "navigate to", "take me to", "call", "how far is", "go to"),
        ("{a} is two miles away. Shall I start?", "Do you want directions to {a}?"),
    ),
    "music": Domain(
        ("song", "artist", "album", "playlist", "track", "station", "podcast"),
        ("play some music", "play {h}", "put on {h}", "i want to hear {h}", "play a song"),
        (
            "I have {l}. Which one?", "What would you like to hear? {l}?",
            "Which {h}?", "What should I play?", "Do you want {l}?",
        ),
        ("play", "put on", "i want", "shuffle", "listen to"),
        ("Should I play {a}?", "Shall I add {a} to the queue?"),
    ),
    "list": Domain(
        ("item", "list_item", "timer", "alarm", "reminder", "list", "recipe"),
        ("remove something from my list", "what is on my list", "cancel the {h}", "show my list"),
        (
            "You have {l}. Which one?", "Which {h}?", "On your list are {l}. What shall I remove?",
            "Do you mean {l}?", "Which one should I cancel?",
        ),
        ("cancel", "remove", "delete", "the", "stop"),
        ("Shall I remove {a}?", "Cancel the {a}?"),
    ),
}  # fmt: skip

GENERIC_KINDS: Final = ("", "entity", "option", "choice", "result", "title")
SCREEN_REPLIES: Final = (
    "Here is what I found.", "These are the results. Which one?", "Which one would you like?",
    "Take a look at the list. What would you like?", "Here are some options.", "Choose one.",
)  # fmt: skip
ELSEWHERE: Final = (
    "the first one", "the second one", "the last one", "neither", "none of them", "never mind",
    "cancel", "stop", "no", "yes", "yes please", "no thank you", "somebody else", "what",
    "what time is it", "i don't know", "say that again", "the other one", "both", "go back",
)  # fmt: skip
YES_NO: Final = (
    "yes", "no", "yes please", "no thanks", "sure", "okay", "yeah do it", "not now", "that's right",
    "correct", "nope", "go ahead", "no don't", "that's wrong", "please do", "not that one",
)  # fmt: skip


@lru_cache(maxsize=2)
def cmudict_words(held_out: bool) -> tuple[str, ...]:
    """Plain words of 4 to 10 letters, in their order; the two halves share none."""
    return tuple(
        word
        for word in sorted(dictionary())
        if 4 <= len(word) <= 10
        and word.isalpha()
        and (zlib.crc32(word.encode()) % HELD_OUT == 0) == held_out
    )


def _names(domain: str, rng: Random, count: int, words: tuple[str, ...]) -> tuple[str, list[str]]:
    """A heading that the customer would say, and different names under it."""
    heading, shared = "", rng.random() < 0.7
    makers: dict[str, Callable[[], str]] = {
        "place": lambda: rng.choice(
            (
                f"{rng.choice(words)} {heading}",
                f"{rng.choice(COLOURS)} {rng.choice(THINGS)} {heading}",
                f"{rng.choice(words)} {rng.choice(PLACES)}",
                f"{rng.choice(words)} {rng.choice(words)}",
                f"the {rng.choice(COLOURS)} {rng.choice(THINGS)}",
                f"{rng.choice(words)}'s {heading}",
                rng.choice(words),
            )
        ),
        "music": lambda: rng.choice(
            (
                f"{rng.choice(COLOURS)} {rng.choice(THINGS)}",
                f"the {rng.choice(words)}",
                f"{rng.choice(GIVEN)} {rng.choice(words)}",
                f"{rng.choice(THINGS)} of {rng.choice(words)}",
                f"{rng.choice(words)} {rng.choice(words)}",
                rng.choice(words),
            )
        ),
        "list": lambda: rng.choice(
            (
                rng.choice(ITEMS),
                f"{rng.choice(TASKS)} {heading}",
                f"{rng.choice(COLOURS)} {rng.choice(ITEMS)}",
                rng.choice(TASKS),
                f"{rng.choice(words)} {rng.choice(ITEMS)}",
            )
        ),
    }
    if domain == "contact":
        heading = rng.choice(GIVEN) if rng.random() < 0.7 else rng.choice(words)
        makers["contact"] = lambda: (
            f"{heading if shared else rng.choice(GIVEN)} {rng.choice(words)}"
            if rng.random() < 0.93
            else rng.choice(RELATIONS)
        )
    elif domain == "device":
        heading = rng.choice(DEVICES)
        makers["device"] = lambda: (
            f"{rng.choice(ROOMS) if rng.random() < 0.8 else rng.choice(words)} "
            f"{heading if shared else rng.choice(DEVICES)}"
        )
    elif domain == "place":
        heading = rng.choice(PLACES)
    elif domain == "list":
        heading = rng.choice(("timer", "alarm", "reminder", "list"))
    else:
        heading = rng.choice(("song", "album", "artist", rng.choice(words), rng.choice(GIVEN)))
    found: dict[str, None] = {}
    for _ in range(4 * count):  # repetitions are rare: four tries a name are plenty
        if len(found) < count:
            found[makers[domain]()] = None
    return heading, list(found)


def _listed(names: list[str], rng: Random) -> str:
    joint = rng.choice((" or ", " and ", " or the "))
    spoken = [name.title() if rng.random() < 0.7 else name for name in names]
    return ", ".join(spoken[:-1]) + joint + spoken[-1] if len(spoken) > 1 else spoken[0]


def _spoken(name: str, domain: str, rng: Random) -> str:
    """How a customer names it: in full or by its telling part, bare or in a sentence."""
    words = name.split()
    if len(words) > 1 and rng.random() < {"contact": 0.45, "device": 0.35}.get(domain, 0.2):
        name = words[0] if domain in ("device", "place") else words[-1]
    verb = rng.choice(DOMAINS[domain].verbs)
    return rng.choice(
        (name, name, name, f"{name} please", f"{verb} {name}", f"the {name}", f"{name} thanks")
    )


def generate(identity: int, rng: Random, *, held_out: bool = False) -> Dialogue:
    """One dialogue of one to three steps. The same generator state gives the same dialogue."""
    words = cmudict_words(held_out)
    domain = rng.choice(tuple(DOMAINS))
    plan = DOMAINS[domain]
    on_offer = rng.choice((2, 2, 2, 3, 3, 4, 6, 8))
    heading, names = _names(domain, rng, on_offer + rng.choice((0, 0, 2, 5, 12)), words)
    kind = rng.choice(plan.kinds) if rng.random() < 0.85 else rng.choice(GENERIC_KINDS)
    request = rng.choice(plan.requests).format(h=heading)
    named, others = names[:on_offer], names[on_offer:]
    screen = named if rng.random() < 0.3 else []
    reply = rng.choice(SCREEN_REPLIES if screen else plan.replies)
    spoken = named[: rng.choice((2, 3))] if len(named) > 3 or rng.random() < 0.3 else named
    reply = reply.format(h=heading, l=_listed(spoken, rng))
    entities = [*named, *others]
    if screen and rng.random() < 0.6:
        entities = []
    elif rng.random() < 0.15:
        entities = named
    rng.shuffle(entities)
    turn = TurnText(
        request,
        reply,
        tuple(Entity(kind, name) for name in entities),
        tuple(screen),
        kind if rng.random() < 0.2 else "",
    )
    draw = rng.random()
    chosen = rng.choice(spoken if rng.random() < 0.75 else named)
    if draw < 0.75:
        answer = _spoken(chosen, domain, rng)
    elif draw < 0.82 and others and entities:
        answer = _spoken(rng.choice(others), domain, rng)
    else:
        outside = f"{rng.choice(words)} {rng.choice(words)}"
        answer = rng.choice(ELSEWHERE) if rng.random() < 0.75 else outside
    steps = [_step(turn, answer, kind)]
    if rng.random() < 0.4:  # a confirmation: mostly answered without a name
        reply = rng.choice(plan.confirms).format(a=chosen.title())
        few = tuple(Entity(kind, name) for name in entities) if rng.random() < 0.4 else ()
        correction = [name for name in named if name != chosen]
        if correction and rng.random() < 0.3:
            said = f"{rng.choice(('no', 'no i meant', 'not that'))} "
            said += _spoken(rng.choice(correction), domain, rng)
        else:
            said = rng.choice(YES_NO)
        steps.append(_step(TurnText(answer, reply, few), said, kind))
    if len(steps) == 2 and rng.random() < 0.4:  # back to the list of the first turn
        again = rng.choice(("Which one then?", "Okay, which one?", "What else?", "Who instead?"))
        rest = rng.choice([name for name in named if name != chosen] or named)
        answer = _spoken(rest, domain, rng) if rng.random() < 0.7 else rng.choice(ELSEWHERE)
        steps.append(_step(TurnText(steps[-1].answer, again), answer, kind))
    return Dialogue(f"assistant-{identity}", "assistant", tuple(steps))


def _step(turn: TurnText, answer: str, kind: str) -> Step:
    """Names in the reply and on the screen are on offer, and so is every entity."""
    reply = f" {normalise(turn.reply)} "
    pairs = [(entity.kind, entity.text) for entity in turn.entities]
    pairs += [(kind, text) for text in turn.screen]
    mentions: list[Mention] = []
    for mention in mentions_of(pairs, "results"):
        spoken = f" {mention.text} " in reply
        mentions.append(Mention(mention.text, mention.kind, "reply" if spoken else "results"))
    return Step(turn, tuple(mentions), normalise(answer))
