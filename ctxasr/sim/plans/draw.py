"""A seed to a plan: what is said when, and what goes wrong.

Each kind of fault of the profile is enabled at random per seed: runs with few kinds go deep where
runs with all of them would drown in noise (swarm testing: A. Groce and others, ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from ctxasr.sim.luck import Luck, Stream, kind
from ctxasr.sim.plans.faults import OF_A_REGION, Fault, FaultKind
from ctxasr.sim.plans.plan import NODES, REPLY_STEP_MS, Delivery, Plan
from ctxasr.sim.plans.templates import ANSWER, FORGET, SWEEP, place_of

HOUR_MS: Final = 3_600_000.0

ECHOING_REPLY_MS: Final = 60_000
"""Reply of a turn that echoes the token of the next one: that one ends before it."""

HANG_MS: Final = HOUR_MS
"""What 'for ever' is to a handler."""

TTL_LATE_MS_MAX: Final = 48 * HOUR_MS
OFFSET_MS_MAX: Final = 900.0
"""Clocks of two nodes disagree by less than the skew that the store allows for."""

DRIFT_PPM_MAX: Final = 200.0
FORGETS_MAX: Final = 2
"""Erasings of one customer in one plan."""

TTLS_S: Final = (3_600, 60, 12)
"""How long payloads live: mostly the default, sometimes not to the end of a dialogue."""

_TURNS, _FAULTS, _ECHOES, _MOMENTS = map(kind, ("turns", "faults", "echoes", "moments"))
_FORGETS: Final = kind("forgets")

_OPERATIONS: Final = {
    "payload": ("new_key", "open_key", "put", "record", "claim", "get", "put_blob", "settle"),
    "expect": ("link", "record", "claim", "get", "follow", "read", "get_blob", "put_blob",
               "settle", "delete"),
    "claimer": ("claim", "get", "put_blob", "settle"),
    "answer": ("follow", "read", "get_blob", "decrypt"),
    "other": ("record", "claim", "settle", "delete"),
}  # fmt: skip
_PAYLOADS: Final = ("utterance", "reply", "entities", "screen")


@dataclass(frozen=True, slots=True)
class Profile:
    """Which faults may come, and how likely each kind is in one plan."""

    kinds: tuple[FaultKind, ...] = tuple(FaultKind)
    enabled: float = 0.2
    faults_max: int = 2
    """Of one kind, per customer."""
    forgets: float = 0.0
    """Share of customers who are erased, once or twice, at any moment."""


PROFILES: Final = {
    "none": Profile(()),
    "network": Profile((
        FaultKind.LOST_ANSWER, FaultKind.SERVER_ERROR, FaultKind.THROTTLED, FaultKind.SLOW_REQUEST,
        FaultKind.DUPLICATE, FaultKind.DELAY,
    )),
    "crashes": Profile((FaultKind.CRASH, FaultKind.LOST_ANSWER, FaultKind.DUPLICATE)),
    "clocks": Profile((FaultKind.CLOCK_OFFSET, FaultKind.CLOCK_DRIFT, FaultKind.LATE_TTL)),
    "models": Profile((
        FaultKind.SLOW_ENCODER, FaultKind.FAILING_ENCODER, FaultKind.SLOW_ALIGNER,
    )),
    "all": Profile(forgets=0.25),
}  # fmt: skip
"""By the names that the command line knows."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What dialogues look like; a workload with statistics hands in its own deliveries."""

    customers: int = 1
    dialogues: int = 1
    turns_max: int = 3
    turns_min: int = 1
    """All before these ask back."""
    asks: float = 0.85
    barge_ins: float = 0.25
    answers: float = 0.9
    echoes_later: float = 0.05
    """Of the dialogues with a turn that echoes the token of a later one."""
    moments: float = 0.05
    """Of the turns that speak twice: "One moment.", then the reply."""


