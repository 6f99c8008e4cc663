"""`make lock`: the lock files, with a hash for every file that may be installed.

    requirements.lock        the project and all its extras but torch, Python 3.11 to 3.13
    requirements-torch.lock  the torch of PyPI and, on Linux, the CUDA libraries that it wants
    infra/requirements/      one for each zip, the image, and the tools of `make infra-check`
    tests/dynalite/          node, where the PATH has none
    tests/avs_client/        a client of the Alexa Voice Service
    tests/whisper/           the weights of Whisper, as data

requirements-torch-cpu.lock, the torch that the tests run with, is written by hand: its builds stand
on PyTorch's own index. uv resolves the rest. A version that a lock names already stays unless
something asks for another; --upgrade takes the newest of all. No file names an index: pip's own
configuration says where packages come from, the hashes what they are.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
MAIN: Final = ROOT / "requirements.lock"
TORCH: Final = ROOT / "requirements-torch.lock"
TORCH_CPU: Final = ROOT / "requirements-torch-cpu.lock"

OF_TORCH: Final = re.compile(r"torch|triton|(nvidia|cuda)-.*")
"""torch, and what its build of PyPI requires on Linux and the CPU build does not."""

PYTHON: Final = ("--python-version", "3.11")
LAMBDA: Final = (*PYTHON, "--python-platform", "x86_64-manylinux2014", "--only-binary", ":all:")
"""Wheels that run on the system of Lambda's python3.11, whose glibc is 2.26."""
IMAGE: Final = (*PYTHON, "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
LOCKED: Final = ("--constraint", "requirements.lock", "--constraint", "requirements-torch.lock")

OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "infra/requirements/tools": PYTHON,
    "infra/requirements/uv": PYTHON,
    "infra/requirements/checkov": PYTHON,
    "infra/requirements/recorder": (*LAMBDA, *LOCKED),
    "infra/requirements/reader": (*LAMBDA, "--no-deps"),  # not what the recogniser needs
    "infra/requirements/runtime": LAMBDA,
    "infra/requirements/image": (*IMAGE, *LOCKED),
    "tests/dynalite/node": ("--universal", *PYTHON),
    "tests/avs_client/client": PYTHON,
    "tests/whisper/model": PYTHON,
}
"""`NAME.in` is resolved to `NAME.txt`, with these options."""

Entries = dict[str, str]
"""Names of distributions -> their lines: the pin, its hashes, who wants it."""


def entries(text: str) -> Entries:
    """A lock file taken apart. Comments before the first pin are left out."""
    found: Entries = {}
    name = ""
    for line in text.splitlines(keepends=True):
        pin = re.match(r"([A-Za-z0-9._-]+)(\[[^]]*\])?==", line)
        if pin:
            name = re.sub(r"[-_.]+", "-", pin[1]).lower()
        if name:
            found[name] = found.get(name, "") + line
    return found


def version(entry: str) -> str:
    """The version that an entry pins, without a build's label."""
    return re.split(r"[\s;+]", entry.partition("==")[2])[0]


def resolve(source: str, options: tuple[str, ...], known: str) -> Entries:
    """What uv makes of a source; versions of `known` stay where they can."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.txt"
        out.write_text(known, encoding="utf-8")
        command = (sys.executable, "-m", "uv", "pip", "compile", source, *options)
        quiet = ("--generate-hashes", "--no-header", "--quiet", "--output-file", str(out))
        if subprocess.run([*command, *quiet], cwd=ROOT, check=False).returncode != 0:  # noqa: S603
            raise SystemExit(f"uv could not resolve {source}")
        return entries(out.read_text(encoding="utf-8"))


def main() -> None:
    """Resolve and write one after the other; ends at the first that cannot be resolved."""
    parser = argparse.ArgumentParser(prog="lock", description="Write the lock files.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ("--upgrade",) if parser.parse_args().upgrade else ()

    options = ("--all-extras", "--universal", *PYTHON, *upgrade)
    everything = resolve("pyproject.toml", options, _text(MAIN) + _text(TORCH))
    pypi, cpu = version(everything["torch"]), version(entries(_text(TORCH_CPU))["torch"])
    if pypi != cpu:
        raise SystemExit(f"{TORCH_CPU.name}: write the hashes of torch {pypi}+cpu, it has {cpu}")
    _write(TORCH, {name: everything.pop(name) for name in _of_torch(everything)})
    _write(MAIN, everything)  # before the others, for they are constrained by it
    for stem, options in OTHERS.items():
        place = ROOT / f"{stem}.txt"
        made = resolve(f"{stem}.in", (*options, *upgrade), _text(place))
        for name in _of_torch(made):
            del made[name]
        _write(place, made)


def _of_torch(made: Entries) -> list[str]:
    return [name for name in made if OF_TORCH.fullmatch(name)]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _write(path: Path, made: Entries) -> None:
    head = "# Made by `make lock`; docs/dependencies.md says how to add to it.\n"
    path.write_text(head + "".join(made.values()), encoding="utf-8")


if __name__ == "__main__":
    main()
