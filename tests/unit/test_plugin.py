"""The pytest plugin, run by pytest itself on scenarios whose replay is a stand-in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# All that a scenario needs is loaded before pytester takes its snapshot of modules.
import ctxasr.report.terminal
import ctxasr.scenario.carry_out
import ctxasr.scenario.format
import ctxasr.sim.world
import ctxasr.store.memory  # noqa: F401

pytest_plugins = ["pytester"]

SCENARIO = """\
schema: 1
turns:
  - user: {hypotheses: [power]}
    expect:
      contains: [bauer]
      context: none
"""

PLAN = """\
schema: 1
plan:
  seed: 7
  deliveries:
    - {event: d0t1.utterance, at_ms: 900}
  faults: %s
expect: {outcomes: {discarded: 1}}
"""

REPLAY = """
import sys, types
from ctxasr.report.trace import Failure, TurnReport
from ctxasr.scenario.format import load_scenario

def run_scenario(path, **options):
    scenario = load_scenario(path)
    field = "turns.0.expect.contains.0"
    line = scenario.line_of(field)
    failures = () if scenario.seed else (Failure(field, line, "bauer", "power"),)
    return [TurnReport(scenario.name, 1, None, "none", None, None, "power", "power",
        reason="first turn", passed=not failures, failures=failures, file=str(path))]

module = types.ModuleType("ctxasr.scenario.replay")
module.run_scenario = run_scenario
sys.modules["ctxasr.scenario.replay"] = module
"""

# the entry point may be installed under its own name, so it is blocked and named by its module
ARGS = tuple("-p no:ctxasr -p no:asyncio -p no:cacheprovider -p ctxasr.scenario.plugin".split())


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(REPLAY)
    (pytester.path / "sub").mkdir()
    return pytester


def write(folder: pytest.Pytester, name: str, text: str) -> None:
    (folder.path / "sub" / name).write_text(text)


def test_scenarios_are_collected_and_pass(folder: pytest.Pytester) -> None:
    write(folder, "good.scenario.yaml", SCENARIO.replace("schema: 1", "schema: 1\nseed: 1"))
    write(folder, "other.yaml", "not: ours")
    result = folder.runpytest_inprocess(*ARGS, "-v", "sub")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*good.scenario.yaml::good PASSED*"])


def test_a_failure_shows_the_line_of_the_file_and_the_time_line(folder: pytest.Pytester) -> None:
    write(folder, "bad.scenario.yaml", SCENARIO)
    result = folder.runpytest_inprocess(*ARGS, "sub")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*scenario: bad*",
            "turn 1 of bad",
            "sub/bad.scenario.yaml:5: turns.0.expect.contains.0",
            "     3 |   - user: {hypotheses: [[]power]}",
            "     4 |     expect:",
            ">    5 |       contains: [[]bauer]",
            "     6 |       context: none",
            "expected  bauer",
            "got       power",
            "why       first turn",
            "*time line*",
            "turn 1  context none*failed",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_a_plan_is_carried_out(folder: pytest.Pytester) -> None:
    write(folder, "plan.scenario.yaml", PLAN % "[]")
    result = folder.runpytest_inprocess(*ARGS, "-v", "sub")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*plan.scenario.yaml::plan PASSED*"])


def test_a_plan_that_breaks_an_invariant_shows_it_and_the_last_steps(
    folder: pytest.Pytester,
) -> None:
    write(folder, "broken.scenario.yaml", PLAN % "[{kind: kms outage, ms: 2400000}]")
    result = folder.runpytest_inprocess(*ARGS, "sub")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "plan of 2 lines, seed 7",
            "sub/broken.scenario.yaml:2: plan",
            ">    2 | plan:",
            "expected  invariant 1 holds",
            "got       c0/d0t1: d0t1.utterance is never acknowledged",
            "sub/broken.scenario.yaml:7: expect.outcomes.discarded",
            "expected  1",
            "got       0",
            "*steps*",
            "*d0t1.utterance  failed StoreUnavailable*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_a_wrong_scenario_is_shown_with_its_line(folder: pytest.Pytester) -> None:
    write(folder, "wrong.scenario.yaml", SCENARIO.replace("contains", "contans"))
    result = folder.runpytest_inprocess(*ARGS, "sub")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "sub/wrong.scenario.yaml:5: turns.0.expect.contans: *did you mean 'contains'?",
            ">    5 |       contans: [[]bauer]",
        ]
    )


def test_a_scenario_that_has_no_line_or_no_text_does_not_break_the_report(
    folder: pytest.Pytester,
) -> None:
    write(folder, "empty.scenario.yaml", "")
    (folder.path / "sub" / "latin.scenario.yaml").write_bytes(b"schema: 1\nabout: \xe9\n")
    result = folder.runpytest_inprocess(*ARGS, "sub")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*empty.scenario.yaml:1: the file is empty*"])
    result.stdout.fnmatch_lines(
        ["*latin.scenario.yaml:2: byte 17 is not UTF-8*", ">    2 | about:*"]
    )


def test_files_of_other_programs_are_left_alone(folder: pytest.Pytester) -> None:
    write(folder, "molecule.scenario.yaml", "driver: {name: docker}\nplatforms: [a]\n")
    write(folder, "broken.scenario.yaml", "{{ templated }}: [\n")
    write(folder, "ours.scenario.yaml", "# ours\nschema: 2\n")
    write(folder, "json.scenario.yaml", '{"schema": 2}\n')
    folder.runpytest_inprocess(*ARGS, "sub").assert_outcomes(failed=2)


def test_a_project_without_scenarios_loads_the_plugin_alone(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "other.yaml").write_text("schema: [")
    (tmp_path / "other.scenario.yaml").write_text("driver: docker\n")
    code = (
        "import pytest, sys; code = pytest.main(['-q', '-W', 'error', '--strict-markers',"
        " *'-p no:cacheprovider -p no:ctxasr -p ctxasr.scenario.plugin -p no:asyncio'.split()]);"
        " print(int(code), sorted(m for m in sys.modules if m.partition('.')[0] in"
        " ('ctxasr', 'numpy', 'pydantic', 'rich', 'ruamel', 'yaml')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = ["ctxasr", "ctxasr.scenario", "ctxasr.scenario.plugin"]
    assert done.stdout.splitlines()[-1] == f"0 {loaded}", done.stdout


def test_the_plugin_is_light_where_there_are_no_scenarios() -> None:
    heavy = ("torch", "moto", "pydantic", "rich", "ruamel", "numpy", "ctxasr.errors")
    check = (
        "import pytest, sys; before = set(sys.modules); import ctxasr.scenario.plugin; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
