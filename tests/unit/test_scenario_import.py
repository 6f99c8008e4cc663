"""Logs of real messages become scenarios that meet the same events in the same order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctxasr.errors import ScenarioError
from ctxasr.events import MESSAGE_BYTES_MAX, Entity
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.importer import import_log
from ctxasr.scenario.log_text import LOG_LINES_MAX
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.values import DELIVERIES_MAX, TURNS_MAX

NAMES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "recognize": ("event", "SpeechRecognizer.Recognize", {}),
    "utterance": ("event", "ContextText.Utterance", {"text": "Call Meg."}),
    "entities": (
        "event",
        "ContextText.Entities",
        {"kind": "contact", "values": ["Meg Jones", "Meg Bauer"]},
    ),
    "screen": ("event", "ContextText.ScreenList", {"items": ["Meg Jones"]}),
    "slot": ("directive", "Dialog.ElicitSlot", {"slotToElicit": "contact_name"}),
    "speak": (
        "directive",
        "SpeechSynthesizer.Speak",
        {"url": "cid:1", "format": "AUDIO_MPEG", "token": "t"},
    ),
    "reply": ("event", "ContextText.Reply", {"text": "Meg Jones or Meg Bauer?"}),
    "expect_speech": (
        "directive",
        "SpeechRecognizer.ExpectSpeech",
        {"timeoutInMilliseconds": 8000},
    ),
    "speech_started": ("event", "SpeechSynthesizer.SpeechStarted", {"token": "t"}),
    "completed": ("directive", "InteractionModel.RequestProcessingCompleted", {}),
    "speech_finished": ("event", "SpeechSynthesizer.SpeechFinished", {"token": "t"}),
    "speech_interrupted": ("event", "SpeechSynthesizer.SpeechInterrupted", {"token": "t"}),
}
CLIENT = ("speech_started", "speech_finished", "speech_interrupted")


def envelope(name: str, turn: int, number: int = 1, **payload: Any) -> dict[str, Any]:
    kind, full_name, body = NAMES[name]
    namespace, _, short = full_name.partition(".")
    header = {"namespace": namespace, "name": short, "messageId": f"{name}-{number}-{turn}"}
    body = {**body, **payload}
    if "token" in body:
        body["token"] = f"t{turn}"
    if name not in CLIENT:
        header["dialogRequestId"] = f"turn-{turn}"
    return {kind: {"header": header, "payload": body}}


def line(at_ms: int, message: dict[str, Any], payloads: int = 0, **more: Any) -> str:
    record = {"customer": "amy", "received_at": at_ms, "message": message, **more}
    return json.dumps({**record, "service_payloads": payloads})


def log_of(scenario: Scenario) -> list[str]:
    """The records that a replay of `scenario` meets, one every 10 ms within a turn."""
    lines = []
    at_ms = 1_700_000_000_000
    for index, turn in enumerate(scenario.turns):
        asked_ms = ended_ms = at_ms
        for delivery in scenario.deliveries(index):
            at_ms += 10
            more: dict[str, Any] = {}
            if delivery.event == "entities":
                more = {"values": [one.text for one in turn.entities[delivery.number - 1].entities]}
            if delivery.event == "reply":
                more = {"durationInMilliseconds": int(turn.reply_ms)}
            if delivery.event == "expect_speech" and not delivery.again:
                asked_ms = at_ms
            message = envelope(delivery.event, index, delivery.number, **more)
            lines.append(line(at_ms, message, turn.announced))
        if turn.reply is not None:
            interrupted = turn.barge_in_ms is not None
            ended_ms = asked_ms + int(turn.reply_ms if not interrupted else turn.barge_in_ms or 0)
            name = "speech_interrupted" if interrupted else "speech_finished"
            lines.append(line(ended_ms, envelope(name, index)))
        at_ms = ended_ms + int(turn.pause_ms) - 10 if turn.reply is not None else at_ms + 10
    return lines


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """The YAML of a dialogue in which much is out of order or comes twice."""
    turns = []
    count = draw(st.integers(1, 3))
    for _ in range(count):
        turn: dict[str, Any] = {"user": {"hypotheses": ["call meg"]}}
        lists = draw(st.integers(0, 3))
        if lists:
            turn["entities"] = [{"kind": "contact", "values": [f"name {n}"]} for n in range(lists)]
        present = ["recognize", "utterance", "completed"]
        present += [f"entities_{n + 1}" for n in range(lists)]
        if draw(st.booleans()):
            turn["screen"] = ["Meg Jones"]
            present.append("screen")
        if draw(st.booleans()):
            turn["elicit_slot"] = "contact_name"
            present.append("slot")
        turn["expect_speech"] = draw(st.booleans())
        if turn["expect_speech"]:
            present.append("expect_speech")
            turn["announce"] = draw(st.integers(0, 3))
        if draw(st.booleans()):
            turn["reply"] = {"text": "Which Meg?", "duration": "9s"}
            present += ["speak", "reply", "speech_started"]
            if turn["expect_speech"] and draw(st.booleans()):
                turn["barge_in"] = f"{draw(st.integers(2000, 8000))}ms"
            turn["pause"] = f"{draw(st.integers(1000, 9000))}ms"
        turn["deliver"] = draw(st.lists(st.sampled_from(present), max_size=12))
        turn["duplicate"] = draw(st.lists(st.sampled_from(present), max_size=3, unique=True))
        turns.append(turn)
    return json.dumps({"schema": 1, "turns": turns})  # JSON is YAML


def arrivals(scenario: Scenario, index: int) -> list[tuple[str, tuple[Entity, ...], bool]]:
    """The deliveries with what the lists of entities hold: their numbers follow the arrival."""
    lists = scenario.turns[index].entities
    return [
        (name, lists[number - 1].entities if name == "entities" else (), again)
        for name, number, again in scenario.deliveries(index)
    ]


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_an_imported_log_meets_the_same_events_in_the_same_order(text: str) -> None:
    first = read_scenario(text)
    again = read_scenario(import_log(log_of(first)))
    assert len(again.turns) == len(first.turns)
    for index, (turn, copy) in enumerate(zip(first.turns, again.turns, strict=True)):
        assert arrivals(again, index) == arrivals(first, index)
        assert again.expects_speech(index) == first.expects_speech(index)
        assert (copy.screen, copy.elicit_slot) == (turn.screen, turn.elicit_slot)
        assert copy.reply_ms == turn.reply_ms
        assert copy.barge_in_ms == turn.barge_in_ms
        if first.expects_speech(index):
            assert copy.announced == turn.announced
        if index + 1 < len(first.turns) and turn.reply and first.expects_speech(index):
            late_recognize = first.deliveries(index + 1)[0].event != "recognize"
            assert late_recognize or copy.pause_ms == turn.pause_ms


NAMES_OF_USUAL = ("recognize", "utterance", "speak", "expect_speech", "reply", "completed")


def usual(turn: int = 0, start_ms: int = 1000) -> list[str]:
    named = enumerate(NAMES_OF_USUAL)
    return [line(start_ms + n, envelope(name, turn)) for n, name in named]


def test_times_become_durations_and_the_text_is_short() -> None:
    lines = [
        *usual(0, 1000),
        line(1010, envelope("speech_started", 0)),
        line(3110, envelope("speech_finished", 0)),
        *usual(1, 3910),
    ]
    text = import_log(reversed(lines))
    scenario = read_scenario(text)
    turn = scenario.turns[0]
    assert (turn.reply_ms, turn.pause_ms, turn.barge_in_ms) == (2100, 800, None)
    assert turn.user.hypotheses == ("Call Meg.",), "as the recogniser wrote it"
    assert turn.deliver == NAMES_OF_USUAL, "and then speech_started, which is not named"
    assert turn.duplicate == ()
    assert "expect_speech: true" in text.split("- user")[2], "the last turn asked, too"


def test_captions_and_dynamic_entities_stand_in_for_our_own_texts() -> None:
    vtt = "WEBVTT\n\n1\n00:00.000 --> 00:01.260\nWhich Meg\n\n2\n00:01.260 --> 00:02\ndo you mean?"
    values = [{"id": "1", "name": {"value": "Meg Bauer", "synonyms": ["Meggie"]}}]
    update = {
        "directive": {
            "header": {
                "namespace": "Dialog",
                "name": "UpdateDynamicEntities",
                "messageId": "u",
                "dialogRequestId": "turn-0",
            },
            "payload": {"updateBehavior": "REPLACE", "types": [{"name": "A B", "values": values}]},
        }
    }
    lines = [
        line(1, envelope("recognize", 0)),
        line(2, update),
        line(3, envelope("speak", 0, caption={"content": vtt, "type": "WEBVTT"})),
        line(4, envelope("expect_speech", 0), 1),
        line(504, envelope("speech_interrupted", 0)),
    ]
    text = import_log(lines)
    turn = read_scenario(text).turns[0]
    assert turn.reply is not None
    assert turn.reply.text == "Which Meg do you mean?"
    named = Entity("A_B", "Meg Bauer", "1"), Entity("A_B", "Meggie", "1")
    assert turn.entities[0].entities == named
    assert turn.barge_in_ms == 500
    assert "# Not as in the log: turn 1: it holds no utterance text" in text
    assert "it lacks utterance, reply, speech_started, completed" in text


def test_bare_envelopes_have_an_order_but_no_times() -> None:
    names = ("recognize", "expect_speech", "utterance", "speak", "reply", "speech_interrupted")
    lines = [json.dumps(envelope(name, 0)) for name in names]
    turn = read_scenario(import_log(lines, customer="amy")).turns[0]
    assert turn.deliver[:2] == ("recognize", "expect_speech")
    assert turn.barge_in_ms is not None
    assert 0 < turn.barge_in_ms < turn.reply_ms
    with pytest.raises(ScenarioError, match=r"log:1: .*--customer"):
        import_log(lines)
    with pytest.raises(ScenarioError, match="do not compare"):
        import_log([*lines, *usual()], customer="amy")


def test_one_customer_at_a_time() -> None:
    both = [*usual(0), line(5, envelope("recognize", 7)).replace('"amy"', '"bob"')]
    with pytest.raises(ScenarioError, match="2 customers"):
        import_log(both)
    assert len(read_scenario(import_log(both, customer="amy")).turns) == 1
    with pytest.raises(ScenarioError, match="of this customer"):
        import_log(both, customer="eve")


def test_what_a_scenario_cannot_say_is_said_at_its_top() -> None:
    late = [*usual(0, 1000), line(9000, envelope("screen", 0)), *usual(1, 5000)]
    assert "messages of turn 1 came after turn 2 had begun" in import_log(late)
    other = [
        line(1, envelope("expect_speech", 0, initiator="a")),
        line(2, envelope("recognize", 1, initiator="b")),
    ]
    assert "turn 2 did not answer turn 1" in import_log(other)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be a JSON object"),
        (line(1, envelope("reply", 0)).replace("received_at", "at"), "received_at"),
        (line(1, envelope("reply", 0)).replace("namespace", "space"), "header"),
        (line(1, envelope("reply", 0, text=None)), "text"),
        ("12:00 {", None),
        ("12:00 [x] {} connected", None),
        ('{"customer": "amy"}', None),
        ('{"level": "info", "event": "connected", "message": "to the cloud"}', None),
        ('{"type": "metric", "value": 7}', None),
        (line(1, envelope("reply", 0, text="x" * (MESSAGE_BYTES_MAX + 4_096))), "MESSAGE_BYTES"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_wrong_line_is_named(bad: str, says: str | None, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*usual(), "", bad]))
    if says is None:
        assert "1 line holds no message (line 8)" in import_log(path)
        return
    with pytest.raises(ScenarioError, match=says) as caught:
        import_log(path)
    assert str(caught.value).startswith(f"{path}:8: ")


def test_logs_are_bounded_and_have_to_hold_something(tmp_path: Path) -> None:
    turns = [line(n, envelope("recognize", n)) for n in range(TURNS_MAX + 1)]
    assert len(read_scenario(import_log(turns[:-1])).turns) == TURNS_MAX
    with pytest.raises(ScenarioError, match="TURNS_MAX"):
        import_log(turns)
    blank = ["\n"] * LOG_LINES_MAX
    with pytest.raises(ScenarioError, match="holds no messages"):
        import_log(blank)
    with pytest.raises(ScenarioError, match="LOG_LINES_MAX"):
        import_log([*blank, "\n"])
    with pytest.raises(ScenarioError, match="cannot be read"):
        import_log(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(ScenarioError, match="UTF-8"):
        import_log(tmp_path / "a")


def test_a_log_whose_texts_fit_into_no_scenario_says_so_without_them() -> None:
    lines = [*usual(), line(2000, envelope("screen", 0, items=["canary" * 50]))]
    with pytest.raises(ScenarioError, match="fits into no scenario") as caught:
        import_log(lines)
    assert "screen.0" in str(caught.value)
    assert "canary" not in str(caught.value)
    odd = [*usual(), line(9, envelope("slot", 0)).replace("ElicitSlot", "UpdateDynamicEntities")]
    assert read_scenario(import_log(odd)).turns[0].entities == ()


# ---------------------------------------------------------------- what belongs to no turn


def of_no_turn(name: str, **header: Any) -> str:
    namespace, _, short = name.partition(".")
    head = {"namespace": namespace, "name": short, **header}
    return line(5, {"event": {"header": head, "payload": {"token": "unknown"}}})


@pytest.mark.parametrize(
    "strange",
    [
        of_no_turn("System.SynchronizeState", messageId="s"),
        of_no_turn("SpeechRecognizer.StopCapture"),
        of_no_turn("SpeechRecognizer.StopCapture", messageId="", dialogRequestId=""),
        of_no_turn("SpeechRecognizer.StopCapture", messageId=None, dialogRequestId=None),
        of_no_turn("SpeechRecognizer.StopCapture", dialogRequestId="turn-0"),
        of_no_turn("SpeechRecognizer.ExpectSpeechTimedOut", messageId="e"),
        of_no_turn("SpeechSynthesizer.SpeechFinished", messageId="f"),
        of_no_turn("SpeechSynthesizer.SpeechFinished", messageId="f", dialogRequestId=""),
        of_no_turn("Alerts.AlertStarted", messageId="a", dialogRequestId=None),
    ],
)
def test_what_belongs_to_no_turn_is_left_out_and_counted(strange: str) -> None:
    """As the HTTP door does it; wherever it stands, it refuses no log."""
    plain = import_log(usual())
    note = "# Not as in the log: 1 message belongs to no turn (line 1).\n"
    for lines in ([strange, *usual()], [*usual(), strange]):
        at = lines.index(strange) + 1
        told = note.replace("line 1", f"line {at}")
        assert import_log(lines).replace(told, "") == plain, "and nothing else differs"
    many = [*[strange] * 7, *usual()]
    assert "7 messages belong to no turn (lines 1, 2, 3, 4, 5 and 2 more)" in import_log(many)
    with pytest.raises(ScenarioError, match="no messages of a turn"):
        import_log([strange])


@pytest.mark.parametrize("before", ["12:00 [x] {} ", "{x} ", '{"level": "info"} ', "{{a}}{ "])
def test_braces_before_a_message_are_no_message(before: str) -> None:
    assert import_log([before + one for one in usual()]) == import_log(usual())


FIELDS = [
    "event", "directive", "message", "header", "payload", "customer", "token", "context",
    "messageId", "name", "namespace", "type", "events", "received_at", "x",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Values that look like messages; none names a turn."""


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=3), max_size=3))
@example([{"event": {"header": {"namespace": "System", "name": 5}}}])
@example([{"event": {"header": {"namespace": "SpeechSynthesizer", "name": "SpeechFinished"}}}])
@example([{"type": ""}, {"type": "error"}, {"type": "event", "event": {"type": "x" * 99}}])
@example([{"type": "event", "event": {}}, {"event": {"header": {"dialogRequestId": "turn-0"}}}])
@example([{"message": {"event": {"header": {}}}, "customer": "eve", "received_at": 1}])
@settings(max_examples=200, deadline=None)
def test_no_object_that_names_no_turn_refuses_a_log(strange: list[dict[str, Any]]) -> None:
    lines = [*map(json.dumps, strange), *usual(), *map(json.dumps, strange)]
    bare = [json.dumps(json.loads(one)["message"]) for one in usual()]
    for text, customer in (
        (lines, None),
        (lines, "amy"),
        ([*map(json.dumps, strange), *bare], "amy"),
    ):
        assert read_scenario(import_log(text, customer=customer)).turns[0].reply is not None


