"""The faulting transport itself: what it says it did is what happened on the server."""

from __future__ import annotations

from collections import Counter

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from ctxasr.store.clients import clients
from ctxasr.store.faults import Fault, FaultPlan

from .places import WirePlace


def key(number: int) -> dict[str, dict[str, str]]:
    return {"customer": {"S": "c"}, "payload": {"S": str(number)}}


async def test_each_fault_is_what_its_name_says(place: WirePlace) -> None:
    table, seen = place.tables.payload, {}
    faults = [fault for fault in Fault if fault is not Fault.PARTIAL]
    plan = FaultPlan.script(faults, only=("PutItem",))
    async with clients(place.endpoint, faults=plan) as (dynamodb, _):
        for number, fault in enumerate(faults):
            try:
                await dynamodb.put_item(TableName=table, Item=key(number))
                seen[fault] = ""
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                seen[fault] = f"{status} {error.response['Error']['Code']}"
            except (ReadTimeoutError, ConnectionClosedError, EndpointConnectionError) as error:
                seen[fault] = type(error).__name__
        answer = await dynamodb.query(
            TableName=table,
            KeyConditionExpression="customer = :c",
            ExpressionAttributeValues={":c": {"S": "c"}},
        )
    written = {faults[int(row["payload"]["S"])] for row in answer["Items"]}
    assert written == {Fault.NONE, Fault.LOST, Fault.CLOSED, Fault.ERROR}
    assert seen == {
        Fault.NONE: "",
        Fault.LOST: "ReadTimeoutError",
        Fault.CLOSED: "ConnectionClosedError",
        Fault.ERROR: "500 InternalServerError",
        Fault.THROTTLED: "400 ProvisionedThroughputExceededException",
        Fault.REFUSED: "EndpointConnectionError",
    }
    assert plan.counts == Counter({**dict.fromkeys(faults, 1), Fault.NONE: 2})
    assert plan.operations == Counter({"PutItem": 6, "Query": 1})


async def test_a_partial_answer_is_the_real_one_split(place: WirePlace) -> None:
    table = place.tables.payload
    plan = FaultPlan.script(["partial"] * 3, only=("BatchGetItem", "Decrypt"))
    async with clients(place.endpoint, faults=plan) as (dynamodb, kms):
        await dynamodb.put_item(TableName=table, Item=key(1) | {"body": {"B": b"\xff"}})
        for wanted, rows, left in (
            ([1, 2, 3], [1], [2, 3]),
            ([2, 1], [], [1]),  # what is not there was processed as well
            ([1], [1], []),  # an answer to nothing at all would be a throttled one
        ):
            request = {table: {"Keys": [key(number) for number in wanted], "ConsistentRead": True}}
            answer = await dynamodb.batch_get_item(RequestItems=request)
            expected = [key(number) | {"body": {"B": b"\xff"}} for number in rows]
            assert answer["Responses"].get(table, []) == expected
            unprocessed = answer["UnprocessedKeys"].get(table, {})
            assert unprocessed.get("Keys", []) == [key(number) for number in left]
            assert unprocessed.get("ConsistentRead", True)
        with pytest.raises(ClientError, match="Invalid"):
            await kms.decrypt(CiphertextBlob=b"x")
    assert plan.counts == Counter({Fault.PARTIAL: 2, Fault.NONE: 3})


def test_the_same_seed_draws_the_same_faults_and_the_shares_are_kept() -> None:
    def drawn(seed: int) -> list[Fault]:
        plan = FaultPlan(seed, lost=0.1, throttled=0.05, errors=0.02, partial=0.5)
        return [plan.draw("BatchGetItem" if at % 2 else "PutItem") for at in range(20_000)]

    assert drawn(1) == drawn(1) != drawn(2)
    shares = {fault: count / 20_000 for fault, count in Counter(drawn(1)).items()}
    expected = {
        Fault.LOST: 0.05, Fault.CLOSED: 0.05, Fault.THROTTLED: 0.05, Fault.ERROR: 0.02,
        Fault.PARTIAL: 0.83 / 4, Fault.NONE: 0.83 * 3 / 4,
    }  # fmt: skip
    assert shares == pytest.approx(expected, abs=0.01)


def test_operations_that_are_not_meant_draw_nothing() -> None:
    with_others, alone = (FaultPlan(3, lost=0.5, only=("PutItem",)) for _ in range(2))
    drawn = []
    for _ in range(100):
        assert with_others.draw("CreateTable") is Fault.NONE
        drawn.append(with_others.draw("PutItem"))
    assert drawn == [alone.draw("PutItem") for _ in range(100)]
    assert set(drawn) > {Fault.LOST, Fault.CLOSED}


@pytest.mark.parametrize("shares", [(-0.1, 0.0), (0.6, 0.5), (1.1, 0.0)])
def test_shares_are_checked(shares: tuple[float, float]) -> None:
    FaultPlan(1, 0.5, 0.5)
    with pytest.raises(ValueError, match="shares"):
        FaultPlan(1, *shares)
    with pytest.raises(ValueError, match="nonsense"):
        FaultPlan.script(["nonsense"])
