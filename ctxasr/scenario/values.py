"""The values that stand in a scenario file: durations, texts, names of events; and all limits."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from ctxasr.events import SERVICE_PAYLOADS_MAX, TEXT_BYTES_MAX
from ctxasr.hypotheses import N_BEST_MAX, PHRASE_CHARS_MAX, WORDS_MAX
from ctxasr.sim.plans.templates import MOMENT_EVENTS
from ctxasr.timing import parse_duration_ms

SCHEMA_VERSION: Final = 1

TURNS_MAX: Final = 50
"""Turns of one scenario; the longest dialogues of public corpora have about 30."""

DELIVERIES_MAX: Final = 64
"""Entries of `deliver`: all events of a full turn, each twice and more."""

PAUSE_MS_MAX: Final = 86_400_000.0
"""Longest silence between two turns: a day, enough to outlive any payload."""

PAYLOAD_TTL_MS_MAX: Final = 30 * 86_400_000.0
"""Longest life of a payload: 30 days."""

DELAY_MS_MAX: Final = 600_000.0
"""Longest `encoder_delay` and `read_budget`: far past the longest reply."""

DEFAULT_PAUSE_MS: Final = 500.0
DEFAULT_SNR_DB: Final = 20.0

WORD_MS: Final = 400.0
"""How long an utterance without audio is taken to last, per word."""

NAME_CHARS_MAX: Final = 64
"""Characters of a scenario's name, a slot, a kind or a voice."""

MOMENTS_MAX: Final = 4
"""Speeches of one turn before its reply: "One moment.", "Still looking."."""

EventName = Literal[
    "recognize", "utterance", "moment", "moment_reply", "moment_started", "entities", "screen",
    "slot", "moment_finished", "speak", "reply", "expect_speech", "speech_started", "completed",
]  # fmt: skip
NUMBERED: Final = ("entities", *MOMENT_EVENTS)
"""Events of which a turn may have several: `entities_2` is the second of them."""

USUAL_ORDER: Final[tuple[EventName, ...]] = get_args(EventName)
"""In which the events of a turn arrive where `deliver` does not say otherwise."""

ContextUse = Literal["hit", "missed", "none"]
NoiseKind = Literal["white", "pink", "babble", "kitchen"]


class Delivery(NamedTuple):
    """One arrival of one event. `number` counts lists of entities, or moments, from 1."""

    event: EventName
    number: int = 1
    again: bool = False


def wrong(message: str, *, at: str = "") -> PydanticCustomError:
    """A complaint about the field `at`, relative to the model that raises it."""
    return PydanticCustomError("scenario", "{message}", {"message": message, "at": at})


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        hint = f'"{value}ms" or "{value}s"' if isinstance(value, (int, float)) else '"120ms"'
        raise wrong(f"a duration needs its unit (ms, s, m or h); write {hint}")
    if value.strip().startswith("-"):
        raise wrong('a duration cannot be negative; write for example "120ms" or "2s"')
    try:
        return parse_duration_ms(value)
    except ValueError:
        raise wrong('no duration; write for example "120ms", "2s", "1.5m" or "1h"') from None


def _text(value: str) -> str:
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > TEXT_BYTES_MAX:
        raise wrong(f"the text has {size} bytes, at most TEXT_BYTES_MAX ({TEXT_BYTES_MAX})")
    return value


def _hypothesis(value: str) -> str:
    if len(value.split()) > WORDS_MAX:
        raise wrong(f"has {len(value.split())} words, at most WORDS_MAX ({WORDS_MAX})")
    return _text(value)


def _audio_file(value: str) -> str:
    if PurePosixPath(value).is_absolute() or "\\" in value or "\0" in value:
        raise wrong("must be a path relative to the scenario file, with forward slashes")
    return value


def _event(value: str) -> str:
    name, number = event_name(value)
    if name not in USUAL_ORDER or not 1 <= number <= SERVICE_PAYLOADS_MAX:
        raise wrong(f"must be one of {', '.join(USUAL_ORDER)}, or entities_1, moment_2, ...")
    return value


def event_name(text: str) -> tuple[str, int]:
    """Split "entities_2" into name and number; the number is 1 for all other names."""
    head, _, tail = text.rpartition("_")
    if head in NUMBERED and tail.isdecimal() and len(tail) <= 3:
        return head, int(tail)
    return text, 1


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)? *(ms|s|m|h)$", "examples": ["120ms", "2s"]}
    ),
]
Text = Annotated[str, AfterValidator(_text)]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=PHRASE_CHARS_MAX)]
Identifier = Annotated[str, StringConstraints(pattern=rf"^[\w.-]{{1,{NAME_CHARS_MAX}}}$")]
Whole = Annotated[int, Strict()]
YesNo = Annotated[bool, Strict()]
AudioFile = Annotated[str, StringConstraints(min_length=1), AfterValidator(_audio_file)]
Hypotheses = Annotated[
    tuple[Annotated[str, AfterValidator(_hypothesis)], ...],
    Field(min_length=1, max_length=N_BEST_MAX),
]
VOICE: Final = r"^[a-z][\w-]*:[\w.+/-]+$"
"""A synthesiser and its voice, as flite:slt."""

Voice = Annotated[str, StringConstraints(pattern=VOICE, max_length=NAME_CHARS_MAX)]
EventRef = Annotated[
    str,
    AfterValidator(_event),
    WithJsonSchema(
        {"anyOf": [{"enum": list(USUAL_ORDER)}, {"pattern": rf"^({'|'.join(NUMBERED)})_[1-9]\d?$"}]}
        | {"type": "string"}
    ),
]
