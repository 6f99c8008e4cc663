"""What may have been said in place of what was heard: texts, and the evidence for each.

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
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final, NamedTuple

from ctxasr.bias import GENERIC_SIGNAL, Bias, BiasingPhrase
from ctxasr.everyday import is_everyday
from ctxasr.hypotheses import PHRASES_MAX, Hypothesis, Phrase, Recognition
from ctxasr.ports import Match, PhraseAligner
from ctxasr.spelling import Style, cuts_a_sign, replaced, style_of
from ctxasr.vocabulary import (
    LOG_FREQUENCY_MIN,
    is_common,
    is_name,
    is_ordinary,
    log_frequency,
)

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

REPLACED_LOG_FREQUENCY_MIN: Final = -40.0
"""Of the words that a candidate replaces: three unknown ones say all."""

HYPOTHESES_COUNTED_MAX: Final = 8
"""A longer n-best list is no more uncertain."""

STRANGE_MAX: Final = 3
"""Words beside the phrases that are no carriers; more say no more."""

_CARRIERS: Final = frozenset(
    """a an the my your his her our their this that these those it it's its is are was be i i'd i'll
    i'm i've me you we us he she they and or but not no nope nah yes yeah yep yup ok okay sure fine
    please thanks thank um uh er hmm well oh so just actually maybe probably perhaps guess think
    believe said say says mean meant want wanted would like love need prefer choose pick take give
    get find show tell go to for from with at in on of off up by one ones name name's names called
    call dial phone ring text message email send play put turn start stop open order book make set
    hello hi hey can could will let's let do does did try again sorry first second last other
    number option""".split()
)
"""Words that people put round a name when they answer."""


class Evidence(NamedTuple):
    """What speaks for a candidate and against the plain text; the decision weighs each.

    Sums over the replaced spans, in the order of their names: how many there are; the phone edit
    distance of the phrase to the words that were heard, and per phone; phones of the phrases; log
    probability of the phrases from the context; parts of names; generic answers. Of the whole text:
    how much nearer to the phone loop, how much farther from the hypotheses on their mean; whether
    it stands word for word in a hypothesis other than the first, and the place of its hypothesis;
    word edits beside the spans; other words beside them that are no carriers; log frequency of the
    plain words that it replaces, and how many of these are names, common, or in no dictionary; how
    many of the phrases' words some hypothesis has; how many hypotheses there are; whether nothing
    stands beside the spans, and how many common words are replaced then; the share of hypotheses
    that have the replaced words; whether it sounds just as the plain text; whether the plain text
    is an everyday answer, or an ordinary sentence of common words; how many names are spelled
    letter by letter; how many are not among those that the reply named, where it named any.
    """

    spans: float
    cost: float
    relative: float
    phones: float
    prior: float
    part: float
    generic: float
    gain: float
    apart: float
    exact: float
    place: float
    outside: float
    strange: float
    frequency: float
    names: float
    common: float
    unknown: float
    support: float
    hypotheses: float
    alone: float
    common_alone: float
    agreement: float
    homophone: float
    everyday: float
    ordinary: float
    spelled: float
    unasked: float


@dataclass(frozen=True, slots=True)
class Candidate:
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
    phrases = [*asked, *others[: max(0, PHRASES_MAX - len(asked))], *alone]
    matches = await aligner.align(
        recognition,
        [biasing.phrase.spelling for biasing in phrases],
        asked=len(asked),
        alone=len(alone),
    )
    said = {match.phrase for match in matches if match.hypothesis == 0 and match.exact}
    named = [phrases[i] for i in said if not _is_alone(phrases[i].phrase)]
    seen = _Seen(recognition, bool(asked) or any(one.phrase.asked for one in alone))
    found = []
    for group in _groups(list(_usable(recognition, matches, said))):
        causes = tuple(phrases[match.phrase] for match in group)
        as_heard = all(match.exact and match.hypothesis == 0 for match in group)
        words = _words(recognition.hypotheses[group[0].hypothesis].words, group, causes)
        unchanged = as_heard or words == recognition.hypotheses[0].words
        evidence = seen.evidence(group, causes)
        taken = [one for one in named if not _is_in(one.phrase.text, words)]
        less_likely, gain = False, 0.0
        if taken:
            now, before = max(map(_likely, causes)), max(map(_likely, taken))
            less_likely, gain = now <= before, now[1] - before[1]
        found.append(Candidate(group, causes, evidence, words, unchanged, less_likely, gain))
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


def _is_in(text: str, words: tuple[str, ...]) -> bool:
    return f" {text} " in f" {' '.join(words)} "


def _likely(one: BiasingPhrase) -> tuple[bool, float]:
    """What the reply named is likelier than what was only listed."""
    return one.phrase.asked, one.log_prior


def _is_alone(phrase: Phrase) -> bool:
    """Whether it is all that is said: "no thank you" must not become "no thanks you"."""
    return phrase.signal == GENERIC_SIGNAL or phrase.spelled


def _usable(recognition: Recognition, matches: Sequence[Match], said: set[int]) -> Iterator[Match]:
    """The matches that cut no sign, and of a phrase that was `said` in the plain text only that."""
    for match in matches:
        heard = recognition.hypotheses[match.hypothesis]
        if cuts_a_sign(heard.places, match.start, match.end):
            continue
        if match.phrase not in said or (match.exact and match.hypothesis == 0):
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


def _words(
    heard: tuple[str, ...], group: tuple[Match, ...], causes: tuple[BiasingPhrase, ...]
) -> tuple[str, ...]:
    words: list[str] = []
    at = 0
    for match, cause in zip(group, causes, strict=True):
        words += [*heard[at : match.start], *cause.phrase.text.split()]
        at = match.end
    return (*words, *heard[at:])


class _Seen:
    """What evidence of one recognition asks for again and again."""

    def __init__(self, recognition: Recognition, asked: bool) -> None:
        self._recognition, self._asked = recognition, asked
        self._plain = recognition.hypotheses[0].words if recognition.hypotheses else ()
        self._everyday, self._ordinary = is_everyday(self._plain), is_ordinary(self._plain)
        heard = [set(one.words) for one in recognition.hypotheses]
        self._words = set[str]().union(*heard)
        self._shares = {
            word: sum(word in one for one in heard) / len(heard) for word in self._plain
        }
        self._replaced = dict[tuple[str, ...], tuple[float, float, float, float, float]]()
        self._around = dict[
            tuple[int, tuple[tuple[int, int], ...]], tuple[list[str], float, float]
        ]()

    def _is_unasked(self, phrase: Phrase) -> bool:
        return self._asked and not phrase.asked and phrase.signal != GENERIC_SIGNAL

    def evidence(self, group: tuple[Match, ...], causes: tuple[BiasingPhrase, ...]) -> Evidence:
        place = group[0].hypothesis
        outside, edits, strange = self._beside(group)
        cost = relative = prior = gain = apart = 0.0
        phones = part = generic = spelled = unasked = 0
        exact, put = place > 0, list[str]()
        for match, cause in zip(group, causes, strict=True):
            phrase = cause.phrase
            cost += match.cost
            relative += match.cost / max(1, match.phones)
            phones += match.phones
            prior += cause.log_prior
            part += phrase.whole != ""
            generic += phrase.signal == GENERIC_SIGNAL
            gain += match.gain or 0.0
            apart += match.apart
            exact = exact and match.exact
            spelled += phrase.spelled
            unasked += self._is_unasked(phrase)
            put += phrase.text.split()
        new = {*put, *outside}
        replaces = tuple([word for word in self._plain if word not in new])
        frequency, names, common, unknown, agreement = self._of_replaced(replaces)
        return Evidence(
            spans=float(len(group)),
            cost=cost,
            relative=relative,
            phones=float(phones),
            prior=prior,
            part=float(part),
            generic=float(generic),
            gain=gain,
            apart=apart,
            exact=float(exact),
            place=float(place),
            outside=edits,
            strange=strange,
            frequency=frequency,
            names=names,
            common=common,
            unknown=unknown,
            support=sum([word in self._words for word in put]) / max(1, len(put)),
            hypotheses=float(min(HYPOTHESES_COUNTED_MAX, len(self._recognition.hypotheses))),
            alone=float(not outside),
            common_alone=0.0 if outside else common,
            agreement=agreement,
            homophone=float(place == 0 and cost == 0.0 and bool(replaces)),
            everyday=float(self._everyday),
            ordinary=float(self._ordinary),
            spelled=float(spelled),
            unasked=float(unasked),
        )

    def _of_replaced(self, words: tuple[str, ...]) -> tuple[float, float, float, float, float]:
        """Evidence of the plain words that are replaced: most candidates replace the same ones."""
        found = self._replaced.get(words)
        if found is None:
            frequencies = [log_frequency(word) for word in words]
            shares = [self._shares[word] for word in dict.fromkeys(words)]
            found = self._replaced[words] = (
                max(REPLACED_LOG_FREQUENCY_MIN, sum(frequencies)),
                float(sum(map(is_name, words))),
                float(sum(map(is_common, words))),
                float(sum(one <= LOG_FREQUENCY_MIN for one in frequencies)),
                sum(shares) / max(1, len(shares)),
            )
        return found

    def _beside(self, group: tuple[Match, ...]) -> tuple[list[str], float, float]:
        """The words beside a group, and evidence of them: most groups stand in the same places."""
        place, spans = group[0].hypothesis, tuple([(one.start, one.end) for one in group])
        found = self._around.get((place, spans))
        if found is None:
            heard = self._recognition.hypotheses[place].words
            inside = {i for match in group for i in range(match.start, match.end)}
            words = [word for i, word in enumerate(heard) if i not in inside]
            strange = float(min(STRANGE_MAX, sum(word not in _CARRIERS for word in words)))
            found = words, float(edits_outside(self._recognition, group)), strange
            self._around[place, spans] = found
        return found


def edits_outside(recognition: Recognition, group: Sequence[Match]) -> int:
    """Word edits between the plain text and the group's hypothesis, before and after its spans."""
    if group[0].hypothesis == 0:
        return 0
    plain = recognition.hypotheses[0].words
    words = recognition.hypotheses[group[0].hypothesis].words
    start, behind = group[0].start, len(words) - group[-1].end
    before = _edits(words[:start], plain[:start])
    after = _edits(words[len(words) - behind :], plain[len(plain) - behind :]) if behind else 0
    return before + after


def _edits(ours: tuple[str, ...], theirs: tuple[str, ...]) -> int:
    """Levenshtein distance in words; long utterances run into the read budget, not into this."""
    row = list(range(len(theirs) + 1))
    for i, word in enumerate(ours, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(theirs, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
