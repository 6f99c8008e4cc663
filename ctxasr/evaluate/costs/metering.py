"""What a server says that requests consumed, the bytes on the wire, and the client's CPU time.

    meter = Meter()
    dynamodb = Metered(dynamodb, meter)
    with meter.during(Step.RECORD):
        ...

Bytes are the bodies of requests and answers, without HTTP headers. CPU is that of this process, so
the server has to run in another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ctxasr.evaluate.costs.capacity import Operation, Step

_READS: Final = ("get_item", "batch_get_item")
_CAPACITY: Final = {"ReturnConsumedCapacity": "TOTAL"}
_EVENTS: Final = ("before-call", "response-received")
_HOOK: Final = "ctxasr-meter"


@dataclass(slots=True)
class Meter:
    """Adds up, by the step that is under way."""

    operations: list[Operation] = field(default_factory=list)
    cpu_s: dict[Step, float] = field(default_factory=dict)
    step: Step = Step.RECORD
    wire_bytes: int = 0

    @contextmanager
    def during(self, step: Step) -> Iterator[None]:
        """What happens inside belongs to `step`."""
        self.step, began_s = step, time.process_time()
        yield
        spent_s = time.process_time() - began_s
        self.cpu_s[step] = self.cpu_s.get(step, 0.0) + spent_s

    def total(self, of: Callable[[Operation], float], *steps: Step) -> float:
        """As in `capacity.Ledger`."""
        return sum(of(one) for one in self.operations if not steps or one.step in steps)

    def clear(self) -> None:
        """Begin anew."""
        self.operations, self.cpu_s, self.wire_bytes = [], {}, 0


class Metered:
    """A low-level DynamoDB or KMS client that tells a meter of every answer."""

    def __init__(self, client: Any, meter: Meter) -> None:
        self._client, self._meter = client, meter
        self.meta = client.meta

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)
        kms = self.meta.service_model.service_name == "kms"

        async def call(**request: Any) -> Any:
            answer = await method(**request, **({} if kms else _CAPACITY))
            name = "".join(part.capitalize() for part in operation.split("_"))
            units = _units(answer)
            reads = operation in _READS
            self._meter.operations.append(
                Operation(self._meter.step, name, 0 if reads else round(units), units * reads)
            )
            return answer

        return call


def _units(answer: dict[str, Any]) -> float:
    """Capacity units in an answer; a batch has one figure for each table."""
    consumed = answer.get("ConsumedCapacity") or []
    parts = consumed if isinstance(consumed, list) else [consumed]
    return float(sum(part["CapacityUnits"] for part in parts))


@contextmanager
def wire_counted(client: Any, meter: Meter) -> Iterator[None]:
    """Count the bodies that `client` sends and receives."""

    def note(params: Any = None, response_dict: Any = None, **_: Any) -> None:
        body = params["body"] if response_dict is None else response_dict["body"]
        meter.wire_bytes += len(body or b"")

    service = client.meta.service_model.service_name
    for event in _EVENTS:
        client.meta.events.register(f"{event}.{service}", note, unique_id=f"{_HOOK}-{event}")
    try:
        yield
    finally:
        for event in _EVENTS:
            name = f"{event}.{service}"
            client.meta.events.unregister(name, unique_id=f"{_HOOK}-{event}")
