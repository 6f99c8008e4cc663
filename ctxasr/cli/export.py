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
    ASSEMBLYAI = "assemblyai"
    ASK = "ask"
    TRANSCRIBE_TABLE = "transcribe-table"
    TRANSCRIBE_PHRASES = "transcribe-phrases"


def export(
    target: Annotated[Target, typer.Option("--format", help="For which recogniser.")],
    context: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON: what was asked, {utterance, reply, entities, screen, slot}.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Print what the answer may be, within the limits of another recogniser.

    The heaviest phrases come first. What was left out is counted on stderr, or with `--json` in the
    object on stdout.

    - `ctxasr export --format sherpa-onnx --context asked.yaml > hotwords.txt`
    - `ctxasr export --format whisper --context asked.yaml --json`
    """
    from ctxasr.report.output import print_json, print_text, say

    exported = asyncio.run(_export(target, context))
    if as_json:
        print_json(exported.to_json())
        return
    text = exported.text
    print_text(text if not text or text.endswith("\n") else f"{text}\n")
    for reason, count in exported.left_out.items():
        say(f"left out: {count} {reason}")


async def _export(target: Target, path: Path) -> Exported:
    from ctxasr.answer import bias_in
    from ctxasr.app import default_encoder
    from ctxasr.context import extend
    from ctxasr.gateway.export import assemblyai
    from ctxasr.gateway.export.targets import export as export_bias
    from ctxasr.scenario.utterance import load_context

    turn = load_context(path)
    bias = bias_in(await extend(turn, None, default_encoder()))
    if target is Target.ASSEMBLYAI:
        return assemblyai.agent_context(bias.phrases, turn.reply)
    return export_bias(bias, target)
