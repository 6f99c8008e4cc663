"""Alexa Skills Kit: the directive that makes names known to a skill for half an hour.

    {"type": "Dialog.UpdateDynamicEntities", "updateBehavior": "REPLACE", "types": [
        {"name": "contact", "values": [
            {"id": "c7", "name": {"value": "Meg Bauer", "synonyms": ["Meggie", "Bauer"]}}]}]}

Source: "Use Dynamic Entities for Customized Interactions" in the Alexa Skills Kit documentation:
100 values in all; synonyms are counted with them here. A value may have 140 characters, as those of
static slot types. The phrase's kind names the slot type; a skill has to have slots of these types.
Without names the directive clears.

What one service calls by one id is one value: its first name, and the others as synonyms. A part of
a name ("Bauer") is a synonym of the name that it tells. Where the service has given no id, one is
made of the name, the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.events import short_hash
from ctxasr.gateway.export.choose import PLAIN, Entry, Exported, Format, Left, Options, choose
from ctxasr.words import stands_in

TARGET: Final = "ask"

VALUES_MAX: Final = 100
"""Values of one directive, of all types together, synonyms included."""

VALUE_CHARS_MAX: Final = 140
"""Characters of one value, in UTF-16 units."""

DEFAULT_TYPE: Final = "CONTEXT_PHRASE"
"""The slot type of phrases whose kind is not known, or cannot name a slot type."""

_TYPE_NAME: Final = re.compile(r"(AMAZON\.)?[A-Za-z][A-Za-z_]{0,62}")


@dataclass(slots=True)
class _Value:
    """One value of a slot type: what it is called, and what else it may be called."""

    names: list[Entry] = field(default_factory=list)

    def takes(self, entry: Entry) -> bool:
        ours, one = self.names[0].phrase.phrase, entry.phrase.phrase
        if ours.id or one.id:
            return ours.id == one.id
        return stands_in(one.text, ours.text)

    def to_json(self) -> dict[str, Any]:
        first, *others = self.names
        name = {"value": first.written, "synonyms": [entry.written for entry in others]}
        return {"id": first.phrase.phrase.id or short_hash(first.written), "name": name}


def dynamic_entities(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The directive, types and values in the order of their heaviest phrase."""
    chosen = choose(phrases, Format(_write, entries_max=VALUES_MAX))
    given = {id(phrase): number for number, phrase in enumerate(phrases)}
    types: dict[str, list[_Value]] = {}
    # In the order of the bias: names as the service gave them, before their parts.
    for entry in sorted(chosen.entries, key=lambda one: given[id(one.phrase)]):
        kind = entry.phrase.phrase.kind
        values = types.setdefault(kind if _TYPE_NAME.fullmatch(kind) else DEFAULT_TYPE, [])
        value = next((one for one in values if one.takes(entry)), None)
        if value is None:
            values.append(_Value([entry]))
        else:
            value.names.append(entry)
    directive = {
        "type": "Dialog.UpdateDynamicEntities",
        "updateBehavior": "REPLACE" if types else "CLEAR",
        "types": [
            {"name": name, "values": [one.to_json() for one in sorted(values, key=_lightness)]}
            for name, values in sorted(
                types.items(), key=lambda item: min(map(_lightness, item[1]))
            )
        ],
    }
    return chosen.exported(TARGET, directive)


def _lightness(value: _Value) -> float:
    return min(-entry.phrase.log_prior for entry in value.names)


def _write(text: str) -> str | Left:
    return text if len(text.encode("utf-16-le")) // 2 <= VALUE_CHARS_MAX else Left.TOO_LONG
