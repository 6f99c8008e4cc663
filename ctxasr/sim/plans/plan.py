"""A plan: everything that will happen, as plain data. A seed draws one; deleting lines shrinks it.

    {seed: 7, deliveries: [{event: d0t1.utterance, at_ms: 900}, ...],
     faults: [{kind: lost answer, event: d0t1.expect, operation: claim}]}

What is not in the plan (latencies, the order of what is ready) is drawn from its seed by place, so
that a line that is deleted leaves the luck of the others as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

from ctxasr.sim.plans.faults import Fault, Scalar

START_MS: Final = 1_700_000_000_000
"""When a simulation begins, in milliseconds since 1970."""

REPLY_STEP_MS: Final = 50
"""Replies last a multiple of this, at least one, so that their messages are few."""

NODES: Final = 3
"""Processes that share the work."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that happens `at_ms` after the start and is delivered to `node` then.

    `number`: announced payloads (expect), ms of the reply (reply), ms of speech (answer), the turn
    whose token is echoed where that is not the turn before (recognize).
    `text_bytes`: how much longer its payload's texts are than the simulated ones.
    """

    event: str
    at_ms: float = 0.0
    customer: int = 0
    node: int = 0
    number: int = 0
    text_bytes: int = 0

    def to_dict(self) -> dict[str, Scalar]:
        """Only what differs from the defaults."""
        return {"event": self.event} | {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name != "event" and getattr(self, one.name) != one.default
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Deliveries and faults; each is one line."""

    seed: int
    deliveries: tuple[Delivery, ...]
    faults: tuple[Fault, ...] = ()
    payload_ttl_s: int = 3_600
    nodes: int = NODES

    def __len__(self) -> int:
        return len(self.deliveries) + len(self.faults)

    @property
    def places(self) -> frozenset[tuple[int, str]]:
        """Customers with what a fault can name of them: events, turns, and nothing ("")."""
        found = set[tuple[int, str]]()
        for one in self.deliveries:
            names = ("", one.event.partition(".")[0], one.event)
            found.update((one.customer, name) for name in names)
        return frozenset(found)

    def only(self, lines: Iterable[int]) -> Plan:
        """The plan of these lines, counted through deliveries and faults."""
        kept, events = set(lines), len(self.deliveries)
        return replace(
            self,
            deliveries=tuple(one for at, one in enumerate(self.deliveries) if at in kept),
            faults=tuple(one for at, one in enumerate(self.faults, events) if at in kept),
        )

    def to_dict(self) -> dict[str, Any]:
        """Scalars, lists and mappings alone: YAML and JSON hold it."""
        return {
            "seed": self.seed,
            "payload_ttl_s": self.payload_ttl_s,
            "nodes": self.nodes,
            "deliveries": [one.to_dict() for one in self.deliveries],
            "faults": [one.to_dict() for one in self.faults],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            TypeError, ValueError: a field is unknown, or a kind of fault.
        """
        deliveries = tuple(Delivery(**one) for one in document["deliveries"])
        faults = tuple(Fault.from_dict(one) for one in document.get("faults", ()))
        return cls(**document | {"deliveries": deliveries, "faults": faults})
