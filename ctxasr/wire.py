"""How JSON from outside becomes models: unknown fields are kept, and null means absent."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, FailFast, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_ABOUT_A_FIELD: Final = frozenset(("title", "description", "default"))


class _FirstFault(FailFast):
    __hash__ = object.__hash__  # as a part of a union must have


FIRST_FAULT: Final = _FirstFault()
"""Of a list whose items are all wrong only the first is told: a hundred thousand errors held up the
event loop."""


class NullIsAbsent(BaseModel):
    """A model that reads null as absent, also where a field has another default, and says so."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict) or None not in given.values():
            return given
        absent = {
            key
            for name, field in cls.model_fields.items()
            if not field.is_required() and field.default is not None
            for key in (name, field.alias)
        }
        return {key: one for key, one in given.items() if one is not None or key not in absent}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(core_schema)
        schema = handler.resolve_ref_schema(described)
        for name, field in schema.get("properties", {}).items():
            nullable = {"type": "null"} in field.get(
                "anyOf", ()
            ) or not field.keys() - _ABOUT_A_FIELD
            if nullable or name in schema.get("required", ()):
                continue
            outer = {key: field.pop(key) for key in sorted(_ABOUT_A_FIELD) if key in field}
            schema["properties"][name] = outer | {"anyOf": [field, {"type": "null"}]}
        return described


class Wire(NullIsAbsent):
    """Base of all wire types: frozen, camelCase outside, unknown fields kept, null is absent."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__
