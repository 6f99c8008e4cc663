"""The command line. Each command reads its input, calls the package, and prints.

    replay  recognise  evaluate  train  doctor
    scenario new | speak | import | check | schema | draw   (in scenario/commands.py)

What a command needs is imported inside it: `ctxasr --help` loads neither torch nor the recogniser.
The exit codes stand in `report/output.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ctxasr import __version__
from ctxasr.errors import InputError
from ctxasr.scenario.commands import Paths, scenario

if TYPE_CHECKING:
    from ctxasr.report.live import LiveReplay
    from ctxasr.scenario.inputs import Checked
    from ctxasr.scenario.replay import Options

PACKAGED: Final = Path(__file__).parent / "scenario" / "packaged"
"""The example that comes with the package: what `ctxasr replay` plays without a PATH."""

SPEED_MIN: Final = 0.1
SPEED_MAX: Final = 100.0
"""As in `scenario.replay`, which is too heavy to import for `--help`."""

app = typer.Typer(
    name="ctxasr",
    help="Contextual speech recognition: what was just asked tells what the answer may be.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(scenario, name="scenario")

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="DynamoDB and KMS to use, or aws for AWS itself; by default one is started here.",
    ),
]


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


# ---------------------------------------------------------------- replay and evaluate


@app.command()
def replay(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Scenario files or folders; without one the packaged example."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a turn on stdout, nothing else there.")
    ] = False,
    no_context: Annotated[
        bool, typer.Option("--no-context", help="Compute contexts, but do not use them.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=SPEED_MIN, max=SPEED_MAX, help="How fast compute windows pass.")
    ] = 1.0,
    endpoint_url: EndpointUrl = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only the scenarios that failed, and the summary.")
    ] = False,
) -> None:
    """Replay scenarios end to end and show the time line of each turn.

    The exit code is 0 if every expectation held, 1 if one failed, 2 for a wrong scenario.

    - `ctxasr replay scenarios/`
    - `ctxasr replay --json scenarios/call_meg.scenario.yaml`
    - `ctxasr replay --no-context scenarios/call_meg.scenario.yaml`
    """
    from ctxasr.report.live import LiveReplay

    checked = _load(paths or [PACKAGED], show_notes=not quiet)
    plan = [(scenario.name, len(scenario.turns)) for scenario in checked.scenarios]
    live = LiveReplay(plan, as_json=as_json, quiet=quiet)
    options = _options(endpoint_url, speed=speed, context=not no_context)
    with _stoppable(live.how_far), live:
        asyncio.run(_replay(checked, options, live))
    live.finish()
    if not live.passed:
        raise typer.Exit(1)


async def _replay(checked: Checked, options: Options, live: LiveReplay) -> None:
    from ctxasr.scenario.replay import replay_all

    # If printing fails, the server and its clients still end in order.
    async with aclosing(replay_all(checked.scenarios, options)) as runs:
        async for run in runs:
            live.take(run.report)


@app.command()
def evaluate(
    paths: Paths,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the other contexts.")] = 7,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Count word errors of follow-up turns: plain, context emptied, another's, with context.

    - `ctxasr evaluate scenarios/`
    """
    checked = _load(paths, show_notes=True)
    from ctxasr.report.output import Out, print_json
    from ctxasr.scenario.study import evaluate_scenarios

    with (
        _stoppable(lambda: "no figures, for not all turns were replayed"),
        _bar("turns") as progress,
    ):
        study = asyncio.run(
            evaluate_scenarios(
                checked.scenarios, _options(endpoint_url), seed=seed, progress=progress
            )
        )
    if as_json:
        print_json(study.to_json())
    else:
        study.render(Out())


# ---------------------------------------------------------------- recognise


