"""The committed encoder on dialogues that its training never saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxasr.encoder.training import evaluate_encoder

pytestmark = pytest.mark.proof


def test_the_context_vector_knows_more_than_baselines_and_than_a_strangers(data: Path) -> None:
    report = evaluate_encoder(data, "test")
    for name, figures in report.systems.items():
        print(name, {measure: str(figure) for measure, figure in figures.items()})
    own = report.systems["encoder"]["log loss"]
    swapped = report.systems["encoder, another dialogue's vector"]["log loss"]
    assert own.n == swapped.n > 3_000
    assert own.high < swapped.low
    mrr = report.systems["encoder"]["mrr"]
    for baseline in ("uniform", "first in the reply", "most recent", "share of the source"):
        assert report.systems[baseline]["mrr"].high < mrr.low
