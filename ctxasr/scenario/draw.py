"""Draws dialogues from a seed: what was asked, what is on offer, what is answered, in which voice.

The names fall into two halves. `tuning` names and voices are those that the rescorer's weights were
fitted on; `held-out` ones were never heard there, so they say what context is worth on voices and
names drawn after tuning. Answers are whole names, parts, names in a carrier, generic answers,
answers outside the list, and names of the same kind from no list.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from ctxasr.errors import InputError
from ctxasr.evaluate.corpora.halves import Half
from ctxasr.evaluate.corpora.vocabulary import GENERIC, OUTSIDE, pools
from ctxasr.report.output import write_new
from ctxasr.scenario.values import VOICE, NoiseKind
from ctxasr.words import normalise

DRAWN_MAX: Final = 10_000
"""Dialogues of one draw."""

VOICES: Final[dict[Half, tuple[str, ...]]] = {
    "tuning": ("flite:slt", "flite:rms", "flite:kal16", "festival:kal_diphone"),
    "held-out": ("flite:awb", "festival:cmu_us_slt_arctic_hts", "festival:ked_diphone"),
}

NOISES: Final[tuple[tuple[NoiseKind | None, float], ...]] = (
    (None, 0), (None, 0), (None, 0), ("pink", 20), ("kitchen", 20), ("babble", 20), ("pink", 12),
)  # fmt: skip

CARRIERS: Final = ("{} please", "the {}", "i mean {}", "{} thanks", "{} i think")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One dialogue of two turns, and how its answer is spoken."""

    asked: str
    reply: str
    kind: str
    names: tuple[str, ...]
    on_screen: bool
    answer: str
    sort: str
    """in, generic, outside, other: what the answer has to do with the names."""
    voice: str
    noise: NoiseKind | None
    snr_db: float
    seed: int


def draw(
    n: int, seed: int, half: Half = "held-out", voices: Sequence[str] | None = None
) -> list[Drawn]:
    """`n` dialogues; the same for the same arguments.

    Raises:
        InputError: `n` is not between 1 and DRAWN_MAX, or a voice is none.
    """
    if not 1 <= n <= DRAWN_MAX:
        raise InputError(f"n is {n}; from 1 to {DRAWN_MAX} dialogues can be drawn")
    for voice in voices or ():
        if not re.match(VOICE, voice):
            raise InputError(
                f"voice {voice!r}: a synthesiser and its voice are right, as flite:slt"
            )
    rng = random.Random(seed)  # noqa: S311
    return [_draw_one(rng, pools(half), tuple(voices or VOICES[half])) for _ in range(n)]


def _draw_one(rng: random.Random, pools: dict[str, list[str]], voices: tuple[str, ...]) -> Drawn:
    category = rng.choices(["contact", "device", "place", "song", "yes or no"], [4, 3, 3, 2, 1])[0]
    asked, reply, kind, names, others = _ask(rng, pools, category)
    answer, sort = _answer(rng, category, names, others)
    noise, snr_db = rng.choice(NOISES)
    return Drawn(
        asked=asked,
        reply=reply,
        kind=kind,
        names=tuple(names),
        on_screen=category == "song",
        answer=normalise(answer),
        sort=sort,
        voice=rng.choice(voices),
        noise=noise,
        snr_db=snr_db,
        seed=rng.randrange(2**31),
    )


def _ask(
    rng: random.Random, pools: dict[str, list[str]], category: str
) -> tuple[str, str, str, list[str], list[str]]:
    """Request, reply, kind, the names on offer, and names of the same sort that are not."""
    if category in ("contact", "yes or no"):
        first = rng.choice(pools["given"])
        same = rng.random() < 0.5
        names = [
            f"{first if same else rng.choice(pools['given'])} {family}".title()
            for family in rng.sample(pools["family"], rng.randint(2, 4))
        ]
        reply = f"Should I call {names[0]}?"
        if category == "contact":
            reply = f"Do you mean {' or '.join(names)}?"
        return f"call {first}", reply, "contact", names, pools["family"]
    if category == "device":
        device = rng.choice(pools["devices"])
        names = [f"{room} {device}" for room in rng.sample(pools["rooms"], rng.randint(2, 4))]
        reply = f"Which {device}, the {' or the '.join(names)}?"
        return f"turn on the {device}", reply, "device", names, pools["rooms"]
    if category == "place":
        names = rng.sample(pools["places"], rng.randint(3, 5))
        listed = ", ".join(name.title() for name in names)
        return (
            "find a place nearby",
            f"I found {listed}. Which one?",
            "place",
            names,
            pools["places"],
        )
    names = rng.sample(pools["songs"], rng.randint(3, 6))
    return "play a song", "Here is what I found. Which one?", "song", names, pools["songs"]


def _answer(
    rng: random.Random, category: str, names: list[str], others: list[str]
) -> tuple[str, str]:
    if category == "yes or no":
        return rng.choice(["yes", "no", "yes please", "no thanks", "yeah", "nope"]), "generic"
    name, luck = rng.choice(names), rng.random()
    if luck < 0.62:
        part = name.split()[-1] if category == "contact" else name
        if category == "device" and rng.random() < 0.4:
            part = name.rsplit(" ", 1)[0]
        way = rng.random()
        if way < 0.4:
            return part, "in"
        if way < 0.75:
            return name, "in"
        return rng.choice(CARRIERS).format(name), "in"
    if luck < 0.75:
        return rng.choice(GENERIC), "generic"
    if luck < 0.9:
        return rng.choice(OUTSIDE), "outside"
    other = rng.choice(others)
    heard = any(other.lower() in name.lower() for name in names)
    return other, "in" if heard else "other"


def to_yaml(drawn: Drawn, name: str) -> str:
    """The scenario of a drawn dialogue; its first turn is given as text, its answer is spoken."""
    from ruamel.yaml import YAML

    answer: dict[str, Any] = {
        "audio": f"audio/{name}-2.flac",
        "says": drawn.answer,
        "voice": drawn.voice,
    }
    if drawn.noise is not None:
        answer |= {"noise": drawn.noise, "snr": drawn.snr_db}
    offered: dict[str, Any] = (
        {"screen": list(drawn.names)}
        if drawn.on_screen
        else {"entities": [{"kind": drawn.kind, "values": list(drawn.names)}]}
    )
    first = {"user": {"hypotheses": [drawn.asked]}, **offered, "reply": drawn.reply}
    text = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(
        {"schema": 1, "name": name, "seed": drawn.seed, "turns": [first, {"user": answer}]}, text
    )
    return text.getvalue()


def draw_scenarios(
    directory: Path,
    *,
    n: int,
    seed: int,
    voices: Sequence[str] | None = None,
    half: Half = "held-out",
) -> list[Path]:
    """Write `n` drawn scenarios into `directory`; `ctxasr scenario speak` makes their audio.

    Raises:
        InputError: `n` is out of bounds, or a file of that name is there already.
    """
    paths = []
    for number, drawn in enumerate(draw(n, seed, half, voices), start=1):
        name = f"drawn-{seed}-{number:04}"
        path = directory / f"{name}.scenario.yaml"
        write_new(path, to_yaml(drawn, name))
        paths.append(path)
    return paths
