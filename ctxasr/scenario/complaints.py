"""What is wrong with a value in a YAML file, in the words of YAML: texts, lists, mappings.

screen: Meg Jones        must be a list; write [a, b] or lines that begin with '- '
screen: [Meg, 7]         is a number, and a text is wanted; write it in quotes
screen: [Meg, null]      is an empty value or the word null, ...
reply: [Which one?]      is a list, and one text is wanted; ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_LIST: Final = "must be a list; write [a, b] or lines that begin with '- '"
_MAPPING: Final = "must be a mapping; write lines of 'key: value'"
_MESSAGES: Final = {
    "missing": "this required key is missing",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "float_type": "must be a number, without quotes",
    "float_parsing": "must be a number",
    "too_long": "has {actual_length} entries, at most {max_length}",
    "too_short": "has {actual_length} entries, at least {min_length}",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "does not match {pattern} (letters, digits and a few signs)",
    "scenario": "{message}",
}


def no_text(value: Any) -> str:
    """Why a value is no text, and how to write it as one."""
    if value is None:
        return "is an empty value or the word null, and a text is wanted; write it in quotes"
    if isinstance(value, bool):
        word = "true" if value else "false"
        return f"is the bare word {word}, and a text is wanted; write it in quotes"
    if isinstance(value, dict):
        return (
            "is a mapping (key: value), and one text is wanted; put quotes around a text that "
            "holds ': '"
        )
    if isinstance(value, list | tuple):
        return (
            "is a list, and one text is wanted; write the text alone, in quotes if it begins "
            "with [ or -"
        )
    return "is a number, and a text is wanted; write it in quotes"


def message_of(details: ErrorDetails) -> str:
    """What would be right in place of the value; never the value itself."""
    kind = details["type"]
    if kind == "string_type":
        return no_text(details["input"])
    return _MESSAGES.get(kind, str(details["msg"])).format_map(details.get("ctx", {}))


def first_of(error: ValidationError) -> tuple[str, str]:
    """The path of the first wrong field, and what would be right there."""
    first = causes(error)[0]
    return ".".join(map(str, first["loc"])), message_of(first)


def causes(error: ValidationError) -> list[ErrorDetails]:
    """All errors but those that follow from others: a list is 'too short' when its item fails."""
    all_errors = error.errors(include_url=False)
    return [
        details
        for details in all_errors
        if details["type"] != "too_short"
        or not any(_inside(other["loc"], details["loc"]) for other in all_errors)
    ]


def _inside(inner: Sequence[int | str], outer: Sequence[int | str]) -> bool:
    return len(inner) > len(outer) and tuple(inner[: len(outer)]) == tuple(outer)
