"""A pytest plugin: every `*.scenario.yaml` that pytest meets is a test.

    pytest scenarios/                     each scenario is one item
    pytest scenarios/call_meg.scenario.yaml

Another program's files may have that ending too. A file is ours if one of the keys `schema`,
`turns` and `plan` begins a line of it; also if it is empty or cannot be read, which is then said.

A failure shows the line of the file that did not hold, what was expected and what came, and the
scenario's time line, or the last steps of a simulated one. Only pytest is imported until a scenario
runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ctxasr.scenario import SUFFIX

if TYPE_CHECKING:
    from ctxasr.report.plan_run import PlanReport
    from ctxasr.report.trace import Failure, TurnReport
    from ctxasr.scenario.planned import SimulatedScenario

LINES_AROUND: Final = 2
"""Lines of the file shown before and after the one that failed."""

COLUMNS_MAX: Final = 160
"""Of each such line."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Pytest asks for every file that it meets."""
    if not file_path.name.endswith(SUFFIX) or _is_anothers(file_path):
        return None
    collector: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return collector


_OURS: Final = re.compile(rb"""^[ {"']*(schema|turns|plan)["']?\s*:""", re.MULTILINE)

HEAD_BYTES_MAX: Final = 65_536
"""Read of a file to see whose it is: all of the keys stand at its beginning, behind comments."""


def _is_anothers(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES_MAX)
    except OSError:
        return False
    return bool(head.strip()) and _OURS.search(head) is None


class ScenarioFile(pytest.File):
    """A scenario file; it holds one test."""

    def collect(self) -> Iterable[pytest.Item]:
        name = self.path.name.removesuffix(SUFFIX)
        yield ScenarioItem.from_parent(self, name=name)


class ScenarioFailed(Exception):
    """A scenario ran, and some of its expectations did not hold. Its text names none of them."""

    def __init__(self, reports: Sequence[TurnReport]) -> None:
        self.reports = tuple(reports)
        super().__init__(f"{sum(not report.passed for report in reports)} turns failed")


class PlanFailed(Exception):
    """A simulated scenario broke an invariant, or ended in another way than expected."""

    def __init__(self, report: PlanReport) -> None:
        self.report = report
        super().__init__(f"{len(report.failures)} expectations failed")


class ScenarioItem(pytest.Item):
    """Replays one scenario, or carries its plan out."""

    def runtest(self) -> None:
        from ctxasr.scenario.format import SimulatedScenario, load_any

        scenario = load_any(self.path)
        if isinstance(scenario, SimulatedScenario):
            self._carry_out(scenario)
            return
        from ctxasr.scenario.replay import run_scenario

        reports = run_scenario(self.path)
        if all(report.passed for report in reports):
            return
        from ctxasr.report.terminal import scenario_text

        self.add_report_section("call", "time line", scenario_text(reports))
        raise ScenarioFailed(reports)

    def _carry_out(self, scenario: SimulatedScenario) -> None:
        from ctxasr.scenario.carry_out import carry_out

        report = carry_out(scenario)
        if not report.passed:
            from ctxasr.report.plan_run import plan_run_text

            self.add_report_section("call", "steps", plan_run_text(report))
            raise PlanFailed(report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from ctxasr.errors import ScenarioError

        error = excinfo.value
        if isinstance(error, ScenarioFailed):
            return "\n\n".join(
                self._explain(report) for report in error.reports if not report.passed
            )
        if isinstance(error, PlanFailed):
            shown = [f"plan of {error.report.lines} lines, seed {error.report.seed}"]
            for failure in error.report.failures:
                shown += ["", *self._explain_one(failure)]
            return "\n".join(shown)
        if isinstance(error, ScenarioError):
            shown = [str(error).replace(str(self.path), self._file())]
            if error.line is not None:
                shown += _excerpt(self.path, error.line)
            return "\n".join(shown)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"scenario: {self.name}"

    def _explain(self, report: TurnReport) -> str:
        shown = [f"turn {report.turn} of {report.scenario}"]
        for failure in report.failures:
            shown += ["", *self._explain_one(failure)]
        if report.reason:
            shown += ["", f"why       {report.reason}"]
        return "\n".join(shown)

    def _explain_one(self, failure: Failure) -> list[str]:
        return [
            f"{self._file()}:{failure.line}: {failure.field}",
            *_excerpt(self.path, failure.line),
            f"expected  {failure.expected}",
            f"got       {failure.got}",
        ]

    def _file(self) -> str:
        """The path as pytest shows paths: from the folder where it was called."""
        try:
            return str(self.path.relative_to(self.config.invocation_params.dir))
        except ValueError:
            return str(self.path)


def _excerpt(path: Path, line: int) -> list[str]:
    """The lines around `line` (from 1), that one marked with an arrow."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    first = max(1, line - LINES_AROUND)
    last = min(len(lines), line + LINES_AROUND)
    return [
        f"{'>' if number == line else ' '} {number:4} | {lines[number - 1][:COLUMNS_MAX]}".rstrip()
        for number in range(first, last + 1)
    ]
