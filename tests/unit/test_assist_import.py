"""What users of Home Assistant paste from Assist's debug page becomes a scenario."""

from __future__ import annotations

import io
import json
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from protocols import intent_end, pipeline
from ruamel.yaml import YAML

from ctxasr.errors import EnvelopeError, ScenarioError
from ctxasr.gateway.protocols.assist import USED, hear
from ctxasr.gateway.protocols.dialogue import Dialogue, Ignored, Sender
from ctxasr.scenario.format import read_scenario
from ctxasr.scenario.importer import import_log
from ctxasr.scenario.log_text import LOG_NESTING_MAX

PASTED = """\
```yaml
init_options:
  start_stage: stt
  end_stage: tts
  input:
    sample_rate: 16000
stage: done
run:
  pipeline: 01jm1cwwhbwxjn6napsm3bzhab
  language: en
  conversation_id: 01JQ
  runner_data:
    stt_binary_handler_id: 1
    timeout: 300
events:
  - type: run-start
    data:
      pipeline: 01jm1cwwhbwxjn6napsm3bzhab
      language: en
      conversation_id: 01JQ
    timestamp: "2025-02-18T21:33:34.500000+00:00"
  - type: stt-start
    data:
      engine: stt.speech
      metadata:
        language: en
        sample_rate: 16000
    timestamp: "2025-02-18T21:33:34.505178+00:00"
  - type: stt-vad-end
    data:
      timestamp: 3890
    timestamp: "2025-02-18T21:33:38.344219+00:00"
  - type: stt-end
    data:
      stt_output:
        text: " Call Meg."
    timestamp: "2025-02-18T21:33:39.055732+00:00"
  - type: intent-start
    data:
      intent_input: " Call Meg."
      conversation_id: 01JQ
      device_id: null
    timestamp: "2025-02-18T21:33:39.056106+00:00"
  - type: intent-end
    data:
      processed_locally: true
      intent_output:
        response:
          speech:
            plain:
              speech: >-
                Do you mean Meg Jones
                or Meg Bauer?
              extra_data: null
          card: {}
          language: en
          response_type: query_answer
          data:
            targets: []
            success:
              - name: Meg
                type: entity
                id: {a: {b: {c: {d: 1}}}}
            failed: []
        conversation_id: 01JQ
        continue_conversation: true
    timestamp: "2025-02-18T21:33:39.060000+00:00"
  - type: tts-start
    data:
      engine: tts.piper
      voice: null
      tts_input: Do you mean Meg Jones or Meg Bauer?
    timestamp: "2025-02-18T21:33:39.061000+00:00"
  - type: tts-end
    data:
      tts_output:
        url: /api/tts_proxy/x.mp3
    timestamp: "2025-02-18T21:33:39.062000+00:00"
  - type: run-end
    data: null
    timestamp: "2025-02-18T21:33:39.063000+00:00"
stt:
  engine: stt.speech
  done: true
```
"""


def dump(said: str, reply: str, at: str, **more: Any) -> dict[str, Any]:
    """A run as the page holds it, its events a tenth of a second apart."""
    events = pipeline(said, reply, **more)
    stamped = [{**e, "timestamp": f"{at}.{n:02}0000+00:00"} for n, e in enumerate(events)]
    return {"stage": "done", "run": {"pipeline": "01h", "language": "en"}, "events": stamped}


FIRST = dump("call meg", "Do you mean Meg Jones or Meg Bauer?", "2025-02-18T21:33:34")
SECOND = dump("bauer", "Calling.", "2025-02-18T21:33:40", asks=False)


def as_yaml(*runs: dict[str, Any], between: str = "") -> str:
    stream = io.StringIO()
    for number, run in enumerate(runs):
        stream.write(between if number else "")
        YAML(typ="safe", pure=True).dump(json.loads(json.dumps(run)), stream)
    return stream.getvalue()


def test_what_is_pasted_as_yaml_is_read() -> None:
    text = import_log(PASTED.splitlines())
    (turn,) = read_scenario(text).turns
    assert turn.user.hypotheses == ("Call Meg.",)
    assert turn.reply is not None
    assert turn.reply.text == "Do you mean Meg Jones or Meg Bauer?"
    assert turn.expect_speech is True
    assert "no turn" not in text
    assert "no known type" not in text


def shapes() -> list[str]:
    both, events = [FIRST, SECOND], [*FIRST["events"], *SECOND["events"]]
    wrapped = [{"id": 7, "type": "event", "event": event} for event in events]
    return [
        json.dumps(both),
        json.dumps(both, indent=2),
        "\n".join(map(json.dumps, both)),
        json.dumps({"runs": both}),
        json.dumps({"events": events}),
        "\n".join(map(json.dumps, events)),
        "\n".join(map(json.dumps, wrapped)),
        as_yaml(*both),
        as_yaml(*both, between="---\n"),
        as_yaml(*both, between="```\n\nand then\n```yaml\n").replace("\nand then\n", "\n"),
        f"```\n{as_yaml(*both)}```\n",
        json.dumps([SECOND, FIRST]),
    ]


BARE = PASTED.removeprefix("```yaml\n").removesuffix("```\n")


