"""Recognisers by name: `pocketsphinx[:LANGUAGE]`, `whisper[:MODEL or FOLDER]`, and plugged-in ones.

    make_recogniser("whisper:small.en", process=True)

A distribution plugs one in by an entry point of the group `ctxasr.recognisers`: the entry point's
name is the recogniser's, its object is called as `make(argument, process=process)` with what stands
behind the colon. docs/recognisers.md has an example.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol, cast

from ctxasr.errors import CtxasrError, InputError, MissingPart
from ctxasr.hypotheses import Recognition
from ctxasr.ports import AcousticScorer, Recognizer, Samples

GROUP: Final = "ctxasr.recognisers"
"""Of entry points."""


class Engine(Protocol):
    """A recogniser with a beginning and an end; perhaps it is a `ports.AcousticScorer` as well."""

    async def load(self) -> None: ...

    async def recognize(self, samples: Samples) -> Recognition: ...

    def close(self) -> None: ...


def make_recogniser(spec: str, *, process: bool = False) -> Engine:
    """Make the recogniser `NAME[:ARGUMENT]`; nothing is loaded before its `load` or first use.

    `process` asks for one that works in a process of its own, where it can.

    Raises:
        InputError: there is none of that name, or it has no such argument.
        MissingPart: it is plugged in, and its code is broken.
    """
    name, argument = checked_spec(spec)
    if name in BUILT_IN:
        return BUILT_IN[name](argument, process)
    return _plugged_in(_entry_points()[name], argument, process)


def checked_spec(spec: str) -> tuple[str, str]:
    """The name and the argument of `NAME[:ARGUMENT]`.

    Raises:
        InputError: there is no recogniser of that name.
    """
    name, _, argument = spec.strip().partition(":")
    others = _entry_points()
    if name not in BUILT_IN and name not in others:
        known = ", ".join(["pocketsphinx[:LANGUAGE]", "whisper[:MODEL or FOLDER]", *others])
        raise InputError(f"recogniser {name!r} is not known; {known} would be right")
    return name, argument


def scorer_of(recognizer: Recognizer) -> AcousticScorer | None:
    """The recogniser as a scorer of texts, where it is one."""
    if not callable(getattr(recognizer, "log_likelihoods", None)):
        return None
    return cast(AcousticScorer, recognizer)


def whisper_model() -> str:
    """The model of `whisper` without an argument: the one that CTXASR_WHISPER names, or `base`."""
    from ctxasr.speech.whisper import MODEL

    return os.environ.get("CTXASR_WHISPER") or MODEL


def _pocketsphinx(argument: str, process: bool) -> Engine:
    from ctxasr.speech.pocketsphinx import LANGUAGE, LANGUAGES, PocketSphinxRecognizer

    language = argument or LANGUAGE
    if language not in LANGUAGES:
        raise InputError(f"pocketsphinx:{argument} is not known; {' or '.join(LANGUAGES)} is")
    return PocketSphinxRecognizer(language=language, process=process)


def _whisper(argument: str, process: bool) -> Engine:
    from ctxasr.speech.whisper import WhisperRecognizer

    return WhisperRecognizer(argument or whisper_model(), process=process)


BUILT_IN: Final[Mapping[str, Callable[[str, bool], Engine]]] = {
    "pocketsphinx": _pocketsphinx,
    "whisper": _whisper,
}


def _entry_points() -> dict[str, EntryPoint]:
    return {one.name: one for one in entry_points(group=GROUP) if one.name not in BUILT_IN}


def _plugged_in(plug: EntryPoint, argument: str, process: bool) -> Engine:
    where = f"recogniser {plug.name} ({plug.value})"
    try:
        made: Any = plug.load()(argument, process=process)
    except CtxasrError:
        raise
    except Exception as error:  # whatever its code raises: whoever wrote it has to know where
        raise MissingPart(f"{where} cannot be made: {type(error).__name__}: {error}") from error
    missing = [
        name
        for name, awaited in (("load", True), ("recognize", True), ("close", False))
        if inspect.iscoroutinefunction(getattr(made, name, None)) is not awaited
        or not callable(getattr(made, name, None))
    ]
    if missing:
        raise MissingPart(
            f"{where} lacks {', '.join(missing)}: it needs async load() and recognize(samples), "
            "and close()"
        )
    return cast(Engine, made)
