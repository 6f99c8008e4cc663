"""Everyday answers: which texts are one, and which are not."""

from __future__ import annotations

import pytest

from ctxasr.bias import GENERIC_ANSWERS
from ctxasr.english.everyday import EVERYDAY_ANSWERS, is_everyday
from ctxasr.words import normalise


@pytest.mark.parametrize(
    "text",
    [
        "Yes.", "no", "Either!", "both of them", "the other one", "None.", "thank you", "hang up",
        "Start over.", "turn the power off", "um, no thanks", "yes, the second one, please",
        "number two", "Option 3", "seven", "twenty one, please", "42", "the last one", "the first",
        "never mind",
    ],
)  # fmt: skip
def test_what_any_question_may_get(text: str) -> None:
    assert is_everyday(normalise(text).split())


@pytest.mark.parametrize(
    "text",
    ["", "Bauer", "Noah", "call Meg", "the first Meg", "power", "number nine hundred ones", "the"],
)
def test_what_names_something(text: str) -> None:
    assert not is_everyday(normalise(text).split())


def test_the_answers_are_written_as_they_are_compared() -> None:
    assert all(normalise(answer) == answer for answer in EVERYDAY_ANSWERS)
    assert len(set(EVERYDAY_ANSWERS)) == len(EVERYDAY_ANSWERS)
    assert all(is_everyday(answer.split()) for answer in GENERIC_ANSWERS)
