"""The names in Alexa's Dialog.UpdateDynamicEntities, read as leniently as Alexa reads them.

    {"types": [{"name": "contact", "values": [
        {"id": "c7", "name": {"value": "Meg Bauer", "synonyms": ["Meggie"]}}]}]}

    contact    Meg Bauer -> c7, Meggie -> c7

What is of another form is passed over; a value without an id is known as "".
"""

from __future__ import annotations

from typing import Any, Final

ID_CHARS_MAX: Final = 256
"""Characters of an identifier, as those of messages, dialogues and entities."""


def names_by_kind(types: Any) -> tuple[tuple[str, dict[str, str]], ...]:
    """Each kind with its names, synonyms included, and what the skill calls each."""
    found = []
    for kind in _objects(types):
        names: dict[str, str] = {}
        for value in _objects(kind.get("values")):
            for name in _objects([value.get("name")]):
                synonyms = name.get("synonyms")
                synonyms = synonyms if isinstance(synonyms, list) else []
                for text in _texts([name.get("value"), *synonyms]):
                    names.setdefault(text, _id(value.get("id")))
        found.append((" ".join(_texts([kind.get("name")])), names))
    return tuple(found)


def _objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; nothing where something else stands."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _id(value: Any) -> str:
    """An id that a store can take; "" for anything else."""
    fits = isinstance(value, str) and len(value) <= ID_CHARS_MAX and value.isprintable()
    return value if fits else ""


def _texts(values: list[Any]) -> tuple[str, ...]:
    """Each text once, blank ones left out, half characters replaced: no store could take them."""
    whole = (one.encode("utf-8", "replace").decode() for one in values if isinstance(one, str))
    return tuple(dict.fromkeys(text for text in whole if text.strip()))
