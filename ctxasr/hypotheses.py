"""What a recogniser heard: n-best list and word lattice; and what may bias it: phrases.

Texts are lower case, words separated by single spaces, without punctuation but the apostrophe.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

N_BEST_MAX: Final = 50
"""Hypotheses kept of one utterance: the n-best oracle gains nothing past this depth."""

WORDS_MAX: Final = 200
"""Words in one hypothesis; about 80 s of speech."""

PHRASES_MAX: Final = 1000
"""Biasing phrases of one utterance."""

PHRASE_CHARS_MAX: Final = 200
"""Characters of one biasing phrase."""

_NOT_WORD: Final = re.compile(r"[^\w' ]+")


def normalise(text: str) -> str:
    """Lower case, no punctuation, single spaces: the form in which texts are compared."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("_", " ")
    words = (word.strip("'") for word in _NOT_WORD.sub(" ", text).split())
    return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One transcription. `score` is a log probability up to a constant of the utterance."""

    text: str
    score: float = 0.0

    def __repr__(self) -> str:  # none of these shows what was said: a traceback may
        return f"Hypothesis({len(self.words)} words, {self.score:g})"

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.text.split())


@dataclass(frozen=True, slots=True)
class Arc:
    """A word between two lattice nodes; acoustic score in natural log units."""

    source: int
    target: int
    word: str
    acoustic: float
    posterior: float

    def __repr__(self) -> str:
        return f"Arc({self.source} -> {self.target})"


@dataclass(frozen=True, slots=True)
class Lattice:
    """A word lattice: node times in seconds, nodes in topological order, arcs between them."""

    times_s: tuple[float, ...]
    arcs: tuple[Arc, ...]

    def __repr__(self) -> str:
        return f"Lattice({len(self.times_s)} nodes, {len(self.arcs)} arcs)"


@dataclass(frozen=True, slots=True)
class Recognition:
    """All that the recogniser says of one utterance; the first hypothesis is the plain result.

    `phones` is the best path of a phone loop (ARPAbet without stress), free of any vocabulary:
    it keeps the sound of names that the dictionary lacks. Empty where a recogniser has none.
    """

    hypotheses: tuple[Hypothesis, ...]
    lattice: Lattice | None = None
    phones: tuple[str, ...] = ()
    duration_s: float = 0.0

    def __repr__(self) -> str:
        return f"Recognition({len(self.hypotheses)} hypotheses, {self.duration_s:g} s)"

    @property
    def plain(self) -> str:
        return self.hypotheses[0].text if self.hypotheses else ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something the answer may contain.

    `signal` is the kind of context that named it (`entities`, `reply`, `screen`, ...), `kind` the
    sort of thing it is where a service said so (`contact`, `restaurant_name`, ...).
    """

    text: str
    signal: str
    kind: str = ""

    def __repr__(self) -> str:
        return f"Phrase({self.signal})"


@dataclass(frozen=True, slots=True)
class Change:
    """One replaced span of words, with the phrase and the signal that caused it."""

    before: str
    after: str
    phrase: str
    signal: str

    def __repr__(self) -> str:
        return f"Change({self.signal})"


@dataclass(frozen=True, slots=True)
class Result:
    """The recogniser's text and the text after rescoring."""

    plain_text: str
    text: str
    changes: tuple[Change, ...] = ()

    def __repr__(self) -> str:
        return f"Result({len(self.changes)} changes)"
