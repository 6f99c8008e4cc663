"""Fits the rescorer's weights on dialogues that are drawn, spoken and recognised for it.

Each answer is met under its own context, under those of two other dialogues, and with the context
emptied. Names and voices are the `tuning` half of `scenario.draw`; the other half is never heard.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ctxasr.answer import bias_in
from ctxasr.app import default_aligner, default_encoder, default_recognizer
from ctxasr.bias import Bias, emptied
from ctxasr.context import extend
from ctxasr.evaluate.fitting import Choices, change_of_errors, fit
from ctxasr.evaluate.metrics import word_edits
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Recognition
from ctxasr.rescore import Weights, candidates
from ctxasr.scenario.draw import Drawn, draw
from ctxasr.scenario.replay import recognise_file

DIALOGUES: Final = 500
OTHERS: Final = 2
"""Other dialogues' contexts under which each answer is met."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The fitted weights, and what they do on what they were fitted on."""

    with_phone_loop: Weights
    without_phone_loop: Weights
    answers: int
    plain_errors: int
    change_right: int
    """Errors beyond the plain's, with the right contexts; negative is a gain."""
    change_other: int
    """The same over OTHERS times as many answers under other dialogues' contexts."""
    seed: int

    def to_json(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self)


def tune(
    *,
    seed: int = 7,
    n: int = DIALOGUES,
    progress: Callable[[int, int], None] | None = None,
) -> Tuning:
    """Draw, speak and recognise `n` answers, then fit; about a second an answer.

    Raises:
        MissingPart: a voice is not installed; names the Debian package.
    """
    return asyncio.run(_tune(seed, n, progress or (lambda done, total: None)))


async def _tune(seed: int, n: int, progress: Callable[[int, int], None]) -> Tuning:
    drawn = draw(n, seed, "tuning")
    heard, contexts = [], []
    encoder = default_encoder()
    for number, dialogue in enumerate(drawn, start=1):
        heard.append(await _hear(dialogue))
        contexts.append(await extend(turn_of(dialogue), None, encoder))
        progress(number, n)
    rng = random.Random(seed)  # noqa: S311
    sets: dict[bool, list[Choices]] = {True: [], False: []}
    for loop, choices in sets.items():
        for i, recognition in enumerate(heard):
            others = rng.sample([j for j in range(n) if j != i], min(OTHERS, n - 1))
            kept = recognition if loop else replace(recognition, phones=())
            biases = [bias_in(contexts[i]), *(bias_in(contexts[j]) for j in others), emptied()]
            for place, bias in enumerate(biases):
                choices.append(await choices_of(kept, bias, drawn[i].answer, right=place == 0))
    weights = fit(sets[True])
    return Tuning(
        with_phone_loop=weights,
        without_phone_loop=fit(sets[False], use_gain=False),
        answers=n,
        plain_errors=sum(word_edits(d.answer, r.plain) for d, r in zip(drawn, heard, strict=True)),
        change_right=change_of_errors([c for c in sets[True] if c.right_context], weights),
        change_other=change_of_errors(_others_only(sets[True]), weights),
        seed=seed,
    )


def _others_only(choices: Sequence[Choices]) -> list[Choices]:
    """Without the right contexts (first of each answer) and the emptied ones (last)."""
    each = OTHERS + 2
    return [c for i, c in enumerate(choices) if i % each not in (0, each - 1)]


async def _hear(dialogue: Drawn) -> Recognition:
    """Say the answer and recognise it, by the way that scenarios take: through a sound file."""
    from ctxasr.speech.audio import save_flac
    from ctxasr.speech.tts import speak

    with tempfile.TemporaryDirectory(prefix="tuning") as folder:
        path = Path(folder) / "answer.flac"
        samples = speak(
            dialogue.answer,
            dialogue.voice,
            seed=dialogue.seed,
            noise_kind=dialogue.noise,
            snr_db=dialogue.snr_db,
        )
        save_flac(path, samples)
        return await recognise_file(path, default_recognizer())


def turn_of(dialogue: Drawn) -> TurnText:
    """The turn that asked."""
    entities = () if dialogue.on_screen else dialogue.names
    return TurnText(
        utterance=dialogue.asked,
        reply=dialogue.reply,
        entities=tuple(Entity(dialogue.kind, name) for name in entities),
        screen=dialogue.names if dialogue.on_screen else (),
    )


async def choices_of(recognition: Recognition, bias: Bias, answer: str, *, right: bool) -> Choices:
    """What the rescorer could make of an utterance, and what each would cost."""
    found = await candidates(recognition, bias, default_aligner())
    plain = word_edits(answer, recognition.plain)
    return Choices(
        features=tuple(candidate.features for candidate in found),
        more_errors=tuple(word_edits(answer, c.text) - plain for c in found),
        right_context=right,
    )
