"""The words of a text, each with its place: how texts are compared, and where one is changed.

    "It's Meg Bower, please."   it's  meg  bower  please     "bower" stands at 9 to 14
    "Johnson & Johnson"         johnson  and  johnson        "and" stands where the "&" is
    "10½", "$5"                 10 and a half, 5 dollars     the words of one sign share its place

A word is a run of letters, digits, marks and apostrophes, in lower case. What cannot be seen (soft
hyphens, zero-width characters, variation selectors) is passed over, so it never cuts a word. Signs
that are said in one way become words; the others (full stops, hyphens, quotes) part words.

Source: Unicode Standard Annex 15 for the composed forms (NFKC), taken cluster by cluster, so that
every character keeps its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_APOSTROPHES: Final = dict.fromkeys(
    map(ord, "\u2018\u2019\u201b\u00b4`\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u05f3\uff07\uff40"), "'"
)
"""What stands for an apostrophe. Put right before NFKC, which makes a blank of some of them."""

_PARTING: Final = dict.fromkeys(map(ord, "\u2122\u2120\u00ae\u00a9\u2117"), " ")
"""Trade mark and copyright, which NFKC would spell out as "TM"."""

_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers and joiners beside those of the category Cf."""

_ALIKE: Final = dict(zip(map(ord, "\u2116\u013f\u0140\u2044\u2215"), "#Ll//", strict=True))
"""Signs of number, Catalan letters, and strokes between figures."""

_PUT_RIGHT: Final = _APOSTROPHES | _PARTING | _ALIKE

_CATALAN: Final = re.compile("(?<=[lL])\u00b7(?=[lL])")
"""The dot in "col\u00b7lecció" belongs to the word."""

_FRACTION: Final = "\u2044"
"""What parts numerator and denominator in the compatibility form of a vulgar fraction."""

_DENOMINATORS: Final = {
    2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth",
    9: "ninth", 10: "tenth",
}  # fmt: skip
_NUMERATORS: Final = {2: "two", 3: "three", 4: "four", 5: "five", 7: "seven"}
CACHE_CHARS_MAX: Final = 2_000
"""Characters whose kind is remembered: those of a handful of scripts."""

_CURRENCIES: Final = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees"}
_SIGNS: Final = _CURRENCIES | {
    "&": "and", "+": "plus", "@": "at", "%": "percent", "°": "degrees", "¢": "cents", ".": "point",
}  # fmt: skip
_SCALES: Final = {"k": "thousand", "m": "million", "b": "billion"}

_LETTER_S: Final = re.compile(r"(?<!\$)\$+(?=[^\W\d_])|(?<=[^\W\d_])\$+(?!\d)")
"""Among letters, "$" is one: "A$AP", "Ke$ha"."""