@pytest.mark.parametrize(
    ("pasted", "passed_over"),
    [
        (f"Hi all, here is my debug log:\n\n{PASTED}\nAny ideas? It's odd: see above.\n", 2),
        (f"<details><summary>Log</summary>\n\n{PASTED}\n</details>", 2),
        (f"Hi all!\n{BARE}\n\nAny ideas?", 2),
        (f"Version: 2025.2\n\n{PASTED}", 0),
        (textwrap.indent(BARE, "    "), 0),
        (textwrap.indent(PASTED, "> ", lambda line: True), 0),
        (f"1. The log\n\n{textwrap.indent(PASTED, '   ')}", 1),
        (BARE[BARE.index("events:") : BARE.index("stt:")], 0),
    ],
)
def test_words_around_a_page_and_how_it_is_set_make_no_difference(
    pasted: str, passed_over: int
) -> None:
    text = import_log(pasted.splitlines())
    (turn,) = read_scenario(text).turns
    assert (turn.user.hypotheses, turn.expect_speech) == (("Call Meg.",), True)
    said = {0: "", 1: "1 line holds no message", 2: "2 lines hold no message"}[passed_over]
    assert said in text
    assert ("no message" in text) == bool(said)


def test_a_line_that_lost_its_indentation_is_named() -> None:
    broken = PASTED.replace("Do you mean Meg Jones\n", "Do you\nmean Meg Jones\n").splitlines()
    near = broken.index("mean Meg Jones") // 10
    with pytest.raises(ScenarioError, match=rf"log:{near}\d: not YAML"):
        import_log(broken)


@pytest.mark.parametrize("first", ["error: something odd", "started: 12:00", "run: 12"])
def test_a_log_of_json_may_begin_like_a_page(first: str) -> None:
    text = import_log([first, *map(json.dumps, FIRST["events"])])
    assert read_scenario(text).turns[0].user.hypotheses == ("call meg",)
    assert "1 line holds no message (line 1)" in text


@pytest.mark.parametrize("number", range(len(shapes())))
def test_one_run_or_several_in_any_usual_shape(number: int, tmp_path: Path) -> None:
    path = tmp_path / "debug.txt"
    path.write_text(shapes()[number], encoding="utf-8-sig")
    scenario = read_scenario(import_log(path))
    assert [turn.user.hypotheses for turn in scenario.turns] == [("call meg",), ("bauer",)]
    assert scenario.turns[0].reply is not None
    assert scenario.expects_speech(0)
    assert not scenario.expects_speech(1)


def test_a_run_that_another_conversation_began_is_no_answer() -> None:
    other = dump("bauer", "Calling.", "2025-02-18T21:33:40", asks=False, conversation="c2")
    assert "turn 2 did not answer turn 1" in import_log([json.dumps([FIRST, other])])
    assert "did not answer" not in import_log([json.dumps([FIRST, SECOND])])


def test_events_without_times_have_an_order() -> None:
    events = [*pipeline("call meg"), *pipeline("bauer", "Calling.", asks=False)]
    for event in events:
        event.pop("timestamp", None)
    scenario = read_scenario(import_log([json.dumps(events)]))
    assert [turn.user.hypotheses for turn in scenario.turns] == [("call meg",), ("bauer",)]


def test_a_run_that_failed_is_a_turn_as_far_as_it_came() -> None:
    failed = {"stage": "error", "run": {}, "events": [
        *FIRST["events"][:5], {"type": "error", "data": {"code": "x", "message": "canary"}},
    ]}  # fmt: skip
    (turn,) = read_scenario(import_log([json.dumps(failed)])).turns
    assert (turn.user.hypotheses, turn.reply) == (("call meg",), None)


def test_events_of_a_later_version_are_counted() -> None:
    later = {"type": "from-the-future", "data": {}, "timestamp": FIRST["events"][0]["timestamp"]}
    run = {**FIRST, "events": [*FIRST["events"], later]}
    assert "1 event is of no known type (line 1)" in import_log([json.dumps(run)])


def test_what_is_wrong_is_named_by_its_line_and_never_quoted() -> None:
    bad = PASTED.replace("tts_input: Do you", "tts_input: [canary] # Do you").splitlines()
    number = bad.index("  - type: tts-start") + 1
    with pytest.raises(ScenarioError, match=r"tts-start\.tts_input: must be a text") as caught:
        import_log(bad)
    assert caught.value.line == number
    assert "canary" not in str(caught.value)
    deep = as_yaml({"stage": "done", "events": [{"type": "x", "data": 7}]}).replace(
        "7", "[" * LOG_NESTING_MAX + "]" * LOG_NESTING_MAX
    )
    with pytest.raises(ScenarioError, match="NESTING_MAX"):
        import_log(deep.splitlines())
    envelope = {"event": {"header": {"namespace": "A", "name": "b"}, "payload": {}}}
    with pytest.raises(ScenarioError, match="both events of Assist and envelopes"):
        import_log([json.dumps(FIRST), json.dumps(envelope)], customer="amy")
    silent = {**intent_end("x", asks=False), "timestamp": "2025"}
    with pytest.raises(ScenarioError, match="holds no messages"):
        import_log([json.dumps(silent)])


@pytest.mark.parametrize("kind", sorted(USED))
def test_a_log_of_envelopes_and_of_turns_of_assist_is_refused(kind: str) -> None:
    step = None
    with suppress(EnvelopeError):  # a field is missing, so that the type is known
        step = hear(Dialogue("assist"), {"type": kind}, Sender("amy", "assist", 0))
    assert step is None or step.ignored is not Ignored.UNKNOWN
    header = {"namespace": "A", "name": "b", "messageId": "m", "dialogRequestId": "turn-1"}
    other = json.dumps({"event": {"header": header, "payload": {}}})
    with pytest.raises(ScenarioError, match="give each a log of its own"):
        import_log([json.dumps({"type": kind}), other], customer="amy")
