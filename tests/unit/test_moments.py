"""Scenarios in which a turn speaks more than once: written, delivered, imported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import START_MS, record

from ctxasr.errors import ScenarioError
from ctxasr.events import Record
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.importer import import_log, notes_in
from ctxasr.scenario.messages import TurnMessages
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.scripts import script_of
from ctxasr.scenario.values import MOMENTS_MAX

TEXT = """
schema: 1
turns:
  - user: {hypotheses: [call meg]}
    moments: [One moment., {text: Still looking., duration: 700ms}]
    reply: {text: Which Meg?, duration: 2s}
    %s
  - user: {hypotheses: [bauer]}
"""


def scenario(more: str = "") -> Scenario:
    return read_scenario(TEXT % more)


def names(given: Scenario, index: int = 0) -> list[str]:
    return [f"{one.event}_{one.number}" for one in given.deliveries(index)]


def test_each_moment_has_its_events_in_the_usual_order() -> None:
    assert names(scenario()) == [
        "recognize_1", "utterance_1", "moment_1", "moment_2", "moment_reply_1", "moment_reply_2",
        "moment_started_1", "moment_started_2", "moment_finished_1", "moment_finished_2",
        "speak_1", "reply_1", "expect_speech_1", "speech_started_1", "completed_1",
    ]  # fmt: skip


def test_moments_are_delivered_as_named() -> None:
    given = scenario(
        "deliver: [expect_speech, moment_finished_2, moment]\n    duplicate: [moment_1]"
    )
    assert names(given)[:5] == [
        "expect_speech_1", "moment_finished_2", "moment_1", "moment_1", "moment_2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("reply: {text: Which Meg?, duration: 2s}", "screen: [Meg]") % "", "'reply'"),
        (TEXT % "deliver: [moment_3]", "this turn has no moment_3 to deliver"),
        (TEXT % "deliver: [moments]", "must be one of"),
        (TEXT.replace("One moment.", "7") % "", "quotes"),
        (TEXT.replace("[One", "[" + "a, " * (MOMENTS_MAX - 1) + "One") % "", str(MOMENTS_MAX)),
    ],
)
def test_what_is_wrong_about_moments_is_said(text: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        read_scenario(text)


def test_as_many_moments_as_moments_max() -> None:
    text = TEXT.replace("[One", "[" + "a, " * (MOMENTS_MAX - 2) + "One") % ""
    assert len(read_scenario(text).turns[0].moments) == MOMENTS_MAX


def test_a_simulated_script_leaves_them_out() -> None:
    assert not [one for one in script_of(scenario()).deliveries if "moment" in one.event]


# ---------------------------------------------------------------- imported

ORDER = (
    "deliver: [recognize, utterance, moment_1, moment_reply_1, moment_started_1, moment_2, "
    "moment_reply_2, speak, reply, expect_speech, moment_finished_1, moment_started_2, "
    "moment_finished_2]"
)


def log_of(given: Scenario) -> list[str]:
    """The records of its first turn, 100 ms apart, and the end of its reply."""
    messages = TurnMessages(given, 0, "amy", None)
    at_ms, found = float(START_MS), list[Record]()
    for delivery in given.deliveries(0):
        at_ms += 100.0
        found.append(messages.record(delivery, at_ms, "call meg"))
    found.append(messages.reply_ended(at_ms + 2_000.0, interrupted=False))
    return [one.model_dump_json(by_alias=True, exclude_none=True) for one in found]


def imported(lines: list[str]) -> Scenario:
    answer = record("SpeechRecognizer.Recognize", interaction="turn-2", at_ms=60_000)
    more = answer.model_copy(update={"customer": "amy"})
    return read_scenario(
        import_log([*lines, more.model_dump_json(by_alias=True, exclude_none=True)])
    )


def test_an_imported_log_meets_the_same_speeches_in_the_same_order() -> None:
    given = scenario(ORDER)
    found = imported(log_of(given))
    turn = found.turns[0]
    assert [one.text for one in turn.moments] == ["One moment.", "Still looking."]
    assert turn.moments[1].duration_ms == 700
    assert turn.reply is not None
    assert (turn.reply.text, turn.reply.duration_ms) == ("Which Meg?", 2_000)
    assert names(found) == names(given)


def changed(lines: list[str], change: Any) -> list[str]:
    documents = [json.loads(line) for line in lines]
    for document in documents:
        message = document["message"].get("directive") or document["message"]["event"]
        change(message["header"]["name"], message["payload"])
    return [json.dumps(one) for one in documents]


def test_replies_without_tokens_are_paired_with_the_speeches() -> None:
    def change(name: str, payload: dict[str, Any]) -> None:
        if name == "Reply":
            payload.pop("token", None)

    found = imported(changed(log_of(scenario(ORDER)), change))
    assert [one.text for one in found.turns[0].moments] == ["One moment.", "Still looking."]
    assert found.turns[0].reply is not None
    assert found.turns[0].reply.text == "Which Meg?"


def test_a_speech_whose_words_nobody_logged_is_left_out_and_noted() -> None:
    lines = [line for line in log_of(scenario(ORDER)) if "Still looking" not in line]
    text = import_log(lines)
    turn = read_scenario(text).turns[0]
    assert [one.text for one in turn.moments] == ["One moment."]
    assert "moment_2" not in text
    assert any("has no words in the log" in note for note in notes_in(text))


def test_one_reply_for_two_speeches_is_the_last_ones() -> None:
    def change(name: str, payload: dict[str, Any]) -> None:
        if name == "Reply":
            payload.pop("token", None)

    lines = [line for line in log_of(scenario(ORDER)) if "moment." not in line.lower()]
    turn = imported([line for line in changed(lines, change) if "looking" not in line]).turns[0]
    assert turn.moments == ()
    assert turn.reply is not None
    assert (turn.reply.text, turn.reply.duration_ms) == ("Which Meg?", 2_000)
