"""What context is worth on names and voices that the rescorer was not tuned on.

Draws dialogues of the held-out half, has them spoken, replays them end to end and compares the
systems. Needs the synthesisers of the held-out voices; `ctxasr doctor` names their packages.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from ctxasr.scenario.draw import VOICES, draw_scenarios
from ctxasr.scenario.inputs import load_checked
from ctxasr.scenario.speak import speak_scenario
from ctxasr.scenario.study import evaluate_scenarios
from ctxasr.speech.tts import available_voices

pytestmark = pytest.mark.proof

DIALOGUES = 200
SEED = 20_261


async def test_context_takes_30_percent_of_the_errors_and_a_wrong_one_adds_1(
    tmp_path: Path,
) -> None:
    missing = set(VOICES["held-out"]) - set(available_voices())
    if missing:
        pytest.skip(f"voices not installed: {', '.join(sorted(missing))}")
    for path in draw_scenarios(tmp_path, n=DIALOGUES, seed=SEED):
        speak_scenario(path)
    comparison = await evaluate_scenarios(load_checked([tmp_path]).scenarios)
    comparison.render(Console())
    assert len(comparison.items) == DIALOGUES
    assert comparison.change("context", "emptied").value <= -0.30
    assert comparison.change("context", "plain").value <= -0.30
    assert comparison.change("other", "emptied").value <= 0.01
    assert comparison.change("other", "plain").value <= 0.01
    assert comparison.not_plain_without_hit() == 0
