"""A simulated scenario: what a `.scenario.yaml` file with a `plan` may say.

    schema: 1
    found: {invariant: 1, what: "c0/d0t1: d0t1.expect was acknowledged last, and ..."}
    plan:
      seed: 4711
      deliveries:
        - {event: d0t1.utterance, at_ms: 900}
        - {event: d0t1.reply, at_ms: 1250, number: 2000}
        - {event: d0t1.expect, at_ms: 1300}
      faults:
        - {kind: lost answer, event: d0t1.expect, operation: claim}
    expect: {outcomes: {embedded: 1}}

It is carried out in virtual time, and no invariant may break. What stands under `plan` is a
`ctxasr.sim.plans.plan.Plan` as plain data; what its fields mean stands there and in
`ctxasr.sim.plans.faults`.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from ctxasr.events import SERVICE_PAYLOADS_MAX, TEXT_BYTES_MAX
from ctxasr.scenario.base import InFile, Strictly
from ctxasr.scenario.values import DELAY_MS_MAX, PAYLOAD_TTL_MS_MAX, Duration, Whole, YesNo, wrong
from ctxasr.sim.plans.draw import DRIFT_PPM_MAX
from ctxasr.sim.plans.faults import OF_A_REQUEST, FaultKind
from ctxasr.sim.plans.plan import NODES, Plan
from ctxasr.sim.plans.templates import ANSWER, FORGET, MOMENT_EVENTS, SWEEP, TURN_EVENTS
from ctxasr.sim.region.nodes import WRONG_MS_MAX
from ctxasr.sim.region.replicas import FOLLOWERS
from ctxasr.sim.runs import Setting
from ctxasr.timing import REPLY_MS_MAX

PLAN_LINES_MAX: Final = 900
"""Deliveries and faults of one file: what VALUES_MAX allows if every line says all that it can. A
drawn plan of one dialogue has about thirty, a shrunk one at most five."""

PLAN_MS_MAX: Final = 10 * 366 * 86_400_000.0
"""Instants and spans of a plan: ten years, past every week that is simulated."""

SEED_MAX: Final = 10**18 - 1
"""Seeds of plans: eighteen digits, as many as the reader of YAML takes for a whole number."""

NODES_MAX: Final = 1_000
"""Processes of a plan."""

CUSTOMERS_MAX: Final = 1_000_000
"""Customers of a plan are numbered below it."""

TIMES_MAX: Final = 1_000
"""`nth` and `times` of a fault: no handler makes as many requests."""

FOUND_CHARS_MAX: Final = 300
"""Characters of what once broke, and of the command that found it."""

INVARIANTS: Final = 15
"""Of the design, numbered from 1."""

OPERATIONS: Final = (
    "new_key", "open_key", "put", "link", "record", "claim", "get", "follow", "read", "get_blob",
    "decrypt", "put_blob", "settle", "delete", "turns", "forget", "forget_item", "forget_payloads",
    "forget_payload",
)  # fmt: skip
"""Requests of the stages, by the names that faults give them."""

CLOCK_FAULTS: Final = {
    FaultKind.CLOCK_OFFSET: ("WRONG_MS_MAX", WRONG_MS_MAX),
    FaultKind.CLOCK_DRIFT: ("DRIFT_PPM_MAX", DRIFT_PPM_MAX),
}
"""Kinds whose `ms` may be negative, as a clock may be slow, and how wrong clocks may be: the stores
allow for no more."""

OF_A_NODE: Final = (*CLOCK_FAULTS, FaultKind.DUPLICATE)
"""Kinds whose `node` is one of the plan's."""

ENCODER_FAILURES: Final = 3
"""Ways in which an encoder fails, by `nth` from 0."""

PLACELESS: Final = (
    *CLOCK_FAULTS, FaultKind.KMS_OUTAGE, FaultKind.CUT_REPLICA, FaultKind.LOAD_SPIKE,
    FaultKind.LATE_TTL,
)  # fmt: skip
"""Kinds that befall no event."""

_PLACE: Final = r"d(?:0|[1-9]\d{0,5})t[1-9]\d{0,3}"
_EVENTS: Final = (*TURN_EVENTS, *MOMENT_EVENTS, ANSWER)
_OF_A_CUSTOMER: Final = (SWEEP, FORGET)
"""Lines that concern no turn, and may stand several times."""


def _event(value: str) -> str:
    place, _, what = value.partition(".")
    if value in _OF_A_CUSTOMER or (re.fullmatch(_PLACE, place, re.ASCII) and what in _EVENTS):
        return value
    close = difflib.get_close_matches(what or value, (*_EVENTS, *_OF_A_CUSTOMER), n=1)
    near = ""
    if close:
        right = close[0] if close[0] in _OF_A_CUSTOMER else f"d0t1.{close[0]}"
        near = f"; did you mean an event such as {right}?"
    raise wrong(
        f"must be an event such as d0t1.reply (dialogue 0, turn 1), {SWEEP} or {FORGET}; "
        f"the events of a turn are {', '.join(_EVENTS)}{near}"
    )


