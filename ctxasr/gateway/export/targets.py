"""All exporters by name.

export(bias, "whisper").text  ->  "meg bauer, jones"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ctxasr.bias import Bias, BiasingPhrase
from ctxasr.errors import InputError
from ctxasr.gateway.export import ask, assemblyai, nemo, sherpa, transcribe, whisper
from ctxasr.gateway.export.choose import Exported

TARGETS: Final[dict[str, Callable[[Sequence[BiasingPhrase]], Exported]]] = {
    sherpa.TARGET: sherpa.hotwords,
    nemo.TARGET: nemo.biasing_request,
    whisper.TARGET: whisper.prompt,
    assemblyai.TARGET: assemblyai.agent_context,
    ask.TARGET: ask.dynamic_entities,
    transcribe.TABLE: transcribe.table,
    transcribe.PHRASES: transcribe.phrase_list,
}


def export(bias: Bias, target: str) -> Exported:
    """The turn's biasing phrases as `target` takes them.

    Raises:
        InputError: there is no such target.
    """
    exporter = TARGETS.get(target)
    if exporter is None:
        raise InputError(f"no such target; known are {', '.join(TARGETS)}")
    return exporter(bias.phrases)
