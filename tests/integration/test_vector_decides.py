"""The context vector is what decides: another dialogue's in its place changes prior and text."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctxasr.app import Settings
from ctxasr.context import ContextEmbedding
from ctxasr.scenario.format import load_scenario
from ctxasr.scenario.replay import Options, TurnRun, replay_all
from ctxasr.scenario.study import text_under

SCENARIOS = Path(__file__).parents[2] / "scenarios"
PATIENT = Options(settings=Settings(read_budget_ms=5_000))
PAIR = ("context_decides_carrie", "context_decides_kerry")


@pytest.fixture(scope="module")
def answers() -> dict[str, TurnRun]:
    """The second turn of each: the same sound and the same lists, another question."""

    async def run() -> dict[str, TurnRun]:
        scenarios = [load_scenario(SCENARIOS / f"{name}.scenario.yaml") for name in PAIR]
        async with aclosing(replay_all(scenarios, PATIENT)) as runs:
            return {run.report.scenario: run async for run in runs if run.report.turn == 2}

    return asyncio.run(run())


def context_of(run: TurnRun) -> ContextEmbedding:
    assert run.context is not None
    return run.context


@pytest.mark.parametrize(("own", "other"), [PAIR, PAIR[::-1]])
async def test_another_dialogues_vector_changes_the_chosen_text(
    answers: dict[str, TurnRun], own: str, other: str
) -> None:
    run, context = answers[own], context_of(answers[own])
    # What the reply named is likelier than any vector says, so it is set aside.
    phrases = tuple(replace(phrase, asked=False) for phrase in context.phrases)
    swapped = replace(context, vectors=context_of(answers[other]).vectors, phrases=phrases)
    assert not np.allclose(swapped.logits(), context.logits(), atol=0.1)
    assert await text_under(run.recognition, context) == run.report.text
    assert await text_under(run.recognition, swapped) != run.report.text


def test_the_recogniser_heard_the_same_in_both(answers: dict[str, TurnRun]) -> None:
    plain = {run.report.plain_text for run in answers.values()}
    texts = {run.report.text for run in answers.values()}
    assert len(plain) == 1
    assert len(texts) == 2
