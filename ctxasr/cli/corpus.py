"""`ctxasr corpus make`: spoken corpora of our own making, to measure on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ctxasr.cli.shared import Half, bar, stoppable

corpus = typer.Typer(help="Make spoken corpora to measure on.", no_args_is_help=True)


class Kind(StrEnum):
    """What is said."""

    NAMES = "names"
    FOLLOWUPS = "followups"
    EVERYDAY = "everyday"


@corpus.callback()
def _group() -> None:
    """With one command typer would drop its name."""


@corpus.command("make")
def corpus_make(
    kind: Annotated[Kind, typer.Argument(help="What is said: names, answers, everyday words.")],
    directory: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write into.")],
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="By default 500, 300 and 600 of each kind.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="By default that of the figures which the README quotes.")
    ] = None,
    half: Annotated[
        Half, typer.Option(help="Names and voices that tuning heard, or those that it did not.")
    ] = Half.HELD_OUT,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No noise, and every voice as its synthesiser has it.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(envvar="CTXASR_DATA", help="names, everyday: the folder of evi_names/."),
    ] = None,
) -> None:
    """Draw and speak a corpus: a folder with utterances.jsonl, sound files and a card.

    Needs flite, festival and espeak-ng with the voices of the half. What is there already is kept,
    so that a stopped command goes on where it was.

    - `ctxasr corpus make names spoken/names --data DIR`
    - `ctxasr corpus make followups spoken/followups --n 300`
    - `ctxasr corpus make everyday spoken/everyday --half tuning --seed 11 --data DIR`
    """
    from ctxasr.evaluate.corpora.halves import seed_for
    from ctxasr.evaluate.corpora.making import N_DEFAULT, Plan, make
    from ctxasr.report.output import print_text

    plan = Plan(
        kind.value,
        N_DEFAULT[kind.value] if n is None else n,
        seed_for(kind.value, half.value) if seed is None else seed,
        half.value,
        quiet,
    )
    with (
        stoppable(lambda: f"what is in {directory} stays; the same command goes on from there"),
        bar("utterances") as progress,
    ):
        made = make(directory, plan, data, progress)
    print_text(f"{plan.n} utterances in {directory}, {made} made now\n")
