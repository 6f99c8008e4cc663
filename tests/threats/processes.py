"""Attacks as processes of their own, forked from one that has loaded the libraries.

Two processes an attack would import them hundreds of times. The package itself is never loaded
before: each process takes it from the folder that it is told.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

LIBRARIES: Final = (
    "aioboto3", "cryptography.hazmat.primitives.ciphers.aead", "fastapi", "httpx", "numpy",
    "pydantic_settings", "pytest", "ruamel.yaml", "safetensors.numpy", "tenacity", "uvicorn",
)  # fmt: skip

_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(list(LIBRARIES))


class Ended(NamedTuple):
    """How a process ended; None if it was stopped. Its output and errors as text."""

    code: int | None
    out: str
    errors: str


def run_file(
    file: Path, package: Path, environment: Mapping[str, str], seconds_max: float
) -> Ended:
    """Run a Python file, the package taken from the folder `package`; stop it when it is late."""
    with TemporaryDirectory() as folder:
        out, errors = Path(folder) / "out", Path(folder) / "errors"
        out.touch()
        errors.touch()
        process = _FORKING.Process(
            target=_become, args=(str(file), str(package), dict(environment), str(out), str(errors))
        )
        process.start()
        process.join(seconds_max)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        return Ended(code, out.read_text(), errors.read_text())


def _become(file: str, package: str, environment: dict[str, str], out: str, errors: str) -> None:
    for descriptor, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [file]
    sys.path[:0] = [str(Path(file).parent), package]
    assert "ctxasr" not in sys.modules, "the package would not be that of the folder"
    runpy.run_path(file, run_name="__main__")
