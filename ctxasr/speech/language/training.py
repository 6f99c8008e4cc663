"""The domain language model and its lexicon, made by one command from sentences and name lists.

    templates, word lists, names  ->  sentences drawn by a seed  ->  trigrams  ->  assistant.lm.bin
    their words, and other words  ->  pronunciations             ->  assistant.dict

The names of people are the commonest of the United States, and those of other countries, by the
lists of `faker` (extra `train`). The other words are the commonest of PocketSphinx's own model:
they keep what no template says within reach. weights/MODEL_CARD.md has the figures.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ctxasr.dictionary import VARIANT, dictionary
from ctxasr.errors import LimitExceeded, MissingPart
from ctxasr.speech.language.ngram import END, START, NGrams
from ctxasr.speech.language.sentences import SENTENCES, WORDS, Grammar, WordList
from ctxasr.speech.pocketsphinx import ASSISTANT_DICTIONARY, ASSISTANT_MODEL
from ctxasr.speech.pocketsphinx_engine import make_decoder
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.words import fold, normalise

DRAWN: Final = 400_000
"""Sentences that the shipped model is made of."""

SENTENCES_MAX: Final = 2_000_000
"""Sentences of one training: about 2 GB of memory."""

MEASURED: Final = 2_000
"""Further sentences, of another seed, whose perplexity is told."""

NAME_POWER: Final = 0.7
"""Names are drawn by their share of the population to this power: a contact list has few Smiths."""

ELSEWHERE: Final = """
    en_GB en_IE en_NZ en_IN en_PK en_NG en_KE es_ES es_MX de_DE fr_FR it_IT pl_PL nl_NL pt_BR sv_SE
    no_NO da_DK fi_FI cs_CZ hr_HR tr_TR vi_VN id_ID
""".split()
"""Where else names come from: faker's lists in the Latin alphabet, each with the same weight."""

ELSEWHERE_NAMES: Final = 4_000
"""Of each sort, those that most of these lists share and short lists hold."""

ELSEWHERE_SHARE: Final = 0.4
"""Of their weights beside 1 for the names of the United States."""

NAME_LETTERS: Final = range(3, 11)
"""Names from elsewhere that are as long."""

OTHER_WORDS: Final = 20_000
"""The commonest words of the stock model that get a place beside those of the sentences."""

OTHER_SHARE: Final = 0.05
"""Of the unigrams, by which only words are judged that no drawn sentence has in their place."""

Progress = Callable[[int, int], None]


def train_language(
    out: Path,
    seed: int = 0,
    n: int = DRAWN,
    progress: Progress = lambda done, total: None,
    *,
    names: Mapping[str, WordList] | None = None,
    other_words: int = OTHER_WORDS,
) -> dict[str, Any]:
    """Write ASSISTANT_MODEL and ASSISTANT_DICTIONARY into `out`; returns figures about them.

    `names` are the lists `given` and `family`, by default those of faker. The same arguments and
    versions give the same bytes.

    Raises:
        LimitExceeded: `n` is over SENTENCES_MAX.
        MissingPart: faker or PocketSphinx is not installed.
    """
    if n > SENTENCES_MAX:
        raise LimitExceeded("SENTENCES_MAX", SENTENCES_MAX, n, "training")
    grammar = Grammar(
        SENTENCES.read_text(encoding="utf-8"),
        WORDS.read_text(encoding="utf-8"),
        common_names() if names is None else names,
    )
    others = stock_unigrams(other_words)
    model = NGrams(
        _told(grammar.draw(n, seed), n, progress), others=others, others_share=OTHER_SHARE
    )
    words = sorted(word for (word,) in model.probabilities[0] if word not in (START, END))
    out.mkdir(parents=True, exist_ok=True)
    _write_model(model, out / ASSISTANT_MODEL.name)
    lines = _lexicon(words)
    (out / ASSISTANT_DICTIONARY.name).write_text("".join(lines), encoding="utf-8")
    return {
        "seed": seed,
        "sentences": n,
        "words": len(words),
        "pronunciations": len(lines),
        "ngrams": [len(grams) for grams in model.probabilities],
        "perplexity": _perplexity(model, grammar.draw(MEASURED, seed + 1)),
    }


def common_names() -> dict[str, WordList]:
    """The lists `given` and `family`: names of the United States by their share, and of elsewhere.

    Raises:
        MissingPart: faker is not installed.
    """
    return {
        "given": _name_list("first_names"),
        "family": _name_list("last_names"),
    }


def _name_list(sort: str) -> WordList:
    home = {
        normalise(name): share**NAME_POWER
        for name, share in sorted(getattr(_names_of("en_US"), sort).items())
    }
    elsewhere: Counter[str] = Counter()
    for place in ELSEWHERE:
        names = _names_elsewhere(_names_of(place), sort)
        elsewhere.update({name: 1.0 / len(names) for name in names})
    likely = sorted(elsewhere.items(), key=lambda item: (-item[1], item[0]))[:ELSEWHERE_NAMES]
    unit = ELSEWHERE_SHARE * sum(home.values()) / sum(share for _, share in likely)
    for name, share in likely:
        home[name] = home.get(name, 0.0) + unit * share
    return WordList(tuple(home), tuple(home.values()))


def _names_elsewhere(provider: Any, sort: str) -> set[str]:
    """Without accents, in lower case; one word each."""
    lists = (getattr(provider, f"{sort}{end}", None) or () for end in ("", "_female", "_male"))
    names = {fold(name.lower()) for listed in lists for name in listed}
    return {
        name for name in names if name.isascii() and name.isalpha() and len(name) in NAME_LETTERS
    }


def _names_of(place: str) -> Any:
    try:
        return import_module(f"faker.providers.person.{place}").Provider
    except ImportError:
        raise MissingPart("faker is not installed: pip install 'ctxasr[train]'") from None


def stock_unigrams(n: int) -> dict[str, float]:
    """The `n` likeliest words of PocketSphinx's own model, with their probabilities."""
    stock = make_decoder()
    model, unit = stock.get_lm(), stock.logmath
    found = {
        word: unit.exp(model.prob([word])) for word in dictionary() if not VARIANT.search(word)
    }
    likely = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return dict(likely[:n])


def _told(
    sentences: Iterable[Sequence[str]], n: int, progress: Progress
) -> Iterable[Sequence[str]]:
    for done, sentence in enumerate(sentences, 1):
        if done % 1_000 == 0 or done == n:
            progress(done, n)
        yield sentence


def _write_model(model: NGrams, path: Path) -> None:
    """In PocketSphinx's binary form, a seventh of the ARPA text in size and time to load."""
    import pocketsphinx

    with tempfile.TemporaryDirectory() as folder:
        arpa = Path(folder) / "model.arpa"
        arpa.write_text("\n".join(model.arpa()) + "\n", encoding="utf-8")
        read = pocketsphinx.NGramModel(pocketsphinx.Config(), pocketsphinx.LogMath(), str(arpa))
        read.write(str(path))


def _lexicon(words: Iterable[str]) -> list[str]:
    pronouncer = Pronouncer()
    return [
        f"{word}{f'({variant})' if variant > 1 else ''} {' '.join(phones)}\n"
        for word in words
        for variant, phones in enumerate(pronouncer.phones(word), 1)
    ]


def _perplexity(model: NGrams, sentences: Iterable[Sequence[str]]) -> float:
    total, count = 0.0, 0
    for words in sentences:
        row = [START, *words, END]
        for i in range(1, len(row)):
            total += math.log(max(model.probability(row[i], *row[max(0, i - 2) : i]), 1e-10))
            count += 1
    return math.exp(-total / count)
