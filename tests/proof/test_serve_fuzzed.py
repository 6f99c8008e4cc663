"""The HTTP door under thousands of generated requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.serving import fuzz, serving

pytestmark = pytest.mark.proof


def test_no_generated_request_is_a_fault(tmp_path: Path) -> None:
    with serving("--rate", "1000000") as running:
        print(f"\nschemathesis: {fuzz(running, tmp_path, '--max-examples', '500')}")
