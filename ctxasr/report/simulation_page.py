"""A simulated fleet as one HTML page that needs nothing else: no network, no scripts, no fonts.

    write_page(json.loads(text), Path("fleet.html"))    text: what `ctxasr simulate --json` printed

The same document gives the same bytes. Whatever the document says is text: the template escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from ctxasr import __version__
from ctxasr.errors import MissingPart
from ctxasr.report.output import write_new
from ctxasr.report.page import checks, designs, load, sections
from ctxasr.report.page.parts import (
    Figures,
    Section,
    Tile,
    between_shares,
    count_of,
    number,
    percent,
)

TEMPLATE: Final = Path(__file__).parent / "page" / "simulation.html"


class Verdict(NamedTuple):
    """Whether everything held; `tone` is good or bad."""

    words: str
    tone: str


def check_installed() -> None:
    """For before a long simulation, at whose end a page is to be drawn.

    Raises:
        MissingPart: a package that draws is not installed.
    """
    for package in ("matplotlib", "jinja2"):
        try:
            import_module(package)
        except ImportError:
            raise MissingPart(f"a page needs {package}: pip install 'ctxasr[plots]'") from None


def write_page(document: Mapping[str, Any], path: Path) -> None:
    """Write the page into a file that does not exist yet.

    Raises:
        InputError: the file exists.
        MissingPart: the packages that draw are not installed.
        OSError: it cannot be written.
    """
    write_new(path, page(document))


def page(document: Mapping[str, Any]) -> str:
    """The page of what `ctxasr simulate --json` prints.

    Raises:
        MissingPart: the packages that draw are not installed.
    """
    check_installed()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    asked, figures = document.get("parameters", {}), document.get("figures", {})
    return template.render(
        title=_title(document, figures),
        lead=_lead(asked),
        verdict=_verdict(
            [figures, *(one for one in document.get("sweep", []) if not one.get("what_if"))]
        ),
        command=document.get("command", ""),
        tiles=_tiles(figures),
        sections=_sections(document, figures, asked),
        footer=_footer(document),
    )


def _sections(document: Figures, figures: Figures, asked: Figures) -> list[Section]:
    others = {one["what_if"]: one for one in document.get("what_ifs", [])}
    points = [
        (dict(re.findall(r"(\S+?)=(\S*)", one["label"])), one) for one in document.get("sweep", [])
    ]
    found = [
        sections.deadline(figures),
        sections.outcomes(figures),
        sections.added(figures, asked.get("read_budget_ms")),
        designs.what_ifs(others),
        designs.sweep(points),
        load.load(figures),
        designs.costs(figures, others),
        checks.safety(figures),
        checks.asked(asked),
    ]
    return [section for section in found if section is not None]


def _title(document: Figures, figures: Figures) -> str:
    if "dialogues" in figures:
        return f"A fleet of {count_of(figures['dialogues'], 'dialogue')}"
    if points := document.get("sweep", []):
        return f"A sweep of {count_of(len(points), 'point')}"
    return "A simulated fleet"


def _lead(asked: Figures) -> list[str]:
    """What was asked, in a sentence."""
    said = []
    if (rate := asked.get("workload", {}).get("rate")) is not None:
        said.append(f"{number(rate)} dialogues begin in a second, on the mean of a day")
    said += [f"{name} {asked[name]}" for name in ("faults", "seed") if name in asked]
    how = "by arrays, without events or faults" if asked.get("twin") else "event by event"
    return [f"Simulated in virtual time, {how}: {', '.join(said)}."] if said else []


def _verdict(all_figures: Sequence[Figures]) -> Verdict | None:
    """Of the design: of what-ifs, violations are what is to be shown."""
    found = [one["invariants"]["violations"] for one in all_figures if "invariants" in one]
    if not found:
        return None
    if total := sum(found):
        return Verdict(f"{count_of(total, 'violation')} of what must always hold.", "bad")
    return Verdict("No violation: everything that must always hold did hold.", "good")


def _tiles(figures: Figures) -> list[Tile]:
    """The figures that one looks for first."""
    found = []
    if (hit := figures.get("deadline", {}).get("hit")) and hit["n"]:
        note = f"of {number(hit['n'])} turns that asked; 95%: {between_shares(hit)}"
        found.append(Tile("context in time", percent(hit["share"]), note))
    if (added := figures.get("added_ms", {}).get("all")) and added["n"]:
        note = f"p50 {number(added['p50']['value'], 3)}, p99.9 {number(added['p99_9']['value'], 3)}"
        found.append(Tile("added latency, p99", f"{number(added['p99']['value'], 3)} ms", note))
    if encoder := figures.get("encoder"):
        note = f"busiest hour: {number(encoder['busy_busiest_hour'], 3)} busy"
        found.append(Tile("encoder workers needed", number(encoder["workers"]), note))
    if store := figures.get("store"):
        note = f"of {number(store['requests'])} requests"
        found.append(Tile("throttled", number(store["throttled"]), note))
    if costs := figures.get("costs"):
        found.append(
            Tile("a million turns", f"${costs['total_usd_per_million']:,.2f}", "all parts")
        )
    return found


def _footer(document: Figures) -> list[str]:
    how = (
        "a vectorised twin of the stages, without faults"
        if document.get("parameters", {}).get("twin")
        else "the stages as they are shipped, on a virtual clock, over a model of the store, of "
        "the network and of their faults"
    )
    figures = document.get("figures") or {}
    note = str(figures.get("intervals", {}).get("note", ""))
    return [
        f"Made by ctxasr {document.get('version', __version__)} from what ctxasr simulate --json "
        "prints: the same command prints the same document, and the same document makes the same "
        "page. Nothing is loaded from elsewhere.",
        f"Every figure is of a simulation: {how}. Shares have Wilson's 95% interval, quantiles "
        "that of their ranks; n is beside each." + (f" Mind: {note}." if note else ""),
    ]
