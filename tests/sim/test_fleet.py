"""Blocks of a fleet, what is kept of them, and what they come to."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctxasr import __version__
from ctxasr.app import simulated
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.fleet import checkpoint as checkpoints
from ctxasr.evaluate.fleet import on_ray
from ctxasr.evaluate.fleet.against import DESIGN, NOBODY, against
from ctxasr.evaluate.fleet.asking import (
    changed,
)
from ctxasr.evaluate.fleet.checkpoint import Checkpoint
from ctxasr.evaluate.fleet.crews import Alone, Crew, Job, Processes, WorkerLost
from ctxasr.evaluate.fleet.document import document_of
from ctxasr.evaluate.fleet.failing import chosen, smallest
from ctxasr.evaluate.fleet.figures import figures_of
from ctxasr.evaluate.fleet.runner import answer
from ctxasr.sim.fleet.blocks import Block, carry_out, plan_of, setting_of
from ctxasr.sim.fleet.measures import REPLY_EDGES_MS, UNITS, Measures
from ctxasr.sim.fleet.question import DIALOGUES_PER_BLOCK, Question
from ctxasr.sim.fleet.summary import VIOLATIONS_MAX, Summary
from ctxasr.sim.fleet.twins import by_twin
from ctxasr.sim.judging.watch import FOUND_MAX, Violation
from ctxasr.sim.luck import Stream
from ctxasr.sim.plans.faults import OF_A_REGION
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.plans.templates import SWEEP
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.sim.runs import Run, Setting
from ctxasr.sim.workload.curve import DAY

SMALL = Question(dialogues=60, seed=3, faults="all")


@pytest.fixture(scope="module")
def block() -> Block:
    return carry_out(SMALL, 0, simulated)


@pytest.fixture(scope="module")
def run() -> Run:
    return simulated(plan_of(SMALL, 0), setting_of(SMALL))


def summed(blocks: Iterable[Block]) -> Summary:
    found = Summary()
    for one in blocks:
        found.add(one)
    found.finish()
    return found


# ---------------------------------------------------------------- measures of a run


def test_measures_agree_with_what_the_run_says(run: Run) -> None:
    counts, coverage = run.measures.counts, run.coverage.counts
    outcomes = {name: counts[f"turns {name}"] for name in run.outcomes}
    assert outcomes == run.outcomes
    assert counts["turns"] == sum(run.outcomes.values())
    assert counts["dialogues"] == SMALL.dialogues
    for state in ("hit", "missed", "none"):
        assert counts[f"answers {state}"] == coverage[f"answer: {state}"]
        bins = run.measures.bins.get(f"added_us {state}", Counter())
        assert bins.total() == counts[f"answers {state}"]
    assert counts["answers changed"] == coverage["answer: changed by context"]
    assert counts["deliveries"] == counts["events"] + coverage["redelivered"] + sum(
        one.kind == "duplicate" for one in run.plan.faults
    )
    for name in UNITS:
        assert counts[f"{name} halves"] == 2 * getattr(run.used, name)
    assert counts["requests"] == run.used.requests
    assert counts["kms requests"] == run.used.kms_requests
    assert counts["encodings"] == run.used.encodings
    assert counts["throttled"] == run.used.throttled


def test_seconds_hold_all_that_was_counted(run: Run) -> None:
    counts, seconds = run.measures.counts, run.measures.seconds
    assert seconds["encoder_us"].total() == counts["encoder_us"]
    assert max(seconds["encoder_us"].values()) > 100_000
    assert seconds["dialogues"].total() == SMALL.dialogues
    assert seconds["turns"].total() == counts["turns"]
    halves = counts["status_rcu halves"] + counts["payload_rcu halves"]
    assert 0 <= seconds["read_units"].total() - halves / 2 <= len(seconds["read_units"])


def test_hits_are_counted_by_the_reply_of_the_turn_that_asked(run: Run) -> None:
    counts, bins = run.measures.counts, run.measures.bins
    hits, missed = bins["reply_ms hit"], bins["reply_ms missed"]
    assert hits.total() == counts["asked embedded"] == counts["turns embedded"]
    assert missed.total() == counts["asked missed"] + counts["asked discarded"] > 0
    assert {*hits, *missed} <= set(REPLY_EDGES_MS)
    lengths = [one.number for one in run.plan.deliveries if one.event.endswith(".reply")]
    asked = {(one.customer, one.event[:4]) for one in run.plan.deliveries if "expect" in one.event}
    assert len(asked) == hits.total() + missed.total() <= len(lengths)


def test_measures_are_json_and_add_up_in_any_order(block: Block) -> None:
    again = Block.from_dict(json.loads(json.dumps(block.to_dict())))
    assert again == block
    other = carry_out(replace(SMALL, seed=4), 0, simulated)
    one, two = Measures(), Measures()
    for found in (block, other):
        one.add(found.measures)
    for found in (other, block):
        two.add(found.measures)
    assert one.to_dict() == two.to_dict()
    assert one.counts["dialogues"] == 2 * SMALL.dialogues


def test_payloads_of_a_single_table_lie_in_its_items() -> None:
    small = Question(dialogues=30, seed=3)
    ours = carry_out(small, 0, simulated).measures.counts
    single = carry_out(replace(small, what_if="single-table"), 0, simulated).measures.counts
    assert single["turns embedded"] > 0
    assert 0.5 < single["stored_bytes"] / ours["stored_bytes"] < 1.0, "no rows of their own"
    assert single["stored_items"] < ours["stored_items"] / 2


# ---------------------------------------------------------------- questions and blocks


def test_blocks_hold_every_dialogue_once_whatever_the_number_of_them() -> None:
    question = Question(dialogues=DIALOGUES_PER_BLOCK * 2 + 1)
    assert question.blocks == 3
    assert [question.count_in(at) for at in range(3)] == [DIALOGUES_PER_BLOCK] * 2 + [1]
    longer = replace(question, dialogues=10 * DIALOGUES_PER_BLOCK)
    assert plan_of(question, 1) == plan_of(longer, 1)
    assert plan_of(question, 1).seed != plan_of(question, 0).seed
    exact = Question(dialogues=DIALOGUES_PER_BLOCK)
    assert exact.blocks == 1


def test_a_question_is_json_and_stays_what_it_is() -> None:
    scaled = changed(changed(Question(), "reply_ms", "731.1111111"), "encoder_ms", "45")
    fitted = Quantiles.fit([Stream(at).next() * 1e4 / 3 for at in range(5_000)])
    odd = replace(scaled, workload=replace(scaled.workload, think_ms=fitted, curve=DAY))
    rounded = odd.rounded()
    assert rounded.rounded() == rounded
    assert Question.from_dict(json.loads(json.dumps(rounded.to_dict()))) == rounded
    assert math.isclose(rounded.workload.reply_ms.draw(0.5), 731.111, rel_tol=1e-5)
    with pytest.raises((InputError, KeyError, TypeError)):
        Question.from_dict({"dialogues": 1})


def test_what_if_and_read_budget_reach_the_world() -> None:
    setting = setting_of(Question(what_if="no-claim", read_budget_ms=7.0))
    assert (setting.what_if, setting.read_budget_ms) == (WhatIf.NO_CLAIM, 7.0)
    assert plan_of(Question(dialogues=3, payload_ttl_s=600), 0).payload_ttl_s == 600


def test_turns_are_swept_in_time_however_long_a_block_lasts() -> None:
    """At a dialogue in 200 s, those of a block's begin have expired before its end."""
    slow = changed(changed(Question(dialogues=500), "rate", "0.005"), "follow_up_share", "0")
    plan = plan_of(slow, 0)
    swept = {one.customer for one in plan.deliveries if one.event == SWEEP}
    ended = {one.customer for one in plan.deliveries if one.event.endswith(".completed")}
    assert swept == set(range(500)) - ended != set()
    counts = carry_out(slow, 0, simulated).measures.counts
    assert counts["turns discarded"] == counts["turns"] == 500
    assert counts["turns unsettled"] == 0
    faulty = plan_of(replace(SMALL, dialogues=DIALOGUES_PER_BLOCK), 0)
    of_dialogues = {one.customer for one in faulty.faults if one.kind not in OF_A_REGION}
    times = Counter(one.customer for one in faulty.deliveries if one.event == SWEEP)
    assert of_dialogues
    assert {times[customer] for customer in of_dialogues} == {2}
    assert [one.at_ms for one in faulty.deliveries] == sorted(
        one.at_ms for one in faulty.deliveries
    )


