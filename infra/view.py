"""A resolved template, asked in the words of the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.expand import Template

HERE: Final = Path(__file__).resolve().parent

FUNCTION: Final = "AWS::Lambda::Function"
QUEUE: Final = "AWS::SQS::Queue"
TABLE: Final = "AWS::DynamoDB::Table"
KEY: Final = "AWS::KMS::Key"
STREAM: Final = "AWS::Kinesis::Stream"
ALARM: Final = "AWS::CloudWatch::Alarm"
ALIAS: Final = "AWS::Lambda::Alias"
ASYNC_CALLS: Final = "AWS::Lambda::EventInvokeConfig"
TOPIC: Final = "AWS::SNS::Topic"
SOURCE_MAPPING: Final = "AWS::Lambda::EventSourceMapping"
POLICY: Final = "AWS::IAM::Policy"
MANAGED_POLICY: Final = "AWS::IAM::ManagedPolicy"


class Grant(NamedTuple):
    """What one Allow statement of a policy allows; resources and principals by logical id."""

    where: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: dict[str, Any]
    principals: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """One environment's template."""

    environment: str
    template: Template

    @property
    def is_prod(self) -> bool:
        return self.environment == "prod"

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id to properties, of all resources of a type."""
        found: dict[str, dict[str, Any]] = {
            name: entry.get("Properties", {})
            for name, entry in self.template["Resources"].items()
            if entry["Type"] == kind
        }
        return found

    def properties(self, name: str) -> dict[str, Any]:
        """Those of one resource; empty if there is none of that name."""
        found: dict[str, Any] = self.template["Resources"].get(name, {}).get("Properties", {})
        return found

    def target(self, value: Any) -> str:
        """The logical id that a Ref or GetAtt names."""
        match value:
            case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
                return str(name)
        return str(value)

    def role_of(self, function: str) -> str:
        """The logical id of a function's role."""
        return self.target(self.properties(function).get("Role"))

    def grants(self, policy: str) -> list[Grant]:
        """The Allow statements of a policy, or of a key's policy; rules.py lets no others be."""
        properties = self.properties(policy)
        document = properties.get("PolicyDocument") or properties.get("KeyPolicy") or {}
        statements = listed(document.get("Statement"))
        return [self._grant(policy, one) for one in statements if one.get("Effect") == "Allow"]

    def grants_to(self, role: str) -> list[Grant]:
        """All that a role is allowed by its own policies."""
        found = []
        for name, policy in self.of(POLICY).items():
            if role in [self.target(one) for one in policy.get("Roles", [])]:
                found += self.grants(name)
        return found

    def _grant(self, where: str, statement: dict[str, Any]) -> Grant:
        principal = statement.get("Principal", {})
        principals = principal.values() if isinstance(principal, dict) else [principal]
        return Grant(
            where,
            tuple(listed(statement.get("Action"))),
            tuple(self.target(one) for one in listed(statement.get("Resource"))),
            statement.get("Condition", {}),
            tuple(self.target(one) for some in principals for one in listed(some)),
        )

    @staticmethod
    def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
        """The metrics that an alarm looks at, by itself or in its formula."""
        parts = [one["MetricStat"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        found = [part["Metric"] for part in parts]
        return [*found, alarm] if "MetricName" in alarm else found

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of every policy document in the template, with its resource."""
        for name, entry in self.template["Resources"].items():
            for document in _documents(entry.get("Properties", {})):
                for statement in listed(document["Statement"]):
                    yield name, statement


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for one in value.values():
            yield from _documents(one)
    elif isinstance(value, list):
        for one in value:
            yield from _documents(one)


def listed(value: Any) -> list[Any]:
    """IAM writes one thing without a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
