"""How names are read aloud, and that a right answer to them is left alone."""
# ruff: noqa: RUF001 - the odd signs are what is tested

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.bias import Bias, bias_of, phrases_of
from ctxasr.candidates import candidates, text_of
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Recognition, n_best
from ctxasr.rescore import rescore
from ctxasr.speech.align import SoundAligner
from ctxasr.speech.numbers import NUMBER_WORDS, number_readings
from ctxasr.speech.pronounce import PHRASE_READINGS_MAX, Pronouncer
from ctxasr.speech.readings import WORD_READINGS_MAX
from ctxasr.words import has_sound, words_in

PRONOUNCER = Pronouncer()
ALIGNER = SoundAligner(PRONOUNCER)


def said(text: str) -> set[str]:
    """Every way in which a text is read, as one line."""
    ways = PRONOUNCER.readings(text, words_in(text))
    return {" ".join(w for one in way for w in one).lower() for way in product(*ways)}


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("Rocky IV", "rocky four"),
        ("Henry VIII", "henry the eighth"),
        ("Louis XIV", "louis the fourteenth"),
        ("World War II", "world war two"),
        ("World War I", "world war one"),
        ("Elizabeth I", "elizabeth the first"),
        ("Final Fantasy VII Remake", "final fantasy seven remake"),
        ("Super Bowl LVIII", "super bowl fifty eight"),
        ("Chapter X", "chapter ten"),
        ("Malcolm X", "malcolm x"),
        ("rocky iv", "rocky four"),
        ("Rocky Iv", "rocky four"),
        ("Rocky Ⅳ", "rocky four"),
        ("Henry VIII's wives", "henry the eighth's wives"),
        ("Johnson & Johnson", "johnson and johnson"),
        ("AT&T", "a t and t"),
        ("A&E", "a and e"),
        ("M&M's", "m and m's"),
        ("Ben + Jerry", "ben and jerry"),
        ("Canal+", "canal plus"),
        ("10½", "ten and a half"),
        ("1/2 Price Books", "half price books"),
        ("2.5", "two point five"),
        ("1,000 Islands", "a thousand islands"),
        ("250,000", "two hundred fifty thousand"),
        ("101 Dalmatians", "one hundred and one dalmatians"),
        ("$5 meal", "five dollar meal"),
        ("$2.50", "two fifty"),
        ("50%", "fifty percent"),
        ("C#", "c sharp"),
        ("#1", "number one"),
        ("@home", "at home"),
        ("Blink-182", "blink one eighty two"),
        ("3D", "three d"),
        ("7-Eleven", "seven eleven"),
        ("24/7", "twenty four seven"),
        ("1st", "first"),
        ("10:30 AM", "ten thirty a m"),
        ("9:05", "nine oh five"),
        ("10:00", "ten o'clock"),
        ("10:00", "ten"),
        ("2pac", "two pac"),
        ("1980s", "nineteen eighties"),
        ("4x4", "four by four"),
        ("The 1975", "the nineteen seventy five"),
        ("Lego™", "lego"),
        ("WWE Raw", "w w e raw"),
        ("UFC", "u f c"),
        ("BBC", "b b c"),
        ("NASA", "nasa"),
        ("NASA", "n a s a"),
        ("DVDs", "d v d's"),
        ("U.S.A.", "u s a"),
        ("5th Ave", "fifth avenue"),
        ("Pacific Hwy", "pacific highway"),
        ("Garden Pkwy", "garden parkway"),
        ("Elm Rd", "elm road"),
        ("Elm Ln.", "elm lane"),
        ("Ft. Worth", "fort worth"),
        ("Main St", "main street"),
        ("St. James St.", "saint james street"),
        ("Port St. Lucie", "port saint lucie"),
        ("Mt. Hood", "mount hood"),
        ("Dr. Dre", "doctor dre"),
        ("Ocean Dr", "ocean drive"),
        ("Apt. 4B", "apartment four b"),
        ("12 N Main St", "twelve north main street"),
        ("Rock 'n' Roll", "rock and roll"),
        ("Toys ‘R’ Us", "toys are us"),
        ("Vitamin A", "vitamin a"),
        ("Chanel No. 5", "chanel number five"),
        ("Pt. 2", "part two"),
        ("Pt. Reyes", "point reyes"),
        ("Rm. 12", "room twelve"),
        ("Medical Ctr", "medical center"),
        ("The 80's", "the eighties"),
        ("GTA V", "g t a five"),
        ("ROCKY V", "rocky five"),
        ("5 €", "five euros"),
        ("99¢", "ninety nine cents"),
        ("$5M", "five million dollars"),
    ],
)
def test_a_name_is_read_as_people_say_it(text: str, reading: str) -> None:
    assert reading in said(text)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("I", "one"), ("I", "first"), ("You and I", "you and one"), ("MIX", "one thousand nine"),
        ("DI", "first"), ("Mike LI", "mike fifty one"), ("Size XL", "size forty"),
        ("Meg Vi", "meg six"), ("president xi", "president eleven"),
        ("The X Factor", "the ten factor"), ("IV drip", "four drip"), ("MEG LI", "meg fifty one"),
        ("Vitamin C", "vitamin one hundred"), ("MEG BAUER", "m e g bauer"), ("Lego™", "lego tm"),
        ("Ave Maria", "avenue"), ("No Doubt", "number"), ("No, 5", "number"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_read_so(text: str, never: str) -> None:
    assert not any(never in way for way in said(text))


def test_a_caller_s_own_word_is_not_taken_apart() -> None:
    own = Pronouncer({"u2": "Y UW T UW", "wwe": "W IY"})
    assert own.phrase_phones("U2") == (("Y", "UW", "T", "UW"),)
    assert own.phrase_phones("WWE")[0] == ("W", "IY")


def test_the_first_sounds_are_one_of_every_reading() -> None:
    sounds = PRONOUNCER.sounds_of("Henry VIII")
    assert [" ".join(reading) for reading in sounds.readings[:2]] == [
        "henry eight", "henry the eighth",
    ]  # fmt: skip
    assert sounds.phones[:2] == tuple(
        PRONOUNCER.first_phones(reading) for reading in sounds.readings[:2]
    )


@given(st.text(st.sampled_from("IVXabA1½$.&'#:@ %LSt0"), max_size=12))
@settings(deadline=None)
def test_readings_are_bounded_whatever_the_text(text: str) -> None:
    words = words_in(text)
    ways = PRONOUNCER.readings(text, words)
    assert len(ways) == len(words)
    assert all(1 <= len(way) <= WORD_READINGS_MAX for way in ways)
    assert len(PRONOUNCER.sounds_of(text).readings) <= PHRASE_READINGS_MAX


def test_numbers_are_said_in_number_words() -> None:
    for number in (0, 7, 10, 21, 100, 105, 999, 1000, 1905, 2000, 12_000, 3_000_000, 123_456):
        words = {word for reading in number_readings(str(number)) for word in reading}
        assert words <= NUMBER_WORDS | {"and", "oh", "a"}


@given(st.text(max_size=8))
@settings(deadline=None)
def test_a_name_has_a_sound_where_english_has_one_for_any_of_it(text: str) -> None:
    assert has_sound(text) == bool(PRONOUNCER.phrase_phones(text))


# ---------------------------------------------------------------- what an answer becomes


async def heard(names: tuple[str, ...], *hypotheses: str) -> str:
    """The best hypothesis under a question that names `names`, all equally likely."""
    return (await rescore(recognised(hypotheses), biased(names), ALIGNER)).text


async def offered(names: tuple[str, ...], *hypotheses: str) -> set[str]:
    """What may have been said, under the same question."""
    recognition = recognised(hypotheses)
    found = await candidates(recognition, biased(names), ALIGNER)
    return {text_of(one, recognition) for one in found}


def recognised(hypotheses: tuple[str, ...]) -> Recognition:
    return Recognition(n_best((text, -float(rank)) for rank, text in enumerate(hypotheses)))


def biased(names: tuple[str, ...]) -> Bias:
    reply = f"Do you mean {' or '.join(names)}?"
    turn = TurnText("", reply, tuple(Entity("title", name) for name in names))
    phrases = list(phrases_of(turn))
    return bias_of(phrases, np.array([0.0, *[2.0] * len(phrases)], np.float32))


RIGHT = [
    (("Star Wars Episode IV", "Star Wars Episode VI"), "star wars episode five"),
    (("Rocky IV", "Rocky III"), "rocky four"),
    (("Rocky IV", "Rocky III"), "Rocky 4"),
    (("Rocky IV", "Rocky III"), "Rocky 5, please."),
    (("Rocky IV", "Rocky III"), "rocky"),
    (("Henry VIII", "Henry V"), "henry the eighth"),
    (("Henry V",), "Henry the Eighth"),
    (("Johnson & Johnson",), "johnson and johnson"),
    (("AT&T", "T-Mobile"), "a t and t"),
    (("AT&T", "T-Mobile"), "AT and T."),
    (("10½", "11"), "ten and a half"),
    (("10½", "11"), "ten"),
    (("10", "11"), "ten"),
    (("10:30", "11:30"), "10:13"),
    (("2.5", "3.5"), "two point five"),
    (("1,000", "2,000"), "one thousand"),
    (("2nd Street", "3rd Street"), "second street"),
    (("2nd Street", "3rd Street"), "Fourth Street."),
    (("Main St.", "St. James"), "Main Street"),
    (("Main St.", "St. James"), "saint james"),
    (("5th Ave",), "fifth avenue"),
    (("WWE Raw",), "w w e raw"),
    (("IKEA", "NASA"), "i k e a"),
    (("$5 meal", "$10 meal"), "the five dollar meal"),
    (("C#", "C++", "C"), "c plus plus"),
    (("A", "O", "Eau"), "oh a cow"),
    (("A", "O", "Eau"), "Oh no."),
    (("I",), "one"),
    (("Blink-182",), "blink one eighty two"),
    (("Lego™",), "lego"),
    (("Meg Bauer",), "meg bauer"),
    (("meg bauer",), "Meg Bauer's."),
    (("İstanbul",), "istanbul"),
    (("1st", "2nd", "3rd"), "the second one"),
    (("U.S.A.", "D.C."), "USA"),
    (("U.S.A.", "D.C."), "DC"),
    (("U.S.",), "us"),
    (("Wi-Fi",), "wifi"),
    (("e-mail", "text"), "email"),
    (("Jean-Luc",), "jeanluc"),
    (("No. 1", "No. 5"), "number one"),
    (("No. 1", "No. 5"), "No, 5 please."),
    (("No Doubt",), "no doubt"),
    (("Pt. 2", "Pt. Reyes"), "part two"),
    (("Rt. 66",), "Route 66"),
    (("'80s hits",), "the 80's hits"),
    (("Beyoncé", "Björk"), "Beyonce"),
    (("Beyoncé", "Björk"), "play bjork, please."),
    (("McDonald's", "Wendy's"), "mcdonalds"),
    (("Wi-Fi",), "wifi"),
    (("UB40", "Fort Minor"), "ub forty"),
    # the number that was said is another one, whatever stands around it
    (("Star Wars: Episode IV - A New Hope", "Star Wars: Episode V"), "Star Wars: Episode Six"),
    (("Rocky IV", "Rocky III"), "Rocky V"),
    (("Rocky IV", "Rocky III"), "I WANT ROCKY V NOW"),
    (("Henry VIII", "Henry V"), "Um, Henry the Sixth I think."),
    (("Henry VIII", "Henry V"), "I WANT HENRY VI NOW"),
    (("GTA V", "GTA San Andreas"), "GTA 4"),
    (("World War II", "World War I"), "Play World War III, please."),
    (("1,000", "2,000"), "ten thousand"),
    (("10½", "11½"), "nine and a half, please."),
    (("The 1975", "Blink-182"), "i want blink 183 now"),
    (("50% off", "25% off"), "75% off"),
    (("123 Main St", "125 Main St"), "127 Main Street"),
    (("9:30 AM", "10:30 AM"), "10:13 AM"),
    (("iPhone 15", "iPhone 15 Pro"), "No, iPhone 16!"),
    # a part of a name, and what only stands beside it
    (("9:30 AM", "9:30 PM"), "Um, 9:30 I think."),
    (("9:30 PM", "10:30 AM"), "8:30 AM"),
    (("7 PM", "8 PM"), "Play 7, please."),
    (("World War II", "World War I"), "call the second world war"),
    (("Star Wars: Episode IV - A New Hope",), "No, Star Wars Episode 4!"),
    (("Option A", "Option B"), "the first option"),
    (("C#", "C++", "C"), "F#"),
    (("10½", "11"), "ten and one half"),
    # what is said in another way is not sought once more beside it
    (("Rocky IV", "Rocky III"), "Um, Rocky the fourth I think."),
    (("Henry VIII", "Henry V"), "Henry the 5th? Yes."),
    (("123 Main St", "125 Main St"), "i want one two three main street now"),
    (("GTA V", "GTA San Andreas"), "GTA 5"),
    (("Wi-Fi", "Hi-Fi", "Sci-Fi"), "hifi"),
    (("5 €", "99¢"), "ninety nine cents"),
    (("$1.5M",), "1.5 million dollars"),
    (("½ price",), "1⁄2 price"),
]


@pytest.mark.parametrize(("names", "text"), RIGHT)
async def test_a_right_answer_stays_to_the_letter(names: tuple[str, ...], text: str) -> None:
    assert await heard(names, text) == text


@pytest.mark.parametrize(
    ("names", "text", "after"),
    [
        (("Rocky IV", "Rocky III"), "rocky for", "rocky iv"),
        (("Rocky IV", "Rocky III"), "Rocky for.", "Rocky IV."),
        (("WWE Raw", "UFC"), "you have see", "ufc"),
        (("Johnson & Johnson",), "Johnson and Johnston.", "Johnson & Johnson."),
        (("St. James",), "Saint Jane's.", "St. James."),
        (("YouTube", "LaGuardia"), "You Tube, please.", "YouTube, please."),
        (("Walgreens",), "wal greens", "walgreens"),
        (("Sum 41", "Maroon 5"), "some forty one, please", "Sum 41, please"),
        (("Meg Bauer", "Meg Jones"), "call meg bower at 5", "call meg bauer at 5"),
        (("9:30 AM", "10:30 AM"), "nine dirty am", "9 30 am"),
        (("H&M",), "HNM", "H&M"),
    ],
)
async def test_what_was_misheard_is_found_by_its_reading(
    names: tuple[str, ...], text: str, after: str
) -> None:
    """It is among what may have been said; whether it is taken, the evidence decides."""
    assert after in await offered(names, text)


async def test_what_another_hypothesis_leads_to_is_written_as_the_plain_text_is() -> None:
    assert "Call, uh, Bauer." in await offered(
        ("Meg Bauer",), "Call, uh, the hour.", "call uh power"
    )
    assert "Its, um, Meg Bauer." in await offered(
        ("Meg Bauer",), "Its, um, $5.", "its um meg bower"
    )
