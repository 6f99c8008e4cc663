"""Azure Speech: a phrase list, as the `definition` of fast transcription takes it.

    {"phraseList": {"phrases": ["Meg Bauer", "Meg Jones"]}}

Source: "Improve recognition accuracy with phrase list" in the Azure Speech documentation: a list
should not have more than 500 phrases. With the Speech SDK each goes to
`PhraseListGrammar.addPhrase`. A list has no weights for its phrases; the heaviest come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Options, choose

TARGET: Final = "azure"

LIST_PHRASES_MAX: Final = 500
"""Phrases of one list."""


def phrase_list(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The part of the definition."""
    chosen = choose(phrases, Format(str, entries_max=LIST_PHRASES_MAX))
    return chosen.exported(TARGET, {"phraseList": {"phrases": chosen.written}})
