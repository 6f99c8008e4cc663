"""AssemblyAI streaming: the message that sets `agent_context` before the customer answers.

    {"type": "UpdateConfiguration", "agent_context": "Meg Jones or Meg Bauer? meg bauer, jones"}

Source: "Context carryover" in AssemblyAI's streaming documentation. The field is meant for what the
agent just said: give `reply` where it is known. The phrases follow it, as words that the answer may
hold. More than 1,750 characters cancel the session. What a character is, is not said there; UTF-16
units are counted, of which there are never fewer than code points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import Exported, Format, choose

TARGET: Final = "assemblyai"

AGENT_CONTEXT_CHARS_MAX: Final = 1_750
"""Characters of one `agent_context`; a longer one cancels the session."""

_SEPARATOR: Final = ", "


def agent_context(phrases: Sequence[BiasingPhrase], reply: str = "") -> Exported:
    """The reply as a whole, if it fits, and as many phrases as fit after it."""
    reply = " ".join(reply.encode("utf-8", "replace").decode().split())
    if _units(reply) > AGENT_CONTEXT_CHARS_MAX:
        reply = ""
    # Before the first phrase stands no separator, but a blank if the reply stands there.
    room = AGENT_CONTEXT_CHARS_MAX - _units(reply) - bool(reply) + len(_SEPARATOR)
    form = Format(str, lambda text: _units(_SEPARATOR + text), room)
    chosen = choose(phrases, form)
    text = " ".join(filter(None, [reply, _SEPARATOR.join(chosen.written)]))
    return chosen.exported(TARGET, {"type": "UpdateConfiguration", "agent_context": text})


def _units(text: str) -> int:
    """UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2
