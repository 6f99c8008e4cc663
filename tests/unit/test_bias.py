"""Which phrases a turn names, and how they are weighed."""

from __future__ import annotations

import numpy as np
import pytest

from ctxasr.bias import (
    COMPOSED_CHARS_MAX,
    GENERIC_ANSWERS,
    GENERIC_SIGNAL,
    PART_CHARS_MIN,
    PARTS_WORDS_MAX,
    Bias,
    bias_of,
    generic_alone,
    is_too_long,
    names_in,
    parts_of,
    phrases_of,
)
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import PHRASE_CHARS_MAX, Phrase
from ctxasr.words import words_in


def texts(turn: TurnText) -> list[str]:
    return [phrase.text for phrase in phrases_of(turn)]


def test_names_come_whole_and_in_the_parts_that_tell_them_apart() -> None:
    contacts = (Entity("contact", "Meg Jones"), Entity("contact", "Meg Bauer"))
    assert texts(TurnText("", "", contacts)) == ["meg jones", "meg bauer", "jones", "bauer"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("C++", []), ("2.5", []), ("3.141", []), ("№ 5", []), ("#MeToo", ["MeToo"]),
        ("C++ Primer", ["C++", "Primer"]), ("Ben + Jerry", ["Jerry", "Ben"]),
        ("10.25 inch", ["10.25", "inch"]), ("AT&T Park", ["Park"]),
        ("Canal+ Sport", ["Canal+", "Sport", "Canal"]),
    ],
)  # fmt: skip
def test_no_part_is_a_sign_or_a_torn_figure(name: str, parts: list[str]) -> None:
    whole, *rest = phrases_of(TurnText("", "", (Entity("title", name),)))
    assert (whole.spelling, [part.spelling for part in rest]) == (name, parts)


def test_a_word_that_all_names_share_is_no_part() -> None:
    lights = (Entity("device", "kitchen light"), Entity("device", "hallway light"))
    assert "light" not in texts(TurnText("", "", lights))
    assert "kitchen" in texts(TurnText("", "", lights))


def test_each_text_once_with_the_most_telling_signal() -> None:
    turn = TurnText("", "Do you mean Meg Jones?", (Entity("contact", "Meg Jones"),), ("meg jones",))
    found = [phrase for phrase in phrases_of(turn) if phrase.text == "meg jones"]
    assert found == [Phrase("meg jones", "entities", "contact", "Meg Jones", asked=True)]


def test_the_reply_names_what_no_service_listed() -> None:
    reply = "I found Blue Bottle Coffee, Trader Joe's and the Golden Lotus. Which one?"
    assert list(names_in(reply)) == ["Blue Bottle Coffee", "Trader Joe's", "Golden Lotus"]
    signals = {phrase.signal for phrase in phrases_of(TurnText("", reply))}
    assert signals == {"reply"}


def test_names_of_any_alphabet_and_with_small_words_inside() -> None:
    reply = (
        "Is it Émile Zola, Zoë Ångström, Barnes and Noble or St. James? I can call 24 Hour Fitness."
    )
    assert list(names_in(reply)) == [
        "Émile Zola", "Zoë Ångström", "Barnes and Noble", "St. James", "24 Hour Fitness",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        ("Do you mean \u200bMeg\u00ad Bauer?", ["Meg\u00ad Bauer"]),
        ("Call Coca-Cola or Jean-Luc Picard.", ["Call Coca-Cola", "Jean-Luc Picard"]),
        ("Is it \U0001f3b5Meg Jones\u2014or [Anna]?", ["Meg Jones", "Anna"]),
        ("At O\u2019Neil & Sons, Ltd.", ["O\u2019Neil & Sons", "Ltd"]),
        ("Rocky IV, 10:30 or AT&T?", ["Rocky IV", "10:30", "AT&T"]),
        ("X\u030cena and \u0130stanbul Kebab?", ["X\u030cena and \u0130stanbul Kebab"]),
        ("DO YOU MEAN MEG?", ["MEAN MEG"]),
    ],
)
def test_names_are_whole_however_they_are_written(reply: str, names: list[str]) -> None:
    assert list(names_in(reply)) == names


def test_a_name_of_thousands_of_words_is_one_name() -> None:
    assert list(names_in("I " * 3 + "B " * 8_000)) == [("B " * 8_000).strip()]
    assert list(names_in("I " * 8_000)) == []


def test_question_words_are_no_names() -> None:
    assert list(names_in("Do you mean it? Should I? Which one? OK")) == []


def test_a_phrase_longer_than_the_limit_is_left_out() -> None:
    fits, too_long = "a" * PHRASE_CHARS_MAX, "b" * (PHRASE_CHARS_MAX + 1)
    assert texts(TurnText("", "", (Entity("x", fits), Entity("x", too_long)))) == [fits]


def test_parts_at_the_edges_of_their_limits() -> None:
    def parts(name: str) -> list[str]:
        return [" ".join(word.text for word in part) for part in parts_of(words_in(name), {})]

    short = "x" * PART_CHARS_MIN
    assert parts(f"{short} {short[1:]}") == [short], "a shorter one is heard everywhere"
    longest = [f"word{n}" for n in range(PARTS_WORDS_MAX)]
    assert longest[-1] in parts(" ".join(longest))
    assert parts(" ".join([*longest, "more"])) == []


