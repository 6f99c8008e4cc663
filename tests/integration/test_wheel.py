"""The wheel, built and installed, runs its packaged example outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_it_needs_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "ctxasr/py.typed",
        "ctxasr/encoder/weights/context.safetensors",
        "ctxasr/english/vocabulary.tsv.gz",
        "ctxasr/english/sentences.tsv.gz",
        "ctxasr/speech/weights/g2p.safetensors",
        "ctxasr/speech/weights/phone_costs.tsv",
        "ctxasr/speech/weights/assistant.lm.bin",
        "ctxasr/speech/weights/assistant.dict",
        "ctxasr/speech/language/sentences.txt",
        "ctxasr/speech/language/words.txt",
        "ctxasr/scenario/packaged/call_meg.scenario.yaml",
    ):
        assert needed in names
    assert not [name for name in names if name.startswith(("tests/", "scenarios/"))]


def test_the_installed_wheel_replays_its_example(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(target), str(wheel)], check=True
    )
    done = subprocess.run(
        [sys.executable, "-m", "ctxasr", "replay", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target), "CTXASR_READ_BUDGET_MS": "5000"},
        capture_output=True,
        text=True,
        check=True,
    )
    turns = [json.loads(line) for line in done.stdout.splitlines()]
    assert [turn["passed"] for turn in turns] == [True, True]
    assert "bauer" in turns[1]["text"].split()
    assert "bauer" not in turns[1]["plain_text"].split()
    where = subprocess.run(
        [sys.executable, "-c", "import ctxasr; print(ctxasr.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(target))
