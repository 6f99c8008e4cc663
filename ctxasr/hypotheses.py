"""What a recogniser heard: n-best list and word lattice; and what may bias it: phrases.

Hypotheses are texts as the recogniser writes them; they are compared by their words (`words`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ctxasr.errors import LimitExceeded
from ctxasr.words import Word, words_in

N_BEST_MAX: Final = 50
"""Hypotheses kept of one utterance: the n-best oracle gains nothing past this depth."""

WORDS_MAX: Final = 200
"""Words in one hypothesis; about 80 s of speech."""

HYPOTHESIS_CHARS_MAX: Final = 2_000
"""Characters of one hypothesis: WORDS_MAX words of ten letters."""

PHRASES_MAX: Final = 1000
"""Biasing phrases of one utterance."""

PHRASE_CHARS_MAX: Final = 200
"""Characters of one biasing phrase."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One transcription, as it is written. `score` is a log probability up to a constant of the
    utterance; `places` are its words and where they stand.
    """

    text: str
    score: float = 0.0
    places: tuple[Word, ...] = field(init=False, compare=False)
    words: tuple[str, ...] = field(init=False, compare=False)
    """The words as they are compared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", words_in(self.text))
        object.__setattr__(self, "words", tuple(place.text for place in self.places))

    def __repr__(self) -> str:  # none of these shows what was said: a traceback may
        return f"Hypothesis({len(self.words)} words, {self.score:g})"


def checked_n_best(entries: int) -> int:
    """How many hypotheses a recogniser is to give.

    Raises:
        LimitExceeded: none, or more than N_BEST_MAX.
    """
    if not 1 <= entries <= N_BEST_MAX:
        raise LimitExceeded("N_BEST_MAX", N_BEST_MAX, entries, "recogniser")
    return entries


def n_best(heard: Iterable[tuple[str, float]]) -> tuple[Hypothesis, ...]:
    """Texts with their scores, best first, as an n-best list: one that differs from an earlier one
    only in case or punctuation says nothing new.
    """
    kept: dict[tuple[str, ...], Hypothesis] = {}
    for text, score in heard:
        hypothesis = Hypothesis(text, score)
        kept.setdefault(hypothesis.words, hypothesis)
    return tuple(kept.values())


@dataclass(frozen=True, slots=True)
class Arc:
    """A word between two lattice nodes, or the word "", which is not said.

    `acoustic` and `language` are natural logarithms, scaled as they add up to a path's total;
    `language` is 0 where a recogniser gives none. `posterior` is a probability.
    """

    source: int
    target: int
    word: str
    acoustic: float
    posterior: float
    language: float = 0.0

    @property
    def total(self) -> float:
        """What it adds to the log probability of a path."""
        return self.acoustic + self.language

    def __repr__(self) -> str:
        return f"Arc({self.source} -> {self.target})"


@dataclass(frozen=True, slots=True)
class Lattice:
    """A word lattice: node times in seconds, nodes in topological order, arcs between them.

    Each path from the first node to the last is a hypothesis. The arcs are sorted by their source.
    Times are 0 where a file does not tell them.

    >>> power, bauer = Arc(0, 1, "power", -2.0, 0.6), Arc(0, 1, "bauer", -2.4, 0.4)
    >>> Lattice((0.0, 0.5), (power, bauer))
    Lattice(2 nodes, 2 arcs)
    """

    times_s: tuple[float, ...]
    arcs: tuple[Arc, ...]

    def __repr__(self) -> str:
        return f"Lattice({len(self.times_s)} nodes, {len(self.arcs)} arcs)"


@dataclass(frozen=True, slots=True)
class ConfusionNetwork:
    """What was said place by place: in each slot the texts that may stand there, the best anywhere.

    A text is a word as it is written, several words, or "" where nothing was said; beside it
    stands its probability, above 0 and at most 1. Those of a slot need not add up to 1.

    >>> network = ConfusionNetwork(((("meg", 1.0),), (("power", 0.6), ("bauer", 0.3), ("", 0.1))))
    >>> network
    ConfusionNetwork(2 slots, 4 entries)
    """

    slots: tuple[tuple[tuple[str, float], ...], ...]

    def __repr__(self) -> str:
        entries = sum(map(len, self.slots))
        return f"ConfusionNetwork({len(self.slots)} slots, {entries} entries)"


@dataclass(frozen=True, slots=True)
class Recognition:
    """All that the recogniser says of one utterance; the first hypothesis is the plain result.

    `phones` is the best path of a phone loop (ARPAbet without stress), free of any vocabulary:
    it keeps the sound of names that the dictionary lacks. Empty where a recogniser has none.
    `sound` is what a recogniser keeps of the audio for its `ports.AcousticScorer`, and for no other
    reader; None where it keeps nothing. `scored_by` says what such a scorer's log likelihoods sum
    over: the tokens of a text, as end-to-end models do, which gives log P(text | sound), or the
    frames of the sound, as acoustic models do, where differences alone mean something.
    `lattice` and `confusions` are the networks that the hypotheses come from, where a recogniser
    gives one.
    """

    hypotheses: tuple[Hypothesis, ...]
    lattice: Lattice | None = None
    phones: tuple[str, ...] = ()
    duration_s: float = 0.0
    sound: object | None = field(default=None, compare=False)
    scored_by: Literal["tokens", "frames"] = "tokens"
    confusions: ConfusionNetwork | None = None

    def __repr__(self) -> str:
        return f"Recognition({len(self.hypotheses)} hypotheses, {self.duration_s:g} s)"

    @property
    def plain(self) -> str:
        return self.hypotheses[0].text if self.hypotheses else ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something the answer may contain.

    `text` is the form that is compared (`normalise`), `written` the original spelling where that is
    another. `signal` is the kind of context that named it (`entities`, `reply`, `screen`, ...),
    `kind` the sort of thing it is where a service said so (`contact`, `restaurant_name`, ...), `id`
    what the service calls it. `whole` is the name that it is a part of, as that is compared; empty
    for whole names.
    """

    text: str
    signal: str
    kind: str = ""
    written: str = ""
    id: str = ""
    whole: str = ""
    asked: bool = False
    """Whether the reply named it: "Meg Bauer" in "Do you mean Meg Jones or Meg Bauer?"."""
    spelled: bool = False
    """Whether it is the letters of a name, one by one."""

    @property
    def spelling(self) -> str:
        """As it was written where it was named."""
        return self.written or self.text

    def __repr__(self) -> str:
        return f"Phrase({self.signal})"


@dataclass(frozen=True, slots=True)
class Change:
    """One replaced span of words, with the phrase, in its own spelling, that caused it."""

    before: str
    after: str
    phrase: str
    signal: str
    id: str = ""
    """What the service that named the phrase calls it, where it said so."""
    probability: float = 1.0
    """Of the new text, as the rescorer sees it."""
    evidence: str = "text"
    """What decided: "text", or "sound" where the audio was scored as well."""

    def to_json(self) -> dict[str, Any]:
        """The change as commands and services answer it."""
        fields = {"from": self.before, "to": self.after, "phrase": self.phrase}
        fields |= {"signal": self.signal} | ({"id": self.id} if self.id else {})
        return fields | {"probability": round(self.probability, 3), "evidence": self.evidence}

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
