"""What may have been said in place of what was heard.

Every match of a phrase with words of a hypothesis makes a candidate: that hypothesis with the words
replaced by the phrase. Two or three matches beside each other in one hypothesis make one as well:
"megan or ant" may be "Meg or Ann". A phrase that stands in the plain text already is not sought
beside it, and a generic answer is taken for the whole utterance or not at all.

    heard     "the hour"      phones of the loop: B AW ER
    phrases   bauer           the hour -> bauer: one phone added, two dropped; nearer to the loop
              meg jones       nothing sounds like it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from ctxasr.bias import GENERIC_SIGNAL, Bias, BiasingPhrase
from ctxasr.evidence import Evidence, Seen
from ctxasr.hypotheses import PHRASES_MAX, Hypothesis, Phrase, Recognition
from ctxasr.ports import Match, PhraseAligner, PhraseLists
from ctxasr.spelling import Style, cuts_a_sign, replaced, style_of
from ctxasr.words import stands_in

OFFERED_MAX: Final = 12
"""Names of a list so short that each may be all that was said, whatever was heard."""

SPELLED_NAMES_MAX: Final = 30
"""Names and parts that may be spelled letter by letter; of longer lists none is."""

SPELLED_CHARS_MAX: Final = 12
"""Letters of a name that is spelled."""

SPELLED_LOG_SHARE: Final = -4.0
"""Natural log of how often a name is spelled for each time it is said."""

TOGETHER_MAX: Final = 3
"""Phrases that are put into one utterance."""

TOGETHER_TRIED_MAX: Final = 6
"""Matches of one hypothesis, the nearest ones, that are tried together."""


class Candidate(NamedTuple):
    """Phrases in the place of words; `unchanged` where the plain text stands, now with a cause."""

    matches: tuple[Match, ...]
    """Of one hypothesis, from left to right."""
    causes: tuple[BiasingPhrase, ...]
    """The phrase of each match."""
    evidence: Evidence
    words: tuple[str, ...]
    """Of the text, as they are compared; several candidates may say the same."""
    unchanged: bool = False
    less_likely: bool = False
    """Whether it takes a phrase that the context names from the plain text, and puts one there that
    was no likelier before anything was heard."""
    log_prior_gain: float = 0.0
    """How much likelier what it puts there was (natural log); 0 if the plain text names nothing."""
    by_sound_alone: bool = False
    """Whether it is there to be scored against the audio, whatever the text says."""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"Candidate({len(self.causes)} phrases)"


async def candidates(
    recognition: Recognition, bias: Bias, aligner: PhraseAligner
) -> list[Candidate]:
    """All that phrases of `bias` make possible; the plain text may be among it."""
    asked, others, alone = list[BiasingPhrase](), list[BiasingPhrase](), list[BiasingPhrase]()
    for one in bias.phrases:
        (alone if _is_alone(one.phrase) else asked if one.phrase.asked else others).append(one)
    alone += _spelled(asked or others)
    offered = _offered(recognition, asked or others)
    others = others[: max(0, PHRASES_MAX - len(asked))]
    phrases = [*asked, *others, *alone, *offered]
    matches = await aligner.align(
        recognition, PhraseLists(*map(_spellings, (asked, others, alone, offered)))
    )
    said = {match.phrase for match in matches if _is_as_heard(match)}
    said_texts = {phrases[i].phrase.text for i in said}
    named = [phrases[i] for i in said if not _is_alone(phrases[i].phrase)]
    seen = Seen(recognition, bool(asked) or any(one.phrase.asked for one in alone))
    found, first_offered = [], len(phrases) - len(offered)
    sounding, plain = set[tuple[str, ...]](), seen.plain
    for group in _groups(list(_usable(recognition, matches, said))):
        causes = tuple([phrases[match.phrase] for match in group])
        put_in = seen.put_in(group, causes)
        words = put_in.words
        unchanged = words == plain or all(map(_is_as_heard, group))
        is_offered = group[0].phrase >= first_offered
        if is_offered and (unchanged or words in sounding or causes[0].phrase.text in said_texts):
            continue
        sounding.add(words)
        evidence = seen.evidence(group, causes, put_in, unchanged=unchanged)
        text = " ".join(words) if named else ""
        taken = [one for one in named if not stands_in(one.phrase.text, text)]
        less_likely, gain = False, 0.0
        if taken:
            now, before = max(map(_likely, causes)), max(map(_likely, taken))
            less_likely, gain = now <= before, now[1] - before[1]
        found.append(
            Candidate(group, causes, evidence, words, unchanged, less_likely, gain, is_offered)
        )
    return found


def text_of(candidate: Candidate, recognition: Recognition, style: Style | None = None) -> str:
    """The candidate written out, in the `style_of` the hypotheses."""
    if candidate.unchanged:
        return recognition.plain
    style = style or style_of(recognition.hypotheses)
    base, spans = _as_plain_has_it(recognition, candidate.matches)
    for (start, end), cause in zip(reversed(spans), reversed(candidate.causes), strict=True):
        base = Hypothesis(replaced(base, start, end, cause.phrase, style))
    return base.text


def _spelled(names: Sequence[BiasingPhrase]) -> Iterator[BiasingPhrase]:
    """Single words of a short list, letter by letter: "B A U E R"."""
    for one in names if len(names) <= SPELLED_NAMES_MAX else ():
        text = one.phrase.text
        if 1 < len(text) <= SPELLED_CHARS_MAX and text.isascii() and text.isalpha():
            letters = " ".join(text)
            phrase = replace(one.phrase, text=letters, written=letters.upper(), spelled=True)
            yield BiasingPhrase(phrase, one.log_prior + SPELLED_LOG_SHARE)


def _offered(recognition: Recognition, names: Sequence[BiasingPhrase]) -> list[BiasingPhrase]:
    """Whole names of a short list, any of which may be all that was said, where sound decides."""
    whole = [one for one in names if not one.phrase.whole]
    if recognition.sound is None or len(whole) > OFFERED_MAX or not recognition.hypotheses:
        return []
    plain = " ".join(recognition.hypotheses[0].words)
    return [one for one in whole if not stands_in(one.phrase.text, plain)]


def _spellings(phrases: Sequence[BiasingPhrase]) -> tuple[str, ...]:
    return tuple([one.phrase.spelling for one in phrases])


def _likely(one: BiasingPhrase) -> tuple[bool, float]:
    """What the reply named is likelier than what was only listed."""
    return one.phrase.asked, one.log_prior


def _is_as_heard(match: Match) -> bool:
    """Whether its phrase stands in the plain text, word for word."""
    return match.exact and match.hypothesis == 0


def _is_alone(phrase: Phrase) -> bool:
    """Whether it is all that is said: "no thank you" must not become "no thanks you"."""
    return phrase.signal == GENERIC_SIGNAL or phrase.spelled


def _usable(recognition: Recognition, matches: Sequence[Match], said: set[int]) -> Iterator[Match]:
    """The matches that cut no sign, and of a phrase that was `said` in the plain text only that."""
    for match in matches:
        heard = recognition.hypotheses[match.hypothesis]
        if cuts_a_sign(heard.places, match.start, match.end):
            continue
        if match.phrase not in said or _is_as_heard(match):
            yield match


def _groups(matches: Sequence[Match]) -> Iterator[tuple[Match, ...]]:
    """Each match alone, and those beside each other in one hypothesis together."""
    for match in matches:
        yield (match,)
    tried: dict[int, list[Match]] = {}
    for match in matches:  # the nearest come first
        if len(tried.setdefault(match.hypothesis, [])) < TOGETHER_TRIED_MAX:
            tried[match.hypothesis].append(match)
    for several in tried.values():
        for size in range(2, TOGETHER_MAX + 1):
            for group in combinations(sorted(several, key=lambda one: one.start), size):
                if group[0].end > group[1].start:
                    continue  # by far the most
                apart = all(one.end <= other.start for one, other in pairwise(group))
                if apart and len({one.phrase for one in group}) == size:
                    yield group


def _as_plain_has_it(
    recognition: Recognition, group: tuple[Match, ...]
) -> tuple[Hypothesis, list[tuple[int, int]]]:
    """Where the phrases go: into the plain text, if all around a match stands there as well.

    Another hypothesis may be written without the plain one's capitals and commas.
    """
    plain, heard = recognition.hypotheses[0], recognition.hypotheses[group[0].hypothesis]
    spans = [(match.start, match.end) for match in group]
    if len(group) == 1:
        start, end = spans[0]
        stop = len(plain.places) - (len(heard.places) - end)
        around = heard.words[:start], heard.words[end:]
        same = start < stop and (plain.words[:start], plain.words[stop:]) == around
        if same and not cuts_a_sign(plain.places, start, stop):
            return plain, [(start, stop)]
    return heard, spans
