"""`ctxasr rescore`: the n-best lists of any recogniser, line by line."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
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


def rescore(
    nbest: Annotated[
        Path,
        typer.Argument(
            metavar="NBEST",
            help="JSON lines, {hypotheses: [text, ...], audio: FILE, context: {...}}; - is "
            "standard input.",
        ),
    ],
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

    - `ctxasr rescore nbest.jsonl --context asked.yaml`
    - `my-recogniser --nbest | ctxasr rescore - --json`
    - `ctxasr rescore sounds.jsonl --recogniser whisper`
    """
    done = 0
    with stoppable(lambda: f"{done} lines are done"), _opened(nbest) as stream:
        from ctxasr.events import TurnText
        from ctxasr.report.output import print_json, print_text
        from ctxasr.rescorer import Rescorer
        from ctxasr.scenario.nbest import read_nbest
        from ctxasr.scenario.utterance import load_context

        usual = TurnText("", "") if context is None else load_context(context)
        rescorer = Rescorer(recogniser=settings_from(recogniser=recogniser).recogniser)
        with asyncio.Runner() as runner:
            for one in read_nbest(stream, STANDARD_INPUT if str(nbest) == "-" else str(nbest)):
                turn = usual if one.context is None else one.context.to_turn_text()
                found = runner.run(rescorer.after(one.hypotheses, turn, one.audio))
                if as_json:
                    print_json(({"id": one.id} if one.id else {}) | found.to_json())
                else:
                    print_text(f"{found.text}\n")
                done += 1


def _opened(nbest: Path) -> AbstractContextManager[BinaryIO]:
    if str(nbest) != "-":
        if nbest.is_dir() or not nbest.exists():
            what = "is a folder" if nbest.is_dir() else "does not exist"
            raise InputError(f"{nbest}: {what}; give the path of a file of JSON lines")
        return nbest.open("rb")
    return nullcontext(piped("n-best lists"))
