"""Where mypy finds what the attacks import: they are scripts, beside threats/attacks/_store.py."""

from threats.attacks._store import *  # noqa: F403