def test_violations_are_counted_and_some_are_named(block: Block) -> None:
    named = [Violation(1, "c0/d0t1", "broke")] * (VIOLATIONS_MAX - 1)
    broken = replace(block, violations=named, broken={1: 400})
    other = replace(block, violations=[Violation(9, "c0/d0t1", "broke")], broken={9: 1})
    found = summed([broken, replace(block, violations=[]), broken, other])
    assert found.violations_count == 801
    assert found.broken == {1: 800, 9: 1}
    assert [one.block for one in found.violations] == [0] * (VIOLATIONS_MAX - 1) + [2, 3]
    assert found.violations[-1].violation.invariant == 9, "it is not hidden by the others"
    figures = figures_of(found, SMALL, Prices())["invariants"]
    assert (figures["violations"], figures["by_invariant"]) == (801, {"1": 800, "9": 1})


def test_all_violations_of_a_run_are_counted_by_invariant() -> None:
    """A design that breaks nearly every turn."""
    question = Question(dialogues=150, what_if="eventual-reads")
    found = carry_out(question, 0, simulated)
    named = Counter(one.invariant for one in found.violations)
    assert named.keys() == found.broken.keys()
    assert max(named.values()) == FOUND_MAX
    assert max(found.broken.values()) > 2 * FOUND_MAX
    assert all(named[number] == min(FOUND_MAX, count) for number, count in found.broken.items())


