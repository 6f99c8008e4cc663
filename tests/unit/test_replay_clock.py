"""Replay's clock skips what nobody computes in; its trace keeps names and numbers."""

from __future__ import annotations

import asyncio

import pytest
from conftest import record, run
from hypothesis import given
from hypothesis import strategies as st

from ctxasr.events import TurnKey
from ctxasr.report.trace import TracePoint
from ctxasr.scenario.tracing import POINTS_MAX, START_MS, ReplayClock, Trace

TURN = TurnKey("customer", "turn-1")


@pytest.mark.parametrize("speed", [0.1, 1.0, 100.0])
def test_it_runs_as_fast_as_it_is_told_and_timers_fit(speed: float) -> None:
    async def main() -> None:
        clock = ReplayClock(speed)
        assert clock.now_ms() == START_MS
        await asyncio.sleep(clock.timer_s(5_000))
        assert clock.now_ms() == pytest.approx(START_MS + 5_000)
        clock.skip_to(START_MS + 60_000)
        assert clock.now_ms() == pytest.approx(START_MS + 60_000)
        await asyncio.sleep(clock.timer_s(1_000))
        assert clock.now_ms() == pytest.approx(START_MS + 61_000)

    run(main())


@given(st.lists(st.floats(-1e6, 1e6)))
def test_nothing_that_has_passed_comes_back(skips_ms: list[float]) -> None:
    async def main() -> None:
        clock = ReplayClock()
        before_ms = clock.now_ms()
        for skip_ms in skips_ms:
            clock.skip(skip_ms)
            clock.skip_to(START_MS + skip_ms)
            assert clock.now_ms() >= before_ms
            before_ms = clock.now_ms()

    run(main())


def test_a_trace_keeps_what_happened_to_each_turn_in_order() -> None:
    async def main() -> None:
        clock = ReplayClock()
        trace = Trace(clock.now_ms)
        with trace.span("status.record", TURN):
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError), trace.span("embed", TURN):  # noqa: PT012
            await asyncio.sleep(0.02)
            raise TimeoutError
        trace.point("window", TURN, at_ms=START_MS - 5, duration_ms=900)
        trace.point("missed", TURN, cause="TimeoutError")
        trace.point("unheard of", TURN)
        shown = [(p.name, p.lane, round(p.duration_ms), dict(p.facts)) for p in trace.of(TURN)]
        assert shown == [
            ("window", "context", 900, {}),
            ("update", "store", 10, {}),
            ("embed", "context", 20, {"missed": 1}),
            ("missed", "context", 0, {"cause": "TimeoutError"}),
        ]
        assert trace.of(TurnKey("customer", "turn-2")) == ()
        with pytest.raises(ValueError, match="never texts"):
            trace.point("missed", TURN, cause="power to the bauer")
        trace.clear()
        assert trace.of(TURN) == ()

    run(main())


def test_points_max_at_its_edge() -> None:
    trace = Trace(lambda: 0.0)
    for number in range(POINTS_MAX + 1):
        trace.add(TURN, TracePoint("update", "store", float(number)))
    assert len(trace.of(TURN)) == POINTS_MAX


def test_it_tells_when_an_event_was_written() -> None:
    trace, given = Trace(lambda: 0.0), record("ContextText.Utterance", {"text": "x"})
    written = trace.recorded(given)
    assert not written.is_set()
    trace.point("recorded", TURN, event="another")
    assert not written.is_set()
    trace.point("recorded", TURN, event=given.message.message.header.message_id)
    assert written.is_set()
    assert trace.recorded(given).is_set(), "also for who asks later"
