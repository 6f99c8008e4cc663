"""The n best texts of lattices and confusion networks, against all of their paths."""

from __future__ import annotations

import doctest
import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr import hypotheses as types
from ctxasr.errors import LimitExceeded
from ctxasr.hypotheses import N_BEST_MAX, WORDS_MAX, Arc, ConfusionNetwork, Lattice
from ctxasr.speech import best_paths as module
from ctxasr.speech.best_paths import best_paths

WORDS = st.sampled_from(["", "a", "b", "C", "c", "a b"])


@pytest.mark.parametrize("documented", [types, module])
def test_examples_run(documented: object) -> None:
    found = doctest.testmod(documented)  # type: ignore[arg-type]
    assert found.attempted > 0
    assert found.failed == 0


def compared(network: Lattice | ConfusionNetwork, entries: int, said: dict[str, float]) -> None:
    """The list against what all paths say, with the best score of each text."""
    found = best_paths(network, entries)
    texts = [" ".join(one.words) for one in found]
    assert len(set(texts)) == len(texts) == min(entries, len(said))
    for text, one in zip(texts, found, strict=True):
        assert one.score == pytest.approx(said[text])
    assert [one.score for one in found] == pytest.approx(sorted(said.values())[::-1][:entries])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(1, 3), WORDS, st.floats(-9.0, 3.0), st.floats(-9.0, 0.0)
        ),
        max_size=12,
    ),
    st.integers(1, N_BEST_MAX),
)
def test_a_lattice_gives_the_best_of_all_its_paths(
    links: list[tuple[int, int, str, float, float]], entries: int
) -> None:
    arcs = [
        Arc(begin, begin + step, word, acoustic, 1.0, language)
        for begin, step, word, acoustic, language in links
    ]
    arcs = sorted((arc for arc in arcs if arc.target <= 5), key=lambda arc: arc.source)
    paths: list[list[tuple[str, float]]] = [[("", 0.0)], *([] for _ in range(5))]
    for arc in arcs:
        score = arc.acoustic + arc.language
        paths[arc.target] += [
            (f"{text} {arc.word.lower()}".strip(), before + score)
            for text, before in paths[arc.source]
        ]
    said: dict[str, float] = {}
    for text, score in paths[-1]:
        said[text] = max(score, said.get(text, -math.inf))
    compared(Lattice((0.0,) * 6, tuple(arcs)), entries, said)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.tuples(WORDS, st.floats(1e-6, 1.0)), min_size=1, max_size=4), max_size=4),
    st.integers(1, N_BEST_MAX),
)
def test_a_confusion_network_does_so_too(
    slots: list[list[tuple[str, float]]], entries: int
) -> None:
    said: dict[str, float] = {}
    for path in product(*slots):
        text = " ".join(word.lower() for word, _ in path if word)
        score = sum(math.log(probability) for _, probability in path)
        said[text] = max(score, said.get(text, -math.inf))
    compared(ConfusionNetwork(tuple(map(tuple, slots))), entries, said)


def test_texts_are_written_as_they_stand_where_they_are_likeliest() -> None:
    slots = ((("Meg", 0.3), ("meg", 0.2)), (("Bauer", 0.9),))
    (one,) = best_paths(ConfusionNetwork(slots))
    assert one.text == "Meg Bauer"
    assert one.score == pytest.approx(math.log(0.27))


def test_a_network_without_a_path_has_no_texts() -> None:
    assert best_paths(Lattice((), ())) == ()
    assert best_paths(Lattice((0.0, 0.1, 0.2), (Arc(0, 1, "a", 0.0, 1.0),))) == ()
    assert [one.text for one in best_paths(ConfusionNetwork(()))] == [""]


def test_the_list_is_bounded() -> None:
    for wrong in (0, N_BEST_MAX + 1):
        with pytest.raises(LimitExceeded, match="N_BEST_MAX"):
            best_paths(ConfusionNetwork(()), wrong)
    many = ConfusionNetwork(((("a", 0.5), ("b", 0.5)),) * 10)
    assert len(best_paths(many)) == N_BEST_MAX


def test_texts_have_so_many_words_and_no_more() -> None:
    longest = ConfusionNetwork(((("a", 1.0),),) * WORDS_MAX)
    assert len(best_paths(longest)[0].words) == WORDS_MAX
    with pytest.raises(LimitExceeded, match="WORDS_MAX is 200, got 201"):
        best_paths(ConfusionNetwork((*longest.slots, (("a", 1.0),))))


def test_a_search_ends_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has found by then stands; without anything it is refused."""
    slots = ((("a", 0.6), ("b", 0.4)),) * 4
    whole = best_paths(ConfusionNetwork(slots))
    assert len(whole) == 16
    lengths: list[int] = []
    refused = set()
    for bound in range(1, 80):
        monkeypatch.setattr(module, "SEARCH_ARCS_MAX", bound)
        try:
            found = best_paths(ConfusionNetwork(slots))
        except LimitExceeded as error:
            refused.add(error.name)
            lengths.append(0)
            continue
        assert found == whole[: len(found)]
        lengths.append(len(found))
    assert refused == {"SEARCH_ARCS_MAX"}
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert lengths[-1] == 16


def test_equal_scores_cost_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = tuple(tuple((f"w{place}x{one}", 1 / 3) for one in range(3)) for place in range(150))
    monkeypatch.setattr(module, "SEARCH_ARCS_MAX", 20_000)
    assert len(best_paths(ConfusionNetwork(slots))) == N_BEST_MAX, "sums differ in their last digit"


def test_same_texts_at_other_times_are_followed_once() -> None:
    """Each of 30 words may be said along 20 ways that differ in their silences alone."""
    arcs, node = [], 0
    for word in range(30):
        for way in range(1, 20):
            arcs.append(Arc(node, node + way, "", -0.01 * way, 1.0))
            arcs.append(Arc(node + way, node + 20, f"w{word}", -1.0, 1.0))
            arcs.append(Arc(node + way, node + 20, f"v{word}", -2.0, 1.0))
        node += 20
    arcs.sort(key=lambda arc: arc.source)
    found = best_paths(Lattice((0.0,) * (node + 1), tuple(arcs)))
    assert len(found) == N_BEST_MAX
    assert found[0].words == tuple(f"w{word}" for word in range(30))
    assert found[0].score == pytest.approx(30 * -1.01)
    assert [round(one.score - found[0].score, 6) for one in found[1:31]] == [-1.0] * 30