def draw(seed: int, profile: Profile = PROFILES["all"], shape: Shape | None = None) -> Plan:
    """The plan of a seed."""
    shape, luck = shape or Shape(), Luck(seed)
    deliveries: list[Delivery] = []
    faults: list[Fault] = []
    for customer in range(shape.customers):
        stream = luck.stream(_TURNS, customer)
        own: list[Delivery] = []
        echoes, moments = luck.stream(_ECHOES, customer), luck.stream(_MOMENTS, customer)
        for dialogue in range(shape.dialogues):
            one_dialogue = _dialogue(stream, shape, customer, dialogue)
            own += _echoing(echoes, shape, one_dialogue)
            own += _moments(moments, shape, one_dialogue)
        deliveries += own + _forgets(luck.stream(_FORGETS, customer), profile, own)
        stream = luck.stream(_FAULTS, customer)
        for one in profile.kinds:
            if customer and one in OF_A_REGION:  # once a plan: a fleet has no worse region
                continue
            if stream.next() < profile.enabled:
                for _ in range(1 + int(stream.next() * profile.faults_max)):
                    faults.append(DRAWS[one](stream, one, own))
    ttl = luck.of(_FAULTS)
    ttl_s = TTLS_S[0] if not profile.kinds or ttl < 0.7 else TTLS_S[1 if ttl < 0.85 else 2]
    deliveries.sort(key=lambda one: one.at_ms)
    return Plan(seed, tuple(deliveries), tuple(faults), ttl_s)


def _between(stream: Stream, low: float, high: float) -> float:
    return round(low + stream.next() * (high - low))


def _dialogue(stream: Stream, shape: Shape, customer: int, dialogue: int) -> list[Delivery]:
    """All turns of a dialogue; the customer answers, or is interrupted, or goes away."""
    found: list[Delivery] = []
    at_ms = _between(stream, 0, 2_000)
    turns = max(shape.turns_min, 1 + int(stream.next() * shape.turns_max))
    for turn in range(1, turns + 2):

        def note(what: str, at: float, number: float = 0, turn: int = turn) -> None:
            node = int(stream.next() * NODES)
            event = f"d{dialogue}t{turn}.{what}"
            found.append(Delivery(event, float(round(at)), customer, node, int(number)))

        speech_ms = _between(stream, 300, 2_500)
        if stream.next() < (shape.answers if turn > 1 else 0.1):
            note(ANSWER, at_ms, speech_ms)  # the first of a dialogue was asked for by nobody
        if turn > turns:
            break
        share = 1.0 if turn < shape.turns_min else shape.asks
        at_ms, asks = _turn(stream, shape, share, at_ms, speech_ms, note)
        if not asks:
            break
    if stream.next() < 0.3:
        event = found[int(stream.next() * len(found))]
        late_ms = _between(stream, 0, 20_000)
        found.append(Delivery(SWEEP, event.at_ms + late_ms, customer, int(stream.next() * NODES)))
    return found


def _moments(stream: Stream, shape: Shape, found: list[Delivery]) -> Iterator[Delivery]:
    """What some turns say before their reply; it may end after their expect-speech."""
    at_ms = {one.event: one.at_ms for one in found}
    for reply in found:
        turn, _, what = reply.event.partition(".")
        if what != "reply" or stream.next() >= shape.moments:
            continue
        heard_ms = at_ms[f"{turn}.utterance"]
        began_ms = heard_ms + _between(stream, 0, 40)
        ended_ms = reply.at_ms + _between(stream, -20, 200)
        for name, instant_ms, number, share in (
            ("moment", heard_ms, 0, 1.0),
            ("moment_reply", heard_ms, ended_ms - began_ms, 0.5),
            ("moment_started", began_ms, 0, 0.5),
            ("moment_finished", ended_ms, 0, 0.9),
        ):
            if stream.next() < share:
                node = int(stream.next() * NODES)
                event = f"{turn}.{name}"
                yield Delivery(event, instant_ms, reply.customer, node, max(0, int(number)))


