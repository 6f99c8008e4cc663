"""Deepgram: the message that replaces a stream's keyterms before the customer answers.

    {"type": "Configure", "keyterms": ["Meg Bauer", "Meg Jones"]}

Source: "Configure" and "Keyterm Prompting" in Deepgram's documentation (Nova-3). All keyterms
together have at most 500 tokens: with more a request is refused, and a running stream falls silent
and is closed. Its tokenizer is not known here, so bytes are counted, of which no tokenizer makes
more tokens; with the tokenizer at hand about twice as many names would fit. They keep their case.
When a stream is opened, the same terms are `keyterm=...` of its query, one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Options, choose

TARGET: Final = "deepgram"

TOKENS_MAX: Final = 500
"""Of all keyterms together."""

KEYTERMS_MAX: Final = 100
"""Keyterms that are of use, as the documentation says."""


def configure(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The message; an empty list clears the stream's keyterms."""
    form = Format(str, lambda text: len(text.encode()), TOKENS_MAX, entries_max=KEYTERMS_MAX)
    chosen = choose(phrases, form)
    return chosen.exported(TARGET, {"type": "Configure", "keyterms": chosen.written})
