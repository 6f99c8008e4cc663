"""`ctxasr train`: every model and table of the package, by parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from ctxasr.cli.shared import AsJson, bar, stoppable
from ctxasr.errors import InputError

POCKETSPHINX = "pocketsphinx"
"""The recogniser that needs no model."""


class Part(StrEnum):
    """What can be trained."""

    ENCODER = "encoder"
    G2P = "g2p"
    LANGUAGE = "language"
    CONFUSIONS = "confusions"
    RESCORER = "rescorer"
    SENTENCES = "sentences"
    VOCABULARY = "vocabulary"


def train(
    part: Annotated[Part, typer.Option(help="What to train.")] = Part.ENCODER,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="CTXASR_DATA",
            help="encoder, sentences, rescorer: the folder that holds sgd_followup/; confusions: "
            "evi_names/.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Others than rescorer: the folder for what is made.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="By default 7; 0 for g2p, language and sentences: the shipped ones'."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="encoder: optimiser steps, by default 1700.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="g2p: passes over CMUdict, by default 10.")
    ] = None,
    corpora: Annotated[
        Path | None,
        typer.Option(help="rescorer: where its spoken corpora are made, and kept for next time."),
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=1, help="language, sentences: sentences to draw, by default 400000 and 200000."
        ),
    ] = None,
    recogniser: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="rescorer: who hears them; by default pocketsphinx."),
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="rescorer: so much of all its material.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Train a model: the context encoder, grapheme-to-phoneme, the domain language model of the
    embedded recogniser, the costs of phones that are confused, the rescorer's weights, or its table
    of words.

    The same seed on the same machine gives the same weights. They are written at the end, as a
    whole; a stopped training leaves what was there before. The rescorer's weights are printed.

    - `ctxasr train --data DIR --out weights/`
    - `ctxasr train --part g2p --out weights/`
    - `ctxasr train --part language --out weights/`
    - `ctxasr train --part confusions --data DIR --out weights/`
    - `ctxasr train --part vocabulary --out ctxasr/english/`
    - `ctxasr train --part sentences --data DIR --out ctxasr/english/`
    - `ctxasr train --part rescorer --data DIR --recogniser pocketsphinx --recogniser whisper`
    """
    from ctxasr.report.output import Out, print_json

    with stoppable(lambda: "nothing was written"), bar(part.value) as progress:
        if part is Part.RESCORER:
            figures = _tune(
                data, corpora, recogniser or [POCKETSPHINX], _given(seed, 7), scale, progress
            )
        elif out is None:
            raise InputError("--out is missing; give the folder for the weights")
        elif part is Part.VOCABULARY:
            figures = _make_vocabulary(out)
        elif part is Part.G2P:
            figures = _train_g2p(out, _given(seed, 0), epochs)
        elif part is Part.LANGUAGE:
            figures = _train_language(out, _given(seed, 0), sentences, progress)
        elif part is Part.CONFUSIONS:
            figures = _learn_confusions(data, out, _given(seed, 7))
        elif data is None:
            raise InputError("--data (or CTXASR_DATA) is missing; give the folder of the data")
        elif part is Part.SENTENCES:
            figures = _make_sentence_model(data, out, _given(seed, 0), sentences)
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


def _tune(
    data: Path | None,
    corpora: Path | None,
    recognisers: list[str],
    seed: int,
    scale: float,
    progress: Callable[..., None],
) -> dict[str, Any]:
    from ctxasr.app import default_aligner, default_encoder, default_recognizer
    from ctxasr.evaluate.trials import Listener
    from ctxasr.evaluate.tuning import tune

    if data is None:
        raise InputError("--data (or CTXASR_DATA) is missing; give the folder of the data")
    listeners = {
        name: Listener(default_recognizer(name), default_encoder(), default_aligner())
        for name in recognisers
    }
    with ExitStack() as stack:
        folder = corpora or Path(stack.enter_context(TemporaryDirectory(prefix="tuning")))
        made = tune(listeners, data, folder, seed=seed, scale=scale, progress=progress)
        return asyncio.run(made).to_json()


def _make_vocabulary(out: Path) -> dict[str, Any]:
    from ctxasr.english.vocabulary import TABLE
    from ctxasr.report.output import whole_files
    from ctxasr.speech.language.frequencies import make_vocabulary

    with whole_files(out) as folder:
        counts = make_vocabulary(folder / TABLE.name)
    return {"table": str(out / TABLE.name), **counts}


def _learn_confusions(data: Path | None, out: Path, seed: int) -> dict[str, Any]:
    from ctxasr.evaluate.confusions import make_costs
    from ctxasr.report.output import whole_files
    from ctxasr.speech.phone_costs import TABLE

    with whole_files(out) as folder:
        figures = make_costs(data, folder / TABLE.name, seed)
    return {"table": str(out / TABLE.name), "seed": seed, **figures}


def _make_sentence_model(data: Path, out: Path, seed: int, sentences: int | None) -> dict[str, Any]:
    from ctxasr.english.sentences import TABLE
    from ctxasr.report.output import whole_files
    from ctxasr.speech.language.sentence_model import DRAWN, make_sentence_model

    with whole_files(out) as folder:
        counts = make_sentence_model(folder / TABLE.name, data, seed, _given(sentences, DRAWN))
    return {"table": str(out / TABLE.name), **counts}


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
