"""What the adapters make of messages that are wrong, unknown or too much: a reason, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import START_MS
from hypothesis import given, settings
from hypothesis import strategies as st
from protocols import FORMAT, REPLY, TURN, feed, intent_end, pipeline, send, sender, utterance

from ctxasr.errors import EnvelopeError, InputError, LimitExceeded
from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.gateway.protocols import assist, wyoming
from ctxasr.gateway.protocols.dialogue import (
    DIALOGUE_NAME_CHARS_MAX,
    Dialogue,
    Ignored,
    Sender,
    Step,
)
from ctxasr.gateway.protocols.forms import NESTING_MAX
from ctxasr.gateway.protocols.wyoming_frames import Message

CANARY = "canary\ud83d"
"""What no message may show; half a surrogate pair, which no store could take."""

Hear = Callable[[Dialogue, str, dict[str, Any]], Step]


def hear_assist(dialogue: Dialogue, kind: str, data: dict[str, Any]) -> Step:
    return assist.hear(dialogue, {"type": kind, "data": data}, sender())


def hear_wyoming(dialogue: Dialogue, kind: str, data: dict[str, Any]) -> Step:
    return wyoming.hear(dialogue, Message(kind, data), sender())


STARTED = feed(Dialogue("home"), pipeline("call meg")[:1])[0]
ONCE = feed(Dialogue("home"), pipeline("call meg"))[0]
OUTPUT = intent_end(REPLY, asks=True)["data"]["intent_output"]


@pytest.mark.parametrize(
    ("hear", "dialogue", "kind", "data", "reason"),
    [
        (hear_assist, ONCE, "from-the-future", {}, Ignored.UNKNOWN),
        (hear_assist, ONCE, "intent-progress", {}, Ignored.UNUSED),
        (hear_assist, ONCE, "error", {"code": "timeout", "message": CANARY}, Ignored.UNUSED),
        (hear_assist, Dialogue("home"), "stt-start", {}, Ignored.NO_TURN),
        (hear_assist, ONCE, "stt-start", {}, Ignored.REPEATED),
        (hear_assist, ONCE, "intent-end", {"intent_output": OUTPUT}, Ignored.REPEATED),
        (hear_assist, ONCE, "run-end", {}, Ignored.REPEATED),
        (hear_assist, STARTED, "stt-end", {"stt_output": {"text": " "}}, Ignored.EMPTY),
        (hear_assist, STARTED, "tts-end", {}, Ignored.EMPTY),
        (hear_wyoming, ONCE, "from-the-future", {}, Ignored.UNKNOWN),
        (hear_wyoming, ONCE, "synthesize-chunk", {"text": "Do"}, Ignored.UNUSED),
        (hear_wyoming, Dialogue("w"), "audio-chunk", FORMAT, Ignored.NO_TURN),
        (hear_wyoming, Dialogue("w"), "audio-stop", {}, Ignored.NO_TURN),
        (hear_wyoming, Dialogue("w"), "transcript", {"text": "hello"}, Ignored.NO_TURN),
        (hear_wyoming, ONCE, "synthesize", {"text": REPLY}, Ignored.REPEATED),
        (hear_wyoming, STARTED, "transcript", {"text": ""}, Ignored.EMPTY),
    ],
)
def test_what_leads_to_nothing_has_a_reason(
    hear: Hear, dialogue: Dialogue, kind: str, data: dict[str, Any], reason: Ignored
) -> None:
    step = hear(dialogue, kind, data)
    assert (step.records, step.ignored, step.dialogue) == ((), reason, dialogue)


@pytest.mark.parametrize(
    ("hear", "kind", "data", "field"),
    [
        (hear_assist, "", {}, "event.type"),
        (hear_assist, "run-start", {"conversation_id": 7}, "run-start.conversation_id"),
        (hear_assist, "run-start", {"conversation_id": "x" * 257}, "run-start.conversation_id"),
        (hear_assist, "run-start", {"conversation_id": CANARY}, "run-start.conversation_id"),
        (hear_assist, "stt-end", {"stt_output": None}, "stt-end.stt_output"),
        (hear_assist, "stt-end", {"stt_output": {"text": [CANARY]}}, "stt-end.stt_output.text"),
        (hear_assist, "stt-end", {"stt_output": {"text": CANARY}}, "text"),
        (hear_assist, "intent-start", {}, "intent-start.intent_input"),
        (hear_assist, "intent-end", {"intent_output": {}}, "intent-end.intent_output.response"),
        (
            hear_assist,
            "intent-end",
            {"intent_output": {**OUTPUT, "continue_conversation": CANARY}},
            "intent-end.intent_output.continue_conversation",
        ),
        (hear_assist, "tts-start", {"tts_input": {"x": CANARY}}, "tts-start.tts_input"),
        (hear_wyoming, "transcribe", {"context": CANARY}, "transcribe.context"),
        (hear_wyoming, "transcribe", {"language": 7}, "transcribe.language"),
        (hear_wyoming, "transcribe", {"transcript_names": CANARY}, "transcribe.transcript_names"),
        (hear_wyoming, "transcribe", {"transcript_terms": [7]}, "transcribe.transcript_terms.0"),
        (hear_wyoming, "ping", {"text": [CANARY]}, "ping.text"),
        (hear_wyoming, "handled", {"text": None}, "handled.text"),
        (hear_wyoming, "audio-start", {**FORMAT, "rate": 8_000}, "audio-start.rate"),
        (hear_wyoming, "audio-start", {**FORMAT, "width": True}, "audio-start.width"),
        (hear_wyoming, "audio-start", {"rate": 16_000, "width": 2}, "audio-start.channels"),
        (hear_wyoming, "transcript", {}, "transcript.text"),
        (hear_wyoming, "synthesize", {"text": CANARY}, "text"),
        (hear_wyoming, "handled", {"text": "x", "context": {"conversation_id": 1}}, "context"),
    ],
)
def test_what_is_malformed_is_named_without_its_text(
    hear: Hear, kind: str, data: dict[str, Any], field: str
) -> None:
    with pytest.raises(EnvelopeError) as caught:
        hear(STARTED, kind, data)
    assert field in str(caught.value)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_message_is_nested_only_so_deep() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"x": value}
        return value

    deepest = Message("ping", nested(NESTING_MAX))
    assert wyoming.hear(STARTED, deepest, sender()).answer is not None
    with pytest.raises(EnvelopeError, match="NESTING_MAX"):
        hear_wyoming(STARTED, "ping", nested(NESTING_MAX + 1))


@pytest.mark.parametrize(
    ("hear", "kind", "data"),
    [
        (hear_assist, "stt-end", lambda text: {"stt_output": {"text": text}}),
        (hear_assist, "tts-start", lambda text: {"tts_input": text}),
        (hear_wyoming, "transcript", lambda text: {"text": text}),
        (hear_wyoming, "handled", lambda text: {"text": text}),
    ],
)
def test_texts_are_bounded(hear: Hear, kind: str, data: Callable[[str], dict[str, Any]]) -> None:
    assert len(hear(STARTED, kind, data("é" * (TEXT_BYTES_MAX // 2))).records) == 1
    with pytest.raises(LimitExceeded, match=rf"{kind}\..*TEXT_BYTES_MAX"):
        hear(STARTED, kind, data("é" * (TEXT_BYTES_MAX // 2) + "x"))


def test_half_a_sample_is_refused() -> None:
    dialogue, _, _ = send(Dialogue("w"), utterance()[:2])
    with pytest.raises(EnvelopeError, match=r"audio-chunk\.payload"):
        wyoming.hear(dialogue, Message("audio-chunk", FORMAT, b"\0"), sender())


def test_a_dialogue_s_name_fits_into_an_id() -> None:
    name = "x" * DIALOGUE_NAME_CHARS_MAX
    _, records = feed(Dialogue(name, turns=10**15), pipeline("call meg"))
    assert len(records) == len(TURN)
    with pytest.raises(LimitExceeded, match="DIALOGUE_NAME_CHARS_MAX"):
        Dialogue(name + "x")
    for wrong in ("", "a b", "link#x", "é"):
        with pytest.raises(EnvelopeError, match=r"dialogue\.name"):
            Dialogue(wrong)


def test_the_sender_s_fields_are_checked_as_any_record_s() -> None:
    with pytest.raises(EnvelopeError, match="customer"):
        assist.hear(STARTED, {"type": "stt-start"}, Sender("", "kitchen", START_MS))


def test_no_repr_shows_what_was_said() -> None:
    heard = wyoming.transcribed(send(Dialogue("w"), utterance())[0], "canary", sender())
    assert "canary" not in repr((heard, heard.dialogue, heard.answer, heard.records))
    step = hear_assist(STARTED, "stt-end", {"stt_output": {"text": "canary"}})
    assert "canary" not in repr((step, step.dialogue))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = (
    "type data event text context conversation_id continue_conversation stt_output intent_output "
    "response speech plain tts_input intent_input rate width channels"
).split()


@given(
    kind=st.sampled_from(
        "event run-start stt-start stt-end intent-start intent-end tts-start tts-end run-end "
        "transcribe audio-start audio-chunk audio-stop transcript handled synthesize played".split()
    ),
    data=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
    extra=JSON,
)
@settings(max_examples=400, deadline=None)
def test_any_json_leads_to_records_a_reason_or_an_error(
    kind: str, data: dict[str, Any], extra: Any
) -> None:
    event, message = {"type": kind, "data": data, "event": extra}, Message(kind, data, b"\0\0")
    for dialogue in (Dialogue("home"), STARTED, ONCE):
        for protocol in (assist, wyoming):
            try:
                step: Step = (
                    assist.hear(dialogue, event, sender())
                    if protocol is assist
                    else wyoming.hear(dialogue, message, sender())
                )
            except InputError:
                continue
            assert len(step.records) <= 3
