"""Speechmatics: a custom dictionary, with how names sound that no dictionary holds.

    {"additional_vocab": [{"content": "Meg Bauer"},
                          {"content": "Siobhan", "sounds_like": ["shivon"]}]}

Source: "Custom dictionary" in the Speechmatics documentation: no more than 1,000 words or phrases
are recommended; `sounds_like` is for words whose pronunciation is not obvious, spelled as one would
read them. It goes into `transcription_config`. What CMUdict has is taken for obvious; for other
words our grapheme-to-phoneme model tells the phones, and each phone is spelled as English mostly
does. Numerals, initials and abbreviations stand as they are said: "rocky four", "w w e".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Options, choose
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.speech.readings import Reading
from ctxasr.words import words_in

TARGET: Final = "speechmatics"

VOCABULARY_ITEMS_MAX: Final = 1_000
"""Words and phrases of one dictionary, for the best performance; 20,000 are refused."""

SOUNDS_LIKE_MAX: Final = 2
"""Spellings of one phrase: as many as the model has guesses."""

SPELLINGS: Final = dict(
    pair.split("=")
    for pair in (
        "AA=ah AE=a AH=u AO=aw AW=ow AY=eye EH=e ER=er EY=ay IH=i IY=ee OW=oh OY=oy UH=oo UW=oo "
        "B=b CH=ch D=d DH=th F=f G=g HH=h JH=j K=k L=l M=m N=n NG=ng P=p R=r S=s SH=sh T=t TH=th "
        "V=v W=w Y=y Z=z ZH=zh"
    ).split()
)
"""How a reader of English would write each phone of ARPAbet, without stress."""


def additional_vocab(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The dictionary."""
    chosen = choose(phrases, Format(str, entries_max=VOCABULARY_ITEMS_MAX))
    pronouncer = Pronouncer()
    items: list[dict[str, Any]] = []
    for entry in chosen.entries:
        item: dict[str, Any] = {"content": entry.written}
        if sounds := sounds_like(entry.written, pronouncer):
            item["sounds_like"] = sounds
        items.append(item)
    return chosen.exported(TARGET, {"additional_vocab": items})


def sounds_like(text: str, pronouncer: Pronouncer) -> list[str]:
    """How the phrase sounds, what is not said as it is written put in other words, and unknown
    words respelled; none where all words are known.
    """
    places = words_in(text)
    words = [place.text for place in places]
    variants = [
        _spellings(word, ways[0], pronouncer)
        for word, ways in zip(words, pronouncer.readings(text, places), strict=True)
    ]
    longest = max((len(spellings) for spellings in variants), default=0)
    found = (
        " ".join(spellings[min(number, len(spellings) - 1)] for spellings in variants)
        for number in range(min(longest, SOUNDS_LIKE_MAX))
    )
    return [spelling for spelling in dict.fromkeys(found) if spelling != " ".join(words)]


def _spellings(word: str, reading: Reading, pronouncer: Pronouncer) -> list[str]:
    said = " ".join(reading).lower()
    if not word.isalpha() or said != word:  # "four" for "IV"; figures are read by anybody
        return [said if word.isalpha() and said else word]
    if pronouncer.knows(word):
        return [word]
    return [_spelled(phones) for phones in pronouncer.phones(word)] or [word]


def _spelled(phones: Sequence[str]) -> str:
    return "".join(SPELLINGS[phone] for phone in phones)
