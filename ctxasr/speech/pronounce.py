"""How words and phrases sound, in ARPAbet without stress.

    "meg bauer"  ->  M EH G B AW ER
    "priya's"    ->  P R IY AH Z     (not in the dictionary: rule for 's, then letters to sound)
    "24th"       ->  T W EH N T IY F AO R TH, ...

Sources in order, the first that knows the word: the caller's lexicon, CMUdict, rules (possessives
and plurals, numbers, letters read out), and at last the grapheme-to-phoneme model. Two dictionary
words written as one ("doordash") go to the model: it makes half the errors of joining the two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from ctxasr.dictionary import VARIANT, dictionary
from ctxasr.errors import InputError
from ctxasr.hypotheses import PHRASE_CHARS_MAX
from ctxasr.speech.g2p import G2P, LETTERS, default_g2p
from ctxasr.speech.lexicon import (
    PHONES,
    Pronunciation,
    Pronunciations,
    look_up,
    strip_stress,
)
from ctxasr.speech.numbers import number_readings, ordinal_reading
from ctxasr.words import normalise

WORD_VARIANTS_MAX: Final = 4
"""Pronunciations of one word; CMUdict has at most five, the fifth a rarity."""

PHRASE_VARIANTS_MAX: Final = 8
"""Pronunciations of one phrase: alignment costs grow with each."""

GUESS_VARIANTS: Final = 2
"""Guesses of the grapheme-to-phoneme model for a word that nothing else knows."""

GUESS_MARGIN: Final = 1.6
"""The second guess counts if it is at most e^1.6 = 5 times less likely than the first."""

CACHE_WORDS_MAX: Final = 20_000
"""Words remembered by one Pronouncer: some 10 MB."""

SPELLED_LETTERS_MAX: Final = 5
"""A word without vowel letters up to this length is read letter by letter ("tv", "bmw")."""

RUN_SPELLED_LETTERS_MAX: Final = 3
"""Letters next to digits are read one by one up to this length ("mp3", "3ml")."""

_FOLDED: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "th", "þ": "th", "ł": "l"}
)
_RUNS: Final = re.compile(r"\d+|[^\d]+")
_SIBILANTS: Final = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS: Final = frozenset({"P", "T", "K", "F", "TH"})
_CLITICS: Final[dict[str, Pronunciation]] = {
    "'ll": ("AH", "L"), "'ve": ("AH", "V"), "'re": ("ER",), "'d": ("D",), "'m": ("M",),
}  # fmt: skip

_A: Final[Pronunciations] = (("EY",),)


class Pronouncer:
    """Words to phones. Threads may share it.

    `lexicon` holds the caller's own words and wins over every other source; its values are one
    pronunciation ("M EH G") or several.

    Raises:
        InputError: `lexicon` has a phone that is not in ARPAbet.
    """

    def __init__(
        self, lexicon: Mapping[str, str | Sequence[str]] | None = None, g2p: G2P | None = None
    ):
        self._own = {normalise(word): _parse(given) for word, given in (lexicon or {}).items()}
        self._g2p = g2p
        self._remembered = lru_cache(maxsize=CACHE_WORDS_MAX)(self._work_out)

    def phones(self, word: str) -> Pronunciations:
        """The pronunciations of one word, the usual one first; () for what has no sound.

        A variant as PocketSphinx writes it, "read(2)", is looked up as its word.
        """
        words = normalise(VARIANT.sub("", word[:PHRASE_CHARS_MAX])).split()
        if len(words) == 1:
            return self._remembered(words[0])
        return _join([self._remembered(part) for part in words], WORD_VARIANTS_MAX)

    def phrase_phones(self, text: str) -> Pronunciations:
        """The pronunciations of a phrase, its words joined: at most PHRASE_VARIANTS_MAX.

        Words without a sound are left out; () if none has one. Text past PHRASE_CHARS_MAX
        characters is cut.
        """
        words = normalise(text[:PHRASE_CHARS_MAX]).split()
        return _join([self._remembered(word) for word in words], PHRASE_VARIANTS_MAX)

    def knows(self, word: str) -> bool:
        """Whether the lexicon or the dictionary has the word as it stands: nothing was guessed."""
        return word in self._own or word in dictionary()

    def _work_out(self, word: str) -> Pronunciations:
        return (self._known(word) or self._by_rule(_fold(word)))[:WORD_VARIANTS_MAX]

    def _known(self, word: str) -> Pronunciations:
        return self._own.get(word) or look_up(word)

    def _by_rule(self, word: str) -> Pronunciations:
        if any(c.isdecimal() for c in word):
            return self._number(word)
        word = "".join(c for c in word if c in LETTERS).strip("'")
        if not word:
            return ()
        return (
            self._known(word) or self._suffixed(word) or self._spelled(word) or self._guessed(word)
        )

    def _number(self, word: str) -> Pronunciations:
        ordinal = ordinal_reading(word)
        if ordinal is not None:
            return self._read(ordinal)
        parts: list[Pronunciations] = []
        for run in _RUNS.findall(word):
            if run[0].isdecimal():
                readings = [self._read(words) for words in number_readings(run)]
                parts.append(tuple(phones for reading in readings for phones in reading[:1]))
            else:
                letters = "".join(c for c in run if c in LETTERS)
                spelled = self._spelled(letters, forced=len(letters) <= RUN_SPELLED_LETTERS_MAX)
                parts.append(self._known(letters) or spelled or self._remembered(letters))
        return _join(parts, WORD_VARIANTS_MAX)

    def _suffixed(self, word: str) -> Pronunciations:
        for clitic, sound in _CLITICS.items():
            if word.endswith(clitic) and len(word) > len(clitic):
                return tuple(base + sound for base in self._remembered(word.removesuffix(clitic)))
        if word.endswith("'s") and len(word) > 2:
            return tuple(_with_s(base) for base in self._remembered(word.removesuffix("'s")))
        if word.endswith("s") and not word.endswith("ss"):
            return tuple(_with_s(base) for base in self._known(word[:-1]))
        return ()

    def _spelled(self, word: str, forced: bool = False) -> Pronunciations:
        short = len(word) <= SPELLED_LETTERS_MAX and not set(word) & set("aeiouy")
        if word and (short or forced):
            return self._read([letter for letter in word if letter != "'"])
        return ()

    def _guessed(self, word: str) -> Pronunciations:
        model = self._g2p or default_g2p()
        guesses = model.pronounce(word, GUESS_VARIANTS)
        floor = guesses[0][1] - GUESS_MARGIN if guesses else 0.0
        return tuple(phones for phones, score in guesses if phones and score >= floor)

    def _read(self, words: Iterable[str]) -> Pronunciations:
        """Number words or letters, read one after the other; the letter "a" is EY, not AH."""
        return _join([_A if word == "a" else self._known(word)[:1] for word in words], 1)


def _fold(word: str) -> str:
    """Without accents: "beyoncé" -> "beyonce"; other scripts stay as they are."""
    plain = unicodedata.normalize("NFKD", word.translate(_FOLDED))
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in plain
        if not unicodedata.combining(c)
    )


def _with_s(base: Pronunciation) -> Pronunciation:
    """The sound of a plural or possessive s hangs on the phone before it."""
    if base[-1] in _SIBILANTS:
        return (*base, "IH", "Z")
    return (*base, "S" if base[-1] in _VOICELESS else "Z")


def _join(parts: Iterable[Pronunciations], limit: int) -> Pronunciations:
    """Combine the words' variants, those first that keep to the words' first variants."""
    ways: list[tuple[int, Pronunciation]] = [(0, ())]
    for variants in parts:
        if variants:
            longer = [
                (rank + i, phones + variant)
                for rank, phones in ways
                for i, variant in enumerate(variants)
            ]
            longer.sort(key=lambda way: way[0])  # stable: ties stay in the order of the variants
            ways = longer[:limit]
    return tuple(dict.fromkeys(phones for _, phones in ways if phones))


def _parse(given: str | Sequence[str]) -> Pronunciations:
    lines = [given] if isinstance(given, str) else given
    parsed = tuple(strip_stress(line.split()) for line in lines)
    if not parsed or any(not phones or not set(phones) <= set(PHONES) for phones in parsed):
        raise InputError("lexicon: a pronunciation is empty or has a phone outside ARPAbet")
    return parsed
