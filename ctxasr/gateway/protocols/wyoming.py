"""Wyoming, the voice protocol of Home Assistant and Rhasspy: ctxasr as its speech-to-text.

    > transcribe   {context: {conversation_id: "c1"}}      SpeechRecognizer.Recognize
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
is `handled` and then synthesized, the first text counts.

Source: "Wyoming Protocol", the README of the wyoming project of the Open Home Foundation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ctxasr import __version__
from ctxasr.envelopes import Recognize, SpeechFinished, Utterance, describe
from ctxasr.errors import EnvelopeError, LimitExceeded
from ctxasr.gateway.protocols.dialogue import Dialogue, Ignored, Sender, Step, Telling
from ctxasr.gateway.protocols.wyoming_frames import Message

RATE_HZ: Final = 16_000
WIDTH_BYTES: Final = 2
CHANNELS: Final = 1

AUDIO_BYTES_MAX: Final = 60 * RATE_HZ * WIDTH_BYTES * CHANNELS
"""Samples of one utterance: a minute, as for sound files."""

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
            "models": [
                {
                    "name": "ctxasr-en",
                    "description": "English, rescored under the context of the dialogue",
                    "attribution": {"name": "ctxasr", "url": ""},
                    "installed": True,
                    "version": __version__,
                    "languages": ["en"],
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
    "streaming-stopped run-pipeline error ping pong select-program user-event timer-started "
    "timer-updated timer-cancelled timer-finished".split()
)
"""Of the protocol, but without use here; streamed texts come once more as a whole."""


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"{type(self).__name__}(...)"

    __str__ = __repr__


class _Context(_Data):
    conversation_id: Annotated[str, StringConstraints(max_length=256)] | None = None
    continue_conversation: bool | None = None


class _Transcribe(_Data):
    context: _Context | None = None


class _Audio(_Data):
    rate: Literal[16_000]
    width: Literal[2]
    channels: Literal[1]


class _Text(_Data):
    text: str
    context: _Context | None = None


D = TypeVar("D", bound=_Data)


@dataclass(frozen=True, slots=True)
class Heard(Step):
    """What one message led to.

    `audio` is 16-bit little-endian mono at 16 kHz, to be added to the utterance's; `spoken` says
    that the utterance is complete and `transcribed` is awaited; `answer` goes back to the peer.
    """

    audio: bytes = b""
    spoken: bool = False
    answer: Message | None = None

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
        case "describe":
            return Heard(dialogue, answer=Message("info", INFO))
        case "transcribe":
            context = _data(_Transcribe, message).context or _Context()
            if context.continue_conversation is False:
                tell.wake()
            tell.begin(context.conversation_id or "")
            ignored = tell.hear()
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


def transcribed(dialogue: Dialogue, text: str, sender: Sender) -> Heard:
    """The utterance's text is known: its record, and the `transcript` for the peer.

    Raises:
        LimitExceeded: the text is longer than TEXT_BYTES_MAX.
    """
    conversation = dialogue.turn.conversation if dialogue.turn is not None else ""
    data: dict[str, Any] = {"text": text, "language": "en"}
    if conversation:
        data["context"] = {"conversation_id": conversation}
    message = Message("transcript", data)
    return replace(hear(dialogue, message, sender), answer=message)


def _listens(tell: Telling) -> bool:
    """Whether audio that comes now belongs to the turn under way."""
    return tell.told(Recognize) and not tell.told(Utterance)


def _chunk(dialogue: Dialogue, audio: bytes) -> Heard:
    turn = dialogue.turn
    if turn is None or not _listens(Telling(dialogue, Sender("", "", 0))):
        return Heard(dialogue, ignored=Ignored.NO_TURN)
    if len(audio) % WIDTH_BYTES:
        raise EnvelopeError("audio-chunk.payload: must be whole samples of 2 bytes")
    size = turn.audio_bytes + len(audio)
    if size > AUDIO_BYTES_MAX:
        raise LimitExceeded("AUDIO_BYTES_MAX", AUDIO_BYTES_MAX, size, "audio-chunk.payload")
    heard = replace(dialogue, turn=replace(turn, audio_bytes=size))
    return Heard(heard, audio=audio, ignored=None if audio else Ignored.EMPTY)


def _reply(tell: Telling, kind: str, said: _Text) -> Ignored | None:
    context = said.context or _Context()
    ignored = tell.reply(
        said.text,
        f"{kind}.text",
        asks=bool(context.continue_conversation),
        conversation=context.conversation_id or "",
    )
    if kind == "synthesize":
        tell.complete()
    return ignored


def _data(form: type[D], message: Message) -> D:
    try:
        return form.model_validate(message.data)
    except ValidationError as error:
        raise EnvelopeError(f"{message.type}.{describe(error)}") from None