def test_under_faults_of_a_block_intervals_are_of_blocks(block: Block) -> None:
    several = [block, *(carry_out(replace(SMALL, seed=at), 0, simulated) for at in range(4, 13))]
    figures = figures_of(summed(several), SMALL, Prices())
    hit = figures["deadline"]["hit"]
    assert figures["intervals"]["independent"] == "blocks"
    assert hit["design_effect"] > 1.0
    plain = figures_of(summed(several), replace(SMALL, faults="crashes"), Prices())
    assert plain["intervals"] == {"independent": "turns", "note": ""}
    assert "design_effect" not in plain["deadline"]["hit"]
    assert hit["low"] < plain["deadline"]["hit"]["low"] < hit["share"]
    few = figures_of(summed(several[:9]), SMALL, Prices())
    assert "9 of 10 blocks" in few["intervals"]["note"]
    assert few["deadline"]["hit"]["low"] < hit["low"]


def test_what_no_block_judges_is_told(block: Block) -> None:
    silent = replace(block, not_judged={3: "no claim's answer was lost", 8: "no node died"})
    loud = replace(block, not_judged={8: "no node died"})
    assert summed([silent, loud]).nothing_said() == {8: "no node died"}


def test_the_twins_counts_become_measures() -> None:
    question = Question(dialogues=20_000, twin=True)
    assert question.blocks == 1
    found = by_twin(question)
    counts = found.counts
    assert counts["dialogues"] == 20_000
    assert (
        sum(counts[f"turns {one}"] for one in ("embedded", "missed", "discarded"))
        == (counts["turns"])
    )
    assert found.bins["added_us any"].total() == counts["answers planned"] > 10_000
    assert found.bins["reply_ms hit"].total() == counts["turns embedded"]
    figures = figures_of(summed([carry_out(question, 0, simulated)]), question, Prices())
    assert "costs" not in figures
    # Contexts that name nothing cost no rescoring.
    assert 1.0 < figures["added_ms"]["all"]["p50"]["value"] < 8.0


def test_figures_of_the_twin_mean_what_those_of_events_mean() -> None:
    events = Question(dialogues=DIALOGUES_PER_BLOCK)
    both = [events, replace(events, dialogues=50_000, twin=True)]
    run, twin = (figures_of(summed([carry_out(one, 0, simulated)]), one, Prices()) for one in both)
    for found in (run, twin):
        found["hit"] = found["deadline"]["hit"]["share"]
        found["an encoding"] = found["encoder"]["per_turn"]
    for name in ("requests_per_turn", "hit", "an encoding"):
        assert math.isclose(run[name], twin[name], rel_tol=0.05), name


