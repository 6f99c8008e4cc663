"""Failing plans as scenario files: written, read again, replayed; and those that are committed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import Command
from hypothesis import given, settings
from hypothesis import strategies as st
from threats.test_attacks import copy_with

from ctxasr.app import simulated
from ctxasr.errors import InputError
from ctxasr.scenario.carry_out import carry_out
from ctxasr.scenario.format import SimulatedScenario, load_any, read_any
from ctxasr.scenario.inputs import load_checked
from ctxasr.scenario.planned import CLOCK_FAULTS, OPERATIONS, PLAN_LINES_MAX
from ctxasr.scenario.regressions import as_yaml, name_of, write
from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.draw import PROFILES, Shape, draw
from ctxasr.sim.plans.faults import OF_A_REQUEST, Fault, FaultKind
from ctxasr.sim.plans.plan import Delivery, Plan
from ctxasr.sim.plans.templates import ANSWER, MOMENT_EVENTS, SWEEP, TURN_EVENTS
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.requests import Place
from ctxasr.sim.runs import Setting

from .mutants import MUTANTS, Mutant

FOLDER = Path(__file__).parents[2] / "scenarios" / "regressions"
REGRESSIONS = {one.name: one for one in load_checked([FOLDER]).simulated}
LINES_MAX = 6
SECONDS_MAX = 60.0

BROKEN = [Violation(1, "c0/d0t1", "is not settled")]

UNHEARD = Plan(
    7, (Delivery("d0t1.utterance", 900.0),), (Fault(FaultKind.KMS_OUTAGE, ms=40 * 60_000.0),)
)
"""Fails on the shipped code as well: KMS is away until nobody delivers the event any more."""

UNMENDED: Final = Mutant(
    1, "who loses the claim is acknowledged at once",
    "pipeline.py",
    "case Decision.OTHERS if may_complete(event):",
    "case Decision.OTHERS if False:",
    1,
)  # fmt: skip
"""Takes the mending of invariant 1 away."""

KNOWN: Final = {mutant.story: mutant for mutant in MUTANTS}

BUGS: Final = {
    "invariant_01_seed_7_835ec9d6": UNMENDED,
    "invariant_03_seed_1605_def1b2f8": KNOWN["an owner that comes again takes itself for another"],
    "invariant_06_seed_4_73425c82": KNOWN["the item is read from any replica after the write"],
    "invariant_08_seed_100_060076f4": KNOWN[
        "an event is acknowledged while its turn is embedded in the background"
    ],
    "invariant_14_seed_118_e7662af6": KNOWN["clocks are trusted to agree"],
}
"""The bug that each file was found on; a new file need have none to be run."""


def again(text: str) -> SimulatedScenario:
    scenario = read_any(text)
    assert isinstance(scenario, SimulatedScenario)
    return scenario


# ---------------------------------------------------------------- written and read


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    profile=st.sampled_from(sorted(PROFILES)),
    customers=st.integers(1, 3),
    dialogues=st.integers(1, 2),
)
def test_a_drawn_plan_is_read_as_it_was_written(
    seed: int, profile: str, customers: int, dialogues: int
) -> None:
    plan = draw(seed, PROFILES[profile], Shape(customers=customers, dialogues=dialogues))
    text = as_yaml(plan, BROKEN)
    assert again(text).to_plan() == plan
    assert text == as_yaml(plan, BROKEN)
    assert name_of(plan, BROKEN) != name_of(plan.only(range(len(plan) - 1)), BROKEN)


numbers = st.floats(0, 1e9) | st.integers(0, 10**6)
places = st.sampled_from([*TURN_EVENTS, *MOMENT_EVENTS, ANSWER])
events = places.map("d3t12.{}".format) | st.just(SWEEP)
deliveries = st.builds(
    Delivery, events, numbers, st.integers(0, 99), st.integers(0, 9), st.integers(0, 16),
    st.integers(0, 16_384),
)  # fmt: skip
faults = st.builds(
    Fault, st.sampled_from(FaultKind), st.just(0), st.just(""), st.sampled_from(OPERATIONS),
    st.integers(0, 2), st.integers(1, 9), st.booleans(), st.integers(0, 1), numbers, numbers,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**18 - 1),
    st.lists(deliveries, min_size=1, max_size=4, unique_by=lambda one: (one.customer, one.event)),
    st.lists(faults, max_size=4),
)
def test_every_field_of_every_line_survives(
    seed: int, lines: list[Delivery], wrong: list[Fault]
) -> None:
    befallen = [
        replace(one, customer=other.customer, event=other.event,
                nth=one.nth + (one.kind in (*OF_A_REQUEST, FaultKind.CRASH)),
                ms=one.ms % 200 if one.kind in CLOCK_FAULTS else one.ms)
        for one, other in zip(wrong, lines * len(wrong), strict=False)
    ]  # fmt: skip
    plan = Plan(seed, tuple(lines), tuple(befallen), payload_ttl_s=77, nodes=10)
    assert again(as_yaml(plan, BROKEN)).to_plan() == plan


@settings(max_examples=50, deadline=None)
@given(what=st.text(max_size=400), by=st.text(max_size=400), about=st.text(max_size=100))
def test_what_was_found_may_be_any_text(what: str, by: str, about: str) -> None:
    plan = Plan(1, (Delivery(SWEEP),))
    text = as_yaml(plan, [Violation(15, "", what)], found_by=by, about=about)
    assert again(text).to_plan() == plan


def test_a_setting_is_kept_or_refused() -> None:
    setting = Setting(read_budget_ms=12.5, grace_ms=4_000.0, fifo=True, trace=False, probe=False)
    read = again(as_yaml(UNHEARD, BROKEN, setting=setting)).setting()
    assert read == replace(setting, trace=True, probe=True)
    assert "settings" not in as_yaml(UNHEARD, BROKEN, setting=Setting())
    with pytest.raises(InputError, match="differs in more"):
        as_yaml(UNHEARD, BROKEN, setting=Setting(latencies=Latencies.none()))


def test_a_file_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "regressions"
    path = write(UNHEARD, BROKEN, folder, found_by="ctxasr simulate --seed 7")
    assert path.name.startswith("invariant_01_seed_7_")
    assert path.read_text().count("ctxasr simulate --seed 7") == 1
    before = path.stat().st_mtime_ns
    assert write(UNHEARD, BROKEN, folder, found_by="ctxasr simulate --seed 7") == path
    assert path.stat().st_mtime_ns == before
    assert write(UNHEARD, BROKEN, folder, found_by="another command") == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="not overwritten"):
        write(UNHEARD, BROKEN, folder, setting=Setting(read_budget_ms=7.0))
    path.write_bytes(b"\xff: other")
    with pytest.raises(InputError, match="not overwritten"):
        write(UNHEARD, BROKEN, folder)
    assert len(list(folder.iterdir())) == 1, "no parts are left"


def test_what_is_no_regression_is_refused() -> None:
    with pytest.raises(InputError, match="no invariant"):
        as_yaml(UNHEARD, [])
    many = Plan(1, (Delivery(SWEEP),) * (PLAN_LINES_MAX + 1))
    assert again(as_yaml(many.only(range(PLAN_LINES_MAX)), BROKEN))
    with pytest.raises(InputError, match="cannot hold"):
        as_yaml(many, BROKEN)
    with pytest.raises(InputError, match="cannot hold"):
        as_yaml(replace(UNHEARD, seed=10**18), BROKEN)


def test_every_operation_of_the_stages_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    plain = Place.next

    def noting(place: Place, operation: str) -> Any:
        seen.add(operation)
        return plain(place, operation)

    monkeypatch.setattr(Place, "next", noting)
    for seed in range(150):
        plan = draw(seed, shape=Shape(customers=2))
        slow = FaultKind.SLOW_REQUEST  # without a fault of its own an event's requests are not told
        told = tuple(Fault(slow, one.customer, one.event, "record") for one in plan.deliveries)
        simulated(replace(plan, faults=plan.faults + told), Setting(trace=False))
    assert seen == set(OPERATIONS)


# ---------------------------------------------------------------- replayed


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    return write(UNHEARD, simulated(UNHEARD).violations, tmp_path)


def test_a_violation_is_a_failure_with_its_line(failing: Path) -> None:
    scenario = load_any(failing)
    assert isinstance(scenario, SimulatedScenario)
    report = carry_out(scenario)
    assert not report.passed
    (failure,) = report.failures
    assert (failure.field, failure.expected) == ("plan", "invariant 1 holds")
    assert failing.read_text().splitlines()[failure.line - 1] == "plan:"
    assert "never acknowledged" in failure.got


def test_replay_prints_the_steps_and_fails(failing: Path, command: Command) -> None:
    done = command("replay", failing)
    assert done.code == 1
    assert "d0t1.utterance is never acknowledged" in done.out
    assert "d0t1.utterance  failed StoreUnavailable" in done.out
    assert "0 of 1 passed" in done.out
    (told,) = command("replay", "--json", failing).turns
    assert (told["passed"], told["seed"], told["lines"]) == (False, 7, 2)
    assert {one["invariant"] for one in told["violations"]} == {1}
    assert {step["what"] for step in told["steps"]} == {"failed"}
    assert command("replay", "--json", failing).out == command("replay", "--json", failing).out


def test_outcomes_are_held_against_what_is_expected(tmp_path: Path, command: Command) -> None:
    path = write(replace(UNHEARD, faults=()), BROKEN, tmp_path)
    right = path.read_text() + "expect: {outcomes: {discarded: 1, embedded: 0}}\n"
    path.write_text(right)
    assert command("replay", "--quiet", path).code == 0
    path.write_text(right.replace("embedded: 0", "embedded: 1"))
    (told,) = command("replay", "--json", path).turns
    (failure,) = told["failures"]
    assert (failure["field"], failure["expected"], failure["got"]) == (
        "expect.outcomes.embedded", "1", "0",
    )  # fmt: skip


def test_check_counts_lines_and_evaluate_leaves_plans_out(failing: Path, command: Command) -> None:
    done = command("scenario", "check", failing)
    assert (done.code, done.out) == (0, f"ok {failing} (a plan of 2 lines)\n")
    done = command("evaluate", failing)
    assert (done.code, done.out) == (2, "")
    assert "no spoken scenario" in done.err
    assert command("scenario", "speak", failing).code == 0


# ---------------------------------------------------------------- the committed ones


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_passes_and_says_how_it_was_found(name: str) -> None:
    scenario = REGRESSIONS[name]
    report = carry_out(scenario)
    assert report.passed, report.failures
    assert scenario.found is not None, "what it once broke"
    assert scenario.found.by
    found = [Violation(scenario.found.invariant, "", "")]
    assert name == name_of(scenario.to_plan(), found), "its name says what it holds"


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_holds_under_other_seeds(name: str) -> None:
    scenario = REGRESSIONS[name]
    for seed in range(20):
        run = simulated(replace(scenario.to_plan(), seed=seed), scenario.setting())
        assert not run.violations, f"seed {seed}: {run.violations}"


@pytest.mark.parametrize("name", BUGS)
def test_a_regression_fails_on_the_code_that_it_was_found_on(name: str, tmp_path: Path) -> None:
    """Or it would hold nothing: the same file, replayed by a copy of the package with the bug."""
    scenario, bug = REGRESSIONS[name], BUGS[name]
    assert scenario.about.endswith(".")
    assert name.startswith(f"invariant_{bug.invariant:02}_")
    assert len(scenario.to_plan()) <= LINES_MAX
    assert f"| {name} |" in (FOLDER / "README.md").read_text()
    folder = copy_with((bug.file, bug.line, bug.replacement), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "ctxasr", "replay", "--json", str(scenario.path)],
        env=os.environ | {"PYTHONPATH": str(folder)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert bug.invariant in {one["invariant"] for one in told["violations"]}, told["violations"]
