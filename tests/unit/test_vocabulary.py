"""The table of words: frequencies and names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxasr.english.vocabulary import (
    LOG_FREQUENCY_MIN,
    TABLE,
    is_name,
    log_frequency,
)


def test_frequent_words_are_likelier_and_names_are_names() -> None:
    assert log_frequency("the") > log_frequency("power") > log_frequency("bauer")
    assert is_name("bauer")
    assert is_name("noah's")
    assert not is_name("kitchen")


def test_an_unknown_word_is_rare_and_no_name() -> None:
    assert log_frequency("zorblax") == LOG_FREQUENCY_MIN
    assert not is_name("zorblax")


def test_the_command_makes_the_same_table(tmp_path: Path) -> None:
    pytest.importorskip("faker", reason="faker is in the extra train")
    from ctxasr.speech.language.frequencies import make_vocabulary

    made = tmp_path / TABLE.name
    assert make_vocabulary(made) == {"words": 21_754, "names": 1_584}
    assert made.read_bytes() == TABLE.read_bytes()
