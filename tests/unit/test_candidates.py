"""What may have been said, what speaks for it, and what text alone never decides."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.bias import Bias, bias_of, generic_alone, phrases_of
from ctxasr.candidates import (
    SPELLED_CHARS_MAX,
    SPELLED_NAMES_MAX,
    TOGETHER_MAX,
    TOGETHER_TRIED_MAX,
    Candidate,
    candidates,
    text_of,
)
from ctxasr.english.everyday import EVERYDAY_ANSWERS
from ctxasr.english.sentences import PERSON, SentenceModel
from ctxasr.events import Entity, TurnText
from ctxasr.evidence import SENTENCE_MAX, STRANGE_MAX, Evidence
from ctxasr.hints import NO_HINTS, hinted
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition, Result
from ctxasr.ports import Match
from ctxasr.rescore import rescore, shortlist
from ctxasr.speech.align import MATCHES_MAX, SoundAligner
from ctxasr.speech.pronounce import Pronouncer

ALIGNER = SoundAligner(Pronouncer())


def heard(*texts: str, phones: str = "") -> Recognition:
    return Recognition(tuple(map(Hypothesis, texts)), None, tuple(phones.split()))


def bias(*names: str, listed: tuple[str, ...] = ()) -> Bias:
    """The reply names `names`; `listed` are on the screen as well. All are equally likely."""
    reply = f"Do you mean {' or '.join(names)}?" if names else ""
    turn = TurnText("", reply, tuple(Entity("contact", one) for one in (*names, *listed)))
    phrases = list(phrases_of(turn))
    return bias_of(phrases, np.array([0.0] + [2.0] * len(phrases), np.float32))


async def offered(named: Bias, recognition: Recognition) -> dict[tuple[str, ...], list[Candidate]]:
    """What may have been said, by its words; of the same words the nearest first."""
    found: dict[tuple[str, ...], list[Candidate]] = {}
    for one in await candidates(recognition, named, ALIGNER):
        found.setdefault(one.words, []).append(one)
    return {
        words: sorted(same, key=lambda one: (one.evidence.place, one.evidence.relative))
        for words, same in found.items()
    }


class Case(NamedTuple):
    """A candidate: what is on offer, what was heard, the text, and the place of its hypothesis."""

    named: Bias
    heard: Recognition
    text: str
    place: int = 0

    async def evidence(self) -> Evidence:
        found = (await offered(self.named, self.heard))[tuple(self.text.split())]
        return next(one.evidence for one in found if one.evidence.place == self.place)


BAUER, MEG, NOAH = bias("Bauer"), bias("Meg"), bias("Noah")
POWER = Case(BAUER, heard("power"), "bauer")
LOOPED = POWER._replace(heard=heard("power", phones="B AW ER"))
SECOND = Case(BAUER, heard("power", "bauer"), "bauer", 1)
WHOLE = Case(bias("Meg Bauer"), heard("meg power"), "meg bauer")
UNKNOWN = ("zwixle", "zwoxle", "zwaxle")
"""In no dictionary."""

LIKELIER = {
    text: SentenceModel().log_probability(text.split())
    for text in (
        PERSON, "power", "no thanks", "no banks", "turn the power off", f"turn the {PERSON} off"
    )
}  # fmt: skip

MOVED = [
    ("spans", POWER, 1.0, Case(bias("Meg", "Ann"), heard("mac or ant"), "meg or ann"), 2.0),
    ("phones", POWER, 3.0, Case(MEG, heard("mac"), "meg"), 3.0),
    ("phones", POWER, 3.0, WHOLE, 6.0),
    ("part", POWER, 0.0, Case(bias("Meg Bauer"), heard("power"), "bauer"), 1.0),
    ("generic", POWER, 0.0, Case(BAUER, heard("no banks"), "no thanks"), 1.0),
    ("exact", POWER, 0.0, SECOND, 1.0),
    ("place", POWER, 0.0, SECOND, 1.0),
    (
        "strange",
        Case(BAUER, heard("call power"), "call bauer"), 0.0,
        Case(BAUER, heard("kick power"), "kick bauer"), 1.0,
    ),
    (
        "strange",
        Case(BAUER, heard("kick throw bite power"), "kick throw bite bauer"), STRANGE_MAX,
        Case(BAUER, heard("kick throw bite lick power"), "kick throw bite lick bauer"), STRANGE_MAX,
    ),
    ("names", Case(MEG, heard("mac"), "meg"), 0.0, Case(MEG, heard("megan"), "meg"), 1.0),
    ("support", POWER, 0.0, SECOND, 1.0),
    ("support", POWER, 0.0, WHOLE, 0.5),
    ("alone", Case(BAUER, heard("call power"), "call bauer"), 0.0, POWER, 1.0),
    ("agreement", POWER, 1.0, SECOND, 0.5),
    (
        "homophone", POWER, 0.0,
        Case(bias("Jim"), heard("gym"), "jim"), 1.0,
    ),
    ("homophone", Case(bias("Jim"), heard("gym", "jim"), "jim", 1), 0.0,
     Case(bias("Jim"), heard("gym"), "jim"), 1.0),
    ("everyday", Case(NOAH, heard("know"), "noah"), 0.0, Case(NOAH, heard("no"), "noah"), 1.0),
    ("spelled", POWER, 0.0, Case(BAUER, heard("be a you e are"), "b a u e r"), 1.0),
    ("unasked", POWER, 0.0, Case(bias("Meg", listed=("Bauer",)), heard("power"), "bauer"), 1.0),
    ("unasked", Case(bias(listed=("Bauer",)), heard("power"), "bauer"), 0.0,
     Case(bias("Bauer"), heard("no banks"), "no thanks"), 0.0),
    ("sentence", POWER, LIKELIER[PERSON] - LIKELIER["power"],
     Case(BAUER, heard("no banks"), "no thanks"), LIKELIER["no thanks"] - LIKELIER["no banks"]),
    ("sentence", Case(BAUER, heard(" ".join(UNKNOWN), "bauer"), "bauer", 1), SENTENCE_MAX,
     Case(BAUER, heard("turn the power off"), "turn the bauer off"),
     LIKELIER[f"turn the {PERSON} off"] - LIKELIER["turn the power off"]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "one", "value", "other", "moved"), MOVED)
async def test_each_kind_of_evidence_counts_what_it_says(
    field: str, one: Case, value: float, other: Case, moved: float
) -> None:
    assert getattr(await one.evidence(), field) == pytest.approx(value)
    assert getattr(await other.evidence(), field) == pytest.approx(moved)


async def test_sounds_and_priors_move_their_evidence() -> None:
    plain, second, loop = [await one.evidence() for one in (POWER, SECOND, LOOPED)]
    assert plain.relative > second.relative == 0.0
    assert plain.apart > second.apart, "the second hypothesis is what the phrase says"
    assert (plain.gain, loop.gain > 0.0) == (0.0, True), "the loop heard the B"
    among_two = await Case(bias("Bauer", "Ann"), heard("power"), "bauer").evidence()
    assert plain.prior > among_two.prior
    both = Case(bias("Meg", "Ann"), heard("mac or ant"), "meg or ann")
    one = Case(bias("Meg", "Ann"), heard("mac or ant"), "meg or ant")
    assert (await both.evidence()).prior == pytest.approx(2 * (await one.evidence()).prior)


def test_no_kind_of_evidence_is_without_a_case() -> None:
    elsewhere = {"relative", "prior", "gain", "apart"}
    assert {field for field, *_ in MOVED} | elsewhere == set(Evidence._fields)


# ---------------------------------------------------------------- several phrases


async def test_two_phrases_are_put_into_one_utterance() -> None:
    recognition = heard("Mac, or ant?")
    (one,) = (await offered(bias("Meg", "Ann"), recognition))["meg", "or", "ann"]
    assert [cause.phrase.text for cause in one.causes] == ["meg", "ann"]
    assert text_of(one, recognition) == "Meg, or Ann?"


async def test_as_many_phrases_as_the_limit_and_no_more() -> None:
    four, recognition = bias("Meg", "Ann", "Joe", "Sue"), heard("mac or ant or go or shoe")
    found = await offered(four, recognition)
    assert tuple("meg or ann or joe or shoe".split()) in found
    assert tuple("meg or ann or joe or sue".split()) not in found
    groups = [one.matches for same in found.values() for one in same]
    assert max(map(len, groups)) == TOGETHER_MAX
    for group in groups:
        assert all(one.end <= other.start for one, other in pairwise(group)), "words are told once"
        assert len({one.phrase for one in group}) == len(group), "each phrase once"
        assert len({one.hypothesis for one in group}) == 1


class Scripted:
    """An aligner that gives the matches it is told, the nearest first."""

    def __init__(self, *matches: Match) -> None:
        self._matches, self.phrases = list(matches), list[str]()

    async def prepare(self, phrases: Any) -> None: ...

    def forget(self) -> None: ...

    async def align(self, recognition: Recognition, phrases: Any) -> list[Match]:
        self.phrases = list(phrases.all)
        return self._matches


async def test_only_the_nearest_matches_are_tried_together() -> None:
    names = [f"name{letter}" for letter in "abcdefgh"]
    recognition = heard(" ".join(f"x{letter}" for letter in "abcdefgh"))
    matches = [Match(0, i, i + 1, i, 1.0 + i, 3, None) for i in range(TOGETHER_TRIED_MAX + 1)]
    found = await candidates(recognition, bias(*names), Scripted(*matches))
    together = [one.matches for one in found if len(one.matches) > 1]
    assert {match.phrase for group in together for match in group} == set(range(TOGETHER_TRIED_MAX))
    assert len(found) - len(together) == TOGETHER_TRIED_MAX + 1, "alone each of them is tried"


async def test_a_name_is_taken_for_its_letters_only_if_they_are_all_that_is_said() -> None:
    for text in ("be a you e are", "B. A. U. E. are.", "call b a u e r please"):
        found = await candidates(heard(text), bias("Bauer", "Jones"), ALIGNER)
        spelled = [one for one in found if one.evidence.spelled]
        assert {one.words for one in spelled} == {tuple("bauer")}, text
        assert all(one.evidence.alone for one in spelled)
    (one,) = (await offered(BAUER, heard("be a you e are")))["b", "a", "u", "e", "r"]
    assert text_of(one, heard("be a you e are")) == "b a u e r"


async def spelled_of(*names: Phrase) -> list[str]:
    """What is sought letter by letter; the names have the letters a to z alone."""
    aligner = Scripted()
    named = bias_of(names, np.zeros(len(names) + 1, np.float32))
    await candidates(heard("power"), named, aligner)
    return [one for one in aligner.phrases if all(len(part) == 1 for part in one.split())]


async def test_a_short_list_is_spelled_and_a_longer_one_is_not() -> None:
    names = [Phrase("n" + chr(97 + i % 26) * (1 + i // 26), "entities") for i in range(99)]
    assert len(await spelled_of(*names[:SPELLED_NAMES_MAX])) == SPELLED_NAMES_MAX
    assert await spelled_of(*names[: SPELLED_NAMES_MAX + 1]) == []
    asked = Phrase("bauer", "entities", asked=True)
    assert await spelled_of(asked, *names) == ["B A U E R"], "of what the reply named"


async def test_a_word_of_few_letters_is_spelled_and_no_other() -> None:
    longest = "a" * SPELLED_CHARS_MAX
    names = ["jo", longest, "b", longest + "a", "meg bauer", "o'neil", "zo\u00eb", "4b"]
    spelled = await spelled_of(*(Phrase(name, "entities") for name in names))
    assert spelled == ["b", "J O", " ".join(longest.upper())]


async def test_a_generic_answer_is_all_that_is_said() -> None:
    found = await candidates(heard("call the banks now"), generic_alone(), ALIGNER)
    assert found
    assert all(one.evidence.alone and one.words in ANSWERS for one in found)


ANSWERS = {tuple(answer.split()) for answer in EVERYDAY_ANSWERS}


async def test_names_that_were_asked_for_are_not_crowded_out() -> None:
    crowd = [f"{a}ow{b}r".title() for a in "bcdfghjklmnprstvwz" for b in ("e", "ee", "ea", "ai")]
    crowd += [f"{a}o{b}er".title() for a in "bcdfghjklmnprstvwz" for b in "bcdfghjklmnprst"]
    crowd = [name for name in dict.fromkeys(crowd) if name not in ("Power", "Bower")][:300]
    assert len(crowd) == 300
    assert ("jones",) in await offered(bias("Jones", listed=tuple(crowd)), heard("power"))
    among_all = await offered(bias(listed=(*crowd, "Jones")), heard("power"))
    assert ("jones",) not in among_all, f"without the reply {MATCHES_MAX} others sound nearer"


# ---------------------------------------------------------------- what text alone never does


ASKED_FOR = [("gym",), ("Gym.",), ("gym", "jim"), ("gym", "jim", "him"), ("call gym", "call jim")]


@pytest.mark.parametrize("texts", ASKED_FOR)
@pytest.mark.parametrize("phones", ["", "JH IH M"])
async def test_no_listed_name_is_taken_for_one_that_was_asked_for(
    texts: tuple[str, ...], phones: str
) -> None:
    """Both names are equally likely by the encoder; the reply named one of them."""
    recognition = heard(*texts, phones=phones)
    found = await shortlist(recognition, bias("Gym", listed=("Jim",)), ALIGNER)
    jim = [one for _, one in found.scored if "jim" in one.words and "gym" not in one.words]
    assert jim
    assert all(one.less_likely for one in jim)
    result = await rescore(recognition, bias("Gym", listed=("Jim",)), ALIGNER)
    assert result.text == texts[0]


@pytest.mark.parametrize("texts", ASKED_FOR)
async def test_no_rarer_name_is_taken_for_a_likelier_one(texts: tuple[str, ...]) -> None:
    names = [Phrase("gym", "entities"), Phrase("jim", "entities")]
    named = bias_of(names, np.array([0.0, 3.0, 0.0], np.float32))
    found = await shortlist(heard(*texts), named, ALIGNER)
    jim = [one for _, one in found.scored if "jim" in one.words and "gym" not in one.words]
    assert jim
    assert all(one.less_likely for one in jim)
    assert (await rescore(heard(*texts), named, ALIGNER)).text == texts[0]
    assert (await rescore(heard("gym", "jim"), bias("Jim"), ALIGNER)).text == "jim"


async def test_a_name_is_less_likely_only_where_it_takes_another_away() -> None:
    likelier = bias_of(
        [Phrase("gym", "entities"), Phrase("jim", "entities")], np.array([0.0, 0.0, 3.0], "f4")
    )
    found = await offered(likelier, heard("gym"))
    assert not found["jim",][0].less_likely, "it was likelier before anything was heard"
    (one,) = (await offered(bias("Jim"), heard("gym")))["jim",]
    assert not one.less_likely, "no name is taken away"
    both = await offered(bias("Gym", "Ann"), heard("gym ant"))
    assert not both["gym", "ann"][0].less_likely, "the other name stays"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("no", ("Noah", "Jo")), ("yes", ("Wes", "Tess")), ("either", ("Heather", "Esther")),
        ("Turn the power off.", ("Bauer",)), ("the other one", ("Heather",)), ("none", ("Nan",)),
        ("um, no thanks", ("Nora Hanks",)), ("number two", ("Numa Tew",)), ("hang up", ("Hank",)),
        ("The second one, please.", ("Juan",)), ("thank you", ("Frank Hugh",)), ("both", ("Beth",)),
    ],
)  # fmt: skip
async def test_an_everyday_answer_is_not_taken_for_a_name_by_text(
    text: str, names: tuple[str, ...]
) -> None:
    for others in ((), names, (*names, *names[::-1])):
        for phones in ("", " ".join(Pronouncer().phrase_phones(names[0])[0])):
            recognition = heard(text, *others, phones=phones)
            assert await rescore(recognition, bias(*names), ALIGNER) == Result(text, text)


async def test_no_everyday_answer_is_changed_by_text_whatever_else_was_heard() -> None:
    for answer in EVERYDAY_ANSWERS:
        result = await rescore(heard(answer, "noah", "no thanks"), NOAH, ALIGNER)
        assert result == Result(answer, answer)
    changed = await rescore(heard("zwixle", "noah", "no thanks"), NOAH, ALIGNER)
    assert changed.text == "noah", "what is none of them is changed in the same place"


@pytest.mark.parametrize("named", [generic_alone(), bias("Meg Jones", "Meg Bauer"), NOAH])
async def test_yes_stays_before_no_thanks(named: Bias) -> None:
    for texts in (("yes", "no thanks"), ("Yes.", "no thanks", "no"), ("yes please", "no thanks")):
        assert (await rescore(heard(*texts), named, ALIGNER)).text == texts[0]


async def test_where_nothing_was_heard_nothing_is_offered() -> None:
    assert await candidates(Recognition(()), bias("Meg Bauer"), ALIGNER) == []
    assert await rescore(Recognition(()), bias("Meg Bauer"), ALIGNER) == Result("", "")


NOTHING = [Bias(), hinted(Bias(), NO_HINTS), bias_of((), np.zeros(1, np.float32)), bias()]


@given(
    st.lists(st.text(max_size=30) | st.sampled_from(EVERYDAY_ANSWERS), max_size=5),
    st.lists(st.sampled_from(["B", "AW", "ER", "N", "OW"]), max_size=6),
    st.sampled_from(NOTHING),
)
@settings(deadline=None)
def test_where_nothing_is_named_every_text_stays_to_the_letter(
    texts: list[str], phones: list[str], nothing: Bias
) -> None:
    result = asyncio.run(rescore(heard(*texts, phones=" ".join(phones)), nothing, ALIGNER))
    plain = texts[0] if texts else ""
    assert result == Result(plain, plain)
