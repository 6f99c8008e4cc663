"""NeMo per-stream phrase boosting: the `biasing_request` of one line of a manifest.

    {"biasing_request": {"boosting_model_cfg": {"key_phrases_list": ["Meg Bauer", "Jones"]}}}

Source: "Per-Stream Phrase Boosting" in NeMo's ASR documentation (Word Boosting). Merge the object
into the manifest line of the utterance, or give `audio_filepath`. The list has no weights; the
heaviest come first. Models that write no capitals want `Case.LOWER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Options, choose

TARGET: Final = "nemo"


def biasing_request(
    phrases: Sequence[BiasingPhrase], options: Options = PLAIN, audio_filepath: str = ""
) -> Exported:
    """One object of a JSONL manifest; `text` of the result is its line, in ASCII."""
    chosen = choose(phrases, Format(str, case=options.case))
    line: dict[str, Any] = {"audio_filepath": audio_filepath} if audio_filepath else {}
    line["biasing_request"] = {"boosting_model_cfg": {"key_phrases_list": chosen.written}}
    return chosen.exported(TARGET, line)
