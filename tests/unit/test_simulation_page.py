"""The page of a simulation: whole, the same each time, and on its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from simulation_documents import document, figures

from ctxasr import app
from ctxasr.errors import InputError, MissingPart
from ctxasr.report.page.parts import between_shares, number, percent
from ctxasr.report.simulation_page import page, write_page

BYTES_MAX = 2_000_000
HEADINGS = {
    "deadline": "The deadline",
    "outcomes": "What became of the turns",
    "added_ms": "Added latency",
    "what_ifs": "What if the design were another one?",
    "sweep": "Sweep",
    "over_time": "Load and capacity",
    "costs": "Cost",
    "invariants": "What must always hold",
    "parameters": "What was asked",
}
"""By the part of the document that they are about."""

POINTS_OUTSIDE = {"src", "href", "xlink:href", "action", "data", "srcset", "poster", "cite"}


class Read(HTMLParser):
    """The page's elements, texts, and the rows of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def headings(self) -> list[str]:
        return [row for row in self.texts if row in HEADINGS.values()]

    def row(self, name: str) -> list[str]:
        [found] = [row for row in self.rows if row and row[0] == name]
        return found


@pytest.fixture(scope="module")
def html() -> str:
    return page(document())


@pytest.fixture(scope="module")
def read(html: str) -> Read:
    return Read(html)


def test_every_part_has_its_section(read: Read) -> None:
    for heading in HEADINGS.values():
        assert read.texts.count(heading) == 2, f"{heading}: in the page and in its contents"


def test_a_section_is_there_if_its_part_of_the_document_is() -> None:
    assert Read(page({})).headings() == []
    whole = document()
    for part, heading in HEADINGS.items():
        if part in whole:
            alone = {part: whole[part]}
        else:
            alone = {"figures": {part: whole["figures"][part], "turns": 15_400}}
        assert Read(page(alone)).headings() == [heading] * 2


def test_figures_of_the_twin_make_a_page() -> None:
    """It counts no requests of the store, no money, no invariants."""
    twin = {name: figures()[name] for name in ("dialogues", "turns", "outcomes", "deadline",
                                               "answers", "added_ms", "encoder")}  # fmt: skip
    points = [{"label": f"encoder_ms={ms}", **twin} for ms in (20, 40)]
    headings = Read(page({"figures": twin, "sweep": points})).headings()
    assert "Load and capacity" in headings
    assert "Cost" not in headings


def test_the_page_says_by_how_much(read: Read) -> None:
    dollars = read.row("$ a million turns")
    assert dollars[1] == "20.2 $"
    assert dollars[2] == "\N{BLACK CIRCLE} 28.6 $+41.6%"
    worse = read.row("WCU a turn")
    assert worse[2] == "\N{BLACK SQUARE} 2.46 WCU\N{MINUS SIGN}25.5%"
    open_ = read.row("contexts in time")
    assert open_[4].startswith("\N{WHITE CIRCLE} 88.31%\N{MINUS SIGN}8.99 points (")
    sentence = next(text for text in read.texts if text.startswith("Against single-table"))
    assert "better in 3 of 7 figures" in sentence
    assert "worse in 1 (WCU a turn: 3.3 WCU against 2.46 WCU)" in sentence


def test_a_table_holds_what_a_plot_shows(read: Read) -> None:
    for one in document()["figures"]["deadline"]["by_reply_ms"]:
        end = f"\N{EN DASH}{one['to_ms'] / 1_000:g}" if one["to_ms"] else " and more"
        row = read.row(f"{one['from_ms'] / 1_000:g}{end}")
        assert row[1:] == [number(one["n"]), percent(one["share"]), between_shares(one)]


def test_violations_and_what_was_not_reached_are_said() -> None:
    broken = document()
    found = [{"invariant": 1, "block": 3, "turn": "c/i", "what": "was never settled"}]
    broken["figures"]["invariants"] |= {"violations": 60, "found": found}
    read = Read(page(broken))
    assert "60 violations of what must always hold." in read.texts
    assert read.row("1") == ["1", "3", "c/i", "was never settled"]
    assert "The first 1 are listed." in read.texts
    assert read.row("partition") == ["partition", "not asked for"]
    assert read.row("key race lost") == ["key race lost", "never"]


def test_the_page_refers_to_nothing_outside(html: str, read: Read) -> None:
    for tag, attributes in read.elements:
        for name in POINTS_OUTSIDE & attributes.keys():
            assert attributes[name].startswith(("#", "data:,")), (tag, attributes)
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "iframe", "object", "embed", "img", "image", "base", "audio"}
    assert not re.search(r"url\((?!#)|@import|@font-face|://", html)
    assert not [name for _, attributes in read.elements for name in attributes
                if name.startswith("on")]  # fmt: skip


