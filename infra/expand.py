"""The template as CloudFormation sees it: expanded by SAM's own translator, then resolved.

    source (YAML) --aws-sam-translator--> expanded (JSON) --parameters--> resolved

Resolved means: conditions decided, parameters, mappings and pseudo parameters put in. What names a
resource stays: {"Ref": "StatusTable"}, {"Fn::GetAtt": ["StatusTable", "Arn"]}.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, Final

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

HERE: Final = Path(__file__).resolve().parent
SOURCE: Final = HERE / "template.yaml"
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
"""The account that moto plays."""

PSEUDO: Final = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}

ENVIRONMENTS: Final[dict[str, dict[str, str]]] = {
    name: {
        "Environment": name,
        "CodeBucket": "code",
        "RecorderZip": "recorder.zip",
        "ReaderZip": "reader.zip",
        "EncoderImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/ctxasr@sha256:{'0' * 64}",
        "WithStream": stream,
        "AlarmTopicArn": topic,
    }
    for name, stream, topic in (
        ("dev", "false", f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"),
        ("prod", "true", ""),
    )
}
"""The parameters under which everything is checked: prod makes all there is, dev the least."""

Template = dict[str, Any]

_NOTHING: Final = object()


class NoManagedPolicies:
    """What the translator asks for the ARNs of AWS's own policies; here that would need AWS."""

    def load(self) -> dict[str, str]:
        """The template names none: each function's policy is written out."""
        return {}


def expand(environment: str) -> Template:
    """What SAM makes of the source under an environment's parameters; no network is used.

    Raises:
        samtranslator.model.exceptions.InvalidDocumentException: SAM cannot read the source.
    """
    os.environ["AWS_DEFAULT_REGION"] = REGION  # the translator asks boto3 for it
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # it misses its metrics service
    source = yaml_parse(SOURCE.read_text(encoding="utf-8"))
    values = dict(ENVIRONMENTS[environment])
    expanded: Template = transform(source, values, NoManagedPolicies())
    return expanded


def resolve(expanded: Template, parameters: dict[str, str]) -> Template:
    """The template with everything decided that does not depend on a deployed resource."""
    return _Resolver(expanded, parameters).template()


class _Resolver:
    def __init__(self, template: Template, parameters: dict[str, str]) -> None:
        self._template = template
        self._values: dict[str, Any] = {
            name: parameters.get(name, entry.get("Default"))
            for name, entry in template["Parameters"].items()
        } | PSEUDO

    def template(self) -> Template:
        resources = {
            name: self._value(entry)
            for name, entry in self._template["Resources"].items()
            if "Condition" not in entry or self._condition(entry["Condition"])
        }
        return {"Resources": resources, "Outputs": self._value(self._template.get("Outputs", {}))}

    def _condition(self, name: str) -> bool:
        ((function, given),) = self._template["Conditions"][name].items()
        if function != "Fn::Equals":
            raise NotImplementedError(f"condition {name} uses {function}; add it here")
        left, right = map(self._value, given)
        return bool(left == right)

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            found = [self._value(one) for one in value]
            return [one for one in found if one is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, given),) = value.items()
            if function == "Ref":
                return _NOTHING if given == "AWS::NoValue" else self._values.get(given, value)
            if function == "Fn::If":
                name, then, otherwise = given
                return self._value(then if self._condition(name) else otherwise)
            if function == "Fn::FindInMap":
                name, top, second = map(self._value, given)
                return self._template["Mappings"][name][top][second]
            if function == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda m: str(self._values[m[1]]), given)
            if function.startswith("Fn::") and function != "Fn::GetAtt":
                raise NotImplementedError(f"{function}; add it here")
        pairs = ((key, self._value(one)) for key, one in value.items())
        return {key: one for key, one in pairs if one is not _NOTHING}
