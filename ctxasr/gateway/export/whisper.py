"""Whisper: one text for `initial_prompt`, or for the `hotwords` of faster-whisper.

    Do you mean Meg Jones or Meg Bauer? Meg Jones, Meg Bauer

The reply stands first, then as many names as fit, in their own spelling: Whisper writes on in the
style of its prompt. Whole names come before parts, and parts of those that are in are left out.

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
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Left, Options, choose
from ctxasr.gateway.export.replies import end_of

TARGET: Final = "whisper"

TOKENS_MAX: Final = 223
"""Of one prompt: what Whisper looks at."""

REPLY_TOKENS_MAX: Final = TOKENS_MAX // 2
"""Of the reply; the other half is for names. Of a longer one the last sentences that fit stand."""

_SEPARATOR: Final = ", "
_FREE_BLANK: Final = re.compile(r" (?=[A-Za-z0-9])")
_SPECIAL: Final = "<|"
"""How the names of special tokens begin: a tokenizer may refuse them, or obey."""


def prompt(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The end of the reply, and the phrases, separated by commas."""
    reply = end_of(options.reply, lambda text: tokens_at_most(f" {text}") <= REPLY_TOKENS_MAX)
    reply = "" if _SPECIAL in reply else reply

    def write(text: str) -> str | Left:
        return Left.CHARACTERS if _SPECIAL in text else text

    def size(text: str) -> int:
        return tokens_at_most(_SEPARATOR + text)

    # Before the first phrase stands a blank alone, where `size` has counted a comma as well.
    comma = len(_SEPARATOR) - 1
    taken = tokens_at_most(f" {reply}") + 1 if reply else 0
    chosen = choose(phrases, Format(write, size, TOKENS_MAX + comma - taken, parts=False))
    text = " ".join(filter(None, [reply, _SEPARATOR.join(chosen.written)]))
    return chosen.exported(TARGET, text)


def tokens_at_most(text: str) -> int:
    """More tokens than this `text` cannot have: its UTF-8 bytes, less the blanks before words.

    `text` has no two blanks in a row, and begins with the blank or comma that goes before it.
    """
    return len(text.encode()) - len(_FREE_BLANK.findall(text))