@app.command()
def recognise(
    audio: Annotated[Path, typer.Argument(help="One utterance: FLAC, WAV or OGG.")],
    context: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON: what was asked, {utterance, reply, entities, screen, slot}.",
        ),
    ] = None,
    as_json: AsJson = False,
    nbest: Annotated[int, typer.Option(min=0, max=50, help="Hypotheses to show.")] = 0,
) -> None:
    """Recognise one utterance, under what the assistant had just asked if that is given.

    - `ctxasr recognise bauer.flac`
    - `ctxasr recognise bauer.flac --context asked.yaml --nbest 5`
    """
    from ctxasr.report.output import Out, print_json
    from ctxasr.scenario.utterance import load_context, print_recognised, recognise_utterance

    before = None if context is None else load_context(context)
    found = asyncio.run(recognise_utterance(audio, before))
    if as_json:
        print_json(found.to_json(nbest))
    else:
        print_recognised(found, Out(), nbest)


# ---------------------------------------------------------------- train


class Part(StrEnum):
    """What can be trained."""

    ENCODER = "encoder"
    G2P = "g2p"
    RESCORER = "rescorer"


@app.command()
def train(
    part: Annotated[Part, typer.Option(help="What to train.")] = Part.ENCODER,
    data: Annotated[
        Path | None,
        typer.Option(envvar="CTXASR_DATA", help="encoder: the folder that holds sgd_followup/."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="encoder, g2p: the folder for the weights.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="By default 7; 0 for g2p: those of the shipped weights.")
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
    as_json: AsJson = False,
) -> None:
    """Train a model: the context encoder, grapheme-to-phoneme, or the rescorer's weights.

    The same seed on the same machine gives the same weights. They are written at the end, as a
    whole; a stopped training leaves what was there before. The rescorer's weights are printed.

    - `ctxasr train --data DIR --out weights/`
    - `ctxasr train --part g2p --out weights/`
    - `ctxasr train --part rescorer --answers 500`
    """
    from ctxasr.report.output import Out, print_json

    with _stoppable(lambda: "nothing was written"), _bar(part.value) as progress:
        if part is Part.RESCORER:
            from ctxasr.scenario import tuning

            figures = tuning.tune(
                seed=_given(seed, 7), n=_given(answers, tuning.DIALOGUES), progress=progress
            ).to_json()
        elif out is None:
            raise InputError("--out is missing; give the folder for the weights")
        elif part is Part.G2P:
            figures = _train_g2p(out, _given(seed, 0), epochs)
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


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


# ---------------------------------------------------------------- doctor


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is there and what is missing on this machine, and how to get it.

    The exit code is 0 if everything that is required is there, else 1.

    - `ctxasr doctor --json`
    """
    from ctxasr.report.doctor import examine
    from ctxasr.report.output import Out, print_json

    out, checks = Out(), []
    for check in examine():
        checks.append(check)
        if not as_json:
            out.print(check.render(), soft_wrap=True)
    ready = all(check.fine for check in checks)
    if as_json:
        print_json({"ready": ready, "checks": [check.to_json() for check in checks]})
    if not ready:
        raise typer.Exit(1)


# ---------------------------------------------------------------- shared


def _load(paths: list[Path], *, show_notes: bool) -> Checked:
    from ctxasr.report.output import say
    from ctxasr.scenario.inputs import load_checked

    checked = load_checked(paths)
    for note in checked.notes if show_notes else ():
        say(note)
    return checked


def _options(endpoint_url: str | None, *, speed: float = 1.0, context: bool = True) -> Options:
    from dataclasses import replace

    from ctxasr.app import Settings
    from ctxasr.scenario.replay import Options

    settings = Settings.from_environment()
    if endpoint_url is not None:
        settings = replace(settings, endpoint_url=endpoint_url)
    return Options(speed=speed, context=context, settings=settings)


@contextmanager
def _stoppable(how_far: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C ends a long command with a line that says how far it got."""
    from ctxasr.report.output import STOPPED, say

    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped: {how_far()}")
        raise typer.Exit(STOPPED) from None


@contextmanager
def _bar(what: str) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr, if that is a terminal; yields what to call with (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = console.is_terminal
    with Progress(console=console, transient=True, redirect_stdout=False, disable=not shown) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int, loss: float | None = None) -> None:
            label = what if loss is None else f"{what}, loss {loss:.3f}"
            bar.update(task, completed=done, total=total, description=label)

        yield advance
