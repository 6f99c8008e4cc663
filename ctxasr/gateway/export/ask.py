"""Alexa Skills Kit: the directive that makes names known to a skill for half an hour.

    {"type": "Dialog.UpdateDynamicEntities", "updateBehavior": "REPLACE", "types": [
        {"name": "contact", "values": [
            {"id": "4dfd5f0d3f7ac2b4", "name": {"value": "meg bauer", "synonyms": []}}]}]}

Source: "Use Dynamic Entities for Customized Interactions" in the Alexa Skills Kit documentation:
100 values in all. A value may have 140 characters, as those of static slot types. The phrase's kind
names the slot type; a skill has to have slots of these types. Without names the directive clears.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.events import short_hash
from ctxasr.gateway.export.choose import Exported, Format, Left, choose

TARGET: Final = "ask"

VALUES_MAX: Final = 100
"""Values of one directive, of all types together."""

VALUE_CHARS_MAX: Final = 140
"""Characters of one value, in UTF-16 units."""

DEFAULT_TYPE: Final = "CONTEXT_PHRASE"
"""The slot type of phrases whose kind is not known, or cannot name a slot type."""

_TYPE_NAME: Final = re.compile(r"(AMAZON\.)?[A-Za-z][A-Za-z_]{0,62}")


def dynamic_entities(
    phrases: Sequence[BiasingPhrase], default_type: str = DEFAULT_TYPE
) -> Exported:
    """The directive, its types in the order of their heaviest phrase."""
    chosen = choose(phrases, Format(_write, entries_max=VALUES_MAX))
    types: dict[str, list[dict[str, Any]]] = {}
    for entry in chosen.entries:
        kind = entry.phrase.phrase.kind
        name = kind if _TYPE_NAME.fullmatch(kind) else default_type
        named = {"value": entry.written, "synonyms": []}
        types.setdefault(name, []).append({"id": short_hash(entry.written), "name": named})
    directive = {
        "type": "Dialog.UpdateDynamicEntities",
        "updateBehavior": "REPLACE" if types else "CLEAR",
        "types": [{"name": name, "values": values} for name, values in types.items()],
    }
    return chosen.exported(TARGET, directive)


def _write(text: str) -> str | Left:
    return text if len(text.encode("utf-16-le")) // 2 <= VALUE_CHARS_MAX else Left.TOO_LONG
