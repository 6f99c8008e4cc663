"""What may go wrong, one line of a plan each.

A fault belongs to a place (a customer's event, its n-th operation of a name, a node, a span of
time), never to a draw, so that deleting one leaves all others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

Scalar = str | int | float | bool


class FaultKind(StrEnum):
    """The kinds; behind each what `Fault`'s fields mean for it."""

    LOST_ANSWER = "lost answer"
    """`operation` number `nth` of an event, and `times` attempts of it: carried out, no answer for
    `ms` (a time-out, or a connection that closes at once)."""
    SERVER_ERROR = "server error"
    """The same with an error answer; carried out if `after`."""
    THROTTLED = "throttled"
    """The same, not carried out."""
    SLOW_REQUEST = "slow request"
    """The same, `ms` later than usual."""
    CRASH = "crash"
    """The node that handles `event` dies at the `nth` request of that event, `after` or before it
    was carried out; a new process takes its place `ms` later."""
    DUPLICATE = "duplicate"
    """`event` is delivered once more, to `node`, `ms` after the first time."""
    DELAY = "delay"
    """`event` is delivered `ms` late, after others that came behind it."""
    SLOW_ENCODER = "slow encoder"
    """The context of the turn of `event` takes `ms` more."""
    FAILING_ENCODER = "failing encoder"
    """... fails: 0 raises, 1 a vector of a wrong shape, 2 not a number."""
    SLOW_ALIGNER = "slow aligner"
    """Rescoring the answer `event` takes `ms` more."""
    CLOCK_OFFSET = "clock offset"
    """The clock of `node` is `ms` fast, or slow where negative."""
    CLOCK_DRIFT = "clock drift"
    """The clock of `node` gains `ms` per million."""
    KMS_OUTAGE = "kms outage"
    """No answer of KMS from `at_ms`, for `ms`."""
    CUT_REPLICA = "cut replica"
    """Follower `node` learns nothing from `at_ms`, for `ms`."""
    LOAD_SPIKE = "load spike"
    """Neighbours use up the partition's capacity from `at_ms`, for `ms`."""
    LATE_TTL = "late ttl"
    """The table's sweeper deletes the customer's rows `ms` after their expiry."""


OF_A_REQUEST = (
    FaultKind.LOST_ANSWER,
    FaultKind.SERVER_ERROR,
    FaultKind.THROTTLED,
    FaultKind.SLOW_REQUEST,
)
"""Kinds that befall one operation."""

OF_A_REGION = frozenset(
    {
        FaultKind.CLOCK_OFFSET,
        FaultKind.CLOCK_DRIFT,
        FaultKind.KMS_OUTAGE,
        FaultKind.CUT_REPLICA,
        FaultKind.LOAD_SPIKE,
    }
)
"""Kinds that befall a node or the region, and so all customers alike."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and where it strikes; `FaultKind` says which fields count."""

    kind: FaultKind
    customer: int = 0
    event: str = ""
    operation: str = ""
    nth: int = 1
    times: int = 1
    after: bool = False
    node: int = 0
    at_ms: float = 0.0
    ms: float = 0.0

    @property
    def place(self) -> tuple[int, str] | None:
        """What of `Plan.places` it befalls; None: the region, or a node."""
        if self.kind in OF_A_REGION:
            return None
        of_a_turn = self.kind in (FaultKind.SLOW_ENCODER, FaultKind.FAILING_ENCODER)
        return self.customer, self.event.partition(".")[0] if of_a_turn else self.event

    def to_dict(self) -> dict[str, Scalar]:
        """Only what differs from the defaults."""
        return {"kind": self.kind.value} | {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name != "kind" and getattr(self, one.name) != one.default
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**document | {"kind": FaultKind(document["kind"])})
