"""What the messages of other protocols are checked against; a null in them means absent.

    {"conversation_id": null, "response": {"speech": {}}}   is   {"response": {"speech": {}}}

Home Assistant writes a null wherever it has nothing to say, at any depth and in lists as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ctxasr.documents import describe
from ctxasr.errors import EnvelopeError

NESTING_MAX: Final = 64
"""Objects and lists inside each other in one message; real ones have ten."""

ConversationId = Annotated[str, StringConstraints(max_length=256)]


class Form(BaseModel):
    """Base of all: frozen, strict about types, lenient about fields that it does not know."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


F = TypeVar("F", bound=Form)


def read(form: type[F], value: Mapping[str, Any], where: str) -> F:
    """The fields of a message, nulls left out.

    Raises:
        EnvelopeError: a field is missing or wrong, or it is nested deeper than NESTING_MAX; names
            the field, never its text.
    """
    try:
        return form.model_validate(_present(dict(value), where, NESTING_MAX))
    except ValidationError as error:
        raise EnvelopeError(f"{where}.{describe(error)}") from None


def _present(value: Any, where: str, levels: int) -> Any:
    """`value` without its nulls."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        raise EnvelopeError(f"{where}: nested deeper than NESTING_MAX ({NESTING_MAX})")
    if isinstance(value, list):
        return [_present(one, where, levels - 1) for one in value if one is not None]
    return {key: _present(one, where, levels - 1) for key, one in value.items() if one is not None}
