"""Workload files: a workload and the latencies of a region, JSON or YAML.

    rate: 40
    curve: day
    asks: [0.6, 0.4]
    reply_ms: {median: 3000, p99: 9700}
    latencies: {encoder: {median: 45, p99: 180}}

What is absent is the default. `ctxasr.sim.workload.document` says how distributions are written.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from ctxasr.errors import InputError
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.workload.document import Distribution, checked, key_named, plain, read_plain
from ctxasr.sim.workload.statistics import Workload


class Figures(NamedTuple):
    """What a fleet is asked, and what takes how long."""

    workload: Workload
    latencies: Latencies

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in a file."""
        latencies = {
            one.name: plain(getattr(self.latencies, one.name)) for one in fields(Latencies)
        }
        return self.workload.to_dict() | {"latencies": latencies}


def read_workload(path: Path) -> Figures:
    """Read a workload file.

    Raises:
        InputError: names the file, the first wrong field and what would be right.
        LimitExceeded: WORKLOAD_FILE_BYTES_MAX.
    """
    return figures_from(read_plain(path), str(path))


def figures_from(document: Any, where: str = "workload") -> Figures:
    """The inverse of `Figures.to_dict`.

    Raises:
        InputError: names `where`, the first wrong field and what would be right.
    """
    if not isinstance(document, dict):
        raise InputError(f"{where}: must be a mapping of names and values, as in 'rate: 10'")
    rest = {str(name): value for name, value in document.items()}
    latencies = rest.pop("latencies", {})
    known = [one.name for one in fields(Latencies)]
    for name in latencies if isinstance(latencies, dict) else ():
        if name not in known:
            told = f"{key_named(str(name))} is not known; known are {', '.join(known)}"
            raise InputError(f"{where}: latencies: {told}")
    adapter = TypeAdapter(dict[str, Distribution])
    given = checked(adapter, latencies, (), f"{where}: latencies")
    return Figures(Workload.from_dict(rest, where), replace(Latencies(), **given))
