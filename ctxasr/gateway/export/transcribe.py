"""Amazon Transcribe custom vocabulary, US English: as a table file, or as a list of phrases.

    Phrase <tab> SoundsLike <tab> IPA <tab> DisplayAs     {"LanguageCode": "en-US", "Phrases":
    Meg-Bauer <tab> <tab> <tab> Meg Bauer                     ["Meg-Bauer", "second-street"]}
    second-street <tab> <tab> <tab> 2nd street

Source: "Custom vocabularies", "Creating a custom vocabulary using a table" and "Character sets" in
the Amazon Transcribe developer guide. A phrase has letters, apostrophes, hyphens and full stops;
words are joined by hyphens, numbers are spelled, and DisplayAs keeps the text as it was. Phrases
with other characters are left out. The table is the form that is recommended there; the list is
the `Phrases` argument of CreateVocabulary.

The guide warns not to put personal data into a vocabulary: it is a lasting resource of the account,
which takes minutes to build. It suits catalogues better than one customer's contacts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Left, Options, choose
from ctxasr.speech.numbers import number_readings, ordinal_reading

TABLE: Final = "transcribe-table"
PHRASES: Final = "transcribe-phrases"

ENTRY_CHARS_MAX: Final = 256
"""Characters of one entry: of each column of the table, hyphens included."""

VOCABULARY_BYTES_MAX: Final = 50_000
"""One vocabulary file; 50 KB there, of which this is the smaller reading."""

HEADER: Final = "Phrase\tSoundsLike\tIPA\tDisplayAs\n"

_WORD: Final = re.compile(r"[A-Za-z'.-]*[A-Za-z][A-Za-z'.-]*")
_DIGITS: Final = re.compile(r"([0-9]+)")


def table(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """A tab-separated file with lines that end in LF."""

    def write(text: str) -> str | Left:
        phrase = _hyphenated(text)
        if isinstance(phrase, Left):
            return phrase
        return Left.TOO_LONG if len(text) > ENTRY_CHARS_MAX else f"{phrase}\t\t\t{text}\n"

    room = VOCABULARY_BYTES_MAX - len(HEADER)
    chosen = choose(
        phrases, Format(write, len, room, key=lambda row: row.partition("\t")[0].casefold())
    )
    return chosen.exported(TABLE, HEADER + "".join(chosen.written))


def phrase_list(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """Arguments of CreateVocabulary but its name."""
    form = Format(_hyphenated, lambda phrase: len(phrase) + 1, VOCABULARY_BYTES_MAX)
    chosen = choose(phrases, form)
    return chosen.exported(PHRASES, {"LanguageCode": "en-US", "Phrases": chosen.written})


def _hyphenated(text: str) -> str | Left:
    """The Phrase column; all of it is ASCII, so characters are bytes."""
    words = [word for part in text.split(" ") for word in _spelled(part)]
    if not all(map(_WORD.fullmatch, words)):
        return Left.CHARACTERS
    phrase = "-".join(words)
    return phrase if len(phrase) <= ENTRY_CHARS_MAX else Left.TOO_LONG


def _spelled(word: str) -> Iterator[str]:
    """The word with its digits as words: "2nd" is second, "7up" is seven up."""
    if not word.isascii():
        yield word
        return
    if ordinal := ordinal_reading(word.lower()):
        yield from ordinal
        return
    for part in filter(None, _DIGITS.split(word)):
        if part.isdecimal():
            yield from number_readings(part)[0]
        elif bare := part.strip("-") if part != word else part:  # "7-Eleven" is seven-Eleven
            yield bare
