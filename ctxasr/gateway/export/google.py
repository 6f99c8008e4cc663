"""Google Cloud Speech-to-Text: a PhraseSet, as inline adaptation or as a resource.

    {"phrases": [{"value": "Meg Bauer", "boost": 20.0}, {"value": "Meg Jones", "boost": 16.7}]}

Source: "Improve transcription results with model adaptation" and "Quotas and limits" in the Cloud
Speech-to-Text documentation: 5,000 phrases and 100,000 characters a request, 100 characters a
phrase; boosts above 0 and up to 20. In v1 it is an item of `adaptation.phraseSets`, in v2 the
`inlinePhraseSet` of one. A word that begins with a dollar and a capital, or `${`, would be read as
a class of words: such phrases are left out.

boost = 10 + 10 p / p_max, with p the phrase's probability. This is a convention; it was not tuned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from ctxasr.bias import BiasingPhrase
from ctxasr.gateway.export.choose import PLAIN, Exported, Format, Left, Options, choose

TARGET: Final = "google"

SET_PHRASES_MAX: Final = 5_000
"""Phrases of one request; a bias has fewer."""

SET_CHARS_MAX: Final = 100_000
"""Characters of all phrases of one request."""

PHRASE_CHARS_MAX: Final = 100
"""Characters of one phrase."""

BOOST_MAX: Final = 20.0
"""The largest boost that is of use; the heaviest phrase gets it, the lightest half of it."""

_CLASS: Final = re.compile(r"(?<!\w)\$[A-Z{]")
"""How the name of a class begins: "$MONTH", "${own-class}"."""


def phrase_set(phrases: Sequence[BiasingPhrase], options: Options = PLAIN) -> Exported:
    """The PhraseSet."""
    form = Format(_write, room=SET_CHARS_MAX, entries_max=SET_PHRASES_MAX)
    chosen = choose(phrases, form)
    top = max((entry.phrase.log_prior for entry in chosen.entries), default=0.0)
    values = [
        {"value": one.written, "boost": _boost(one.phrase.log_prior, top)} for one in chosen.entries
    ]
    return chosen.exported(TARGET, {"phrases": values})


def _boost(log_prior: float, top: float) -> float:
    ratio = 1.0 if log_prior == top else math.exp(log_prior - top)  # also of infinite weights
    return round(BOOST_MAX / 2 * (1.0 + ratio), 1)


def _write(text: str) -> str | Left:
    if _CLASS.search(text):
        return Left.CHARACTERS
    return text if len(text) <= PHRASE_CHARS_MAX else Left.TOO_LONG
