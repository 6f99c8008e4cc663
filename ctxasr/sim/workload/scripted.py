"""A dialogue that is written down, not drawn: its lines of a plan, by their time from its begin.

    Script("call_meg", (Delivery("d0t1.recognize"), Delivery("d0t1.utterance", 1_200.0), ...))

`ctxasr.scenario.scripts` makes them of scenarios. What is drawn is only when such a dialogue begins
and which node is given which line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ctxasr.events import SERVICE_PAYLOADS_MAX, TEXT_BYTES_MAX
from ctxasr.sim.luck import Stream
from ctxasr.sim.plans.plan import NODES, Delivery
from ctxasr.sim.plans.templates import place_of
from ctxasr.timing import REPLY_MS_MAX

SCRIPT_MS_MAX: Final = 1e10
"""Of a script: four months, more than a scenario with the longest pauses lasts."""


@dataclass(frozen=True, slots=True)
class Script:
    """`deliveries` count their time from the dialogue's begin; customer and node do not count.

    Raises:
        ValueError: a delivery is no event of a turn, comes before the begin or twice, or one of its
            numbers is out of its range.
    """

    name: str
    deliveries: tuple[Delivery, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for one in self.deliveries:
            announces = place_of(one.event).what == "expect"
            if not one.at_ms >= 0:
                raise ValueError(f"{one.event} comes before the begin; at_ms from 0 would be right")
            for name, most in (
                ("at_ms", SCRIPT_MS_MAX),
                ("number", SERVICE_PAYLOADS_MAX if announces else REPLY_MS_MAX),
                ("text_bytes", TEXT_BYTES_MAX),
            ):
                if not 0 <= getattr(one, name) <= most:
                    right = f"from 0 to {most:,.15g} would be right"
                    raise ValueError(f"{name} of {one.event} is out of its range; {right}")
            if one.event in seen:
                raise ValueError(f"{one.event} comes twice; each event once would be right")
            seen.add(one.event)

    def to_dict(self) -> dict[str, Any]:
        """Scalars, lists and mappings alone."""
        return {"name": self.name, "deliveries": [one.to_dict() for one in self.deliveries]}


def play(script: Script, customer: int, at_ms: float, stream: Stream) -> list[Delivery]:
    """The script's deliveries for one customer, who begins at `at_ms`."""
    return [
        Delivery(
            one.event,
            float(round(at_ms + one.at_ms)),
            customer,
            int(stream.next() * NODES),
            one.number,
            one.text_bytes,
        )
        for one in script.deliveries
    ]