def _operation(value: str) -> str:
    if value in OPERATIONS:
        return value
    close = difflib.get_close_matches(value, OPERATIONS, n=1)
    tail = f"; did you mean {close[0]}?" if close else ""
    raise wrong(f"must be one of {', '.join(OPERATIONS)}{tail}")


def _up_to(count: int) -> str:
    return f"0 to {count - 1} would be right"


Event = Annotated[
    str,
    AfterValidator(_event),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^({SWEEP}|{FORGET}|{_PLACE}\.({'|'.join(_EVENTS)}))$"}
        | {"examples": ["d0t1.reply"]}
    ),
]
Operation = Annotated[
    str, AfterValidator(_operation), WithJsonSchema({"type": "string", "enum": [*OPERATIONS]})
]
Number = Annotated[float, Strict()]
Instant = Annotated[Number, Field(ge=0, le=PLAN_MS_MAX)]
Customer = Annotated[Whole, Field(ge=0, le=CUSTOMERS_MAX - 1)]
Node = Annotated[Whole, Field(ge=0, le=NODES_MAX - 1)]


class PlannedDelivery(Strictly):
    """One event and when it happens; one line of a plan."""

    event: Event
    """Its place, as in d0t1.reply: dialogue 0, turn 1. `sweep` looks at the customer's turns,
    `forget` erases the customer."""
    at_ms: Instant = 0.0
    """When it happens and is delivered, from the start."""
    customer: Customer = 0
    """Whose."""
    node: Node = 0
    """The process that it is delivered to."""
    number: Annotated[Whole, Field(ge=0)] = 0
    """Announced payloads of an expect, ms of a reply, ms of an answer's speech."""
    text_bytes: Annotated[Whole, Field(ge=0, le=TEXT_BYTES_MAX)] = 0
    """How much longer its texts are than the simulated ones."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        announces = self.event.endswith(".expect")
        most = SERVICE_PAYLOADS_MAX if announces else int(REPLY_MS_MAX)
        if self.number > most:
            what = "an expect announces" if announces else "speech lasts"
            raise wrong(f"{what} at most {most}{'' if announces else ' ms'}", at="number")
        return self


class PlannedFault(Strictly):
    """One thing that goes wrong; one line of a plan. Its kind says which other fields count."""

    kind: FaultKind
    """What goes wrong."""
    customer: Customer = 0
    """Whose event it befalls."""
    event: Event | None = None
    """Which event it befalls."""
    operation: Operation | None = None
    """Which of the event's requests it befalls, by name."""
    nth: Annotated[Whole, Field(ge=0, le=TIMES_MAX)] = 1
    """Which of the requests of that name, or of all for a crash; how an encoder fails."""
    times: Annotated[Whole, Field(ge=1, le=TIMES_MAX)] = 1
    """How many attempts of the request it befalls."""
    after: YesNo = False
    """Whether the request was carried out before."""
    node: Node = 0
    """Which process, or follower."""
    at_ms: Instant = 0.0
    """When it begins, from the start."""
    ms: Annotated[Number, Field(ge=-PLAN_MS_MAX, le=PLAN_MS_MAX)] = 0.0
    """How long it lasts, how late something is, or how wrong a clock."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.event is None and self.kind not in PLACELESS:
            raise wrong(f"a fault of kind '{self.kind}' needs 'event', which it befalls")
        if self.operation is None and self.kind in OF_A_REQUEST:
            raise wrong(f"a fault of kind '{self.kind}' needs 'operation', which it befalls")
        if self.ms < 0 and self.kind not in CLOCK_FAULTS:
            raise wrong("must not be negative: only a clock may be slow", at="ms")
        name, most = CLOCK_FAULTS.get(self.kind, ("PLAN_MS_MAX", PLAN_MS_MAX))
        if abs(self.ms) > most:
            message = f"must be from -{most:g} to {most:g} ({name}): the stores allow for no more"
            raise wrong(message, at="ms")
        if self.kind is FaultKind.CUT_REPLICA and self.node >= FOLLOWERS:
            raise wrong(f"there are {FOLLOWERS} followers; {_up_to(FOLLOWERS)}", at="node")
        if not self.nth and self.kind in (*OF_A_REQUEST, FaultKind.CRASH):
            raise wrong("requests are counted from 1, which would be right", at="nth")
        if self.kind is FaultKind.FAILING_ENCODER and self.nth >= ENCODER_FAILURES:
            message = f"an encoder fails in {ENCODER_FAILURES} ways; {_up_to(ENCODER_FAILURES)}"
            raise wrong(message, at="nth")
        return self


class PlanLines(Strictly):
    """All that happens; `ctxasr.sim.plans.plan.Plan` as plain data."""

    seed: Annotated[Whole, Field(ge=0, le=SEED_MAX)]
    """Of what the lines leave open: latencies, and the order of what is ready."""
    payload_ttl_s: Annotated[Whole, Field(ge=1, le=int(PAYLOAD_TTL_MS_MAX) // 1_000)] = 3_600
    """How long payloads live, in seconds."""
    nodes: Annotated[Whole, Field(ge=1, le=NODES_MAX)] = NODES
    """Processes that share the work."""
    deliveries: Annotated[
        tuple[PlannedDelivery, ...], Field(min_length=1, max_length=PLAN_LINES_MAX)
    ]
    """What happens, in the order of its schedule."""
    faults: Annotated[tuple[PlannedFault, ...], Field(max_length=PLAN_LINES_MAX)] = ()
    """What goes wrong."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        lines = len(self.deliveries) + len(self.faults)
        if lines > PLAN_LINES_MAX:
            message = f"the plan has {lines} lines, at most PLAN_LINES_MAX ({PLAN_LINES_MAX})"
            raise wrong(message, at="faults")
        self._of_its_nodes()
        self._each_once()
        self._befalls()
        return self

    def _of_its_nodes(self) -> None:
        """Who names a node names one of the plan."""
        named = {f"deliveries.{at}": one.node for at, one in enumerate(self.deliveries)}
        for at, one in enumerate(self.faults):
            if one.kind in OF_A_NODE:
                named[f"faults.{at}"] = one.node
        for line, node in named.items():
            if node >= self.nodes:
                message = f"the plan's 'nodes' are {self.nodes}; {_up_to(self.nodes)}"
                raise wrong(message, at=f"{line}.node")

    def _each_once(self) -> None:
        """An event happens once, however often it is delivered."""
        seen: set[tuple[int, str]] = set()
        for place, one in enumerate(self.deliveries):
            if (one.customer, one.event) in seen:
                message = (
                    f"{one.event} of customer {one.customer} stands here already; to deliver it "
                    f"once more, a fault of kind '{FaultKind.DUPLICATE}' would be right"
                )
                raise wrong(message, at=f"deliveries.{place}.event")
            if one.event not in _OF_A_CUSTOMER:
                seen.add((one.customer, one.event))

    def _befalls(self) -> None:
        """A fault of an event that does not happen would be none."""
        plan = self.to_plan()
        places = plan.places
        for at, fault in enumerate(plan.faults):
            if fault.place is not None and fault.place not in places:
                what = fault.place[1]
                message = (
                    f"no delivery has {what or 'an event'} of customer {fault.customer}, which "
                    "this fault befalls; what stands under 'deliveries' would be right"
                )
                raise wrong(message, at=f"faults.{at}.{'event' if what else 'customer'}")

    def to_plan(self) -> Plan:
        """What the simulator carries out."""
        return Plan.from_dict(self.model_dump(exclude_none=True))


