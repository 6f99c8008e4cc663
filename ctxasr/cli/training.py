"""`ctxasr train`: context encoder, grapheme-to-phoneme, language model, rescorer's weights."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ctxasr.cli.shared import AsJson, bar, stoppable
from ctxasr.errors import InputError


class Part(StrEnum):
    """What can be trained."""

    ENCODER = "encoder"
    G2P = "g2p"
    LANGUAGE = "language"
    RESCORER = "rescorer"


def train(
    part: Annotated[Part, typer.Option(help="What to train.")] = Part.ENCODER,
    data: Annotated[
        Path | None,
        typer.Option(envvar="CTXASR_DATA", help="encoder: the folder that holds sgd_followup/."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="encoder, g2p, language: the folder for what is made.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="By default 7; 0 for g2p and language: the shipped ones'.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="encoder: optimiser steps, by default 1700.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="g2p: passes over CMUdict, by default 10.")
    ] = None,
    answers: Annotated[
        int | None, typer.Option(min=1, help="rescorer: answers to say, by default 500.")
    ] = None,
    sentences: Annotated[
        int | None, typer.Option(min=1, help="language: sentences to draw, by default 400000.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model: the context encoder, grapheme-to-phoneme, the domain language model of the
    embedded recogniser, or the rescorer's weights.

    The same seed on the same machine gives the same weights. They are written at the end, as a
    whole; a stopped training leaves what was there before. The rescorer's weights are printed.

    - `ctxasr train --data DIR --out weights/`
    - `ctxasr train --part g2p --out weights/`
    - `ctxasr train --part language --out weights/`
    - `ctxasr train --part rescorer --answers 500`
    """
    from ctxasr.report.output import Out, print_json

    with stoppable(lambda: "nothing was written"), bar(part.value) as progress:
        if part is Part.RESCORER:
            from ctxasr.scenario import tuning

            figures = tuning.tune(
                seed=_given(seed, 7), n=_given(answers, tuning.DIALOGUES), progress=progress
            ).to_json()
        elif out is None:
            raise InputError("--out is missing; give the folder for the weights")
        elif part is Part.G2P:
            figures = _train_g2p(out, _given(seed, 0), epochs)
        elif part is Part.LANGUAGE:
            figures = _train_language(out, _given(seed, 0), sentences, progress)
        elif data is None:
            raise InputError("--data (or CTXASR_DATA) is missing; give the folder of the data")
        else:
            figures = _train_encoder(data, out, _given(seed, 7), steps, progress)
    if as_json:
        print_json(figures)
    else:
        Out().print_json(data=figures)


def _train_encoder(
    data: Path, out: Path, seed: int, steps: int | None, progress: Callable[..., None]
) -> dict[str, Any]:
    from ctxasr.encoder import training
    from ctxasr.report.output import whole_files

    with whole_files(out) as folder:
        report = training.train(data, folder, seed, _given(steps, training.STEPS), progress)
    return {
        "weights": str(out / report.weights.name),
        "seed": report.seed,
        "steps": report.steps,
        "dialogues": report.dialogues,
        "loss": report.loss,
        "temperature": report.temperature,
        "evaluations": [evaluation.as_json() for evaluation in report.evaluations],
    }


def _train_g2p(out: Path, seed: int, epochs: int | None) -> dict[str, Any]:
    from ctxasr.report.output import say, whole_files
    from ctxasr.speech import g2p

    config = g2p.G2PConfig(epochs=_given(epochs, g2p.G2PConfig().epochs))
    with whole_files(out) as folder:
        figures = g2p.train_g2p(seed, folder / g2p.WEIGHTS.name, say, config=config)
    return {"weights": str(out / g2p.WEIGHTS.name), "seed": seed, **figures}


def _train_language(
    out: Path, seed: int, sentences: int | None, progress: Callable[..., None]
) -> dict[str, Any]:
    from ctxasr.report.output import whole_files
    from ctxasr.speech.language import training
    from ctxasr.speech.pocketsphinx import ASSISTANT_MODEL

    with whole_files(out) as folder:
        figures = training.train_language(folder, seed, _given(sentences, training.DRAWN), progress)
    return {"model": str(out / ASSISTANT_MODEL.name), **figures}


def _given(value: int | None, default: int) -> int:
    return default if value is None else value
