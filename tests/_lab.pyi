"""Where mypy finds what the attacks import: they run as scripts, beside threats/attacks/_lab.py."""

from threats.attacks._lab import *  # noqa: F403
