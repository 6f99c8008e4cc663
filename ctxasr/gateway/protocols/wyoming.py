"""Wyoming, the voice protocol of Home Assistant and Rhasspy: ctxasr as its speech-to-text.

    > transcribe   {context: {conversation_id: "c1"},      SpeechRecognizer.Recognize
                    transcript_names: ["Meg Bauer"]}       Heard.hints: what it may hold
    > audio-start  {rate: 16000, width: 2, channels: 1}
    > audio-chunk  ... payload                             Heard.audio, for the recogniser
    > audio-stop                                           Heard.spoken: the utterance is complete
    < transcript   {text: "call meg"}                      ContextText.Utterance
    > synthesize   {text: "Meg Jones or Meg Bauer?",       ContextText.Reply
                    context: {continue_conversation: true}}  SpeechRecognizer.ExpectSpeech
                                                           InteractionModel.RequestProcessingC...
    > played                                               SpeechSynthesizer.SpeechFinished
    > transcribe                                           Recognize, with the token of the turn

`context` is an object of the client's own in Wyoming; two keys of it are read here:
`conversation_id`, and `continue_conversation`: the microphone re-opens after this reply
(`handled`, `not-handled`, `synthesize`), or, if false, this is no answer (`transcribe`). A reply
without it does not ask. `detection` of a wake word also means that no answer comes. Where a turn
is `handled` and then synthesized, the first text counts. The `context` of a `transcript` has
`notes`, if anything is odd about the sound.

`transcript_names` and `transcript_terms` (since 1.10) bias their own utterance, names more than
terms; `info` says that they are understood. `ping` is answered with its `pong`, a `transcribe` in
a language that is not spoken with an `error`, and its sound is passed over. A null means absent.

Source: "Wyoming Protocol", the README of the wyoming project of the Open Home Foundation, and its
package, version 1.10.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from ctxasr import __version__
from ctxasr.envelopes import Recognize, SpeechFinished, Utterance
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.gateway.protocols.dialogue import Dialogue, Ignored, Sender, Step, Telling
from ctxasr.gateway.protocols.forms import ConversationId, F, Form, read
from ctxasr.gateway.protocols.wyoming_frames import Message
from ctxasr.hints import NO_HINTS, Hints, hints_of
from ctxasr.ports import RATE_HZ

WIDTH_BYTES: Final = 2
CHANNELS: Final = 1

AUDIO_BYTES_MAX: Final = 60 * RATE_HZ * WIDTH_BYTES * CHANNELS
"""Samples of one utterance: a minute, as for sound files."""

LANGUAGES: Final = ("en",)
"""What is spoken; a region behind it ("en-GB") makes no difference."""

LANGUAGE_ERROR: Final = "language-not-supported"
"""The code of the `error` that answers another language."""

INFO: Final[dict[str, Any]] = {
    "asr": [
        {
            "name": "ctxasr",
            "description": "Contextual speech recognition",
            "attribution": {"name": "ctxasr", "url": ""},
            "installed": True,
            "version": __version__,
            "supports_transcript_streaming": False,
            "requires_external_vad": True,
            "supports_transcript_names": True,
            "supports_transcript_terms": True,
            "models": [
                {
                    "name": "ctxasr-en",
                    "description": "English, rescored under the context of the dialogue",
                    "attribution": {"name": "ctxasr", "url": ""},
                    "installed": True,
                    "version": __version__,
                    "languages": list(LANGUAGES),
                }
            ],
        }
    ]
}
"""The answer to `describe`."""

UNUSED: Final = frozenset(
    "info transcript-start transcript-chunk transcript-stop synthesize-start synthesize-chunk "
    "synthesize-stop synthesize-stopped handled-start handled-chunk handled-stop voice-started "
    "voice-stopped detect not-detected recognize intent intents-start intents-stop not-recognized "
    "run-satellite pause-satellite satellite-connected satellite-disconnected streaming-started "
    "streaming-stopped run-pipeline error pong select-program user-event timer-started "
    "timer-updated timer-cancelled timer-finished".split()
)
"""Of the protocol, but without use here; streamed texts come once more as a whole."""


_NOBODY: Final = Sender("", "", 0)


class _Context(Form):
    conversation_id: ConversationId | None = None
    continue_conversation: bool | None = None


class _Transcribe(Form):
    language: str = ""
    context: _Context = _Context()
    transcript_names: list[str] | None = None
    transcript_terms: list[str] | None = None


class _Audio(Form):
    rate: Literal[16_000]
    width: Literal[2]
    channels: Literal[1]


class _Text(Form):
    text: str
    context: _Context = _Context()


class _Ping(Form):
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Heard(Step):
    """What one message led to.

    `audio` is 16-bit little-endian mono at 16 kHz, to be added to the utterance's; `spoken` says
    that the utterance is complete and `transcribed` is awaited; `answer` goes back to the peer.
    `hints` are what the peer says that the utterance may hold, of the message that opened it.
    """

    audio: bytes = b""
    spoken: bool = False
    answer: Message | None = None
    hints: Hints = NO_HINTS

    def __repr__(self) -> str:
        return f"Heard({len(self.records)} records, {len(self.audio)} bytes, {self.ignored!s})"


def hear(dialogue: Dialogue, message: Message, sender: Sender) -> Heard:
    """Take in one message.

    Raises:
        EnvelopeError: a field is missing or wrong; names it, never its text.
        LimitExceeded: a text is longer than TEXT_BYTES_MAX, an utterance than AUDIO_BYTES_MAX.
    """
    tell, kind = Telling(dialogue, sender), message.type
    ignored: Ignored | None = None
    match kind:
        case "describe" | "ping":
            return Heard(dialogue, answer=_answer(message))
        case "audio-start" | "audio-chunk" | "audio-stop" if dialogue.refused:
            ended = replace(dialogue, refused=kind != "audio-stop")
            return Heard(ended, ignored=Ignored.REFUSED)
        case "transcribe":
            return _transcribe(tell, _data(_Transcribe, message))
        case "detection":
            tell.wake()
        case "audio-start":
            _data(_Audio, message)
            if not _listens(tell):  # older clients send no `transcribe` before it
                tell.begin()
                ignored = tell.hear()
        case "audio-chunk":
            _data(_Audio, message)
            return _chunk(dialogue, message.payload)
        case "audio-stop":
            open_ = _listens(tell)
            return Heard(dialogue, spoken=open_, ignored=None if open_ else Ignored.NO_TURN)
        case "transcript":
            ignored = tell.utter(_data(_Text, message).text, "transcript.text")
        case "handled" | "not-handled" | "synthesize":
            ignored = _reply(tell, kind, _data(_Text, message))
        case "played":
            ignored = tell.play(SpeechFinished)
        case _:
            ignored = Ignored.UNUSED if kind in UNUSED else Ignored.UNKNOWN
    step = tell.step(ignored)
    return Heard(step.dialogue, step.records, step.ignored)


def _answer(message: Message) -> Message:
    """To what asks of the service, not of a turn."""
    if message.type == "describe":
        return Message("info", INFO)
    text = _data(_Ping, message).text
    return Message("pong", {} if text is None else {"text": text})


def _transcribe(tell: Telling, wanted: _Transcribe) -> Heard:
    """The utterance begins, if its language is spoken here."""
    language = re.split("[-_]", wanted.language)[0].lower()
    tell.dialogue = replace(tell.dialogue, refused=False)
    if language not in ("", "auto", *LANGUAGES):
        spoken = ", ".join(LANGUAGES)
        text = f"the language of transcribe is not spoken here; known is {spoken}"
        answer = Message("error", {"text": text, "code": LANGUAGE_ERROR})
        return Heard(replace(tell.dialogue, refused=True), ignored=Ignored.REFUSED, answer=answer)
    if wanted.context.continue_conversation is False:
        tell.wake()
    tell.begin(wanted.context.conversation_id or "")
    step = tell.step(tell.hear())
    hints = hints_of(wanted.transcript_names or (), wanted.transcript_terms or ())
    return Heard(step.dialogue, step.records, step.ignored, hints=hints)


def afresh(dialogue: Dialogue) -> Dialogue:
    """The dialogue for an utterance that begins now, without a `transcribe`.

    One that began before it, and whose peer has gone, is over: its sound belongs to nobody else.
    """
    half_heard = _listens(Telling(dialogue, _NOBODY))
    return replace(dialogue, refused=False, turn=None if half_heard else dialogue.turn)


def transcribed(dialogue: Dialogue, text: str, sender: Sender, notes: Sequence[str] = ()) -> Heard:
    """The utterance's text is known: its record, and the `transcript` for the peer.

    Also where nothing was said, and so nothing is recorded, the utterance is over. `notes` say what
    is odd about its sound.

    Raises:
        LimitExceeded: the text is longer than TEXT_BYTES_MAX.
    """
    conversation = dialogue.turn.conversation if dialogue.turn is not None else ""
    data: dict[str, Any] = {"text": text, "language": "en"}
    context = {"conversation_id": conversation, "notes": [*notes]}
    if any(context.values()):
        data["context"] = {key: value for key, value in context.items() if value}
    message = Message("transcript", data)
    heard = hear(dialogue, message, sender)
    turn = heard.dialogue.turn
    if turn is not None:
        turn = replace(turn, told=turn.told | {Utterance.full_name})
    return replace(heard, dialogue=replace(heard.dialogue, turn=turn), answer=message)


def _listens(tell: Telling) -> bool:
    """Whether audio that comes now belongs to the turn under way."""
    return tell.told(Recognize) and not tell.told(Utterance)


def _chunk(dialogue: Dialogue, audio: bytes) -> Heard:
    turn = dialogue.turn
    if turn is None or not _listens(Telling(dialogue, _NOBODY)):
        return Heard(dialogue, ignored=Ignored.NO_TURN)
    if len(audio) % WIDTH_BYTES:
        raise EnvelopeError("audio-chunk.payload: must be whole samples of 2 bytes")
    size = turn.audio_bytes + len(audio)
    if size > AUDIO_BYTES_MAX:
        raise LimitExceeded("AUDIO_BYTES_MAX", AUDIO_BYTES_MAX, size, "audio-chunk.payload")
    heard = replace(dialogue, turn=replace(turn, audio_bytes=size))
    return Heard(heard, audio=audio, ignored=None if audio else Ignored.EMPTY)


def _reply(tell: Telling, kind: str, said: _Text) -> Ignored | None:
    context = said.context
    ignored = tell.reply(
        said.text,
        f"{kind}.text",
        asks=bool(context.continue_conversation),
        conversation=context.conversation_id or "",
    )
    if kind == "synthesize":
        tell.complete()
    return ignored


def _data(form: type[F], message: Message) -> F:
    return read(form, message.data, message.type)
