"""What speaks for a candidate and against the plain text, as numbers that the decision weighs."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctxasr.bias import GENERIC_SIGNAL, BiasingPhrase
from ctxasr.english.everyday import is_everyday
from ctxasr.english.sentences import SentenceModel, class_of
from ctxasr.english.vocabulary import is_name
from ctxasr.hypotheses import Phrase, Recognition
from ctxasr.ports import Match

SENTENCE_MAX: Final = 30.0
"""Natural logs by which one sentence is likelier than another; what is beyond says no more."""

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
    """What speaks for a candidate and against the plain text.

    Sums over the replaced spans, in the order of their names: how many there are; the phone edit
    distance of the phrase to the words that were heard, per phone; phones of the phrases; log
    probability of the phrases from the context; parts of names; generic answers. Of the whole text:
    how much nearer to the phone loop, how much farther from the hypotheses on their mean; whether
    it stands word for word in a hypothesis other than the first, and the place of its hypothesis;
    words beside the spans that are no carriers; how many of the plain words that it replaces are
    names; how many of the phrases' words some hypothesis has; whether nothing stands beside the
    spans; the share of hypotheses that have the replaced words; whether it sounds just as the plain
    text; whether the plain text is an everyday answer; how many names are spelled letter by letter;
    how many are not among those that the reply named, where it named any; how much likelier a
    sentence it is (natural log), with the phrases as classes.
    """

    spans: float
    relative: float
    phones: float
    prior: float
    part: float
    generic: float
    gain: float
    apart: float
    exact: float
    place: float
    strange: float
    names: float
    support: float
    alone: float
    agreement: float
    homophone: float
    everyday: float
    spelled: float
    unasked: float
    sentence: float


class Seen:
    """What evidence of one recognition asks for again and again."""

    def __init__(self, recognition: Recognition, asked: bool) -> None:
        self._recognition, self._asked = recognition, asked
        self._plain = recognition.hypotheses[0].words if recognition.hypotheses else ()
        self._everyday = is_everyday(self._plain)
        self._sentences = SentenceModel()
        self._plain_log_p = self._sentences.log_probability(self._plain)
        self._classes = dict[str, str]()
        self._log_ps = dict[tuple[str, ...], float]()
        heard = [set(one.words) for one in recognition.hypotheses]
        self._words = set[str]().union(*heard)
        self._shares = {
            word: sum(word in one for one in heard) / len(heard) for word in self._plain
        }
        self._replaced = dict[tuple[str, ...], tuple[float, float]]()
        self._around = dict[
            tuple[int, tuple[tuple[int, int], ...]], tuple[list[str], float]
        ]()

    def _is_unasked(self, phrase: Phrase) -> bool:
        return self._asked and not phrase.asked and phrase.signal != GENERIC_SIGNAL

    def evidence(
        self, group: tuple[Match, ...], causes: tuple[BiasingPhrase, ...], *, unchanged: bool
    ) -> Evidence:
        """Of a candidate; `unchanged` where its text is the plain one."""
        place = group[0].hypothesis
        outside, strange = self._beside(group)
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
        names, agreement = self._of_replaced(replaces)
        return Evidence(
            spans=float(len(group)),
            relative=relative,
            phones=float(phones),
            prior=prior,
            part=float(part),
            generic=float(generic),
            gain=gain,
            apart=apart,
            exact=float(exact),
            place=float(place),
            strange=strange,
            names=names,
            support=sum([word in self._words for word in put]) / max(1, len(put)),
            alone=float(not outside),
            agreement=agreement,
            homophone=float(place == 0 and cost == 0.0 and bool(replaces)),
            everyday=float(self._everyday),
            spelled=float(spelled),
            unasked=float(unasked),
            sentence=0.0 if unchanged else self._likelier(group, causes),
        )

    def _likelier(self, group: tuple[Match, ...], causes: tuple[BiasingPhrase, ...]) -> float:
        """How much likelier a sentence the candidate is than the plain text."""
        heard, at, words = self._recognition.hypotheses[group[0].hypothesis].words, 0, list[str]()
        for match, cause in zip(group, causes, strict=True):
            words += heard[at : match.start]
            words += self._said_as(cause.phrase)
            at = match.end
        sentence = (*words, *heard[at:])
        log_p = self._log_ps.get(sentence)
        if log_p is None:  # most names make the same sentence
            log_p = self._log_ps[sentence] = self._sentences.log_probability(sentence)
        return max(-SENTENCE_MAX, min(SENTENCE_MAX, log_p - self._plain_log_p))

    def _said_as(self, phrase: Phrase) -> list[str]:
        if phrase.signal == GENERIC_SIGNAL:
            return phrase.text.split()
        known = self._classes.get(phrase.text)
        if known is None:
            known = self._classes[phrase.text] = class_of(phrase.text)
        return [known]

    def _of_replaced(self, words: tuple[str, ...]) -> tuple[float, float]:
        """Evidence of the plain words that are replaced: most candidates replace the same ones."""
        found = self._replaced.get(words)
        if found is None:
            shares = [self._shares[word] for word in dict.fromkeys(words)]
            found = self._replaced[words] = (
                float(sum(map(is_name, words))),
                sum(shares) / max(1, len(shares)),
            )
        return found

    def _beside(self, group: tuple[Match, ...]) -> tuple[list[str], float]:
        """The words beside a group, and evidence of them: most groups stand in the same places."""
        place, spans = group[0].hypothesis, tuple([(one.start, one.end) for one in group])
        found = self._around.get((place, spans))
        if found is None:
            heard = self._recognition.hypotheses[place].words
            inside = {i for match in group for i in range(match.start, match.end)}
            words = [word for i, word in enumerate(heard) if i not in inside]
            strange = float(min(STRANGE_MAX, sum(word not in _CARRIERS for word in words)))
            found = words, strange
            self._around[place, spans] = found
        return found
