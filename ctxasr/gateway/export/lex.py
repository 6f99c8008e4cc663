"""Amazon Lex V2: the `runtimeHints` of a session's state, by intent and slot.

    {"slotHints": {"CallContact": {"contact": {"runtimeHintValues": [{"phrase": "Meg Bauer"}]}}}}

Source: "Using runtime hints to improve recognition of slot values" and RuntimeHints in the Lex V2
API reference: 100 phrases a slot, 100 slots, 140 characters a phrase; an intent and a slot must
exist in the bot. The phrase's kind names the slot; the intent has to be told (`Options.intent`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.errors import InputError
from ctxasr.gateway.export.choose import PLAIN, Chosen, Exported, Format, Left, Options, choose

TARGET: Final = "lex"

SLOT_VALUES_MAX: Final = 100
"""Phrases of one slot."""

SLOTS_MAX: Final = 100
"""Slots with hints."""

PHRASE_CHARS_MAX: Final = 140
"""Characters of one phrase, in UTF-16 units."""

NAME_CHARS_MAX: Final = 100
"""Characters of an intent's or a slot's name."""

DEFAULT_INTENT: Final = "ContextIntent"
DEFAULT_SLOT: Final = "ContextPhrase"
"""Where no intent is told, and of phrases whose kind is not known or cannot name a slot."""

_NAME: Final = re.compile(r"([0-9a-zA-Z][_-]?){1,100}")


def runtime_hints(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The hints, slots in the order of their heaviest phrase.

    Raises:
        InputError: the intent cannot be the name of one.
    """
    intent = options.intent or DEFAULT_INTENT
    if not _is_name(intent):
        raise InputError(
            f"--intent must be letters, digits and single _ or -, at most {NAME_CHARS_MAX}"
        )
    heaviest = choose(phrases, Format(_write))
    slots: dict[str, list[Any]] = {}
    left_out = Counter(heaviest.left_out)
    kept = []
    for entry in heaviest.entries:
        kind = entry.phrase.phrase.kind
        values = slots.setdefault(kind if _is_name(kind) else DEFAULT_SLOT, [])
        if len(values) >= SLOT_VALUES_MAX or len(slots) > SLOTS_MAX:
            left_out[Left.NO_ROOM] += 1
            continue
        values.append({"phrase": entry.written})
        kept.append(entry)
    hints = {slot: {"runtimeHintValues": values} for slot, values in slots.items() if values}
    return Chosen(kept, left_out).exported(TARGET, {"slotHints": {intent: hints} if hints else {}})


def _is_name(text: str) -> bool:
    return len(text) <= NAME_CHARS_MAX and _NAME.fullmatch(text) is not None


def _write(text: str) -> str | Left:
    return text if len(text.encode("utf-16-le")) // 2 <= PHRASE_CHARS_MAX else Left.TOO_LONG