def test_ids_are_unique_and_what_is_referred_to_is_there(html: str, read: Read) -> None:
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", html))
    for _, attributes in read.elements:
        used |= set(attributes.get("aria-labelledby", "").split())
        used |= {attributes["href"][1:]} if attributes.get("href", "").startswith("#") else set()
    assert used <= set(ids)
    assert len(used) > len(HEADINGS)


def test_every_figure_tells_a_screen_reader_what_it_shows(html: str) -> None:
    drawn = re.findall(r"<svg .*?</svg>", html)
    assert len(drawn) == 8
    for svg in drawn:
        assert 'role="img"' in svg
        assert re.search(r"<title [^>]*>[^<]{8,}</title><desc [^>]*>[^<]{8,}</desc>", svg)
    assert not re.search(r"#[0-9a-f]{6}", "".join(drawn)), "colours are the page's"


def test_what_the_document_says_stays_text() -> None:
    hostile = "<script>alert(1)</script>\"'&$x_1$\N{CJK UNIFIED IDEOGRAPH-540D}"
    bad: dict[str, Any] = document()
    bad["command"] = bad["version"] = bad["parameters"]["faults"] = hostile
    bad["what_ifs"][0]["what_if"] = bad["what_ifs"][0]["against"][1]["figure"] = hostile
    bad["figures"]["faults"][hostile] = 1
    bad["figures"]["costs"]["usd_per_million"][hostile] = 9.0
    bad["sweep"] = [one | {"label": one["label"].replace("all", hostile)} for one in bad["sweep"]]
    text = page(bad)
    read = Read(text)
    assert "<script" not in text
    assert "script" not in {tag for tag, _ in read.elements}
    assert sum(hostile in one for one in read.texts) > 15, "in tables, sentences and drawings"


def test_the_same_document_makes_the_same_bytes(html: str, tmp_path: Path) -> None:
    """Whatever the process, the hash seed, the time zone and the user's own matplotlibrc."""
    (tmp_path / "matplotlibrc").write_text("axes.grid: False\nfont.size: 30\nlines.linewidth: 9\n")
    program = (
        "import sys; from simulation_documents import document;"
        "from ctxasr.report.simulation_page import page;"
        "sys.stdout.buffer.write(page(document()).encode())"
    )
    tests = str(Path(__file__).parents[1])
    surroundings = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": tests}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | surroundings, check=True,
        capture_output=True,
    )  # fmt: skip
    assert done.stdout.decode() == html


def test_the_page_is_small(html: str) -> None:
    assert len(html.encode()) < BYTES_MAX / 4
    long = document()
    long["figures"]["over_time"] = {
        name: {"width_s": 1_200, "mean": [at * 1.37 for at in range(512)], "peak": [1] * 512}
        for name in long["figures"]["over_time"]
    }
    points = [{"label": f"encoder_ms={ms}", **figures()} for ms in range(1_000)]
    assert len(page(long | {"sweep": points}).encode()) < BYTES_MAX


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPart, match=re.escape("pip install 'ctxasr[plots]'")):
        page(document())


def test_a_page_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "fleet.html"
    write_page({}, path)
    assert path.read_text(encoding="utf-8") == page({})
    with pytest.raises(InputError, match="exists already"):
        write_page({}, path)


def test_a_real_document_makes_a_whole_page() -> None:
    from ctxasr.evaluate.costs.prices import load_prices
    from ctxasr.evaluate.fleet.crews import Alone
    from ctxasr.evaluate.fleet.document import document_of
    from ctxasr.evaluate.fleet.runner import answer
    from ctxasr.sim.fleet.question import Question

    question = Question(dialogues=30, faults="all")
    questions = [question, replace(question, what_if="no-claim")]
    with Alone(questions, app.simulated) as crew:
        summaries = answer(questions, crew)
    real = document_of(questions, summaries, load_prices(None, ()), "ctxasr simulate")
    headings = Read(page(real)).headings()
    assert set(headings) == set(HEADINGS.values()) - {"Sweep"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (7, "7"), (12_400, "12,400"), (1_234_567.8, "1,234,568"), (0.5, "0.5"),
        (22.96, "22.96"), (50.047, "50.05"), (16.0, "16"), (0.000_012, "0.000012"),
        (-3.25, "\N{MINUS SIGN}3.25"), (None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"), (1.0, "100%"), (0.5, "50%"), (0.972_7, "97.27%"), (0.999_999, "99.9999%"),
        (0.000_02, "0.002%"), (None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_what_is_not_quite_all_is_not_called_all(share: float | None, text: str) -> None:
    assert percent(share) == text
