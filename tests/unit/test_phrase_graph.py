"""The phrase graph against a search that tries every place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.speech.phrase_graph import Found, PhraseGraph

words = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


def walk(phrases: list[str], text: str) -> list[tuple[str, int]]:
    graph = PhraseGraph((number, phrase.split()) for number, phrase in enumerate(phrases))
    return [(phrases[hit.phrase], hit.start) for hit in graph.walk(text.split())]


def test_the_longest_phrase_counts_and_a_begun_one_is_cancelled() -> None:
    phrases = ["meg bauer", "bauer", "meg jones smith"]
    assert walk(phrases, "call meg bauer") == [("meg bauer", 1)]
    assert walk(phrases, "call meg jones") == []
    assert walk(phrases, "bauer meg") == [("bauer", 0)]
    assert walk(phrases, "meg jones bauer") == [("bauer", 2)]
    assert walk(phrases, "meg meg bauer") == [("meg bauer", 1)]


@given(st.lists(words, min_size=1, max_size=6), st.lists(st.sampled_from("abc"), max_size=12))
@settings(max_examples=200, deadline=None)
def test_every_phrase_that_stands_is_found_or_covered(
    phrases: list[list[str]], text: list[str]
) -> None:
    found = PhraseGraph(enumerate(phrases)).walk(text)
    covered: set[int] = set()
    for hit in found:
        assert text[hit.start : hit.end] == phrases[hit.phrase]
        positions = set(range(hit.start, hit.end))
        assert not covered & positions
        covered |= positions
    for phrase in phrases:
        for start in range(len(text) - len(phrase) + 1):
            if text[start : start + len(phrase)] == phrase:
                assert covered & set(range(start, start + len(phrase)))


def test_no_phrases_and_empty_phrases_find_nothing() -> None:
    assert PhraseGraph([]).walk(["a"]) == []
    assert PhraseGraph([(0, []), (1, ["a"])]).walk(["a"]) == [Found(1, 0, 1)]


def test_a_phrase_may_be_said_in_several_ways() -> None:
    graph = PhraseGraph([(0, ["henry", "eight"]), (0, ["henry", "the", "eighth"])])
    assert graph.walk(["henry", "the", "eighth"]) == [Found(0, 0, 3)]
    assert graph.walk(["henry", "eight"]) == [Found(0, 0, 2)]


class Counted(list[str]):
    """A list that counts how often a word is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, int):
            self.looks += 1
        return super().__getitem__(place)


@pytest.mark.parametrize("longest", [1, 4, 16])
def test_states_and_steps_are_bounded_by_words_whatever_the_phrases(longest: int) -> None:
    """The worst case: every phrase is a beginning of every other, and of every stretch."""
    phrases = [["a"] * length for length in range(1, longest + 1)]
    assert len(PhraseGraph(enumerate(phrases))) == 1 + longest
    apart = [[f"{number}", "b"] for number in range(longest)]
    assert len(PhraseGraph(enumerate(apart))) == 1 + sum(map(len, apart))
    text = Counted(["a"] * 200)
    found = PhraseGraph(enumerate(phrases)).walk(text)
    assert text.looks <= 200 * longest
    assert sum(hit.end - hit.start for hit in found) == 200
