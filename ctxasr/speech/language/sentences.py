"""Sentences drawn from templates: what people say to an assistant, with names from lists.

    call {person} [please]        ->  "call anna", "call anna weber please"
    turn (on|off) the {device}s   ->  "turn off the lamps"

`sentences.txt` holds the templates in sections, each with its share of all sentences; `words.txt`
holds the lists that they name. Other lists (names of people, cities) are given by the caller.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from ctxasr.errors import DataError

SENTENCES: Final = Path(__file__).parent / "sentences.txt"
WORDS: Final = Path(__file__).parent / "words.txt"

_PART: Final = re.compile(r"\{(?P<name>\w+)\}|(?P<sign>[()\[\]|])|(?P<text>[^{}()\[\]|]+)")
_WEIGHT: Final = re.compile(r"\*(\d+)$")

Draw = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class WordList:
    """Things that a slot may be, with their weights."""

    items: tuple[str, ...]
    weights: tuple[float, ...]


class Grammar:
    """Templates in sections, and the lists that they name.

    Raises:
        DataError: a line cannot be read, or names a list that is not there.
    """

    def __init__(self, sentences: str, words: str, lists: Mapping[str, WordList]):
        self._lists: dict[str, tuple[list[Draw], list[float]]] = {}
        given = {**_read_lists(words), **lists}
        self._names = frozenset(given)
        for name, listed in given.items():
            draws = [self._parsed(item, f"list {name}") for item in listed.items]
            self._lists[name] = draws, list(accumulate(listed.weights))
        sections = [
            (share, [self._parsed(line, "sentences") for line in lines])
            for share, lines in _read_sections(sentences)
        ]
        self._sections = [templates for _, templates in sections]
        self._shares = list(accumulate(share for share, _ in sections))

    def draw(self, n: int, seed: int) -> Iterator[list[str]]:
        """`n` sentences as words; the same for the same grammar and seed."""
        rng = random.Random(seed)  # noqa: S311
        for _ in range(n):
            (section,) = rng.choices(self._sections, cum_weights=self._shares)
            yield rng.choice(section)(rng).split()

    def _parsed(self, template: str, where: str) -> Draw:
        parts = list(_PART.finditer(template))
        if "".join(part[0] for part in parts) != template:
            raise DataError(f"{where}: {template!r} has a bracket without its other half")
        draw, end = self._choice(parts, 0, "", f"{where}: {template!r}")
        if end != len(parts):
            raise DataError(f"{where}: {template!r} closes a bracket that nothing opened")
        return draw

    def _choice(
        self, parts: Sequence[re.Match[str]], at: int, closing: str, where: str
    ) -> tuple[Draw, int]:
        """What stands up to the sign `closing`: alternatives, each a row of parts."""
        rows: list[list[Draw]] = [[]]
        while at < len(parts) and parts[at][0] not in (")", "]"):
            part = parts[at]
            at += 1
            if part[0] == "|":
                rows.append([])
            elif part["text"] is not None:
                rows[-1].append(_literal(part["text"]))
            elif part["name"] is not None:
                rows[-1].append(self._slot(part["name"], where))
            else:
                inner, at = self._choice(parts, at, ")" if part[0] == "(" else "]", where)
                rows[-1].append(inner)
        if closing:
            if at == len(parts) or parts[at][0] != closing:
                raise DataError(f"{where} lacks a {closing!r}")
            at += 1
        if closing == "]":
            rows.append([])  # left out as often as each alternative is taken
        return _one_of([_row(row) for row in rows]), at

    def _slot(self, name: str, where: str) -> Draw:
        if name not in self._names:
            raise DataError(f"{where} names the list {name!r}, which is not there")

        def draw(rng: random.Random) -> str:
            draws, weights = self._lists[name]
            return rng.choices(draws, cum_weights=weights)[0](rng)

        return draw


def _literal(text: str) -> Draw:
    return lambda rng: text


def _row(parts: Sequence[Draw]) -> Draw:
    if len(parts) == 1:
        return parts[0]
    return lambda rng: "".join(part(rng) for part in parts)


def _one_of(rows: Sequence[Draw]) -> Draw:
    if len(rows) == 1:
        return rows[0]
    return lambda rng: rng.choice(rows)(rng)


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip() and line[0] != "#")


def _read_sections(text: str) -> list[tuple[float, list[str]]]:
    sections: list[tuple[float, list[str]]] = []
    for line in _lines(text):
        if line.startswith("=="):
            share = line.rpartition(" ")[2]
            if not share.isdigit():
                raise DataError(f"sentences: {line!r} ends in no share, a whole number")
            sections.append((float(share), []))
        elif not sections:
            raise DataError(f"sentences: {line!r} stands before the first section")
        else:
            sections[-1][1].append(line)
    if not sections or not all(lines for _, lines in sections):
        raise DataError("sentences: a section without a line")
    return sections


def _read_lists(text: str) -> dict[str, WordList]:
    lists: dict[str, WordList] = {}
    for line in _lines(text):
        name, colon, items = line.partition(":")
        if not colon or not items.strip():
            raise DataError(f"words: {line[:40]!r} is no list; 'name: a, b*2' is right")
        entries = [entry.strip() for entry in items.split(",")]
        weights = [float(m[1]) if (m := _WEIGHT.search(entry)) else 1.0 for entry in entries]
        lists[name] = WordList(tuple(_WEIGHT.sub("", e) for e in entries), tuple(weights))
    return lists
