"""What the deployed functions say of themselves: structured logs, metrics, traces.

Logs and metrics are lines of JSON on stdout (AWS Lambda Powertools; metrics in CloudWatch's
embedded format, one line an invocation), traces go to X-Ray's daemon (`report.xray`). All are
correlated by customer, interaction and event, never by a text. Of an error that is not ours only
the type is told.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TextIO, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from ctxasr.errors import CtxasrError, StoreUnavailable
from ctxasr.events import NO_GROUNDS, ConsistentStatus, Grounds, Outcome, PayloadRef, TurnKey
from ctxasr.ports import Clock, EventStore
from ctxasr.report.xray import Traces

NAMESPACE: Final = "ctxasr"
"""Of the metrics, unless POWERTOOLS_METRICS_NAMESPACE names another."""

SERVICE: Final = "ctxasr"
"""The dimension of all metrics, unless POWERTOOLS_SERVICE_NAME names another."""

OUTCOME_METRICS: Final = {
    Outcome.EMBEDDED: "EmbeddedTurns",
    Outcome.MISSED: "MissedTurns",
    Outcome.DISCARDED: "DiscardedTurns",
}

COUNTED_MAX: Final = 10_000
"""Turns of which a process remembers that they were counted: repeated sweeps settle none anew."""

PORTS: Final = ("status.", "payload.")
"""Spans of store and vault, as `app.Traced` names them."""

MILLISECONDS: Final = frozenset({"ContextAgeMs", "EmbedMs", "WindowSlackMs", "RescoreMs"})
"""Metrics that are durations; the others are counts: those of OUTCOME_METRICS, Recorded,
UnclosedTurns (a sweep could not close one, and comes again), StoreUnavailable."""


class CloudWatch:
    """`ports.Telemetry` of a deployed function; `flush` once an invocation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        service = os.environ.get("POWERTOOLS_SERVICE_NAME") or SERVICE
        namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE
        self._logger = Logger(service, logger_handler=_Stdout(), utc=True)
        self._metrics = EphemeralMetrics(namespace=namespace, service=service)
        self.traces = Traces(clock)
        # Both belong to the task that embeds: the end of its window, and that it embeds here.
        self._window_ends_ms: ContextVar[float | None] = ContextVar("window", default=None)
        self._embeds_here: ContextVar[bool] = ContextVar("embeds", default=False)

    # ------------------------------------------------------------ ports.Telemetry

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        """What the pipeline says; other names are noted in the log alone."""
        match name:
            case "recorded":
                self.count("Recorded")
                self._logger.debug(name, extra=_ids(turn) | facts)
            case "window":
                self._window_ends_ms.set(facts["at_ms"] + facts["duration_ms"])
                self._embeds_here.set(False)
            case "missed" | "not closed":
                if name == "not closed":  # a miss is counted where it is settled
                    self.count("UnclosedTurns")
                self._logger.warning(name, extra=_ids(turn) | facts)
            case "settled":
                ends_ms = self._window_ends_ms.get()
                embedded = facts.get("outcome") == Outcome.EMBEDDED.value
                if embedded and ends_ms is not None and self._embeds_here.get():
                    self.measure("WindowSlackMs", ends_ms - self._clock.now_ms())
                self._logger.info(name, extra=_ids(turn) | facts)
            case _:
                self._logger.debug(name, extra=_ids(turn) | facts)

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        began_ms = self._clock.now_ms()
        try:
            with self.traces.span(name):
                yield
        except StoreUnavailable:
            if name.startswith(PORTS):  # where it comes from, whoever catches it later
                self.count("StoreUnavailable")
            raise
        if name == "embed":  # not reached by a failure: that is counted as missed
            self._embeds_here.set(True)
            self.measure("EmbedMs", self._clock.now_ms() - began_ms)

    # ------------------------------------------------------------ for handlers

    @contextmanager
    def turn(self, name: str, turn: TurnKey, event: str = "") -> Iterator[None]:
        """What is done for one interaction: a span of its own, with its ids as annotations."""
        ids = _ids(turn) | {"event": event}
        with self.traces.span(name, **{key: value for key, value in ids.items() if value}):
            yield

    def failed(self, what: str, error: BaseException, **ids: str) -> None:
        """Log an error: its type, and its message if it is one of ours, for those hold no text."""
        facts = {"error": type(error).__name__} | ids
        if isinstance(error, CtxasrError):
            facts["reason"] = str(error)
        self._logger.error(what, extra=facts)

    def say(self, what: str, **facts: Any) -> None:
        """Log something that concerns no turn."""
        self._logger.info(what, extra=facts)

    def count(self, name: str) -> None:
        self._metrics.add_metric(name, MetricUnit.Count, 1)

    def measure(self, name: str, duration_ms: float) -> None:
        assert name in MILLISECONDS, f"{name} is no duration"
        self._metrics.add_metric(name, MetricUnit.Milliseconds, round(duration_ms, 3))

    def flush(self) -> None:
        """Write what was counted since the last time, as one line."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def counting(self, store: EventStore) -> EventStore:
        """The store, whose turns are counted where they are settled, so that none counts twice."""
        return cast(EventStore, _Counting(store, self))


class _Counting:
    """An EventStore whose `settle` is counted if it brought about what it was asked for.

    A context that another process was faster with is not counted here. Another that closes the same
    turn at the same time counts as well: rare, and harmless.
    """

    def __init__(self, store: EventStore, watch: CloudWatch) -> None:
        self._store, self._watch = store, watch
        self._counted: OrderedDict[TurnKey, None] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> ConsistentStatus:
        settled = await self._store.settle(turn, outcome, owner=owner, ref=ref, grounds=grounds)
        own = settled.outcome is outcome and (ref is None or ref in settled.refs)
        if own and turn not in self._counted:
            self._watch.count(OUTCOME_METRICS[outcome])
            self._counted[turn] = None
            if len(self._counted) > COUNTED_MAX:
                self._counted.popitem(last=False)
        return settled


class _Stdout(logging.StreamHandler[TextIO]):
    """Writes to what sys.stdout is now; the runtime, and tests, put something else there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


def _ids(turn: TurnKey) -> dict[str, str]:
    return {"customer": turn.customer, "interaction": turn.interaction}
