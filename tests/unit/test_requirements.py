"""Packages that are not there, and Ctrl-C while the command line loads: one line, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctxasr.report.requirements import TORCH, advice, fix_of

ROOT = Path(__file__).parents[2]

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise {error}

sys.meta_path.insert(0, Blocked())
sys.argv = ["ctxasr", *{arguments!r}]
from ctxasr.__main__ import main
main()
"""
MISSING = "ModuleNotFoundError('No module named ' + repr(name), name=name)"

SOUND = "scenarios/audio/call_meg-2.flac"
CALL_MEG = "scenarios/call_meg.scenario.yaml"


def run(
    arguments: list[str], package: str, folder: Path, error: str = MISSING
) -> subprocess.CompletedProcess[str]:
    arguments = [word.replace("FOLDER", str(folder)) for word in arguments]
    code = BLOCKED.format(package=package, error=error, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "package", "install"),
    [
        (["replay", CALL_MEG], "moto", "'ctxasr[local]'"),
        (["replay", CALL_MEG], "werkzeug", "'ctxasr[local]'"),
        (["replay", CALL_MEG], "aioboto3", "'aioboto3'"),
        (["evaluate", CALL_MEG], "torch", "torch, the CPU build"),
        (["recognise", SOUND], "soundfile", "'soundfile'"),
        (["recognise", SOUND], "pocketsphinx", "pocketsphinx"),
        (["recognise", SOUND, "--context", "FOLDER/asked.yaml"], "safetensors", "'safetensors'"),
        (["export", "--format", "nemo", "--context", "FOLDER/asked.yaml"], "torch", "torch, the"),
        (["scenario", "check", CALL_MEG], "ruamel", "'ruamel.yaml'"),
        (["scenario", "new", "FOLDER/a.scenario.yaml"], "pydantic", "'pydantic'"),
        (["scenario", "draw", "FOLDER/drawn", "--n", "1"], "rich", "'rich'"),
        (["train", "--part", "g2p", "--out", "FOLDER/w"], "numpy", "'numpy'"),
        (["costs"], "cryptography", "'cryptography'"),
        (["simulate", "--dialogues", "9"], "numpy", "'numpy'"),
        (["simulate", "--dialogues", "9", "--html", "FOLDER/a.html"], "jinja2", "'ctxasr[plots]'"),
        (["simulate", "--dialogues", "9", "--on", "ray"], "ray", "'ctxasr[ray]'"),
        (["serve", "--port", "0"], "uvicorn", "'ctxasr[serve]'"),
        (["serve", "--port", "0"], "starlette", "'ctxasr[serve]'"),
        (["serve", "--port", "0"], "moto", "'ctxasr[local]'"),
        (["forget", "c", "--yes", "--endpoint-url", "aws"], "botocore", "'aioboto3'"),
        (["doctor"], "rich", "'rich'"),
        (["--help"], "typer", "'typer'"),
    ],
)
def test_a_command_says_what_to_install(
    arguments: list[str], package: str, install: str, tmp_path: Path
) -> None:
    (tmp_path / "asked.yaml").write_text("reply: Meg Bauer?\n")
    done = run(arguments, package, tmp_path)
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ctxasr: ")
    assert f"pip install {install}" in said
    assert "Traceback" not in done.stderr


def test_a_module_of_our_own_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    error = "ModuleNotFoundError('no', name='ctxasr.report.schema')"
    done = run(["scenario", "schema"], "pydantic", tmp_path, error)
    assert done.returncode == 70


def test_advice_names_the_extra() -> None:
    assert fix_of("fastapi") == "pip install 'ctxasr[serve]'"
    assert fix_of("aws_lambda_powertools") == "pip install 'ctxasr[lambda]'"
    assert fix_of("ruamel") == "pip install 'ruamel.yaml'"
    assert fix_of("torch") == TORCH
    broken = ImportError("libfoo.so: cannot open", name="scipy.special")
    assert "scipy is installed, but cannot be loaded" in (advice(broken) or "")
    assert advice(ModuleNotFoundError("no", name="ctxasr.nothing")) is None
    assert advice(ImportError("no name")) is None


@pytest.mark.parametrize("package", ["typer", "pydantic"])  # before the command runs, and in it
def test_ctrl_c_while_loading_is_quiet(package: str, tmp_path: Path) -> None:
    done = run(["scenario", "schema"], package, tmp_path, "KeyboardInterrupt")
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.strip() in ("", "ctxasr: stopped")
