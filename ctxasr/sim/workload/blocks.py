"""Blocks of a fleet's dialogues as plans: who begins when, and what goes wrong.

    plan = draw_block(Workload(rate=100.0), seed=7, first=1_000, count=500)

A dialogue is drawn by its number in the whole run and by nothing else: whatever block it stands in,
it is the same, and it begins at the same instant of the run.

**Arrivals** are a non-homogeneous Poisson process given its counts. With L(t) the dialogues that
begin until t on the mean (`curve.begun`), dialogue n of stratum k = n // STRATUM begins at

    L^-1(STRATUM * (k + u_n))        u_n uniform, of the dialogue's own luck

Given that STRATUM dialogues begin in a stretch, a Poisson process puts them there independently and
by the rate (Kingman, "Poisson processes", 1993, section 2.4); that exactly STRATUM begin in each is
what was added. Of m dialogues that begin in a second on the mean, the variance is
m * (1 - m / STRATUM) instead of m. Where m is as large as a stratum, a second's noise is below 5 %
in either case, and turns are further spread by their speech of seconds before they reach the store.
"""

from __future__ import annotations

from typing import Final

from ctxasr.sim.luck import Luck, kind
from ctxasr.sim.plans.draw import DRAWS, PROFILES, Profile
from ctxasr.sim.plans.faults import OF_A_REGION, Fault, FaultKind
from ctxasr.sim.plans.plan import Delivery, Plan
from ctxasr.sim.workload.curve import instant_s
from ctxasr.sim.workload.scripted import play
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.sim.workload.turns import UNIFORMS, deliver, draw_turn

STRATUM: Final = 500
"""Dialogues of a stratum; blocks of this size are whole strata, so their plans are short."""

FAULTY: Final = 0.02
"""The share of dialogues in which a profile's faults are drawn, if it has any."""

_DIALOGUE, _FAULTS, _BLOCK = kind("dialogue"), kind("faults of a dialogue"), kind("block")


def block_start_ms(workload: Workload, first: int) -> float:
    """When the plan of a block begins, in whole ms of the run: where its first stratum does."""
    return float(int(began_ms(workload, first, 0.0)))


def began_ms(workload: Workload, number: int, uniform: float) -> float:
    """When dialogue `number` begins, in ms of the run, by its uniform number."""
    dialogues = (number // STRATUM + uniform) * STRATUM
    return instant_s(workload.rate, workload.curve, dialogues) * 1_000.0


def draw_block(
    workload: Workload,
    seed: int,
    first: int,
    count: int,
    profile: Profile = PROFILES["none"],
) -> Plan:
    """Dialogues `first` to `first + count - 1` as a plan; the customer is the place in the block.

    Times count from `block_start_ms`, which the daily curve needs and nothing in the plan does.
    """
    luck, start_ms = Luck(seed), block_start_ms(workload, first)
    deliveries: list[Delivery] = []
    faults: list[Fault] = []
    own_kinds = [one for one in profile.kinds if one not in OF_A_REGION]
    for customer in range(count):
        number = first + customer
        own = draw_dialogue(workload, luck, number, customer, start_ms)
        deliveries += own
        if own_kinds:
            faults += _faults_of_a_dialogue(luck, number, own, own_kinds, profile)
    stream = luck.stream(_BLOCK, first)
    plan_seed = int(stream.next() * 2**53)
    for one in profile.kinds:
        if one in OF_A_REGION and deliveries and stream.next() < profile.enabled:
            for _ in range(1 + int(stream.next() * profile.faults_max)):
                faults.append(DRAWS[one](stream, one, deliveries))
    deliveries.sort(key=lambda one: one.at_ms)
    return Plan(plan_seed, tuple(deliveries), tuple(faults))


def draw_dialogue(
    workload: Workload, luck: Luck, number: int, customer: int = 0, start_ms: float = 0.0
) -> list[Delivery]:
    """The deliveries of one dialogue, turn by turn; times count from `start_ms` of the run."""
    stream = luck.stream(_DIALOGUE, number)
    begin, scripted, which = stream.next(), stream.next(), stream.next()
    at_ms = began_ms(workload, number, begin) - start_ms
    if scripted < workload.scripted and workload.scripts:
        script = workload.scripts[int(which * len(workload.scripts))]
        return play(script, customer, at_ms, stream)
    found: list[Delivery] = []
    for turn in range(1, TURNS_MAX + 1):
        uniforms = [stream.next() for _ in UNIFORMS]
        next_ms = deliver(draw_turn(workload, turn, uniforms), turn, customer, at_ms, found)
        if next_ms is None:
            break
        at_ms = next_ms
    return found


def _faults_of_a_dialogue(
    luck: Luck, number: int, own: list[Delivery], kinds: list[FaultKind], profile: Profile
) -> list[Fault]:
    stream = luck.stream(_FAULTS, number)
    if stream.next() >= FAULTY:
        return []
    return [
        DRAWS[one](stream, one, own)
        for one in kinds
        if stream.next() < profile.enabled
        for _ in range(1 + int(stream.next() * profile.faults_max))
    ]
