"""What whoever sends an utterance says that it may hold: names, and words of its field.

    names  ["Meg Bauer"]     half of what the context leaves for 'none of these': strong
    terms  ["dim", "fade"]   a tenth of it: weak

Each name stands for itself and for the parts that tell it from the others, which share what the
name has; a term stands only for itself.
Hints are no context: they come with the utterance, bias it alone, and are not stored. Where a turn
was asked for, what its context names stays in front of them. The shares are conventions; nothing
was tuned on them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ctxasr.bias import (
    GENERIC_ANSWERS,
    GENERIC_SIGNAL,
    Bias,
    BiasingPhrase,
    generic_alone,
    is_too_long,
    phrases_of,
)
from ctxasr.events import Entity, TurnText
from ctxasr.hypotheses import Phrase
from ctxasr.words import normalise

NAMES_SIGNAL: Final = "transcript_names"
TERMS_SIGNAL: Final = "transcript_terms"

NAMES_SHARE: Final = 0.5
"""Of what is left for 'none of these', all names together: the more, the less has each."""

TERMS_SHARE: Final = 0.1
"""The same of all terms."""

HINTS_MAX: Final = 300
"""Phrases that come with one utterance, as many as a context may name; whole names come first,
then terms, then parts of names."""


@dataclass(frozen=True, slots=True)
class Hints:
    """The phrases, and how many of the names and terms that were given are not among them."""

    phrases: tuple[Phrase, ...] = ()
    left_out: int = 0

    def __repr__(self) -> str:  # a traceback must not show what may be said
        return f"Hints({len(self.phrases)} phrases)"


NO_HINTS: Final = Hints()


def hints_of(names: Sequence[str], terms: Sequence[str]) -> Hints:
    """The names and terms as phrases; what is past HINTS_MAX, or too long, is counted."""
    late = max(0, len(names) - HINTS_MAX) + max(0, len(terms) - HINTS_MAX)
    looked_at = [*names[:HINTS_MAX], *terms[:HINTS_MAX]]
    late += sum(map(is_too_long, looked_at))  # comparing them would hold up the event loop
    names, terms = (
        [one for one in given[:HINTS_MAX] if not is_too_long(one)] for given in (names, terms)
    )
    as_compared = {one: normalise(one) for one in (*names, *terms)}
    given = _phrases(names, NAMES_SIGNAL)
    said = {as_compared[name] for name in names}
    whole = [phrase for phrase in given if phrase.text in said]
    known = {phrase.text for phrase in whole}
    words = {as_compared[term] for term in terms} - known
    whole += [one for one in _phrases(terms, TERMS_SIGNAL) if one.text in words]
    whole = whole[:HINTS_MAX]
    taken = {phrase.text for phrase in whole}
    parts = [phrase for phrase in given if phrase.text not in taken | said]
    wanted = [as_compared[one] for one in (*names, *terms)]
    left_out = late + sum(text not in taken | {""} for text in wanted)
    return Hints(tuple([*whole, *parts][:HINTS_MAX]), left_out)


def hinted(bias: Bias, hints: Hints) -> Bias:
    """The bias of a context, perhaps an empty one, and the hints among its 'none of these'."""
    if not hints.phrases:
        return bias
    bias = bias if bias.phrases else generic_alone()
    generic = [one.log_prior for one in bias.phrases if one.phrase.signal == GENERIC_SIGNAL]
    if not generic:  # every generic answer is a name on offer
        return bias
    none = max(generic) + math.log(len(GENERIC_ANSWERS))
    heaviest = {one.phrase.text: one for one in bias.phrases}
    for signal, share in ((NAMES_SIGNAL, NAMES_SHARE), (TERMS_SIGNAL, TERMS_SHARE)):
        hints_here = [phrase for phrase in hints.phrases if phrase.signal == signal]
        forms = Counter(phrase.whole or phrase.text for phrase in hints_here)
        for phrase in hints_here:
            among = len(forms) * forms[phrase.whole or phrase.text]
            log_prior = none + math.log(share / among)
            known = heaviest.get(phrase.text)
            if known is None or known.log_prior < log_prior:
                heaviest[phrase.text] = BiasingPhrase(phrase, log_prior)
    return Bias(tuple(heaviest.values()))


def _phrases(texts: Sequence[str], signal: str) -> list[Phrase]:
    turn = TurnText("", "", tuple(Entity("", text) for text in texts))
    return [replace(phrase, signal=signal) for phrase in phrases_of(turn)]
