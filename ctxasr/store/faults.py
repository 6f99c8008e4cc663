"""A transport that goes wrong as networks and servers do: for tests, ours and yours.

    plan = FaultPlan(seed=7, lost=0.05, throttled=0.05)
    async with clients(endpoint, faults=plan) as (dynamodb, kms):
        ...
    print(plan.counts)

It stands under aiobotocore, where the HTTP request is sent, so that everything above it is the real
thing: signing, parsing, error answers, retries. A lost answer is a request that really was sent and
carried out. Nothing here waits: a time-out is raised as soon as the answer has been dropped.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Any, Self

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)


class Fault(StrEnum):
    """What happens to one request."""

    NONE = "none"
    LOST = "lost"
    """Carried out; no answer came in time."""
    CLOSED = "closed"
    """Carried out; the connection was closed before the answer."""
    ERROR = "error"
    """Carried out; the server answers 500."""
    THROTTLED = "throttled"
    """Not carried out; the server answers as AWS does when it has too much to do."""
    REFUSED = "refused"
    """Not carried out; nobody listens."""
    PARTIAL = "partial"
    """BatchGetItem answers its first key alone and calls the others unprocessed; else as NONE."""


class FaultPlan:
    """Which requests go wrong, drawn from a seed; one draw a request, in the order of requests.

    `lost` (one half LOST, one half CLOSED), `throttled` and `errors` are shares of all requests;
    `partial` is the share of batches among those that nothing else befell. `only` names the
    operations that may go wrong, as "UpdateItem" or "Decrypt"; others draw nothing.

    counts       what was done, by fault; a PARTIAL without a second key counts as NONE
    operations   requests by operation, whatever became of them

    Raises:
        ValueError: the shares are no shares.
    """

    def __init__(
        self,
        seed: int,
        lost: float = 0.05,
        throttled: float = 0.05,
        errors: float = 0.0,
        partial: float = 0.0,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        shares = (lost, throttled, errors, partial)
        if min(shares) < 0 or lost + throttled + errors > 1 or partial > 1:
            raise ValueError(f"{shares} are no shares: from 0 to 1, and all but the last together")
        self._draws = random.Random(seed)  # noqa: S311  (faults, not secrets)
        self._shares = {
            Fault.LOST: lost / 2,
            Fault.CLOSED: lost / 2,
            Fault.THROTTLED: throttled,
            Fault.ERROR: errors,
        }
        self._partial, self._only = partial, only
        self._script: Iterator[Fault] | None = None
        self.counts: Counter[Fault] = Counter()
        self.operations: Counter[str] = Counter()

    @classmethod
    def script(cls, faults: Iterable[str], *, only: Collection[str] | None = None) -> Self:
        """These faults in this order, by name or as `Fault`; after the last all is well."""
        plan = cls(0, 0.0, 0.0, only=only)
        plan._script = iter([Fault(fault) for fault in faults])
        return plan

    def draw(self, operation: str) -> Fault:
        """The fate of the next request."""
        if self._only is not None and operation not in self._only:
            return Fault.NONE
        if self._script is not None:
            return next(self._script, Fault.NONE)
        at = self._draws.random()
        for fault, share in self._shares.items():
            if at < share:
                return fault
            at -= share
        if operation == "BatchGetItem" and self._draws.random() < self._partial:
            return Fault.PARTIAL
        return Fault.NONE

    def transport(self, **settings: Any) -> FaultyTransport:
        """What `AioConfig(http_session_cls=plan.transport)` calls."""
        return FaultyTransport(self, **settings)


class FaultyTransport(AIOHTTPSession):  # type: ignore[misc]
    """aiobotocore's own HTTP session, but for what its plan does to a request."""

    def __init__(self, plan: FaultPlan, **settings: Any) -> None:
        super().__init__(**settings)
        self._plan = plan

    async def send(self, request: Any) -> AioAWSResponse:
        service, operation = _target(request)
        fault = self._plan.draw(operation)
        if fault is Fault.PARTIAL and len(_keys(request, operation)) < 2:
            fault = Fault.NONE  # a batch that answers nothing at all is a throttled one
        self._plan.operations[operation] += 1
        self._plan.counts[fault] += 1
        if fault is Fault.REFUSED:
            raise EndpointConnectionError(endpoint_url=request.url, error=fault)
        if fault is Fault.THROTTLED:
            kms = service.startswith("TrentService")
            code = "ThrottlingException" if kms else "ProvisionedThroughputExceededException"
            return _answer(request, 400, {"__type": f"{service}#{code}", "message": "too fast"})
        answer = await super().send(request)  # its body is read, so the server is done
        if fault is Fault.LOST:
            raise ReadTimeoutError(endpoint_url=request.url, error=fault)
        if fault is Fault.CLOSED:
            raise ConnectionClosedError(error=fault, request=request, endpoint_url=request.url)
        if fault is Fault.ERROR:
            return _answer(request, 500, {"__type": f"{service}#InternalServerError"})
        if fault is Fault.PARTIAL and answer.status_code == 200:
            return _answer(request, 200, _split(request, json.loads(await answer.content)))
        return answer


class _Body:
    """A body that is there already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


def _answer(request: Any, status: int, document: dict[str, Any]) -> AioAWSResponse:
    headers = {"content-type": "application/x-amz-json-1.0"}
    return AioAWSResponse(request.url, status, headers, _Body(json.dumps(document).encode()))


def _target(request: Any) -> tuple[str, str]:
    """Service and operation, from the header that every JSON protocol of AWS has."""
    target = request.headers.get("X-Amz-Target", "")
    text = target.decode() if isinstance(target, bytes) else str(target)
    service, _, operation = text.rpartition(".")
    return service, operation


def _keys(request: Any, operation: str) -> list[tuple[str, dict[str, Any]]]:
    """(table, key) of a batch in the order of the request."""
    if operation != "BatchGetItem":
        return []
    wanted: dict[str, Any] = json.loads(request.body)["RequestItems"]
    return [(table, key) for table, part in wanted.items() for key in part["Keys"]]


def _split(request: Any, whole: dict[str, Any]) -> dict[str, Any]:
    """The answer without all keys but the first, which come back as unprocessed."""
    wanted: dict[str, Any] = json.loads(request.body)["RequestItems"]
    (first_table, first), *_ = _keys(request, "BatchGetItem")
    rows = whole["Responses"].get(first_table, [])
    kept = [row for row in rows if first.items() <= row.items()]
    left = {table: dict(part) for table, part in wanted.items()}
    left[first_table]["Keys"] = [key for key in left[first_table]["Keys"] if key != first]
    unprocessed = {table: part for table, part in left.items() if part["Keys"]}
    return whole | {"Responses": {first_table: kept}, "UnprocessedKeys": unprocessed}
