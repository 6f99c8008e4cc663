"""What came of a simulated scenario, and how it is shown: its steps, outcomes and violations.

Steps hold names and numbers; no text of a simulated dialogue stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ctxasr.report.terminal import WIDTH_MAX
from ctxasr.report.timeline import ASCII, Glyphs, human
from ctxasr.report.trace import Failure
from ctxasr.sim.judging.watch import Step, Violation

STEPS_SHOWN_MAX: Final = 200
"""Steps of a run that are drawn, the last ones; --json has all of them."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """One run of a plan, held against what its scenario expects."""

    scenario: str
    file: str
    seed: int
    lines: int
    """Deliveries and faults of the plan."""
    once_broke: str
    """What a regression was found by, else empty."""
    outcomes: dict[str, int]
    """Turns by how they were settled; `unsettled` ones expired first."""
    violations: tuple[Violation, ...]
    failures: tuple[Failure, ...]
    """Expectations that did not hold; each violation is one."""
    steps: tuple[Step, ...]
    trace_hash: str
    virtual_s: float

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """The object that `ctxasr replay --json` prints."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "lines": self.lines,
            "outcomes": self.outcomes,
            "passed": self.passed,
            "violations": [one._asdict() for one in self.violations],
            "failures": [
                {"field": one.field, "line": one.line, "expected": one.expected, "got": one.got}
                for one in self.failures
            ],
            "steps": [one._asdict() for one in self.steps],
            "trace_hash": self.trace_hash,
            "virtual_ms": round(self.virtual_s * 1_000.0, 3),
        }


def print_plan_run(report: PlanReport, console: Console) -> None:
    """A head line, the steps, what came of it."""
    glyphs = _glyphs(console)
    width = min(console.width, WIDTH_MAX)
    sign, style = (glyphs.yes, "bold green") if report.passed else (glyphs.no, "bold red")
    title = Text.assemble((f"{sign} ", style), (report.scenario, "bold"))
    console.print(Rule(title, align="left", characters=glyphs.axis, style="dim"), width=width)
    head = f"simulated  plan of {report.lines} lines {glyphs.dot} seed {report.seed}"
    if report.once_broke:
        head += f" {glyphs.dot} once broke {report.once_broke}"
    console.print(Text(head), soft_wrap=True)
    console.print(steps_table(report.steps), soft_wrap=True)
    left_out = len(report.steps) - STEPS_SHOWN_MAX
    if left_out > 0:
        console.print(Text(f"{left_out:,} earlier steps are not shown; --json has them", "dim"))
    console.print(Text(f"outcomes    {_outcomes(report)}"), soft_wrap=True)
    for failure in report.failures:
        where = f"{report.file}:{failure.line}: {failure.field}"
        text = Text.assemble(
            (f"{glyphs.no} failed    ", "bold red"), (where, "red"),
            ("\n            expected ", "dim"), (failure.expected, "green"),
            ("\n            got      ", "dim"), (failure.got, "red"),
        )  # fmt: skip
        console.print(text, soft_wrap=True)
    console.print()


def plan_run_text(report: PlanReport, width: int = 100) -> str:
    """The same without colour, as a text: for test reports."""
    console = Console(width=width, no_color=True, force_terminal=False, color_system=None)
    with console.capture() as capture:
        print_plan_run(report, console)
    return capture.get()


def steps_table(steps: Sequence[Step]) -> Table:
    """The last STEPS_SHOWN_MAX steps: when, on which node, over which event, what."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("ms", justify="right")
    for name in ("node", "event", "step"):
        table.add_column(name, no_wrap=True)
    for one in steps[-STEPS_SHOWN_MAX:]:
        what = f"{one.what} {one.detail}" if one.detail else one.what
        table.add_row(f"{one.at_ms:,.1f}", one.node, one.event, what)
    return table


def print_plan_summary(reports: Sequence[PlanReport], console: Console) -> None:
    """One line a simulated scenario, and how many passed."""
    if not reports:
        return
    glyphs = _glyphs(console)
    table = Table(
        box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, safe_box=True, padding=(0, 1, 0, 0)
    )
    passed = sum(report.passed for report in reports)
    table.add_column("simulated", f"{passed} of {len(reports)} passed", overflow="fold")
    heads = (
        ("lines", sum(report.lines for report in reports)),
        ("steps", sum(len(report.steps) for report in reports)),
        ("broken", sum(len(report.violations) for report in reports)),
    )
    for head, total in heads:
        table.add_column(head, str(total or "-"), justify="right")
    table.add_column("time", justify="right")
    table.add_column("outcomes")
    for report in reports:
        sign = Text(
            f"{glyphs.yes if report.passed else glyphs.no} ",
            "green" if report.passed else "bold red",
        )
        table.add_row(
            sign.append(report.scenario, "" if report.passed else "bold"),
            *(str(n or "-") for n in (report.lines, len(report.steps), len(report.violations))),
            human(report.virtual_s * 1_000.0),
            _outcomes(report),
        )
    console.print(Padding(table, (0, 0, 1, 0)))


def _outcomes(report: PlanReport) -> str:
    found = [f"{count} {name}" for name, count in report.outcomes.items()]
    return ", ".join(found) or "no turns"


def _glyphs(console: Console) -> Glyphs:
    return ASCII if console.options.ascii_only else Glyphs()
