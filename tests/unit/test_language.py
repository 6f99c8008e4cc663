"""The domain language model: its sentences, its n-grams, its training, and what is shipped."""

import random
import sys
from collections import Counter
from pathlib import Path

import pocketsphinx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.errors import DataError, LimitExceeded, MissingPart
from ctxasr.speech.language import training
from ctxasr.speech.language.ngram import END, START, NGrams
from ctxasr.speech.language.sentences import SENTENCES, WORDS, Grammar, WordList
from ctxasr.speech.language.training import common_names, train_language
from ctxasr.speech.lexicon import PHONES
from ctxasr.speech.pocketsphinx import ASSISTANT_DICTIONARY, ASSISTANT_MODEL

NAMES = {
    "given": WordList(("anna", "ben", "carla"), (3.0, 2.0, 1.0)),
    "family": WordList(("weber", "smith"), (1.0, 4.0)),
}


def _draw(template: str, n: int = 400, words: str = "room: kitchen*3, hall") -> Counter[str]:
    grammar = Grammar(f"== only 1\n{template}\n", words, NAMES)
    return Counter(" ".join(words) for words in grammar.draw(n, seed=1))


def test_a_template_becomes_its_sentences() -> None:
    drawn = _draw("turn (on|off) the {room} lamp[s]")
    assert set(drawn) == {
        f"turn {way} the {room} lamp{s}"
        for way in ("on", "off") for room in ("kitchen", "hall") for s in ("", "s")
    }  # fmt: skip
    kitchens = sum(count for text, count in drawn.items() if "kitchen" in text)
    assert 250 < kitchens < 350, "three of four, as weighted"


def test_brackets_nest_and_may_be_empty() -> None:
    assert set(_draw("(call|[please] text (|{given}))")) >= {
        "call", "text", "please text", "please text ben",
    }  # fmt: skip


def test_sections_share_as_they_say() -> None:
    grammar = Grammar("== a 3\nyes\n== b 1\nno\nnope\n", "x: y", {})
    drawn = Counter(words[0] for words in grammar.draw(4_000, seed=0))
    assert 2_850 < drawn["yes"] < 3_150
    assert drawn["yes"] + drawn["no"] + drawn["nope"] == 4_000


def test_the_same_seed_draws_the_same() -> None:
    grammar = Grammar(SENTENCES.read_text(), WORDS.read_text(), NAMES)
    state = random.getstate()
    first, again, other = (list(grammar.draw(300, seed)) for seed in (5, 5, 6))
    assert first == again != other
    assert random.getstate() == state
    assert all(word.replace("'", "").isalpha() for words in first for word in words)


@pytest.mark.parametrize(
    ("sentences", "words", "complaint"),
    [
        ("== a 1\ncall {nobody}", "", "nobody"),
        ("== a 1\ncall (me", "", "lacks a"),
        ("== a 1\ncall me)", "", "nothing opened"),
        ("== a 1\ncall [me)", "", "lacks a"),
        ("== a 1\ncall {me", "", "other half"),
        ("== a many\nyes", "", "share"),
        ("yes", "", "first section"),
        ("== a 1\n", "", "without a line"),
        ("", "", "without a line"),
        ("== a 1\nyes", "room", "no list"),
        ("== a 1\nyes", "room: {hall}", "hall"),
    ],
)
def test_what_cannot_be_read_is_named(sentences: str, words: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        Grammar(sentences, words, {})


TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=5), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.sampled_from([START, "a", "b", "c", "d"]), max_size=3))
def test_probabilities_sum_to_one_after_every_history(
    texts: list[list[str]], history: list[str]
) -> None:
    model = NGrams(texts, others={"d": 3.0, "a": 1.0}, others_share=0.1)
    words = {word for (word,) in model.probabilities[0]}
    assert sum(model.probability(word, *history) for word in words) == pytest.approx(1.0)
    assert model.probability("d", *history) > 0.0


