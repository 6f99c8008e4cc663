"""Events of Home Assistant's Assist pipelines -> the records that they mean.

    stage: done                                      what its users paste from the debug page
    run: {pipeline: 01h, language: en}
    events:
      - type: stt-end
        data: {stt_output: {text: call meg}}
        timestamp: "2025-02-18T21:33:39.055732+00:00"

Bare events and those inside WebSocket messages are read as well. The runs come in the order of
their times; without times, in that of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from ctxasr.envelopes import Record
from ctxasr.errors import InputError, ScenarioError
from ctxasr.gateway.protocols.assist import USED, hear
from ctxasr.gateway.protocols.dialogue import Dialogue, Ignored, Sender

CUSTOMER: Final = "customer"
"""Whose messages they are, where nobody says: the events do not."""

DEVICE: Final = "assist"

_TIME: Final = TypeAdapter(AwareDatetime)


@dataclass(slots=True)
class Told:
    """The records with the lines of their events, and the lines of events of no known type."""

    records: list[tuple[int, Record]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    has_times: bool = True

    def __repr__(self) -> str:
        return f"Told({len(self.records)} records)"


def is_assist(document: dict[str, Any]) -> bool:
    """Whether a document is an event of a pipeline, bare or from the WebSocket."""
    return isinstance(document.get("type"), str) and "message" not in document


def is_used(document: dict[str, Any]) -> bool:
    """Whether it tells of a turn; the lines of other programs have types as well."""
    return _event(document).get("type") in [*USED]


def read_assist(
    events: Sequence[tuple[int, dict[str, Any]]], file: str, customer: str | None
) -> Told:
    """The records of all runs, which are turns of one device's dialogue.

    Raises:
        ScenarioError: an event is wrong; names its line and field.
    """
    times = [_time_ms(event) for _, event in events]
    told = Told(has_times=None not in times)
    placed = [(at, line, event) for at, (line, event) in zip(times, events, strict=True)]
    if told.has_times:
        runs = _runs(placed)
        runs.sort(key=lambda run: run[0][0] or 0)
        placed = [one for run in runs for one in run]
    dialogue = Dialogue(DEVICE)
    for number, (at_ms, line, event) in enumerate(placed, 1):
        sender = Sender(customer or CUSTOMER, DEVICE, number if at_ms is None else at_ms)
        try:
            step = hear(dialogue, event, sender)
        except InputError as error:
            raise ScenarioError(str(error), file=file, line=line) from None
        dialogue = step.dialogue
        told.records += [(line, record) for record in step.records]
        if step.ignored is Ignored.UNKNOWN:
            told.unknown.append(line)
    return told


_Placed = tuple[int | None, int, dict[str, Any]]


def _runs(placed: list[_Placed]) -> list[list[_Placed]]:
    """Split where a run starts; a page may show the newest one first."""
    runs: list[list[_Placed]] = []
    for one in placed:
        if not runs or _event(one[2]).get("type") == "run-start":
            runs.append([])
        runs[-1].append(one)
    return runs


def _event(document: dict[str, Any]) -> dict[str, Any]:
    inner = document.get("event")
    return inner if document.get("type") == "event" and isinstance(inner, dict) else document


def _time_ms(document: dict[str, Any]) -> int | None:
    """Milliseconds since 1970; None where the event has no time that can be read."""
    given = _event(document).get("timestamp")
    for text in (given, f"{given}Z"):  # without a zone it is taken for UTC
        try:
            return round(_TIME.validate_python(text).timestamp() * 1_000)
        except ValidationError:
            continue
    return None
