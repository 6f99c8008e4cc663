"""The JSON Schema of the scenario format, for editors; generated from the models.

    python -m ctxasr.scenario.schema > scenarios/scenario.schema.json

A file that begins with MODELINE gets completion and checks in any editor that knows the YAML
language server.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from ctxasr.scenario.model import Scenario
from ctxasr.scenario.planned import SimulatedScenario
from ctxasr.scenario.values import DEFAULT_PAUSE_MS
from ctxasr.timing import format_duration

SCHEMA_FILE: Final = "scenario.schema.json"
_BOUNDS: Final = ("minLength", "maxLength")
MODELINE: Final = f"# yaml-language-server: $schema={SCHEMA_FILE}"


def scenario_schema() -> dict[str, Any]:
    """The schema, its keys sorted so that it only changes with the format."""
    _, schema = models_json_schema(
        [(Scenario, "validation"), (SimulatedScenario, "validation")], by_alias=True
    )
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "ctxasr scenario"
    schema["description"] = "A spoken dialogue (`turns`), or a simulation (`plan`)."
    # A file of both forms is told of the first: an editor shows one row of complaints, not two.
    schema["if"] = {"required": ["plan"], "not": {"required": ["turns"]}}
    schema["then"] = {"$ref": "#/$defs/SimulatedScenario"}
    schema["else"] = {"$ref": "#/$defs/Scenario"}
    for model in schema["$defs"].values():
        if "properties" in model:
            model["properties"] = {
                name: _tidy(field) for name, field in model["properties"].items()
            }
    turn = schema["$defs"]["Turn"]["properties"]
    # a bare text is short for {text: ...}; the validator that reads it says nothing of types
    reply = {"$ref": turn["reply"].pop("$ref")}
    turn["reply"]["anyOf"] = [{"type": "string", "minLength": 1}, reply]
    values = schema["$defs"]["EntityList"]["properties"]["values"]
    bare = {key: schema["$defs"]["EntityValue"]["properties"]["text"][key] for key in _BOUNDS}
    values["items"] = {"anyOf": [{"type": "string", **bare}, values["items"]]}
    turn["pause"]["default"] = format_duration(DEFAULT_PAUSE_MS)
    ordered: dict[str, Any] = json.loads(json.dumps(schema, sort_keys=True))
    return ordered


def _tidy(field: dict[str, Any]) -> dict[str, Any]:
    """A field without what pydantic adds: titles, null (the format has none), bounds in ms."""
    options = [option for option in field.pop("anyOf", []) if option != {"type": "null"}]
    field = {**field, **(options[0] if len(options) == 1 else {})}
    if len(options) > 1:
        field["anyOf"] = options
    drop = {"title", "ge", "le"}
    if field.get("default") in (None, [], 0.0, "") or isinstance(field.get("default"), dict):
        drop.add("default")
    return {key: value for key, value in field.items() if key not in drop}


def schema_text() -> str:
    """The schema as the file that is checked in."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
