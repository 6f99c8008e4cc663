"""The phrase graph against a search that tries every place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.speech.phrase_graph import Found, PhraseGraph

words = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


def walk(phrases: list[str], text: str) -> list[tuple[str, int]]:
    return [(phrases[hit.phrase], hit.start) for hit in PhraseGraph(phrases).walk(text.split())]


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
    found = PhraseGraph([" ".join(phrase) for phrase in phrases]).walk(text)
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
    assert PhraseGraph(["", "a"]).walk(["a"]) == [Found(1, 0, 1)]
