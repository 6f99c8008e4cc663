"""The words of a text and their places, over all that people and programs write."""
# ruff: noqa: RUF001 - the odd signs are what is tested

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxasr.words import EDITED_WORDS_MAX, Word, edits_between, normalise, words_in

ODD = (
    "\u00ad\u200b\u200c\u200d\u200e\u2060\ufeff\u061c\ufe0f\U000e0100\u0300\u030c\u0307\u20e3\u0130"
    "Iiıſßẞ\u03a3\u03c3\u03c2'\u2018\u2019\u00b4`\u2032\u02bc\u02bbaZé\u1100\u1161\u11a8\u09c7\u09be"
    "½⅞0123456789,.:/$€%#&@+°-_ \n\t\u3000™®©№Ⅳ①²ﬁㄱ北京हिन्दी🙂👩\u2014\u2044ﷺ\ud800\x07♯"
)
TEXTS = st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=())), max_size=20)


@given(TEXTS)
@example("ﷺ a½b 1,000.5$")
@example("e\u200d\u0301\u0323x")
def test_words_stand_in_order_and_normalising_again_changes_nothing(text: str) -> None:
    words = words_in(text)
    assert " ".join(word.text for word in words) == normalise(text)
    assert normalise(normalise(text)) == normalise(text)
    for word in words:
        assert 0 <= word.start < word.end <= len(text)
        assert word.text.split() == [word.text]
        assert any(c.isalnum() for c in word.text), "a word has a letter or a digit"
    for one, after in pairwise(words):
        one_sign = (one.start, one.end) == (after.start, after.end)
        assert one.end <= after.start or one_sign


LETTERS = st.characters(categories=("Ll", "Lu", "Lo", "Lt")).filter(
    lambda c: len(words_in(c)) == 1  # without signs that stand for several words
)
UNSEEN = st.sampled_from("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u061c\ufe0f\u034f")
MARKS = st.characters(categories=("Mn", "Mc"))
APOSTROPHES = st.sampled_from("'\u2018\u2019\u00b4`\u2032\u02bc\u02bb\uff07")


@given(st.lists(st.tuples(LETTERS, st.one_of(UNSEEN, MARKS, APOSTROPHES)), min_size=1), LETTERS)
def test_nothing_that_belongs_to_a_word_cuts_it(pairs: list[tuple[str, str]], last: str) -> None:
    text = "".join(letter + inside for letter, inside in pairs) + last
    assert len(words_in(text)) == 1


def test_what_composes_is_read_as_one_character() -> None:
    pairs = [
        (unicodedata.normalize("NFD", whole), whole)
        for whole in map(chr, range(0xC0, 0x20000))
        if unicodedata.normalize("NFC", whole) == whole != unicodedata.normalize("NFD", whole)
    ]
    pairs += [("\uff76\uff9e", "\u30ac"), ("\uffa1\uffc2", "\uac00"), ("\u3131\u314f", "\uac00")]
    assert len(pairs) > 12_000
    apart = [(parts, whole) for parts, whole in pairs if normalise(parts) != normalise(whole)]
    assert apart == []


@given(TEXTS, UNSEEN, st.integers(0, 20))
def test_what_cannot_be_seen_changes_no_word(text: str, unseen: str, place: int) -> None:
    within = text[:place] + unseen + text[place:]
    if unicodedata.normalize("NFKC", text) == text:  # else it may keep two characters apart
        assert normalise(within).replace(" ", "") == normalise(text).replace(" ", "")


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_the_short_way_for_plain_texts_finds_the_same_words(text: str) -> None:
    longer = words_in(text + " \u00e9")  # is not ASCII and goes the long way
    assert longer[:-1] == words_in(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's Meg Bower, please.", "it's meg bower please"),
        ("Johnson & Johnson, AT&T, AT&amp;T", "johnson and johnson at and t at and t"),
        ("10½, 3¾ and ½", "10 and a half 3 and three quarters and half"),
        ("10 1/2", "10 and a half"),
        ("2.5 1,000 10,000.5 1,00 5,10", "2 point 5 1000 10000 point 5 1 00 5 10"),
        ("$5 $2.50 $1.5 million €3", "5 dollars 2 dollars 50 1 point 5 million dollars 3 euros"),
        ("50% 50 % 20°", "50 percent 50 percent 20 degrees"),
        ("C# F# #1 № 5 #metoo # %", "c sharp f sharp number 1 number 5 hashtag metoo"),
        ("@home Disney+ C++", "at home disney plus c plus plus"),
        ("Blink-182 3D M&M's 7-Eleven 24/7 1st", "blink 182 3d m and m's 7 eleven 24 7 1st"),
        ("10:30 amazon.com", "10 30 amazon dot com"),
        ("Lego™ City® ©", "lego city"),
        ("A$AP Ke$ha", "asap kesha"),
        ("x̌ena İstanbul I\u0307zmir हिन्दी", "x̌ena istanbul izmir हिन्दी"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffbom", "softhyphen zerowidth bom"),
        ("O\u2019Neil O´Neil O`Neil O′Neil Oʼneil", "o'neil " * 4 + "o'neil"),
        ("‘Meg’ rock ‘n’ roll dogs'", "meg rock n roll dogs"),
        ("1️⃣ ❤️ 👩‍👩‍👧 北京", "1 北京"),
        ("Rocky Ⅳ ＡＴ＆Ｔ", "rocky iv at and t"),
        ("col·lecció coŀlecció ŉ a·b", "collecció collecció n a b"),
        ("foo_bar—baz “quoted”", "foo bar baz quoted"),
        ("- . ? ' ™", ""),
    ],
)
def test_signs_become_words_where_they_are_said_in_one_way(text: str, words: str) -> None:
    assert normalise(text) == words


def test_a_word_knows_its_place() -> None:
    text = "“Meg\u00ad’s” $5!"
    assert words_in(text) == (
        Word("meg's", "Meg's", 1, 7), Word("5", "$5", 9, 11), Word("dollars", "$5", 9, 11),
    )  # fmt: skip


def test_word_edits_count_what_lies_between_common_ends() -> None:
    assert edits_between("a b c d".split(), "a x c d".split()) == 1
    assert edits_between("a b a".split(), "a b a b a".split()) == 2
    assert edits_between([], "a b".split()) == edits_between("a b".split(), []) == 2
    assert edits_between("a".split(), "a".split()) == 0
    ours, theirs = ["a"] * EDITED_WORDS_MAX, ["b"] * EDITED_WORDS_MAX
    assert edits_between(ours, theirs) == EDITED_WORDS_MAX
    assert edits_between([*ours, "a"], [*theirs, "b"]) == EDITED_WORDS_MAX


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_word_edits_are_those_of_levenshtein(ours: list[str], theirs: list[str]) -> None:
    @cache
    def edits(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        exchanged = edits(i - 1, j - 1) + (ours[i - 1] != theirs[j - 1])
        return min(exchanged, edits(i - 1, j) + 1, edits(i, j - 1) + 1)

    assert edits_between(ours, theirs) == edits(len(ours), len(theirs))
