"""Home Assistant's Assist: the events of its pipeline runs.

    run-start   {conversation_id: "c1"}                     a turn begins
    wake_word-start                                         what comes is no answer
    stt-start                                               SpeechRecognizer.Recognize
    stt-end     {stt_output: {text: "call meg"}}            ContextText.Utterance
    intent-end  {intent_output: {conversation_id: "c1",     ContextText.Reply
                  continue_conversation: true,              SpeechRecognizer.ExpectSpeech
                  response: {speech: {plain: {speech: "Meg Jones or Meg Bauer?"}}}}}
    tts-start   {tts_input: "Meg Jones or Meg Bauer?"}      ContextText.Reply, if none came
    tts-end     {tts_output: {...}}                         SpeechSynthesizer.SpeechStarted
    run-end                                                 InteractionModel.RequestProcessingC...

A typed run has no stt-end; its `intent_input` stands for the utterance. A pipeline does not say
when its reply has been played: the compute window stands on the estimate, and on the next run,
which is a barge-in if it comes earlier.

The text that the pipeline's own recogniser found comes with stt-end. To rescore it first, hand its
hypotheses to `on_utterance` with the Recognize that stt-start led to.

Source: "Assist pipelines", Home Assistant's developer documentation; `continue_conversation` as the
conversation result carries it. An event may come bare, {type, data}, or inside the WebSocket's
{id, type: "event", event}. A null means absent, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import StringConstraints

from ctxasr.envelopes import Reply, SpeechStarted
from ctxasr.gateway.protocols.dialogue import Dialogue, Ignored, Sender, Step, Telling
from ctxasr.gateway.protocols.forms import ConversationId, Form, read

USED: Final = frozenset({
    "run-start", "wake_word-start", "stt-start", "stt-end", "intent-start", "intent-end",
    "tts-start", "tts-end", "run-end",
})  # fmt: skip
"""Events that `hear` takes a record or a step from."""

UNUSED: Final = frozenset("wake_word-end stt-vad-start stt-vad-end intent-progress error".split())
"""Of the pipeline, but without use here; after an `error` comes run-end."""


class _RunStart(Form):
    conversation_id: ConversationId | None = None


class _SttOutput(Form):
    text: str


class _SttEnd(Form):
    stt_output: _SttOutput


class _IntentStart(Form):
    intent_input: str


class _Plain(Form):
    speech: str = ""


class _Speech(Form):
    plain: _Plain = _Plain()


class _Response(Form):
    speech: _Speech = _Speech()


class _IntentOutput(Form):
    response: _Response
    conversation_id: ConversationId | None = None
    continue_conversation: bool = False


class _IntentEnd(Form):
    intent_output: _IntentOutput


class _TtsStart(Form):
    tts_input: str


class _Event(Form):
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    data: dict[str, Any] | None = None


class _Wrapped(Form):
    event: dict[str, Any]


def hear(dialogue: Dialogue, event: Mapping[str, Any], sender: Sender) -> Step:
    """Take in one pipeline event.

    Raises:
        EnvelopeError: a field is missing or wrong; names it, never its text.
        LimitExceeded: a text is longer than TEXT_BYTES_MAX.
    """
    if event.get("type") == "event":
        event = read(_Wrapped, event, "message").event
    found = read(_Event, event, "event")
    tell, kind, data = Telling(dialogue, sender), found.type, found.data or {}
    ignored: Ignored | None = None
    match kind:
        case "run-start":
            tell.begin(read(_RunStart, data, kind).conversation_id or "")
        case "wake_word-start":
            tell.wake()
        case "stt-start":
            ignored = tell.hear()
        case "stt-end":
            text = read(_SttEnd, data, kind).stt_output.text
            ignored = tell.utter(text, "stt-end.stt_output.text")
        case "intent-start":
            text = read(_IntentStart, data, kind).intent_input
            ignored = tell.utter(text, "intent-start.intent_input")
        case "intent-end":
            output = read(_IntentEnd, data, kind).intent_output
            ignored = tell.reply(
                output.response.speech.plain.speech,
                "intent-end.intent_output.response.speech.plain.speech",
                asks=output.continue_conversation,
                conversation=output.conversation_id or "",
            )
        case "tts-start":
            text = read(_TtsStart, data, kind).tts_input
            ignored = tell.reply(text, "tts-start.tts_input", asks=False)
        case "tts-end":
            ignored = tell.play(SpeechStarted) if tell.told(Reply) else Ignored.EMPTY
        case "run-end":
            ignored = tell.complete()
        case _:
            ignored = Ignored.UNUSED if kind in UNUSED else Ignored.UNKNOWN
    return tell.step(ignored)
