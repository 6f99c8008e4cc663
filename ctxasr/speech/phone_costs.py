"""What it costs that one phone was heard as another, or not at all: the table that was learnt.

The table is text: a line that names the phones, then a line for each phone that was said, with what
it costs that each was heard, and last what it costs that it has no counterpart; all in UNITS.

    said   B    CH   ...  skip
    B      0    246  ...  146
    CH     246  0    ...  192

`ctxasr train --part confusions` makes it; weights/MODEL_CARD.md has the figures.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from ctxasr.errors import DataError
from ctxasr.speech.articulation import PHONES, UNITS, PhoneCosts

TABLE: Final = Path(__file__).parent / "weights" / "phone_costs.tsv"

TABLE_BYTES_MAX: Final = 100_000
"""Refused beyond this: the shipped table has 7 kB."""

_HEAD: Final = ["said", *PHONES, "skip"]


@cache
def shipped_costs() -> PhoneCosts:
    """The packaged table, loaded once."""
    return read_costs(TABLE)


def read_costs(path: Path) -> PhoneCosts:
    """Read a table.

    Raises:
        DataError: the file is missing or is no such table; names the line.
    """
    try:
        if path.stat().st_size > TABLE_BYTES_MAX:
            raise DataError(f"{path.name}: larger than {TABLE_BYTES_MAX} bytes; no table of phones")
        lines = path.read_text("ascii").splitlines()
    except (OSError, ValueError):
        raise DataError(
            f"{path.name}: no costs of phones; `ctxasr train --part confusions` makes them"
        ) from None
    if len(lines) != 1 + len(PHONES) or lines[0].split("\t") != _HEAD:
        raise DataError(f"{path.name}: must name the {len(PHONES)} phones, then a line for each")
    costs = np.array([_row(path, number, line) for number, line in enumerate(lines[1:], 2)])
    return PhoneCosts(costs[:, :-1], costs[:, -1])  # (39, 39 + 1) -> (39, 39), (39,)


def _row(path: Path, number: int, line: str) -> list[int]:
    phone, *cells = line.split("\t")
    said = PHONES[number - 2]
    costs = [int(cell) for cell in cells if cell.isdigit() and int(cell) <= UNITS]
    same = PHONES.index(said)
    zeros = [place for place, cost in enumerate(costs) if cost == 0]
    if phone != said or not len(costs) == len(cells) == len(PHONES) + 1 or zeros != [same]:
        raise DataError(
            f"{path.name}:{number}: must be {said}, {len(PHONES)} costs from 1 to {UNITS} with 0 "
            f"for {said} itself, and that of skipping it"
        )
    return costs


def write_costs(costs: PhoneCosts, path: Path) -> None:
    """Write a table that `read_costs` reads."""
    rows = [
        [phone, *map(str, row.tolist()), str(skip)]
        for phone, row, skip in zip(PHONES, costs.substitution, costs.skip.tolist(), strict=True)
    ]
    text = "".join("\t".join(row) + "\n" for row in [_HEAD, *rows])
    path.write_bytes(text.encode("ascii"))
