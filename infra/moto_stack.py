"""The expanded template as a stack on moto, and what of it came up, property by property.

moto says CREATE_COMPLETE whatever it leaves out, so nothing is believed that a describe call does
not show. LEFT_OUT lists what the pinned moto is known to leave out. The list has to be exact: more
than that missing is a fault of the template, less means that the list is out of date.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import boto3
from moto import mock_aws

from infra.expand import ACCOUNT, ENVIRONMENTS, REGION, Template
from infra.view import (
    ALARM,
    ALIAS,
    ASYNC_CALLS,
    FUNCTION,
    KEY,
    MANAGED_POLICY,
    POLICY,
    QUEUE,
    SOURCE_MAPPING,
    STREAM,
    TABLE,
    TOPIC,
    View,
)

LEFT_OUT: Final = {
    (TABLE, "TTL"),
    (TABLE, "SSE"),
    (QUEUE, "who may redrive"),
    (STREAM, "encryption"),
    (STREAM, "on demand"),
    (FUNCTION, "tracing"),
    (FUNCTION, "log group"),
    (FUNCTION, "image"),
    (FUNCTION, "command"),
}
"""What moto 5.2.5 does not take over from CloudFormation. Point-in-time recovery is another: its
absence there says nothing, for moto would leave it out in any case."""

NOT_ON_MOTO: Final = (ALARM, ALIAS, ASYNC_CALLS)
"""Types that moto's CloudFormation does not know; `live` stands for the function itself there."""

SERVICES: Final = "cloudformation dynamodb iam kinesis kms lambda logs s3 sns sqs".split()

Client = Any


class Seen(NamedTuple):
    """One property of one resource: as it was written, and as a describe call shows it."""

    kind: str
    name: str
    what: str
    written: Any
    shown: Any


