"""`ctxasr simulate`: what it prints, its exit codes, and that it can be stopped and resumed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import ctxasr.app
from ctxasr.cli import simulate as command
from ctxasr.cli.simulate import simulate
from ctxasr.errors import InputError, MissingPart
from ctxasr.evaluate.fleet import document as documents
from ctxasr.evaluate.fleet.crews import WORKERS_MAX
from ctxasr.scenario import regressions
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.region.what_if import WhatIf
from ctxasr.sim.runs import Run, Setting

app = typer.Typer()
app.command()(simulate)

THREE_BLOCKS = ("--dialogues", "1100", "--faults", "all", "--seed", "5")
PATIENCE_S = 60.0
of_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
TEMPORARY = tempfile.gettempdir()
SCENARIO = str(Path(ctxasr.__file__).parents[1] / "scenarios" / "call_meg.scenario.yaml")


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of these tests lie in a folder of their own, and no regressions beside."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def start(*arguments: str, hash_seed: str = "0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ctxasr", "simulate", *arguments],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def until(holds: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Poll for what another process does; there is nothing to wait on."""
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s, "it takes too long"
        time.sleep(0.02)


def lines_of(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


# ---------------------------------------------------------------- what it prints


def test_what_people_read() -> None:
    done = run("--dialogues", "300", "--faults", "all", "--workers", "1", "--coverage")
    assert done.exit_code == 0, done.output
    for part in (
        r"^300 dialogues, \d+ turns, [\d,]+ events in \d+ s of virtual time$",
        r"^turns settled 100\.00 % \[.*\]: embedded .*, missed .*, discarded ",
        r"^contexts in time \d+\.\d\d % \[.*\] of the turns that asked$",
        r"^encoder workers needed: \d+ ",
        r"^ all +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ to [\d.]+",
        r"^ status, write +\d+\.\d+ +\d+",
        r"^a million turns cost \$\d+\.\d\d \(writes ",
        r"^no invariant broke$",
        r"faults and branches were never reached: ",
        r"^ fault: crash +\d+",
        r"^ outcome: embedded +\d+",
    ):
        assert re.search(part, done.output, re.MULTILINE), part
    assert "a second" in done.stderr
    assert "a second\n" not in done.stdout
    assert not list(Path().iterdir()), "no checkpoint is left"


def test_json_is_all_of_it_and_nothing_else_on_stdout() -> None:
    done = run("--dialogues", "40", "--what-if", "no-claim", "--workers", "1", "--json")
    found = json.loads(done.stdout)
    assert found["command"] == "ctxasr simulate --dialogues=40 --what-if=no-claim"
    assert found["parameters"]["workload"]["reply_ms"]["median"] == 3_600
    figures = found["figures"]
    assert figures["dialogues"] == 40
    assert {"outcomes", "deadline", "added_ms", "store", "encoder", "costs"} <= figures.keys()
    assert [one["what_if"] for one in found["what_ifs"]] == ["no-claim"]
    rows = {row["figure"]: row for row in found["what_ifs"][0]["against"]}
    wasted = rows["encodings a context"]
    assert wasted["difference"] > 0
    assert wasted["wins"] == "design"


def test_all_what_ifs_as_tables() -> None:
    done = run("--dialogues", "40", "--what-if", "all", "--workers", "1")
    assert done.exit_code == 0, "what breaks under another design is what is to be shown"
    for name in WhatIf:
        assert f"what if: {name}" in done.output


def test_a_sweep_and_a_page(tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    swept = ("--sweep", "encoder_ms=60,600", "--sweep", "rate=1,10")
    done = run("--dialogues", "30", *swept, "--workers", "1", "--html", str(page))
    assert done.exit_code == 0, done.output
    rows = re.findall(r"^ +(60|600) +(1|10) +\d+\.\d\d", done.output, re.MULTILINE)
    assert rows == [("60", "1"), ("60", "10"), ("600", "1"), ("600", "10")]
    assert "<svg" in page.read_text()
    again = run("--dialogues", "30", "--html", str(page))
    assert isinstance(again.exception, InputError)


def test_a_sweep_says_what_no_point_has_reached() -> None:
    swept = ("--dialogues", "40", "--workers", "1", "--sweep", "faults=none,clocks")
    done = run(*swept)
    (line,) = re.findall(r"^(\d+) of \d+ faults and branches were never reached", done.stdout, re.M)
    assert "--coverage names them" in done.stdout
    named = run(*swept, "--coverage")
    (names,) = re.findall(r"branches were never reached: (.*)$", named.stdout, re.M)
    assert len(names.split(", ")) == int(line)
    assert "crash" not in names.split(", "), "no point allows it"
    assert re.search(r"^ outcome: embedded +\d+", named.stdout, re.M)
    assert re.search(r"^ fault: crash +not in the profile", named.stdout, re.M)
    assert "intervals: faults of a region or a clock hit whole blocks" in done.stdout


def test_a_checkpoint_knows_the_prices(tmp_path: Path) -> None:
    path, asked = tmp_path / "kept", ("--dialogues", "20", "--workers", "1", "--json")
    first = run(*asked, "--checkpoint", str(path), "--price", "kms_usd_per_million=7")
    found = json.loads(first.stdout)
    assert found["command"].endswith("--price=kms_usd_per_million=7")
    assert run("--resume", str(path), "--json").stdout == first.stdout
    other = json.loads(
        run("--resume", str(path), "--price", "write_usd_per_million=9", "--json").stdout
    )
    prices = other["figures"]["costs"]["prices"]
    assert (prices["kms_usd_per_million"], prices["write_usd_per_million"]) == (7, 9)
    assert run("--resume", str(path), "--json").stdout == first.stdout


def test_the_twin_answers_a_million_turns() -> None:
    done = run("--dialogues", "6e5", "--twin", "--json")
    assert done.exit_code == 0
    figures = json.loads(done.stdout)["figures"]
    assert figures["turns"] > 900_000
    assert "store" not in figures
    assert run("--dialogues", "2000", "--twin").exit_code == 0
    swept = run("--dialogues", "2000", "--twin", "--sweep", "reply_ms=500,3000", "--json")
    short, long = json.loads(swept.stdout)["sweep"]
    assert short["deadline"]["hit"]["share"] < long["deadline"]["hit"]["share"]


def test_statistics_of_ones_own(tmp_path: Path) -> None:
    workload = tmp_path / "workload.yaml"
    workload.write_text("rate: 3\nasks: [1.0]\nlatencies: {encoder: 25}\n")
    given = ("--workload", str(workload), "--curve", "day", "--dialogues", "20", "--json")
    found = json.loads(run(*given).stdout)
    statistics = found["parameters"]["workload"]
    assert (statistics["rate"], statistics["asks"], max(statistics["curve"])) == (3, [1], 1.8)
    assert statistics["latencies"]["encoder"] == 25
    found = json.loads(run(*given, "--rate", "4", "--follow-up-share", "0.5").stdout)
    statistics = found["parameters"]["workload"]
    assert (statistics["rate"], statistics["asks"]) == (4, [0.5])


def test_dialogues_of_scenarios() -> None:
    done = run("--scenarios", SCENARIO, "--dialogues", "10", "--json", "--workers", "1")
    found = json.loads(done.stdout)
    assert found["parameters"]["workload"]["scripts"][0]["name"] == "call_meg"
    assert found["figures"]["outcomes"]["embedded"]["count"] >= 9


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--dialogues", "0"), "dialogues .* from 1 to 100,000,000"),
        (("--dialogues", "100000001"), "from 1 to 100,000,000"),
        (("--rate", "nought"), "rate .* a number"),
        (("--faults", "some"), "none, network"),
        (("--what-if", "two-tables"), "single-table, .* or all"),
        (("--sweep", "rate"), "NAME=V1,V2"),
        (("--sweep", "rate=1", "--what-if", "no-claim"), "--sweep what_if=none,single-table"),
        (("--twin", "--faults", "all"), "neither faults"),
        (("--twin", "--what-if", "no-claim"), "neither faults"),
        (("--twin", "--coverage"), "no money, faults or branches"),
        (("--twin", "--sweep", "faults=all"), "neither faults"),
        (("--twin", "--scenarios", SCENARIO), "no scripted dialogues"),
        (("--twin", "--ttl-s", "600"), "no expiry"),
        (("--twin", "--sweep", "ttl_s=600,700"), "no expiry"),
        (("--twin", "--read-budget-ms", "0"), "read budget above 0"),
        (("--twin", "--sweep", "read_budget_ms=50,0"), "read budget above 0"),
        (("--twin", "--price", "kms_usd_per_million=3"), "no money"),
        (("--html", "page.html", "--regressions", __file__), "no folder"),
        (("--regressions", f"{__file__}/deep/down"), "no folder"),
        (("--curve", "night"), "flat, day"),
        (("--workload", "nowhere"), "cannot be read"),
        (("--trace", "nowhere"), "cannot be read"),
        (("--workload", "w", "--trace", "t"), "one of them"),
        (("--resume", "nowhere"), "no such checkpoint"),
        (("--resume", "one", "--checkpoint", "two"), "leave --checkpoint away"),
        (("--workers", "0"), "WORKERS_MAX"),
        (("--workers", str(WORKERS_MAX + 1)), "WORKERS_MAX"),
        (("--on", "slurm"), "ray:ADDRESS"),
        (("--price", "free"), "NAME=USD"),
    ],
)
def test_wrong_input(wrong: Sequence[str], why: str) -> None:
    done = run(*wrong)
    assert isinstance(done.exception, InputError)
    assert re.search(why, str(done.exception)), done.exception
    assert not list(Path().iterdir())


