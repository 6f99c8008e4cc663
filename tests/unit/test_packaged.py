"""The example inside the package is the one of the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_packaged_example_is_the_committed_scenario() -> None:
    packaged = ROOT / "ctxasr" / "scenario" / "packaged"
    files = sorted(path.relative_to(packaged) for path in packaged.rglob("*") if path.is_file())
    assert Path("call_meg.scenario.yaml") in files
    assert len(files) >= 3
    for file in files:
        assert (packaged / file).read_bytes() == (ROOT / "scenarios" / file).read_bytes()
