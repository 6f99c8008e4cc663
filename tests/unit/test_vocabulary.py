"""The table of words: frequencies and names."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ctxasr.vocabulary import (
    COMMON_LOG_FREQUENCY_MIN,
    LOG_FREQUENCY_MIN,
    TABLE,
    is_common,
    is_name,
    is_ordinary,
    log_frequency,
)


def test_common_words_are_frequent_and_names_are_names() -> None:
    assert log_frequency("the") > log_frequency("power") > log_frequency("bauer")
    assert is_common("power")
    assert not is_common("noah")
    assert is_name("bauer")
    assert is_name("noah's")
    assert not is_name("kitchen")


def test_an_ordinary_sentence_has_no_name_and_no_rare_word() -> None:
    assert is_ordinary("turn the power off".split())
    assert not is_ordinary("call noah".split())
    assert not is_ordinary("the zorblax".split())


def test_an_unknown_word_is_rare_and_no_name() -> None:
    assert log_frequency("zorblax") == LOG_FREQUENCY_MIN
    assert not is_name("zorblax")
    assert not is_common("zorblax")


def test_common_words_end_at_the_limit() -> None:
    words = [
        line.split("\t")[0] for line in gzip.decompress(TABLE.read_bytes()).decode().split("\n")
    ]
    plain = [word for word in words if word and not is_name(word)]
    rarer = COMMON_LOG_FREQUENCY_MIN - 0.1
    at_the_edge = [word for word in plain if log_frequency(word) == COMMON_LOG_FREQUENCY_MIN]
    below = [word for word in plain if log_frequency(word) == pytest.approx(rarer)]
    assert at_the_edge
    assert below
    assert all(map(is_common, at_the_edge))
    assert not any(map(is_common, below))


def test_the_command_makes_the_same_table(tmp_path: Path) -> None:
    pytest.importorskip("faker", reason="faker is in the extra train")
    from ctxasr.speech.frequencies import make_vocabulary

    made = tmp_path / TABLE.name
    assert make_vocabulary(made) == {"words": 21_754, "names": 1_584}
    assert made.read_bytes() == TABLE.read_bytes()
