"""How JSON from outside becomes models: unknown fields are kept, and null means absent."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


def without_nulls(kind: type[BaseModel], given: Any) -> Any:
    """What a model is read from: null means absent, also where a field has another default."""
    if not isinstance(given, dict) or None not in given.values():
        return given
    absent = {
        key
        for name, field in kind.model_fields.items()
        if not field.is_required() and field.default is not None
        for key in (name, field.alias)
    }
    return {key: one for key, one in given.items() if one is not None or key not in absent}


class Wire(BaseModel):
    """Base of all wire types: frozen, camelCase outside, unknown fields kept, null is absent."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        return without_nulls(cls, given)

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__
