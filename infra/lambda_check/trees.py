"""The file trees of the functions, as they are deployed, and the zips made of them.

    recorder    record_event, sweep             zip, slim
    reader      get_context, rescore            zip; the recorder's, numpy and pronunciations
    image       embed_context                   what the Containerfile copies, and .venv's torch

Zips are the same bytes whenever the same files go in: names sorted, times fixed, bytecode that
names no machine's paths and is never checked (`unchecked-hash`). /var/task cannot be written: what
is not compiled here is compiled at every cold start.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ctxasr.dictionary import IN_POCKETSPHINX

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "ctxasr"
WORK: Final = ROOT / "build" / "lambda"
LOCKS: Final = ROOT / "infra" / "requirements"
TASK: Final = "/var/task"

PYTHON: Final = (3, 11)
PLATFORM: Final = "manylinux2014_x86_64"
GLIBC_MINOR_MAX: Final = 26
"""Of Lambda's python3.11, which stands on Amazon Linux 2: glibc 2.26."""

SERVICES: Final = ("dynamodb", "kms", "lambda", "sqs", "sts")
"""Service models that stay of botocore's four hundred."""

RECORDER: Final = (
    "lambdas.py gateway/batches.py gateway/neighbours.py report/cloudwatch.py report/xray.py "
    "store/dynamodb.py store/vault.py"
).split()
"""What record_event and sweep begin with or import late; what those import at once comes along."""

READER: Final = (
    "answer.py context.py gateway/contexts.py speech/align.py speech/pronounce.py".split()
)
"""The same for get_context and rescore, beside the recorder's."""

READER_DATA: Final = (
    "english/vocabulary.tsv.gz", "english/sentences.tsv.gz", "speech/weights/g2p.safetensors",
    "speech/weights/phone_costs.tsv",
)  # fmt: skip

PRUNED: Final = (
    "bin", "boto3/examples", "boto3/data", "numpy/tests", "numpy/_pyinstaller",
    "aws_lambda_powertools/event_handler",
)  # fmt: skip
"""Nothing of these is imported; the handlers' runs in the tree would show it."""

_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_RECORDS: Final = {"RECORD", "REQUESTED", "INSTALLER", "direct_url.json"}
"""Of an installation, not of a package."""


DRIFT: Final = {"numpy"}
"""Pinned otherwise than in requirements.lock, on purpose: infra/requirements/reader.in says why."""


def drifted() -> Iterator[str]:
    """What the zips would hold in another version than the tests run with."""
    tested = pins(ROOT / "requirements.lock")
    for zipped in ("recorder", "reader"):
        for name, version in pins(LOCKS / f"{zipped}.txt").items():
            if name not in DRIFT and tested.get(name, version) != version:
                yield f"{name} {version}, tested with {tested[name]}"


def pins(lock: Path) -> dict[str, str]:
    """Distributions -> the versions that a lock file pins."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text("utf-8"), re.MULTILINE))


def runtime() -> Path:
    """A Python with the runtime client and nothing else."""
    python = WORK / "runtime" / "bin" / "python"
    if not python.exists():
        _do(sys.executable, "-m", "venv", str(WORK / "runtime"))
        _pip_install(str(python), "runtime")
    return python


def recorder(tree: Path) -> None:
    """Build the recorder's tree anew."""
    _install(tree, "recorder")
    _copy(modules(RECORDER), tree)


def reader(tree: Path, recorder_tree: Path) -> None:
    """Build the reader's tree anew, over what the recorder's holds."""
    _install(tree, "reader")
    _keep_the_dictionary(tree / "pocketsphinx")
    shutil.copytree(recorder_tree, tree, dirs_exist_ok=True)
    _copy([*modules(READER), *READER_DATA], tree)


