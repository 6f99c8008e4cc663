"""`ctxasr rescore`: what any recogniser heard, utterance by utterance."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ctxasr.cli.shared import (
    STANDARD_INPUT,
    AsJson,
    Recogniser,
    piped,
    settings_from,
    stoppable,
)
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Format(StrEnum):
    """As in `speech.outputs.formats`, which is too heavy to import for `--help`."""

    JSONL = "jsonl"
    WHISPER = "whisper"
    VOSK = "vosk"
    TRANSCRIBE = "transcribe"
    DEEPGRAM = "deepgram"
    GOOGLE = "google"
    KALDI = "kaldi"
    SLF = "slf"
    KALDI_LATTICE = "kaldi-lattice"
    CTM = "ctm"


def rescore(
    nbest: Annotated[
        Path,
        typer.Argument(
            metavar="NBEST",
            help="JSON lines, {hypotheses: [text, ...], audio: FILE, context: {...}}, or what "
            "another recogniser wrote; - is standard input.",
        ),
    ],
    file_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Which recogniser wrote it, docs/outputs.md.",
            show_default="what its beginning tells, or jsonl",
        ),
    ] = None,
    acoustic_scale: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Of slf and kaldi-lattice: weight of acoustic scores beside those of language.",
            show_default="1 / lmscale of slf, 0.1 of kaldi-lattice",
        ),
    ] = None,
    context: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON: what was asked, {utterance, reply, entities, screen, slot}; "
            "a line's own goes before it.",
        ),
    ] = None,
    recogniser: Recogniser = None,
    as_json: AsJson = False,
) -> None:
    """Rescore n-best lists by what was asked, and print a text a line, each as soon as it is known.

    A hypothesis is a text, or {text, score} with a log probability; the best comes first. A line
    may be a list of texts alone. Where nothing was asked the first one stands, to the letter.
    A sound is heard by the recogniser, which scores the few likeliest texts against it if it can.
    Of a lattice or a confusion network the best paths are the hypotheses.

    - `ctxasr rescore nbest.jsonl --context asked.yaml`
    - `my-recogniser --nbest | ctxasr rescore - --json`
    - `ctxasr rescore lattices.txt --format kaldi-lattice --context asked.yaml`
    - `ctxasr rescore sounds.jsonl --recogniser whisper`
    """
    done = 0
    with stoppable(lambda: f"{done} lines are done"), _opened(nbest) as stream:
        from ctxasr.events import TurnText
        from ctxasr.report.output import print_json, print_text
        from ctxasr.rescorer import Rescorer
        from ctxasr.scenario.heard import read_heard
        from ctxasr.scenario.utterance import load_context

        usual = TurnText("", "") if context is None else load_context(context)
        rescorer = Rescorer(recogniser=settings_from(recogniser=recogniser).recogniser)
        with asyncio.Runner() as runner:
            name = STANDARD_INPUT if str(nbest) == "-" else str(nbest)
            for one in read_heard(stream, name, file_format or "", acoustic_scale):
                turn = usual if one.context is None else one.context.to_turn_text()
                found = runner.run(rescorer.after(one.recognition, turn, one.audio))
                if as_json:
                    print_json(({"id": one.id} if one.id else {}) | found.to_json())
                else:
                    print_text(f"{found.text}\n")
                done += 1


def _opened(nbest: Path) -> AbstractContextManager[BinaryIO]:
    if str(nbest) != "-":
        if nbest.is_dir() or not nbest.exists():
            what = "is a folder" if nbest.is_dir() else "does not exist"
            raise InputError(f"{nbest}: {what}; give the path of a file that a recogniser wrote")
        return nbest.open("rb")
    return nullcontext(piped("n-best lists"))
