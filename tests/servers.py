"""Servers in processes of their own: dynalite for DynamoDB, moto for DynamoDB and KMS.

dynalite (npm) is a second implementation of DynamoDB: other limits, other gaps, real consumed
capacity, and with a folder its tables outlive kill -9. It knows no KMS, so moto's stands beside it.
moto is the package's own local server: it asks for its credential here as well.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ctxasr.store.admission import OPERATIONS
from ctxasr.store.clients import LOCAL_REGION, Endpoint

DYNALITE = Path(__file__).parent / "dynalite"
KILL_AFTER_S = 5.0
"""A server that has not ended by then after its stdin was closed is killed."""

OPERATIONS_OF_TESTS = {
    "dynamodb": OPERATIONS["dynamodb"]
    | {f"DynamoDB_20120810.{name}" for name in ("DeleteTable", "ListTables", "Scan")},
    "kms": OPERATIONS["kms"]
    | {f"TrentService.{name}" for name in ("Encrypt", "ListKeys", "ReEncrypt", "UpdateAlias")},
    "sqs": frozenset(
        f"AmazonSQS.{name}"
        for name in (
            "ChangeMessageVisibility", "CreateQueue", "GetQueueAttributes", "ReceiveMessage",
            "SendMessage",
        )
    ),
}  # fmt: skip
"""What tests ask of the local server beside what ctxasr does: to look into it, to tamper, and the
sweep's queue."""


@contextmanager
def dynalite(folder: Path | None = None) -> Iterator[str]:
    """The URL of a dynalite server, in memory or over `folder`."""
    if not (DYNALITE / "node_modules").is_dir():
        raise AssertionError("tests/dynalite/node_modules is missing: `make test` installs it")
    with _server([node(), str(DYNALITE / "serve.js"), *([str(folder)] if folder else [])]) as line:
        assert line.strip().isdigit(), line
        yield f"http://127.0.0.1:{int(line)}"


@contextmanager
def moto() -> Iterator[Endpoint]:
    """The package's local server, DynamoDB and KMS, outside this process; its credential is in."""
    with _server([sys.executable, __file__]) as line:
        yield Endpoint(**json.loads(line))


def endpoint(url: str, kms: Endpoint | None = None) -> Endpoint:
    """DynamoDB at `url`, which takes any credentials; KMS at the other endpoint, by its own."""
    if kms is None:
        return Endpoint(url, None, LOCAL_REGION, "local", "local")
    return replace(kms, url=url, kms_url=kms.url)


def variables(given: Endpoint) -> dict[str, str]:
    """Region and credentials as the environment of an AWS program."""
    assert given.region is not None
    assert given.access_key is not None
    assert given.secret_key is not None
    return {
        "AWS_ACCESS_KEY_ID": given.access_key,
        "AWS_SECRET_ACCESS_KEY": given.secret_key,
        "AWS_DEFAULT_REGION": given.region,
    }


def node() -> str:
    """Node of the PATH, or of the PyPI package that ships it."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found is not None, "node is missing: `make test` installs it"
    return found


@contextmanager
def _server(command: list[str]) -> Iterator[str]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"{command[0]} did not start"
        yield line
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

    server = LocalAws(operations=OPERATIONS_OF_TESTS)
    server.start()
    print(json.dumps(asdict(server.endpoint)), flush=True)  # a pipe to whoever started it
    sys.stdin.read()
    server.stop()
