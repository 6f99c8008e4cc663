"""What must hold of the resolved template: one rule a function, one sentence a finding.

Those about keys and permissions are in access.py.

faults.py breaks a template once for each rule and sees to it that the rule says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from infra.access import keys, least_privilege, statements
from infra.allowed import ENCODER, TURN_KEY
from infra.view import (
    ALARM,
    ALIAS,
    ASYNC_CALLS,
    FUNCTION,
    HERE,
    QUEUE,
    SOURCE_MAPPING,
    STREAM,
    TABLE,
    View,
)

VISIBILITY_FACTOR: Final = 6
"""A queue hides a message six times as long as its function may run, as AWS recommends."""

RECEIVES_MIN: Final = 5
"""Deliveries before a message is given up, as AWS recommends for Lambda."""

TEXT_RETENTION_S_MAX: Final = 86_400
"""Longest that a queue or stream may keep what a customer said; Kinesis knows no shorter time."""

ASYNC_AGE_S_MAX: Final = 21_600
"""Longest that Lambda's own queue keeps an asynchronous call."""

WITH_TEXTS: Final = {
    "EventsQueue": TEXT_RETENTION_S_MAX,
    "EventsDeadLetters": TEXT_RETENTION_S_MAX,
    "AsyncFailures": TEXT_RETENTION_S_MAX - ASYNC_AGE_S_MAX,
}
"""The queues whose messages hold what was said, to the longest that they may keep them, seconds."""

LOG_DAYS_MAX: Final = 30

STREAM_RETRIES_MAX: Final = 10
"""More, and a bad record holds up its shard; fewer, and the stream waits for no outage."""

