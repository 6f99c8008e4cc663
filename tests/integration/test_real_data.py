"""The data that the encoder learns from are read whole, as they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxasr.encoder.sgd import read_catalogue, read_split


@pytest.mark.parametrize(
    ("split", "dialogues", "steps"), [("dev", 2038, 6586), ("test", 1305, 3971)]
)
def test_every_follow_up_becomes_a_step(data: Path, split: str, dialogues: int, steps: int) -> None:
    found = read_split(data, split)
    assert len(found) == dialogues
    assert sum(len(dialogue.steps) for dialogue in found) == steps
    assert all(step.turn.reply for dialogue in found for step in dialogue.steps)


def test_the_catalogue_has_names_of_many_kinds(data: Path) -> None:
    catalogue = read_catalogue(data)
    assert len(catalogue) == 69
    assert sum(map(len, catalogue.values())) > 10_000