def test_parts_stop_at_small_words() -> None:
    def parts(name: str) -> list[str]:
        return [" ".join(word.text for word in part) for part in parts_of(words_in(name), {})]

    assert parts("bank of america") == ["america", "bank"]
    assert parts("bauer") == []
    assert parts("size 10½") == ["10 and a half", "size 10", "size"], "one sign is not parted"


def test_names_and_their_parts_keep_spelling_and_id() -> None:
    contacts = (
        Entity("contact", "Meg\u00a0O\u2019Neil-Bauer", "c7"),
        Entity("contact", "meg jones"),
    )
    turn = TurnText("", "Or IKEA?", contacts, ("Johnson & Johnson",))
    found = {phrase.text: (phrase.spelling, phrase.id) for phrase in phrases_of(turn)}
    assert found["meg o'neil bauer"] == ("Meg O\u2019Neil-Bauer", "c7")
    assert found["o'neil bauer"] == ("O\u2019Neil-Bauer", "c7")
    assert found["meg jones"] == ("meg jones", "")
    assert found["ikea"] == ("IKEA", "")
    assert found["johnson and johnson"] == ("Johnson & Johnson", "")


def test_control_characters_and_half_characters_of_a_name_go_nowhere() -> None:
    found, *_ = phrases_of(TurnText("", "", (Entity("x", "Me\x07g\nBau\ud800er"),)))
    assert found.spelling == "Me g Bau?er"


def test_weights_are_log_probabilities_over_phrases_and_none() -> None:
    phrases = [Phrase("bauer", "entities"), Phrase("jones", "entities")]
    bias = bias_of(phrases, np.array([0.0, 2.0, 1.0], np.float32))
    total = sum(np.exp(weighted.log_prior) for weighted in bias.phrases)
    assert total == pytest.approx(1.0)
    by_text = {weighted.phrase.text: weighted for weighted in bias.phrases}
    assert by_text["bauer"].log_prior - by_text["jones"].log_prior == pytest.approx(1.0)
    none = sum(np.exp(by_text[text].log_prior) for text in GENERIC_ANSWERS)
    assert np.log(none) - by_text["jones"].log_prior == pytest.approx(-1.0)
    assert by_text["yes"].phrase.signal == GENERIC_SIGNAL


def test_a_generic_answer_that_is_on_offer_is_weighed_once() -> None:
    bias = bias_of([Phrase("yes", "screen")], np.zeros(2, np.float32))
    assert [w.phrase.signal for w in bias.phrases if w.phrase.text == "yes"] == ["screen"]


def test_what_names_nothing_pulls_at_nothing() -> None:
    assert bias_of((), np.zeros(1, np.float32)) == Bias()
    assert [w.phrase.text for w in generic_alone().phrases] == list(GENERIC_ANSWERS)
    assert "bauer" not in repr(generic_alone())


def test_a_name_and_its_parts_share_one_probability() -> None:
    """A hundred names with their parts weigh no more than a hundred names."""
    names = [f"{given} {family}" for given in ("meg", "ann") for family in ("bauer", "cole")]
    whole = [Phrase(name, "entities") for name in names]
    parts = [Phrase(name.split()[1], "entities", whole=name) for name in names[:2]]
    logits = np.array([0.5, *[1.0] * 4], np.float32)
    alone = {w.phrase.text: np.exp(w.log_prior) for w in bias_of(whole, logits).phrases}
    both = bias_of([*whole, *parts], np.array([*logits, 1.0, 1.0], np.float32))
    shared = {w.phrase.text: np.exp(w.log_prior) for w in both.phrases}
    assert shared["meg bauer"] + shared["bauer"] == pytest.approx(alone["meg bauer"])
    assert sum(shared.values()) == pytest.approx(1.0)
    assert shared["cole"] / shared["meg cole"] == pytest.approx(1.0)


def test_a_name_of_characters_that_stand_for_many_is_not_taken_apart() -> None:
    edge = "\u00bd" * (COMPOSED_CHARS_MAX // 3)
    edge += "x" * (COMPOSED_CHARS_MAX % 3)
    assert not is_too_long(edge)
    assert is_too_long(edge + "x")
    assert is_too_long("\ufdfa" * PHRASE_CHARS_MAX), "each of them is three words"
    assert not is_too_long("é" * PHRASE_CHARS_MAX)
    assert not is_too_long("x" * COMPOSED_CHARS_MAX)
    assert is_too_long("x" * (COMPOSED_CHARS_MAX + 1))


def test_who_shares_the_name_that_was_asked_for_is_asked_for() -> None:
    entities = tuple(Entity("contact", one) for one in ("Meg Bauer", "Megan Fox", "Ann Jones"))
    found = phrases_of(TurnText("", "Which Meg?", entities))
    asked = {phrase.text: phrase.asked for phrase in found}
    assert asked["meg bauer"]
    assert asked["bauer"]
    assert not asked["megan fox"]
    assert not asked["ann jones"]


def test_a_number_that_a_sentence_begins_with_names_nothing() -> None:
    replies = {
        "Two of them are open.": [],
        "None is near.": [],
        "Three Brothers or Two?": ["Three Brothers"],
    }
    for reply, names in replies.items():
        assert list(names_in(reply)) == names
