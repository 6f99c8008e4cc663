"""How likely people say a sentence: the table, and how it is made."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from ctxasr.app import default_aligner
from ctxasr.english import sentences, vocabulary
from ctxasr.english.everyday import EVERYDAY_ANSWERS
from ctxasr.english.sentences import (
    LOG_OTHER_SHARE,
    PERSON,
    TABLE,
    THING,
    SentenceModel,
    class_of,
    table,
)
from ctxasr.english.vocabulary import LOG_FREQUENCY_MIN, log_frequency
from ctxasr.errors import DataError
from ctxasr.speech.language.sentence_model import ANSWER_WORDS_MAX, make_sentence_model


def log_p(text: str) -> float:
    return SentenceModel().log_probability(text.split())


def test_what_people_answer_is_likelier_than_what_sounds_like_it() -> None:
    assert log_p("turn the power off") > log_p(f"turn the {PERSON} off") + 10.0
    assert log_p(PERSON) > log_p("the hour") + 5.0
    assert log_p(f"{PERSON} please") > log_p("power please") + 5.0
    assert log_p("the other one") > log_p(f"the {PERSON} one")


def test_the_tables_are_read_before_anyone_waits_for_them() -> None:
    sentences.table.cache_clear()
    vocabulary._table.cache_clear()
    default_aligner.__wrapped__()  # one that was made before is not made again
    assert sentences.table.cache_info().currsize == vocabulary._table.cache_info().currsize == 1


def test_a_name_of_several_words_is_one() -> None:
    assert log_p(f"{PERSON} {PERSON}") == log_p(PERSON)
    assert log_p(f"{PERSON} {THING}") < log_p(PERSON)


def test_a_name_of_the_vocabulary_may_be_a_person() -> None:
    assert log_p("bauer please") > log_p("zwixle please")


def test_classes_of_names() -> None:
    assert [class_of(name) for name in ("noah bauer", "zorblax", "kitchen light")] == [
        PERSON, PERSON, THING,
    ]  # fmt: skip


def test_unknown_words_are_as_likely_as_the_vocabulary_says() -> None:
    rare, common = log_frequency("zwixle"), log_frequency("archaeology")
    assert rare == LOG_FREQUENCY_MIN
    assert ("archaeology",) not in table()
    assert log_p("archaeology") - log_p("zwixle") == pytest.approx(common - rare)


def test_what_may_follow_adds_up_to_one() -> None:
    """By the table alone; its entries are rounded to a tenth of a natural logarithm."""
    words = [gram[0] for gram in table() if len(gram) == 1]
    for history in ("the", "call", PERSON):
        behind = [table().get((history, word)) for word in words]
        seen = sum(math.exp(one.log_probability) for one in behind if one is not None)
        rest = sum(
            math.exp(table()[word,].log_probability)
            for word, one in zip(words, behind, strict=True)
            if one is None
        )
        others = math.exp(LOG_OTHER_SHARE)  # at most: words that the table lacks
        back_off = math.exp(table()[history,].log_back_off)
        assert 0.9 < seen + back_off * rest < 1.1
        assert seen + back_off * (rest + others) > 0.95


def answers(tmp_path: Path, *turns: dict[str, Any]) -> Path:
    folder = tmp_path / "sgd_followup"
    folder.mkdir()
    with gzip.open(folder / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"entities": []} | turn) + "\n" for turn in turns)
    return tmp_path


def test_answers_are_counted_by_sentences_with_entities_as_classes(tmp_path: Path) -> None:
    entity = {"value": "Blue Note", "start": 10, "end": 19}
    data = answers(
        tmp_path, {"answer": "Please at Blue Note. Zwixle me.", "entities": [entity]},
        {"answer": "blorp " * ANSWER_WORDS_MAX}, {"answer": "grunk " * (ANSWER_WORDS_MAX + 1)},
    )  # fmt: skip
    path = tmp_path / "made.tsv.gz"
    assert make_sentence_model(path, data, n=200)["answers"] == 3
    grams = {
        line.split("\t")[0] for line in gzip.decompress(path.read_bytes()).decode().split("\n")
    }
    assert {f"at {THING}", "<s> zwixle", "zwixle me", "me </s>", "blorp blorp"} <= grams
    assert "grunk" not in grams
    again = tmp_path / "again.tsv.gz"
    make_sentence_model(again, data, n=200)
    assert again.read_bytes() == path.read_bytes()


def test_what_is_written_in_digits_is_no_unknown_word() -> None:
    assert log_p("12 minutes") == log_p("ten minutes") > log_p("twelve mints")
    assert log_p("at 7:30 pm") == log_p("at ten pm")


def test_without_the_answers_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sgd_followup"):
        make_sentence_model(tmp_path / "made.tsv.gz", tmp_path)


def test_the_command_makes_the_same_table(tmp_path: Path, data: Path) -> None:
    made = tmp_path / TABLE.name
    assert make_sentence_model(made, data)["ngrams"] == 82_361
    assert made.read_bytes() == TABLE.read_bytes()


def test_an_everyday_answer_is_as_likely_as_any_sentence_of_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered = [log_p(answer) for answer in EVERYDAY_ANSWERS]
    monkeypatch.setattr("ctxasr.english.sentences._answer_log_ps", dict)
    assert [log_p(answer) for answer in EVERYDAY_ANSWERS] == remembered
