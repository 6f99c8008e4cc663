"""What the commands share: options, progress bars, and an orderly end at Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from ctxasr.errors import InputError

if TYPE_CHECKING:
    from ctxasr.app import Settings
    from ctxasr.scenario.inputs import Checked
    from ctxasr.scenario.replay import Options

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]
Paths = Annotated[list[Path], typer.Argument(help="Scenario files, or folders with them.")]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="DynamoDB and KMS to use, or aws for AWS itself; by default one is started here.",
    ),
]


class Half(StrEnum):
    """Which half of names and voices to draw from."""

    TUNING = "tuning"
    HELD_OUT = "held-out"


class Split(StrEnum):
    """Which part of recorded data to read."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


Recogniser = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[:ARGUMENT]",
        help="pocketsphinx, whisper[:MODEL or FOLDER], or one that is plugged in.",
        show_default="CTXASR_RECOGNISER, or pocketsphinx",
    ),
]


def load(paths: list[Path], *, show_notes: bool) -> Checked:
    """The scenarios of files and folders; what is odd about them is said on stderr."""
    from ctxasr.report.output import say
    from ctxasr.scenario.inputs import load_checked

    checked = load_checked(paths)
    for note in checked.notes if show_notes else ():
        say(note)
    return checked


def settings_from(endpoint_url: str | None = None, recogniser: str | None = None) -> Settings:
    """The settings of the environment; what is given goes before them.

    Raises:
        InputError: a variable is wrong, or there is no such recogniser.
    """
    from dataclasses import replace

    from ctxasr.app import Settings
    from ctxasr.speech.recognisers import checked_spec

    settings = Settings.from_environment()
    if endpoint_url is not None:
        settings = replace(settings, endpoint_url=endpoint_url)
    if recogniser is not None:
        settings = replace(settings, recogniser=recogniser)
    checked_spec(settings.recogniser)
    return settings


def options(
    endpoint_url: str | None,
    recogniser: str | None,
    *,
    speed: float = 1.0,
    context: bool = True,
) -> Options:
    """How to replay."""
    from ctxasr.scenario.replay import Options

    settings = settings_from(endpoint_url, recogniser)
    return Options(speed=speed, context=context, settings=settings)


STANDARD_INPUT: Final = "standard input"
"""How errors call it; on the command line it is -."""


def piped(what: str) -> BinaryIO:
    """The bytes of standard input, where somebody has piped something into it.

    Raises:
        InputError: it is a terminal.
    """
    if sys.stdin.isatty():
        raise InputError(f"{STANDARD_INPUT}: is a terminal; pipe {what} into it")
    return sys.stdin.buffer


@contextmanager
def stoppable(how_far: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C ends a long command with a line that says how far it got."""
    from ctxasr.report.output import STOPPED, say

    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped: {how_far()}")
        raise typer.Exit(STOPPED) from None


@contextmanager
def bar(what: str) -> Iterator[Callable[..., None]]:
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
