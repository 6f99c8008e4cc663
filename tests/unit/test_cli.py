"""The command line without a replay: help, wrong inputs, errors, files that appear whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from conftest import Command

from ctxasr import cli
from ctxasr.errors import MissingPart, StoreUnavailable
from ctxasr.report.output import whole_files
from ctxasr.scenario.example import EXAMPLE
from ctxasr.timing import SPEED_MAX, SPEED_MIN

ROOT = Path(__file__).parents[2]
SOUND = ROOT / "tests" / "data" / "kitchen_lights.flac"


def process(
    *arguments: object, before: str = "", **options: Any
) -> subprocess.CompletedProcess[str]:
    """`ctxasr ...` in a process of its own, after the statements `before`."""
    code = f"{before}\nimport sys\nfrom ctxasr.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        timeout=60,
        check=False,
        **{"capture_output": "stdout" not in options, **options},
    )


def all_commands() -> Iterator[tuple[str, Any]]:
    top: Any = typer.main.get_command(cli.app)
    for name, found in top.commands.items():
        for child, below in getattr(found, "commands", {"": found}).items():
            yield f"ctxasr {name} {child}".strip(), below


# ---------------------------------------------------------------- help and imports


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "torch", "aioboto3", "botocore", "moto", "pocketsphinx", "pydantic", "numpy", "scipy",
        "soundfile", "ruamel", "asyncio.subprocess", "rich.console",
    )  # fmt: skip
    code = f"import sys, ctxasr.cli; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert loaded <= {"rich.console", "asyncio.subprocess"}, "typer loads rich by itself"


@pytest.mark.parametrize(("name", "found"), list(all_commands()))
def test_every_command_explains_itself(name: str, found: Any) -> None:
    assert f"`{name}" in found.help, "an example that can be copied"
    for parameter in found.params:
        if parameter.name != "help":
            assert parameter.help, f"{name} {parameter.name}"


def test_version_and_no_command(command: Command) -> None:
    assert command("--version").out == "ctxasr 0.1.0\n"
    without = command()
    assert without.code == 2
    assert "replay" in without.out
    assert command("replay", "--no-such-option").code == 2


def test_speed_has_limits(command: Command) -> None:
    assert (SPEED_MIN, SPEED_MAX) == (0.1, 100.0)
    assert command("replay", "--speed", "0.09", "x").code == 2
    assert "does not exist" in command("replay", "--speed", "0.1", "x").err
    assert command("replay", "--speed", "100.1", "x").code == 2


# ---------------------------------------------------------------- wrong scenarios


WRONG: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", ":1: the file is empty"),
    "wrong type": (b"schema: 1\nturns: {a: 1}\n", ":2: turns: must be a list"),
    "unknown key": (EXAMPLE.replace("    reply:", "    repyl:").encode(), "mean 'reply'"),
    "negative duration": (
        b"schema: 1\nturns:\n- user: {hypotheses: [a]}\n  reply: {text: b, duration: -2s}\n",
        ":4: turns.0.reply.duration: a duration cannot be negative",
    ),
    "a text of 10 MB": (
        b"schema: 1\nturns:\n- user: {hypotheses: [" + b"a" * 10_000_000 + b"]}\n",
        "larger than SCENARIO_BYTES_MAX (1048576 bytes)",
    ),
    "not UTF-8": (b"schema: 1\nabout: \xff\n", ":2: byte 17 is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_scenario_is_named_before_anything_runs(
    case: str, tmp_path: Path, command: Command
) -> None:
    content, message = WRONG[case]
    right, wrong = tmp_path / "a.scenario.yaml", tmp_path / "b.scenario.yaml"
    right.write_text(EXAMPLE)
    wrong.write_bytes(content)
    done = command("replay", tmp_path)
    assert done.code == 2
    assert done.out == "", "the scenario before it has not been replayed"
    assert f"{wrong}" in done.err
    assert message in done.err
    assert done.err.count("\n") == 1, "one line, no traceback"
    assert wrong.read_bytes() == content, "what was given is still there"


def spoken(tmp_path: Path, audio: Path) -> Path:
    path = tmp_path / "spoken.scenario.yaml"
    path.write_text(f"schema: 1\nturns:\n- user:\n    audio: {audio.name}\n    says: lights\n")
    return path


@pytest.mark.parametrize("case", ["missing", "truncated", "empty"])
def test_wrong_audio_is_named_with_its_line(case: str, tmp_path: Path, command: Command) -> None:
    audio = tmp_path / "a.flac"
    if case != "missing":
        audio.write_bytes(SOUND.read_bytes()[:20_000] if case == "truncated" else b"")
    done = command("replay", spoken(tmp_path, audio))
    assert done.code == 2
    assert "spoken.scenario.yaml:4: turns.0.user.audio: " in done.err
    assert {
        "missing": "no such",
        "truncated": "a.flac: cut off: 1.02 s of 2.50 s",
        "empty": "0 bytes",
    }[case] in done.err


def test_audio_that_is_converted_is_said_to_be(tmp_path: Path, command: Command) -> None:
    tone = (3_000 * np.sin(np.arange(44_100) / 20)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 44_100)
    done = command("scenario", "check", spoken(tmp_path, tmp_path / "a.wav"))
    assert done.code == 0
    assert "2 channels mixed down to mono" in done.out
    assert "resampled from 44100 Hz to 16000 Hz" in done.out


def test_check_reports_every_wrong_file(tmp_path: Path, command: Command) -> None:
    for name in ("a", "c"):
        (tmp_path / f"{name}.scenario.yaml").write_text("schema: 2\n")
    (tmp_path / "b.scenario.yaml").write_text(EXAMPLE)
    done = command("scenario", "check", tmp_path)
    assert (done.code, done.err.count("schema version 1")) == (2, 2)
    assert done.out.startswith("ok ")
    empty = tmp_path / "nothing"
    empty.mkdir()
    assert "no *.scenario.yaml in this folder" in command("scenario", "check", empty).err


# ---------------------------------------------------------------- scenario commands


def test_a_new_scenario_is_right_and_is_not_overwritten(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "deep" / "mine.scenario.yaml"
    assert command("scenario", "new", path).out.splitlines()[0] == str(path)
    assert command("scenario", "check", path).code == 0
    path.write_text("mine")
    again = command("scenario", "new", path)
    assert (again.code, path.read_text()) == (2, "mine")


def log_line(**header: str) -> str:
    named = {"namespace": "SpeechRecognizer", "name": "Recognize", **header}
    return json.dumps({"event": {"header": named, "payload": {}}})


def test_import_writes_a_whole_new_file_or_none(tmp_path: Path, command: Command) -> None:
    log, target = tmp_path / "log.jsonl", tmp_path / "out" / "log.scenario.yaml"
    log.write_text(log_line(messageId="m", dialogRequestId="d") + "\n")
    done = command("scenario", "import", log, "--customer", "c", "-o", target)
    assert (done.code, done.out) == (0, "")
    assert command("scenario", "check", target).code == 0
    assert target.read_text() == command("scenario", "import", log, "--customer", "c").out
    target.write_text("mine")
    again = command("scenario", "import", log, "--customer", "c", "-o", target)
    assert (again.code, target.read_text()) == (2, "mine")
    assert "not overwritten" in again.err


def test_import_counts_a_line_without_header_and_names_it(tmp_path: Path, command: Command) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        log_line(messageId="m", dialogRequestId="d")
        + '\n{"event": {"payload": {"text": "call meg bauer"}}}\n'
    )
    done = command("scenario", "import", log, "--customer", "c")
    assert done.code == 0
    assert "1 message belongs to no turn (line 2)" in done.err
    assert "bauer" not in done.err + done.out


def test_a_full_disk_leaves_no_half_written_file(tmp_path: Path) -> None:
    log, folder = tmp_path / "log.jsonl", tmp_path / "out"
    log.write_text(log_line(messageId="m", dialogRequestId="d") + "\n")
    target = folder / "a.scenario.yaml"
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    done = process("scenario", "import", log, "--customer", "c", "-o", target, before=full)
    assert done.returncode == 74
    assert done.stderr == f"ctxasr: {target}: cannot be read or written (File too large)\n"
    assert list(folder.iterdir()) == []


def test_drawing_again_loses_nothing(tmp_path: Path, command: Command) -> None:
    arguments = ("scenario", "draw", tmp_path / "drawn", "--n", 3, "--seed", 5)
    assert command(*arguments).code == 0
    drawn = {path: path.read_bytes() for path in (tmp_path / "drawn").iterdir()}
    assert len(drawn) == 3
    assert command(*arguments).code == 2
    assert {path: path.read_bytes() for path in (tmp_path / "drawn").iterdir()} == drawn


def test_speak_names_the_package_of_a_missing_voice(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spoken(tmp_path, tmp_path / "a.flac")
    path.write_text(path.read_text() + "    voice: flite:slt\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command("scenario", "speak", path)
    assert done.code == 2
    assert "Debian package flite" in done.err


# ---------------------------------------------------------------- recognise and train


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("reply: a\nrepyl: b\n", ":2: repyl: unknown key; known here: utterance, reply"),
        ("reply: a\nentities: [{kind: contact, value: [b]}]\n", ":2: entities.0.value: unknown"),
        ('{"reply": "a",\n "screen": "b"}', ":2: screen: "),
        ("reply:\n", ":1: reply: has no value"),
        ("- reply\n", ":1: must be a mapping"),
        ("", ":1: the file is empty"),
    ],
)
def test_a_wrong_context_file_is_named(
    content: str, message: str, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(content)
    done = command("recognise", SOUND, "--context", path)
    assert (done.code, done.out) == (2, "")
    assert f"{path}{message}" in done.err


def test_train_says_what_it_lacks(tmp_path: Path, command: Command) -> None:
    assert "--out is missing" in command("train").err
    done = command("train", "--out", tmp_path / "w")
    assert done.code == 2
    assert "--data (or CTXASR_DATA) is missing" in done.err
    (tmp_path / "data").mkdir()
    done = command("train", "--data", tmp_path / "data", "--out", tmp_path / "w")
    assert done.code == 2
    assert "catalog_train.json.gz is missing" in done.err
    assert command("train", "--part", "lexicon").code == 2


def test_a_stopped_training_leaves_the_old_weights(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctxasr.speech import g2p

    def half(seed: int, out: Path, *_: object, **__: object) -> dict[str, float]:
        out.write_text("half of the new weights")
        raise KeyboardInterrupt

    monkeypatch.setattr(g2p, "train_g2p", half)
    weights = tmp_path / g2p.WEIGHTS.name
    weights.write_text("old")
    done = command("train", "--part", "g2p", "--out", tmp_path)
    assert done.code == 130
    assert done.err == "ctxasr: stopped: nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == [weights.name]
    assert weights.read_text() == "old"


def test_whole_files_replace_the_old_ones_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with whole_files(tmp_path) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreUnavailable("http://127.0.0.1:1 does not answer"), 2, "http://127.0.0.1:1 does not"),
        (MissingPart("moto: pip install 'ctxasr[local]'"), 2, "pip install"),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [StoreUnavailable("x")])]), 2, "x"),
        (PermissionError(13, "Permission denied", "/f"), 74, "/f: cannot be read or written"),
        (RuntimeError("call meg bauer"), 70, "internal error: RuntimeError at test_cli.py:"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_one_line(
    error: BaseException,
    code: int,
    message: str,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr("ctxasr.scenario.schema.schema_text", fail)
    done = command("scenario", "schema")
    assert done.code == code
    assert message in done.err
    assert done.err.count("\n") <= 1
    assert "bauer" not in done.err, "the text of a fault may hold what was said"
    if code == 70:
        monkeypatch.setenv("CTXASR_DEBUG", "1")
        assert "Traceback" in command("scenario", "schema").err


def test_a_full_stdout_is_said_once() -> None:
    with Path("/dev/full").open("w") as full:
        done = process("scenario", "schema", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert done.stderr == "ctxasr: cannot be read or written (No space left on device)\n"


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process("scenario", "schema", stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


ASKED = "reply: Do you mean Meg Jones or Meg Bauer?\n"


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path, command: Command) -> None:
    """As a shell's <(...) gives one."""
    reading, writing = os.pipe()
    os.write(writing, ASKED.encode())
    os.close(writing)
    try:
        code, out, _ = command("export", "--format", "whisper", "--context", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert code == 0
    assert "Meg Bauer" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["recognise", "-"], 2, "standard input: is empty"),
        (["forget", "c", "--endpoint-url", "http://127.0.0.1:1"], 1, "Aborted"),
    ],
)
def test_a_closed_stdin_is_an_empty_one(arguments: list[str], code: int, said: str) -> None:
    module = [sys.executable, "-m", "ctxasr", *arguments]
    shell = ["sh", "-c", 'exec "$@" <&-', "sh", *module]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert said in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_closed_stderr_does_not_send_errors_elsewhere(closed: str) -> None:
    """Neither to stdout, where data are expected, nor into the next file that is opened."""
    module = [sys.executable, "-m", "ctxasr", "replay", "none.scenario.yaml"]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *module]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_speaking_nothing_says_so(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "first.scenario.yaml"
    assert command("scenario", "new", path)[0] == 0
    code, out, err = command("scenario", "speak", path)
    assert (code, out) == (0, "")
    assert "nothing to speak" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("arguments", "code"), [(["schema"], 0), (["check", "none"], 2)])
def test_a_full_stderr_changes_no_exit_code(arguments: list[str], code: int) -> None:
    before = "from ctxasr.report.output import say; say('beside the work')"
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = process("scenario", *arguments, before=before, stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
