"""Simulated scenarios: what a file with a `plan` says, and what is said of one that is wrong."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ctxasr.errors import ScenarioError
from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.scenario import planned
from ctxasr.scenario.format import SimulatedScenario, load_any, load_scenario, read_any
from ctxasr.scenario.inputs import load_checked
from ctxasr.scenario.planned import (
    CUSTOMERS_MAX,
    FOUND_CHARS_MAX,
    NODES_MAX,
    PLAN_LINES_MAX,
    PLAN_MS_MAX,
    SEED_MAX,
    TIMES_MAX,
)
from ctxasr.scenario.schema import scenario_schema
from ctxasr.scenario.source import parse_source
from ctxasr.scenario.speak import speak_scenario
from ctxasr.sim.plans.draw import DRIFT_PPM_MAX
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import Delivery, Plan
from ctxasr.sim.region.nodes import WRONG_MS_MAX

SPOKEN = "schema: 1\nturns: [{user: {hypotheses: [a]}}]\n"

FULL = """\
schema: 1
about: All that a simulated scenario can say.
settings: {read_budget: 20ms, grace: 5s, fifo: true}
found: {invariant: 3, what: "it did not know its own claim", by: "ctxasr simulate --seed 7"}
plan:
  seed: 7
  payload_ttl_s: 60
  nodes: 2
  deliveries:
    - {event: d0t1.utterance, at_ms: 900.5, customer: 3, node: 1, text_bytes: 10}
    - {event: d0t1.expect, at_ms: 1300, number: 2}
    - {event: sweep}
  faults:
    - {kind: lost answer, event: d0t1.expect, operation: claim, nth: 2, times: 4, after: true}
    - {kind: clock offset, node: 1, ms: -300}
expect: {outcomes: {embedded: 1, missed: 0}}
"""

LINE = """\
schema: 1
plan:
  seed: 1
  deliveries:
    - {%s}
"""

FAULT = """\
schema: 1
plan:
  seed: 1
  deliveries: [{event: d0t1.reply}, {event: d0t2.reply, customer: 3}]
  faults:
    - {%s}
