"""The end of a reply that fits: a question stands at the end, and a half sentence misleads.

Sure. I found two. Which Meg do you mean?     room for 25 characters: Which Meg do you mean?
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_ENDS: Final = re.compile(r"(?<=[.!?])[\"')\u201d\u2019]* +")


def end_of(reply: str, fits: Callable[[str], bool]) -> str:
    """The reply as a whole, or as many of its last sentences as fit; "" if not even one does."""
    whole = " ".join(reply.encode("utf-8", "replace").decode().split())
    begins = [0, *(match.end() for match in _ENDS.finditer(whole))]
    return next((whole[begin:] for begin in begins if fits(whole[begin:])), "")