# ---------------------------------------------------------------- the runner


class Scrambled:
    """A crew that finishes the latest first, and notes how far ahead it was asked to go."""

    room = 3

    def __init__(self, made: dict[Job, Block]) -> None:
        self.jobs: list[Job] = []
        self.made, self.most, self.started = made, 0, list[Job]()

    def __enter__(self) -> Scrambled:
        return self

    def __exit__(self, *error: object) -> None:
        self.jobs.clear()

    def start(self, job: Job) -> None:
        self.jobs.append(job)
        self.started.append(job)
        self.most = max(self.most, len(self.jobs))

    def finished(self) -> list[tuple[Job, Block]]:
        job = self.jobs.pop() if len(self.jobs) > 1 else self.jobs.pop(0)
        return [(job, self.made[job])]


def questions_and_blocks(block: Block) -> tuple[list[Question], dict[Job, Block]]:
    """Two questions of many small blocks that are told apart by their dialogues."""
    asked = [Question(dialogues=DIALOGUES_PER_BLOCK * count) for count in (40, 25)]
    made = {}
    for number, one in enumerate(asked):
        for at in range(one.blocks):
            measures = Measures(Counter({"dialogues": 1 + at, "turns": 2}))
            measures.note_second("turns", at, 1 + at)
            made[Job(number, at)] = replace(block, start_s=at, measures=measures)
    return asked, made


def as_text(asked: list[Question], summaries: list[Summary]) -> str:
    return json.dumps(
        [figures_of(two, one, Prices()) for one, two in zip(asked, summaries, strict=True)]
    )


def test_blocks_are_merged_in_order_whoever_is_first(block: Block, tmp_path: Path) -> None:
    asked, made = questions_and_blocks(block)
    expected = as_text(asked, [summed(made[Job(number, at)] for at in range(one.blocks))
                               for number, one in enumerate(asked)])  # fmt: skip
    crew, told = Scrambled(made), list[tuple[int, int]]()
    found = answer(asked, crew, progress=lambda *done: told.append(done))
    assert as_text(asked, found) == expected
    assert crew.most <= crew.room
    assert told == [(at, 65) for at in range(66)]
    with Checkpoint.create(tmp_path / "kept", "command", asked) as kept:
        assert as_text(asked, answer(asked, Scrambled(made), kept)) == expected
    with Checkpoint.load(tmp_path / "kept") as kept:
        nobody = Scrambled({})
        assert as_text(asked, answer(asked, nobody, kept)) == expected
        assert nobody.started == []


def test_a_run_goes_on_where_it_was_stopped(block: Block, tmp_path: Path) -> None:
    asked, made = questions_and_blocks(block)
    expected = as_text(asked, answer(asked, Scrambled(made)))
    path = tmp_path / "kept"
    stops = Scrambled({job: one for job, one in made.items() if job != Job(0, 17)})
    with Checkpoint.create(path, "command", asked) as kept, pytest.raises(KeyError):
        answer(asked, stops, kept)
    whole = path.read_bytes()
    for torn in (b"", b'{"question": 0, "blo', b"\xff"):
        path.write_bytes(whole + torn)
        with Checkpoint.load(path) as kept:
            assert (kept.command, kept.questions) == ("command", asked)
            assert path.read_bytes() == whole
            crew = Scrambled(made)
            assert as_text(asked, answer(asked, crew, kept)) == expected
            assert len(kept) == len(made)
        assert 0 < len(crew.started) < len(made)