def test_what_was_seen_is_likelier_and_what_follows_depends_on_what_was_before() -> None:
    model = NGrams([["call", "anna"]] * 6 + [["play", "jazz"]] * 3 + [["call", "ben"]])
    assert model.probability("anna", START, "call") > 0.6 > model.probability("ben", START, "call")
    assert model.probability("jazz", START, "play") > 10 * model.probability("jazz", START, "call")
    assert model.probability(END, "call", "anna") > 0.9


def test_pocketsphinx_reads_the_same_probabilities(tmp_path: Path) -> None:
    grammar = Grammar(SENTENCES.read_text(), WORDS.read_text(), NAMES)
    model = NGrams(list(grammar.draw(500, 0)), others={"zebra": 1.0}, others_share=0.1)
    path, unit = tmp_path / "model.arpa", pocketsphinx.LogMath()
    path.write_text("\n".join(model.arpa()) + "\n")
    read = pocketsphinx.NGramModel(pocketsphinx.Config(), unit, str(path))
    for words in [*grammar.draw(40, 1), ["zebra", "zebra"]]:
        row = [START, *words, END]
        for i in range(2, len(row)):
            expected = model.probability(*row[i : i + 1], *row[i - 2 : i])
            if expected:
                found = unit.exp(read.prob([row[i], row[i - 1], row[i - 2]]))
                assert found == pytest.approx(expected, rel=0.02)


def test_no_sentence_and_no_probability_are_refused() -> None:
    with pytest.raises(DataError, match="no sentence"):
        NGrams([])
    with pytest.raises(DataError, match="no probability"):
        NGrams([["a"]], others={"b": 0.0}, others_share=0.1)


def test_training_is_repeatable_and_gives_what_it_says(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def train(folder: str, seed: int) -> tuple[dict[str, object], bytes, str]:
        out = tmp_path / folder
        figures = train_language(
            out, seed, 1_500, lambda *done: told.append(done), names=NAMES, other_words=300
        )
        model, words = out / ASSISTANT_MODEL.name, out / ASSISTANT_DICTIONARY.name
        return figures, model.read_bytes(), words.read_text()

    first, again, other = train("a", 3), train("b", 3), train("c", 4)
    assert first == again
    assert first[1] != other[1]
    assert told[:2] == [(1_000, 1_500), (1_500, 1_500)]
    assert first[0]["pronunciations"] == first[2].count("\n")
    assert {"anna", "weber", "kitchen"} <= {line.split()[0] for line in first[2].splitlines()}


def test_training_is_bounded_and_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = training.SENTENCES_MAX
    with pytest.raises(LimitExceeded, match="SENTENCES_MAX"):
        train_language(tmp_path, n=most + 1, names=NAMES)
    monkeypatch.setattr(training, "SENTENCES_MAX", 50)
    assert train_language(tmp_path, n=50, names=NAMES, other_words=10)["sentences"] == 50
    monkeypatch.setitem(sys.modules, "faker.providers.person.en_US", None)
    with pytest.raises(MissingPart, match=r"ctxasr\[train\]"):
        common_names()


def test_names_are_common_ones_by_their_frequency() -> None:
    pytest.importorskip("faker", reason="faker, the extra `train`, is not installed")
    names = common_names()
    assert len(names["given"].items) > 500 < len(names["family"].items)
    shares = dict(zip(names["family"].items, names["family"].weights, strict=True))
    assert shares["smith"] > 3 * shares["bauer"] > 0.0
    assert {"ingrid", "pablo"} <= set(names["given"].items), "of other countries"
    assert all(name == name.lower() and name.isascii() for name in names["family"].items)
    assert names == common_names()


def test_the_shipped_lexicon_has_a_sound_for_every_word() -> None:
    lines = [line.split() for line in ASSISTANT_DICTIONARY.read_text().splitlines()]
    assert len(lines) > 20_000
    assert all(phones and set(phones) <= set(PHONES) for _, *phones in lines)
    words = {word for word, *_ in lines}
    assert {"kitchen", "neither", "bauer", "cancel", "o'clock"} <= words
    assert not words & {START, END}
    model = pocketsphinx.NGramModel(
        pocketsphinx.Config(), pocketsphinx.LogMath(), str(ASSISTANT_MODEL)
    )
    assert model.size() == 3
