"""What is asked of a fleet: so many dialogues, at this rate, under these faults, with this luck.

A question is plain data: it goes to worker processes, stands at the head of a checkpoint, and the
same question always has the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from ctxasr.pipeline import PAYLOAD_TTL_S, READ_BUDGET_MS
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.workload.files import Figures, figures_from
from ctxasr.sim.workload.statistics import Workload

DIALOGUES_PER_BLOCK: Final = 500
"""A cell of the fleet, in a world of its own: about a second of work, and a few tens of MB."""


@dataclass(frozen=True, slots=True)
class Question:
    """`label` names it among others; it changes nothing."""

    dialogues: int = 10_000
    seed: int = 1
    faults: str = "none"
    """A profile of `sim.plans.draw`."""
    workload: Workload = field(default_factory=Workload)
    latencies: Latencies = field(default_factory=Latencies)
    read_budget_ms: float = READ_BUDGET_MS
    payload_ttl_s: int = PAYLOAD_TTL_S
    what_if: str = ""
    label: str = ""
    twin: bool = False
    """Answered by arrays, not event by event: `sim.twin`."""

    @property
    def blocks(self) -> int:
        """Into how many blocks the dialogues are cut; the twin takes them all at once."""
        return 1 if self.twin else -(-self.dialogues // DIALOGUES_PER_BLOCK)

    def count_in(self, block: int) -> int:
        """Dialogues of one block: all have the same number, but for the last."""
        return min(DIALOGUES_PER_BLOCK, self.dialogues - block * DIALOGUES_PER_BLOCK)

    def to_dict(self) -> dict[str, Any]:
        """JSON, from which `from_dict` makes the same question; distributions to six digits."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        del plain["latencies"]
        return plain | {"workload": Figures(self.workload, self.latencies).to_dict()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            InputError, TypeError, KeyError: it is none.
        """
        figures = figures_from(document["workload"])
        return cls(**document | figures._asdict())

    def rounded(self) -> Self:
        """The question as a checkpoint holds it: what goes on later is asked the same."""
        return self.from_dict(self.to_dict())
