"""The command line. Each command reads its input, calls the package, and prints.

    dialogue    replay, recognise
    evaluate    evaluate
    scenario    scenario new | speak | import | check | schema | draw
    corpus      corpus make
    training    train
    rescore     rescore
    export      export
    costs       costs
    explore     explore
    simulate    simulate; fleet: how it runs
    serve       serve
    service     forget, doctor
    shared      options, progress bars and Ctrl-C, as all commands have them

What a command needs is imported inside it: `ctxasr --help` loads neither torch nor the recogniser.
The exit codes stand in `report/output.py`.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ctxasr import __version__
from ctxasr.cli import (
    corpus,
    costs,
    dialogue,
    evaluate,
    explore,
    export,
    rescore,
    scenario,
    serve,
    service,
    simulate,
    training,
)

app = typer.Typer(
    name="ctxasr",
    help="Contextual speech recognition: what was just asked tells what the answer may be.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(dialogue.replay)
app.command()(evaluate.evaluate)
app.command()(dialogue.recognise)
app.command()(rescore.rescore)
app.command()(export.export)
app.add_typer(scenario.scenario, name="scenario")
app.add_typer(corpus.corpus, name="corpus")
app.command()(training.train)
app.command()(costs.costs)
app.command()(explore.explore)
app.command()(simulate.simulate)
app.command()(serve.serve)
app.command()(service.forget)
app.command()(service.doctor)


def main() -> None:
    """The entry point: every error becomes one line on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 is no error
    try:
        app()
    except (Exception, KeyboardInterrupt) as error:
        from ctxasr.report.output import exit_code_of

        sys.exit(exit_code_of(error))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ctxasr {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
