"""Shows a replay while it runs: each scenario when it is complete, a spinner meanwhile.

The time lines go to stdout and the spinner to stderr, so that a pipe gets the time lines alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console

from ctxasr.report.output import Out, print_json
from ctxasr.report.plan_run import PlanReport, print_plan_run, print_plan_summary
from ctxasr.report.terminal import print_scenario, print_summary
from ctxasr.report.trace import TurnReport


class LiveReplay:
    """Takes turn reports one by one, then those of plans.

    `scenarios` are (name, turns) in the order of the replay, `plans` the names of simulated ones.
    `as_json` prints each turn as one line of JSON at once and nothing else on stdout; `quiet`
    prints the scenarios that failed, and the summary.
    """

    def __init__(
        self,
        scenarios: Sequence[tuple[str, int]],
        plans: Sequence[str] = (),
        *,
        as_json: bool,
        quiet: bool,
    ):
        self.reports: list[TurnReport] = []
        self.plans: list[PlanReport] = []
        self._names = [*(name for name, _ in scenarios), *plans]
        self._scenarios, self._done = scenarios, 0
        self._as_json, self._quiet = as_json, quiet
        self._open: list[TurnReport] = []
        self._out = Out()
        self._spinner = Console(stderr=True, quiet=quiet).status(self._working_on())

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._spinner.stop()

    @property
    def passed(self) -> bool:
        return all(turn.passed for turn in self.reports) and all(one.passed for one in self.plans)

    def take(self, report: TurnReport) -> None:
        """The next turn is done."""
        self.reports.append(report)
        self._open.append(report)
        if self._as_json:
            print_json(report.to_json())
        if len(self._open) == self._scenarios[self._done][1]:
            self._spinner.stop()
            self._print_open()
            self._done += 1
            self._spinner.update(self._working_on())
            self._spinner.start()

    def take_plan(self, report: PlanReport) -> None:
        """The next simulated scenario is done."""
        self.plans.append(report)
        if self._as_json:
            print_json(report.to_json())
        elif not (report.passed and self._quiet):
            self._spinner.stop()
            print_plan_run(report, self._out)
            self._spinner.start()
        self._done += 1
        self._spinner.update(self._working_on())

    def finish(self) -> None:
        """All is done."""
        if not self._as_json:
            print_summary(self.reports, self._out)
            print_plan_summary(self.plans, self._out)

    def how_far(self) -> str:
        """For a replay that was stopped: print the turns of the scenario it was in, and say so."""
        self._print_open()
        turns = sum(count for _, count in self._scenarios)
        return (
            f"{self._done} of {len(self._names)} scenarios ({len(self.reports)} of {turns} "
            "turns) are done, and all of it is printed"
        )

    def _print_open(self) -> None:
        failed = not all(report.passed for report in self._open)
        if not self._as_json and (failed or not self._quiet):
            print_scenario(self._open, self._out)
        self._open = []

    def _working_on(self) -> str:
        if self._done == len(self._names):
            return "finishing"
        return f"{self._done + 1} of {len(self._names)}: {self._names[self._done]}"