@pytest.mark.parametrize("payload", [None, {}, [], "x", {"token": None}])
def test_the_payload_of_what_belongs_to_no_turn_is_not_judged(payload: Any) -> None:
    strange = json.loads(of_no_turn("SpeechSynthesizer.SpeechStarted", messageId="f"))
    strange["message"]["event"]["payload"] = payload
    bare = json.dumps(strange["message"])
    told = "1 message belongs to no turn (line 1)"
    for one in (json.dumps(strange), bare):
        assert told in import_log([one, *usual()])
    strange["interaction"] = "turn-0"
    with pytest.raises(ScenarioError, match=r":?1: .*payload"):
        import_log([json.dumps(strange), *usual()])


def test_a_record_that_names_its_turn_belongs_to_it() -> None:
    stop = json.loads(of_no_turn("SpeechRecognizer.StopCapture", messageId="s"))
    stop["interaction"] = "turn-0"
    assert "belong" not in import_log([*usual(), json.dumps(stop)])


@pytest.mark.parametrize(
    ("asked", "answered", "note"),
    [
        ({}, {}, None),
        ({"initiator": "a"}, {"initiator": "a"}, None),
        ({"initiator": ""}, {}, None),
        ({"timeoutInMilliseconds": None}, {"profile": None}, None),
        ({"initiator": {}}, {"initiator": {}}, None),
        ({}, {"initiator": {"type": None, "payload": None}}, None),
        ({"expectSpeechId": "a"}, {"speechId": "a"}, None),
        ({}, {"initiator": {"type": "WAKEWORD"}}, "as by a wake word"),
        ({"initiator": None}, {"initiator": {"type": "TAP", "payload": None}}, "as by a wake word"),
        ({}, {"initiator": {"type": "FOLLOW_UP", "payload": {"token": "b"}}}, "other initiator"),
        ({"initiator": "a"}, {"initiator": {"type": "WAKEWORD"}}, "other initiator"),
        ({"initiator": "a"}, {}, "other initiator"),
        ({"expectSpeechId": "a"}, {"speechId": "b"}, "other initiator"),
    ],
)
def test_who_did_not_answer_is_noted(
    asked: dict[str, Any], answered: dict[str, Any], note: str | None
) -> None:
    lines = [
        line(1, envelope("recognize", 0)), line(2, envelope("expect_speech", 0, **asked)),
        line(9_000, envelope("recognize", 1, **answered)),
    ]  # fmt: skip
    text = import_log(lines)
    assert ("turn 2 did not answer turn 1" in text) == (note is not None)
    assert note is None or note in text