class SimulationSettings(Strictly):
    """What differs from a simulation's usual settings."""

    read_budget_ms: Annotated[
        Duration | None, Field(alias="read_budget", ge=0, le=DELAY_MS_MAX)
    ] = None
    """How long fetching, retrieval and rescoring may take after the recogniser's result."""
    grace_ms: Annotated[Duration | None, Field(alias="grace", ge=1, le=DELAY_MS_MAX)] = None
    """How long after its last event a turn is closed by the sweep."""
    fifo: YesNo = False
    """Run what is ready in asyncio's order in place of a drawn one."""


class Found(Strictly):
    """What a regression once broke."""

    invariant: Annotated[Whole, Field(ge=1, le=INVARIANTS)]
    """Its number in the design."""
    what: Annotated[str, StringConstraints(max_length=FOUND_CHARS_MAX)] = ""
    """The violation as it was told then."""
    by: Annotated[str, StringConstraints(max_length=FOUND_CHARS_MAX)] = ""
    """The command that found it."""


class Outcomes(Strictly):
    """How many turns are settled how; what is not named may be any number."""

    embedded: Annotated[Whole | None, Field(ge=0)] = None
    """Turns with a context."""
    missed: Annotated[Whole | None, Field(ge=0)] = None
    """Turns whose context was not there in time."""
    discarded: Annotated[Whole | None, Field(ge=0)] = None
    """Turns that asked nothing."""
    unsettled: Annotated[Whole | None, Field(ge=0)] = None
    """Turns that expired before anything settled them."""


class SimulatedExpect(Strictly):
    """What must come out, beside that no invariant breaks."""

    outcomes: Outcomes = Outcomes()
    """How many turns are settled how."""


class SimulatedScenario(InFile):
    """A plan that is carried out in virtual time; every invariant must hold."""

    settings: SimulationSettings = SimulationSettings()
    """What differs from a simulation's usual settings."""
    found: Found | None = None
    """What it broke when it was found, where it is a regression."""
    plan: PlanLines
    """What happens and what goes wrong."""
    expect: SimulatedExpect = SimulatedExpect()
    """What must come out, beside that no invariant breaks."""

    def to_plan(self) -> Plan:
        """What the simulator carries out."""
        return self.plan.to_plan()

    def setting(self) -> Setting:
        """Under which settings."""
        return Setting(**self.settings.model_dump(exclude_none=True))
