"""HTK lattices (SLF), as HTK, SRILM, PocketSphinx and many others write them.

    VERSION=1.0
    UTTERANCE=a1  lmscale=12.0  wdpenalty=-2.0
    N=3  L=3
    I=0  t=0.00
    I=1  t=0.42
    I=2  t=0.90
    J=0  S=0  E=1  W=meg    a=-310.5  l=-4.2
    J=1  S=1  E=2  W=power  a=-201.7  l=-3.9
    J=2  S=1  E=2  W=bauer  a=-199.2  l=-6.4

A path's score is that of HTK over its scale for the language model, so that it is a log
probability: the sum of a / lmscale + l + wdpenalty / lmscale (of words alone). An acoustic scale
that is given takes the place of 1 / lmscale. Words may stand at links or at nodes: those where a
link ends, or where it begins if the header has dir=b or PocketSphinx wrote the file. `base` is
that of the logarithms; 0 says that the file has probabilities. A further VERSION begins a further
lattice.

Source: S. Young and others, The HTK Book 3.4, chapter "HTK Standard Lattice Format".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctxasr.hypotheses import Lattice
from ctxasr.speech.lattice import written_words
from ctxasr.speech.outputs.links import Link, checked_links, lattice_of, topological
from ctxasr.speech.outputs.source import ACOUSTIC_SCALE_MAX, Source, Utterance, number_of

_FIELD: Final = re.compile(r'\s*([A-Za-z]\w*)=("(?:[^"\\]|\\.)*"|\S*)')
_LONG: Final = {
    "VERSION": "V", "UTTERANCE": "U", "SUBLAT": "SUBLAT", "NODES": "N", "LINKS": "L",
    "time": "t", "WORD": "W", "START": "S", "END": "E", "acoustic": "a", "ngram": "n",
    "language": "l",
}  # fmt: skip
"""Long names of fields, which may stand for the short ones."""

_SIZE_MAX: Final = 10**9
"""Numbers of nodes and links; more stand in no file that fits."""

Fields = dict[str, str]


@dataclass(slots=True, repr=False)
class _Raw:
    """The lines of one lattice, in their order."""

    line: int
    head: Fields = field(default_factory=dict)
    nodes: dict[int, tuple[int, Fields]] = field(default_factory=dict)
    links: list[tuple[int, Fields]] = field(default_factory=list)
    backwards: bool = False


def read(source: Source) -> Iterator[Utterance]:
    """The utterances of a file.

    Raises:
        ScenarioError: names file and line.
        LimitExceeded: a lattice has more than LATTICE_ARCS_MAX links, or a text is too long.
    """
    raw: _Raw | None = None
    sphinx = False
    for line, text in source.lines():
        if text.startswith("#"):
            sphinx = sphinx or "PocketSphinx" in text
            continue
        if not text.strip():
            continue
        fields = _fields(source, text, line)
        if raw is None or ("V" in fields and (raw.nodes or raw.links)):
            if raw is not None:
                yield _utterance(source, raw)
            raw = _Raw(line, backwards=sphinx)
        _add(source, raw, fields, line)
    if raw is None:
        raise source.wrong("has no lattice", 1)
    yield _utterance(source, raw)


def _fields(source: Source, text: str, line: int) -> Fields:
    found: Fields = {}
    text, at = text.rstrip(), 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None:
            raise source.wrong("is no row of fields NAME=VALUE", line)
        value = match[2]
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        value = re.sub(r"\\(.)", r"\1", value[1:-1] if quoted else value)
        found[_LONG.get(match[1], match[1])] = value
        at = match.end()
    return found


def _add(source: Source, raw: _Raw, fields: Fields, line: int) -> None:
    if "I" in fields:
        node = _whole(source, fields, "I", line)
        if node in raw.nodes:
            raise source.wrong(f"node {node} stands there twice", line)
        if "L" in fields:
            raise source.wrong("names a sub-lattice; expand these first (HTK: HLRescore)", line)
        raw.nodes[node] = (line, fields)
    elif "J" in fields:
        raw.links.append((line, fields))
        checked_links(len(raw.links), f"{source.file}:{line}")
    elif "SUBLAT" in fields:
        raise source.wrong("begins a sub-lattice; expand these first (HTK: HLRescore)", line)
    else:
        raw.head |= fields
        raw.backwards = raw.backwards or fields.get("dir") == "b"


def _utterance(source: Source, raw: _Raw) -> Utterance:
    lattice = _lattice(source, raw)
    return source.utterance(
        [],
        raw.line,
        id=raw.head.get("U", ""),
        duration_s=max(lattice.times_s),
        network=lattice,
    )


def _lattice(source: Source, raw: _Raw) -> Lattice:
    known = _known_nodes(source, raw)
    score = _Scores(source, raw)
    times_s = {
        node: _float(source, fields, "t", line, least=0.0)
        for node, (line, fields) in raw.nodes.items()
        if "t" in fields
    }
    words = {
        node: written_words(fields["W"]) for node, (_, fields) in raw.nodes.items() if "W" in fields
    }
    links = []
    for line, fields in raw.links:
        begin, end = _whole(source, fields, "S", line), _whole(source, fields, "E", line)
        for node in (begin, end):
            if node not in known:
                raise source.wrong(f"node {node} is unknown; a line I={node} is right", line)
        word = words.get(begin if raw.backwards else end, "")
        if "W" in fields:
            word = written_words(fields["W"])
        posterior = _float(source, fields, "p", line, least=0.0) if "p" in fields else None
        links.append(Link(begin, end, word, *score.of(fields, word, line), line, posterior))
    if not links:
        raise source.wrong("the lattice has no links; it may be cut off", raw.line)
    topological(links, source.wrong)  # without a cycle there is a first node, and a last
    first = _end(source, raw, "start", links, {link.target for link in links}, known)
    last = _end(source, raw, "end", links, {link.source for link in links}, known)
    if first == last:
        raise source.wrong("the lattice starts and ends at one node; two are right", raw.line)
    outer = words.get(last if raw.backwards else first, "")
    if outer and not any("W" in fields for _, fields in raw.links):
        added = max(node for link in links for node in (link.source, link.target)) + 1
        if raw.backwards:
            links.append(Link(last, added, outer, 0.0, 0.0, raw.line))
            times_s[added], last = times_s.get(last, 0.0), added
        else:
            links.append(Link(added, first, outer, 0.0, 0.0, raw.line))
            times_s[added], first = times_s.get(first, 0.0), added
    return lattice_of(links, first, {last: (0.0, 0.0)}, times_s, source.wrong)


def _known_nodes(source: Source, raw: _Raw) -> range | dict[int, tuple[int, Fields]]:
    """The nodes that have a line, or where none has one, as many as the header counts."""
    for name, found in (("N", len(raw.nodes)), ("L", len(raw.links))):
        if name in raw.head and not (name == "N" and not raw.nodes):
            said = _whole(source, raw.head, name, raw.line)
            if said != found:
                what = "nodes" if name == "N" else "links"
                last = max([line for line, _ in [*raw.nodes.values(), *raw.links]] or [raw.line])
                message = f"the lattice ends with {found} of {said} {what}; it may be cut off"
                raise source.wrong(message, last)
    if not raw.nodes and "N" in raw.head:
        return range(_whole(source, raw.head, "N", raw.line))
    return raw.nodes


class _Scores:
    """The scores of links under what the header says of them."""

    def __init__(self, source: Source, raw: _Raw) -> None:
        self.source = source

        def given(name: str, default: float, least: float = -math.inf) -> float:
            if name not in raw.head:
                return default
            return _float(source, raw.head, name, raw.line, least=least)

        base = given("base", math.e, 0.0)
        if base == 1.0:
            raise source.wrong("base: 1 is the base of no logarithm", raw.line)
        self.per_unit = math.log(base) if base > 0.0 else None
        lm_scale = given("lmscale", 1.0, 0.0) or 1.0  # 0: HTK had no language model
        if lm_scale < 1.0 / ACOUSTIC_SCALE_MAX:
            least = f"must be 0 or at least {1.0 / ACOUSTIC_SCALE_MAX:g}"
            raise source.wrong(f"lmscale {least}", raw.line)
        scale = 1.0 / lm_scale if source.acoustic_scale is None else source.acoustic_scale
        self.scale, self.penalty = scale, given("wdpenalty", 0.0) / lm_scale

    def of(self, fields: Fields, word: str, line: int) -> tuple[float, float]:
        """Acoustic and language score."""
        acoustic = self._log(fields, "a", line) * self.scale
        language = self._log(fields, "l" if "l" in fields else "n", line)
        return acoustic, language + (self.penalty if word else 0.0)

    def _log(self, fields: Fields, name: str, line: int) -> float:
        if name not in fields:
            return 0.0
        value = _float(self.source, fields, name, line)
        if self.per_unit is not None:
            return value * self.per_unit
        if not value > 0.0:
            raise self.source.wrong(f"{name} is no probability above 0, and base is 0", line)
        return math.log(value)


def _end(
    source: Source,
    raw: _Raw,
    name: str,
    links: Sequence[Link],
    inner: set[int],
    known: range | dict[int, tuple[int, Fields]],
) -> int:
    """The first or the last node: that of the header, or the one that nothing leads to, or from."""
    if name in raw.head:
        node = _whole(source, raw.head, name, raw.line)
        if node not in known:
            raise source.wrong(f"{name}: node {node} is unknown", raw.line)
        return node
    found = {node for link in links for node in (link.source, link.target)} - inner
    if len(found) > 1:
        message = f"the lattice has {len(found)} nodes to {name} at; {name}=NODE says which"
        raise source.wrong(message, raw.line)
    return found.pop()


def _whole(source: Source, fields: Fields, name: str, line: int) -> int:
    value = fields.get(name, "")
    if not re.fullmatch(r"\d{1,10}", value) or int(value) > _SIZE_MAX:
        raise source.wrong(f"{name} must be a whole number", line)
    return int(value)


def _float(
    source: Source, fields: Fields, name: str, line: int, *, least: float = -math.inf
) -> float:
    value = number_of(fields[name])
    if value is None or value < least:
        wanted = "a number up to 1e9" + (f", at least {least:g}" if least > -math.inf else "")
        raise source.wrong(f"{name} must be {wanted}", line)
    return value