# ---------------------------------------------------------------- other shapes


def test_a_log_may_have_any_usual_shape(tmp_path: Path) -> None:
    plain = import_log(usual())
    records = [json.loads(one) for one in usual()]
    path = tmp_path / "log"
    for text in (
        json.dumps(records),
        json.dumps(records, indent=2),
        json.dumps({"events": records}),
        json.dumps({"started": 7, "records": records}, indent=1),
        "\n".join(json.dumps(one, indent=2) for one in records),
        ",\n".join(usual()),
        " ".join(usual()),
        "\r\n".join(usual()),
        "".join(f"\ufeff{one}\n" for one in usual()),
    ):
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            path.write_bytes(text.encode(encoding))
            assert import_log(path) == plain
    prefixed = [f"[12:00:0{number}] DEBUG {one}" for number, one in enumerate(usual())]
    assert import_log(prefixed) == plain
    chatty = ["connecting ...", *usual(), "", "bye {"]
    note = f"# Not as in the log: 2 lines hold no message (lines 1, {len(chatty)}).\n"
    assert import_log(chatty).replace(note, "") == plain
    with pytest.raises(ScenarioError, match="the log holds no messages"):
        import_log(["done", "done: {}"])


def test_a_log_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, text = tmp_path / "log", "\n".join(usual())
    path.write_text(text)
    monkeypatch.setattr("ctxasr.scenario.importer.LOG_BYTES_MAX", len(text))
    import_log(path)
    monkeypatch.setattr("ctxasr.scenario.importer.LOG_BYTES_MAX", len(text) - 1)
    with pytest.raises(ScenarioError, match="LOG_BYTES_MAX"):
        import_log(path)


