"""What each function may do, action by action: the table that the template's IAM must equal.

    function -> resource -> actions

The DynamoDB actions are those of `ctxasr/store`: shipped.py holds the two together.
"""

from __future__ import annotations

from typing import Final

TURN_KEY: Final = "TurnKey"
"""Logical id of the key that wraps data keys. Another id here and in the template replaces it."""

ENCODER: Final = "EmbedContextFunctionAliaslive"
"""Logical id that SAM gives to EmbedContextFunction's alias `live`. The recorder calls this one:
the bare function has no provisioned concurrency, and is not what its policy names."""

WITH_STREAM: Final = {"EventsStream", "StreamFailures", "StreamSenderPolicy"}
"""What is there only with the parameter WithStream."""

_TURNS_READ: Final = {"StatusTable": {"dynamodb:GetItem"}, TURN_KEY: {"kms:Decrypt"}}
_FROM_QUEUE: Final = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

ALLOWED: Final[dict[str, dict[str, set[str]]]] = {
    # link, key, event, claim, outcome; payloads in, and out again where the turn was closed
    "RecordEventFunction": {
        "StatusTable": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "PayloadTable": {"dynamodb:PutItem", "dynamodb:DeleteItem"},
        TURN_KEY: {"kms:GenerateDataKey", "kms:Decrypt"},
        "TransportKey": {"kms:GenerateDataKey", "kms:Decrypt"},
        "EventsQueue": _FROM_QUEUE,
        "EventsStream": {
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        },
        "AsyncFailures": {"sqs:SendMessage"},
        "StreamFailures": {"sqs:SendMessage"},
        "SweepQueue": {"sqs:SendMessage"},
        ENCODER: {"lambda:InvokeFunction"},
    },
    # payloads and the context before; the new context; outcome, and payloads out where it missed
    "EmbedContextFunction": {
        "StatusTable": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "PayloadTable": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"},
        TURN_KEY: {"kms:Decrypt"},
    },
    "GetContextFunction": _TURNS_READ | {"PayloadTable": {"dynamodb:BatchGetItem"}},
    "RescoreFunction": _TURNS_READ | {"PayloadTable": {"dynamodb:BatchGetItem"}},
    # a customer's open turns; outcome, payloads out. It reads no payload, so it needs no key. A
    # message that came too early is hidden until its turn is due.
    "SweepFunction": {
        "StatusTable": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "PayloadTable": {"dynamodb:DeleteItem"},
        "SweepQueue": _FROM_QUEUE | {"sqs:ChangeMessageVisibility"},
    },
}

EVERYWHERE: Final = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What each function may do with its own log group; metrics travel in the logs."""

WITHOUT_RESOURCE: Final = {
    "xray:PutTelemetryRecords": "X-Ray knows no resource for it",
    "xray:PutTraceSegments": "X-Ray knows no resource for it",
}
"""Actions for which AWS offers no resource but '*', with the reason."""

FOR_OTHERS: Final[dict[str, dict[str, set[str]]]] = {
    "SenderPolicy": {
        "EventsQueue": {"sqs:SendMessage"},
        "TransportKey": {"kms:Decrypt", "kms:GenerateDataKey"},
        "RecordEventFunction": {"lambda:InvokeFunction"},
    },
    "StreamSenderPolicy": {
        "EventsStream": {"kinesis:PutRecord", "kinesis:PutRecords"},
        "TransportKey": {"kms:GenerateDataKey"},
    },
    "ReaderPolicy": {
        "GetContextFunction": {"lambda:InvokeFunction"},
        "RescoreFunction": {"lambda:InvokeFunction"},
    },
    "ForgetPolicy": {
        "StatusTable": {"dynamodb:DeleteItem", "dynamodb:Query"},
        "PayloadTable": {"dynamodb:DeleteItem", "dynamodb:Query"},
    },
}
"""The policies that the stack offers to its callers."""
