"""AssemblyAI streaming: the message that tells what was said before the customer answers.

    {"type": "UpdateConfiguration", "agent_context": "Meg Jones or Meg Bauer?",
     "keyterms_prompt": ["Meg Bauer", "Meg Jones"]}

Source: "Context carryover" and "Keyterms prompting" in AssemblyAI's streaming documentation. More
than 1,750 characters of `agent_context` cancel the session: of a longer reply the last sentences
stand, and without a reply the field is left as it is. Of terms there are at most 100, each of at
most 50 characters; more is an error. What a character is, is not said there; UTF-16 units are
counted, of which there are never fewer than code points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Left, Options, choose
from ctxasr.gateway.export.replies import end_of

TARGET: Final = "assemblyai"

AGENT_CONTEXT_CHARS_MAX: Final = 1_750
"""Characters of one `agent_context`; a longer one cancels the session."""

KEYTERMS_MAX: Final = 100
"""Terms of one session."""

KEYTERM_CHARS_MAX: Final = 50
"""Characters of one term."""


def update_configuration(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The message."""
    chosen = choose(phrases, Format(_write, entries_max=KEYTERMS_MAX))
    message: dict[str, Any] = {"type": "UpdateConfiguration"}
    if reply := end_of(options.reply, lambda text: _units(text) <= AGENT_CONTEXT_CHARS_MAX):
        message["agent_context"] = reply
    message["keyterms_prompt"] = chosen.written
    return chosen.exported(TARGET, message)


def _write(text: str) -> str | Left:
    return text if _units(text) <= KEYTERM_CHARS_MAX else Left.TOO_LONG


def _units(text: str) -> int:
    """UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2
