"""Memory: a world needs what its dialogues need, however long they take, and leaves nothing."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from dataclasses import replace

import pytest

from ctxasr.sim.garbage import NEW_OBJECTS, seldom_collected
from ctxasr.sim.plans.draw import PROFILES, Shape, draw
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.runs import Setting
from ctxasr.sim.world import World, simulate
from ctxasr.store.memory import MemoryEventStore

DIALOGUES = 400
WEEK_S, HOUR_S = 7 * 86_400.0, 3_600.0


def spread(plan: Plan, over_s: float) -> Plan:
    """The same dialogues, one after the other over so long."""
    step_ms = over_s * 1_000.0 / DIALOGUES
    moved = [replace(one, at_ms=one.at_ms + step_ms * one.customer) for one in plan.deliveries]
    return replace(plan, deliveries=tuple(sorted(moved, key=lambda one: one.at_ms)))


def peak_bytes(plan: Plan) -> tuple[int, float]:
    """The most that a run of the plan holds, beyond what was held before; and its seconds."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run = simulate(plan, MemoryEventStore, Setting(trace=False))
        assert not run.violations
        return tracemalloc.get_traced_memory()[1] - before, run.virtual_s
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("profile", ["none", "all"])
def test_a_simulated_week_needs_no_more_memory_than_an_hour(profile: str) -> None:
    drawn = draw(3, PROFILES[profile], Shape(customers=DIALOGUES, turns_max=1))
    plans = [replace(spread(drawn, over_s), payload_ttl_s=3_600) for over_s in (HOUR_S, WEEK_S)]
    simulate(plans[0], MemoryEventStore, Setting(trace=False))  # what is kept for all worlds
    (hour, hour_s), (week, week_s) = map(peak_bytes, plans)
    assert week_s > 80 * hour_s
    assert week <= 1.05 * hour, f"{week:,} bytes for a week, {hour:,} for an hour"
    assert hour < 40_000 * DIALOGUES, "and that is little"


def test_worlds_leave_nothing_behind() -> None:
    def twenty() -> None:
        for seed in range(20):
            simulate(draw(seed, PROFILES["all"], Shape(customers=5)), MemoryEventStore)

    tracemalloc.start()
    try:
        twenty()  # fills what is kept for all worlds: templates, distributions, free lists
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        twenty()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert left < 20_000, f"{left} bytes are left of twenty worlds"


def test_a_world_goes_without_the_collector() -> None:
    """No circles: thousands of small worlds would otherwise wait for it."""
    world = World(draw(7, PROFILES["none"]), MemoryEventStore, Setting())
    gc.collect()
    gc.disable()
    try:
        world.run()
        loop = weakref.ref(world._loop)
        del world
        assert loop() is None
    finally:
        gc.enable()


def test_the_collector_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() == (NEW_OBJECTS, *before[1:])
        with seldom_collected():
            assert gc.get_threshold()[0] == NEW_OBJECTS
        assert gc.get_threshold()[0] == NEW_OBJECTS
    assert gc.get_threshold() == before
    gc.set_threshold(0)  # somebody has switched it off
    try:
        with seldom_collected():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
