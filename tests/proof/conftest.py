"""Where the data of the proofs lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with evi_names and sgd_followup; without it CI fails and others skip."""
    folder = Path(os.environ.get("CTXASR_DATA", ""))
    if not os.environ.get("CTXASR_DATA") or not folder.is_dir():
        reason = "CTXASR_DATA does not name the folder of the evaluation data"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