# ---------------------------------------------------------------- what broke


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The design with eventual reads in it stands for a broken one."""
    right = ctxasr.app.simulated

    def broken(plan: Plan, setting: Setting | None = None) -> Run:
        return right(plan, replace(setting or Setting(), what_if=WhatIf.EVENTUAL_READS))

    monkeypatch.setattr(ctxasr.app, "simulated", broken)


@pytest.mark.usefixtures("breaks")
def test_a_violation_is_written_as_a_scenario(tmp_path: Path) -> None:
    told = run("--dialogues", "60", "--workers", "1")
    assert told.exit_code == 1
    assert "violations of invariants" in told.stdout
    assert re.search(r"invariant \d+, seed 1, block 0: [1-5] lines", told.stderr)
    assert "--regressions DIR" in told.stderr
    folder = tmp_path / "regressions"
    folder.mkdir()
    done = run("--dialogues", "60", "--workers", "1", "--regressions", str(folder), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["figures"]["invariants"]["violations"] > 0
    written = sorted(folder.iterdir())
    assert 1 <= len(written) <= 5
    for path in written:
        assert path.name in done.stderr
        assert "found:" in path.read_text()
    same = run("--dialogues", "61", "--workers", "1", "--regressions", str(folder))
    assert same.exit_code == 1
    assert "exists already" not in same.stderr, "the same plan, found by another command"


@pytest.mark.usefixtures("breaks")
def test_a_violation_that_cannot_be_written_is_told_line_by_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = ("--dialogues", "60", "--workers", "1", "--regressions", str(tmp_path / "kept"))
    done = run(*given, "--encoder-ms", "61")
    assert done.exit_code == 1
    assert "lines, not written: the scenario format holds read_budget_ms" in done.stderr
    assert re.search(r"^ctxasr:     - \{event: ", done.stderr, re.MULTILINE)

    def full(*given: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(regressions, "write_new", full)
    done = run(*given)
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert re.search(r"^ctxasr:     - \{event: ", done.stderr, re.MULTILINE)


@pytest.mark.usefixtures("breaks")
def test_each_point_of_a_sweep_is_made_small(tmp_path: Path) -> None:
    given = ("--dialogues", "60", "--workers", "1", "--sweep", "seed=1,2", "--json")
    done = run(*given, "--regressions", str(tmp_path / "kept"))
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert "seed" not in found["parameters"]
    assert found["parameters"]["dialogues"] == 60
    assert re.search(r"seed=1: invariant \d+, seed 1, block 0", done.stderr)
    assert re.search(r"seed=2: invariant \d+, seed 2, block 0", done.stderr)


def test_what_breaks_in_a_what_if_of_a_sweep_is_no_verdict(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    swept = ("--sweep", "faults=none,all", "--sweep", "what_if=none,eventual-reads", "--json")
    done = run("--dialogues", "60", "--workers", "1", *swept, "--html", str(page))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert sum(one["invariants"]["violations"] for one in found["sweep"]) > 0
    assert not found["parameters"].keys() & {"faults", "what_if"}
    assert "No violation" in page.read_text()


@pytest.mark.parametrize("moment", ["document_of", "made_small"])
@pytest.mark.usefixtures("breaks")
def test_stopped_after_the_last_block_it_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    where = command if moment == "made_small" else documents
    with monkeypatch.context() as patched:
        patched.setattr(where, moment, stop)
        done = run("--dialogues", "60", "--workers", "1")
    assert done.exit_code == 130
    assert "stopped: 1 of 1 blocks are done and kept; go on with: " in done.stderr
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    (path,) = re.findall(r"--resume=(\S+)", done.stderr)
    again = run("--resume", path, "--workers", "1")
    assert again.exit_code == 1
    assert "0 dialogues in" in again.stderr


def test_a_page_that_cannot_be_drawn_is_told_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("--html", "page.html")
    assert isinstance(done.exception, MissingPart)
    assert not list(Path().iterdir())


# ---------------------------------------------------------------- any number of workers


@pytest.fixture(scope="module")
def figures() -> str:
    code, out, err = finished(start(*THREE_BLOCKS, "--json", "--workers", "1"))
    assert code == 0, err
    assert len(out.splitlines()) == 1
    return out


def test_workers_and_hash_seeds_change_no_byte(figures: str) -> None:
    given = (*THREE_BLOCKS, "--json", "--workers", "2")
    code, out, err = finished(start(*given, hash_seed="4711"))
    assert (code, out) == (0, figures), err


def test_stopped_and_resumed_it_is_the_same(figures: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    process = start(*THREE_BLOCKS, "--json", "--workers", "2", "--checkpoint", str(path))
    until(lambda: lines_of(path) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = finished(process)
    assert (code, out) == (130, ""), err
    assert re.fullmatch(
        rf"ctxasr: stopped: [12] of 3 blocks are done and kept; go on with: "
        rf"ctxasr simulate --resume={path}\n",
        err,
    ), err
    different = run("--resume", str(path), "--seed", "6")
    assert isinstance(different.exception, InputError)
    assert "dialogues 1100, not 10000; faults all, not none; seed 5, not 6" in str(
        different.exception
    )
    kept = lines_of(path)
    again = run("--resume", str(path), "--json")
    assert (again.exit_code, again.stdout) == (0, figures)
    assert lines_of(path) == 5 > kept
    same = run("--resume", str(path), *THREE_BLOCKS, "--json")
    assert same.stdout == figures
    assert "0 dialogues in" in same.stderr


def test_without_a_checkpoint_it_can_be_resumed_as_well(figures: str, tmp_path: Path) -> None:
    process = start(*THREE_BLOCKS, "--workers", "1")
    until(lambda: any(lines_of(one) >= 3 for one in tmp_path.glob("*.jsonl")), process)
    process.send_signal(signal.SIGTERM)
    code, _, err = finished(process)
    assert code == 130
    assert "Traceback" not in err
    (command,) = re.findall(r"--resume=(\S+)", err)
    again = run("--resume", command, "--json", "--workers", "1")
    assert json.loads(again.stdout)["figures"] == json.loads(figures)["figures"]


def end(plan: Plan, setting: Setting) -> Run:
    os._exit(1)


def test_a_worker_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ctxasr.app, "simulated", end)
    done = run(*THREE_BLOCKS, "--workers", "2")
    assert done.exit_code == 70
    assert "a worker ended before its block did: out of memory? no block was done" in done.stderr
    assert not list(tmp_path.iterdir())


def workers_of(process: subprocess.Popen[str], count: int) -> set[str]:
    """Wait until the workers have begun; their process ids."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    seen: set[str] = set()

    def have_begun() -> bool:
        for child in children.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                seen.add(child)
        return len(seen) == count

    until(have_begun, process)
    return seen


