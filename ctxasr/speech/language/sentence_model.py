"""Makes the table of `ctxasr.english.sentences`: class trigrams of requests and of answers.

    templates, word lists   ->  sentences drawn by a seed, twice: with all that may be named as
                                classes, and with people alone
    answers of SGD (train)  ->  their sentences, entities as classes

Words that none of them has get a share by the vocabulary.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ctxasr.english.sentences import LOG_OTHER_SHARE, PERSON, THING, class_of
from ctxasr.english.vocabulary import frequencies
from ctxasr.errors import DataError
from ctxasr.speech.language.ngram import ORDER, NGrams
from ctxasr.speech.language.sentences import SENTENCES, WORDS, Grammar, WordList
from ctxasr.words import normalise

DRAWN: Final = 200_000
"""Sentences that are drawn from the templates."""

ANSWER_WORDS_MAX: Final = 14
"""Longer sentences of an answer are no replies to a question that offers names."""

NAMING: Final = """device_name room place title artist thing app city contact device devices food
    street cuisine place_kind""".split()
"""Lists of words.txt that name things which a context may offer."""

_PERSON_WORD: Final = "xperson"
_THING_WORD: Final = "xthing"
_CLASSES: Final = {
    _PERSON_WORD: PERSON, f"{_PERSON_WORD}'s": PERSON, _THING_WORD: THING, f"{_THING_WORD}'s": THING
}  # fmt: skip
_SENTENCE_END: Final = re.compile(r"[.?!;]+\s+|[.?!]$")


def make_sentence_model(path: Path, data: Path, seed: int = 0, n: int = DRAWN) -> dict[str, Any]:
    """Write the table; the same arguments give the same bytes.

    Raises:
        DataError: `data` has no answers of SGD.
    """
    answers = list(_answers(data))
    others = {word: math.exp(log_p) for word, log_p in frequencies().items()}
    model = NGrams(_all(answers, seed, n), others=others, others_share=math.exp(LOG_OTHER_SHARE))
    seen = {word for gram in model.probabilities[1] for word in gram}
    lines = []
    for order, grams in enumerate(model.probabilities, 1):
        for gram, probability in sorted(grams.items()):
            if order == 1 and gram[0] not in seen:
                continue  # the vocabulary says the same
            back_off = model.back_off.get(gram, 1.0) if order < ORDER else 1.0
            lines.append(f"{' '.join(gram)}\t{_tenths(probability)}\t{_tenths(back_off)}")
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return {"seed": seed, "drawn": n, "answers": len(answers), "ngrams": len(lines)}


def _all(answers: Sequence[Sequence[str]], seed: int, n: int) -> Iterator[Sequence[str]]:
    people = {name: WordList((_PERSON_WORD,), (1.0,)) for name in ("given", "family")}
    things = {name: WordList((_THING_WORD,), (1.0,)) for name in NAMING}
    sentences, words = SENTENCES.read_text(encoding="utf-8"), WORDS.read_text(encoding="utf-8")
    for half, lists in enumerate((people | things, people)):
        grammar = Grammar(sentences, words, lists)
        yield from map(_classed, grammar.draw(n // 2, 2 * seed + half))
    yield from answers


def _classed(words: Sequence[str]) -> list[str]:
    """With classes for the words that stand for them, one for a name of several words."""
    found: list[str] = []
    for word in words:
        said = _CLASSES.get(word, word)
        if said not in (PERSON, THING) or found[-1:] != [said]:
            found.append(said)
    return found


def _answers(data: Path) -> Iterator[list[str]]:
    path = data / "sgd_followup" / "train.jsonl.gz"
    if not path.is_file():
        raise DataError(f"{path}: is missing; --data names the folder that holds sgd_followup/")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            turn = json.loads(line)
            text = turn["answer"]
            for entity in sorted(turn["entities"], key=lambda one: -int(one["start"])):
                person = class_of(normalise(entity["value"])) == PERSON
                word = f" {_PERSON_WORD if person else _THING_WORD} "
                text = text[: entity["start"]] + word + text[entity["end"] :]
            for sentence in _SENTENCE_END.split(text):
                words = _classed(normalise(sentence).split())
                if 0 < len(words) <= ANSWER_WORDS_MAX:
                    yield words


def _tenths(probability: float) -> int:
    return round(-10.0 * math.log(probability))
