"""`ctxasr replay`, `recognise` and `evaluate` as a user meets them: output, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from conftest import Command
from servers import variables

from ctxasr.store.local import LocalAws

ROOT = Path(__file__).parents[2]
MEG = ROOT / "scenarios" / "call_meg.scenario.yaml"

PATIENT = "settings: {read_budget: 60s}"
"""A busy machine may take longer than the usual 50 ms; not what these tests are about."""

ASKED = f"""\
schema: 1
{PATIENT}
turns:
  - user: {{hypotheses: [call meg], says: call meg}}
    entities: [{{kind: contact, values: [Meg Jones, Meg Bauer]}}]
    reply: {{text: Do you mean Meg Jones or Meg Bauer?, duration: 60s}}
  - user: {{hypotheses: [meg power, meg bower], says: meg bauer}}
    expect: {{context: hit, text: EXPECTED}}
"""

ENDLESS = """\
schema: 1
settings: {encoder_delay: 200s}
turns:
  - user: {hypotheses: [call meg]}
    reply: {text: Which one?, duration: 220s}
  - user: {hypotheses: [power]}
"""


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "asked.scenario.yaml"
    path.write_text(ASKED.replace("EXPECTED", "meg bauer"))
    return path


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ctxasr", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ---------------------------------------------------------------- replay


def test_json_is_one_object_a_turn_and_context_finds_bauer(command: Command) -> None:
    done = command("replay", "--json", MEG)
    assert (done.code, done.err) == (0, "")
    asking, answer = done.turns
    wanted = {
        "scenario", "turn", "outcome", "context", "window_ms", "context_ms", "plain_text", "text",
        "changes", "passed",
    }  # fmt: skip
    assert wanted <= set(asking) & set(answer)
    assert asking["outcome"] == "embedded"
    assert "bauer" not in answer["plain_text"]
    assert (answer["text"], answer["context"], answer["passed"]) == ("bauer", "hit", True)
    assert answer["context_ms"] < answer["window_ms"]
    assert {change["signal"] for change in answer["changes"]} == {"entities"}


def test_without_context_the_texts_are_equal_and_expectations_fail(command: Command) -> None:
    done = command("replay", "--json", "--no-context", MEG)
    assert done.code == 1
    assert all(turn["text"] == turn["plain_text"] for turn in done.turns)
    assert [turn["passed"] for turn in done.turns] == [True, False]


def test_no_path_plays_the_packaged_example(command: Command) -> None:
    done = command("replay", "--json")
    assert done.code == 0
    assert [turn["scenario"] for turn in done.turns] == ["call_meg", "call_meg"]


def test_a_failed_expectation_is_shown_with_its_line(asked: Path, command: Command) -> None:
    failing = asked.with_name("failing.scenario.yaml")
    failing.write_text(ASKED.replace("EXPECTED", "jones"))
    done = command("replay", asked.parent)
    assert done.code == 1
    assert "1 of 2 passed" in done.out
    assert "power → bauer" in done.out
    joined = "".join(done.out.split())
    assert f"{failing}:8:turns.1.expect.text".replace(" ", "") in joined
    quiet = command("replay", "--quiet", asked.parent)
    assert "1 of 2 passed" in quiet.out
    assert "✗ failing ─" in quiet.out
    assert "✓ asked ─" not in quiet.out


def test_spoken_and_simulated_scenarios_stand_in_one_report(asked: Path, command: Command) -> None:
    (regression, *_) = sorted((ROOT / "scenarios" / "regressions").glob("*.yaml"))
    done = command("replay", "--json", regression, asked)
    assert (done.code, done.err) == (0, "")
    first, second, plan = done.turns
    assert [first["turn"], second["turn"]] == [1, 2]
    assert (plan["passed"], plan["violations"]) == (True, [])
    shown = command("replay", regression, asked)
    assert shown.code == 0
    assert shown.out.count("1 of 1 passed") == 2, "a table for each kind"
    study = command("evaluate", regression, asked)
    assert (study.code, "n = 1" in study.out) == (0, True)
    assert "left out: 1 simulated scenarios" in study.err


def test_ctrl_c_says_how_far_it_got_and_loses_nothing(asked: Path) -> None:
    endless = asked.with_name("endless.scenario.yaml")
    endless.write_text(ENDLESS)
    running = started("replay", asked, endless)
    assert running.stdout is not None
    first = running.stdout.readline()
    running.send_signal(signal.SIGINT)  # the second scenario has minutes to go
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "1 of 2 scenarios (2 of 4 turns) are done" in err
    assert err.count("\n") == 1, "no traceback"
    assert "✓ asked" in first
    assert "power → bauer" in out


def test_a_reader_that_leaves_ends_the_replay_quietly(asked: Path) -> None:
    endless = asked.with_name("endless.scenario.yaml")
    endless.write_text(ENDLESS.replace("encoder_delay: 200s", "encoder_delay: 0s"))
    running = started("replay", "--json", asked, endless)
    assert running.stdout is not None
    assert running.stderr is not None
    assert json.loads(running.stdout.readline())["turn"] == 1
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert (running.wait(timeout=60), err) == (141, "")


# ---------------------------------------------------------------- endpoints


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def server() -> Iterator[LocalAws]:
    running = LocalAws()
    running.start()
    yield running
    running.stop()


@pytest.mark.usefixtures("credentials")
def test_an_unreachable_endpoint_is_wrong_input(asked: Path, command: Command) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets it
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = command("replay", "--endpoint-url", url, asked)
    assert (done.code, done.out) == (2, "")
    assert url in done.err
    assert done.err.count("\n") == 1


@pytest.mark.usefixtures("credentials")
def test_an_endpoint_that_is_there_is_used(
    asked: Path, command: Command, server: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(server.endpoint).items():
        monkeypatch.setenv(name, value)
    done = command("replay", "--json", "--endpoint-url", str(server.endpoint), asked)
    assert (done.code, done.err) == (0, "")
    monkeypatch.setattr("ctxasr.scenario.replay._runs", count(1))  # as in a new process
    asked.write_text(asked.read_text().replace("60s", "50s"))
    again = command("replay", "--json", "--endpoint-url", str(server.endpoint), asked)
    assert again.code == 0
    first, second = (run.turns[1]["window_ms"] for run in (done, again))
    assert second < first - 9_000, "the rows of the first run are there and must not be met"
    monkeypatch.setenv("CTXASR_ENDPOINT_URL", "no url")
    assert "no url" in command("replay", asked).err, "the environment names it as well"


# ---------------------------------------------------------------- recognise and evaluate


def test_recognise_names_the_phrase_and_its_signal(tmp_path: Path, command: Command) -> None:
    context = tmp_path / "asked.json"
    context.write_text(
        json.dumps(
            {
                "utterance": "call meg",
                "reply": "Do you mean Meg Jones or Meg Bauer?",
                "entities": [{"kind": "contact", "values": ["Meg Jones", "Meg Bauer"]}],
            }
        )
    )
    audio = MEG.parent / "audio" / "call_meg-2.flac"
    alone = command("recognise", "--json", audio)
    done = command("recognise", "--json", "--nbest", 2, "--context", context, audio)
    assert (alone.code, done.code) == (0, 0)
    (plain,), (found,) = alone.turns, done.turns
    assert plain["text"] == plain["plain_text"] == found["plain_text"]
    assert plain["hypotheses"] == []
    assert found["text"] == "bauer"
    assert [change["signal"] for change in found["changes"]] == ["entities"]
    assert len(found["hypotheses"]) == 2
    shown = command("recognise", "--context", context, audio).out
    assert f"[{plain['text']} → bauer]" in shown
    assert "from 'bauer' (entities)" in shown.lower()


def test_evaluate_compares_the_systems(asked: Path, command: Command) -> None:
    done = command("evaluate", "--json", asked)
    assert (done.code, done.err) == (0, "")
    (study,) = done.turns
    assert (study["turns"], study["words"]) == (1, 2)
    assert set(study["wer"]) == {"plain", "emptied", "other", "context"}
    assert "n = 1" in command("evaluate", asked).out
