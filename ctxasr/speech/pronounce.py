"""How words and phrases sound, in ARPAbet without stress.

    "meg bauer"  ->  M EH G B AW ER
    "priya's"    ->  P R IY AH Z     (not in the dictionary: rule for 's, then letters to sound)
    "24th"       ->  T W EH N T IY F AO R TH, ...

A text is first put into the words that are said (`readings`). Sources of a word's sound in order,
the first that knows it: the caller's lexicon, CMUdict, rules (possessives and plurals), and at last
the grapheme-to-phoneme model. Two dictionary words written as one ("doordash") go to the model: it
makes half the errors of joining the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
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
from ctxasr.speech.readings import Reading, Sounds, readings_of
from ctxasr.words import Word, fold, normalise, words_in

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

PHRASE_READINGS_MAX: Final = 6
"""Readings of one phrase: more say the same in ever odder ways."""

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
        found = self.sounds_of(VARIANT.sub("", word))
        return found.phones[:WORD_VARIANTS_MAX]

    def phrase_phones(self, text: str) -> Pronunciations:
        """The pronunciations of a phrase, as it is written: at most PHRASE_VARIANTS_MAX.

        Words without a sound are left out; () if none has one. Text past PHRASE_CHARS_MAX
        characters is cut.
        """
        return self.sounds_of(text).phones

    def readings(self, text: str, words: Sequence[Word]) -> list[tuple[Reading, ...]]:
        """For each of the `words` of `text` how it is read, the likeliest first."""
        return readings_of(text, words, self.knows)

    def first_phones(self, reading: Reading) -> Pronunciation:
        """The usual sound of a reading."""
        return tuple(phone for word in reading for phone in (self._remembered(word) or ((),))[0])

    def forget(self) -> None:
        """Let go of the words that were asked for: names of customers are among them."""
        self._remembered.cache_clear()

    def knows(self, word: str) -> bool:
        """Whether the lexicon or the dictionary has the word as it stands: nothing was guessed."""
        return word in self._own or word in dictionary()

    def sounds_of(self, text: str) -> Sounds:
        """A phrase, as it is written, in the ways in which it is said."""
        text = text[:PHRASE_CHARS_MAX]
        ways: list[tuple[int, Reading]] = [(0, ())]
        for several in self.readings(text, words_in(text)):
            ways = _longer(ways, several)[:PHRASE_READINGS_MAX]
        readings = tuple(dict.fromkeys(reading for _, reading in ways if reading))
        variants = [
            _join([self._remembered(word) for word in reading], PHRASE_VARIANTS_MAX)
            for reading in readings
        ]
        in_turn = [phones for rank in zip_longest(*variants) for phones in rank if phones]
        return Sounds(readings, tuple(dict.fromkeys(in_turn))[:PHRASE_VARIANTS_MAX])

    def _work_out(self, word: str) -> Pronunciations:
        """A word as it is said; a single capital is the name of the letter."""
        if len(word.removesuffix("'s")) == 1 and word[0].isupper():
            letter = _A if word[0] == "A" else self._known(word[0].lower())[:1]
            return letter if len(word) == 1 else tuple(_with_s(phones) for phones in letter)
        return (self._known(word) or self._by_rule(fold(word)))[:WORD_VARIANTS_MAX]

    def _known(self, word: str) -> Pronunciations:
        return self._own.get(word) or look_up(word)

    def _by_rule(self, word: str) -> Pronunciations:
        word = "".join(c for c in word if c in LETTERS).strip("'")
        if not word:
            return ()
        return self._known(word) or self._suffixed(word) or self._guessed(word)

    def _suffixed(self, word: str) -> Pronunciations:
        for clitic, sound in _CLITICS.items():
            if word.endswith(clitic) and len(word) > len(clitic):
                return tuple(base + sound for base in self._remembered(word.removesuffix(clitic)))
        if word.endswith("'s") and len(word) > 2:
            return tuple(_with_s(base) for base in self._remembered(word.removesuffix("'s")))
        if word.endswith("s") and not word.endswith("ss"):
            return tuple(_with_s(base) for base in self._known(word[:-1]))
        return ()

    def _guessed(self, word: str) -> Pronunciations:
        model = self._g2p or default_g2p()
        guesses = model.pronounce(word, GUESS_VARIANTS)
        floor = guesses[0][1] - GUESS_MARGIN if guesses else 0.0
        return tuple(phones for phones, score in guesses if phones and score >= floor)


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
            ways = _longer(ways, variants)[:limit]
    return tuple(dict.fromkeys(phones for _, phones in ways if phones))


def _longer(
    ways: list[tuple[int, tuple[str, ...]]], variants: Sequence[tuple[str, ...]]
) -> list[tuple[int, tuple[str, ...]]]:
    """Every way with every variant behind it, ranked by how far they are from the first ones."""
    longer = [(rank + i, way + one) for rank, way in ways for i, one in enumerate(variants)]
    return sorted(longer, key=lambda way: way[0])  # stable: ties stay in the order of the variants


def _parse(given: str | Sequence[str]) -> Pronunciations:
    lines = [given] if isinstance(given, str) else given
    parsed = tuple(strip_stress(line.split()) for line in lines)
    if not parsed or any(not phones or not set(phones) <= set(PHONES) for phones in parsed):
        raise InputError("lexicon: a pronunciation is empty or has a phone outside ARPAbet")
    return parsed