_TOKEN: Final = re.compile(
    r"""
      (?P<money> [$€£¥₹]\ ?(?P<whole>\d+(?:,\d{3})*)(?:\.(?P<part>\d+))?
                 (?:\ (?P<scale>thousand|million|billion|trillion)|(?P<short>k|m|mn|b|bn))?
                 (?![^\W_]) )
    | (?P<mixed> (?:(?<=\d[ -])\d/\d|(?<![\d/.])(?:1/2|1/3|2/3|1/4|3/4))(?![\d/]) )
    | (?P<vulgar>\u2044 )
    | (?P<word>  (?:(?<![\d,.])\d{1,3}(?:,\d{3})+(?!,?\d)|[^\W_]+)(?:'*[^\W_]+)* )
    | (?P<number>\#\ ?(?=\d) )
    | (?P<sharp> (?<=\b[A-Ga-g])[#♯](?!\w) )
    | (?P<hash>  (?<!\w)\#(?=[^\W_]) )
    | (?P<dot>   (?<=[^\W_])\.(?=(?:com|net|org|edu|gov|io|tv|fm|ai)\b) )
    | (?P<sign>  &(?:amp;)? | [+@] | (?<=\d)\ ?% | (?<=\d)[°¢]
                 | (?<=\d)\ ?[$€£¥₹](?!\ ?\d) | (?<=\d)\.(?=\d) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FOLDED: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "th", "þ": "th", "ł": "l"}
)
_PLAIN: Final = re.compile(r"(?:[A-Za-z' ,?!;:\"()-]|\.(?!\w))*")
"""Texts of nothing else need no care: their words are runs of letters."""

_PLAIN_WORD: Final = re.compile(r"[a-z]+(?:'+[a-z]+)*")

_SAID: Final = {"number": "number", "sharp": "sharp", "hash": "hashtag", "dot": "dot"}


class Word(NamedTuple):
    """One word as texts are compared, and where it stands in the text: `start` to `end`.

    `cased` is the word in its own case, or the sign that is said as this word.
    """

    text: str
    cased: str
    start: int
    end: int


def words_in(text: str) -> tuple[Word, ...]:
    """The words of `text` in order; several words that one sign stands for share its place."""
    return tuple(_words(text))


def normalise(text: str) -> str:
    """Lower case, no punctuation, single spaces: the form in which texts are compared."""
    if _PLAIN.fullmatch(text):
        return " ".join(_PLAIN_WORD.findall(text.lower()))
    return " ".join(word.text for word in _words(text))


def fold(word: str) -> str:
    """Without accents: "beyoncé" -> "beyonce"; other scripts stay as they are."""
    if word.isascii():
        return word
    plain = unicodedata.normalize("NFKD", word.translate(_FOLDED))
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in plain
        if not unicodedata.combining(c)
    )


def seen_in(text: str) -> str:
    """The text without what cannot be seen."""
    return text if text.isascii() else "".join(c for c in text if not _is_unseen(c))


def has_sound(text: str) -> bool:
    """Whether English can say any of it: a letter of this alphabet, with or without marks, a digit
    or a sign that is said.
    """
    return any(is_said(word.text) for word in words_in(text))


def is_said(word: str) -> bool:
    """The same of one word, as texts are compared."""
    return any(c.isascii() and c.isalnum() for c in fold(word))


def _words(text: str) -> Iterator[Word]:
    if _PLAIN.fullmatch(text):
        for run in _PLAIN_WORD.finditer(text.lower()):
            yield Word(run[0], text[run.start() : run.end()], run.start(), run.end())
        return
    plain, places = _composed(text)
    if "$" in plain:
        plain = _LETTER_S.sub(lambda found: "s" * len(found[0]), plain)
    shape = plain if plain.isascii() else "".join(map(_shape, plain))
    for found in _TOKEN.finditer(shape):
        kind, cased = found.lastgroup, plain[found.start() : found.end()]
        start, end = found.span()
        if places is not None:
            start, end = places[start][0], places[end - 1][1]
        if kind == "word":
            cased = cased.replace(",", "")
            yield Word(_lower(cased), cased, start, end)
            continue
        for said in _said(found, cased, plain):
            yield Word(said, cased, start, end)


def _said(found: re.Match[str], cased: str, plain: str) -> list[str]:
    """The words that a sign, or an amount of money, stands for."""
    kind = found.lastgroup or ""
    if kind == "money":
        return _money(found)
    if kind == "sign":
        return [_SIGNS[cased.strip()[0]]]
    if kind in _SAID:
        return [_SAID[kind]]
    form = unicodedata.normalize("NFKC", cased).replace("/", _FRACTION)
    over, _, under = form.partition(_FRACTION)
    before = plain[: found.start()].rstrip(" -")[-1:]
    return _fraction(int(over or 1), int(under or 1), after_number=before.isdecimal())


def _money(found: re.Match[str]) -> list[str]:
    words, part = [found["whole"].replace(",", "")], found["part"]
    scale = found["scale"] or (found["short"] and _SCALES[found["short"][0].lower()])
    currency = _CURRENCIES[found[0][0]]
    if scale or (part and len(part) != 2):
        words += ["point", part] if part else []
        words += [scale.lower()] if scale else []
        return [*words, currency]
    return [*words, currency, *([part] if part and int(part) else [])]


def _fraction(over: int, under: int, *, after_number: bool) -> list[str]:
    if under not in _DENOMINATORS or over not in {1, *_NUMERATORS}:
        return [str(over), str(under)]
    one = ["a"] if after_number else []
    said = [*one, _DENOMINATORS[under]]
    if over > 1:
        said = [_NUMERATORS[over], _DENOMINATORS[under] + "s"]
    return ["and", *said] if after_number else said


def _lower(word: str) -> str:
    """In lower case; the dotted I loses its dot, and a final sigma is a sigma."""
    if word.isascii():
        return word.lower()
    lowered = unicodedata.normalize("NFKC", word.lower())
    return lowered.replace("i\u0307", "i").replace("\u03c2", "\u03c3")


@lru_cache(CACHE_CHARS_MAX)
def _shape(char: str) -> str:
    """A mark counts as a letter, and a vulgar fraction as a sign."""
    if unicodedata.category(char)[0] == "M":
        return "a"
    return _FRACTION if _is_vulgar(char) else char


def _composed(text: str) -> tuple[str, list[tuple[int, int]] | None]:
    """The text in composed form, and for each of its characters where it stands in `text`.

    None stands for the same places.
    """
    if text.isascii():
        return text.replace("`", "'"), None
    out: list[str] = []
    places: list[tuple[int, int]] = []
    text = _CATALAN.sub("\u00ad", text.translate(_PUT_RIGHT))
    for cluster, start, end in _clusters(text):
        for char in _form_of_one(cluster) if len(cluster) == 1 else _form(cluster):
            out.append(char)
            places.append((start, end))
    return "".join(out), places


def _clusters(text: str) -> Iterator[tuple[str, int, int]]:
    """Characters with the marks behind them, and starters that compose; nothing unseen."""
    cluster, start, end = "", 0, 0
    for i, char in enumerate(text):
        if not char.isascii() and _is_unseen(char):
            continue
        if cluster and not (_joins(char) and _belongs(cluster, char)):
            yield cluster, start, end
            cluster = ""
        if not cluster:
            start = i
        cluster, end = cluster + char, i + 1
    if cluster:
        yield cluster, start, end


@lru_cache(CACHE_CHARS_MAX)
def _joins(char: str) -> bool:
    """Whether a character may belong to the one before it: a mark, or what composes with it.

    Of starters only the vowels and finals of Hangul compose with what stands before them.
    """
    first = unicodedata.normalize("NFKC", char)[0]
    hangul = "\u1161" <= first <= "\u1175" or "\u11a8" <= first <= "\u11c2"
    return hangul or unicodedata.category(char)[0] == "M" or unicodedata.combining(first) != 0


def _belongs(cluster: str, char: str) -> bool:
    if unicodedata.category(char)[0] == "M":
        return True
    apart = unicodedata.normalize("NFKC", cluster) + unicodedata.normalize("NFKC", char)
    return unicodedata.normalize("NFKC", cluster + char) != apart


@lru_cache(CACHE_CHARS_MAX)
def _is_unseen(char: str) -> bool:
    kind = unicodedata.category(char)
    selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    mongolian = "\u180b" <= char <= "\u180f"
    return kind in ("Cf", "Me") or selector or mongolian or char in _UNSEEN


def _is_vulgar(char: str) -> bool:
    return len(char) == 1 and _FRACTION in unicodedata.normalize("NFKC", char) and char != _FRACTION


def _form(cluster: str) -> str:
    """A cluster's compatibility form; a vulgar fraction stays the one sign that it is."""
    form = cluster
    if not _is_vulgar(cluster):
        form = unicodedata.normalize("NFKC", cluster).translate(_PUT_RIGHT)
    return _based(form)


_form_of_one = lru_cache(CACHE_CHARS_MAX)(_form)
"""Single characters alone are remembered: longer ones are without end."""


def _based(form: str) -> str:
    """Without marks that hang on no letter or digit: they make no word by themselves."""
    kept: list[str] = []
    for char in form:
        mark = unicodedata.category(char)[0] == "M"
        if not mark or (kept and (kept[-1].isalnum() or unicodedata.category(kept[-1])[0] == "M")):
            kept.append(char)
    return "".join(kept)


def stands_in(words: str, text: str) -> bool:
    """Whether the words stand side by side in the text; both as `normalise` has them.

    >>> stands_in("meg", "call meg please"), stands_in("meg", "call megan")
    (True, False)
    """
    return f" {words} " in f" {text} "


EDITED_WORDS_MAX: Final = 64
"""Words of a text that are compared one by one, beside those that two texts begin and end with."""


def edits_between(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Levenshtein distance in words: the fewest that are put in, left out or exchanged.

    What two long texts do not have in common counts up to EDITED_WORDS_MAX words of each.

    >>> edits_between(["the", "hour", "please"], ["bauer", "please"])
    2
    """
    first, last = 0, 0
    shorter = min(len(ours), len(theirs))
    while first < shorter and ours[first] == theirs[first]:
        first += 1
    while last < shorter - first and ours[-1 - last] == theirs[-1 - last]:
        last += 1
    ours = ours[first : len(ours) - last][:EDITED_WORDS_MAX]
    theirs = theirs[first : len(theirs) - last][:EDITED_WORDS_MAX]
    row = list(range(len(theirs) + 1))
    for i, word in enumerate(ours, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(theirs, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
