"""What a page is made of, and how its numbers are written: 97.2% (96.9-97.5), 12,400, 3.2 s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

INTERVAL: Final = "95% interval"
EN_DASH: Final = "\N{EN DASH}"
NOTHING: Final = EN_DASH
"""Stands where there is no figure."""

Figures = Mapping[str, Any]
"""A part of the document."""


class Cell(str):
    """A cell with a smaller line `below`; `tone` is good, bad, or words, which may wrap."""

    tone: str
    below: str

    def __new__(cls, text: str, below: str = "", *, tone: str = "") -> Cell:
        cell = super().__new__(cls, text)
        cell.below, cell.tone = below, tone
        return cell


@dataclass(frozen=True, slots=True)
class Plot:
    """An inline SVG and the sentence below it."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows whose first cell names them."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_wide: bool = False
    """It takes the width of the page."""

    def without_empty_columns(self) -> Table:
        """The same without columns that have no figure in any row."""
        kept = [
            at
            for at in range(len(self.columns))
            if at == 0 or any(row[at] not in ("", NOTHING) for row in self.rows)
        ]
        rows = [[row[at] for at in kept] for row in self.rows]
        return replace(self, columns=[self.columns[at] for at in kept], rows=rows)


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the figures at the head of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Section:
    """`name` is its place in the page's address."""

    name: str
    heading: str
    lead: Sequence[str]
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    is_wide: bool = False
    """Its tables need the page's width: the plots stand beside what it says."""


def words(text: object) -> Cell:
    """A cell of words."""
    return Cell(str(text), tone="words")


def number(value: float | None, digits: int = 4) -> str:
    """Whole numbers with their thousands; others to some digits that count."""
    if value is None:
        return NOTHING
    rounded = value if abs(value) >= 10**digits else float(f"{value:.{digits}g}")
    return _signed(f"{rounded:,.0f}" if abs(rounded) >= 10**digits else _plain(rounded))


def percent(share: float | None, digits: int = 2) -> str:
    """Of a share from 0 to 1. What is not quite all is never written as 100%, nor as none."""
    if share is None:
        return NOTHING
    text = f"{100 * share:.{digits}f}"
    while digits < 6 and share not in {0, 1} and float(text) in {0, 100}:
        digits += 1
        text = f"{100 * share:.{digits}f}"
    return f"{_signed(_short(text))}%"


def share_and_interval(found: Figures) -> str:
    """`97.2% (96.9-97.5)`."""
    if found["share"] is None:
        return NOTHING
    return f"{percent(found['share'])} ({between_shares(found)})"


def between(found: Figures) -> str:
    """An interval's ends, to three digits."""
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return NOTHING
    return (" to " if low < 0 else EN_DASH).join((number(low, 3), number(high, 3)))


def between_shares(found: Figures) -> str:
    """The same of shares, in percent; digits enough to tell the ends apart."""
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return NOTHING
    digits = 2
    while digits < 6 and f"{100 * low:.{digits}f}" == f"{100 * high:.{digits}f}":
        digits += 1
    ends = [_signed(_short(f"{100 * end:.{digits}f}")) for end in (low, high)]
    return (" to " if low < 0 else EN_DASH).join(ends)


def seconds(ms: float) -> str:
    """Milliseconds as seconds."""
    return f"{ms / 1_000:g}"


def count_of(count: float, one: str, many: str | None = None) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number(count)} {one if count == 1 else many or f'{one}s'}"


def _plain(value: float) -> str:
    """No exponent, no zeros at the end."""
    return f"{Decimal(repr(float(value))):,f}".removesuffix(".0")


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
