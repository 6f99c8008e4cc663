"""`make lambda-check`: builds what is deployed and runs every handler as Lambda would, without AWS.

    PYTHONPATH=tests python -m infra.lambda_check [--json FILE]

Trees and zips (`trees`), the official runtime client against a local Runtime API (`runtime`),
Invoke, a queue and X-Ray's daemon (`services`), dynalite for DynamoDB and moto for KMS in processes
of their own. Prints a table; ends with 1 if a check failed. The image is not built: its files are
put together and run with the torch of the project's environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Final

from infra import licences
from infra.lambda_check import handlers, trees
from infra.lambda_check.place import Place, Report

ZIP_BYTES_MAX: Final = 60_000_000
WARM_MEDIAN_MS_MAX: Final = 25.0
"""Median of warm invocations, one record or question each."""

COLD_RUNS: Final = 5


def build(report: Report) -> None:
    """Trees and zips, their sizes, and that the same files give the same bytes."""
    trees.WORK.mkdir(parents=True, exist_ok=True)
    recorder, reader = trees.WORK / "recorder", trees.WORK / "reader"
    drifted = list(trees.drifted())
    report.check(not drifted, f"infra/requirements differs from requirements.lock: {drifted}")
    trees.recorder(recorder)
    trees.reader(reader, recorder)
    for name, tree in (("recorder", recorder), ("reader", reader)):
        digests = []
        for _ in range(2):
            trees.compile_all(tree)
            digests.append(trees.make_zip(tree, trees.WORK / f"{name}.zip"))
        sizes = {
            "unzipped_bytes": trees.size_bytes(tree),
            "zipped_bytes": (trees.WORK / f"{name}.zip").stat().st_size,
            "files": len(trees.files(tree)),
        }
        report.row(f"{name}.zip", sizes | {"sha256": digests[0][:16]})
        report.check(digests[0] == digests[1], f"{name}.zip: the same bytes when made again")
        held = list(metadata.distributions(path=[str(tree)]))
        wrong = list(licences.findings(held))
        report.check(held != [] and not wrong, f"{name}: no copyleft licence ({'; '.join(wrong)})")
        wrong = list(trees.too_new(tree))
        report.check(not wrong, f"{name}: runs on Lambda's python3.11 ({'; '.join(wrong)})")
        if name == "recorder":
            small = sizes["unzipped_bytes"] < ZIP_BYTES_MAX
            report.check(small, f"{name} is {sizes['unzipped_bytes']} bytes unzipped")
    trees.image(trees.WORK / "image")
    report.row("image", {"own_bytes": trees.size_bytes(trees.WORK / "image"), "torch": "of .venv"})


def main() -> int:
    """Run all of it; 0 if every check held."""
    parser = argparse.ArgumentParser(
        prog="lambda_check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--keep", action="store_true", help="use the trees as they are")
    chosen = parser.parse_args()
    if sys.version_info[:2] != trees.PYTHON:
        raise SystemExit(f"Python {'.'.join(map(str, trees.PYTHON))} is wanted, as in the template")
    report = Report()
    trees.runtime()
    if not chosen.keep:
        build(report)
    with ExitStack() as stack:
        place = Place(stack, report)
        handlers.imports(place)
        handlers.cold_starts(place, COLD_RUNS)
        handlers.all_of_them(place, WARM_MEDIAN_MS_MAX)
        handlers.said(place)
    seconds = time.perf_counter() - report.began_s
    report.row("lambda-check", {"checks": report.checks, "failed": len(report.failures)})
    if chosen.json is not None:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {"figures": report.figures, "failures": report.failures, "took_s": round(seconds)}
        chosen.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print("\n".join(["FAILED: " + one for one in report.failures]) or f"green in {seconds:.0f} s")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
