"""Whisper: one text for `initial_prompt`, or for the `hotwords` of faster-whisper.

    meg bauer, jones

Source: `get_prompt` of faster-whisper and `transcribe` of openai-whisper: a blank is put before the
text, and of its tokens half a context less one are used, 448 / 2 - 1 = 223. Of hotwords the rest is
cut off at the end, of a prompt at its beginning, both in silence.

No tokenizer is needed to stay within that: `tokens_at_most` is a safe upper bound. Byte-level BPE
begins with one token a byte, and merges only. In both vocabularies of Whisper a blank with any
ASCII letter or digit is a token; so in a word that begins " x" at least one merge takes place, and
the blank costs nothing. Words without any common pair of letters reach the bound; names need two
fifths of it (182 of them: 759 tokens, bound 1,910), so with the tokenizer at hand 2.5 times as many
would fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import Exported, Format, Left, choose

TARGET: Final = "whisper"

TOKENS_MAX: Final = 223
"""Of one prompt: what Whisper looks at."""

_SEPARATOR: Final = ", "
_FREE_BLANK: Final = re.compile(r" (?=[A-Za-z0-9])")
_SPECIAL: Final = "<|"
"""How the names of special tokens begin: a tokenizer may refuse them, or obey."""


def prompt(phrases: Sequence[BiasingPhrase]) -> Exported:
    """The phrases, separated by commas."""

    def write(text: str) -> str | Left:
        return Left.CHARACTERS if _SPECIAL in text else text

    def size(text: str) -> int:
        return tokens_at_most(_SEPARATOR + text)

    # Before the first phrase stands a blank alone, where `size` has counted a comma as well.
    comma = len(_SEPARATOR) - 1
    chosen = choose(phrases, Format(write, size, TOKENS_MAX + comma))
    return chosen.exported(TARGET, _SEPARATOR.join(chosen.written))


def tokens_at_most(text: str) -> int:
    """More tokens than this `text` cannot have: its UTF-8 bytes, less the blanks before words.

    `text` has no two blanks in a row, and begins with the blank or comma that goes before it.
    """
    return len(text.encode()) - len(_FREE_BLANK.findall(text))
