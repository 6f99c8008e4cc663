"""Scenarios, spoken and simulated: their file format, and what makes, imports and replays them.

Nothing heavy is imported here, so that the pytest plugin costs other projects nothing.
"""

from __future__ import annotations

from typing import Final

SUFFIX: Final = ".scenario.yaml"
"""Of every scenario file."""
