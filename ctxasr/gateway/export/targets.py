"""All exporters by name.

export(bias, "whisper").text  ->  "Meg Bauer, Jones"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ctxasr.bias import Bias, BiasingPhrase
from ctxasr.errors import InputError
from ctxasr.gateway.export import (
    ask,
    assemblyai,
    azure,
    deepgram,
    google,
    lex,
    nemo,
    sherpa,
    speechmatics,
    transcribe,
    whisper,
    wyoming,
)
from ctxasr.gateway.export.choose import PLAIN, Exported, Left, Options

TARGETS: Final[dict[str, Callable[[Sequence[BiasingPhrase], Options], Exported]]] = {
    sherpa.TARGET: sherpa.hotwords,
    nemo.TARGET: nemo.biasing_request,
    whisper.TARGET: whisper.prompt,
    wyoming.TARGET: wyoming.transcript_names,
    assemblyai.TARGET: assemblyai.update_configuration,
    deepgram.TARGET: deepgram.configure,
    google.TARGET: google.phrase_set,
    azure.TARGET: azure.phrase_list,
    speechmatics.TARGET: speechmatics.additional_vocab,
    ask.TARGET: ask.dynamic_entities,
    lex.TARGET: lex.runtime_hints,
    transcribe.TABLE: transcribe.table,
    transcribe.PHRASES: transcribe.phrase_list,
}

TAKE_A_REPLY: Final = frozenset({whisper.TARGET, assemblyai.TARGET})
"""Targets with a place for what the assistant has just said."""


def export(
    bias: Bias, target: str, options: Options = PLAIN, context_left_out: int = 0
) -> Exported:
    """The turn's biasing phrases as `target` takes them.

    `context_left_out` is how many names the context itself had no room for; they are counted along.

    Raises:
        InputError: there is no such target, or it cannot take an option.
    """
    exporter = TARGETS.get(target)
    if exporter is None:
        raise InputError(f"no such target; known are {', '.join(TARGETS)}")
    exported = exporter(bias.phrases, options)
    if not context_left_out:
        return exported
    left_out = exported.left_out | {Left.CONTEXT: context_left_out}
    return replace(exported, left_out=left_out)
