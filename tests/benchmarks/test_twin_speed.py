"""How fast the twin is, beside a plain asyncio loop of sleeps, so that the figure carries over.

Both are measured in process CPU time, in turns, in one process: what another machine makes of
`asyncio.sleep` tells what it will make of the twin. `make bench` prints the figures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import pytest

from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.twin.play import play
from ctxasr.sim.workload.statistics import Workload

pytestmark = pytest.mark.bench

TURNS_PER_S_MIN: Final = 1_000_000.0
"""The contract: turns a second and core."""

ROUNDS: Final = 9
DIALOGUES: Final = 300_000
TASKS: Final = 100
SLEEPS: Final = 500
"""Of each task."""


def cpu_s(work: Callable[[], object]) -> float:
    """What it takes of this process."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def sleep_in_asyncio() -> None:
    """The stock loop, as many timers open at once as there are tasks, none of them waited for."""

    async def one() -> None:
        for _ in range(SLEEPS):
            await asyncio.sleep(1e-9)  # 0 would make no timer

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(TASKS)))

    asyncio.run(all_of_them())


def test_a_million_turns_a_second() -> None:
    workload, latencies = Workload(), Latencies()
    turns = play(workload, latencies, dialogues=DIALOGUES, seed=1).turns  # warms caches up
    sleep_in_asyncio()
    twin, sleeps = [], []
    for _ in range(ROUNDS):  # in turns: both see the same neighbours
        took_s = cpu_s(lambda: play(workload, latencies, dialogues=DIALOGUES, seed=1))
        twin.append(turns / took_s)
        sleeps.append(TASKS * SLEEPS / cpu_s(sleep_in_asyncio))
    ratios = sorted(one / other for one, other in zip(twin, sleeps, strict=True))
    median = sorted(twin)[ROUNDS // 2]
    print(
        f"\n{median:,.0f} turns a second and core (median of {ROUNDS}, {min(twin):,.0f} to "
        f"{max(twin):,.0f}; {turns:,} turns a round); asyncio: {sorted(sleeps)[ROUNDS // 2]:,.0f} "
        f"sleeps a second; ratio {ratios[ROUNDS // 2]:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    )
    assert median >= TURNS_PER_S_MIN
