"""Durations read back what they wrote; a window only ever gets shorter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxasr.timing import (
    REPLY_MS_MAX,
    Deadline,
    compute_window,
    format_duration,
    parse_duration_ms,
    spoken_ms,
)


@given(st.decimals(0, 10**12, places=3).map(float) | st.integers(0, 10**9).map(lambda n: n * 100.0))
def test_a_duration_reads_back_what_it_wrote(duration_ms: float) -> None:
    assert parse_duration_ms(format_duration(duration_ms)) == duration_ms


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0ms"), (120, "120ms"), (1_000, "1s"), (1_500, "1.5s"), (1_234, "1234ms"), (0.5, "0.5ms"),
     (16_100, "16.1s"), (1e12, "1000000000s")],
)  # fmt: skip
def test_durations_are_written_as_people_write_them(duration_ms: float, text: str) -> None:
    assert format_duration(duration_ms) == text
    assert parse_duration_ms(text) == duration_ms


def test_minutes_and_hours_are_read() -> None:
    assert [parse_duration_ms(text) for text in ("1.5m", " 1h ", "2 s")] == [9e4, 3.6e6, 2e3]


@pytest.mark.parametrize(
    "text", ["", "5", "-5ms", "+5s", "1e3ms", "5 days", "s", "٣s", "9" * 16 + "s", "nans", "infs"]
)
def test_anything_else_is_no_duration_and_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match='no duration; write for example "120ms" or "2s"'):
        parse_duration_ms(text)


@given(st.floats(0, 1e6), st.lists(st.floats(-1e6, 2e6)))
def test_a_deadline_moves_closer_and_never_further(at_ms: float, moves_ms: list[float]) -> None:
    deadline, before_ms = Deadline(0.0, at_ms), at_ms
    for move_ms in moves_ms:
        assert deadline.shorten(move_ms) == (move_ms < before_ms)
        assert deadline.at_ms == min(before_ms, move_ms)
        before_ms = deadline.at_ms
        assert deadline.window_ms == max(0.0, before_ms)


@pytest.mark.parametrize(
    ("began_ms", "reply_ms", "ended_ms", "at_ms"),
    [
        (None, 900, None, 1_900),  # nobody said when the reply began: with the directive
        (1_200, 900, None, 2_100),
        (500, 900, None, 1_400),
        (1_200, 900, 1_300, 1_300),  # barge-in
        (1_200, 900, 9_000, 2_100),  # the estimate is not stretched
        (1_200, REPLY_MS_MAX, None, 1_200 + REPLY_MS_MAX),
        (1_200, REPLY_MS_MAX + 1, None, 1_200 + REPLY_MS_MAX),
    ],
)
def test_the_window_ends_with_the_reply(
    began_ms: float | None, reply_ms: float, ended_ms: float | None, at_ms: float
) -> None:
    window = compute_window(
        expect_speech_ms=1_000,
        reply_began_ms=began_ms,
        reply_ms=reply_ms,
        reply_ended_ms=ended_ms,
    )
    assert (window.opened_ms, window.at_ms) == (1_000, at_ms)


def test_a_reply_that_ended_before_the_question_leaves_no_window() -> None:
    window = compute_window(
        expect_speech_ms=1_000, reply_began_ms=0, reply_ms=500, reply_ended_ms=400
    )
    assert (window.window_ms, window.left_ms(1_000)) == (0, 0)


def test_speech_takes_time_by_the_word_up_to_a_limit() -> None:
    assert spoken_ms("do you mean meg jones or meg bauer") == pytest.approx(3_213, abs=1)
    assert spoken_ms("word " * 100_000) == REPLY_MS_MAX
