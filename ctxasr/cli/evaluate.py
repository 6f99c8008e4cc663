"""`ctxasr evaluate`: word errors of scenarios and corpora, with and without context."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctxasr.cli.shared import (
    AsJson,
    EndpointUrl,
    Recogniser,
    Split,
    bar,
    load,
    settings_from,
    stoppable,
)
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from ctxasr.app import Settings
    from ctxasr.evaluate.comparison import Comparison
    from ctxasr.evaluate.study import Study


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|evi|human...",
            help="Scenario files, folders of them or of corpora, or recorded corpora by name.",
        ),
    ],
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap, the lists, other contexts.")] = 7,
    endpoint_url: EndpointUrl = None,
    data: Annotated[
        Path | None,
        typer.Option(envvar="CTXASR_DATA", help="The folder of evi_names/ and human_speech/."),
    ] = None,
    split: Annotated[Split, typer.Option(help="Of the EVI data.")] = Split.TEST,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Utterances of each corpus, drawn by the seed.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Corpora: keep what is done there, and go on from it."),
    ] = None,
    recogniser: Recogniser = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Corpora: gain against harm, as .svg or .png."),
    ] = None,
) -> None:
    """Count word errors: plain, with context, and under contexts that do not hold the answer.

    Scenarios are replayed and compared under four contexts; simulated ones have no words, and are
    left out. Utterances of corpora are heard once and met with lists of names that hold the
    answer, hold the nearest names by sound, or do not hold it: docs/corpora.md.

    - `ctxasr evaluate scenarios/`
    - `ctxasr evaluate spoken/names spoken/everyday --data DIR --plot frontier.svg`
    - `ctxasr evaluate evi human --data DIR --limit 100 --json`
    """
    from ctxasr.evaluate.study import is_corpus
    from ctxasr.report.output import Out, print_json

    corpora = [one for one in what if is_corpus(one)]
    paths = [Path(one) for one in what if one not in corpora]
    if not corpora and (given := _named(plot=plot, resume=resume, limit=limit)):
        raise InputError(f"{given}: is for corpora, and none of these is one")
    if plot is not None:
        from ctxasr.report.frontier import check

        check(plot)
    chosen = settings_from(endpoint_url, recogniser)
    compared = _compare(paths, chosen, seed) if paths else None
    heard = chosen.recogniser
    studies = _study(corpora, data, split, limit, seed, resume, heard) if corpora else []
    if plot is not None:
        _draw(plot, studies)
    if as_json:
        print_json(_to_json(compared, studies))
        return
    console = Out()
    if compared is not None:
        compared.render(console)
    for one in studies:
        one.render(console)
    if studies:
        console.print(
            "change: of word errors against plain; sound: where what sounds like the reference "
            "is right; worse: of the changed texts; wrong: of the plain texts that were right"
        )


def _named(**given: object) -> str:
    return ", ".join(f"--{name}" for name, value in given.items() if value is not None)


def _to_json(compared: Comparison | None, studies: list[Study]) -> dict[str, Any]:
    """Of scenarios alone their comparison; else the corpora by name."""
    if compared is not None and not studies:
        return compared.to_json()
    scenarios = {} if compared is None else {"scenarios": compared.to_json()}
    return scenarios | {"corpora": {one.corpus: one.to_json() for one in studies}}


def _compare(paths: list[Path], settings: Settings, seed: int) -> Comparison:
    from ctxasr.report.output import say
    from ctxasr.scenario.replay import Options
    from ctxasr.scenario.study import evaluate_scenarios

    checked = load(paths, show_notes=True)
    if not checked.scenarios:
        raise InputError("no spoken scenario among them, and only those have words to count")
    if checked.simulated:
        say(f"left out: {len(checked.simulated)} simulated scenarios, which have no words")
    with (
        stoppable(lambda: "no figures, for not all turns were replayed"),
        bar("turns") as progress,
    ):
        return asyncio.run(
            evaluate_scenarios(
                checked.scenarios, Options(settings=settings), seed=seed, progress=progress
            )
        )


def _study(
    names: list[str],
    data: Path | None,
    split: Split,
    limit: int | None,
    seed: int,
    resume: Path | None,
    recogniser: str,
) -> list[Study]:
    from ctxasr.app import default_aligner, default_encoder, default_recognizer
    from ctxasr.evaluate.corpora.neighbours import Neighbours
    from ctxasr.evaluate.study import names_to_draw, read_corpora, sampled, study
    from ctxasr.evaluate.trials import Listener

    corpora = sampled(read_corpora(names, data, split.value), limit, seed)
    people = names_to_draw(corpora, data)
    with_sound = any(one.audio for utterances in corpora.values() for one in utterances)
    heard = default_recognizer(recogniser) if with_sound else None
    listener = Listener(heard, default_encoder(), default_aligner())
    far = [0, 0]

    def how_far() -> str:
        kept = "run it again with --resume FILE to keep what is done"
        if resume is not None:
            kept = f"the same command goes on from {resume}"
        return f"{far[0]} of {far[1]} utterances; {kept}"

    with stoppable(how_far), bar("utterances") as shown:

        def progress(done: int, total: int) -> None:
            far[:] = done, total
            shown(done, total)

        return asyncio.run(
            study(
                corpora,
                listener,
                Neighbours(people, listener.sounds),
                recogniser=recogniser,
                seed=seed,
                resume=resume,
                progress=progress,
            )
        )


def _draw(path: Path, studies: list[Study]) -> None:
    from ctxasr.evaluate.frontier import panels
    from ctxasr.report.frontier import Axes, draw_frontier
    from ctxasr.report.output import say

    found = []
    for panel in panels(studies):
        label = "right texts made wrong" if panel.of_right_texts else "word errors, against plain"
        found.append(Axes(panel.harm, label, panel.lines, panel.at))
    if found:
        draw_frontier(path, found)
    else:
        say(f"{path}: not drawn, for no answer was on offer, or no list lacked it")
