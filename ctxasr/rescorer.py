"""Rescore what any recogniser heard by what was just asked, without a store and without a service.

    from ctxasr import Rescorer

    rescorer = Rescorer()
    heard = ["meg power", "meg bower"]
    answer = rescorer.rescore(heard, reply="Do you mean Meg Jones or Meg Bauer?")
    print(answer.text)  # meg bauer

With the sound of the answer the few likeliest texts are scored against it before anything changes:

    rescorer = Rescorer(recogniser="whisper")
    answer = rescorer.rescore(audio="bauer.flac", reply="Do you mean Meg Jones or Meg Bauer?")

Each call stands for itself: what was asked is given as plain strings, and nothing is kept of it but
how names sound (`forget` lets go of that).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ctxasr.app import RECOGNISER, default_aligner, default_encoder, default_recognizer
from ctxasr.errors import InputError
from ctxasr.events import TurnText
from ctxasr.gateway.requests import recognition_of
from ctxasr.hypotheses import Change, Recognition, Result
from ctxasr.ports import ContextEncoder, PhraseAligner, Samples
from ctxasr.scenario.complaints import first_of
from ctxasr.scenario.nbest import NBest
from ctxasr.scenario.utterance import TurnBefore, rescored
from ctxasr.speech.recognisers import checked_spec, scorer_of

Names = Sequence[str] | Mapping[str, Sequence[str]]
"""Names alone, or by what they are: {"contact": ["Meg Jones", "Meg Bauer"]}."""

Sound = str | PathLike[str] | Samples
"""A sound file, or 16-bit mono samples, RATE_HZ a second, (n,)."""

KIND: Final = "option"
"""What names are that come without a kind."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """The text, the recogniser's own, and why they differ.

    `left_out` names had no room, `unpronounceable` ones have no sound in English.
    """

    result: Result
    left_out: int = 0
    unpronounceable: int = 0

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Rescored({len(self.changes)} changes)"

    @property
    def text(self) -> str:
        """What was probably said."""
        return self.result.text

    @property
    def plain_text(self) -> str:
        """The first hypothesis, to the letter."""
        return self.result.plain_text

    @property
    def changes(self) -> tuple[Change, ...]:
        """The spans that differ, each with the phrase and the signal that caused it."""
        return self.result.changes

    def to_json(self) -> dict[str, Any]:
        """The object that `ctxasr rescore --json` prints."""
        return {
            "text": self.text,
            "plain_text": self.plain_text,
            "changes": [change.to_json() for change in self.changes],
            "left_out": self.left_out,
            "unpronounceable": self.unpronounceable,
        }


class Rescorer:
    """Holds the encoder and the dictionary; threads and tasks may share one."""

    def __init__(
        self,
        *,
        recogniser: str = RECOGNISER,
        encoder: ContextEncoder | None = None,
        aligner: PhraseAligner | None = None,
    ) -> None:
        """By default with the weights and the dictionary of the package.

        `recogniser`, NAME[:ARGUMENT] as on the command line, hears sounds; it is loaded with the
        first of them.

        Raises:
            MissingPart: torch or the dictionary is not installed.
            InputError: there is no such recogniser.
        """
        self._recogniser = recogniser
        checked_spec(recogniser)
        self._encoder = encoder or default_encoder()
        self._aligner = aligner or default_aligner()

    def rescore(
        self,
        hypotheses: Sequence[str | tuple[str, float]] | Recognition | None = None,
        **asked: Any,
    ) -> Rescored:
        """`arescore`, for callers without an event loop.

        >>> rescorer = Rescorer()
        >>> rescorer.rescore(["meg bower"], entities=["Meg Bauer"]).text
        'meg bauer'

        Raises:
            InputError: as `arescore`.
            RuntimeError: an event loop runs in this thread; await `arescore` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.arescore(hypotheses, **asked))
        raise RuntimeError("an event loop runs in this thread; await arescore(...) there")

    async def arescore(
        self,
        hypotheses: Sequence[str | tuple[str, float]] | Recognition | None = None,
        *,
        audio: Sound | None = None,
        utterance: str = "",
        reply: str = "",
        entities: Names = (),
        screen: Sequence[str] = (),
        slot: str = "",
    ) -> Rescored:
        """The most probable text of an n-best list, best first, after what was asked.

        A hypothesis is a text, or a text and its log probability; or all of them are a recognition,
        as `speech.outputs` reads it from other recognisers' files. `audio` is the sound of the
        answer, a file or 16-bit mono samples at 16 kHz: where the recogniser can score texts
        against it, it does, and without hypotheses its own are taken. `utterance` is what the
        customer had said before, `reply` what the assistant asked, `entities` the names on offer,
        `screen` what is shown, `slot` what is asked for. Where nothing was asked the text is the
        first hypothesis, to the letter.

        Raises:
            InputError: something of it is no text or too long; says which. Or there are neither
                hypotheses nor a sound.
            AudioError: the sound cannot be read.
        """
        if hypotheses is None and audio is None:
            raise InputError("neither hypotheses nor audio; give what was heard, or its sound")
        listed = entities if isinstance(entities, Mapping) else {KIND: entities}
        given = {
            "utterance": utterance,
            "reply": reply,
            "entities": [
                {"kind": kind, "values": list(values)} for kind, values in listed.items() if values
            ],
            "screen": list(screen),
        }
        try:
            recognition = _recognition_of(hypotheses)
            turn = TurnBefore.model_validate(given | ({"slot": slot} if slot else {}))
        except ValidationError as error:
            raise InputError(": ".join(first_of(error))) from None
        return await self.after(recognition, turn.to_turn_text(), audio)

    async def after(
        self, recognition: Recognition, turn: TurnText, audio: Sound | None = None
    ) -> Rescored:
        """The same of what was checked already."""
        scorer = None
        if audio is not None:
            recognizer = default_recognizer(self._recogniser)
            own = await recognizer.recognize(await asyncio.to_thread(_samples_of, audio))
            scorer = scorer_of(recognizer)
            hypotheses = recognition.hypotheses or own.hypotheses
            recognition = replace(own, hypotheses=hypotheses)
        if turn == TurnText("", ""):  # not even an everyday answer is expected
            return Rescored(Result(recognition.plain, recognition.plain))
        result, context = await rescored(recognition, turn, self._encoder, self._aligner, scorer)
        return Rescored(result, context.left_out, context.unpronounceable)

    def forget(self) -> None:
        """Let go of how names sound."""
        self._aligner.forget()


def _recognition_of(
    hypotheses: Sequence[str | tuple[str, float]] | Recognition | None,
) -> Recognition:
    if isinstance(hypotheses, Recognition):
        return hypotheses
    pairs = [(one, 0.0) if isinstance(one, str) else one for one in hypotheses or ()]
    heard = NBest.model_validate(
        {"hypotheses": [{"text": text, "score": score} for text, score in pairs]}
    )
    return recognition_of(heard.hypotheses)


def _samples_of(audio: Sound) -> Samples:
    if isinstance(audio, str | PathLike):
        from ctxasr.speech.audio import load_samples

        return load_samples(Path(audio)).samples
    if getattr(audio, "ndim", 0) != 1 or str(getattr(audio, "dtype", "")) != "int16":
        raise InputError("audio: neither a path nor a row of 16-bit samples (numpy, int16, mono)")
    return audio
