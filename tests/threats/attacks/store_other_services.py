"""The embedded store, used for what else moto can do.

SNS delivers to any address that a subscription names, so that a port on loopback sends requests
into the network; Lambda starts containers; DynamoDB exports tables, KMS makes new grants.

Attacker: a process that has got hold of the access key and wants more than the tables.
Holds against it: a request is handed on only if it is one that ctxasr itself makes.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/admission.py",
    'if target not in self._operations.get(signed["service"], ()):',
    'if target and target not in self._operations.get(signed["service"], ()):',
)
GAINS = "SNS takes a topic"

OTHERS = (
    ("dynamodb", "DynamoDB_20120810.Scan"),
    ("dynamodb", "DynamoDB_20120810.ExecuteStatement"),
    ("dynamodb", "DynamoDB_20120810.ExportTableToPointInTime"),
    ("dynamodb", "DynamoDB_20120810.EnableKinesisStreamingDestination"),
    ("dynamodb", "DynamoDB_20111205.GetItem"),
    ("dynamodb", "DynamoDBStreams_20120810.ListStreams"),
    ("dynamodb", "DynamoDB_20120810.GetItem,DynamoDB_20120810.Scan"),
    ("kms", "DynamoDB_20120810.GetItem"),
    ("dynamodb", "TrentService.Decrypt"),
    ("kms", "TrentService.CreateGrant"),
    ("kms", "TrentService.ListKeys"),
    ("lambda", ""),
    ("s3", "DynamoDB_20120810.GetItem"),
    ("logs", "Logs_20140328.DescribeLogGroups"),
)


async def attack() -> str:
    async with store() as there:
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        topic = b"Action=CreateTopic&Name=out&Version=2010-03-31"
        status, told, _ = there.ask("", topic, key=there.key, service="sns", **form)
        if status == 200:
            raise Gained(f"SNS takes a topic and would call any address: {len(told)} bytes")
        for service, target in OTHERS:
            body = {"TableName": there.aws.tables.status}
            status, _, _ = there.ask(target, body, key=there.key, service=service)
            if status != 403:
                raise Gained(f"{service} {target} is handed on: {status}")
    return f"SNS and {len(OTHERS)} others are refused, also with the access key"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
