"""Parameters of a question by name, for options and for sweeps.

changed(Question(), "rate", "250")                    250 dialogues a second
points(Question(), ["rate=10,100", "reply_ms=500"])   two questions, named by their values
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.plans.draw import PROFILES
from ctxasr.sim.quantiles import STEPS, Quantiles
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.sim.workload.document import RATE_MAX
from ctxasr.timing import REPLY_MS_MAX

DIALOGUES_MAX: Final = 100_000_000
"""Of all questions of a run together: at a thousand a second and core a day of work."""

DURATION_MS_MAX: Final = 3_600_000.0
"""Of any duration that is a parameter."""

TTL_S_MIN: Final = 60
"""Less would be over before a dialogue is."""
TTL_S_MAX: Final = 30 * 86_400

SEED_MAX: Final = 2**53 - 1
"""The largest seed: JSON keeps it exactly."""

POINTS_MAX: Final = 1_000
"""Points of a sweep."""

DESIGN: Final = "none"
"""As a value of `what_if`: the design as it is."""


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a number from `least` to `most`."""

    help: str
    least: float
    most: float
    put: Callable[[Question, float], Question]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter that is one of some names."""

    help: str
    names: tuple[str, ...]
    put: Callable[[Question, str], Question]


def _in_workload(**change: Any) -> Callable[[Question], Question]:
    return lambda question: replace(question, workload=replace(question.workload, **change))


def with_median(quantiles: Quantiles, median: float) -> Quantiles:
    """The same shape about another median."""
    old = quantiles.table[STEPS // 2]
    if old <= 0.0 or median <= 0.0:
        return Quantiles.always(median)
    return Quantiles(tuple(one * median / old for one in quantiles.table))


def _median_of(name: str) -> Callable[[Question, float], Question]:
    def put(question: Question, value: float) -> Question:
        workload = question.workload
        change: dict[str, Any] = {name: with_median(getattr(workload, name), value)}
        return replace(question, workload=replace(workload, **change))

    return put


def _put_replies(question: Question, value: float) -> Question:
    """Longer ones than REPLY_MS_MAX are cut to it, as they are where they are drawn."""
    table = with_median(question.workload.reply_ms, value).table
    if table[-1] <= REPLY_MS_MAX:
        return _median_of("reply_ms")(question, value)
    cut = Quantiles(tuple(min(one, REPLY_MS_MAX) for one in table))
    return _in_workload(reply_ms=cut)(question)


def _put_rate(question: Question, value: float) -> Question:
    return _in_workload(rate=float(value))(question)


def _put_follow_ups(question: Question, value: float) -> Question:
    return _in_workload(asks=(float(value),))(question)


def _put_encoder(question: Question, value: float) -> Question:
    slower = with_median(question.latencies.encoder, value)
    return replace(question, latencies=replace(question.latencies, encoder=slower))


PARAMETERS: Final[dict[str, Number | Name]] = {
    "dialogues": Number(
        "how many dialogues", 1, DIALOGUES_MAX,
        lambda one, value: replace(one, dialogues=int(value)), whole=True,
    ),
    "rate": Number("dialogues that begin in a second, mean of a day", 1e-3, RATE_MAX, _put_rate),
    "seed": Number(
        "of all draws", 0, SEED_MAX, lambda one, value: replace(one, seed=int(value)), whole=True
    ),
    "faults": Name(
        "the profile of faults", tuple(PROFILES), lambda one, value: replace(one, faults=value)
    ),
    "follow_up_share": Number("of turns that ask back", 0.0, 1.0, _put_follow_ups),
    "reply_ms": Number(
        "the median length of replies", 0.0, REPLY_MS_MAX, _put_replies
    ),
    "answer_delay_ms": Number(
        "the median pause before an answer", 0.0, DURATION_MS_MAX, _median_of("answer_delay_ms")
    ),
    "encoder_ms": Number("the encoder's median time", 0.0, DURATION_MS_MAX, _put_encoder),
    "read_budget_ms": Number(
        "what context may add to an answer", 0.0, DURATION_MS_MAX,
        lambda one, value: replace(one, read_budget_ms=float(value)),
    ),
    "ttl_s": Number(
        "how long payloads live", TTL_S_MIN, TTL_S_MAX,
        lambda one, value: replace(one, payload_ttl_s=int(value)), whole=True,
    ),
    "what_if": Name(
        "another design", (DESIGN, *WhatIf),
        lambda one, value: replace(one, what_if="" if value == DESIGN else value),
    ),
}  # fmt: skip
"""By the names that a sweep knows; the options of the command line have the same, with hyphens."""


def changed(question: Question, name: str, text: str, where: str = "") -> Question:
    """The question with one parameter changed to what a text says.

    Raises:
        InputError: there is no such parameter, or the text is no value of it.
    """
    where = where or f"--{name.replace('_', '-')} {text}"
    parameter = PARAMETERS.get(name)
    if parameter is None:
        raise InputError(f"{where}: there is no parameter {name}; known: {', '.join(PARAMETERS)}")
    if isinstance(parameter, Name):
        if text not in parameter.names:
            raise InputError(f"{where}: {name} is one of {', '.join(parameter.names)}")
        return parameter.put(question, text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    kind = "a whole number" if parameter.whole else "a number"
    if not parameter.least <= number <= parameter.most or (parameter.whole and number % 1):
        raise InputError(
            f"{where}: {name} ({parameter.help}) is {kind} "
            f"from {parameter.least:,g} to {parameter.most:,.16g}"
        )
    return parameter.put(question, int(number) if parameter.whole else number)


def axes(sweeps: Sequence[str]) -> dict[str, list[str]]:
    """Texts as "rate=10,100" by name.

    Raises:
        InputError: a text is written in another way, or a name comes twice.
    """
    found: dict[str, list[str]] = {}
    for text in sweeps:
        name, sign, values = text.partition("=")
        name, parts = name.strip().replace("-", "_"), [one.strip() for one in values.split(",")]
        if not sign or not all(parts):
            raise InputError(f"--sweep {text}: write it as NAME=V1,V2, for example rate=10,100")
        if name in found:
            raise InputError(
                f"--sweep {text}: {name} is swept already; give all its values at once"
            )
        found[name] = list(dict.fromkeys(parts))
    return found


def points(question: Question, sweeps: dict[str, list[str]]) -> list[Question]:
    """A question for each combination of values, named by them.

    Raises:
        InputError: as of `changed`; LimitExceeded: more than POINTS_MAX.
    """
    count = math.prod(map(len, sweeps.values()))
    if count > POINTS_MAX:
        raise LimitExceeded("POINTS_MAX", POINTS_MAX, count, "points of the sweep")
    found = []
    for values in itertools.product(*sweeps.values()):
        point = question
        for name, text in zip(sweeps, values, strict=True):
            point = changed(point, name, text, f"--sweep {name}={text}")
        label = " ".join(f"{name}={text}" for name, text in zip(sweeps, values, strict=True))
        found.append(replace(point, label=label))
    return found


def check_size(questions: Iterable[Question]) -> None:
    """Hold all questions together to what can be simulated.

    Raises:
        LimitExceeded: more dialogues than DIALOGUES_MAX.
    """
    total = sum(one.dialogues for one in questions)
    if total > DIALOGUES_MAX:
        raise LimitExceeded("DIALOGUES_MAX", DIALOGUES_MAX, total, "dialogues of all questions")