RESERVED_MAX: Final = 900
"""Concurrency that all functions may reserve: an account's usual 1,000 less the 100 that AWS keeps
for functions without a reservation."""

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
        if queue.get("MessageRetentionPeriod", 345_600) > WITH_TEXTS.get(name, 345_600):
            yield f"{name} keeps texts for more than {WITH_TEXTS[name]} s"
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
    """Visibility timeouts fit the functions; one bad message fails alone; no event is lost."""
    sources = view.of(SOURCE_MAPPING)
    read = {
        (view.target(s["FunctionName"]), view.target(s["EventSourceArn"])) for s in sources.values()
    }
    expected = {
        ("RecordEventFunction", "EventsQueue"),
        ("SweepFunction", "SweepQueue"),
    }
    expected |= {("RecordEventFunction", stream) for stream in view.of(STREAM)}
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
    kept = [
        view.target(one.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        for one in view.of(ASYNC_CALLS).values()
        if view.target(one["FunctionName"]) == "RecordEventFunction"
        and one["Qualifier"] == "$LATEST"
    ]
    if kept != ["AsyncFailures"]:
        yield "RecordEventFunction: an asynchronous call that fails is lost"
    embed_s = view.properties("EmbedContextFunction")["Timeout"]
    record_s = view.properties("RecordEventFunction")["Timeout"]
    if record_s < 2 * embed_s:
        yield f"RecordEventFunction ({record_s} s) may end before EmbedContext ({embed_s} s) does"


def concurrency(view: View) -> Iterator[str]:
    """In prod each function has its share; no queue asks for more of it than there is."""
    queues_ask: dict[str, int] = {}
    for name, source in view.of(SOURCE_MAPPING).items():
        if view.target(source["EventSourceArn"]) not in view.of(QUEUE):
            continue  # a stream waits while Lambda turns its batches away; none of them is counted
        most = source.get("ScalingConfig", {}).get("MaximumConcurrency")
        if most is None:
            yield f"{name}: nothing bounds how many batches it has worked on at once"
        function = view.target(source["FunctionName"])
        queues_ask[function] = queues_ask.get(function, 0) + (most or 0)
    if not view.is_prod:
        return
    reserved: dict[str, int] = {
        name: function.get("ReservedConcurrentExecutions", 0)
        for name, function in view.of(FUNCTION).items()
    }
    for name, share in reserved.items():
        if not share:
            yield f"{name}: a burst of it could starve the others"
        elif queues_ask.get(name, 0) > share:
            # What Lambda turns away is hidden again, and has used up one of its deliveries.
            yield f"{name} reserves {share}, its queues ask for {queues_ask[name]} at once"
    if sum(reserved.values()) > RESERVED_MAX:
        yield f"{sum(reserved.values())} reserved in all; an account has {RESERVED_MAX} to give"
    warm = view.properties(ENCODER).get("ProvisionedConcurrencyConfig", {})
    if not 0 < warm.get("ProvisionedConcurrentExecutions", 0) <= reserved["EmbedContextFunction"]:
        yield f"{ENCODER}: none, or more than is reserved, is kept warm"


def functions(view: View) -> Iterator[str]:
    """Logs that end, traces, and the variables that the code reads."""
    for name, function in view.of(FUNCTION).items():
        group = view.target(function.get("LoggingConfig", {}).get("LogGroup"))
        days = view.properties(group).get("RetentionInDays")
        if days is None or days > LOG_DAYS_MAX:
            yield f"{name}: its logs are kept for {days or 'unlimited'} days"
        if function.get("TracingConfig") != {"Mode": "Active"}:
            yield f"{name} is not traced"
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
        if variables.get("CTXASR_KMS_KEY") != {"Fn::GetAtt": [TURN_KEY, "Arn"]}:
            yield f"{name}: CTXASR_KMS_KEY is not {TURN_KEY}"
    recorder = view.properties("RecordEventFunction")["Environment"]["Variables"]
    if ENCODER not in view.of(ALIAS) or recorder.get("CTXASR_EMBED_FUNCTION") != {"Ref": ENCODER}:
        yield f"RecordEventFunction does not call {ENCODER}, which is what it may call"
    sweeper = view.properties("SweepFunction")["Environment"]["Variables"]
    for name, variables in (("RecordEventFunction", recorder), ("SweepFunction", sweeper)):
        if variables.get("CTXASR_SWEEP_QUEUE_URL") != {"Ref": "SweepQueue"}:
            yield f"{name} does not know SweepQueue"
    embed = view.properties("EmbedContextFunction")
    if embed.get("PackageType") != "Image":
        yield "EmbedContextFunction is no image: torch does not fit into a zip"
    for variable in {"CTXASR_PAYLOAD_TTL_S", "CTXASR_READ_BUDGET_MS"} & set(
        embed["Environment"]["Variables"]
    ):
        # SAM makes a new version of it only for a new image.
        yield f"EmbedContextFunction: a change of {variable} would not reach its alias"


def alarms(view: View) -> Iterator[str]:
    """Everything that can go wrong has an alarm that can ring, and every alarm a page."""
    runbook = (HERE / "RUNBOOK.md").read_text(encoding="utf-8")
    thresholds: dict[Watched, list[float]] = {}
    for name, alarm in view.of(ALARM).items():
        if not alarm.get("AlarmActions") or bool(alarm.get("ActionsEnabled")) is not view.is_prod:
            yield f"{name}: it calls nobody in prod, or somebody in dev"
        if not str(alarm.get("ComparisonOperator")).startswith("GreaterThan"):
            yield f"{name}: it rings when little is wrong"
        heading = name.removesuffix("Alarm")
        if not re.search(rf"^### {heading}$", runbook, re.MULTILINE):
            yield f"{name}: RUNBOOK.md has no heading '### {heading}'"
        for metric in view.metrics(alarm):
            for dimension in metric["Dimensions"]:
                of = view.target(dimension["Value"])
                watched = metric["Namespace"], metric["MetricName"], dimension["Name"], of
                thresholds.setdefault(watched, []).append(alarm["Threshold"])
    for needed, most in sorted(_to_watch(view).items()):
        found, (space, measured, by, of) = thresholds.get(needed), needed
        if found is None:
            yield f"no alarm watches {measured} of {of} ({space}, {by})"
        elif min(found) > most:
            yield f"the alarm on {measured} of {of} rings at {min(found)}; {most} would be right"


Watched = tuple[str, str, str, str]
"""Namespace, metric, dimension, and whose metric it is."""


def _to_watch(view: View) -> dict[Watched, float]:
    """What an alarm has to watch, to the highest threshold at which it is still of use."""
    given_up = set(view.of(QUEUE)) - _read_queues(view)  # where nobody reads, things ended badly
    ours = {"MissedTurns": 0.05, "EmbeddedTurns": 0.05, "ContextAgeMs": 60_000}
    ours |= {"StoreUnavailable": 10, "Recorded": math.inf}  # what is spent is a matter of taste
    refused = {"ReadThrottleEvents": 0.0, "WriteThrottleEvents": 0.0}
    rows: tuple[tuple[str, str, Iterable[str], dict[str, float]], ...] = (
        ("ctxasr", "service", [f"ctxasr-{view.environment}"], ours),
        ("AWS/DynamoDB", "TableName", view.of(TABLE), refused),
        ("AWS/Lambda", "FunctionName", view.of(FUNCTION), {"Errors": 0.01, "Throttles": 0.0}),
        ("AWS/SQS", "QueueName", given_up, {"ApproximateNumberOfMessagesVisible": 1.0}),
        ("AWS/SQS", "QueueName", ["EventsQueue"], {"ApproximateAgeOfOldestMessage": 30.0}),
    )
    if view.of(STREAM):
        late = {"IteratorAge": 10_000.0}
        rows += (("AWS/Lambda", "FunctionName", ["RecordEventFunction"], late),)
    return {
        (space, metric, dimension, of): most
        for space, dimension, whose, metrics in rows
        for of in whose
        for metric, most in metrics.items()
    }


RULES: Final[tuple[Rule, ...]] = (
    tables,
    keys,
    statements,
    least_privilege,
    queues,
    event_sources,
    concurrency,
    functions,
    alarms,
)


def findings(view: View) -> dict[str, list[str]]:
    """Rule name to what it found wrong."""
    return {rule.__name__: judged(rule, view) for rule in RULES}


def judged(rule: Rule, view: View) -> list[str]:
    """What a rule finds; where it finds so little that it cannot go on, that is a finding too."""
    found: list[str] = []
    try:
        found += rule(view)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        found.append(f"cannot go on: {error!r}")
    return found


# ---------------------------------------------------------------- inside


def _read_queues(view: View) -> set[str]:
    sources = [view.target(one["EventSourceArn"]) for one in view.of(SOURCE_MAPPING).values()]
    return set(sources) & set(view.of(QUEUE))
