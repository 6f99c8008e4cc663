"""What the terminal shows of a replay: read by people, so checked for what it says."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ctxasr.hypotheses import Change
from ctxasr.report.terminal import mark_differences, print_reports, print_summary, scenario_text
from ctxasr.report.timeline import human
from ctxasr.report.trace import Failure, TracePoint, TurnReport


def point(name: str, lane: str, at_ms: float, duration_ms: float = 0.0, **facts: int) -> TracePoint:
    return TracePoint(name, lane, at_ms, duration_ms, facts)  # type: ignore[arg-type]


def turn_with_window(embed_ms: float, **changes: object) -> TurnReport:
    """Turn 1: speech until 600, expect-speech there, a reply until 2700, an embedding."""
    names = ["utterance", "entities", "speak", "reply", "reply", "expect_speech", "completed"]
    points = [
        point("recognize", "events", 0),
        *(point(name, "events", 600) for name in names),
        point("speech_finished", "events", 2700),
        *(point("update", "store", 600 + n, 4.0) for n in range(8)),
        point("reply", "reply", 600, 2100),
        point("window", "context", 600, 2100),
        point("embed", "context", 620, embed_ms),
        point("recognise", "recogniser", 0, 590),
    ]
    report = TurnReport(
        scenario="call_meg", turn=1, outcome="embedded", context="none", window_ms=None,
        context_ms=None, plain_text="call meg", text="call meg", points=tuple(points),
        reason="first turn", file="scenarios/call_meg.scenario.yaml",
    )  # fmt: skip
    return TurnReport(**({name: getattr(report, name) for name in report.__slots__} | changes))


ANSWER = TurnReport(
    scenario="call_meg", turn=2, outcome=None, context="hit", window_ms=2100.0, context_ms=412.34,
    plain_text="call power now", text="call bauer now",
    changes=(Change("power", "bauer", "Meg Bauer", "entities"),), reason="it sounds alike",
    passed=False, failures=(Failure("turns.1.expect.text", 37, "jones", "bauer"),), added_ms=8.64,
    reference="call bauer now", file="scenarios/call_meg.scenario.yaml",
)  # fmt: skip


def rows(text: str) -> dict[str, str]:
    """The rows by their label."""
    return {line[:12].strip(): line[12:] for line in text.splitlines() if line[:12].strip()}


def extent(band: str, signs: str) -> tuple[int, int]:
    """First and last column in which one of `signs` stands."""
    columns = [column for column, sign in enumerate(band) if sign in signs]
    return columns[0], columns[-1]


@pytest.mark.parametrize("width", [80, 120])
def test_the_lanes_of_a_turn_share_one_scale(width: int) -> None:
    text = scenario_text([turn_with_window(400)], width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    lane = rows(text)
    asked = lane["events"].index("│", 1)
    reply, embed = extent(lane["reply"], "▇"), extent(lane["context"], "█")
    assert reply[0] == asked, "the reply begins with the directive"
    assert reply[1] == extent(lane["events"], "│")[1], "and ends when speech has finished"
    assert asked <= embed[0] < embed[1] < reply[1], "the embedding hides under the reply"
    assert extent(lane["context"], "╌")[1] == reply[1], "slack runs to the end of the window"
    share = (embed[1] - embed[0]) / (reply[1] - reply[0])
    assert share == pytest.approx(400 / 2100, abs=0.06)
    assert "slack 1.7s" in lane["context"]
    assert lane["reply"].endswith("2.1s")
    assert "8 ops, 32ms" in lane["store"]
    assert lane["recogniser"].endswith("590ms")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_event_has_its_label_under_its_tick(width: int) -> None:
    text = scenario_text([turn_with_window(400)], width)
    for name in ("recognize", "utterance", "expect_speech", "completed", "speech_finished"):
        assert name in text
    assert "reply x2" in text
    lines = text.splitlines()
    ticks = next(line for line in lines if line.startswith("events"))
    corners = [line.index("└") for line in lines if "└" in line]
    assert sorted(corners) == [column for column, sign in enumerate(ticks) if sign == "│"]


def test_a_miss_is_marked_with_how_much() -> None:
    lane = rows(scenario_text([turn_with_window(2900)]))
    inside, outside = extent(lane["context"], "█"), extent(lane["context"], "▒")
    assert inside[1] == extent(lane["reply"], "▇")[1]
    assert outside[0] == inside[1] + 1
    assert lane["context"].endswith("missed by 820ms")
    stopped = turn_with_window(2080)
    embed = point("embed", "context", 620, 2080, missed=1)
    points = tuple(embed if p.name == "embed" else p for p in stopped.points)
    lane = rows(scenario_text([turn_with_window(0, points=points)]))
    assert lane["context"].endswith("missed, stopped")
    assert "slack" not in lane["context"]
    without = [p for p in stopped.points if p.lane != "context"]
    points = (*without, point("missed", "context", 2700))
    assert rows(scenario_text([turn_with_window(0, points=points)]))["context"].endswith("missed")


def test_a_barge_in_ends_the_window_where_the_reply_ends() -> None:
    points = [p for p in turn_with_window(200).points if p.name not in ("reply", "speech_finished")]
    points += [point("reply", "reply", 600, 300), point("speech_interrupted", "events", 900)]
    lane = rows(scenario_text([turn_with_window(0, points=tuple(points))]))
    assert "slack 80ms" in lane["context"]
    assert extent(lane["context"], "█╌")[1] == extent(lane["reply"], "▇")[1]
    assert extent(lane["events"], "│")[1] == extent(lane["reply"], "▇")[1], "nothing lies past it"


def test_texts_differences_causes_and_failures_can_be_read_without_colour() -> None:
    text = scenario_text([ANSWER])
    assert "turn 2  context hit (412ms of a 2.1s window) · failed" in text
    shown = rows(text)
    assert shown["plain"] == "call power now"
    assert shown["result"] == "call [power → bauer] now"
    assert "bauer from 'Meg Bauer' (entities)" in text
    assert shown["why"] == "it sounds alike (+8.6ms)"
    assert shown["✗ failed"] == "scenarios/call_meg.scenario.yaml:37: turns.1.expect.text"
    assert "expected jones\n" in text
    assert "got      bauer\n" in text
    assert rows(scenario_text([turn_with_window(400)]))["result"] == "the same"


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("the hour", "bauer", "[the hour → bauer]"),
        ("a b", "a b", "a b"),
        ("go now", "go home now", "go [→ home] now"),
        ("go right home", "go home", "go [right →] home"),
        ("", "bauer", "[→ bauer]"),
        ("a b c", "x b y", "[a → x] b [c → y]"),
    ],
)
def test_differences_are_marked_by_words(before: str, after: str, marked: str) -> None:
    assert mark_differences(before, after).plain == marked


def printed(encoding: str = "utf-8", **options: object) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=80, **options)  # type: ignore[arg-type]
    print_reports([turn_with_window(400), ANSWER], console)
    stream.seek(0)
    return stream.read()


def test_colour_where_there_is_one_and_none_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = printed(force_terminal=True, color_system="standard")
    assert "\x1b[34m▇" in coloured
    assert "\x1b[1;32mbauer" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(force_terminal=True, color_system="standard")
    assert "\x1b[3" not in plain.replace("\x1b[3m", ""), "no colours; italics stay"
    assert "[power → bauer]" in printed()


def test_an_ascii_terminal_gets_ascii() -> None:
    text = printed("ascii")
    assert text.isascii()
    assert "[power -> bauer]" in text
    assert "slack 1.7s" in text


def test_texts_from_outside_cannot_style_or_move_anything() -> None:
    evil = "[red]a[/red] \x1b[31mb\rc :smile: [/]"
    report = TurnReport("s", 1, None, "none", None, None, evil, evil, reason=evil, reference=evil)
    text = scenario_text([report])
    assert "[red]a[/red] �[31mb�c :smile: [/]" in text
    assert "\x1b" not in text
    assert "\r" not in text


def test_the_summary_counts_each_scenario_and_all() -> None:
    other = TurnReport("slow", 1, "missed", "missed", 300, 900, "a", "a", added_ms=0.4)
    console = Console(width=80, no_color=True, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        print_summary([turn_with_window(1), ANSWER, other], console)
    words = [line.split() for line in capture.get().splitlines() if line.strip()]
    assert words[0] == "scenario turns passed hit missed none changed added".split()
    assert words[2] == "✗ call_meg 2 1 1 - 1 1 8.6ms".split()
    assert words[3] == "✓ slow 1 1 - 1 - - 0.4ms".split()
    assert words[-1] == "1 of 2 passed 3 2 1 1 1 1 8.6ms".split()


def test_json_has_the_keys_of_the_command_line() -> None:
    found = ANSWER.to_json()
    assert found["changes"] == [
        {
            "from": "power",
            "to": "bauer",
            "phrase": "Meg Bauer",
            "signal": "entities",
            "probability": 1.0,
            "evidence": "text",
        }
    ]
    assert {key: found[key] for key in ("scenario", "turn", "outcome", "context", "passed")} == {
        "scenario": "call_meg", "turn": 2, "outcome": None, "context": "hit", "passed": False,
    }  # fmt: skip
    assert (found["window_ms"], found["context_ms"], found["added_ms"]) == (2100, 412.3, 8.6)
    assert (found["plain_text"], found["text"]) == ("call power now", "call bauer now")
    assert found["failures"][0]["line"] == 37


def test_a_trace_takes_no_texts_and_a_repr_shows_none() -> None:
    assert point("SpeechSynthesizer.Speak", "events", 0, again=1)
    for name, facts in (("call meg bauer", {}), ("put", {"text": "call meg"}), ("", {})):
        with pytest.raises(ValueError, match="never texts"):
            TracePoint(name, "store", 0, facts=facts)
    assert "bauer" not in repr(ANSWER) + repr(ANSWER.failures)


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [(0, "0ms"), (8.64, "8.6ms"), (9.96, "10ms"), (999.4, "999ms"), (999.6, "1s"),
     (2100, "2.1s"), (99_960, "1m 40s"), (-250, "-250ms")],
)  # fmt: skip
def test_durations_are_short(duration_ms: float, shown: str) -> None:
    assert human(duration_ms) == shown


def test_names_that_cannot_help_are_counted() -> None:
    turn = turn_with_window(412, left_out=7, unpronounceable=3)
    shown = scenario_text([turn], 100)
    assert "7 names had no room" in shown
    assert "3 names have no sound" in shown
    assert (turn.to_json()["left_out"], turn.to_json()["unpronounceable"]) == (7, 3)
    assert " names " not in scenario_text([turn_with_window(412)], 100)
