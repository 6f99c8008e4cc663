"""What context is worth, over scenarios: every follow-up turn under four contexts.

The replay gives each utterance its hypotheses and the context that it really had. The same
hypotheses are then rescored with the context emptied and with the contexts of other dialogues.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from ctxasr.answer import LATE, bias_in
from ctxasr.app import default_aligner
from ctxasr.bias import Bias
from ctxasr.context import ContextEmbedding
from ctxasr.errors import DataError
from ctxasr.evaluate.comparison import Comparison, Item, compare
from ctxasr.evaluate.metrics import best_edits, word_count, word_edits
from ctxasr.hypotheses import Recognition
from ctxasr.rescore import rescore
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.replay import Options, TurnRun, replay_all
from ctxasr.speech.lattice import oracle_edits

OTHERS_MAX: Final = 8
"""Other dialogues' contexts that each follow-up is rescored with."""


async def evaluate_scenarios(
    scenarios: Sequence[Scenario],
    options: Options | None = None,
    *,
    seed: int = 7,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Replay `scenarios` and compare the systems over their follow-up turns.

    A follow-up is an utterance whose turn before opened the microphone and that has a reference.
    `progress(done, total)` counts turns.

    Raises:
        DataError: no scenario has a follow-up with a reference.
    """
    total = sum(len(scenario.turns) for scenario in scenarios)
    runs: list[tuple[str, TurnRun]] = []
    async with aclosing(replay_all(scenarios, options or Options())) as replaying:
        async for run in replaying:
            runs.append((run.report.file or run.report.scenario, run))
            if progress is not None:
                progress(len(runs), total)
    asked = {
        (str(scenario.path), index + 2)
        for scenario in scenarios
        for index in range(len(scenario.turns) - 1)
        if scenario.expects_speech(index)
    }
    contexts = [(name, run.context) for name, run in runs if run.context is not None]
    rng = random.Random(seed)  # noqa: S311
    items = []
    for name, run in runs:
        if (name, run.report.turn) in asked and run.report.reference:
            others = [context for other, context in contexts if other != name]
            picked = rng.sample(others, min(OTHERS_MAX, len(others)))
            items.append(await _item(name, run, picked))
    if not items:
        raise DataError("no follow-up turn with 'says'; a study needs references")
    return compare(items, seed)


async def _item(dialogue: str, run: TurnRun, others: Sequence[ContextEmbedding]) -> Item:
    report, recognition = run.report, run.recognition
    reference = report.reference
    hit = run.context is not None

    async def errors(context: ContextEmbedding | None) -> int:
        return word_edits(reference, await text_under(recognition, context))

    plain = word_edits(reference, report.plain_text)
    return Item(
        dialogue=dialogue,
        turn=report.turn,
        state=report.context,
        words=word_count(reference),
        plain=plain,
        emptied=await errors(None) if hit else plain,
        context=word_edits(reference, report.text),
        other=tuple([await errors(context) for context in others]) if hit else (),
        nbest_oracle=best_edits(reference, recognition.hypotheses),
        lattice_oracle=_lattice_oracle(recognition, reference),
        equals_plain=report.text == report.plain_text,
        late=report.reason == LATE,
    )


async def text_under(recognition: Recognition, context: ContextEmbedding | None) -> str:
    """The text of `recognition` under a context; None is the context emptied."""
    bias = Bias() if context is None else bias_in(context)
    return (await rescore(recognition, bias, default_aligner())).text


def _lattice_oracle(recognition: Recognition, reference: str) -> int | None:
    if recognition.lattice is None:
        return None
    return oracle_edits(recognition.lattice, reference.split())