"""


def wrong(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        read_any(text, "some.scenario.yaml")
    return caught.value


def simulated(text: str) -> SimulatedScenario:
    scenario = read_any(text, "x/full.scenario.yaml")
    assert isinstance(scenario, SimulatedScenario)
    return scenario


def test_everything_that_a_file_says_is_read_and_has_a_line() -> None:
    scenario = simulated(FULL)
    assert scenario.to_plan() == Plan(
        7,
        (
            Delivery("d0t1.utterance", 900.5, customer=3, node=1, text_bytes=10),
            Delivery("d0t1.expect", 1_300.0, number=2),
            Delivery("sweep"),
        ),
        (
            Fault(
                FaultKind.LOST_ANSWER, event="d0t1.expect", operation="claim", nth=2, times=4,
                after=True,
            ),
            Fault(FaultKind.CLOCK_OFFSET, node=1, ms=-300.0),
        ),
        payload_ttl_s=60,
        nodes=2,
    )  # fmt: skip
    setting = scenario.setting()
    assert (setting.read_budget_ms, setting.grace_ms, setting.fifo) == (20.0, 5_000.0, True)
    assert scenario.found is not None
    assert (scenario.found.invariant, scenario.name) == (3, "full")
    assert (scenario.expect.outcomes.embedded, scenario.expect.outcomes.discarded) == (1, None)
    assert scenario.line_of("plan.faults.1.ms") == 15
    assert scenario.line_of("expect.outcomes.missed") == 16


def test_the_format_knows_every_field_of_a_plan() -> None:
    """A field that is new in the simulator must be said here too, or a regression loses it."""
    for model, plain in (
        (planned.PlannedDelivery, Delivery),
        (planned.PlannedFault, Fault),
        (planned.PlanLines, Plan),
    ):
        assert set(model.model_fields) == {one.name for one in fields(plain)}, plain


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("schema: 1\nplan: []\n", 2, "plan", "must be a mapping"),
        ("schema: 1\nplan:\n", 2, "plan", "has no value"),
        ("schema: 2\nplan: {}\n", 1, "schema", "schema: 1"),
        ("plan: {seed: 1, deliveries: [{event: sweep}]}\n", 1, "schema", "begin the file"),
        ("schema: 1\nplan: {deliveries: [{event: sweep}]}\n", 2, "plan.seed", "missing"),
        ("schema: 1\nplan: {seed: 1}\n", 2, "plan.deliveries", "missing"),
        ("schema: 1\nplan: {seed: 1, deliveries: {}}\n", 2, "plan.deliveries", "must be a list"),
        (LINE % "", 5, "plan.deliveries.0.event", "missing"),
        (LINE % "event: d0t1.reply, at_s: 3", 5, "plan.deliveries.0.at_s", "mean 'at_ms'"),
        (LINE % "event: d0t1.exspect", 5, "plan.deliveries.0.event", "such as d0t1.expect?"),
        (LINE % "event: reply", 5, "plan.deliveries.0.event", "such as d0t1.reply?"),
        (LINE % "event: swep", 5, "plan.deliveries.0.event", "did you mean an event such as sweep"),
        (LINE % "event: d0t0.reply", 5, "plan.deliveries.0.event", "dialogue 0, turn 1"),
        (LINE % "event: d00t1.reply", 5, "plan.deliveries.0.event", "dialogue 0, turn 1"),
        (LINE % "event: d٣t1.reply", 5, "plan.deliveries.0.event", "dialogue 0, turn 1"),
        (LINE % "event: 7", 5, "plan.deliveries.0.event", "write it in quotes"),
        (LINE % "event: forgot", 5, "plan.deliveries.0.event", "an event such as forget"),
        (LINE % "event: sweep, at_ms: -1", 5, "plan.deliveries.0.at_ms", "at least 0"),
        (LINE % "event: sweep, at_ms: '900'", 5, "plan.deliveries.0.at_ms", "without quotes"),
        (LINE % "event: sweep, at_ms: true", 5, "plan.deliveries.0.at_ms", "must be a number"),
        (LINE % "event: sweep, node: 1.5", 5, "plan.deliveries.0.node", "whole number"),
        (LINE % "event: d0t1.expect, number: 17", 5, "plan.deliveries.0.number", "at most 16"),
        (LINE % "event: d0t1.reply, number: 240001", 5, "plan.deliveries.0.number", "at most 2400"),
        (FAULT % "event: d0t1.reply", 6, "plan.faults.0.kind", "missing"),
        (FAULT % "kind: lost anser, event: d0t1.reply", 6, "plan.faults.0.kind", "lost answer?"),
        (FAULT % "kind: flood", 6, "plan.faults.0.kind", "must be one of lost answer, server"),
        (FAULT % "kind: crash", 6, "plan.faults.0", "'crash' needs 'event'"),
        (FAULT % "kind: throttled, event: d0t1.reply", 6, "plan.faults.0", "needs 'operation'"),
        (
            FAULT % "kind: throttled, event: d0t1.reply, operation: clam",
            6, "plan.faults.0.operation", "did you mean claim?",
        ),
        (FAULT % "kind: crash, event: d0t1.reply, after: 1", 6, "plan.faults.0.after", "true or"),
        (FAULT % "kind: crash, event: d0t1.reply, times: 0", 6, "plan.faults.0.times", "least 1"),
        (FAULT % "kind: kms outage, ms: -1", 6, "plan.faults.0.ms", "only a clock may be slow"),
        ("schema: 1\nplan: {seed: 1, deliveries: []}\n", 2, "plan.deliveries", "has 0 entries, at"),
        (
            LINE % "event: d0t1.reply" + "    - {event: d0t1.reply, at_ms: 7, node: 1}\n",
            6, "plan.deliveries.1.event", "a fault of kind 'duplicate' would be right",
        ),
        (LINE % "event: sweep, node: 3", 5, "plan.deliveries.0.node", "0 to 2 would be right"),
        (FAULT % "kind: clock drift, node: 3", 6, "plan.faults.0.node", "0 to 2 would be right"),
        (
            FAULT % "kind: duplicate, event: d0t1.reply, node: 3",
            6, "plan.faults.0.node", "the plan's 'nodes' are 3; 0 to 2 would be right",
        ),
        (FAULT % "kind: cut replica, node: 2", 6, "plan.faults.0.node", "there are 2 followers; 0"),
        (
            FAULT % "kind: failing encoder, event: d0t1.reply, nth: 3",
            6, "plan.faults.0.nth", "0 to 2 would be right",
        ),
        (FAULT % "kind: crash, event: d0t1.reply, nth: 0", 6, "plan.faults.0.nth", "from 1, which"),
        (FAULT % "kind: clock offset, ms: 951", 6, "plan.faults.0.ms", "-950 to 950 (WRONG_MS_M"),
        (FAULT % "kind: clock drift, ms: -201", 6, "plan.faults.0.ms", "-200 to 200 (DRIFT_PPM_M"),
        (
            FAULT % "kind: crash, event: d0t1.expect",
            6, "plan.faults.0.event", "no delivery has d0t1.expect of customer 0, which this fault",
        ),
        (
            FAULT % "kind: crash, event: d0t2.reply",
            6, "plan.faults.0.event", "no delivery has d0t2.reply of customer 0, which this fault",
        ),
        (
            FAULT % "kind: slow encoder, event: d0t2.reply",
            6, "plan.faults.0.event", "no delivery has d0t2 of customer 0",
        ),
        (
            FAULT % "kind: late ttl, customer: 2, ms: 5",
            6, "plan.faults.0.customer", "no delivery has an event of customer 2",
        ),
        (FULL.replace("invariant: 3", "invariant: 16"), 4, "found.invariant", "at most 15"),
        (FULL.replace("20ms", "20"), 3, "settings.read_budget", '"20ms"'),
        (FULL.replace("grace: 5s", "grace: 0s"), 3, "settings.grace", "at least 1ms"),
        (FULL.replace("embedded: 1", "embeded: 1"), 16, "expect.outcomes.embeded", "'embedded'"),
        (FULL.replace("missed: 0", "missed: -1"), 16, "expect.outcomes.missed", "at least 0"),
        (FULL + "turnz: []\n", 17, "turnz", "known here: schema, name, about, settings, found"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_line_field_and_what_is_right(
    text: str, line: int, field: str, says: str
) -> None:
    error = wrong(text)
    assert (error.line, error.field) == (line, field), str(error)
    assert says in str(error)


def test_every_limit_holds_at_its_edge() -> None:
    def edge(text: str, most: int, says: str) -> None:
        assert read_any(text % most)
        assert says in str(wrong(text % (most + 1)))

    edge(FULL.replace("seed: 7\n", "seed: %d\n"), SEED_MAX, "must be")
    edge(FULL.replace("nodes: 2", "nodes: %d"), NODES_MAX, f"at most {NODES_MAX}")
    many = LINE.replace("  seed: 1\n", f"  seed: 1\n  nodes: {NODES_MAX}\n")
    edge(many % "event: sweep, node: %d", NODES_MAX - 1, f"at most {NODES_MAX - 1}")
    edge(LINE % "event: sweep, customer: %d", CUSTOMERS_MAX - 1, f"at most {CUSTOMERS_MAX - 1}")
    edge(LINE % "event: sweep, at_ms: %d", int(PLAN_MS_MAX), f"at most {PLAN_MS_MAX:.0f}")
    edge(LINE % "event: sweep, text_bytes: %d", TEXT_BYTES_MAX, f"at most {TEXT_BYTES_MAX}")
    crash = "kind: crash, event: d0t1.reply, nth: %d"
    edge(FAULT % crash, TIMES_MAX, f"at most {TIMES_MAX}")

    def found(length: int) -> str:
        return FULL.replace("it did not know its own claim", "x" * length)

    assert read_any(found(FOUND_CHARS_MAX))
    assert "more than 300 characters" in str(wrong(found(FOUND_CHARS_MAX + 1)))

    edge(FAULT % "kind: clock offset, ms: %d", int(WRONG_MS_MAX), "WRONG_MS_MAX")
    edge(FAULT % "kind: clock drift, ms: %d", int(DRIFT_PPM_MAX), "DRIFT_PPM_MAX")

    delivery = "  - {event: d0t1.reply, at_ms: 1, customer: 1, node: 1, number: 1, text_bytes: 1}\n"
    fault = (
        "  - {kind: lost answer, customer: 1, event: d0t1.reply, operation: put, nth: 2, times: 2, "
        "after: true, node: 1, at_ms: 1, ms: 1}\n"
    )
    head = "schema: 1\nplan:\n  seed: 1\n  deliveries:\n" + delivery + "  faults:\n"
    assert len(simulated(head + fault * (PLAN_LINES_MAX - 1)).to_plan()) == PLAN_LINES_MAX
    assert "PLAN_LINES_MAX" in str(wrong(head + fault * PLAN_LINES_MAX))


def test_what_befalls_something_is_read() -> None:
    some = (
        "kind: slow encoder, event: d0t1.expect, ms: 5",  # of the turn, whichever event says so
        "kind: late ttl, customer: 3, ms: 5",
        "kind: crash, customer: 3, event: d0t2.reply",
        "kind: crash, event: d0t1.reply, node: 900",  # the event's node, so that this one is none
        "kind: kms outage, ms: 5, customer: 7",
    )
    for text in some:
        assert read_any(FAULT % text), text
    assert read_any(LINE % "event: sweep" + "    - {event: sweep, at_ms: 7}\n"), "sweeps come twice"
    assert read_any(LINE % "event: forget" + "    - {event: forget, at_ms: 7}\n"), "so do forgets"


def test_the_schema_agrees_with_the_models() -> None:
    validator = Draft202012Validator(scenario_schema())
    for text in (FULL, SPOKEN, SPOKEN + "plan: []\n", LINE % "event: d0t1.reply"):
        assert not list(validator.iter_errors(parse_source(text).value)), text
    bad_lines = ("event: d0t1.exspect", "event: sweep, at_ms: -1", "at_ms: 1", "event: sweep, a: 1")
    bad_faults = ("kind: flood", "kind: kms outage, nth: -1", "kind: crash, operation: clam")
    for text in [LINE % line for line in bad_lines] + [FAULT % line for line in bad_faults]:
        assert list(validator.iter_errors(parse_source(text).value)), text
    for text in (SPOKEN + "plan: {seed: 1}\n", "schema: 1\n", "schema: 1\nplan: []\n"):
        assert list(validator.iter_errors(parse_source(text).value)), text


def test_who_takes_spoken_scenarios_alone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.scenario.yaml"
    path.write_text(FULL)
    assert isinstance(load_any(path), SimulatedScenario)
    with pytest.raises(ScenarioError, match=r"a\.scenario\.yaml:5: plan: this is a simulated"):
        load_scenario(path)
    assert speak_scenario(path) == [], "there is nothing to say"
    (tmp_path / "b.scenario.yaml").write_text(SPOKEN)
    checked = load_checked([tmp_path])
    assert [one.name for one in checked.scenarios] == ["b"]
    assert [one.name for one in checked.simulated] == ["a"]
