"""What the check reports to, and the place in which it runs the functions: servers, environment."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import servers

from ctxasr.store.clients import Endpoint, clients
from ctxasr.store.local import ensure_key, ensure_tables
from ctxasr.store.schema import Tables
from infra.lambda_check import trees
from infra.lambda_check.runtime import Answer, Function
from infra.lambda_check.services import Services, XRay

REGION: Final = "us-east-1"


class Report:
    """What was measured, and what did not hold."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self.failures: list[str] = []
        self.checks = 0
        self.began_s = time.perf_counter()

    def check(self, holds: bool, what: str) -> None:
        self.checks += 1
        if not holds:
            self.failures.append(what)
            print(f"  FAILED  {what}", flush=True)

    def row(self, name: str, figures: Mapping[str, Any]) -> None:
        self.figures[name] = dict(figures)
        told = "  ".join(f"{key} {_short(value)}" for key, value in figures.items())
        print(f"{time.perf_counter() - self.began_s:5.0f} s  {name:<34}{told}", flush=True)

    def times(self, name: str, taken_ms: list[float], limit_ms: float | None = None) -> None:
        """Median and p95 of invocations; the median below the limit, where there is one.

        p95 is wall-clock time of a machine that has other things to do: reported, not bounded.
        """
        middle = median(taken_ms)
        p95 = quantiles(taken_ms, n=20)[-1] if len(taken_ms) > 1 else middle
        facts = {"median_ms": middle, "p95_ms": p95, "max_ms": max(taken_ms), "n": len(taken_ms)}
        self.row(name, facts)
        if limit_ms is not None:
            self.check(
                middle < limit_ms, f"{name}: median {middle:.1f} ms, below {limit_ms} wanted"
            )


def _short(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


class Place:
    """The servers, and how functions are started over them."""

    def __init__(self, stack: ExitStack, report: Report) -> None:
        self.report, self.logs = report, trees.WORK / "logs"
        self.recorder, self.reader = trees.WORK / "recorder", trees.WORK / "reader"
        self.image, self.python = trees.WORK / "image" / "var" / "task", trees.runtime()
        self.logs.mkdir(parents=True, exist_ok=True)
        for log in self.logs.iterdir():
            log.unlink()
        self.dynamodb, self.kms = stack.enter_context(_databases())
        report.row("servers", {"DynamoDB": "dynalite", "KMS": "moto"})
        self.xray = XRay()
        self.embedder: Function | None = None
        stack.callback(self.xray.close)
        self.services = Services(self._embed)
        stack.callback(self.services.close)

    def _embed(self, event: Any) -> Answer:
        if self.embedder is None:
            raise RuntimeError("the embedding function runs first")
        return self.embedder.invoke(event)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            **servers.variables(self.kms),
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_LAMBDA": self.services.url,
            "AWS_ENDPOINT_URL_SQS": self.services.url,
            "AWS_XRAY_DAEMON_ADDRESS": self.xray.address,
            "CTXASR_ENDPOINT_URL": self.dynamodb,
            "CTXASR_KMS_ENDPOINT_URL": str(self.kms),
            "CTXASR_EMBED_FUNCTION": "embed-context:live",
            "CTXASR_SWEEP_QUEUE_URL": f"{self.services.url}/0/sweep",
            "POWERTOOLS_SERVICE_NAME": "ctxasr-check",
            "POWERTOOLS_METRICS_NAMESPACE": "ctxasr",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def function(self, name: str) -> Function:
        path = {"embed_context": [self.image, _site_packages()], "get_context": [self.reader]}
        path["rescore"] = path["get_context"]
        tree = path.get(name, [self.recorder])
        return Function(name, self.python, tree, self.environment(), self.logs / f"{name}.log")


@contextmanager
def _databases() -> Iterator[tuple[str, Endpoint]]:
    """DynamoDB (dynalite's URL) and KMS (moto), tables and key made."""

    async def set_up(url: str, kms: Endpoint) -> None:
        async with clients(servers.endpoint(url, kms)) as opened:
            await ensure_tables(opened.dynamodb, Tables())
            await ensure_key(opened.kms)

    with ExitStack() as stack:
        kms = stack.enter_context(servers.moto())
        try:
            url = stack.enter_context(servers.dynalite())
        except AssertionError as error:
            raise SystemExit(str(error)) from None
        asyncio.run(set_up(url, kms))
        yield url, kms


def _site_packages() -> Path:
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise SystemExit("torch is not installed: run this in the project's environment")
    return Path(found.origin).parents[1]
