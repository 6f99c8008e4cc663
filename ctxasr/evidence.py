"""What speaks for a candidate and against the plain text, as numbers that the decision weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ctxasr.bias import GENERIC_SIGNAL, BiasingPhrase
from ctxasr.english.everyday import is_everyday
from ctxasr.english.sentences import SentenceModel, class_of
from ctxasr.english.vocabulary import is_name
from ctxasr.hypotheses import Recognition
from ctxasr.ports import Match

SENTENCE_MAX: Final = 30.0
"""Natural logs by which one sentence is likelier than another; what is beyond says no more."""

STRANGE_MAX: Final = 3
"""Words beside the phrases that are no carriers; more say no more."""

DOUBT_MAX: Final = 8.0
"""Natural logs; more doubt says no more."""

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


class Heard(NamedTuple):
    """What the audio says of a candidate, where the recogniser's scorer has compared both.

    The natural log of P(candidate | audio) over P(plain text | audio); how unlikely the plain text
    is under it, in natural logs, at most DOUBT_MAX; and the same doubt once for each name that is
    replaced: the surer a name was heard, the less easily it gives way to a neighbour.
    """

    ratio: float = 0.0
    doubt: float = 0.0
    doubted_names: float = 0.0


def heard_of(fit: float, plain: float, evidence: Evidence) -> Heard:
    """Of a candidate, from the log likelihoods of its text and of the plain one."""
    doubt = min(DOUBT_MAX, max(0.0, -plain))
    return Heard(fit - plain, doubt, doubt * evidence.names)


class _Put(NamedTuple):
    """A phrase as it is put into a text of one recognition."""

    words: tuple[str, ...]
    said: tuple[str, ...]
    """As a sentence is judged: a name as its class."""
    support: int
    """How many of its words some hypothesis has."""
    part: bool
    generic: bool
    spelled: bool
    unasked: bool

    def __repr__(self) -> str:  # a traceback must not show what was said
        return "_Put()"


class _Place(NamedTuple):
    """Where phrases are put in: the words of a hypothesis before, between and behind them."""

    beside: tuple[tuple[str, ...], ...]
    strange: float
    alone: float
    others: tuple[str, ...]
    """The plain words that do not stand beside the phrases."""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return "_Place()"


class PutIn(NamedTuple):
    """Phrases in the places of words: what evidence of a candidate is taken from."""

    place: _Place
    puts: list[_Put]
    words: tuple[str, ...]
    """Of the whole text, as they are compared."""

    def __repr__(self) -> str:  # a traceback must not show what was said
        return "PutIn()"


class Seen:
    """What evidence of one recognition asks for again and again."""

    def __init__(self, recognition: Recognition, asked: bool) -> None:
        self._recognition, self._asked = recognition, asked
        self.plain = recognition.hypotheses[0].words if recognition.hypotheses else ()
        """The words of the plain text."""
        self._everyday = float(is_everyday(self.plain))
        self._sentences = SentenceModel()
        self._plain_log_p = self._sentences.log_probability(self.plain)
        self._likelier_by = dict[tuple[str, ...], float]()
        heard = [set(one.words) for one in recognition.hypotheses]
        self._words = set[str]().union(*heard)
        self._shares = {
            word: sum([word in one for one in heard]) / len(heard) for word in self.plain
        }
        self._replaced = dict[tuple[str, ...], tuple[float, float]]()
        self._puts = dict[int, _Put]()
        self._places = dict[tuple[tuple[int, int, int], ...], _Place]()

    def put_in(self, group: tuple[Match, ...], causes: tuple[BiasingPhrase, ...]) -> PutIn:
        """The phrases of a group in the places of what they replace."""
        place = self._place(group)
        puts = [self._put(match, cause) for match, cause in zip(group, causes, strict=True)]
        return PutIn(place, puts, _woven(place.beside, [put.words for put in puts]))

    def evidence(
        self,
        group: tuple[Match, ...],
        causes: tuple[BiasingPhrase, ...],
        put_in: PutIn,
        *,
        unchanged: bool,
    ) -> Evidence:
        """Of a candidate; `unchanged` where its text is the plain one."""
        hypothesis, place = group[0].hypothesis, put_in.place
        cost = relative = phones = prior = part = generic = gain = apart = 0.0
        support = spelled = unasked = 0.0
        exact, new = hypothesis > 0, list[str]()
        for match, cause, put in zip(group, causes, put_in.puts, strict=True):
            cost += match.cost
            relative += match.cost / max(1, match.phones)
            phones += match.phones
            prior += cause.log_prior
            part += put.part
            generic += put.generic
            gain += match.gain or 0.0
            apart += match.apart
            exact = exact and match.exact
            spelled += put.spelled
            unasked += put.unasked
            support += put.support
            new += put.words
        replaces = tuple([word for word in place.others if word not in new])
        names, agreement = self._of_replaced(replaces)
        return Evidence(
            spans=float(len(group)),
            relative=relative,
            phones=phones,
            prior=prior,
            part=part,
            generic=generic,
            gain=gain,
            apart=apart,
            exact=float(exact),
            place=float(hypothesis),
            strange=place.strange,
            names=names,
            support=support / max(1, len(new)),
            alone=place.alone,
            agreement=agreement,
            homophone=float(hypothesis == 0 and cost == 0.0 and bool(replaces)),
            everyday=self._everyday,
            spelled=spelled,
            unasked=unasked,
            sentence=0.0 if unchanged else self._likelier(put_in),
        )

    def _likelier(self, put_in: PutIn) -> float:
        """How much likelier a sentence it is than the plain text."""
        sentence = _woven(put_in.place.beside, [put.said for put in put_in.puts])
        found = self._likelier_by.get(sentence)
        if found is None:  # most names make the same sentence
            more = self._sentences.log_probability(sentence) - self._plain_log_p
            found = max(-SENTENCE_MAX, min(SENTENCE_MAX, more))
            self._likelier_by[sentence] = found
        return found

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

    def _put(self, match: Match, cause: BiasingPhrase) -> _Put:
        """The phrase of a match: most are put in at several places."""
        found = self._puts.get(match.phrase)
        if found is None:
            phrase = cause.phrase
            words, generic = tuple(phrase.text.split()), phrase.signal == GENERIC_SIGNAL
            found = self._puts[match.phrase] = _Put(
                words,
                words if generic else (class_of(phrase.text),),
                sum([word in self._words for word in words]),
                phrase.whole != "",
                generic,
                phrase.spelled,
                self._asked and not phrase.asked and not generic,
            )
        return found

    def _place(self, group: tuple[Match, ...]) -> _Place:
        """Where a group stands: most groups stand in the same places."""
        key = tuple([(one.hypothesis, one.start, one.end) for one in group])
        found = self._places.get(key)
        if found is None:
            heard, at, beside = self._recognition.hypotheses[group[0].hypothesis].words, 0, []
            for _, start, end in key:
                beside.append(heard[at:start])
                at = end
            beside.append(heard[at:])
            words = [word for piece in beside for word in piece]
            found = self._places[key] = _Place(
                tuple(beside),
                float(min(STRANGE_MAX, sum([word not in _CARRIERS for word in words]))),
                float(not words),
                tuple([word for word in self.plain if word not in words]),
            )
        return found


def _woven(beside: Sequence[tuple[str, ...]], puts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What is put in, among the words before, between and behind it."""
    words = beside[0]
    for put, behind in zip(puts, beside[1:], strict=True):
        words += put + behind
    return words
