"""Who may do what: the rules for keys, IAM and what the stack offers to its callers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.allowed import (
    ALLOWED,
    EVERYWHERE,
    FOR_OTHERS,
    TURN_KEY,
    WITH_STREAM,
    WITHOUT_RESOURCE,
)
from infra.view import (
    ALIAS,
    FUNCTION,
    KEY,
    MANAGED_POLICY,
    POLICY,
    TOPIC,
    Grant,
    View,
    listed,
)

DATA_KEY_ACTIONS: Final = {"kms:Decrypt", "kms:GenerateDataKey"}

TURN: Final = {
    "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["customer", "interaction"]},
    "Null": {
        "kms:EncryptionContext:customer": "false",
        "kms:EncryptionContext:interaction": "false",
    },
}
"""Both names in the encryption context and no others. ForAllValues alone lets a context with one
of them, or with none, pass; Null=false on each demands both."""

ALARMS: Final = "cloudwatch.amazonaws.com"
"""Who publishes to the topic: without a grant of its key no alarm is ever heard."""


def keys(view: View) -> Iterator[str]:
    """Rotation; the turn key only for named turns, only for the functions that need it."""
    for name, key in view.of(KEY).items():
        if key.get("EnableKeyRotation") is not True:
            yield f"{name} does not rotate"
        named = [view.target(one["TargetKeyId"]) for one in view.of("AWS::KMS::Alias").values()]
        if name not in named:
            yield f"{name} has no alias"
    entry = view.template["Resources"].get(TURN_KEY, {})
    if entry.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate"):
        yield f"{TURN_KEY} goes with the stack, or when another takes its place"
    data = [one for one in view.grants(TURN_KEY) if set(one.actions) & DATA_KEY_ACTIONS]
    for grant in data:
        if grant.conditions != TURN:
            yield f"{TURN_KEY}'s policy allows {_said(grant)} without naming a turn"
    for action in sorted(DATA_KEY_ACTIONS):
        granted = {role for one in data if action in one.actions for role in one.principals}
        needed = {
            view.role_of(name) for name, may in ALLOWED.items() if action in may.get(TURN_KEY, ())
        }
        if granted != needed:
            yield f"{TURN_KEY}'s policy gives {action} to {sorted(granted)}, not {sorted(needed)}"
    for policy in [*view.of(POLICY), *view.of(MANAGED_POLICY)]:
        for grant in view.grants(policy):
            if TURN_KEY in grant.resources and grant.conditions != TURN:
                yield f"{policy} allows {_said(grant)} on {TURN_KEY} without naming a turn"
    yield from _transport_key(view)


def _transport_key(view: View) -> Iterator[str]:
    grants = view.grants("TransportKey")
    for grant in grants:
        if set(grant.actions) & DATA_KEY_ACTIONS and not grant.conditions:
            yield f"TransportKey's policy allows {_said(grant)} outside messages"
    for_alarms = {action for one in grants if ALARMS in one.principals for action in one.actions}
    if for_alarms != DATA_KEY_ACTIONS:
        yield f"TransportKey's policy gives {ALARMS} {sorted(for_alarms)}: alarms would be silent"
    for name, topic in view.of(TOPIC).items():
        if view.target(topic.get("KmsMasterKeyId")) != "TransportKey":
            yield f"{name} is not encrypted under TransportKey"


def statements(view: View) -> Iterator[str]:
    """Nothing but permissions, by ARN; '*' only for what AWS knows nothing narrower."""
    for name, statement in view.statements():
        if statement.get("Effect") != "Allow":
            # The rules add up what is allowed. What is not needed is left out, not denied.
            yield f"{name} has a statement of the effect {statement.get('Effect')}, not Allow"
        if {"NotAction", "NotResource", "NotPrincipal"} & set(statement):
            yield f"{name} allows all but something"
        actions = listed(statement.get("Action"))
        for action in actions:
            if "*" in action or "?" in action:
                yield f"{name} allows {action}"
        resources = listed(statement.get("Resource"))
        its_own_key = name in view.of(KEY)  # in a key's policy '*' is that key
        wide = "*" in str(resources) and not its_own_key
        if wide and not set(actions) <= set(WITHOUT_RESOURCE):
            yield f"{name} allows {', '.join(actions)} on {resources}"
        for resource in resources:
            # The Ref of an alias is its ARN, that of a table or a function a name.
            if "Ref" in resource and view.target(resource) not in view.of(ALIAS):
                yield f"{name} names {view.target(resource)} by something else than its ARN"
        if "*" in str(statement.get("Principal", "")):
            yield f"{name} lets anybody in"


def least_privilege(view: View) -> Iterator[str]:
    """Each function has a role of its own, which allows what allowed.py says and nothing else."""
    if set(view.of(FUNCTION)) != set(ALLOWED):
        yield f"functions {sorted(view.of(FUNCTION))} are not those of allowed.py"
    roles = [view.role_of(name) for name in view.of(FUNCTION)]
    if len(set(roles)) < len(roles) or set(roles) != set(view.of("AWS::IAM::Role")):
        yield "each function needs a role of its own, and there should be no other role"
    for name, role in view.of("AWS::IAM::Role").items():
        if role.get("ManagedPolicyArns") or role.get("Policies"):
            yield f"{name} has policies beside those that are written out"
        trusts = listed(role.get("AssumeRolePolicyDocument", {}).get("Statement"))
        trusted = [one.get("Principal") for one in trusts]
        if trusted != [{"Service": "lambda.amazonaws.com"}]:
            yield f"{name} trusts {trusted}"
    for name in view.of(FUNCTION):
        expected = _pairs(view, ALLOWED.get(name, {}))
        logs = view.target(view.properties(name).get("LoggingConfig", {}).get("LogGroup"))
        expected |= {(logs, action) for action in EVERYWHERE}
        expected |= {("*", action) for action in WITHOUT_RESOURCE}
        yield from _differences(name, _granted(view.grants_to(view.role_of(name))), expected)
    for name in sorted({*view.of(MANAGED_POLICY), *FOR_OTHERS} - _absent(view)):
        expected = _pairs(view, FOR_OTHERS.get(name, {}))
        yield from _differences(name, _granted(view.grants(name)), expected)


# ---------------------------------------------------------------- inside


def _absent(view: View) -> set[str]:
    """What need not be there, and is not: all of WITH_STREAM, or nothing."""
    there = set(view.template["Resources"])
    return set() if WITH_STREAM & there else WITH_STREAM


def _said(grant: Grant) -> str:
    return ", ".join(grant.actions)


def _pairs(view: View, may: dict[str, set[str]]) -> set[tuple[str, str]]:
    present = set(may) - _absent(view)
    return {(resource, action) for resource in present for action in may[resource]}


def _granted(grants: list[Grant]) -> set[tuple[str, str]]:
    return {(r, action) for one in grants for r in one.resources for action in one.actions}


def _differences(
    name: str, granted: set[tuple[str, str]], expected: set[tuple[str, str]]
) -> Iterator[str]:
    for resource, action in sorted(granted - expected):
        yield f"{name} may {action} on {resource}, which allowed.py does not list"
    for resource, action in sorted(expected - granted):
        yield f"{name} may not {action} on {resource}, which it needs"