def test_what_comes_often_is_noted_once_and_refused_where_it_is_too_much() -> None:
    """Each message with an id of its own, so that none is a repetition."""
    often = [line(2, envelope("recognize", 0, number)) for number in range(2, 12)]
    assert import_log([*usual(), *often]).count("more than one recognize message") == 1
    many = [line(2, envelope("recognize", 0, number)) for number in range(5_000)]
    with pytest.raises(ScenarioError, match="deliver") as caught:
        import_log([*usual(), *many])
    assert str(DELIVERIES_MAX) in str(caught.value)


def test_clovas_directives_are_read() -> None:
    """Speak has a `source` and no url, its words are `ttsText`, and ids link the turns."""

    def clova(at: int, form: str, name: str, turn: str, **payload: Any) -> str:
        namespace, _, short = name.partition(".")
        header = {
            "namespace": namespace, "name": short, "messageId": f"{name}{at}",
            "dialogRequestId": turn,
        }  # fmt: skip
        return line(at, {form: {"header": header, "payload": payload}})

    source = {"token": "speech-1", "url": "clova:tts", "format": "audio/mpeg"}
    finished = {"namespace": "SpeechSynthesizer", "name": "SpeechFinished", "messageId": "f"}
    lines = [
        clova(1, "event", "SpeechRecognizer.Recognize", "a", lang="en", initiator={
            "type": "WAKEWORD", "inputSource": "SELF", "payload": {"deviceUUID": "f0"}}),
        clova(2, "directive", "SpeechSynthesizer.Speak", "a", source=source, ttsText="Which Meg?"),
        clova(3, "directive", "SpeechRecognizer.ExpectSpeech", "a", timeoutInMilliseconds=7000,
              explicit=True, expectSpeechId="ask-1"),
        line(2_003, {"event": {"header": finished, "payload": {"token": "speech-1"}}}),
        clova(2_500, "event", "SpeechRecognizer.Recognize", "b", speechId="ask-1", explicit=True),
    ]  # fmt: skip
    text = import_log(lines)
    first, second = read_scenario(text).turns
    assert first.reply is not None
    assert (first.reply.text, first.reply_ms, first.pause_ms) == ("Which Meg?", 2_000, 497)
    assert second.user.hypotheses == ("",)
    assert "belong" not in text
    assert "did not answer" not in text
