"""One utterance of a corpus: who said what, after which question, and its sound or its n-best list.

A folder of a made corpus holds one a line in `utterances.jsonl`:

    {"id": "names-0001", "corpus": "names", "speaker": "flite:awb", "reference": "aaron allen",
     "audio": "audio/names-0001.flac", "asked": {"reply": "What is your name?"}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ctxasr.documents import describe, parse_json
from ctxasr.errors import DataError, EnvelopeError, LimitExceeded
from ctxasr.events import Entity, TurnText

UTTERANCES_FILE: Final = "utterances.jsonl"

LINE_BYTES_MAX: Final = 100_000
"""One line: a question with hundreds of names has room."""

UTTERANCES_MAX: Final = 100_000
"""Of one corpus."""

Scored = Literal["words", "slots"]
"""Word errors against a transcript; or words of the slots that are not heard."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """`heard` is what a recogniser made of it, best first, where there is no `audio`.

    `also` holds texts that are as right as the reference; `sort` what the answer has to do with
    what was offered, where a corpus says so.
    """

    id: str
    corpus: str
    reference: str
    asked: TurnText
    speaker: str = ""
    audio: Path | None = None
    heard: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    sort: str = ""
    scored: Scored = "words"

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Utterance({self.corpus})"

    @property
    def options(self) -> tuple[str, ...]:
        """The names on offer, as the asking turn has them."""
        return (*(entity.text for entity in self.asked.entities), *self.asked.screen)

    @property
    def group(self) -> str:
        """What intervals are resampled by: the speaker; the dialogue where each is its own."""
        return self.id if self.corpus == "followups" or not self.speaker else self.speaker


class _Strictly(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Named(_Strictly):
    kind: str
    values: tuple[str, ...]


class _Asked(_Strictly):
    """As a context file of `ctxasr recognise` has it."""

    utterance: str = ""
    reply: str = ""
    entities: tuple[_Named, ...] = ()
    screen: tuple[str, ...] = ()
    slot: str = ""


class _Line(_Strictly):
    id: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]
    corpus: Annotated[str, Field(pattern=r"^[\w-]{1,40}$")]
    reference: str
    audio: str | None = None
    heard: tuple[str, ...] = ()
    asked: _Asked = _Asked()
    speaker: str = ""
    also: tuple[str, ...] = ()
    sort: str = ""
    scored: Scored = "words"
    noise: str = ""
    snr_db: float | None = None
    says: str = ""

    @field_validator("audio")
    @classmethod
    def _stays_inside(cls, path: str | None) -> str | None:
        if path is not None and (PurePosixPath(path).is_absolute() or ".." in path.split("/")):
            raise ValueError("leads out of the corpus's folder")
        return path


def read_folder(folder: Path) -> list[Utterance]:
    """The utterances of a made corpus, in their order.

    Raises:
        DataError: names file, line and field.
        LimitExceeded: more than UTTERANCES_MAX, or a line longer than LINE_BYTES_MAX.
    """
    path = folder / UTTERANCES_FILE
    found = list(_read(path, folder))
    seen: set[str] = set()
    for number, utterance in enumerate(found, start=1):
        if utterance.id in seen:
            raise DataError(f"{path}:{number}: id: stands there twice; each utterance has its own")
        seen.add(utterance.id)
    return found


def _read(path: Path, folder: Path) -> Iterator[Utterance]:
    try:
        with path.open("rb") as lines:
            for number, data in enumerate(lines, start=1):
                if number > UTTERANCES_MAX:
                    raise LimitExceeded("UTTERANCES_MAX", UTTERANCES_MAX, number, str(path))
                yield _utterance(data, f"{path}:{number}", folder)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; `ctxasr corpus make` makes such a folder"
        ) from None


def _utterance(data: bytes, where: str, folder: Path) -> Utterance:
    try:
        line = _Line.model_validate(parse_json(data, where, "LINE_BYTES_MAX", LINE_BYTES_MAX))
    except EnvelopeError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        raise DataError(f"{where}: {describe(error)}") from None
    if line.audio is None and not line.heard:
        raise DataError(f"{where}: needs 'audio' or 'heard', something to recognise")
    entities = tuple(Entity(one.kind, value) for one in line.asked.entities for value in one.values)
    asked = TurnText(
        line.asked.utterance, line.asked.reply, entities, line.asked.screen, line.asked.slot
    )
    return Utterance(
        line.id,
        line.corpus,
        line.reference,
        asked,
        line.speaker,
        None if line.audio is None else folder / line.audio,
        line.heard,
        line.also,
        line.sort,
        line.scored,
    )


def to_line(utterance: Utterance, folder: Path, **more: Any) -> str:
    """The line that `read_folder` reads; `more` says how it was made."""
    asked = utterance.asked
    by_kind: dict[str, list[str]] = {}
    for entity in asked.entities:
        by_kind.setdefault(entity.kind, []).append(entity.text)
    said = {
        "utterance": asked.utterance,
        "reply": asked.reply,
        "entities": [{"kind": kind, "values": values} for kind, values in by_kind.items()],
        "screen": list(asked.screen),
        "slot": asked.slot,
    }
    line = {
        "id": utterance.id,
        "corpus": utterance.corpus,
        "speaker": utterance.speaker,
        "reference": utterance.reference,
        "also": list(utterance.also),
        "audio": utterance.audio and utterance.audio.relative_to(folder).as_posix(),
        "heard": list(utterance.heard),
        "asked": {key: value for key, value in said.items() if value},
        "sort": utterance.sort,
    } | more
    return json.dumps({key: value for key, value in line.items() if value}, ensure_ascii=False)
