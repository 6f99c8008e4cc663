"""Replay's clock, which skips what nobody computes in, and the trace that it fills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from ctxasr.events import Record, TurnKey
from ctxasr.report.trace import Lane, TracePoint

START_MS: Final = 1_767_225_600_000.0
"""Replays begin on the first of January 2026: the same instants in every run."""

POINTS_MAX: Final = 10_000
"""Trace points of one scenario; more are dropped."""

_BEHALF: Final[ContextVar[TurnKey | None]] = ContextVar("_BEHALF", default=None)

_STORE_NAMES: Final = {
    "status.open_key": "key", "status.record": "update", "status.claim": "claim",
    "status.settle": "settle", "status.read": "read", "status.link": "link",
    "status.follow": "follow", "payload.new_key": "kms", "payload.put": "put",
    "payload.put_blob": "put", "payload.get": "get", "payload.get_blob": "get",
    "payload.delete": "delete",
}  # fmt: skip


class ReplayClock:
    """Runs `speed` times as fast as the event loop's, and jumps where replay says so."""

    def __init__(self, speed: float = 1.0):
        self._speed = speed
        self._skipped_ms = 0.0
        self._began_s: float | None = None

    def now_ms(self) -> float:
        loop_s = asyncio.get_running_loop().time()
        if self._began_s is None:
            self._began_s = loop_s
        return START_MS + self._skipped_ms + (loop_s - self._began_s) * 1_000.0 * self._speed

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0 / self._speed

    def skip(self, duration_ms: float) -> None:
        """Let `duration_ms` pass at once; nothing that has passed comes back."""
        self._skipped_ms += max(0.0, duration_ms)

    def skip_to(self, at_ms: float) -> None:
        self.skip(at_ms - self.now_ms())


class Trace:
    """Telemetry that keeps what happened to each turn."""

    def __init__(self, now_ms: Callable[[], float]):
        self._now_ms = now_ms
        self._points: dict[TurnKey, list[TracePoint]] = {}
        self._count = 0
        self._recorded: dict[str, asyncio.Event] = {}

    def recorded(self, record: Record) -> asyncio.Event:
        """Set when the record's event has been written."""
        message_id = record.message.message.header.message_id
        return self._recorded.setdefault(message_id, asyncio.Event())

    def of(self, turn: TurnKey) -> tuple[TracePoint, ...]:
        return tuple(sorted(self._points.get(turn, ()), key=lambda point: point.at_ms))

    def add(self, turn: TurnKey, point: TracePoint) -> None:
        if self._count < POINTS_MAX:
            self._count += 1
            self._points.setdefault(turn, []).append(point)

    def clear(self) -> None:
        """Forget everything: the next scenario begins."""
        self._points.clear()
        self._recorded.clear()
        self._count = 0

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        if name == "recorded":
            self._recorded.setdefault(facts["event"], asyncio.Event()).set()
        elif name == "window":
            self.add(turn, TracePoint("window", "context", facts["at_ms"], facts["duration_ms"]))
        elif name == "missed":
            facts = {"cause": facts["cause"]}
            self.add(turn, TracePoint("missed", "context", self._now_ms(), 0.0, facts))

    @contextmanager
    def on_behalf_of(self, turn: TurnKey) -> Iterator[None]:
        """What tasks that are made in here do for other turns is shown with `turn`."""
        token = _BEHALF.set(turn)
        try:
            yield
        finally:
            _BEHALF.reset(token)

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        turn = _BEHALF.get() or turn
        began_ms, missed = self._now_ms(), 1
        try:
            yield
            missed = 0
        finally:
            lane, shown = _lane(name)
            marks = {"missed": 1} if name == "embed" and missed else {}
            took_ms = self._now_ms() - began_ms
            self.add(turn, TracePoint(shown, lane, began_ms, took_ms, marks))


def _lane(name: str) -> tuple[Lane, str]:
    if name in _STORE_NAMES:
        return "store", _STORE_NAMES[name]
    return ("context", name) if name in ("embed", "fetch") else ("recogniser", name)
