"""How many dialogues the event-driven simulator carries out in a second of one core.

All faults and invariants are on, and drawing the plan counts. Beside each figure stands its ratio
to a plain loop of `asyncio.sleep` on asyncio's own event loop, measured between the same rounds, so
that the figure carries to other machines. `make bench` prints the figures.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable
from typing import Final

import pytest

from ctxasr.sim.plans.draw import PROFILES, Shape, draw
from ctxasr.sim.runs import Run, Setting
from ctxasr.sim.world import simulate
from ctxasr.store.memory import MemoryEventStore

pytestmark = pytest.mark.bench

DIALOGUES_PER_S: Final = 3_000
"""The contract: one-turn dialogues a second and core, many in one region."""

ROUNDS: Final = 9
SLEEPS: Final = 20_000
SETTING: Final = Setting(trace=False)


def world(seed: int, shape: Shape) -> Run:
    """Draw a plan, carry it out and judge it."""
    run = simulate(draw(seed, PROFILES["all"], shape), MemoryEventStore, SETTING)
    assert not run.violations, f"seed {seed}: {run.violations[:3]}"
    return run


def cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def sleeps_per_s() -> float:
    """Sleeps of one task that are as short as a timer can be: each needs the loop's heap."""

    async def sleep() -> None:
        for _ in range(SLEEPS):
            await asyncio.sleep(1e-9)

    return SLEEPS / cpu_s(lambda: asyncio.run(sleep()))


def measure(what: str, worlds: int, shape: Shape) -> float:
    """Customers a second, the median over rounds; prints that, the ratio, and what they were."""
    rates, sleeps, seeds = [], [], iter(range(10_000))
    world(next(seeds), shape)  # warms up
    gc.collect()
    for _ in range(ROUNDS):
        sleeps.append(sleeps_per_s())
        mine = [next(seeds) for _ in range(worlds)]
        took_s = cpu_s(lambda mine=mine: [world(seed, shape) for seed in mine])  # type: ignore[misc]
        rates.append(worlds * shape.customers / took_s)
    n = ROUNDS * worlds * shape.customers
    rate, sleep_rate = statistics.median(rates), statistics.median(sleeps)
    print(
        f"\n{what}: median {rate:,.0f}/s and core, {min(rates):,.0f} to {max(rates):,.0f}, "
        f"n = {n:,} in {ROUNDS} rounds; {100 * rate / sleep_rate:.2f} % of {sleep_rate:,.0f} "
        "asyncio.sleep/s on asyncio's own loop"
    )
    return rate


def describe(worlds: int, shape: Shape) -> None:
    """What one dialogue of such plans consists of, on the mean."""
    runs = [world(seed, shape) for seed in range(worlds)]
    n = worlds * shape.customers
    events = sum(len(run.plan.deliveries) for run in runs) / n
    faults = sum(len(run.plan.faults) for run in runs) / n
    requests = sum(run.used.requests for run in runs) / n
    harm = sum(
        count for run in runs for name, count in run.coverage.counts.items() if "fault: " in name
    )
    print(
        f"  a dialogue: {events:.1f} events, {requests:.1f} requests to the tables, "
        f"{sum(run.steps for run in runs) / n:.0f} callbacks of the loop, "
        f"{faults:.1f} faults planned, which struck {harm / n:.1f} times"
    )


def test_one_turn_dialogues_in_one_region_and_one_by_one() -> None:
    fleet, alone = Shape(turns_max=1, customers=200), Shape(turns_max=1)
    rate = measure("one-turn dialogues, 200 in a region", 1, fleet)
    describe(3, fleet)
    measure("one-turn dialogues, each a plan of its own", 200, alone)
    describe(500, alone)
    assert rate >= DIALOGUES_PER_S


def test_seeds_of_three_turn_dialogues() -> None:
    shape = Shape()
    measure("seeds of dialogues of up to three turns", 100, shape)
    describe(300, shape)
