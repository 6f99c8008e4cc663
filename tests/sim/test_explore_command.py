"""`ctxasr explore`: what it prints, its exit codes, and that hash seeds change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ctxasr.cli.explore import explore
from ctxasr.errors import InputError

app = typer.Typer()
app.command()(explore)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_a_turn_that_holds() -> None:
    done = run("--turn", "asks")
    assert done.exit_code == 0, done.output
    assert "3,150 interleavings, all hold" in done.output
    assert "242,623,266 interleavings, all hold" in done.output, "with a crash and a lost answer"


@pytest.mark.parametrize(
    ("turn", "more_than"), [("asks", 100), pytest.param("races", 280, marks=pytest.mark.proof)]
)
def test_one_by_one_counts_the_same(turn: str, more_than: int) -> None:
    done = run("--turn", turn, "--recorders", "2", "--deadlines", "1", "--one-by-one", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["run_one_by_one"] == found["interleavings"] > more_than
    assert found["holds"] is True


def test_a_violation_comes_with_its_shortest_interleaving() -> None:
    done = run("--turn", "asks", "--what-if", "eventual-reads", "--crashes", "0", "--json")
    assert done.exit_code == 1
    steps = json.loads(done.stdout)["violation"]["steps"]
    assert len(steps) == 10
    assert (steps[-1]["operation"], steps[-1]["fault"]) == ("status.record", "stale answer")
    shown = run("--turn", "asks", "--what-if", "eventual-reads", "--crashes", "0")
    assert "stale answer" in shown.output
    assert shown.exit_code == 1


def test_what_was_cut_off_fails() -> None:
    done = run("--turn", "asks", "--crashes", "0", "--states-max", "152")
    assert done.exit_code == 1
    assert "CUT OFF" in done.output
    assert run("--turn", "asks", "--crashes", "0", "--states-max", "153").exit_code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("--turn", "nobody"),
        ("--what-if", "nothing"),
        ("--turn", "asks", "--recorders", "9"),
        ("--turn", "asks", "--crashes", "1", "--lost-answers", "1", "--one-by-one"),
    ],
)
def test_wrong_input(wrong: tuple[str, ...]) -> None:
    assert isinstance(run(*wrong).exception, InputError)


def test_hash_seeds_change_nothing() -> None:
    """Sets of strings have another order in each process; no figure and no step depends on it."""
    code = "import typer; from ctxasr.cli.explore import explore; typer.run(explore)"
    options = ("--turn", "mixed", "--json", "--what-if", "eventual-reads", "--lost-answers", "1")
    said = {
        subprocess.run(
            [sys.executable, "-c", code, *options],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=False,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert b"stale answer" in said.pop()