def image(tree: Path) -> None:
    """What the Containerfile copies, below `tree` as in the image; packages are not installed."""
    shutil.rmtree(tree, ignore_errors=True)
    recipe = (ROOT / "infra" / "Containerfile").read_text(encoding="utf-8")
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", recipe, re.MULTILINE):
        place = tree / target.replace("${LAMBDA_TASK_ROOT}", TASK).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    compile_all(tree / TASK.lstrip("/"))


def _pip_install(python: str, lock: str, *options: str) -> None:
    _do(
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", *options, "--requirement", str(LOCKS / f"{lock}.txt"),
    )  # fmt: skip


def _keep_the_dictionary(pocketsphinx: Path) -> None:
    """Of the recogniser's package its dictionary alone; the licence lies beside it."""
    for path in files(pocketsphinx):
        if not path.match(f"{IN_POCKETSPHINX}"):
            path.unlink()


def _install(tree: Path, lock: str) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    _pip_install(
        sys.executable, lock, "--target", str(tree), "--no-compile", "--only-binary", ":all:",
        "--platform", PLATFORM, "--implementation", "cp",
        "--python-version", ".".join(map(str, PYTHON)),
    )  # fmt: skip
    for name in PRUNED:
        shutil.rmtree(tree / name, ignore_errors=True)
    models = tree / "botocore" / "data"
    for model in models.iterdir() if models.exists() else ():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)
    for path in list(tree.rglob("*")):
        if path.name == "__pycache__" or (path.is_dir() and path.name == "tests"):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name in _RECORDS or path.suffix in (".pyi", ".pyx", ".pxd", ".c", ".h"):
            path.unlink(missing_ok=True)


def modules(begin: Iterable[str]) -> list[str]:
    """Files of the package: these, and all that they import when they are loaded, sorted."""
    todo, found = ["__init__.py", *begin], {"py.typed"}
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.parse((PACKAGE / name).read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ctxasr":
                todo += _files(str(node.module))
                todo += [file for one in node.names for file in _files(f"{node.module}.{one.name}")]
    return sorted(found)


def _files(module: str) -> list[str]:
    """A module's file and those of the packages that it lies in; [] if it is a name in a module."""
    *packages, last = module.split(".")[1:] or ["__init__"]
    place = PACKAGE.joinpath(*packages)
    own = place / f"{last}.py" if (place / f"{last}.py").exists() else place / last / "__init__.py"
    if not own.exists():
        return []
    around = [PACKAGE.joinpath(*packages[:n], "__init__.py") for n in range(1, len(packages) + 1)]
    return [path.relative_to(PACKAGE).as_posix() for path in (*around, own)]


def _copy(names: Iterable[str], tree: Path) -> None:
    for name in names:
        place = tree / "ctxasr" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, place)


def compile_all(tree: Path) -> None:
    """Bytecode for all, as it will lie below /var/task."""
    _do(
        sys.executable, "-m", "compileall", "-q", "-s", str(tree), "-p", TASK,
        "--invalidation-mode", "unchecked-hash", str(tree),
    )  # fmt: skip


def files(tree: Path) -> list[Path]:
    """All files of a tree, sorted by name."""
    found = [path for path in tree.rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(tree).as_posix())


def size_bytes(tree: Path) -> int:
    """What the tree takes unzipped."""
    return sum(path.stat().st_size for path in files(tree))


def make_zip(tree: Path, path: Path) -> str:
    """Zip the tree; returns the SHA-256 of the zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files(tree):
            entry = zipfile.ZipInfo(file.relative_to(tree).as_posix(), _FIXED_TIME)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 6)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def too_new(tree: Path) -> Iterator[str]:
    """Libraries that ask for a glibc that Lambda's python3.11 has not."""
    for path in files(tree):
        if ".so" in path.name:
            asked = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", path.read_bytes())]
            if max(asked, default=0) > GLIBC_MINOR_MAX:
                yield f"{path.relative_to(tree)} wants glibc 2.{max(asked)}"


def _do(*command: str) -> None:
    done = subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:4])} ... failed:\n{done.stdout}{done.stderr}")