def apply(view: View, expanded: Template) -> tuple[list[str], list[Seen]]:
    """Types of the resources that came up, and all that was looked at.

    Raises:
        botocore.exceptions.ClientError: moto refuses the template.
    """
    os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    os.environ |= {"AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull}
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # NOT_ON_MOTO says it once
    with mock_aws(), warnings.catch_warnings(action="ignore"):
        clients: dict[str, Client] = {name: boto3.client(name) for name in SERVICES}
        _upload_code(clients["s3"], view)
        clients["cloudformation"].create_stack(
            StackName="ctxasr",
            TemplateBody=json.dumps(_for_moto(expanded)),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in ENVIRONMENTS[view.environment].items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        listed = clients["cloudformation"].list_stack_resources(StackName="ctxasr")
        ids = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in listed["StackResourceSummaries"]
            if one.get("PhysicalResourceId")
        }
        seen = [
            one for kind, look in LOOKS.items() for one in _look(view, kind, look, clients, ids)
        ]
    kinds = [view.template["Resources"][name]["Type"] for name in ids]
    return kinds, seen


def _look(
    view: View, kind: str, look: Look, clients: dict[str, Client], ids: dict[str, str]
) -> Iterator[Seen]:
    for name, properties in view.of(kind).items():
        if name not in ids:
            yield Seen(kind, name, "the resource itself", True, False)
            continue
        for what, (written, shown) in look(clients, ids[name], properties).items():
            yield Seen(kind, name, what, written, shown)


def _upload_code(s3: Client, view: View) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("empty.py", "")
    parameters = ENVIRONMENTS[view.environment]
    s3.create_bucket(Bucket=parameters["CodeBucket"])
    for key in (parameters["RecorderZip"], parameters["ReaderZip"]):
        s3.put_object(Bucket=parameters["CodeBucket"], Key=key, Body=buffer.getvalue())


def _for_moto(expanded: Template) -> Template:
    """Without the types that moto does not know; an alias's function takes its place."""
    aliases = {
        name: entry["Properties"]["FunctionName"]["Ref"]
        for name, entry in expanded["Resources"].items()
        if entry["Type"] == ALIAS
    }

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.get("Ref") in aliases:
            return {"Fn::GetAtt": [aliases[value["Ref"]], "Arn"]}
        return {key: change(one) for key, one in value.items()}

    resources = {
        name: change(entry)
        for name, entry in expanded["Resources"].items()
        if entry["Type"] not in NOT_ON_MOTO
    }
    return {**expanded, "Resources": resources}


# ---------------------------------------------------------------- what is looked at

Shown = dict[str, tuple[Any, Any]]
Look = Callable[[dict[str, Client], str, dict[str, Any]], Shown]


def _table(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    client = clients["dynamodb"]
    table = client.describe_table(TableName=name)["Table"]
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    protected = written["DeletionProtectionEnabled"]
    return {
        "keys": (written["KeySchema"], table["KeySchema"]),
        "attributes": (written["AttributeDefinitions"], table["AttributeDefinitions"]),
        "on demand": (True, table.get("BillingModeSummary") == {"BillingMode": "PAY_PER_REQUEST"}),
        "TTL": (True, ttl["TimeToLiveStatus"] == "ENABLED"),
        "SSE": (True, table.get("SSEDescription", {}).get("Status") == "ENABLED"),
        "no point-in-time recovery": (True, recovery == "DISABLED"),
        "deletion protection": (protected, table.get("DeletionProtectionEnabled")),
    }


def _queue(clients: dict[str, Client], url: str, written: dict[str, Any]) -> Shown:
    answer = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    shown = answer["Attributes"]
    redrive = json.loads(shown.get("RedrivePolicy", "{}"))
    allow = json.loads(shown.get("RedriveAllowPolicy", "{}"))
    found: Shown = {
        "retention": (written["MessageRetentionPeriod"], int(shown["MessageRetentionPeriod"])),
        "visibility": (written.get("VisibilityTimeout", 30), int(shown["VisibilityTimeout"])),
    }
    if "RedrivePolicy" in written:
        count = written["RedrivePolicy"]["maxReceiveCount"]
        found["redrive"] = (count, int(redrive.get("maxReceiveCount", 0)))
    if "RedriveAllowPolicy" in written:
        found["who may redrive"] = (written["RedriveAllowPolicy"], allow)
    if "KmsMasterKeyId" in written:
        found["SSE-KMS"] = (True, "arn:aws:kms" in shown.get("KmsMasterKeyId", ""))
    else:
        found["SSE-SQS"] = (True, shown.get("SqsManagedSseEnabled") == "true")
    return found


def _stream(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    shown = clients["kinesis"].describe_stream(StreamName=name)["StreamDescription"]
    mode = shown.get("StreamModeDetails")
    return {
        "retention": (written["RetentionPeriodHours"], shown["RetentionPeriodHours"]),
        "encryption": ("KMS", shown.get("EncryptionType")),
        "on demand": (written["StreamModeDetails"], mode),
    }


def _key(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    kms = clients["kms"]
    policy = kms.get_key_policy(KeyId=name, PolicyName="default")["Policy"]
    policy = json.loads(policy) if isinstance(policy, str) else policy  # moto hands out an object
    rotates = kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"]
    return {
        "rotation": (written["EnableKeyRotation"], rotates),
        "policy": (_said(written["KeyPolicy"]), _said(policy)),
    }


def _alias(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    # Listed, for moto's describe_key fails on a key whose policy came from CloudFormation.
    aliases = clients["kms"].list_aliases()["Aliases"]
    keys = {one["AliasName"]: one.get("TargetKeyId") for one in aliases}
    return {"its key": (True, bool(keys.get(written["AliasName"])))}


def _function(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    shown = clients["lambda"].get_function_configuration(FunctionName=name)
    variables = shown.get("Environment", {}).get("Variables", {})
    found: Shown = {
        "timeout": (written["Timeout"], shown["Timeout"]),
        "memory": (written["MemorySize"], shown["MemorySize"]),
        "variables": (
            sorted(written["Environment"]["Variables"]),
            sorted(variables),
        ),
        "tracing": (written["TracingConfig"], shown.get("TracingConfig")),
        "log group": (True, shown.get("LoggingConfig", {}).get("LogGroup", "").endswith(name)),
        "architecture": (written["Architectures"], shown.get("Architectures")),
    }
    if "Handler" in written:
        found["handler"] = (written["Handler"], shown.get("Handler"))
    else:
        found["image"] = ("Image", shown.get("PackageType"))
        command = shown.get("ImageConfigResponse", {}).get("ImageConfig", {}).get("Command")
        found["command"] = (written["ImageConfig"]["Command"], command)
    if "ReservedConcurrentExecutions" in written:
        answer = clients["lambda"].get_function_concurrency(FunctionName=name)
        reserved = answer.get("ReservedConcurrentExecutions")
        found["concurrency"] = (written["ReservedConcurrentExecutions"], reserved)
    return found


def _source(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    shown = clients["lambda"].get_event_source_mapping(UUID=name)
    return {
        part: (written[part], shown.get(part))
        for part in written
        if part not in ("EventSourceArn", "FunctionName", "DestinationConfig")
    } | {
        "EventSourceArn": (True, f":{ACCOUNT}:" in shown["EventSourceArn"]),
        "FunctionArn": (True, f":{ACCOUNT}:" in shown["FunctionArn"]),
        "OnFailure": (
            "DestinationConfig" in written,
            bool(shown.get("DestinationConfig", {}).get("OnFailure")),
        ),
    }


def _logs(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    (shown,) = clients["logs"].describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {"retention": (written["RetentionInDays"], shown.get("retentionInDays"))}


def _role(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    shown = clients["iam"].get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    policies = [
        clients["iam"].get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in clients["iam"].list_role_policies(RoleName=name)["PolicyNames"]
    ]
    whole = [one.get("Resource") for policy in policies for one in policy["Statement"]]
    return {
        "who assumes it": (_said(written["AssumeRolePolicyDocument"]), _said(shown)),
        "its policies": (True, bool(whole) and all(whole)),
    }


def _policy(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    iam = clients["iam"]
    for role in iam.list_roles()["Roles"]:
        names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        if written["PolicyName"] in names:
            answer = iam.get_role_policy(
                RoleName=role["RoleName"], PolicyName=written["PolicyName"]
            )
            shown = answer["PolicyDocument"]
            return {"statements": (_said(written["PolicyDocument"]), _said(shown))}
    return {"statements": (_said(written["PolicyDocument"]), None)}


def _managed(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    version = clients["iam"].get_policy_version(PolicyArn=name, VersionId="v1")
    shown = version["PolicyVersion"]["Document"]
    return {"statements": (_said(written["PolicyDocument"]), _said(shown))}


def _topic(clients: dict[str, Client], name: str, written: dict[str, Any]) -> Shown:
    shown = clients["sns"].get_topic_attributes(TopicArn=name)["Attributes"]
    return {"SSE": (True, bool(shown.get("KmsMasterKeyId")))}


def _said(document: dict[str, Any]) -> list[tuple[list[str], Any]]:
    """Actions and conditions of each statement; resources have become ARNs meanwhile."""
    found = []
    for one in document["Statement"]:
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        found.append((actions, one.get("Condition")))
    return found


LOOKS: Final[dict[str, Look]] = {
    TABLE: _table,
    KEY: _key,
    "AWS::KMS::Alias": _alias,
    QUEUE: _queue,
    STREAM: _stream,
    FUNCTION: _function,
    SOURCE_MAPPING: _source,
    "AWS::Logs::LogGroup": _logs,
    "AWS::IAM::Role": _role,
    POLICY: _policy,
    MANAGED_POLICY: _managed,
    TOPIC: _topic,
}
