"""A seed is one run in every Python: CTXASR_PYTHONS names other interpreters that have our parts.

    CTXASR_PYTHONS=/opt/3.12/bin/python:/opt/3.13/bin/python python -m pytest tests/sim

Each needs the dependencies of the core alone: pydantic, numpy, safetensors, cryptography.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ctxasr

PROGRAM = """
import sys
from ctxasr.sim.plans.draw import draw
from ctxasr.sim.runs import Setting
from ctxasr.sim.world import simulate
from ctxasr.store.memory import MemoryEventStore
for seed in range(60):
    run = simulate(draw(seed), MemoryEventStore, Setting(fifo=seed % 4 == 3))
    print(run.trace_hash, run.steps, sorted(run.coverage.counts.items()))
print(*sys.version_info[:2], file=sys.stderr)
"""


def told(python: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(Path(ctxasr.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [python, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )


def test_a_seed_is_one_run_in_every_python() -> None:
    others = [one for one in os.environ.get("CTXASR_PYTHONS", "").split(os.pathsep) if one]
    if not others:
        pytest.skip("CTXASR_PYTHONS names no other interpreter")
    ours = told(sys.executable)
    assert ours.returncode == 0, ours.stderr
    assert len(set(ours.stdout.splitlines())) == 60
    versions = {ours.stderr.strip()}
    for other in others:
        theirs = told(other)
        if "ModuleNotFoundError" in theirs.stderr:
            pytest.skip(f"{other}: {theirs.stderr.splitlines()[-1]}")
        assert theirs.returncode == 0, theirs.stderr
        assert theirs.stdout == ours.stdout, f"{other} runs seeds differently"
        versions.add(theirs.stderr.strip())
    print(f"one run in Python {', '.join(sorted(versions))}")
