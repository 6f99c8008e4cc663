"""What both forms of a scenario share: strict models, a head, and where its fields stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from ctxasr.scenario.values import Identifier, wrong


class Strictly(BaseModel):
    """Base of the format: frozen, no unknown keys, names as they stand in the file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_by_name=False,
        validate_by_alias=True,
    )

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__

    @model_validator(mode="before")
    @classmethod
    def _no_empty_keys(cls, data: Any) -> Any:
        """`reply:` with nothing behind it is an accident, not an absent reply."""
        if isinstance(data, dict):
            for key, value in data.items():
                if value is None:
                    what = "has no value; write one (the word null in quotes) or remove the key"
                    raise wrong(what, at=str(key))
        return data


class InFile(Strictly):
    """The head of a scenario file."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    """Version of this format."""
    name: Identifier = "scenario"
    """By default the file's name."""
    about: Annotated[str, StringConstraints(max_length=500)] = ""
    """What the scenario shows, in a sentence."""

    _path: Path = PrivateAttr(default=Path())
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file that it was loaded from."""
        return self._path

    def line_of(self, field: str) -> int:
        """The line of a field path such as "turns.1.expect.text", or of what is around it."""
        while field and field not in self._lines:
            field = field.rpartition(".")[0]
        return self._lines.get(field, 1)

    def loaded_from(self, path: Path, lines: dict[str, int]) -> Self:
        """The same scenario, knowing its file and lines."""
        copy = self.model_copy()
        copy._path, copy._lines = path, lines
        return copy
