"""Read a scenario file; every complaint names file, line and field, and says what is right.

A file is spoken (`turns`) or simulated (`plan`). `load_any` takes both, `load_scenario` those alone
that are spoken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ctxasr.errors import ScenarioError
from ctxasr.scenario import SUFFIX
from ctxasr.scenario.complaints import causes, message_of
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.planned import SimulatedScenario
from ctxasr.scenario.source import Source, parse_source, read_source
from ctxasr.scenario.values import NAME_CHARS_MAX, SCHEMA_VERSION

__all__ = [
    "SUFFIX", "AnyScenario", "Scenario", "SimulatedScenario", "load_any", "load_scenario",
    "read_any", "read_scenario",
]  # fmt: skip

AnyScenario: TypeAlias = Scenario | SimulatedScenario


def load_any(path: Path | str, *, need_audio: bool = True) -> AnyScenario:
    """Read and check one scenario file; `need_audio` wants its sound files to be there.

    Raises:
        ScenarioError: the file is no scenario of this schema version, or an audio file is missing.
    """
    path = Path(path)
    scenario = _build(read_source(path), path)
    if need_audio and isinstance(scenario, Scenario):
        _look_for_audio(scenario)
    return scenario


def load_scenario(path: Path | str, *, need_audio: bool = True) -> Scenario:
    """The same for what takes spoken scenarios alone.

    Raises:
        ScenarioError: as `load_any`, or the scenario is a simulated one.
    """
    return _spoken(load_any(path, need_audio=need_audio))


def read_any(text: str, path: Path | str = "") -> AnyScenario:
    """`load_any` from a text in hand; audio files are not looked for.

    Raises:
        ScenarioError: the text is no scenario of this schema version.
    """
    return _build(parse_source(text, str(path)), Path(path))


def read_scenario(text: str, path: Path | str = "") -> Scenario:
    """`load_scenario` from a text in hand; audio files are not looked for.

    Raises:
        ScenarioError: the text is no spoken scenario of this schema version.
    """
    return _spoken(read_any(text, path))


def _spoken(scenario: AnyScenario) -> Scenario:
    if isinstance(scenario, Scenario):
        return scenario
    raise ScenarioError(
        "this is a simulated scenario, and a spoken one is wanted, which has 'turns'; "
        "`ctxasr replay` and pytest carry out both",
        file=str(scenario.path), line=scenario.line_of("plan"), field="plan",
    )  # fmt: skip


def _look_for_audio(scenario: Scenario) -> None:
    for index, turn in enumerate(scenario.turns):
        audio = scenario.audio_path(index)
        if audio is not None and not audio.is_file():
            field = f"turns.{index}.user.audio"
            how = (
                f"`ctxasr scenario speak {scenario.path}` makes it"
                if turn.user.voice
                else "give the path of a sound file relative to this file"
            )
            raise ScenarioError(
                f"there is no such audio file; {how}",
                file=str(scenario.path), line=scenario.line_of(field), field=field,
            )  # fmt: skip


def _build(source: Source, path: Path) -> AnyScenario:
    value = source.value
    if not isinstance(value, dict):
        message = (
            f"must be a mapping of keys such as 'schema: {SCHEMA_VERSION}' and 'turns:' or 'plan:'"
        )
        raise ScenarioError(message, file=source.file, line=source.line_of(""))
    _check_version(value, source)
    default_name = re.sub(r"[^\w.-]+", "_", path.name.removesuffix(SUFFIX))[:NAME_CHARS_MAX]
    if default_name:
        value = {"name": default_name, **value}
    form: type[AnyScenario] = Scenario
    if "plan" in value and "turns" not in value:
        form = SimulatedScenario
    try:
        scenario = form.model_validate(value)
    except ValidationError as error:
        found = [_complaint(details, source, form) for details in causes(error)]
        line, field, message = min(found)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ScenarioError(message + more, file=source.file, line=line, field=field) from None
    return scenario.loaded_from(path, source.lines)


def _check_version(value: dict[str, Any], source: Source) -> None:
    """The version first: what else looks wrong in a newer file may be right there."""
    version = value.get("schema", SCHEMA_VERSION)
    if version is True or version != SCHEMA_VERSION:
        message = f"this program reads schema version {SCHEMA_VERSION}; write 'schema: 1'"
        line = source.line_of("schema")
        raise ScenarioError(message, file=source.file, line=line, field="schema")


def _complaint(
    details: ErrorDetails, source: Source, form: type[BaseModel]
) -> tuple[int, str, str]:
    """(line, field, message) of one of pydantic's errors."""
    loc = [str(part) for part in details["loc"]]
    context = details.get("ctx", {})
    if details["type"] == "scenario" and context["at"]:
        loc += context["at"].split(".")
    field = ".".join(loc)
    return source.line_of(field), field, _message(details, loc, form)


def _message(details: ErrorDetails, loc: list[str], form: type[BaseModel]) -> str:
    """What would be right."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing" and loc == ["schema"]:
        return f"missing; begin the file with 'schema: {SCHEMA_VERSION}'"
    if kind == "missing" and loc == ["turns"]:
        return "missing; a file has 'turns', a spoken dialogue, or 'plan', a simulation"
    if kind == "extra_forbidden":
        return _unknown_key(loc, form)
    if kind in ("literal_error", "enum"):
        return _not_one_of(given, str(context["expected"]))
    if "ge" in context or "le" in context:
        side, limit = ("least", context["ge"]) if "ge" in context else ("most", context["le"])
        return f"must be at {side} {_limit(limit, given)}"
    return message_of(details)


def _limit(limit: float, given: object) -> str:
    """A bound in the unit of the given value: durations are written as text."""
    if isinstance(given, str):
        return f"{limit:.0f}ms" if limit % 1000 else f"{limit / 1000:.0f}s"
    return f"{limit:.0f}"


def _unknown_key(loc: list[str], form: type[BaseModel]) -> str:
    known = _keys_at(loc[:-1], form)
    close = difflib.get_close_matches(loc[-1], known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return f"unknown key; known here: {', '.join(known)}"


def _not_one_of(given: object, expected: str) -> str:
    words = expected.replace("'", "").replace(" or ", ", ").split(", ")
    close = difflib.get_close_matches(str(given), words, n=1)
    tail = f"; did you mean {close[0]}?" if close else ""
    return f"must be one of {', '.join(words)}{tail}"


def _keys_at(loc: Sequence[str], form: type[BaseModel]) -> list[str]:
    """The keys that the model at a field path of `form` knows."""
    model = form
    for part in loc:
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                model = _model_in(info.annotation) or model
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `tuple[Model, ...]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