def _echoing(stream: Stream, shape: Shape, found: list[Delivery]) -> list[Delivery]:
    """The same dialogue, or one in which a turn echoes the token of the next.

    Its trigger is satisfied when that one may have been embedded, while its own reply still plays.
    """
    asking = [one.event for one in found if one.event.endswith(".expect")]
    if stream.next() >= shape.echoes_later or len(asking) < 2:
        return found
    at = int(stream.next() * (len(asking) - 1))
    turns = [event.partition(".")[0] for event in asking]
    later_ms = max(one.at_ms for one in found if one.event.startswith(f"{turns[at + 1]}."))
    changes: dict[str, dict[str, Any]] = {
        "recognize": {"number": place_of(asking[at + 1]).turn},
        "reply": {"number": ECHOING_REPLY_MS},
        "expect": {"at_ms": later_ms + _between(stream, 0, 2_000)},
        ANSWER: {"number": ECHOING_REPLY_MS},
    }
    echoing: list[Delivery] = []
    for one in found:
        turn, _, what = one.event.partition(".")
        if turn != turns[at]:
            echoing.append(one)
        elif what not in ("finished", "interrupted", "completed"):
            echoing.append(replace(one, **changes.get(what, {})))
    return echoing


def _turn(
    stream: Stream,
    shape: Shape,
    asks_share: float,
    at_ms: float,
    speech_ms: float,
    note: Callable[..., None],
) -> tuple[float, bool]:
    """One turn's events; when the next one begins, and whether it was asked for."""
    note("recognize", at_ms)
    heard_ms = at_ms + speech_ms
    note("utterance", heard_ms)
    services = [
        what for what, share in (("entities", 0.8), ("screen", 0.3)) if stream.next() < share
    ]
    for what in services:
        note(what, heard_ms + _between(stream, 20, 400))
    said_ms = heard_ms + _between(stream, 50, 500)
    longest_ms = 6_000 if stream.next() < 0.8 else 400
    reply_ms = REPLY_STEP_MS * _between(stream, 1, longest_ms / REPLY_STEP_MS)
    note("reply", said_ms, reply_ms)
    if stream.next() < 0.5:
        note("speak", said_ms)
    asks = stream.next() < asks_share
    if asks:
        expect_ms = said_ms + _between(stream, 0, 150)
        # A service payload that was not announced is recorded and not waited for.
        note("expect", expect_ms, max(0, len(services) - (stream.next() < 0.2)))
    began_ms = said_ms + _between(stream, 20, 200)
    if stream.next() < 0.5:
        note("started", began_ms)
    barges_in = stream.next() < shape.barge_ins
    ended_ms = began_ms + reply_ms * (stream.next() if barges_in else 1.0)
    note("interrupted" if barges_in else "finished", ended_ms)
    if stream.next() < 0.9:
        note("completed", said_ms + _between(stream, 0, 400))
    return round(ended_ms + (0.0 if barges_in else _between(stream, 0, 1_500))), asks


def _forgets(stream: Stream, profile: Profile, own: list[Delivery]) -> list[Delivery]:
    """Erasings of a customer, most of them while the last event of a trigger is handled."""
    found: list[Delivery] = []
    while len(found) < FORGETS_MAX and stream.next() < profile.forgets:
        event = _claimer(stream, own) if stream.next() < 0.6 else None
        near = event or _some(stream, own)
        at_ms = near.at_ms + _between(stream, 0, 60 if event is not None else 2_000)
        found.append(Delivery(FORGET, at_ms, near.customer, int(stream.next() * NODES)))
    return found


# ---------------------------------------------------------------- faults


def _some(stream: Stream, own: list[Delivery], *, answer: bool = False) -> Delivery:
    """One of the customer's events, or answers where there are any."""
    chosen = [one for one in own if one.event.endswith(ANSWER) == answer and one.event != SWEEP]
    chosen = chosen or own
    return chosen[int(stream.next() * len(chosen))]