def test_a_checkpoint_says_what_is_wrong_with_it(block: Block, tmp_path: Path) -> None:
    asked = [Question(dialogues=5)]
    path = tmp_path / "kept"
    with pytest.raises(InputError, match="no such checkpoint"):
        Checkpoint.load(path)
    Checkpoint.create(path, "command", asked).close()
    with pytest.raises(InputError, match=r"exists already; --resume .*kept"):
        Checkpoint.create(path, "command", asked)
    head, question = path.read_text().splitlines(keepends=True)
    code = json.loads(head)["code"]
    entry = json.dumps({"question": 0, "block": 1, "found": block.to_dict()}) + "\n"
    for wrong, why in (
        ("", "no checkpoint of ctxasr"),
        ("no JSON\n", "no checkpoint of ctxasr"),
        (head.replace(__version__, "0.0.0"), "no checkpoint of ctxasr"),
        (head.replace(code, "0" * 16) + question, "other code than this, of the same version"),
        (
            head.replace('"kms_usd_per_million":3.0', '"kms_usd_per_million":"x"') + question,
            "kms_usd_per_million: a number from 0",
        ),
        (head, "questions cannot be read"),
        (head + '{"seed": 1}\n', "questions cannot be read"),
        (head.replace('"questions":1', '"questions":"x"') + question, "questions cannot be read"),
        (head + question + "no JSON\n", "no block of its questions"),
        (head + question + '{"question": 0, "block": 0, "found": {}}\n', "no block of its"),
        (head + question + entry, "no block of its questions"),  # five dialogues are one block
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=why):
            Checkpoint.load(path)


def test_a_checkpoint_is_of_one_run_at_a_time(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    with Checkpoint.create(path, "command", [Question(dialogues=5)]) as kept:
        with pytest.raises(InputError, match="kept: is in use by another run"):
            Checkpoint.load(path)
        kept.add(Job(0, 0), block)
        assert kept.get(Job(0, 0)) == block
        text = path.read_bytes()
        path.write_bytes(text.replace(b'"block":0', b'"block":1'))
        with pytest.raises(InputError, match="was changed while it was in use"):
            kept.get(Job(0, 0))
        path.write_bytes(text)
    with Checkpoint.load(path) as kept, pytest.raises(InputError, match="in use"):
        Checkpoint.load(path)
    with Checkpoint.load(path) as kept:
        assert kept.prices == Prices()


def test_the_code_of_a_checkpoint_is_that_of_every_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ctxasr.__file__", str(tmp_path / "__init__.py"))
    folder = tmp_path / "sim"
    folder.mkdir()

    def code() -> str:
        checkpoints.code.cache_clear()
        return checkpoints.code()

    try:
        found = [code()]
        for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("a.txt", "no source")):
            (folder / name).write_text(text)
            found.append(code())
        (folder / "b.py").rename(tmp_path / "b.py")
        found.append(code())
    finally:
        monkeypatch.undo()
        checkpoints.code.cache_clear()
    assert found[3] == found[4]
    assert len(set(found)) == 5


def test_a_machine_with_other_code_computes_no_block() -> None:
    held = ((Question(dialogues=1),), simulated, checkpoints.code())
    assert on_ray._carry_out(held, Job(0, 0)).measures.counts["dialogues"] == 1
    with pytest.raises(InputError, match="other code of ctxasr"):
        on_ray._carry_out((*held[:2], "0" * 16), Job(0, 0))


def test_a_line_of_a_checkpoint_has_a_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "kept"
    Checkpoint.create(path, "command", [Question()]).close()
    longest = max(map(len, path.read_bytes().splitlines(keepends=True)))
    monkeypatch.setattr(checkpoints, "LINE_BYTES_MAX", longest)
    Checkpoint.load(path).close()
    monkeypatch.setattr(checkpoints, "LINE_BYTES_MAX", longest - 1)
    with pytest.raises(LimitExceeded, match="LINE_BYTES_MAX"):
        Checkpoint.load(path)
    with pytest.raises(LimitExceeded, match="LINE_BYTES_MAX"):
        Checkpoint.create(tmp_path / "other", "command", [Question()])


def end(plan: Plan, setting: Setting) -> Run:
    os._exit(1)


def fail(plan: Plan, setting: Setting) -> Run:
    raise ArithmeticError("a bug")


def test_a_worker_that_dies_is_told() -> None:
    asked = [Question(dialogues=3 * DIALOGUES_PER_BLOCK)]
    with pytest.raises(WorkerLost), Processes(asked, end, workers=2) as crew:
        answer(asked, crew)
    with pytest.raises(ArithmeticError), Processes(asked, fail, workers=1) as crew:
        answer(asked, crew)


