"""How `ctxasr simulate` runs: workers, Ctrl-C, and what becomes of what broke.

As in `ctxasr.cli`, what the command needs is imported inside it.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from ctxasr.cli.shared import bar, stoppable
from ctxasr.errors import InputError, LimitExceeded

if TYPE_CHECKING:
    from ctxasr.evaluate.fleet.checkpoint import Checkpoint
    from ctxasr.evaluate.fleet.crews import Crew
    from ctxasr.sim.fleet.question import Question
    from ctxasr.sim.fleet.summary import Summary

REGRESSIONS: Final = Path("scenarios/regressions")
"""Where violations are written to, if this folder is there."""

LINES_TOLD: Final = 200
"""Of a plan that cannot be written; a shrunk one has a few, as a rule."""


def check_workers(workers: int | None) -> None:
    """Hold `--workers` to its limit.

    Raises:
        LimitExceeded: WORKERS_MAX.
    """
    from ctxasr.evaluate.fleet.crews import WORKERS_MAX

    if workers is not None and not 1 <= workers <= WORKERS_MAX:
        raise LimitExceeded("WORKERS_MAX", WORKERS_MAX, workers, "--workers, from 1")


def check_folder(folder: Path | None) -> None:
    """Whether violations could be written to `--regressions`, before there are any.

    Raises:
        InputError: it is no folder, or nobody may write there.
    """
    if folder is None:
        return
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise InputError(f"--regressions {folder}: {there} is no folder, which would be right")
    if not os.access(there, os.W_OK):
        raise InputError(f"--regressions {folder}: {there} is a folder that may not be written to")


@contextmanager
def resumable(kept: Checkpoint) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run with a line that says how far it got and how to go on."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with stoppable(lambda: _how_far(kept)):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def answers(kept: Checkpoint, workers: int | None, on: str | None) -> list[Summary]:
    """Carry out what the checkpoint has not; says on stderr how fast, or how far it got."""
    from ctxasr.evaluate.fleet.crews import WorkerLost
    from ctxasr.evaluate.fleet.runner import answer
    from ctxasr.report.output import FAULT, say

    total = sum(one.blocks for one in kept.questions)
    before, began_s = len(kept), perf_counter()
    crew = _crew(kept.questions, workers, on, total - before)
    try:
        with bar("blocks") as advance, crew:
            summaries = answer(kept.questions, crew, kept, advance)
    except WorkerLost:
        say(f"a worker ended before its block did: out of memory? {_how_far(kept)}")
        raise typer.Exit(FAULT) from None
    except Exception:
        say(f"stopped by an error: {_how_far(kept)}")
        raise
    took_s = perf_counter() - began_s
    simulated = sum(one.dialogues for one in kept.questions) * (total - before) / max(1, total)
    noun = "dialogue" if round(simulated) == 1 else "dialogues"
    say(f"{simulated:,.0f} {noun} in {took_s:,.1f} s, {simulated / took_s:,.0f} a second")
    return summaries


def _how_far(kept: Checkpoint) -> str:
    if not len(kept):
        return "no block was done yet"
    total = sum(one.blocks for one in kept.questions)
    return f"{len(kept):,} of {total:,} blocks are done and kept; go on with: {again(kept)}"


def again(kept: Checkpoint) -> str:
    """The command that goes on with a checkpoint."""
    return shlex.join(["ctxasr", "simulate", f"--resume={kept.path}"])


def _crew(questions: Sequence[Question], workers: int | None, on: str | None, jobs: int) -> Crew:
    """Who carries out so many jobs."""
    from ctxasr.app import simulated
    from ctxasr.evaluate.fleet.crews import Alone, Processes

    if on is not None:
        name, _, address = on.partition(":")
        if name != "ray":
            raise InputError(f"--on {on}: ray, or ray:ADDRESS of a cluster, would be right")
        from ctxasr.evaluate.fleet.on_ray import OnRay

        return OnRay(questions, simulated, address=address or None, workers=workers)
    count = min(workers or _cores(), jobs)
    if count <= 1:
        return Alone(questions, simulated)
    return Processes(questions, simulated, workers=count)


def _cores() -> int:
    """Those that this process may use, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def broken_in(
    questions: Sequence[Question], summaries: Sequence[Summary]
) -> list[tuple[Question, Summary]]:
    """Where our own design broke an invariant; of other designs that is what is to be shown."""
    pairs = zip(questions, summaries, strict=True)
    return [(one, found) for one, found in pairs if found.violations and not one.what_if]


def made_small(
    broken: Sequence[tuple[Question, Summary]], command: str, folder: Path | None
) -> list[str]:
    """Shrink what broke and write it; what to tell of each, which is its lines if it is nowhere."""
    from ctxasr.app import simulated
    from ctxasr.evaluate.fleet.failing import chosen, smallest
    from ctxasr.scenario.regressions import lines_of, write
    from ctxasr.sim.fleet.blocks import setting_of

    folder = folder or (REGRESSIONS if REGRESSIONS.is_dir() else None)
    told = []
    for question, found in chosen(broken):
        small = smallest(question, found, simulated)
        what = (
            f"{question.label}{': ' * bool(question.label)}invariant {found.violation.invariant}, "
            f"seed {question.seed}, block {found.block}: {len(small.plan)} lines"
        )
        if folder is None:
            told.append(f"{what} (--regressions DIR writes them)")
            continue
        try:
            path = write(
                small.plan, small.violations, folder, setting=setting_of(question),
                found_by=f"{command}, block {found.block}",
            )  # fmt: skip
        except (InputError, OSError) as error:
            told.append(f"{what}, not written: {error}; here they are")
            lines = lines_of(small.plan)
            told += lines[:LINES_TOLD]
            if len(lines) > LINES_TOLD:
                told.append(f"... and {len(lines) - LINES_TOLD:,} more")
        else:
            told.append(f"{what} in {path}")
    return told
