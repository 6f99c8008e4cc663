"""One utterance by itself: a sound file, and a file that says what the assistant had just asked.

    reply: Do you mean Meg Jones or Meg Bauer?
    entities:
      - kind: contact
        values: [Meg Jones, Meg Bauer]

The context is embedded directly; no store, no events, no deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from ctxasr.errors import ScenarioError
from ctxasr.events import ENTITIES_MAX, SERVICE_PAYLOADS_MAX, TurnText
from ctxasr.hypotheses import Recognition, Result
from ctxasr.scenario.base import Strictly
from ctxasr.scenario.complaints import causes, message_of
from ctxasr.scenario.model import EntityList
from ctxasr.scenario.source import read_source
from ctxasr.scenario.values import Identifier, Phrase
from ctxasr.scenario.values import Text as Words

if TYPE_CHECKING:
    from rich.console import Console

    from ctxasr.context import ContextEmbedding
    from ctxasr.ports import AcousticScorer, ContextEncoder, PhraseAligner
    from ctxasr.speech.audio import LoadedAudio


class TurnBefore(Strictly):
    """The turn that asked: what the customer had said, and what the assistant answered."""

    utterance: Words = ""
    reply: Words = ""
    entities: Annotated[tuple[EntityList, ...], Field(max_length=SERVICE_PAYLOADS_MAX)] = ()
    screen: Annotated[tuple[Phrase, ...], Field(max_length=ENTITIES_MAX)] = ()
    slot: Identifier | None = None

    def to_turn_text(self) -> TurnText:
        return TurnText(
            utterance=self.utterance,
            reply=self.reply,
            entities=tuple(entity for listed in self.entities for entity in listed.entities),
            screen=self.screen,
            slot=self.slot or "",
        )


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was heard in one sound file, and what the context made of it."""

    recognition: Recognition
    result: Result
    notes: tuple[str, ...]
    """What was converted to get 16 kHz mono, what is missing, and whether there was speech."""
    left_out: int = 0
    """Names that the context had no room for."""
    unpronounceable: int = 0
    """Names without a sound in English, or without a letter: they are never heard."""

    def to_json(self, n_best: int = 0) -> dict[str, Any]:
        """The object that `ctxasr recognise --json` prints."""
        heard = self.recognition.hypotheses[:n_best]
        return {
            "plain_text": self.result.plain_text,
            "text": self.result.text,
            "changes": [change.to_json() for change in self.result.changes],
            "duration_s": round(self.recognition.duration_s, 3),
            "notes": list(self.notes),
            "left_out": self.left_out,
            "unpronounceable": self.unpronounceable,
            "hypotheses": [{"text": h.text, "score": round(h.score, 3)} for h in heard],
        }


def load_context(path: Path) -> TurnText:
    """Read a context file, YAML or JSON; unknown keys are refused.

    Raises:
        ScenarioError: names file, line and field.
    """
    source = read_source(path)
    known = ", ".join(TurnBefore.model_fields)
    if not isinstance(source.value, dict) or not source.value:
        line = source.line_of("")
        message = f"must be a mapping with some of the keys {known}"
        raise ScenarioError(message, file=source.file, line=line)
    try:
        return TurnBefore.model_validate(source.value).to_turn_text()
    except ValidationError as error:
        found = []
        for details in causes(error):
            loc = [str(part) for part in details["loc"]]
            loc += filter(None, str(details.get("ctx", {}).get("at", "")).split("."))
            unknown = details["type"] == "extra_forbidden"
            names = ", ".join(EntityList.model_fields) if len(loc) > 1 else known
            message = f"unknown key; known here: {names}" if unknown else message_of(details)
            found.append((source.line_of(".".join(loc)), ".".join(loc), message))
        line, field, message = min(found)
        raise ScenarioError(message, file=source.file, line=line, field=field) from None


def print_recognised(found: Recognised, console: Console, n_best: int = 0) -> None:
    """The plain text, what the context changed, and why; `n_best` hypotheses below."""
    from rich.table import Table
    from rich.text import Text

    from ctxasr.report.terminal import counted_names, mark_differences

    plain, text = found.result.plain_text, found.result.text
    rows = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    rows.add_row("plain", Text(plain or "(nothing heard)"))
    rows.add_row("text", "the same" if text == plain else mark_differences(plain, text))
    for change in found.result.changes:
        rows.add_row("", Text(f"{change.after} from '{change.phrase}' ({change.signal})"))
    for rank, heard in enumerate(found.recognition.hypotheses[:n_best], 1):
        rows.add_row(f"{rank}", Text(heard.text))
    for note in found.notes:
        rows.add_row("audio", Text(note))
    for line in counted_names(found.left_out, found.unpronounceable):
        rows.add_row("names", Text(line))
    console.print(rows)


async def recognise_utterance(
    audio: LoadedAudio, context: TurnText | None, recogniser: str
) -> Recognised:
    """Recognise one utterance under what was asked before it; without, the plain result.

    `recogniser` is a NAME[:ARGUMENT].
    """
    from ctxasr.app import default_aligner, default_encoder, default_recognizer
    from ctxasr.speech.recognisers import scorer_of

    recognizer = default_recognizer(recogniser)
    recognition = await recognizer.recognize(audio.samples)
    notes = audio.notes_with(recognition)
    if context is None:
        return Recognised(recognition, Result(recognition.plain, recognition.plain), notes)
    result, embedding = await rescored(
        recognition, context, default_encoder(), default_aligner(), scorer_of(recognizer)
    )
    counts = embedding.left_out, embedding.unpronounceable
    return Recognised(recognition, result, notes, *counts)


async def rescored(
    recognition: Recognition,
    turn: TurnText,
    encoder: ContextEncoder,
    aligner: PhraseAligner,
    scorer: AcousticScorer | None = None,
) -> tuple[Result, ContextEmbedding]:
    """What was heard, under the turn that asked, and the context that this turn makes by itself."""
    from ctxasr.answer import bias_in
    from ctxasr.context import extend
    from ctxasr.rescore import rescore

    embedding = await extend(turn, None, encoder)
    return await rescore(recognition, bias_in(embedding), aligner, scorer), embedding
