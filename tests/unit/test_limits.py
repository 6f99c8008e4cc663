"""docs/limits.md names every limit: each public NAME_MAX or NAME_MIN of the package.

`python tests/unit/test_limits.py` writes the table anew from the code. It keeps the units and edges
that are there and leaves a `?` where one has to be written by hand.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE, PAGE = ROOT / "ctxasr", ROOT / "docs" / "limits.md"
HEAD = "| Limit | Value | Unit | Where | At its edge |\n| --- | --- | --- | --- | --- |\n"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| `([\w/.]+)` \| (.+?) \|$", re.MULTILINE)

UNITS = {
    "BYTES": "bytes", "CHARS": "characters", "LETTERS": "letters", "WORDS": "words", "S": "s",
    "MS": "ms", "HZ": "Hz", "DB": "dB", "MB": "MB",
}  # fmt: skip
"""What a part of a name says of its unit; the last part that says something counts."""


class Limit(NamedTuple):
    """One row: a constant of the code, and what is said of it by hand."""

    name: str
    value: str
    unit: str
    where: str
    edge: str

    def __str__(self) -> str:
        return f"| `{self.name}` | {self.value} | {self.unit} | `{self.where}` | {self.edge} |"


def in_code() -> list[Limit]:
    """In the order of files and lines; units guessed from names, edges unknown."""
    return [
        Limit(name, _value(source, node), _unit(name), path.relative_to(PACKAGE).as_posix(), "?")
        for path in sorted(PACKAGE.rglob("*.py"))
        for source in [path.read_text(encoding="utf-8")]
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and node.value is not None
        for name in [ast.unparse(node.target)]
        if re.fullmatch(r"[A-Z]\w*_(MAX|MIN)", name) and not name.endswith("_PER_MIN")
    ]


def _value(source: str, node: ast.AnnAssign) -> str:
    match node.value:
        case ast.Constant(value=int() | float() as value):
            return f"{value:,}"
    assert node.value is not None
    return f"`{' '.join((ast.get_source_segment(source, node.value) or '').split())}`"


def _unit(name: str) -> str:
    known = [UNITS[part] for part in name.split("_")[:-1] if part in UNITS]
    return known[-1] if known else name.rsplit("_", 1)[0].rsplit("_", 1)[-1].lower()


def on_page() -> list[Limit]:
    return [Limit(*row) for row in ROW.findall(PAGE.read_text(encoding="utf-8"))]


def test_the_page_names_every_limit_with_its_value() -> None:
    page = {(row.where, row.name): row for row in on_page()}
    code = {(row.where, row.name): row for row in in_code()}
    wrong = [f"add: {row}" for key, row in code.items() if key not in page]
    wrong += [f"remove: {row}" for key, row in page.items() if key not in code]
    wrong += [
        f"replace by: {page[key]._replace(value=row.value)}"
        for key, row in code.items()
        if key in page and page[key].value != row.value
    ]
    assert not wrong, "docs/limits.md (`?` stands for what has to be said):\n" + "\n".join(wrong)
    assert len(on_page()) == len(page), "a limit stands there twice"


def test_every_limit_says_its_unit_and_what_happens_at_its_edge() -> None:
    for row in on_page():
        assert "?" not in (row.unit, row.edge), f"say what happens at the edge: {row}"


def rewrite() -> None:
    code, page = in_code(), on_page()
    places = {(row.where, row.name) for row in code}
    said = {(row.where, row.name): row for row in page}
    moved = {row.name: row for row in page if (row.where, row.name) not in places}
    rows = [
        row if old is None else row._replace(unit=old.unit, edge=old.edge)
        for row in code
        for old in [said.get((row.where, row.name)) or moved.get(row.name)]
    ]
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(HEAD)
    PAGE.write_text(before + HEAD + "\n".join(map(str, rows)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    rewrite()