def test_workers_find_what_this_process_finds() -> None:
    asked = [replace(SMALL, dialogues=20), replace(SMALL, dialogues=20, seed=8), SMALL]
    with Processes(asked, simulated, workers=2) as crew:
        by_workers = answer(asked, crew)
    alone: Crew = Alone(asked, simulated)
    assert as_text(asked, by_workers) == as_text(asked, answer(asked, alone))


# ---------------------------------------------------------------- figures


def test_a_design_neither_wins_nor_loses_against_itself(block: Block) -> None:
    figures = figures_of(summed([block]), SMALL, Prices())
    rows = against(figures, figures)
    assert len(rows) > 10
    assert {row["wins"] for row in rows} == {NOBODY}
    assert {row["difference"] for row in rows} == {0}


def test_eager_embedding_costs_more_and_gains_nothing() -> None:
    asked = [Question(dialogues=200), Question(dialogues=200, what_if="eager-embedding")]
    document = document_of(asked, answer(asked, Alone(asked, simulated)), Prices(), "command")
    (eager,) = document["what_ifs"]
    rows = {row["figure"]: row for row in eager["against"]}
    assert rows["encodings a context"]["wins"] == DESIGN
    assert rows["encodings a context"]["relative"] > 1.0
    assert rows["$ a million turns"]["wins"] == DESIGN
    assert rows["answers with context"]["wins"] == NOBODY
    json.dumps(document, allow_nan=False)


def test_figures_of_hardly_anything_are_json() -> None:
    for question in (Question(dialogues=1, seed=2), Question(dialogues=1, twin=True)):
        found = figures_of(summed([carry_out(question, 0, simulated)]), question, Prices())
        json.dumps(found, allow_nan=False)
        assert found["dialogues"] == 1


def test_what_was_never_reached_leaves_out_what_cannot_be(block: Block) -> None:
    found = figures_of(summed([block]), replace(SMALL, faults="clocks"), Prices())
    assert "fault: crash" not in found["never_reached"]
    assert "crash" in found["not_in_the_profile"]
    assert "clock drift" not in found["not_in_the_profile"]


# ---------------------------------------------------------------- what broke


def test_what_broke_shrinks_to_a_few_lines_of_its_customer() -> None:
    question = Question(dialogues=120, what_if="eventual-reads")
    found = summed([carry_out(question, 0, simulated)])
    assert found.violations_count > 0
    for _, one in chosen([(question, found)]):
        small = smallest(question, one, simulated)
        assert 1 <= len(small.plan) <= 5
        assert {v.invariant for v in small.violations} == {one.violation.invariant}
        assert small.violations == [
            v for v in simulated(small.plan, setting_of(question)).violations
            if v.invariant == one.violation.invariant
        ]  # fmt: skip


def test_where_nobody_is_named_half_of_the_customers_go_at_a_time() -> None:
    question = Question(dialogues=40)
    tried = list[int]()

    def simulate(plan: Plan, setting: Setting) -> Any:
        customers = {one.customer for one in plan.deliveries}
        tried.append(len(customers))
        broke = [Violation(15, "", "two customers")] if {3, 31} <= customers else []
        return type("Found", (), {"violations": broke})()

    found = summed([replace(carry_out(question, 0, simulated),
                            violations=[Violation(15, "", "two customers")])])  # fmt: skip
    small = smallest(question, found.violations[0], simulate)
    assert {one.customer for one in small.plan.deliveries} == {3, 31}
    assert len(small.plan) == 2


def test_violations_of_each_invariant_are_made_small_first(block: Block) -> None:
    broken = [Violation(at % 7, "c0/d0t1", str(at)) for at in range(30)]
    found = summed([replace(block, violations=broken)])
    named = chosen([(SMALL, found)])
    assert [one.violation.what for _, one in named] == list("01234")
    few = summed([replace(block, violations=broken[:2])])
    other = replace(SMALL, seed=9)
    named = chosen([(SMALL, few), (other, found)])
    told = [(question.seed, one.violation.what) for question, one in named]
    assert told == [(3, "0"), (3, "1"), (9, "2"), (9, "3"), (9, "4")]
    named = chosen([(SMALL, few), (other, few)])
    told = [(question.seed, one.violation.what) for question, one in named]
    assert told == [(3, "0"), (3, "1"), (9, "0"), (9, "1")]
