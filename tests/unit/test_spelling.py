"""What a changed text looks like: everything but the phrase to the letter."""
# ruff: noqa: RUF001 - the odd signs are what is tested

from __future__ import annotations

import pytest

from ctxasr.hypotheses import Change, Hypothesis, Phrase
from ctxasr.spelling import Style, changes_between, cuts_a_sign, replaced, style_of
from ctxasr.words import normalise


def phrase(spelling: str) -> Phrase:
    return Phrase(normalise(spelling), "entities", "contact", spelling, "c7")


@pytest.mark.parametrize(
    ("text", "heard", "spelling", "after"),
    [
        ("It's Meg Bower, please.", "bower", "Bauer", "It's Meg Bauer, please."),
        ("It's Meg Bower, please.", "meg bower", "Meg Bauer", "It's Meg Bauer, please."),
        ("Bower's house.", "bower's", "Bauer", "Bauer's house."),
        ("Bower’s house.", "bower's", "Bauer", "Bauer’s house."),
        ("Jones's house.", "jones's", "James", "James's house."),
        ("Call power's, now.", "power's", "Powers", "Call Powers, now."),
        ("Trader Jo's!", "trader jo's", "Trader Joe's", "Trader Joe's!"),
        ("Chicken light, please.", "chicken", "kitchen", "Kitchen light, please."),
        ("Turn off the Chicken light.", "chicken", "kitchen", "Turn off the kitchen light."),
        ("Yes. Chicken.", "chicken", "kitchen", "Yes. Kitchen."),
        ("My phone.", "my phone", "iPhone", "iPhone."),
        ("“Bower”—now", "bower", "Bauer", "“Bauer”—now"),
        ("(the hour?)", "the hour", "Bauer", "(Bauer?)"),
        ("Meg-Bower", "bower", "Bauer", "Meg-Bauer"),
        ("Call Jon junior.", "jon junior", "John Jr.", "Call John Jr."),
        ("Call  Bower \n now.", "bower", "Bauer", "Call  Bauer \n now."),
        ("Call Bo\u00adwer.", "bo\u00adwer", "Bauer", "Call Bauer."),
        ("Zoë Bower 🙂.", "bower", "Bauer", "Zoë Bauer 🙂."),
        ("the hour", "the hour", "Bauer", "bauer"),
        ("call bower at 10:30", "bower", "Bauer", "call bauer at 10:30"),
        ("call johnson johnson", "johnson johnson", "Johnson & Johnson",
         "call johnson and johnson"),
        ("call at 10:13", "10 13", "10:30 AM", "call at 10:30 am"),
        ("CALL BOWER'S", "bower's", "Bauer", "CALL BAUER'S"),
        ("MEG BOWER, PLEASE!", "meg bower", "Meg Bauer", "MEG BAUER, PLEASE!"),
        ("BOWER!", "bower", "Bauer", "Bauer!"),
        ("Open yahu.", "yahu", "Yahoo!", "Open Yahoo!"),
        ("Open yahu, now.", "yahu", "Yahoo!", "Open Yahoo!, now."),
    ],
)  # fmt: skip
def test_the_phrase_is_put_in_and_nothing_else_changes(
    text: str, heard: str, spelling: str, after: str
) -> None:
    hypothesis, words = Hypothesis(text), normalise(heard).split()
    start = next(i for i in range(9) if [*hypothesis.words[i : i + len(words)]] == words)
    style = style_of([hypothesis])
    assert replaced(hypothesis, start, start + len(words), phrase(spelling), style) == after


@pytest.mark.parametrize(
    ("texts", "style"),
    [
        (["eller", "the hour"], Style.LOWER),
        (["call at 10:30", "r&b"], Style.LOWER),
        (["THE HOUR", "POWER"], Style.UPPER),
        (["power.", "power"], Style.WRITTEN),
        (["power", "Bauer"], Style.WRITTEN),
        (["it's meg bower, please"], Style.WRITTEN),
        (["10:13 AM"], Style.WRITTEN),
        (["UFC", "U F C"], Style.WRITTEN),
        (["9:30"], Style.WRITTEN),
    ],
)
def test_the_style_is_that_of_the_whole_list(texts: list[str], style: Style) -> None:
    assert style_of(map(Hypothesis, texts)) is style


def test_one_sign_is_not_cut() -> None:
    places = Hypothesis("a $5 b").places  # a, 5, dollars, b
    assert [cuts_a_sign(places, *span) for span in ((1, 2), (2, 3), (1, 3), (0, 1))] == [
        True, True, False, False,
    ]  # fmt: skip


def test_changes_are_told_as_they_are_written() -> None:
    plain, text = "It's Meg Bower, please.", "It's Meg Bauer, please."
    change = Change("Bower", "Bauer", "Meg Bauer", "entities", "c7", 0.9, "sound")
    assert changed(plain, text, "Meg Bauer") == (change,)
    assert changed("Meg Bauer!", "meg bauer", "Meg Bauer") == ()


def test_each_change_names_the_phrase_that_it_comes_from() -> None:
    found = changed("mac or ant please", "Meg or Ann please", "Meg Bauer", "Ann")
    assert [(one.before, one.after, one.phrase) for one in found] == [
        ("mac", "Meg", "Meg Bauer"), ("ant", "Ann", "Ann"),
    ]  # fmt: skip


def changed(plain: str, text: str, *spellings: str) -> tuple[Change, ...]:
    phrases = [phrase(one) for one in spellings]
    return changes_between(plain, text, phrases, probability=0.9, evidence="sound")
