"""Templates that are wrong in one place each, to see that the rule for it says so.

A check that cannot fail proves nothing: every fault must be found by the rule that it names, and
the template without it by none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from infra import rules, shipped
from infra.allowed import ENCODER, TURN_KEY
from infra.view import ALARM, FUNCTION, View

Resources = dict[str, Any]


Change = Callable[[Resources], None]
"""Breaks the resources of a template in place."""


def put(path: str, value: Any) -> Change:
    """Set a property, given as `Resource/Property/...`."""

    def change(resources: Resources) -> None:
        place, last = _place(resources, path)
        place[last] = value

    return change


def drop(path: str) -> Change:
    """Remove a property; `Resource` alone removes the resource."""

    def change(resources: Resources) -> None:
        place, last = _place(resources, path)
        del place[last]

    return change


def attribute(name: str, key: str, value: Any) -> Change:
    """Set what stands beside the properties of a resource."""

    def change(resources: Resources) -> None:
        resources[name][key] = value

    return change


def add(path: str, statement: Any) -> Change:
    """Add a statement to the document at `Resource/Property`."""

    def change(resources: Resources) -> None:
        place, last = _place(resources, path)
        place[last]["Statement"].append(statement)

    return change


def allow(policy: str, action: str, resource: Any) -> Change:
    """Add a statement to a policy."""

    statement = {"Effect": "Allow", "Action": [action], "Resource": resource}
    return add(f"{policy}/PolicyDocument", statement)


def _place(resources: Resources, path: str) -> tuple[Any, Any]:
    name, *parts = path.split("/")
    if not parts:
        return resources, name
    place: Any = resources[name]["Properties"]
    for part in parts[:-1]:
        place = place[int(part)] if isinstance(place, list) else place[part]
    return place, int(parts[-1]) if isinstance(place, list) else parts[-1]


_STATUS_ARN: Final = {"Fn::GetAtt": ["StatusTable", "Arn"]}
_RECORD_KEY: Final = "RecordEventPolicy/PolicyDocument/Statement/2/Condition"
_INVOKE: Final = "RecordEventPolicy/PolicyDocument/Statement/6/Resource"
_TURN_POLICY: Final = f"{TURN_KEY}/KeyPolicy/Statement"
_TRUST: Final = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
_BARE_FUNCTION: Final = {"Type": FUNCTION, "Properties": {"Role": {"Ref": "NewRole"}}}
_BARE_ROLE: Final[dict[str, Any]] = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Statement": [{"Principal": {}}]}},
}
_STREAM: Final = "RecordEventFunctionStream"

FAULTS: Final[dict[str, dict[str, Change]]] = {
    "tables": {
        "no TTL": drop("StatusTable/TimeToLiveSpecification"),
        "TTL off": put("PayloadTable/TimeToLiveSpecification/Enabled", False),
        "no SSE": drop("PayloadTable/SSESpecification"),
        "point-in-time recovery": put(
            "StatusTable/PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": True}
        ),
        "a stream of the table": put("StatusTable/StreamSpecification", {}),
        "no deletion protection": drop("StatusTable/DeletionProtectionEnabled"),
        "provisioned table": drop("StatusTable/BillingMode"),
    },
    "keys": {
        "no key rotation": put(f"{TURN_KEY}/EnableKeyRotation", False),
        "no key alias": drop("TransportKeyAlias"),
        "data keys for any turn": drop(_RECORD_KEY),
        "interaction not demanded": drop(f"{_RECORD_KEY}/Null/kms:EncryptionContext:interaction"),
        "other names in the context": drop(f"{_RECORD_KEY}/ForAllValues:StringEquals"),
        "key policy for any turn": drop(f"{_TURN_POLICY}/1/Condition"),
        "key policy for the account": put(f"{_TURN_POLICY}/2/Principal/AWS", "arn:aws:iam::1:root"),
        "administrators may decrypt": put(f"{_TURN_POLICY}/0/Action/0", "kms:Decrypt"),
        "transport key for anything": drop("TransportKey/KeyPolicy/Statement/1/Condition"),
        "no turn key": drop(TURN_KEY),
        "turn key goes with the stack": attribute(TURN_KEY, "DeletionPolicy", "Delete"),
        "alarms may not use their topic's key": drop("TransportKey/KeyPolicy/Statement/2"),
        "topic in clear": drop("AlarmTopic/KmsMasterKeyId"),
    },
    "statements": {
        "a denial": add(
            "SweepPolicy/PolicyDocument",
            {"Effect": "Deny", "Action": ["dynamodb:Query"], "Resource": _STATUS_ARN},
        ),
        "a name for an ARN": put(
            "SweepPolicy/PolicyDocument/Statement/0/Resource", {"Ref": "StatusTable"}
        ),
        "wildcard action": allow("SweepPolicy", "dynamodb:*", _STATUS_ARN),
        "wildcard in a name": allow("SweepPolicy", "dynamodb:Get*", _STATUS_ARN),
        "wildcard resource": allow("SweepPolicy", "dynamodb:Query", "*"),
        "wildcard in an ARN": allow("SweepPolicy", "sqs:SendMessage", "arn:aws:sqs:*"),
        "wildcard key administration": put(f"{_TURN_POLICY}/0/Action/0", "kms:*"),
        "anybody may use the key": put(f"{_TURN_POLICY}/1/Principal", "*"),
        "all but one action": put(
            "SweepPolicy/PolicyDocument/Statement/0/NotAction", "dynamodb:Scan"
        ),
    },
    "least_privilege": {
        "one action too many": allow("RescorePolicy", "dynamodb:Scan", _STATUS_ARN),
        "one action too few": put("GetContextPolicy/PolicyDocument/Statement/1/Action", []),
        "a role of AWS's making": put(
            "SweepRole/ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
        ),
        "a shared role": put("RescoreFunction/Role", {"Ref": "GetContextRole"}),
        "a role for others": put(
            "SweepRole/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "1"}
        ),
        "a role for others as well": add("SweepRole/AssumeRolePolicyDocument", _TRUST),
        "a role for nobody": put("SweepRole/AssumeRolePolicyDocument/Statement", []),
        "denied what it needs": put("SweepPolicy/PolicyDocument/Statement/0/Effect", "Deny"),
        "the encoder by its bare name": put(
            _INVOKE, {"Fn::GetAtt": ["EmbedContextFunction", "Arn"]}
        ),
        "no policy for readers": drop("ReaderPolicy"),
        "a policy inside the role": put("SweepRole/Policies", [{}]),
        "a function without a row": put("NewFunction", _BARE_FUNCTION),
        "a role without a function": put("NewRole", _BARE_ROLE),
    },
    "queues": {
        "queue in clear": drop("EventsQueue/KmsMasterKeyId"),
        "dead letters in clear": drop("EventsDeadLetters/KmsMasterKeyId"),
        "sweep queue in clear": drop("SweepQueue/SqsManagedSseEnabled"),
        "dead letters for a fortnight": put("EventsDeadLetters/MessageRetentionPeriod", 1209600),
        "no dead-letter queue": drop("SweepQueue/RedrivePolicy"),
        "dead-letter queue elsewhere": put(
            "EventsQueue/RedrivePolicy/deadLetterTargetArn", "arn:x"
        ),
        "gives up at once": put("EventsQueue/RedrivePolicy/maxReceiveCount", 1),
        "forgets before it gives up": put("EventsQueue/RedrivePolicy/maxReceiveCount", 100),
        "dead letters die first": put("SweepDeadLetters/MessageRetentionPeriod", 3600),
        "letters from anywhere": drop("EventsDeadLetters/RedriveAllowPolicy"),
        "failed calls in clear": drop("AsyncFailures/KmsMasterKeyId"),
        "failed calls for a day more": put("AsyncFailures/MessageRetentionPeriod", 64801),
        "stream in clear": drop("EventsStream/StreamEncryption"),
        "stream for a week": put("EventsStream/RetentionPeriodHours", 168),
    },
    "event_sources": {
        "visibility too short": put("EventsQueue/VisibilityTimeout", 179),
        "function too slow for its queue": put("SweepFunction/Timeout", 31),
        "batching not counted": put("SweepFunctionQueue/MaximumBatchingWindowInSeconds", 1),
        "whole batches return": drop("RecordEventFunctionQueue/FunctionResponseTypes"),
        "whole records return": drop(f"{_STREAM}/FunctionResponseTypes"),
        "no bisecting": drop(f"{_STREAM}/BisectBatchOnFunctionError"),
        "endless retries": drop(f"{_STREAM}/MaximumRetryAttempts"),
        "endless age": drop(f"{_STREAM}/MaximumRecordAgeInSeconds"),
        "no failure destination": drop(f"{_STREAM}/DestinationConfig"),
        "nobody sweeps": drop("SweepFunctionQueue"),
        "nobody reads the stream": drop(_STREAM),
        "calls that are lost": drop("RecordEventFunctionEventInvokeConfig"),
        "calls that are lost with their destination": put(
            "RecordEventFunctionEventInvokeConfig/DestinationConfig", {}
        ),
        "recorder outlived": put("EmbedContextFunction/Timeout", 29),
    },
    "concurrency": {
        "unbounded": drop("RescoreFunction/ReservedConcurrentExecutions"),
        "a queue without a bound": drop("SweepFunctionQueue/ScalingConfig"),
        "a queue that asks for one too many": put(
            "SweepFunctionQueue/ScalingConfig/MaximumConcurrency", 21
        ),
        "more than an account has": put("RecordEventFunction/ReservedConcurrentExecutions", 481),
        "no encoder kept warm": drop(f"{ENCODER}/ProvisionedConcurrencyConfig"),
    },
    "functions": {
        "logs for ever": drop("SweepLogs/RetentionInDays"),
        "a log group by chance": drop("SweepFunction/LoggingConfig"),
        "no tracing": drop("RescoreFunction/TracingConfig"),
        "events in the logs": put(
            "SweepFunction/Environment/Variables/POWERTOOLS_LOGGER_LOG_EVENT", "true"
        ),
        "another key": put("SweepFunction/Environment/Variables/CTXASR_KMS_KEY", "alias/other"),
        "recorder without encoder": drop(
            "RecordEventFunction/Environment/Variables/CTXASR_EMBED_FUNCTION"
        ),
        "a sweep that cannot wait": drop(
            "SweepFunction/Environment/Variables/CTXASR_SWEEP_QUEUE_URL"
        ),
        "the encoder without its alias": put(
            "RecordEventFunction/Environment/Variables/CTXASR_EMBED_FUNCTION",
            {"Ref": "EmbedContextFunction"},
        ),
        "a variable that never arrives": put(
            "EmbedContextFunction/Environment/Variables/CTXASR_PAYLOAD_TTL_S", 3600
        ),
        "encoder in a zip": drop("EmbedContextFunction/PackageType"),
    },
    "alarms": {
        "an alarm without a page": put("NewAlarm", {"Type": ALARM, "Properties": {}}),
        "no alarm on misses": drop("MissedShareAlarm"),
        "no alarm on throttles": drop("PayloadThrottlesAlarm"),
        "no alarm on dead letters": drop("SweepDeadLettersAlarm"),
        "no alarm on failed calls": drop("AsyncFailuresAlarm"),
        "no alarm on waiting events": drop("EventsWaitingAlarm"),
        "no alarm on costs": drop("RecordedPerHourAlarm"),
        "an alarm that calls nobody": put("IteratorAgeAlarm/AlarmActions", []),
        "an alarm that never rings": put("EventsDeadLettersAlarm/Threshold", 1e9),
        "an alarm the wrong way round": put(
            "StoreUnavailableAlarm/ComparisonOperator", "LessThanThreshold"
        ),
        "an alarm on another namespace": put(
            "MissedShareAlarm/Metrics/1/MetricStat/Metric/Namespace", "AWS/Lambda"
        ),
        "an alarm on another dimension": put("EventsWaitingAlarm/Dimensions/0/Name", "Queue"),
    },
    "code": {
        "TTL on another attribute": put(
            "PayloadTable/TimeToLiveSpecification/AttributeName", "expires"
        ),
        "another key": put("StatusTable/KeySchema/1/AttributeName", "turn"),
        "another table": put("StatusTable/TableName", "ctxasr-prod-status"),
        "a misspelt handler": put("SweepFunction/Handler", "ctxasr.lambdas.sweeps"),
        "a handler of another": put("SweepFunction/Handler", "ctxasr.lambdas.rescore"),
        "a misspelt variable": put("SweepFunction/Environment/Variables/CTXASR_TTL", 1),
        "another time-out than the caller's": put("EmbedContextFunction/Timeout", 14),
        "a misspelt metric": put("ContextAgeAlarm/MetricName", "ContextAge"),
    },
}
"""Rule (`code` is all of shipped.py) to the faults that it has to find, and how each is made."""


def survivors(view: View) -> list[str]:
    """The faults that their rule does not find in this environment's template."""
    missed = []
    before = _findings(view)
    for rule, faults in FAULTS.items():
        for fault, break_it in faults.items():
            template = copy.deepcopy(view.template)
            try:
                break_it(template["Resources"])
            except (LookupError, TypeError, ValueError) as error:
                missed.append(f"{fault}: there is nothing to break: {error!r}")
                continue
            after = _findings(View(view.environment, template))
            if not set(after[rule]) - set(before[rule]):
                missed.append(f"{fault}: {rule} does not see it")
    return missed


def _findings(view: View) -> dict[str, list[str]]:
    return rules.findings(view) | {"code": rules.judged(shipped.differences, view)}
