"""JSON from outside: parsed within bounds, and what is wrong with it in its own words."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from ctxasr.charset import BYTE_ORDER_MARK, decoded, unmarked
from ctxasr.errors import EnvelopeError, LimitExceeded

_OBJECT: Final = "must be an object"
_WANTED: Final = {
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}
"""Kinds of values in the words of JSON, where pydantic speaks of tuples and instances."""


def parse_json(text: str | bytes, what: str, limit: str, bytes_max: int) -> Any:
    """Parse a bounded document, called `what` in errors.

    Stricter than `json`: no NaN, no lone surrogates, a bounded depth. What passes can be written
    again. UTF-8, or what a byte order mark says.

    Raises:
        LimitExceeded: longer than `bytes_max`, the value of the limit named `limit`.
        EnvelopeError: not JSON, or not in its encoding.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > bytes_max:
        raise LimitExceeded(limit, bytes_max, len(data), what)
    try:
        found = decoded(data).removeprefix(BYTE_ORDER_MARK)
        return from_json(found, allow_inf_nan=False)
    except UnicodeDecodeError as error:
        encoding = error.encoding.upper()
        raise EnvelopeError(f"{what} is not {encoding} (byte {error.start})") from None
    except ValueError as error:
        if not data.strip():
            raise EnvelopeError(f"{what} is empty") from None
        if encoding := unmarked(data):
            raise EnvelopeError(
                f"{what} is {encoding} without a byte order mark; UTF-8 is right"
            ) from None
        raise EnvelopeError(f"{what} is not JSON ({error})") from None


def describe(error: ValidationError) -> str:
    """One line: the first wrong field and what is wrong with it, without the given value."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "envelope"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field}: {_WANTED.get(first['type'], first['msg'])}{more}"
