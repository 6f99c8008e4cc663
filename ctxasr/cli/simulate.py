"""`ctxasr simulate`: a fleet in virtual time, with faults, what-ifs and sweeps.

As in `ctxasr.cli`, what the command needs is imported inside it.
"""

from __future__ import annotations

import secrets
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctxasr.cli.fleet import (
    REGRESSIONS,
    again,
    answers,
    broken_in,
    check_folder,
    check_workers,
    made_small,
    resumable,
)
from ctxasr.cli.shared import AsJson, load
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from ctxasr.evaluate.costs.prices import Prices
    from ctxasr.evaluate.fleet.checkpoint import Checkpoint
    from ctxasr.sim.fleet.question import Question


def simulate(
    dialogues: Annotated[
        str | None, typer.Option(metavar="N", help="How many dialogues. Default 10000.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(metavar="R", help="Dialogues that begin in a second. Default 10."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="S", help="Of all draws; default 1. Same seed, same run.")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE", help="none (default), network, crashes, clocks, models or all."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="W", help="Processes; as a rule all cores. No figure depends on it."),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The day: flat (default), day, or a file of 24 numbers."),
    ] = None,
    workload: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Statistics of your own, JSON or YAML.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSONL to fit the statistics from.")
    ] = None,
    scenarios: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Scenarios whose dialogues are played; several times."),
    ] = None,
    follow_up_share: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Of turns that ask back, 0 to 1.")
    ] = None,
    reply_ms: Annotated[
        str | None, typer.Option(metavar="MS", help="The median length of a reply.")
    ] = None,
    answer_delay_ms: Annotated[
        str | None, typer.Option(metavar="MS", help="The median pause before an answer.")
    ] = None,
    encoder_ms: Annotated[
        str | None, typer.Option(metavar="MS", help="The context encoder's median time.")
    ] = None,
    read_budget_ms: Annotated[
        str | None, typer.Option(metavar="MS", help="What context may add to an answer.")
    ] = None,
    ttl_s: Annotated[str | None, typer.Option(metavar="S", help="How long payloads live.")] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another design beside ours: single-table, eager-embedding, "
            "eventual-reads, no-claim; several times, or all.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=V1,V2",
            help="Every combination of values; several times. Names are "
            "those of the options above: rate, reply_ms, faults, what_if, seed ...",
        ),
    ] = None,
    twin: Annotated[
        bool,
        typer.Option("--twin", help="Without faults, by arrays: a million turns a second."),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="ray[:ADDRESS]", help="Over the machines of a Ray cluster."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep finished blocks here. Default: a temporary file, until the run is over.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Go on with a run that was stopped; the file knows what was asked."
        ),
    ] = None,
    regressions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where violations are written to as scenarios, made "
            f"small. Default {REGRESSIONS}, if it is there.",
        ),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="How often each fault and branch was reached.")
    ] = False,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prices, as for `ctxasr costs`.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="NAME=USD", help="One price; several times.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page with plots.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a fleet: the shipped stages on virtual time, over a model of DynamoDB, with faults.

    Prints what became of the turns, how often the context was there in time, what it added to an
    answer, and what store, encoder and money a fleet needs. The exit code is 1 if an invariant
    broke; what broke is shrunk to a few lines and written as a scenario.

    - `ctxasr simulate --dialogues 20000 --rate 50 --faults all`
    - `ctxasr simulate --what-if all --html fleet.html`
    - `ctxasr simulate --sweep encoder_ms=30,60,120 --sweep reply_ms=500,1000,3000 --twin`
    - `ctxasr simulate --dialogues 1e6 --checkpoint million.jsonl`, and after Ctrl-C
      `ctxasr simulate --resume million.jsonl`
    """
    from ctxasr.evaluate.costs.prices import load_prices
    from ctxasr.evaluate.fleet.document import document_of
    from ctxasr.report.output import FAILED, ReaderGone, say

    given = {
        "dialogues": dialogues, "rate": rate, "seed": seed, "faults": faults, "curve": curve,
        "workload": workload, "trace": trace, "scenarios": scenarios,
        "follow_up_share": follow_up_share, "reply_ms": reply_ms,
        "answer_delay_ms": answer_delay_ms, "encoder_ms": encoder_ms,
        "read_budget_ms": read_budget_ms, "ttl_s": ttl_s, "what_if": what_if, "sweep": sweep,
        "twin": twin,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value not in (None, False, [])}
    listed = load_prices(prices, price or ())
    _check_page(html)
    if checkpoint is not None and resume is not None:
        raise InputError("--resume goes on writing its own file; leave --checkpoint away")
    check_workers(workers)
    check_folder(regressions)
    priced = {name: one for name, one in (("prices", prices), ("price", price)) if one}
    asked = _asked(given) if given or resume is None else None
    command = _command(given | priced)
    kept, temporary = _opened(asked, command, listed, checkpoint, resume)
    is_over = False
    try:
        with kept, resumable(kept):
            listed = load_prices(prices, price or (), kept.prices)
            if kept.questions[0].twin and (priced or coverage):
                raise InputError(
                    "--twin counts no money, faults or branches; leave --prices, "
                    "--price and --coverage away"
                )
            summaries = answers(kept, workers, on)
            document = document_of(kept.questions, summaries, listed, kept.command)
            try:
                _show(document, html=html, as_json=as_json, coverage=coverage)
            except OSError:
                say(f"the figures are not lost: {again(kept)}")
                raise
            except ReaderGone:
                is_over = True
                raise
            broken = broken_in(kept.questions, summaries)
            if broken:
                for line in made_small(broken, kept.command, regressions):
                    say(line)
        is_over = True
    finally:
        if temporary and (is_over or not len(kept)):
            kept.path.unlink(missing_ok=True)
    if broken:
        raise typer.Exit(FAILED)


def _check_page(html: Path | None) -> None:
    """Before a long run: at its end a page must be drawn and written."""
    if html is None:
        return
    from ctxasr.report.simulation_page import check_installed

    if html.exists():
        raise InputError(f"{html}: exists already and is not overwritten; choose another name")
    check_installed()


def _show(document: dict[str, Any], *, html: Path | None, as_json: bool, coverage: bool) -> None:
    from ctxasr.report.output import Out, print_json
    from ctxasr.report.simulation import print_simulation

    if html is not None:
        from ctxasr.report.simulation_page import write_page

        write_page(document, html)
    if as_json:
        print_json(document)
    else:
        print_simulation(document, Out(), coverage=coverage)


# ---------------------------------------------------------------- what is asked


def _asked(given: Mapping[str, Any]) -> list[Question]:
    """The questions that options ask: one, one and what-ifs, or the points of a sweep."""
    from ctxasr.evaluate.fleet.asking import PARAMETERS, axes, changed, check_size, points
    from ctxasr.sim.fleet.question import Question
    from ctxasr.sim.region.what_if import WhatIf

    question = _with_workload(Question(twin="twin" in given), given)
    for name in [name for name in PARAMETERS if name in given and name != "what_if"]:
        question = changed(question, name, given[name])
    designs = list(dict.fromkeys(given.get("what_if", ())))
    for name in designs:
        if name not in (*WhatIf, "none", "all"):
            raise InputError(f"--what-if {name}: one of {', '.join(WhatIf)} or all would be right")
    if "all" in designs:
        designs = list(WhatIf)
    if question.twin and (designs or question.faults != "none"):
        raise InputError("--twin knows neither faults nor other designs; leave it away for those")
    found = [question, *(changed(question, "what_if", name) for name in designs if name != "none")]
    if "sweep" in given:
        if designs:
            raise InputError("--what-if in a sweep is --sweep what_if=none,single-table")
        swept = axes(given["sweep"])
        if question.twin and swept.keys() & {"faults", "what_if"}:
            raise InputError("--twin knows neither faults nor other designs to sweep")
        if question.twin and "ttl_s" in swept:
            raise InputError("--twin knows no expiry: ttl_s would change nothing in a sweep")
        found = points(question, swept)
    elif question.twin and "ttl_s" in given:
        raise InputError("--twin knows no expiry: --ttl-s would change nothing")
    if question.twin and question.workload.scripted:
        raise InputError("--twin plays no scripted dialogues; leave it away for those of scenarios")
    if question.twin and not all(one.read_budget_ms for one in found):
        raise InputError("--twin needs a read budget above 0; leave it away for read_budget_ms 0")
    check_size(found)
    return [one.rounded() for one in found]


def _with_workload(question: Question, given: Mapping[str, Any]) -> Question:
    from ctxasr.report.output import say
    from ctxasr.sim.workload.document import read_curve

    if "workload" in given and "trace" in given:
        raise InputError("--workload and --trace both say what is asked; give one of them")
    if "workload" in given:
        from ctxasr.sim.workload.files import read_workload

        question = replace(question, **read_workload(given["workload"])._asdict())
    if "trace" in given:
        from ctxasr.sim.workload.fit import fit
        from ctxasr.sim.workload.trace import read_trace

        fitted = fit(read_trace(given["trace"]), str(given["trace"]))
        for line in fitted.report():
            say(f"{given['trace']}: {line}")
        question = replace(question, workload=fitted.workload, latencies=fitted.latencies)
    statistics = question.workload
    if "curve" in given:
        statistics = replace(statistics, curve=read_curve(given["curve"]))
    if "scenarios" in given:
        from ctxasr.scenario.scripts import script_of

        found = load(given["scenarios"], show_notes=False).scenarios
        statistics = replace(statistics, scripted=1.0, scripts=tuple(map(script_of, found)))
    return replace(question, workload=statistics)


def _command(given: Mapping[str, Any]) -> str:
    """What asks the same again; neither workers nor outputs are part of it."""
    words = ["ctxasr", "simulate"]
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [option] if value is True else [f"{option}={one}" for one in values]
    return shlex.join(words)


def _opened(
    asked: list[Question] | None,
    command: str,
    prices: Prices,
    path: Path | None,
    resume: Path | None,
) -> tuple[Checkpoint, bool]:
    """The checkpoint to keep blocks in, and whether it is needed no longer than the run."""
    from ctxasr.evaluate.fleet.checkpoint import Checkpoint, differences

    if resume is None:
        assert asked is not None, "somebody asks"
        name = f"ctxasr-simulate-{secrets.token_hex(4)}.jsonl"
        kept = path or Path(tempfile.gettempdir()) / name
        return Checkpoint.create(kept, command, asked, prices), path is None
    found = Checkpoint.load(resume)
    if asked is not None and (differ := differences(found.questions, asked)):
        found.close()
        raise InputError(
            f"{resume}: was asked something else: {'; '.join(differ)}. Give the same options, or "
            "none: the file knows them"
        )
    return found, False
