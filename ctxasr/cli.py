"""The command line. Each command parses, calls one function of the package, and prints.

    replay  recognise  evaluate  train  doctor
    scenario new | speak | import | check | schema | draw

What a command needs is imported inside it: `ctxasr --help` loads neither torch nor the recogniser.
Exit codes stand in `report/output.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ctxasr import __version__
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from ctxasr.report.doctor import Check
    from ctxasr.report.trace import TurnReport
    from ctxasr.scenario.inputs import Checked
    from ctxasr.scenario.model import Scenario
    from ctxasr.scenario.replay import Options
    from ctxasr.scenario.utterance import Recognised

PACKAGED: Final = Path(__file__).parent / "scenario" / "packaged"
"""The example that comes with the package: what `ctxasr replay` plays without a PATH."""

SPEED_MIN, SPEED_MAX = 0.1, 100.0

app = typer.Typer(
    name="ctxasr",
    help="Contextual speech recognition: what was just asked tells what the answer may be.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
scenarios_app = typer.Typer(
    help="Write, speak, import, check and draw scenario files.", no_args_is_help=True
)
app.add_typer(scenarios_app, name="scenario")

Paths = Annotated[
    list[Path], typer.Argument(help="Scenario files, or folders with them.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        help="DynamoDB and KMS to use, as in http://127.0.0.1:8000; else one is started.",
    ),
]


# ---------------------------------------------------------------- replay, evaluate


@app.command()
def replay(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Scenario files or folders; none: the packaged example."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a turn on stdout, nothing else there.")
    ] = False,
    no_context: Annotated[
        bool, typer.Option("--no-context", help="Compute contexts, but do not use them.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(min=SPEED_MIN, max=SPEED_MAX, help="How fast compute windows pass."),
    ] = 1.0,
    endpoint_url: EndpointUrl = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only scenarios that failed, and the summary.")
    ] = False,
) -> None:
    """Replay scenarios end to end and show each turn's time line.

    Exit code 0 if every expectation held, 1 if one failed, 2 for wrong input.

    Examples: `ctxasr replay scenarios/` · `ctxasr replay --json a.scenario.yaml | jq .text` ·
    `ctxasr replay --no-context scenarios/call_meg.scenario.yaml`
    """
    checked = _load(paths or [PACKAGED], notes=not (as_json or quiet))
    shown = _Shown(checked.scenarios, as_json=as_json, quiet=quiet)
    with _stoppable(shown.how_far):
        asyncio.run(_replay(checked.scenarios, _options(speed, not no_context, endpoint_url), shown))
    shown.finish()
    if not all(report.passed for report in shown.reports):
        raise typer.Exit(1)


async def _replay(scenarios: Sequence[Scenario], options: Options, shown: _Shown) -> None:
    from ctxasr.scenario.replay import replay_all

    with shown.progress:
        async for run in replay_all(scenarios, options):
            shown.take(run.report)


class _Shown:
    """Prints turns as they come: JSON at once, time lines when their scenario is complete."""

    def __init__(self, scenarios: Sequence[Scenario], *, as_json: bool, quiet: bool):
        from rich.console import Console

        from ctxasr.report.output import Out

        self.reports: list[TurnReport] = []
        self._names = [scenario.name for scenario in scenarios]
        self._turns = [len(scenario.turns) for scenario in scenarios]
        self._as_json, self._quiet = as_json, quiet
        self._open: list[TurnReport] = []
        self._done = 0
        self._out = Out()
        self.progress = Console(stderr=True, quiet=quiet).status(self._working_on())

    def take(self, report: TurnReport) -> None:
        self.reports.append(report)
        if self._as_json:
            _print_json(report.to_json())
        self._open.append(report)
        if len(self._open) == self._turns[self._done]:
            self.progress.stop()
            self._print_open()
            self._done += 1
            self.progress.update(self._working_on())
            self.progress.start()

    def finish(self) -> None:
        from ctxasr.report.terminal import print_summary

        if not self._as_json:
            print_summary(self.reports, self._out)

    def how_far(self) -> str:
        """After Ctrl-C: print what is there of the scenario that was stopped."""
        self._print_open()
        return (
            f"after {self._done} of {len(self._turns)} scenarios ({len(self.reports)} of "
            f"{sum(self._turns)} turns); all that is done is printed"
        )

    def _print_open(self) -> None:
        from ctxasr.report.terminal import print_scenario

        failed = not all(report.passed for report in self._open)
        if not self._as_json and (failed or not self._quiet):
            print_scenario(self._open, self._out)
        self._open = []

    def _working_on(self) -> str:
        if self._done == len(self._names):
            return "finishing"
        return f"{self._done + 1} of {len(self._names)}: {self._names[self._done]}"


@app.command()
def evaluate(
    paths: Paths,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the other contexts.")] = 7,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Compare word errors of follow-up turns: plain, context emptied, another's, with context.

    Example: `ctxasr evaluate scenarios/`
    """
    checked = _load(paths, notes=False)
    from ctxasr.report.output import Out
    from ctxasr.scenario.study import evaluate_scenarios

    with _bar("turns") as progress, _stoppable(lambda: "before all turns were replayed"):
        options = _options(SPEED_MAX, True, endpoint_url) if False else _options(1.0, True, endpoint_url)
        study = asyncio.run(
            evaluate_scenarios(checked.scenarios, options, seed=seed, progress=progress)
        )
    if as_json:
        _print_json(study.to_json())
    else:
        study.render(Out())
