"""How likely people say a sentence to an assistant: class trigrams of requests and answers.

    turn the power off     -7      turn the PERSON off    -23
    the hour              -18      PERSON                  -3
    power please          -20      PERSON please           -5

Names of people are one class, and all else that may be named another: what a context names is as
likely as its class, and how likely it is within it the context says. A word that is a name may be
said as a word and as a person; the likelier way counts. What the table lacks is as likely as
`vocabulary` says of the word alone.

Source: P. Brown et al., "Class-based n-gram models of natural language", Computational Linguistics
18, 1992; the trigrams back off (`ctxasr.speech.language.ngram`, which made the table).
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ctxasr.english.everyday import EVERYDAY_ANSWERS
from ctxasr.english.vocabulary import LOG_FREQUENCY_MIN, is_name, log_frequency

TABLE: Final = Path(__file__).with_name("sentences.tsv.gz")

PERSON: Final = "<person>"
THING: Final = "<thing>"

START: Final = "<s>"
END: Final = "</s>"

NUMERAL: Final = "ten"
"""What is written in digits is as likely as this; the table has words alone."""

LOG_NAME: Final = -9.0
"""Natural log of how often a person is called by one name of the vocabulary."""

LOG_OTHER_SHARE: Final = -1.4
"""Natural log of the share of words that the vocabulary says alone: a quarter."""


class _Entry(NamedTuple):
    log_probability: float
    log_back_off: float


def class_of(name: str) -> str:
    """PERSON if each word is a name or unknown, else THING."""
    words = name.split()
    personal = all(is_name(one) or log_frequency(one) <= LOG_FREQUENCY_MIN for one in words)
    return PERSON if personal else THING


class SentenceModel:
    """Log probabilities of sentences; remembers words as long as it lives: one for an utterance."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], float] = {}

    def log_probability(self, words: Sequence[str]) -> float:
        """Natural log; `words` in lower case as they are compared, or PERSON and THING.

        >>> model = SentenceModel()
        >>> model.log_probability(["the", "other", "one"]) > model.log_probability(["the", "hour"])
        True
        """
        known = _answer_log_ps().get(tuple(words))
        return self._computed(words) if known is None else known

    def _computed(self, words: Sequence[str]) -> float:
        ways: dict[tuple[str, ...], float] = {(START,): 0.0}
        for word in (*words, END):
            further: dict[tuple[str, ...], float] = {}
            for history, so_far in ways.items():
                for said, inside in self._said_as(word):
                    if said == history[-1] and said in (PERSON, THING):  # two words, one name
                        behind, total = history, so_far + inside
                    else:
                        behind = (history[-1], said)
                        total = so_far + inside + self._step((*history, said))
                    if total > further.get(behind, -float("inf")):
                        further[behind] = total
            ways = further
        return max(ways.values())

    def _said_as(self, word: str) -> list[tuple[str, float]]:
        if word[:1].isdigit():
            return [(NUMERAL, 0.0)]
        if word not in (END, PERSON, THING) and is_name(word):
            return [(word, 0.0), (PERSON, LOG_NAME)]
        return [(word, 0.0)]

    def _step(self, gram: tuple[str, ...]) -> float:
        known = self._known.get(gram)
        if known is None:
            known = self._known[gram] = _log_probability(gram)
        return known


@cache
def _answer_log_ps() -> dict[tuple[str, ...], float]:
    """Log probabilities of the everyday answers, which compete with every name."""
    model = SentenceModel()
    answers = [tuple(answer.split()) for answer in EVERYDAY_ANSWERS]
    return {words: model._computed(words) for words in answers}


def _log_probability(gram: tuple[str, ...]) -> float:
    """Of its last word after the others."""
    entry = table().get(gram)
    if entry is not None:
        return entry.log_probability
    if len(gram) == 1:
        return LOG_OTHER_SHARE + log_frequency(gram[0])
    history = table().get(gram[:-1])
    return (0.0 if history is None else history.log_back_off) + _log_probability(gram[1:])


@cache
def table() -> dict[tuple[str, ...], _Entry]:
    """The entries by n-gram; read once."""
    entries = {}
    for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
        gram, probability, back_off = line.split("\t")
        entries[tuple(gram.split(" "))] = _Entry(-int(probability) / 10.0, -int(back_off) / 10.0)
    return entries
