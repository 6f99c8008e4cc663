"""Wyoming and Assist messages become the records that AVS clients send, and work as these do."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import World, run
from protocols import (
    ASKS,
    FORMAT,
    REPLY,
    TURN,
    feed,
    intent_end,
    names,
    pipeline,
    send,
    sender,
    token,
    utterance,
)

from ctxasr.answer import ContextState
from ctxasr.errors import LimitExceeded
from ctxasr.events import Outcome, TurnKey
from ctxasr.gateway.protocols import wyoming, wyoming_frames
from ctxasr.gateway.protocols.dialogue import ANSWER_MS, Dialogue
from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes
from ctxasr.timing import spoken_ms

# ---------------------------------------------------------------- Assist


def test_a_pipeline_run_is_a_turn() -> None:
    dialogue, records = feed(Dialogue("home"), pipeline("call meg"))
    assert names(records) == TURN
    assert {record.customer for record in records} == {"customer"}
    assert {record.device for record in records} == {"kitchen"}
    assert {r.message.message.header.dialog_request_id for r in records} == {"home-1"}
    assert token(records[0]) is None
    _, again = feed(Dialogue("home"), pipeline("call meg"))
    assert again == records, "the same messages give the same records"
    _, next_turn = feed(dialogue, pipeline("bauer", "Calling.", asks=False), at_ms=5_000)
    assert names(next_turn) == [name for name in TURN if name != "ExpectSpeech"]
    assert token(next_turn[0]) == token(records[3]) is not None


def test_assist_end_to_end_turns_power_into_bauer() -> None:
    world = World()

    async def main() -> None:
        dialogue, records = feed(Dialogue("home"), pipeline("call meg"))
        await world.deliver(records)
        assert (await world.status("home-1")).outcome is Outcome.EMBEDDED
        answer = pipeline("bauer", "Calling Meg Bauer.", asks=False)
        dialogue, records = feed(dialogue, answer, at_ms=4_000)
        result = await world.answer(records[0], "power", "bauer")
        assert (result.result.plain_text, result.result.text) == ("power", "bauer")
        assert result.context is ContextState.HIT
        await world.deliver(records)
        assert (await world.status("home-2")).outcome is Outcome.DISCARDED
        _, records = feed(dialogue, pipeline("call meg"), at_ms=60_000)
        result = await world.answer(records[0], "power", "bauer")
        assert (result.result.text, result.context) == ("power", ContextState.NONE)

    run(main())


def test_a_third_turn_still_knows_the_first() -> None:
    """Each turn has a token of its own: one for all of them would lead to the first for ever."""
    world = World()

    async def main() -> None:
        dialogue = Dialogue("home")
        for said, reply in (("call meg", REPLY), ("bauer", "Mobile or Work?")):
            dialogue, records = feed(dialogue, pipeline(said, reply))
            await world.deliver(records)
        known = [phrase.text for phrase in (await world.context("home-2")).phrases]
        assert {"mobile", "meg jones"} <= set(known)
        _, records = feed(dialogue, pipeline("work"))
        answer = await world.answer(records[0], "walk", "work")
        assert answer.listening.asked == TurnKey("customer", "home-2")
        assert answer.result.text == "work"

    run(main())


def lapse(at_ms: int, *, woken: bool = False, conversation: str = "c1") -> str | None:
    """The token of a run that begins `at_ms` after another one asked."""
    dialogue, _ = feed(Dialogue("home"), pipeline("call meg"))
    start, *rest = pipeline("bauer", conversation=conversation)
    wake: list[dict[str, Any]] = [{"type": "wake_word-start", "data": {"timeout": 3}}]
    _, records = feed(dialogue, [start, *(wake if woken else []), *rest], at_ms)
    return token(records[0])


def test_an_answer_belongs_to_the_conversation_and_comes_in_time() -> None:
    latest_ms = round(2 * spoken_ms(REPLY)) + ANSWER_MS
    assert lapse(0) is not None
    assert lapse(latest_ms) is not None
    assert lapse(latest_ms + 1) is None
    assert lapse(0, woken=True) is None
    assert lapse(0, conversation="c2") is None
    assert lapse(0, conversation="") is not None, "older pipelines do not say so early"


def test_a_question_is_answered_once() -> None:
    dialogue, _ = feed(Dialogue("home"), pipeline("call meg"))
    dialogue, first = feed(dialogue, pipeline("bauer", "Calling.", asks=False))
    _, second = feed(dialogue, pipeline("jones", "Calling.", asks=False))
    assert (token(first[0]) is None, token(second[0]) is None) == (False, True)


def test_a_typed_run_has_no_microphone_but_a_reply_that_may_ask() -> None:
    events = pipeline("call meg")
    typed = [event for event in events if not event["type"].startswith("stt")]
    dialogue, records = feed(Dialogue("home"), typed)
    assert names(records) == TURN[1:]
    assert dialogue.asked is not None


def test_a_reply_comes_with_the_speech_where_the_intent_has_none() -> None:
    events = pipeline("call meg")
    events[7] = intent_end("", asks=True)
    _, records = feed(Dialogue("home"), events)
    assert names(records) == [*TURN[:2], "ExpectSpeech", "Reply", *TURN[4:]]
    _, records = feed(Dialogue("home"), [e for e in events if e["type"] != "tts-start"])
    assert names(records) == [*TURN[:2], "ExpectSpeech", "RequestProcessingCompleted"]


def test_an_event_may_come_inside_its_websocket_message() -> None:
    wrapped = [{"id": 7, "type": "event", "event": event} for event in pipeline("call meg")]
    assert feed(Dialogue("home"), wrapped) == feed(Dialogue("home"), pipeline("call meg"))


# ---------------------------------------------------------------- Wyoming


def test_wyoming_end_to_end_turns_power_into_bauer() -> None:
    world = World()

    async def main() -> None:
        dialogue, records, steps = send(Dialogue("w"), utterance(conversation_id="c1"))
        assert names(records) == ["Recognize"]
        assert b"".join(step.audio for step in steps) == b"\1\0" * 16
        assert [step.spoken for step in steps] == [False] * 4 + [True]
        await world.deliver(records)

        heard = wyoming.transcribed(dialogue, "call meg", sender(1_000))
        await world.deliver(heard.records)
        assert heard.answer is not None
        assert read_message(to_bytes(heard.answer)) is not None
        assert (heard.answer.type, heard.answer.data) == (
            "transcript",
            {"text": "call meg", "language": "en", "context": {"conversation_id": "c1"}},
        )
        spoken = Message("synthesize", {"text": REPLY, "voice": {"name": "x"}, "context": ASKS})
        dialogue, records, _ = send(heard.dialogue, [spoken], 1_000)
        assert names(records) == ["Reply", "ExpectSpeech", "RequestProcessingCompleted"]
        await world.deliver(records)
        assert (await world.status("w-1")).outcome is Outcome.EMBEDDED

        dialogue, records, _ = send(dialogue, [Message("played"), *utterance(**ASKS)], 4_000)
        assert names(records) == ["SpeechFinished", "Recognize"]
        result = await world.answer(records[1], "power", "bauer")
        assert (result.result.plain_text, result.result.text) == ("power", "bauer")
        heard = wyoming.transcribed(dialogue, result.result.text, sender(5_000))
        assert heard.answer is not None
        assert heard.answer.data["text"] == "bauer"
        assert names(heard.records) == ["Utterance"]

    run(main())


def asked() -> Dialogue:
    dialogue, _, _ = send(Dialogue("w"), utterance(conversation_id="c1"))
    dialogue = wyoming.transcribed(dialogue, "call meg", sender()).dialogue
    return send(dialogue, [Message("handled", {"text": REPLY, "context": ASKS})])[0]


@pytest.mark.parametrize(
    ("before", "context", "answers"),
    [
        ([], {}, True),
        ([], {"conversation_id": "c1"}, True),
        ([], {"conversation_id": "c2"}, False),
        ([], {"conversation_id": "c1", "continue_conversation": False}, False),
        ([Message("detection", {"name": "okay_nabu"})], {}, False),
        ([Message("synthesize", {"text": REPLY})], {}, True),
    ],
)
def test_the_context_of_transcribe_tells_an_answer(
    before: list[Message], context: dict[str, Any], answers: bool
) -> None:
    _, records, _ = send(asked(), [*before, *utterance(**context)])
    (recognize,) = [record for record in records if names([record]) == ["Recognize"]]
    assert (token(recognize) is not None) == answers


def test_audio_without_transcribe_opens_a_turn() -> None:
    dialogue, records, steps = send(Dialogue("w"), utterance()[1:])
    assert (names(records), dialogue.turns) == (["Recognize"], 1)
    assert steps[-1].spoken
    dialogue = wyoming.transcribed(dialogue, "hello", sender()).dialogue
    dialogue, records, _ = send(dialogue, utterance()[1:])
    assert (names(records), dialogue.turns) == (["Recognize"], 2)


def test_describe_is_answered_with_what_is_here() -> None:
    step = wyoming.hear(Dialogue("w"), Message("describe"), sender())
    assert step.answer is not None
    (program,) = step.answer.data["asr"]
    assert (program["name"], program["models"][0]["languages"]) == ("ctxasr", ["en"])
    assert (step.records, step.dialogue) == ((), Dialogue("w"))


def test_a_ping_gets_its_pong() -> None:
    for data, pong in (({"text": "a"}, {"text": "a"}), ({"text": None}, {}), ({}, {})):
        step = wyoming.hear(Dialogue("w"), Message("ping", data), sender())
        assert step.answer == Message("pong", pong)
        assert (step.records, step.dialogue) == ((), Dialogue("w"))


def test_names_and_terms_come_with_the_utterance_that_they_open() -> None:
    wanted = {"transcript_names": ["Meg Bauer", None], "transcript_terms": ["dim"]}
    _, records, steps = send(Dialogue("w"), [Message("transcribe", wanted), *utterance()[1:]])
    assert names(records) == ["Recognize"]
    signals = {phrase.text: phrase.signal for phrase in steps[0].hints.phrases}
    assert (signals["meg bauer"], signals["dim"]) == ("transcript_names", "transcript_terms")
    assert not any(step.hints.phrases for step in steps[1:])


def test_a_language_that_is_not_spoken_is_an_error_and_its_sound_is_passed_over() -> None:
    german = [Message("transcribe", {"language": "de-AT"}), *utterance()[1:]]
    dialogue, records, steps = send(asked(), german)
    assert records == []
    assert steps[0].answer is not None
    assert (steps[0].answer.type, steps[0].answer.data["code"]) == ("error", wyoming.LANGUAGE_ERROR)
    assert not any(step.audio or step.spoken or step.answer for step in steps[1:])
    assert dialogue == asked(), "the question is still open"
    _, records, _ = send(dialogue, utterance()[1:])
    assert token(records[0]) is not None, "an utterance after it is heard again"
    _, records, _ = send(steps[0].dialogue, utterance())
    assert token(records[0]) is not None, "also where no sound of the refused one came"


def with_nulls(value: Any) -> Any:
    """The same message as Home Assistant may write it: null for what it has nothing to say of."""
    if isinstance(value, list):
        return [*map(with_nulls, value), None]
    if not isinstance(value, dict):
        return value
    absent = {
        "conversation_id": None, "continue_conversation": None, "context": None, "language": None,
        "transcript_names": None, "transcript_terms": None, "extra_data": None, "card": None,
    }  # fmt: skip
    return absent | {key: with_nulls(one) for key, one in value.items()}


def test_a_null_means_absent_at_every_depth() -> None:
    plain, told = pipeline("call meg"), feed(Dialogue("home"), pipeline("call meg"))
    assert feed(Dialogue("home"), [with_nulls(event) for event in plain]) == told
    quiet = [intent_end("", asks=False, conversation=None)]
    for empty in (
        {"speech": None},
        {"speech": {"plain": None}},
        {"speech": {"plain": {"speech": None}}},
    ):
        quiet[0]["data"]["intent_output"] |= {"response": empty, "continue_conversation": None}
        dialogue, records = feed(Dialogue("home"), [*plain[:6], *quiet, *plain[8:]])
        assert names(records) == [name for name in TURN if name != "ExpectSpeech"]
        assert dialogue.asked is None
    spoken = [
        *utterance(conversation_id="c1"), Message("transcript", {"text": "call meg"}),
        Message("synthesize", {"text": REPLY, "context": ASKS}), *utterance(),
    ]  # fmt: skip
    nulls = [Message(one.type, with_nulls(one.data), one.payload) for one in spoken]
    assert send(Dialogue("w"), nulls)[:2] == send(Dialogue("w"), spoken)[:2]


def test_an_utterance_is_a_minute_at_most() -> None:
    size = wyoming_frames.PAYLOAD_BYTES_MAX
    dialogue, _, _ = send(Dialogue("w"), utterance(b"")[:2])
    for _ in range(wyoming.AUDIO_BYTES_MAX // size):
        dialogue = wyoming.hear(
            dialogue, Message("audio-chunk", FORMAT, bytes(size)), sender()
        ).dialogue
    rest = wyoming.AUDIO_BYTES_MAX % size
    full = wyoming.hear(dialogue, Message("audio-chunk", FORMAT, bytes(rest)), sender()).dialogue
    with pytest.raises(LimitExceeded, match="AUDIO_BYTES_MAX"):
        wyoming.hear(full, Message("audio-chunk", FORMAT, bytes(2)), sender())
