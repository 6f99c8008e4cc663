"""Whole plans: the shipped stages hold their invariants, and a seed is one run everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import pytest

from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.plans.draw import PROFILES, Shape, draw
from ctxasr.sim.plans.faults import OF_A_REGION, Fault, FaultKind
from ctxasr.sim.plans.plan import Delivery, Plan
from ctxasr.sim.plans.shrink import shrink
from ctxasr.sim.plans.templates import FORGET, MARK
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.sim.runs import Run, Setting
from ctxasr.sim.world import DELIVERIES_MAX, VISIBILITY_S, simulate
from ctxasr.store.memory import MemoryEventStore

ASKING = (
    Delivery("d0t1.utterance", 900.0),
    Delivery("d0t1.reply", 1_250.0, number=2_000),
    Delivery("d0t1.expect", 1_300.0),
)
"""The smallest turn that is embedded."""

ANSWER = Delivery("d0t2.answer", 4_000.0, number=1_000)


def carry_out(*lines: Delivery | Fault, **setting: Any) -> Run:
    deliveries = tuple(one for one in lines if isinstance(one, Delivery))
    faults = tuple(one for one in lines if isinstance(one, Fault))
    return simulate(Plan(7, deliveries, faults), MemoryEventStore, Setting(**setting))


def of_all(run: Run) -> str:
    return "; ".join(map(str, run.violations))


# ---------------------------------------------------------------- invariants over seeds


@pytest.mark.parametrize("profile", PROFILES)
def test_no_seed_breaks_an_invariant(profile: str) -> None:
    for seed in range(100):
        run = simulate(draw(seed, PROFILES[profile]), MemoryEventStore)
        assert not run.violations, f"seed {seed}: {of_all(run)}"


def test_several_customers_and_dialogues_at_once() -> None:
    for seed in range(40):
        plan = draw(seed, PROFILES["all"], Shape(customers=3, dialogues=2, turns_max=2))
        run = simulate(plan, MemoryEventStore)
        assert not run.violations, f"seed {seed}: {of_all(run)}"


def test_what_a_few_hundred_seeds_reach() -> None:
    reached = Coverage()
    for seed in range(400):
        reached.add(simulate(draw(seed), MemoryEventStore, Setting(trace=False)).coverage)
    rare = {
        "answer: settled at the second look", "two attempts stored a context",
        "waited for an earlier delivery here", "barge-in shortened a window",
    }  # fmt: skip
    assert set(reached.missing()) <= rare, "the proof reaches those as well"


SEEDS = 100_000
AT_ONCE = 2_000


def some_seeds(first: int) -> tuple[int, Coverage, list[str]]:
    """Events, what was reached, and what was broken from this seed on."""
    reached, events, broken = Coverage(), 0, []
    for seed in range(first, first + AT_ONCE):
        plan = draw(seed, shape=Shape(turns_min=3))
        run = simulate(plan, MemoryEventStore, Setting(trace=False))
        events += len(plan.deliveries)
        reached.add(run.coverage)
        if run.violations:
            broken.append(f"seed {seed}: {of_all(run)}")
    return events, reached, broken


@pytest.mark.proof
def test_a_hundred_thousand_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    reached, events, broken = Coverage(), 0, list[str]()
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        for some_events, some_reached, some_broken in pool.map(
            some_seeds, range(0, SEEDS, AT_ONCE)
        ):
            events += some_events
            reached.add(some_reached)
            broken += some_broken
    fired = sum(count for name, count in reached.table() if name.startswith("fault: "))
    with capsys.disabled():
        print(f"\n{SEEDS:,} seeds of three turns, {events:,} events, {fired:,} faults")
        print(f"{len(broken)} seeds with a violation")
        for name, count in reached.table():
            print(f"{count:10,d}  {name}")
    assert not broken, broken[:10]
    assert reached.missing() == []


@pytest.mark.proof
def test_the_share_of_triggers_that_eventual_reads_lose(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = lost = 0
    for seed in range(2_000):
        plan = draw(seed, PROFILES["none"])
        right = simulate(plan, MemoryEventStore, Setting(trace=False))
        wrong = simulate(
            plan, MemoryEventStore, Setting(trace=False, what_if=WhatIf.EVENTUAL_READS)
        )
        turns += right.outcomes.get("embedded", 0)
        lost += right.outcomes.get("embedded", 0) - wrong.outcomes.get("embedded", 0)
    with capsys.disabled():
        print(f"\neventual reads lose {lost} of {turns} contexts ({100 * lost / turns:.1f} %)")
    assert lost > 0


def test_a_duplicate_of_an_acknowledged_event_may_own_the_turn() -> None:
    """It is not delivered again if its node dies; the event that would have claimed sees to it."""
    again = Fault(FaultKind.DUPLICATE, event="d0t1.utterance", ms=412.0)
    for seed in range(200):
        plan = replace(Plan(seed, ASKING), faults=(again,))
        run = simulate(plan, MemoryEventStore)
        assert not run.violations, f"seed {seed}: {of_all(run)}"


# ---------------------------------------------------------------- one run everywhere


def test_the_same_seed_is_the_same_run() -> None:
    hashes = set()
    for seed in range(40):
        runs = [simulate(draw(seed), MemoryEventStore) for _ in range(2)]
        assert runs[0].trace == runs[1].trace
        assert runs[0].trace_hash == runs[1].trace_hash
        assert runs[0].coverage.counts == runs[1].coverage.counts
        hashes.add(runs[0].trace_hash)
    assert len(hashes) == 40


def test_a_trace_is_the_same_in_every_process() -> None:
    code = (
        "from ctxasr.sim.plans.draw import draw\nfrom ctxasr.sim.world import simulate\n"
        "from ctxasr.store.memory import MemoryEventStore\n"
        "for seed in range(30):\n"
        "    run = simulate(draw(seed), MemoryEventStore)\n"
        "    print(run.trace_hash, run.steps, sorted(run.coverage.counts.items()))\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", f"moved = [object() for _ in range({hash_seed})]\n{code}"],
            env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
            check=True, capture_output=True, text=True,
        ).stdout
        for hash_seed in (0, 1, 4711)
    }  # fmt: skip
    assert len(said) == 1


def test_what_befalls_a_region_is_drawn_once_for_all_its_customers() -> None:
    for seed in range(50):
        many = draw(seed, PROFILES["all"], Shape(customers=30, turns_max=1)).faults
        alone = draw(seed, PROFILES["all"], Shape(turns_max=1)).faults
        assert [one for one in many if one.kind in OF_A_REGION] == [
            one for one in alone if one.kind in OF_A_REGION
        ]
        assert len({one.customer for one in many}) > 20


def test_a_plan_is_plain_data() -> None:
    for seed in range(100):
        plan = draw(seed, PROFILES["all"], Shape(customers=2))
        document = json.loads(json.dumps(plan.to_dict()))
        assert Plan.from_dict(document) == plan
    with pytest.raises(ValueError, match="not a valid FaultKind"):
        Plan.from_dict(document | {"faults": [{"kind": "flood"}]})
    with pytest.raises(TypeError, match="unexpected keyword"):
        Plan.from_dict(document | {"deliveries": [{"event": "d0t1.reply", "when": 1}]})


def test_deleting_lines_leaves_the_luck_of_the_others() -> None:
    for seed in range(20):
        plan = draw(seed, PROFILES["none"], Shape(customers=2, turns_max=2))
        own = [at for at, one in enumerate(plan.deliveries) if one.customer == 0]
        whole = simulate(plan, MemoryEventStore, Setting(fifo=True, probe=False))
        alone = simulate(plan.only(own), MemoryEventStore, Setting(fifo=True, probe=False))
        assert set(alone.trace) <= set(whole.trace), f"seed {seed}"
        assert len(alone.trace) < len(whole.trace)


def test_a_plan_shrinks_to_what_is_needed_and_always_to_the_same() -> None:
    plan = draw(3, PROFILES["all"], Shape(customers=2))
    wanted = {"c0 utterance", "c1 reply"}
    tried = []

    def fails(one: Plan) -> bool:
        tried.append(len(one))
        there = {f"c{d.customer} {d.event.rpartition('.')[2]}" for d in one.deliveries}
        return wanted <= there

    small = shrink(plan, fails)
    assert len(small) == 2
    assert shrink(plan, fails) == small
    assert small.seed == plan.seed
    tried.clear()
    assert len(shrink(plan, fails, tries_max=3)) > 2
    assert len(tried) == 3, "bounded"


def test_what_is_left_of_a_plan_has_no_fault_of_what_was_deleted() -> None:
    plan = draw(3, PROFILES["all"], Shape(customers=2))
    only = plan.deliveries[0]
    befalls = Fault(FaultKind.CRASH, only.customer, only.event)
    plan = replace(plan, faults=(*plan.faults, befalls))

    def fails(one: Plan) -> bool:  # no fault may go
        return len(one.faults) == len(plan.faults) and only in one.deliveries

    small = shrink(plan, fails)
    assert small.deliveries == (only,)
    assert befalls in small.faults
    assert len(small.faults) < len(plan.faults)
    assert all(one.place is None or one.place in small.places for one in small.faults)


# ---------------------------------------------------------------- what becomes of single plans


FORGETS = replace(PROFILES["all"], forgets=0.8)


def test_a_customer_may_be_forgotten_at_any_moment() -> None:
    reached = Coverage()
    for seed in range(600):
        plan = draw(seed, FORGETS)
        run = simulate(plan, MemoryEventStore, Setting(trace=False))
        assert not run.violations, f"seed {seed}: {of_all(run)}"
        reached.add(run.coverage)
    assert all(
        reached.counts[name]
        for name in ("forgotten", "acknowledged across a forget", "sealed again")
    )


def test_the_luck_of_plans_without_a_forget_is_as_it_was() -> None:
    for seed in range(50):
        never, often = draw(seed, replace(FORGETS, forgets=0.0)), draw(seed, FORGETS)
        kept = tuple(one for one in often.deliveries if one.event != FORGET)
        assert (kept, often.faults) == (never.deliveries, never.faults)


def test_what_was_over_before_a_forget_is_gone_and_what_comes_later_is_there() -> None:
    for at_ms in (1_100.0, 1_290.0, 1_306.0, 1_320.0, 2_000.0, 8_000.0):
        late = Delivery("d0t1.entities", 1_600.0, node=1)
        lines = (*ASKING, late, Delivery(FORGET, at_ms, node=2), ANSWER)
        run = carry_out(*lines)
        assert not run.violations, f"at {at_ms}: {of_all(run)}"
        assert run.coverage.counts["forgotten"] == 1
        embedded = run.outcomes.get("embedded", 0)
        assert embedded == 0, "its texts were forgotten, or came without the others"
        assert run.coverage.counts["answer: hit"] == (at_ms > ANSWER.at_ms)


def outcomes(*lines: Delivery | Fault, **setting: Any) -> dict[str, int]:
    run = carry_out(*lines, **setting)
    assert not run.violations, of_all(run)
    return run.outcomes


def test_a_turn_that_asks_is_embedded_and_its_answer_is_biased() -> None:
    entities = Delivery("d0t1.entities", 1_000.0)
    expect = replace(ASKING[2], number=1)
    run = carry_out(*ASKING[:2], entities, expect, ANSWER)
    assert not run.violations
    assert run.outcomes == {"embedded": 1}
    assert run.coverage.counts["answer: hit"] == 1
    assert run.coverage.counts["answer: changed by context"] == 1


def test_faults_end_as_the_design_says() -> None:
    def of(kind: FaultKind, event: str, **more: Any) -> Fault:
        return Fault(kind, event=f"d0t1.{event}", **more)

    slow = of(FaultKind.SLOW_ENCODER, "expect", ms=3_000.0)
    assert outcomes(*ASKING, slow) == {"missed": 1}
    for how in range(3):
        assert outcomes(*ASKING, of(FaultKind.FAILING_ENCODER, "reply", nth=how)) == {"missed": 1}
    for nth in range(1, 9):
        for after in (False, True):
            crash = of(FaultKind.CRASH, "expect", nth=nth, after=after)
            (outcome,) = outcomes(*ASKING, crash)
            assert outcome in ("embedded", "missed"), "the window may be over when it comes again"
    lost = of(FaultKind.LOST_ANSWER, "expect", operation="claim", times=4)
    assert set(outcomes(*ASKING, lost)) == {"missed"}, "30 s later the reply has long ended"
    assert outcomes(*ASKING[:2]) == {"discarded": 1}, "by the sweep"
    assert outcomes(*ASKING[1:]) == {"missed": 1}, "by the sweep"


def test_an_event_that_is_never_recorded_is_given_up_and_told() -> None:
    long_ms = (DELIVERIES_MAX + 2) * (VISIBILITY_S + 25.0) * 1_000.0
    run = carry_out(*ASKING, Fault(FaultKind.KMS_OUTAGE, ms=long_ms))
    assert {one.invariant for one in run.violations} == {1}
    assert "never acknowledged" in of_all(run)


def test_no_text_stands_in_a_trace() -> None:
    run = carry_out(*ASKING, ANSWER)
    assert run.trace
    assert MARK not in repr(run.trace)


def test_a_run_says_which_invariants_it_says_nothing_about() -> None:
    run = carry_out(*ASKING, ANSWER)
    assert run.not_judged == {3: "no claim's answer was lost", 8: "no node died"}
    lost = Fault(FaultKind.LOST_ANSWER, event="d0t1.expect", operation="claim")
    crash = Fault(FaultKind.CRASH, event="d0t1.recognize")
    opening = Delivery("d0t1.recognize")
    assert carry_out(opening, *ASKING, ANSWER, lost, crash).not_judged == {}
    assert set(carry_out(ANSWER).not_judged) == set(range(1, 16)) - {4, 5}
