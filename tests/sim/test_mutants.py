"""Every mutant is killed within its number of seeds; its plan shrinks to five lines or fewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from threats.test_attacks import copy_with

from .mutants import FORGETTING, MUTANTS, Mutant

HUNT = Path(__file__).with_name("hunt.py")
SECONDS_MAX = 120.0

ALL = (*MUTANTS, *FORGETTING)
every_mutant = pytest.mark.parametrize(
    "mutant", ALL, ids=[f"{one.invariant} {one.story}" for one in ALL]
)


def hunted(mutant: Mutant, folder: Path) -> dict[str, Any]:
    wanted = {"invariant": mutant.invariant, "profile": mutant.profile, "seeds": mutant.seeds}
    done = subprocess.run(
        [sys.executable, str(HUNT), json.dumps(wanted)],
        env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=SECONDS_MAX, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@every_mutant
def test_is_killed_and_its_plan_shrinks(
    mutant: Mutant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = hunted(mutant, copy_with((mutant.file, mutant.line, mutant.replacement), tmp_path))
    assert found["seeds"] is not None, f"{mutant.seeds} seeds do not kill it: {found}"
    with capsys.disabled():
        print(
            f"\ninvariant {mutant.invariant}: {mutant.story}: killed by seed {found['seeds']} "
            f"(anything broken: seed {found['first_any'][0]}), "
            f"plan of {found['from']} lines shrunk to {found['lines']}"
        )
    assert found["lines"] <= mutant.lines, found["plan"]


def test_there_is_one_for_every_invariant() -> None:
    assert sorted({mutant.invariant for mutant in MUTANTS}) == list(range(1, 16))
