"""The messages of made dialogues as Assist and Wyoming send them, for the adapters' tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from conftest import START_MS

from ctxasr.envelopes import ExpectSpeech, Recognize, token_of
from ctxasr.events import Record
from ctxasr.gateway.protocols import assist, wyoming
from ctxasr.gateway.protocols.dialogue import Dialogue, Sender
from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes

REPLY = "Do you mean Meg Jones or Meg Bauer?"


def sender(at_ms: int = 0) -> Sender:
    return Sender("customer", "kitchen", START_MS + at_ms)


def names(records: Iterable[Record]) -> list[str]:
    return [record.message.message.header.name for record in records]


def token(record: Record) -> str | None:
    body = record.message.message.payload
    assert isinstance(body, Recognize | ExpectSpeech)
    return token_of(body.initiator)


# ---------------------------------------------------------------- Assist


def intent_end(text: str, *, asks: bool, conversation: str | None = "c1") -> dict[str, Any]:
    speech = {"plain": {"speech": text, "extra_data": None}} if text else {}
    response = {"speech": speech, "language": "en", "response_type": "action_done", "card": {}}
    output = {
        "response": response, "conversation_id": conversation, "continue_conversation": asks,
    }  # fmt: skip
    return {"type": "intent-end", "data": {"processed_locally": True, "intent_output": output}}


def pipeline(
    said: str, reply: str = REPLY, *, asks: bool = True, conversation: str = "c1"
) -> list[dict[str, Any]]:
    """The events of one run in the order in which the pipeline sends them."""
    start = {
        "conversation_id": conversation, "language": "en", "pipeline": "01h",
        "runner_data": {"stt_binary_handler_id": 1, "timeout": 300},
    }  # fmt: skip
    return [
        {"type": "run-start", "data": start, "timestamp": "2026-01-01T00:00:00+00:00"},
        {"type": "stt-start", "data": {"engine": "stt.ctxasr", "metadata": {"channel": 1}}},
        {"type": "stt-vad-start", "data": {"timestamp": 90}},
        {"type": "stt-vad-end", "data": {"timestamp": 900}},
        {"type": "stt-end", "data": {"stt_output": {"text": said}}},
        {"type": "intent-start", "data": {"intent_input": said, "conversation_id": conversation}},
        {"type": "intent-progress", "data": {"chat_log_delta": {}}},
        intent_end(reply, asks=asks, conversation=conversation),
        {"type": "tts-start", "data": {"tts_input": reply, "engine": "tts.piper"}},
        {"type": "tts-end", "data": {"tts_output": {"url": "/api/tts_proxy/x.mp3"}}},
        {"type": "run-end", "data": None},
    ]


def feed(
    dialogue: Dialogue, events: Sequence[dict[str, Any]], at_ms: int = 0
) -> tuple[Dialogue, list[Record]]:
    records: list[Record] = []
    for event in events:
        step = assist.hear(dialogue, event, sender(at_ms))
        dialogue = step.dialogue
        records += step.records
    return dialogue, records


TURN = [
    "Recognize", "Utterance", "Reply", "ExpectSpeech", "SpeechStarted",
    "RequestProcessingCompleted",
]  # fmt: skip


# ---------------------------------------------------------------- Wyoming

FORMAT = {"rate": 16_000, "width": 2, "channels": 1, "timestamp": None}
ASKS: dict[str, Any] = {"conversation_id": "c1", "continue_conversation": True}


def utterance(
    audio: bytes = b"\1\0" * 8, more: bytes | None = None, **context: Any
) -> list[Message]:
    data = {"context": context} if context else {}
    return [
        Message("transcribe", {"name": None, "language": "en", **data}),
        Message("audio-start", FORMAT),
        Message("audio-chunk", FORMAT, audio),
        Message("audio-chunk", FORMAT, audio if more is None else more),
        Message("audio-stop", {"timestamp": None}),
    ]


def send(
    dialogue: Dialogue, messages: Sequence[Message], at_ms: int = 0
) -> tuple[Dialogue, list[Record], list[wyoming.Heard]]:
    """Over the wire, all in one buffer, as a peer may send them."""
    buffer = b"".join(map(to_bytes, messages))
    steps: list[wyoming.Heard] = []
    while read := read_message(buffer):
        buffer = buffer[read.size_bytes :]
        steps.append(wyoming.hear(dialogue, read.message, sender(at_ms)))
        dialogue = steps[-1].dialogue
    assert buffer == b""
    return dialogue, [record for step in steps for record in step.records], steps
