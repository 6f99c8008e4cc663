"""Kaldi's lattices as text: `lattice-copy ark:lat ark,t:- | utils/int2sym.pl -f 3 words.txt`.

    a1                                  the utterance
    0 1 meg 4.2,310.5,2_1_1             from, to, word, graph cost, acoustic cost, alignment
    1 2 power 3.9,201.7,8_7
    1 2 bauer 6.4,199.2,8_7
    2 0,0,                              a final node and its costs
                                        an empty line ends the lattice

State-level lattices have two labels, the second of which is the word (`int2sym.pl -f 4`). A cost is
a negative logarithm; acoustic costs are unscaled on disk, so an acoustic scale belongs to them, 0.1
by default. An arc or an end without costs has none. Alignments are passed over: how long a frame is
a file does not say, so all times are 0.

Source: kaldi-asr.org/doc/lattices.html; src/lat/kaldi-lattice.cc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ctxasr.speech.lattice import written_words
from ctxasr.speech.outputs.kaldi import ACOUSTIC_SCALE
from ctxasr.speech.outputs.links import Link, checked_links, lattice_of
from ctxasr.speech.outputs.source import Source, Utterance, number_of

_COSTS: Final = re.compile(r"([^,\s]+),([^,\s]+)(?:,[\d_]*)?")
_NUMBER: Final = re.compile(r"\d{1,9}")
_RIGHT: Final = (
    "'from to word graph,acoustic,alignment' or, for a final node, 'node graph,acoustic,'"
)


class _Line(NamedTuple):
    number: int
    parts: list[str]


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file and line.
        LimitExceeded: a lattice has more than LATTICE_ARCS_MAX arcs, or a text is too long.
    """
    block: list[_Line] = []
    for number, text in source.lines():
        parts = text.split()
        if parts:
            block.append(_Line(number, parts))
        elif block:
            yield _lattice(source, block)
            block = []
    if block:
        yield _lattice(source, block)


def _lattice(source: Source, block: Sequence[_Line]) -> Utterance:
    head, *rest = block
    if len(head.parts) != 1:
        raise source.wrong("must be the utterance alone; its lattice follows", head.number)
    scale = ACOUSTIC_SCALE if source.acoustic_scale is None else source.acoustic_scale
    links: list[Link] = []
    ends: dict[int, tuple[float, float]] = {}
    labels = set()
    for number, parts in rest:
        numbers = [int(one) for one in parts[:2] if _NUMBER.fullmatch(one)]
        costs = _COSTS.fullmatch(parts[-1])
        label = parts[2:-1] if costs else parts[2:]
        if len(numbers) == 2 and len(label) in {1, 2}:
            acoustic, language = _scores(source, parts[-1] if costs else "0,0", scale, number)
            labels.add(label[-1])
            word = written_words("" if label[-1] == "0" else label[-1])
            links.append(Link(numbers[0], numbers[1], word, acoustic, language, number))
            checked_links(len(links), f"{source.file}:{number}")
        elif len(parts) <= 2 and numbers and (len(parts) == 1 or costs):
            ends[numbers[0]] = _scores(source, parts[-1] if costs else "0,0", scale, number)
        else:
            raise source.wrong(f"is no line of a lattice; {_RIGHT} is right", number)
    if not links and not ends:
        raise source.wrong("has no lattice; the file may be cut off", head.number)
    if not ends:
        raise source.wrong("the lattice has no final node; it may be cut off", block[-1].number)
    if len(labels) > 1 and all(map(_NUMBER.fullmatch, labels)):
        said = "the words are numbers of a symbol table; utils/int2sym.pl -f 3 writes words"
        raise source.wrong(said, links[0].line)
    known = {node for link in links for node in (link.source, link.target)}
    for number, parts in rest:
        if len(parts) <= 2 and int(parts[0]) not in known and links:
            raise source.wrong(f"node {parts[0]} is unknown; no arc leads there", number)
    first = links[0].source if links else min(ends)
    lattice = lattice_of(links, first, ends, {}, source.wrong)
    return source.utterance([], head.number, id=head.parts[0], network=lattice)


def _scores(source: Source, costs: str, scale: float, line: int) -> tuple[float, float]:
    """Acoustic and language score."""
    found = _COSTS.fullmatch(costs)
    assert found is not None
    graph, acoustic = number_of(found[1]), number_of(found[2])
    if graph is None or acoustic is None:
        raise source.wrong("a cost is no number up to 1e9", line)
    return 0.0 - acoustic * scale, 0.0 - graph