def wait_for_the_end_of(workers: set[str]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while any(map(_lives, workers)):
        assert time.monotonic() < end_s, "they live on"
        time.sleep(0.02)


@of_linux
@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_while_workers_start_there_is_no_traceback(workers: int, tmp_path: Path) -> None:
    process = start("--dialogues", "100000", "--workers", "2")
    began = workers_of(process, workers)
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = finished(process)
    assert (code, out, err) == (130, "", "ctxasr: stopped: no block was done yet\n")
    wait_for_the_end_of(began)
    assert not list(tmp_path.iterdir())


@of_linux
def test_workers_do_not_outlive_a_parent_that_was_killed() -> None:
    process = start("--dialogues", "100000", "--workers", "2")
    began = workers_of(process, 2)
    process.kill()
    process.communicate()
    wait_for_the_end_of(began)


def _lives(child: str) -> bool:
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_full_disk_is_told_and_loses_nothing(figures: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that is full after the first block."""
    path = tmp_path / "kept.jsonl"

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (14_000, 14_000))

    done = subprocess.run(
        [sys.executable, "-m", "ctxasr", "simulate", *THREE_BLOCKS, "--workers", "1",
         "--checkpoint", str(path)],
        preexec_fn=full, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 74, done.stderr
    assert "stopped by an error: 1 of 3 blocks are done and kept" in done.stderr
    assert f"{path}: cannot be read or written (File too large)" in done.stderr
    assert not path.read_bytes().endswith(b"\n")
    assert run("--resume", str(path), "--json").stdout == figures


@pytest.mark.proof
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed (pip install 'ctxasr[ray]')",
)
def test_on_ray_it_is_the_same(figures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", TEMPORARY)  # its sockets need short names
    code, out, err = finished(start(*THREE_BLOCKS, "--json", "--on", "ray", "--workers", "2"))
    assert (code, out) == (0, figures), err
    nobody = run("--on", "ray:127.0.0.1:9", "--dialogues", "1")
    assert "no cluster there" in str(nobody.exception)
    nowhere = run("--on", "ray:nowhere", "--dialogues", "1")
    assert isinstance(nowhere.exception, InputError)
    assert "no cluster there" in str(nowhere.exception)
