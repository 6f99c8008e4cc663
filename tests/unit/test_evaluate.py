"""Word errors, oracles, intervals and the comparison of systems."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ctxasr.evaluate.comparison import Item, compare
from ctxasr.evaluate.fitting import LISTED_MAX, PRIOR_MIN, Choice, Choices, fit
from ctxasr.evaluate.metrics import (
    best_edits,
    error_rate,
    relative_change,
    word_count,
    word_edits,
)
from ctxasr.evidence import Evidence, Heard
from ctxasr.hypotheses import Hypothesis

ITEM = Item(
    dialogue="a", turn=2, state="hit", words=2, plain=2, emptied=2, context=0, other=(2, 3),
    nbest_oracle=1, lattice_oracle=0, equals_plain=False,
)  # fmt: skip


def test_word_edits_ignore_case_and_punctuation() -> None:
    assert word_edits("Meg Bauer.", "meg bauer") == 0
    assert word_edits("meg bauer", "the hour") == 2
    assert word_edits("meg bauer", "") == 2
    assert word_edits("", "the hour") == 2
    assert best_edits("meg", [Hypothesis("peg"), Hypothesis("meg"), Hypothesis("the")]) == 0


def test_rates_and_changes_are_of_sums_and_bracketed_by_their_interval() -> None:
    edits, words, dialogues = [1, 0, 3, 0], [2, 2, 4, 2], ["a", "a", "b", "c"]
    rate = error_rate(edits, words, dialogues, seed=1)
    assert rate.value == pytest.approx(0.4)
    assert rate.low is not None
    assert rate.high is not None
    assert 0 <= rate.low < rate.value < rate.high <= 0.75
    assert rate == error_rate(edits, words, dialogues, seed=1)
    assert relative_change([1, 1], [2, 2], ["a", "b"], seed=1).value == pytest.approx(-0.5)


def test_one_dialogue_has_no_interval() -> None:
    assert error_rate([1], [2], ["a"], seed=1).low is None


def test_texts_that_came_too_late_are_counted() -> None:
    """On a busy machine they would pass for figures of the rescorer."""
    for late in (0, 2):
        found = compare([ITEM, *(replace(ITEM, turn=3 + n, late=True) for n in range(late))], 1)
        assert found.to_json()["read_budget_exceeded"] == late
        console = Console(file=StringIO(), width=200)
        found.render(console)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert ("In 2 turns the read budget had passed" in shown) == bool(late)


def test_a_comparison_counts_gain_harm_and_what_must_not_be() -> None:
    second = replace(ITEM, dialogue="b", plain=1, emptied=1, context=2, other=(0, 1))
    broken = replace(ITEM, dialogue="c", state="missed", equals_plain=False)
    found = compare([ITEM, second, broken], seed=3)
    assert found.change("context", "emptied").value == pytest.approx((0 + 2 + 0) / 5 - 1)
    assert found.change("other", "plain").value == pytest.approx((2.5 + 0.5 + 2.5) / 5 - 1)
    assert found.harmed("context") == 1
    assert found.harmed("other") == 2
    assert found.rate("other").value == pytest.approx(5.5 / 6)
    assert found.not_plain_without_hit() == 1
    shown = json.loads(json.dumps(found.to_json()))
    assert shown["turns"] == 3
    assert shown["wer"]["context"]["value"] == pytest.approx(2 / 6)


def test_the_table_shows_every_system() -> None:
    text = StringIO()
    compare([ITEM, replace(ITEM, dialogue="b")], seed=3).render(Console(file=text, width=120))
    for system in ("plain", "emptied", "other", "context", "nbest oracle", "lattice oracle"):
        assert system in text.getvalue()


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(ValueError, match="no follow-up"):
        compare([], seed=1)


NEAR = Evidence(**dict.fromkeys(Evidence._fields, 0.0))._replace(
    spans=1.0, relative=0.1, gain=1.0, phones=4.0, prior=-1.0
)
FAR = NEAR._replace(relative=0.8, gain=-1.0, place=1.0)


def test_fitting_takes_good_candidates_and_leaves_bad_ones() -> None:
    good = Choices((Choice(NEAR, -1), Choice(FAR, 1)))
    bad = Choices((Choice(FAR, 1),))
    weights = fit([good, bad] * 4)
    assert weights.score(NEAR) > 0 > weights.score(FAR)
    assert weights == fit([good, bad] * 4)
    assert fit([good, bad], unused=("gain",)).evidence.gain == 0
    assert weights.heard == Heard()  # of which there is none


def test_fitting_weighs_the_audio_where_there_is_one() -> None:
    said = Choices((Choice(NEAR, -1, heard=Heard(3.0)), Choice(NEAR, 1, heard=Heard(-9.0))))
    weights = fit([said] * 4)
    assert weights.score(NEAR) + 3.0 * weights.heard.ratio > 0
    assert weights.score(NEAR) - 9.0 * weights.heard.ratio < 0


def test_candidates_that_change_nothing_speak_for_the_plain_text() -> None:
    kept = Choices((Choice(NEAR, 0, unchanged=True), Choice(NEAR, 1)))
    assert fit([kept] * 4).score(NEAR) < fit([Choices((Choice(NEAR, -1),))] * 4).score(NEAR)


def test_evidence_against_a_change_never_speaks_for_one() -> None:
    odd = Choices((Choice(NEAR._replace(relative=9.0, unasked=3.0), -1), Choice(NEAR, 1)))
    weights = fit([odd] * 4)
    assert weights.evidence.relative == weights.evidence.unasked == 0.0
    assert weights.evidence.gain >= 0.0


def test_the_prior_keeps_its_least_weight() -> None:
    unlikely = Choices((Choice(NEAR._replace(prior=-9.0), -1), Choice(NEAR, 1)))
    assert fit([unlikely] * 4).evidence.prior == PRIOR_MIN


def test_the_nearest_candidates_are_fitted_on() -> None:
    near, far = Choice(NEAR, -1), Choice(NEAR._replace(apart=9.0, strange=3.0), 1)
    alone = fit([Choices((near,) * LISTED_MAX)])
    assert fit([Choices((far, *[near] * LISTED_MAX))]) == alone
    assert fit([Choices((far, *[near] * (LISTED_MAX - 1)))]) != alone


def test_words_count_as_they_are_said() -> None:
    assert word_edits("doctor kowalski", "Dr. Kowalski!") == 0
    assert word_edits("the second of ten", "the 2nd of 10") == 0
    assert word_edits("main street", "Main St") == 0
    assert word_count("$5 meal") == 3
    assert word_edits("rocky four", "rocky for") == 1