def _claimer(stream: Stream, own: list[Delivery]) -> Delivery | None:
    """The event that will most likely claim a turn: the last that its trigger waits for."""
    asking = [one for one in own if one.event.endswith(".expect")]
    if not asking:
        return None
    turn = asking[int(stream.next() * len(asking))].event.partition(".")[0]
    trigger = [one for one in own if one.event.rpartition(".")[0] == turn]
    trigger = [one for one in trigger if one.event.rpartition(".")[2] in (*_PAYLOADS, "expect")]
    return max(trigger, key=lambda one: one.at_ms)


def _request(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    claimer = _claimer(stream, own) if stream.next() < 0.35 else None
    event = claimer or _some(stream, own, answer=stream.next() < 0.15)
    what = event.event.partition(".")[2]
    operations = _OPERATIONS.get("payload" if what in _PAYLOADS else what, _OPERATIONS["other"])
    if claimer is not None:
        operations = _OPERATIONS["claimer"]
    operation = operations[int(stream.next() * len(operations))]
    ms = 0.0
    if one is FaultKind.LOST_ANSWER:
        ms = 5_000.0 if stream.next() < 0.4 else 0.0
    elif one is FaultKind.SLOW_REQUEST:
        ms = _between(stream, 20, 4_000)
    times = (1, 1, 1, 2, 4)[int(stream.next() * 5)]
    nth = 1 if stream.next() < 0.8 else 2
    after = stream.next() < 0.5
    return Fault(one, event.customer, event.event, operation, nth, times, after, ms=ms)


def _crash(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    event, nth = _some(stream, own), 1 + int(stream.next() * 9)
    after, ms = stream.next() < 0.5, _between(stream, 0, 5_000)
    return Fault(one, event.customer, event.event, nth=nth, after=after, ms=ms)


def _again(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    event = _some(stream, own)
    ms = _between(stream, 0, 500 if stream.next() < 0.5 else 30_000)
    return Fault(one, event.customer, event.event, node=int(stream.next() * NODES), ms=ms)


def _model(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    event = _some(stream, own, answer=one is FaultKind.SLOW_ALIGNER)
    ms = _between(stream, 10, 5_000) if stream.next() < 0.8 else HANG_MS
    if one is FaultKind.SLOW_ALIGNER:
        ms = _between(stream, 10, 200)
    return Fault(one, event.customer, event.event, nth=int(stream.next() * 3), ms=ms)


def _node(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    most = OFFSET_MS_MAX if one is FaultKind.CLOCK_OFFSET else DRIFT_PPM_MAX
    return Fault(one, node=int(stream.next() * NODES), ms=_between(stream, -most, most))


def _span(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    at_ms = max(0.0, _some(stream, own).at_ms - _between(stream, 0, 200))
    most = 30_000 if one is FaultKind.CUT_REPLICA or stream.next() < 0.1 else 800
    return Fault(one, node=int(stream.next() * 2), at_ms=at_ms, ms=_between(stream, 50, most))


def _ttl(stream: Stream, one: FaultKind, own: list[Delivery]) -> Fault:
    most_ms = TTL_LATE_MS_MAX if stream.next() < 0.5 else 3_000.0
    return Fault(one, own[0].customer, ms=_between(stream, 0, most_ms))


DRAWS: Final[dict[FaultKind, Callable[[Stream, FaultKind, list[Delivery]], Fault]]] = {
    FaultKind.LOST_ANSWER: _request,
    FaultKind.SERVER_ERROR: _request,
    FaultKind.THROTTLED: _request,
    FaultKind.SLOW_REQUEST: _request,
    FaultKind.CRASH: _crash,
    FaultKind.DUPLICATE: _again,
    FaultKind.DELAY: _again,
    FaultKind.SLOW_ENCODER: _model,
    FaultKind.FAILING_ENCODER: _model,
    FaultKind.SLOW_ALIGNER: _model,
    FaultKind.CLOCK_OFFSET: _node,
    FaultKind.CLOCK_DRIFT: _node,
    FaultKind.KMS_OUTAGE: _span,
    FaultKind.CUT_REPLICA: _span,
    FaultKind.LOAD_SPIKE: _span,
    FaultKind.LATE_TTL: _ttl,
}
