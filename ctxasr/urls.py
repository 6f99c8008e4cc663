"""What is a URL here: one rule for settings and for clients."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def is_url(text: str) -> bool:
    """Whether it is a URL of HTTP with a host, and of visible ASCII alone."""
    if not re.fullmatch("[!-~]+", text):
        return False
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is none
        return False
