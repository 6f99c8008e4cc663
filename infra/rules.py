"""What must hold of the resolved template: one rule a function, one sentence a finding.

faults.py breaks a template once for each rule and sees to it that the rule says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from infra.allowed import ALLOWED, EVERYWHERE, FOR_OTHERS, WITHOUT_RESOURCE
from infra.view import (
    ALARM,
    FUNCTION,
    HERE,
    KEY,
    MANAGED_POLICY,
    POLICY,
    QUEUE,
    SOURCE_MAPPING,
    STREAM,
    TABLE,
    Grant,
    View,
)

VISIBILITY_FACTOR: Final = 6
"""A queue hides a message six times as long as its function may run, as AWS recommends."""

RECEIVES_MIN: Final = 5
"""Deliveries before a message is given up, as AWS recommends for Lambda."""

TEXT_RETENTION_S_MAX: Final = 86_400
"""Longest that a queue or stream may keep what a customer said; Kinesis knows no shorter time."""

LOG_DAYS_MAX: Final = 30

STREAM_RETRIES_MAX: Final = 10

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

WITH_TEXTS: Final = ("EventsQueue", "EventsDeadLetters")
"""The queues whose messages hold what was said."""

OF_OURS: Final = ("MissedTurns", "EmbeddedTurns", "ContextAgeMs", "StoreUnavailable")
"""Metrics of ctxasr that some alarm has to watch."""

Rule = Callable[[View], Iterator[str]]


def tables(view: View) -> Iterator[str]:
    """TTL on, SSE on, no point-in-time recovery; deletion protection in prod."""
    found = view.of(TABLE)
    if set(found) != {"StatusTable", "PayloadTable"}:
        yield f"two tables are expected, not {sorted(found)}"
    for name, table in found.items():
        if table.get("TimeToLiveSpecification", {}).get("Enabled") is not True:
            yield f"{name} has no TTL: expired payloads would stay"
        if table.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name} has no SSE under KMS"
        if "PointInTimeRecoverySpecification" in table:
            yield f"{name} has point-in-time recovery: it keeps shredded keys and expired payloads"
        if "StreamSpecification" in table or "KinesisStreamSpecification" in table:
            yield f"{name} has a stream: it keeps shredded keys for a day"
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} is not on demand"
        if bool(table.get("DeletionProtectionEnabled")) is not view.is_prod:
            yield f"{name}: deletion protection is for prod, and only there"


def keys(view: View) -> Iterator[str]:
    """Rotation; the turn key only for named turns, only for the functions that need it."""
    for name, key in view.of(KEY).items():
        if key.get("EnableKeyRotation") is not True:
            yield f"{name} does not rotate"
        named = [view.target(one["TargetKeyId"]) for one in view.of("AWS::KMS::Alias").values()]
        if name not in named:
            yield f"{name} has no alias"
    data = [one for one in view.grants("TurnKey") if set(one.actions) & DATA_KEY_ACTIONS]
    for grant in data:
        if grant.conditions != TURN:
            yield f"TurnKey's policy allows {_said(grant)} without naming a turn"
    for action in sorted(DATA_KEY_ACTIONS):
        granted = {role for one in data if action in one.actions for role in one.principals}
        needed = {
            view.role_of(name) for name, may in ALLOWED.items() if action in may.get("TurnKey", ())
        }
        if granted != needed:
            yield f"TurnKey's policy gives {action} to {sorted(granted)}, not {sorted(needed)}"
    for policy in [*view.of(POLICY), *view.of(MANAGED_POLICY)]:
        for grant in view.grants(policy):
            if "TurnKey" in grant.resources and grant.conditions != TURN:
                yield f"{policy} allows {_said(grant)} on TurnKey without naming a turn"
    for grant in view.grants("TransportKey"):
        if set(grant.actions) & DATA_KEY_ACTIONS and not grant.conditions:
            yield f"TransportKey's policy allows {_said(grant)} outside messages"


def no_wildcards(view: View) -> Iterator[str]:
    """No wildcard in an action, none in a resource but where AWS knows nothing narrower."""
    for name, statement in view.statements():
        if {"NotAction", "NotResource", "NotPrincipal"} & set(statement):
            yield f"{name} allows all but something"
        actions = statement.get("Action", [])
        actions = actions if isinstance(actions, list) else [actions]
        for action in actions:
            if "*" in action or "?" in action:
                yield f"{name} allows {action}"
        resources = str(statement.get("Resource", ""))
        its_own_key = name in view.of(KEY)  # in a key's policy '*' is that key
        if "*" in resources and not its_own_key and not set(actions) <= set(WITHOUT_RESOURCE):
            yield f"{name} allows {', '.join(actions)} on {resources}"
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
            yield f"{name} has policies beside the one that is written out"
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        if trust["Principal"] != {"Service": "lambda.amazonaws.com"}:
            yield f"{name} trusts {trust['Principal']}"
    for name in view.of(FUNCTION):
        expected = _pairs(ALLOWED.get(name, {}))
        logs = view.target(view.properties(name).get("LoggingConfig", {}).get("LogGroup"))
        expected |= {(logs, action) for action in EVERYWHERE}
        expected |= {("*", action) for action in WITHOUT_RESOURCE}
        yield from _differences(name, _granted(view.grants_to(view.role_of(name))), expected)
    for name in view.of(MANAGED_POLICY):
        expected = _pairs(FOR_OTHERS.get(name, {}))
        yield from _differences(name, _granted(view.grants(name)), expected)


def queues(view: View) -> Iterator[str]:
    """Every queue that a function reads gives up at last, into a queue that keeps it longer."""
    for name, queue in view.of(QUEUE).items():
        encrypted = (
            view.target(queue.get("KmsMasterKeyId")) == "TransportKey"
            if name in WITH_TEXTS
            else queue.get("SqsManagedSseEnabled") is True
        )
        if not encrypted:
            yield f"{name} is not encrypted as it should be"
        if name in WITH_TEXTS and queue.get("MessageRetentionPeriod", 0) > TEXT_RETENTION_S_MAX:
            yield f"{name} keeps texts for more than {TEXT_RETENTION_S_MAX} s"
    for name in sorted(_read_queues(view)):
        queue = view.properties(name)
        redrive = queue.get("RedrivePolicy", {})
        dead_name = view.target(redrive.get("deadLetterTargetArn"))
        dead = view.of(QUEUE).get(dead_name)
        if dead is None:
            yield f"{name} has no dead-letter queue"
            continue
        receives = redrive.get("maxReceiveCount", 0)
        if receives < RECEIVES_MIN:
            yield f"{name} gives up after {receives} deliveries; {RECEIVES_MIN} would be right"
        if receives * queue.get("VisibilityTimeout", 30) >= queue["MessageRetentionPeriod"]:
            yield f"{name} forgets a failing message before {dead_name} gets it"
        if dead["MessageRetentionPeriod"] <= queue["MessageRetentionPeriod"]:
            yield f"{dead_name} keeps messages no longer than {name}"
        allow = dead.get("RedriveAllowPolicy", {})
        sources = [arn.rsplit(":", 1)[1] for arn in allow.get("sourceQueueArns", [])]
        if allow.get("redrivePermission") != "byQueue" or sources != [queue["QueueName"]]:
            yield f"{dead_name} accepts letters from others than {name}"
    for name, stream in view.of(STREAM).items():
        encryption = stream.get("StreamEncryption", {})
        if view.target(encryption.get("KeyId")) != "TransportKey":
            yield f"{name} is not encrypted under TransportKey"
        if stream.get("RetentionPeriodHours", 24) * 3600 > TEXT_RETENTION_S_MAX:
            yield f"{name} keeps texts for more than {TEXT_RETENTION_S_MAX} s"


def event_sources(view: View) -> Iterator[str]:
    """Visibility timeouts fit the functions; one bad message fails alone."""
    sources = view.of(SOURCE_MAPPING)
    read = {
        (view.target(s["FunctionName"]), view.target(s["EventSourceArn"])) for s in sources.values()
    }
    expected = {
        ("RecordEventFunction", "EventsQueue"),
        ("RecordEventFunction", "EventsStream"),
        ("SweepFunction", "SweepQueue"),
    }
    if read != expected:
        yield f"event sources {sorted(read)}, expected {sorted(expected)}"
    for name, source in sources.items():
        function = view.target(source["FunctionName"])
        timeout_s = view.properties(function)["Timeout"]
        if source.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one bad message would return its whole batch"
        origin = view.target(source["EventSourceArn"])
        if origin in view.of(QUEUE):
            hidden_s = view.properties(origin).get("VisibilityTimeout", 30)
            needed_s = VISIBILITY_FACTOR * timeout_s
            needed_s += source.get("MaximumBatchingWindowInSeconds", 0)
            if hidden_s < needed_s:
                yield f"{origin} hides messages for {hidden_s} s; {function} needs {needed_s} s"
            continue
        failures = source.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if view.target(failures) not in view.of(QUEUE):
            yield f"{name}: records that are given up leave no trace"
        if source.get("BisectBatchOnFunctionError") is not True:
            yield f"{name}: one bad record would hold up its batch"
        if not 0 <= source.get("MaximumRetryAttempts", -1) <= STREAM_RETRIES_MAX:
            yield f"{name}: a bad record would hold up its shard for a day"
        if not 0 < source.get("MaximumRecordAgeInSeconds", -1) <= TEXT_RETENTION_S_MAX:
            yield f"{name}: records are tried however old they are"
    embed_s = view.properties("EmbedContextFunction")["Timeout"]
    record_s = view.properties("RecordEventFunction")["Timeout"]
    if record_s < 2 * embed_s:
        yield f"RecordEventFunction ({record_s} s) may end before EmbedContext ({embed_s} s) does"


def functions(view: View) -> Iterator[str]:
    """Logs that end, traces, bounded concurrency in prod, and the variables that the code reads."""
    for name, function in view.of(FUNCTION).items():
        group = view.target(function.get("LoggingConfig", {}).get("LogGroup"))
        days = view.properties(group).get("RetentionInDays")
        if days is None or days > LOG_DAYS_MAX:
            yield f"{name}: its logs are kept for {days or 'unlimited'} days"
        if function.get("TracingConfig") != {"Mode": "Active"}:
            yield f"{name} is not traced"
        if view.is_prod and not function.get("ReservedConcurrentExecutions"):
            yield f"{name}: a burst of it could starve the others"
        variables = function.get("Environment", {}).get("Variables", {})
        expected = {
            "CTXASR_ENDPOINT_URL": "aws",
            "CTXASR_TABLE_PREFIX": f"ctxasr-{view.environment}",
            "POWERTOOLS_SERVICE_NAME": f"ctxasr-{view.environment}",
            "POWERTOOLS_METRICS_NAMESPACE": "ctxasr",
            "POWERTOOLS_LOGGER_LOG_EVENT": "false",
        }
        for variable, value in expected.items():
            if variables.get(variable) != value:
                yield f"{name}: {variable} is {variables.get(variable)!r}, not {value!r}"
        if view.target(variables.get("CTXASR_KMS_KEY")) != "TurnKey":
            yield f"{name}: CTXASR_KMS_KEY is not TurnKey"
    recorder = view.properties("RecordEventFunction")["Environment"]["Variables"]
    if view.target(recorder.get("CTXASR_EMBED_FUNCTION")) != "EmbedContextFunction":
        yield "RecordEventFunction does not know EmbedContextFunction"
    if view.target(recorder.get("CTXASR_SWEEP_QUEUE_URL")) != "SweepQueue":
        yield "RecordEventFunction does not know SweepQueue"
    embed = view.properties("EmbedContextFunction")
    if embed.get("PackageType") != "Image":
        yield "EmbedContextFunction is no image: torch does not fit into a zip"
    for variable in {"CTXASR_PAYLOAD_TTL_S", "CTXASR_READ_BUDGET_MS"} & set(
        embed["Environment"]["Variables"]
    ):
        # SAM makes a new version of it only for a new image.
        yield f"EmbedContextFunction: a change of {variable} would not reach its alias"


def alarms(view: View) -> Iterator[str]:
    """Everything that can go wrong has an alarm, and every alarm a page in the runbook."""
    runbook = (HERE / "RUNBOOK.md").read_text(encoding="utf-8")
    found = view.of(ALARM)
    watched = {
        (metric["MetricName"], view.target(dimension["Value"]))
        for alarm in found.values()
        for metric in view.metrics(alarm)
        for dimension in metric["Dimensions"]
    }
    service = f"ctxasr-{view.environment}"
    needed = {
        (m, service) for m in ("MissedTurns", "EmbeddedTurns", "ContextAgeMs", "StoreUnavailable")
    }
    needed |= {
        (m, t) for t in view.of(TABLE) for m in ("ReadThrottleEvents", "WriteThrottleEvents")
    }
    needed |= {(m, f) for f in view.of(FUNCTION) for m in ("Errors", "Throttles")}
    needed |= {("ApproximateNumberOfMessagesVisible", q) for q in _given_up(view)}
    needed |= {("IteratorAge", "RecordEventFunction")}
    for metric, name in sorted(needed - watched):
        yield f"no alarm watches {metric} of {name}"
    for name, alarm in found.items():
        if not alarm.get("AlarmActions") or bool(alarm.get("ActionsEnabled")) is not view.is_prod:
            yield f"{name}: it calls nobody in prod, or somebody in dev"
        heading = name.removesuffix("Alarm")
        if not re.search(rf"^### {heading}$", runbook, re.MULTILINE):
            yield f"{name}: RUNBOOK.md has no heading '### {heading}'"


RULES: Final[tuple[Rule, ...]] = (
    tables,
    keys,
    no_wildcards,
    least_privilege,
    queues,
    event_sources,
    functions,
    alarms,
)


def findings(view: View) -> dict[str, list[str]]:
    """Rule name to what it found wrong."""
    return {rule.__name__: list(rule(view)) for rule in RULES}


# ---------------------------------------------------------------- inside


def _said(grant: Grant) -> str:
    return ", ".join(grant.actions)


def _pairs(may: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {(resource, action) for resource, actions in may.items() for action in actions}


def _granted(grants: list[Grant]) -> set[tuple[str, str]]:
    return {(r, action) for one in grants for r in one.resources for action in one.actions}


def _differences(
    name: str, granted: set[tuple[str, str]], expected: set[tuple[str, str]]
) -> Iterator[str]:
    for resource, action in sorted(granted - expected):
        yield f"{name} may {action} on {resource}, which allowed.py does not list"
    for resource, action in sorted(expected - granted):
        yield f"{name} may not {action} on {resource}, which it needs"


def _read_queues(view: View) -> set[str]:
    sources = [view.target(one["EventSourceArn"]) for one in view.of(SOURCE_MAPPING).values()]
    return set(sources) & set(view.of(QUEUE))


def _given_up(view: View) -> set[str]:
    """Where messages end that nobody could handle: all queues that no function reads."""
    return set(view.of(QUEUE)) - _read_queues(view)
