"""How a text is read aloud: for each of its words the words that are said, the likeliest first.

    Rocky IV              rocky; four, the fourth
    Henry VIII            henry; eight, the eighth
    WWE Raw               W W E, wwe; raw
    St. James             saint, street; james
    10½                   ten; and; a; half
    5th Ave               fifth; avenue, ave

A single capital is the letter's name. A numeral is one only behind a name, and never "I" by itself;
capitals say nothing where the whole text is in capitals. A word with several readings keeps them
all: they are alternatives of one phrase.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ctxasr.dictionary import dictionary
from ctxasr.speech.numbers import decade_reading, number_readings, ordinal_of, ordinal_reading
from ctxasr.words import Word, words_in

Reading = tuple[str, ...]
"""Words as they are said."""


class Sounds(NamedTuple):
    """A phrase as it is said: its readings, and its pronunciations, first one of every reading."""

    readings: tuple[Reading, ...]
    phones: tuple[tuple[str, ...], ...]


SPELLED_LETTERS_MAX: Final = 5
"""A word up to this length may be read letter by letter: in capitals, or without vowels."""

RUN_SPELLED_LETTERS_MAX: Final = 3
"""Letters next to digits are read one by one up to this length ("mp3", "3ml")."""

WORD_READINGS_MAX: Final = 4
"""Readings of one word."""

_ABBREVIATIONS: Final[dict[str, tuple[str, ...]]] = {
    "st": ("street", "saint"), "dr": ("drive", "doctor"), "ft": ("fort", "feet", "featuring"),
    "rd": ("road",), "ln": ("lane",), "blvd": ("boulevard",), "hwy": ("highway",),
    "pkwy": ("parkway",), "fwy": ("freeway",), "expy": ("expressway",), "trl": ("trail",),
    "plz": ("plaza",), "mt": ("mount",), "mtn": ("mountain",), "bldg": ("building",),
    "jr": ("junior",), "sr": ("senior",), "mr": ("mister",), "mrs": ("missus",),
    "sgt": ("sergeant",), "capt": ("captain",), "lt": ("lieutenant",), "gov": ("governor",),
    "prof": ("professor",), "bros": ("brothers", "bros"), "ltd": ("limited",), "vs": ("versus",),
    "rt": ("route",), "rte": ("route",), "tpke": ("turnpike",), "ctr": ("center",),
    "hts": ("heights",), "natl": ("national",), "msgr": ("monsignor",), "cpl": ("corporal",),
    "dept": ("department",), "assn": ("association",), "intl": ("international",),
    "feat": ("featuring", "feat"), "vol": ("volume",), "corp": ("corporation", "corp"),
}  # fmt: skip
"""What stands for a longer word; by itself it is hardly said."""

_BEHIND: Final = {
    "ave": "avenue", "ct": "court", "pl": "place", "sq": "square", "ter": "terrace",
    "cir": "circle", "fl": "floor", "co": "company", "inc": "incorporated", "univ": "university",
}  # fmt: skip
_IN_FRONT: Final = {
    "apt": "apartment", "ste": "suite", "rev": "reverend", "gen": "general", "col": "colonel",
    "sen": "senator", "ep": "episode", "pt": "point",
}  # fmt: skip
"""What may stand for a longer word, behind or in front of a name, and may be one itself."""

_BEFORE_A_NUMBER: Final[dict[str, tuple[str, ...]]] = {
    "no": ("number",), "pt": ("part", "point"), "ch": ("channel", "chapter"), "rm": ("room",),
}  # fmt: skip
"""What stands for a longer word in front of digits: "Chanel No. 5", but not "No, 5"."""

_LONE_LETTERS: Final = {"n": "and", "r": "are"}
"""Letters between apostrophes: "Rock 'n' Roll"."""

_BEFORE_A_NAME: Final = {"st": "saint", "dr": "doctor", "ft": "fort"}
_DIRECTIONS: Final = {
    "n": "north", "s": "south", "e": "east", "w": "west", "ne": "northeast", "nw": "northwest",
    "se": "southeast", "sw": "southwest",
}  # fmt: skip
_STREETS: Final = frozenset(
    "st ave rd ln blvd hwy pkwy fwy dr ct pl sq street avenue road lane boulevard highway parkway "
    "freeway drive court place square".split()
)
_SHORT: Final = frozenset((*_ABBREVIATIONS, *_BEHIND, *_IN_FRONT, *_BEFORE_A_NUMBER))
_PLAIN: Final = re.compile(r"(?![ivxlc]+$)[a-z]+")
_SIGNS: Final[dict[str, tuple[Reading, ...]]] = {
    "plus": (("plus",), ("and",)), "point": (("point",), ("dot",)),
    "number": (("number",), ("hashtag",)), "hashtag": (("hashtag",), ("pound",)),
}  # fmt: skip
_ROMAN: Final = re.compile(r"(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_VALUES: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_ALSO_NAMES: Final = frozenset(("vi", "xi"))
"""Numerals that in small letters are names."""
_NO_NAME: Final = frozenset("and or the of a an is in on at to for with".split())
"""A numeral does not stand behind these: "The X Factor", "You and I"."""
_CLITIC: Final = re.compile(r"'(?:s|ll|d|ve|re|m)$")
_RUNS: Final = re.compile(r"\d+|[^\d]+")
_VOWELS: Final = frozenset("aeiouy")


def readings_of(
    text: str, words: Sequence[Word], knows: Callable[[str], bool]
) -> list[tuple[Reading, ...]]:
    """For each of the `words` of `text` its readings; an empty reading is silence.

    `knows` says whether a dictionary has a word: then it is said as a word first.
    """
    return [_Place(text, words, i, knows).readings()[:WORD_READINGS_MAX] for i in range(len(words))]


def as_said(text: str) -> str:
    """The words of a text in their likeliest readings: "Dr. Lee, 2nd" -> "doctor lee second"."""
    readings = readings_of(text, words_in(text), dictionary().__contains__)
    return " ".join(word for ways in readings for word in ways[0]).lower()


class _Place:
    """One word and what stands around it."""

    def __init__(
        self, text: str, words: Sequence[Word], i: int, knows: Callable[[str], bool]
    ) -> None:
        self._text, self._words, self._i, self._knows = text, words, i, knows
        self._word = words[i]

    def readings(self) -> tuple[Reading, ...]:
        text, cased = self._word.text, self._word.cased
        if cased == text and len(text) > 1 and _PLAIN.fullmatch(text) and text not in _SHORT:
            return self._by_letters(text)  # by far the most
        found = _CLITIC.search(text)
        if found is not None and found.start() > 0:
            base = text[: found.start()], cased[: found.start()]
            decade = decade_reading(text.replace("'", ""))  # "the 80's"
            return (
                *((decade,) if decade else ()),
                *(
                    (*reading[:-1], reading[-1] + found[0])
                    for reading in self._read(*base)
                    if reading
                ),
            )
        return self._read(text, cased)

    def _read(self, text: str, cased: str) -> tuple[Reading, ...]:
        if not any(c.isalnum() for c in cased):
            return _SIGNS.get(text, ((text,),))
        if cased[0] in "$€£" and text.isalpha():  # "the five dollar meal", "two fifty"
            coins = self._i + 1 < len(self._words) and self._words[self._i + 1].cased == cased
            return ((text,), (text.removesuffix("s"),), *([()] if coins else []))
        if self._knows(text) and any(c.isdecimal() for c in text):
            return ((text,),)
        if text.isdecimal():
            return self._number(_ascii(text))
        if any(c.isdecimal() for c in text):
            return _mixed(_ascii(text), self._knows)
        return (
            self._numeral(text, cased)
            or self._abbreviated(text, cased)
            or self._word_of(text, cased)
        )

    # ------------------------------------------------------------ digits

    def _number(self, digits: str) -> tuple[Reading, ...]:
        before = self._text[self._word.start - 1 : self._word.start]
        if before == ":" and digits == "00":
            return (), ("o'clock",), ("hundred",)
        if before == "." and self._i and self._words[self._i - 1].cased == ".":
            one_by_one = tuple(number_readings(digit)[0][0] for digit in digits)
            return tuple(dict.fromkeys((one_by_one, *number_readings(digits))))
        return number_readings(digits)

    # ------------------------------------------------------------ letters

    def _numeral(self, text: str, cased: str) -> tuple[Reading, ...]:
        """A Roman numeral behind a name, also as the number of a king."""
        if not self._i or self._words[self._i - 1].text in _NO_NAME or not _ROMAN.fullmatch(text):
            return ()
        name, capital = self._words[self._i - 1].cased, cased.isupper() and not self._shouted
        unsure = text in _ALSO_NAMES and self._shouted
        if not capital and not unsure and (text == "i" or text in _ALSO_NAMES):
            return ()
        if len(text) < 3 and not set(text) <= set("ivx"):
            return ()
        if capital and not (name[:1].isupper() or name[:1].isdecimal()):
            return ()
        value = _value(text)
        number = number_readings(str(value))[0]
        read = (number, ("the", *ordinal_of(number)))
        if text == "i" and self._i + 1 < len(self._words):
            return ()
        if len(text) == 1:
            return (text.upper() if text != "i" else "i",), *read
        return ((text,), *read) if unsure else (*read, (text,))

    def _abbreviated(self, text: str, cased: str) -> tuple[Reading, ...]:
        last = self._i + 1 == len(self._words)
        if text in _BEFORE_A_NUMBER and not last:
            gap = self._text[self._word.end : self._words[self._i + 1].start]
            if gap in (" ", ".", ". ") and self._words[self._i + 1].text[0].isdecimal():
                said, itself = (
                    [(word,) for word in _BEFORE_A_NUMBER[text]],
                    self._word_of(text, cased),
                )
                return (*itself, *said) if text == "no" and gap == " " else (*said, *itself)
        if text in _ABBREVIATIONS:
            first = _BEFORE_A_NAME.get(text) if not last and (not self._i or text == "st") else None
            if text == "ft" and self._i:
                after_number = self._words[self._i - 1].text.isdecimal()
                first = "feet" if after_number else "featuring" if cased == "ft" else "fort"
            said = [(word,) for word in _ABBREVIATIONS[text]]
            return tuple(dict.fromkeys([(first,), *said] if first else said))
        if text in _BEHIND or text in _IN_FRONT:
            behind = text in _BEHIND
            if behind and not self._i and not last:
                return self._word_of(text, cased)  # "Ave Maria"
            full, itself = (_BEHIND.get(text) or _IN_FRONT[text],), self._word_of(text, cased)
            in_place = cased[0].isupper() and (last and self._i > 0 if behind else not last)
            return (full, *itself) if in_place or self._beside(".") else (*itself, full)
        in_street = len(self._words) > 2 and any(word.text in _STREETS for word in self._words)
        if text in _DIRECTIONS and cased.isupper() and in_street:
            return ((_DIRECTIONS[text],), *self._word_of(text, cased))
        return ()

    def _word_of(self, text: str, cased: str) -> tuple[Reading, ...]:
        if len(text) == 1:
            if text in _LONE_LETTERS and self._beside("'\u2019\u2018"):
                return (_LONE_LETTERS[text],), (text.upper(),)
            if text == "a":
                by_name = cased == "A" and (self._i > 0 or self._beside("&"))
                return (("A",), ("a",)) if by_name else (("a",), ("A",))
            return ((text.upper() if text != "i" and text.isascii() else text,),)
        plural = re.fullmatch(r"([A-Z]{2,5})s", cased)
        if plural and not self._shouted:
            return ((*plural[1][:-1], plural[1][-1] + "'s"), (text,))
        if cased.isupper() and len(text) <= SPELLED_LETTERS_MAX and text.isascii():
            letters = tuple(text.upper())
            hour = text in ("am", "pm") and self._i and self._words[self._i - 1].text.isdecimal()
            if self._beside("&") or hour:
                return letters, (text,)
            if not self._shouted and self._knows(text):
                return (text,), letters
            if set(text) & _VOWELS and not self._knows(text):
                return ((text,), letters) if self._shouted else (letters, (text,))
        return self._by_letters(text)

    def _by_letters(self, text: str) -> tuple[Reading, ...]:
        """A short word without vowels is spelled, unless a dictionary has it."""
        vowelless = len(text) <= SPELLED_LETTERS_MAX and not set(text) & _VOWELS
        if vowelless and text.isascii() and text.isalpha() and not self._knows(text):
            return (tuple(text.upper()),)
        return ((text,),)

    def _beside(self, signs: str) -> bool:
        """Whether one of `signs` touches the word, as in "AT&T"."""
        before = self._text[: self._word.start][-1:]
        behind = self._text[self._word.end : self._word.end + 1]
        return any(side and side in signs for side in (before, behind))

    @property
    def _shouted(self) -> bool:
        """Whether all of several words are in capitals, which then mean nothing.

        A letter or a numeral is no such word: "GTA V".
        """
        letters = [word for word in self._words if any(c.isalpha() for c in word.cased)]
        words = [word for word in letters if len(word.text) > 1 and not _ROMAN.fullmatch(word.text)]
        return len(words) > 1 and all(word.cased.isupper() for word in letters)


def _mixed(text: str, knows: Callable[[str], bool]) -> tuple[Reading, ...]:
    """Digits and letters in one word: "24th", "80s", "3d", "4x4"."""
    whole = ordinal_reading(text) or decade_reading(text)
    if whole is not None:
        return (whole,)
    ways: list[Reading] = [()]
    runs = _RUNS.findall(text)
    for place, run in enumerate(runs):
        if run[0].isdecimal():
            more = number_readings(run)[:2]
        elif run == "x" and 0 < place < len(runs) - 1:
            more = (("by",), ("X",))
        else:
            spelled = tuple(letter.upper() for letter in run if letter.isalpha())
            short = len(run) <= RUN_SPELLED_LETTERS_MAX
            more = ((run,), spelled) if knows(run) and len(run) > 1 else ((run,),)
            more = (spelled,) if short and len(more) == 1 else more
        ways = [(*way, *one) for way in ways for one in more]
    return tuple(ways)


def _value(numeral: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    after = [*values[1:], 0]
    return sum(-one if one < more else one for one, more in zip(values, after, strict=True))


def _ascii(text: str) -> str:
    """Digits of any script as those of this one."""
    return "".join(str(int(c)) if c.isdecimal() else c for c in text)
