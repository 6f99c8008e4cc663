"""Servers in processes of their own: dynalite for DynamoDB, moto for DynamoDB and KMS.

dynalite (npm) is a second implementation of DynamoDB: other limits, other gaps, real consumed
capacity, and with a folder its tables outlive kill -9. It knows no KMS, so moto's stands beside it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctxasr.store.clients import LOCAL_REGION, Endpoint

DYNALITE = Path(__file__).parent / "dynalite"
KILL_AFTER_S = 5.0
"""A server that has not ended by then after its stdin was closed is killed."""


@contextmanager
def dynalite(folder: Path | None = None) -> Iterator[str]:
    """The URL of a dynalite server, in memory or over `folder`."""
    if not (DYNALITE / "node_modules").is_dir():
        raise AssertionError("tests/dynalite/node_modules is missing: `make test` installs it")
    with _server([node(), str(DYNALITE / "serve.js"), *([str(folder)] if folder else [])]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def moto() -> Iterator[str]:
    """The URL of the package's local server, DynamoDB and KMS, outside this process."""
    with _server([sys.executable, __file__]) as port:
        yield f"http://127.0.0.1:{port}"


def endpoint(url: str, kms_url: str | None = None) -> Endpoint:
    """With made-up credentials, so that no AWS settings of the user are looked at."""
    return Endpoint(url, kms_url, LOCAL_REGION, "local", "local")


def node() -> str:
    """Node of the PATH, or of the PyPI package that ships it."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found is not None, "node is missing: `make test` installs it"
    return found


@contextmanager
def _server(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.strip().isdigit(), f"{command[0]} did not start: {line!r}"
        yield int(line)
    finally:
        process.stdin.close()
        try:
            process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


if __name__ == "__main__":
    from ctxasr.store.local import LocalAws

    server = LocalAws()
    server.start()
    print(server.endpoint.url.rsplit(":", 1)[1] if server.endpoint.url else "", flush=True)
    sys.stdin.read()
    server.stop()
