"""Where phrases are sought: what is kept, and what is not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

import pytest

from ctxasr.hypotheses import Hypothesis, Recognition
from ctxasr.ports import Match, PhraseLists
from ctxasr.speech import align
from ctxasr.speech.align import (
    ALONE_HYPOTHESES_MAX,
    ALONE_LONGER_MAX,
    ALONE_MATCHES_MAX,
    CACHE_LISTS_MAX,
    HYPOTHESES_MAX,
    MATCHES_MAX,
    TEXT_PHONES_MAX,
    SoundAligner,
)
from ctxasr.speech.phonetics import HEARD_MAX
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.speech.sought import PHONES_MAX, Sought, SoughtList

OTHER = "absolutely delicious"
"""Sounds like nothing that is sought here."""


@pytest.fixture(scope="module")
def aligner() -> SoundAligner:
    return SoundAligner(Pronouncer())


def heard(*texts: str) -> Recognition:
    return Recognition(tuple(map(Hypothesis, texts)))


def lists(
    phrases: Sequence[str], *, asked: int = 0, alone: int = 0, offered: int = 0
) -> PhraseLists:
    """The first of them asked, the last offered, and those before these alone."""
    whole = len(phrases) - offered
    cuts = pairwise((0, asked, whole - alone, whole, len(phrases)))
    return PhraseLists(*(tuple(phrases[start:stop]) for start, stop in cuts))


def phones(text: str) -> int:
    return len(Pronouncer().phrase_phones(text)[0])


def test_asked_others_and_whole_utterances_are_kept_apart(aligner: SoundAligner) -> None:
    names = [f"{a}ow{b}r" for a, b in product("bdfghklmnprtv", ["e", "ee", "ea", "ai"])]
    assert len(names) > MATCHES_MAX
    recognition = heard(*["call bower please"] * HYPOTHESES_MAX)

    def found(asked: int, alone: int) -> list[Match]:
        return aligner.align_now(recognition, lists(names, asked=asked, alone=alone))

    inside = found(0, 0)
    assert MATCHES_MAX <= len(inside) <= MATCHES_MAX + ALONE_MATCHES_MAX
    whole = found(0, len(names))
    assert 0 < len({match.phrase for match in whole}) <= ALONE_MATCHES_MAX
    assert all((match.start, match.end) == (0, 3) for match in whole)
    both = found(26, 0)
    assert len(both) > len(inside)
    assert {match.phrase < 26 for match in both} == {True, False}


def test_what_is_offered_is_held_against_the_whole_first_hypothesis(aligner: SoundAligner) -> None:
    found = aligner.align_now(heard("zero please", "no"), lists(["seven", "nine"], offered=2))
    assert {(one.hypothesis, one.start, one.end, one.phrase) for one in found} == {
        (0, 0, 2, 0), (0, 0, 2, 1),
    }  # fmt: skip
    assert aligner.align_now(heard(""), lists(["seven"], offered=1)) == []
    assert aligner.align_now(Recognition(()), lists(["seven"], offered=1)) == []


def test_a_long_list_against_a_long_utterance_is_not_offered(
    aligner: SoundAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = aligner._lists(("seven", "nine")).tree.cells * phones("zero")
    for limit, number in ((cells, 2), (cells - 1, 0)):
        monkeypatch.setattr(align, "OFFERED_CELLS_MAX", limit)
        found = aligner.align_now(heard("zero"), lists(["seven", "nine"], offered=2))
        assert len(found) == number


def test_long_hypotheses_are_searched_as_far_as_there_is_room(aligner: SoundAligner) -> None:
    words = "please tell everybody about the wonderful weather over there on saturday".split()
    long = [" ".join([*words * 15, str(number), "meg power"]) for number in range(8)]
    assert len(long) * 15 * sum(map(phones, words)) > HEARD_MAX
    found = aligner.align_now(heard(*long), lists(["meg bauer", "yes"], alone=1))
    assert {one.hypothesis for one in found if not one.exact} < set(range(8))
    assert found


def test_what_has_no_sound_does_no_harm(aligner: SoundAligner) -> None:
    smile = "\N{SLIGHTLY SMILING FACE}"
    phrases = PhraseLists(asked=("bauer",), others=(smile,), alone=("yes",))
    found = aligner.align_now(heard("\u2026", smile), phrases)
    assert [(one.hypothesis, one.phrase) for one in found if one.phrase != 1] == []


@pytest.mark.parametrize(
    "length", [PHONES_MAX, PHONES_MAX + 1, TEXT_PHONES_MAX, 2 * TEXT_PHONES_MAX]
)
def test_a_long_path_of_phones_speaks_for_no_shorter_text(
    aligner: SoundAligner, length: int
) -> None:
    """The path is what the plain text sounds like, to the phone."""
    words = "call me back tomorrow about the garden and the kitchen and the other rooms".split() * 9
    while phones(" ".join(words)) > length - phones("jonathan"):
        del words[0]
    text = " ".join([*words, "jonathan"])
    (path, *_) = Pronouncer().phrase_phones(text)
    recognition = replace(heard(text), phones=path)
    found = aligner.align_now(recognition, PhraseLists(others=("john",), alone=("no",)))
    assert found
    assert all(match.gain is not None and match.gain <= 0.0 for match in found)


def test_what_is_sought_is_not_shown() -> None:
    assert "bauer" not in repr(PhraseLists(asked=("bauer",)))


def test_whole_utterances_are_sought_in_the_first_hypotheses(aligner: SoundAligner) -> None:
    thanks = PhraseLists(alone=("no thanks",))
    for place in range(ALONE_HYPOTHESES_MAX + 1):
        others = [OTHER] * place
        found = aligner.align_now(heard(*others, "no banks"), thanks)
        assert any(match.hypothesis == place for match in found) == (place < ALONE_HYPOTHESES_MAX)
        (word_for_word,) = [
            match for match in aligner.align_now(heard(*others, "no thanks"), thanks) if match.exact
        ]
        assert word_for_word.hypothesis == place


@pytest.mark.parametrize(
    ("text", "phrase", "compared"),
    [("joe", "noted", True), ("joe", "noticed", False), ("noted", "joe", True),
     ("noticed", "joe", False)],
)  # fmt: skip
def test_what_is_much_longer_is_not_the_same(
    aligner: SoundAligner, text: str, phrase: str, compared: bool
) -> None:
    shorter, longer = sorted([phones(text), phones(phrase)])
    assert (longer <= ALONE_LONGER_MAX * shorter) == compared
    assert bool(aligner.align_now(heard(text), lists([phrase], alone=1))) == compared


def test_the_nearest_stretches_are_looked_at(
    aligner: SoundAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognition = heard("call the bower at the tower")
    places = {(one.start, one.end) for one in aligner.align_now(recognition, lists(["bauer"]))}
    assert {(2, 3), (5, 6)} <= places
    monkeypatch.setattr(align, "LOOKED_AT_MAX", 1)
    nearest = aligner.align_now(recognition, lists(["bauer"]))
    assert {(2, 3)} <= {(one.start, one.end) for one in nearest if one.end - one.start == 1}
    assert all(one.end != 6 for one in nearest), "the tower is farther off"


def test_lists_are_made_ready_once_while_few_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Noting(SoughtList):
        def __init__(self, phrases: list[Sought]) -> None:
            made.append(len(phrases))
            super().__init__(phrases)

    monkeypatch.setattr(align, "SoughtList", Noting)
    aligner = SoundAligner(Pronouncer())
    names = "abcdefghijklmnopqrstuvwxyz"

    def made_for(number: int) -> int:
        before = len(made)
        aligner.align_now(heard("bower"), lists(["bauer", f"{names[number]}ower"], asked=2))
        return len(made) - before

    aligner.align_now(heard("bower"), PhraseLists())  # the empty list is one of them
    for number in range(CACHE_LISTS_MAX - 1):
        assert made_for(number) == 1
        assert made_for(number) == 0
    assert made_for(0) == 0
    assert made_for(CACHE_LISTS_MAX - 1) == 1
    assert made_for(1) == 1, "the one that was used longest ago is made anew"
    assert made_for(0) == 0
