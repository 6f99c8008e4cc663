"""`ctxasr export`: what may be answered, as other recognisers take it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctxasr.cli.shared import AsJson

if TYPE_CHECKING:
    from ctxasr.gateway.export.choose import Exported


class Target(StrEnum):
    """As in `gateway.export.targets`, which is too heavy to import for `--help`."""

    SHERPA_ONNX = "sherpa-onnx"
    NEMO = "nemo"
    WHISPER = "whisper"
    WYOMING = "wyoming"
    ASSEMBLYAI = "assemblyai"
    DEEPGRAM = "deepgram"
    GOOGLE = "google"
    AZURE = "azure"
    SPEECHMATICS = "speechmatics"
    ASK = "ask"
    LEX = "lex"
    TRANSCRIBE_TABLE = "transcribe-table"
    TRANSCRIBE_PHRASES = "transcribe-phrases"


class Case(StrEnum):
    """As in `gateway.export.choose`."""

    WRITTEN = "written"
    UPPER = "upper"
    LOWER = "lower"


def export(
    target: Annotated[Target, typer.Option("--format", help="For which recogniser.")],
    context: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON: what was asked, {utterance, reply, entities, screen, slot}.",
        ),
    ],
    case: Annotated[
        Case, typer.Option(help="As the model's tokens want it; of sherpa-onnx and nemo.")
    ] = Case.WRITTEN,
    intent: Annotated[str, typer.Option(help="Of lex: the intent whose slots are hinted at.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print what the answer may be, within the limits of another recogniser.

    The heaviest phrases come first. What was left out is counted on stderr, or with `--json` in the
    object on stdout.

    - `ctxasr export --format sherpa-onnx --case upper --context asked.yaml > hotwords.txt`
    - `ctxasr export --format whisper --context asked.yaml --json`
    """
    from ctxasr.report.output import print_json, print_text, say

    exported, unpronounceable = asyncio.run(_export(target, context, case, intent))
    if as_json:
        print_json(exported.to_json() | {"unpronounceable": unpronounceable})
        return
    text = exported.text
    print_text(text if not text or text.endswith("\n") else f"{text}\n")
    for reason, count in exported.left_out.items():
        say(f"left out: {count} {reason}")
    if unpronounceable:
        say(f"{unpronounceable} names have no sound in English, or no letter")


async def _export(target: Target, path: Path, case: Case, intent: str) -> tuple[Exported, int]:
    """What goes to the other recogniser, and how many names English cannot say."""
    from ctxasr.answer import bias_in
    from ctxasr.app import default_encoder
    from ctxasr.context import extend
    from ctxasr.gateway.export import choose
    from ctxasr.gateway.export.targets import export as export_bias
    from ctxasr.scenario.utterance import load_context

    turn = load_context(path)
    embedding = await extend(turn, None, default_encoder())
    options = choose.Options(turn.reply, choose.Case(case), intent)
    exported = export_bias(bias_in(embedding), target, options, embedding.left_out)
    return exported, embedding.unpronounceable
