"""Rescoring with the real aligner: what is changed, what is left alone, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ctxasr.bias import Bias, bias_of, generic_alone
from ctxasr.candidates import candidates
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition
from ctxasr.ports import Match, PhraseLists
from ctxasr.rescore import rescore
from ctxasr.speech import align
from ctxasr.speech.align import SoundAligner
from ctxasr.speech.lexicon import Pronunciations
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.speech.readings import Sounds


@pytest.fixture(scope="module")
def aligner() -> SoundAligner:
    return SoundAligner(Pronouncer())


def heard(*texts: str, phones: str = "") -> Recognition:
    return Recognition(tuple(Hypothesis(text) for text in texts), None, tuple(phones.split()))


def names(*phrases: str, logit: float = 2.0) -> Bias:
    logits = np.array([0.0] + [logit] * len(phrases), np.float32)
    return bias_of([Phrase(text, "entities", "contact") for text in phrases], logits)


CONTACTS = names("meg jones", "meg bauer", "jones", "bauer")


async def test_the_answer_that_was_on_offer_is_heard(aligner: SoundAligner) -> None:
    result = await rescore(heard("the hour", "power", phones="B AW ER"), CONTACTS, aligner)
    assert result.text == "bauer"
    assert result.plain_text == "the hour"
    assert [(c.before, c.after) for c in result.changes] == [("the hour", "bauer")]
    assert {(c.phrase, c.signal) for c in result.changes} == {("bauer", "entities")}


async def test_a_name_that_no_dictionary_has(aligner: SoundAligner) -> None:
    bias = names("zorblax", "quimby")
    result = await rescore(heard("so blocks", phones="Z AO R B L AE K S"), bias, aligner)
    assert result.text == "zorblax"


@pytest.mark.parametrize(
    "text", ["what's the weather", "set a timer for ten minutes", "turn it off", "main street"]
)
async def test_what_was_clearly_said_is_left_alone(aligner: SoundAligner, text: str) -> None:
    phones = " ".join(Pronouncer().phrase_phones(text)[0])
    assert (await rescore(heard(text, phones=phones), CONTACTS, aligner)).text == text


async def test_a_generic_answer_competes(aligner: SoundAligner) -> None:
    bias = names("nora hanks", "joan frank", logit=-3.0)
    recognition = heard("no tanks", "no thanks", phones="N OW TH AE NG K S")
    assert (await rescore(recognition, bias, aligner)).text == "no thanks"


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("no thank you", "N OW TH AE NG K Y UW"),
        ("no thank you so much", "N OW TH AE NG K Y UW S OW M AH CH"),
        ("i do not know", "AY D UW N AA T N OW"),
    ],
)
async def test_a_generic_answer_is_no_part_of_another(
    aligner: SoundAligner, text: str, phones: str
) -> None:
    recognition = heard(text, text.replace("thank you", "thanks you"), phones=phones)
    assert (await rescore(recognition, generic_alone(), aligner)).text == text


async def test_words_beside_the_phrase_stay(aligner: SoundAligner) -> None:
    recognition = heard(
        "call the hour please", "call power please", phones="K AO L B AW ER P L IY Z"
    )
    assert (await rescore(recognition, CONTACTS, aligner)).text == "call bauer please"


async def test_a_phrase_that_stands_already_is_not_sought_elsewhere(aligner: SoundAligner) -> None:
    recognition = heard("bauer", "bauer of", phones="B AW ER AH V")
    assert (await rescore(recognition, CONTACTS, aligner)).text == "bauer"
    found = await candidates(recognition, CONTACTS, aligner)
    assert ("bauer", "of") not in {candidate.words for candidate in found}


async def test_the_prior_decides_between_phrases_that_sound_alike(aligner: SoundAligner) -> None:
    recognition = heard("mean", phones="M IY N")
    phrases = [Phrase("gina", "entities"), Phrase("nina", "entities"), Phrase("mina", "entities")]
    unlike = heard("the enough", "eena", phones="IY N AH")

    async def text(favourite: int) -> str:
        logits = np.array([-4.0, 0.0, 0.0, 0.0], np.float32)
        logits[favourite + 1] = 4.0
        return (await rescore(unlike, bias_of(phrases, logits), aligner)).text

    assert await text(0) != await text(1)
    assert recognition.plain == "mean"


async def test_without_a_phone_loop_the_other_weights_count(aligner: SoundAligner) -> None:
    found = await rescore(heard("meg power", "meg bower"), CONTACTS, aligner)
    assert found.text == "meg bauer"
    assert (await rescore(heard("power"), CONTACTS, aligner)).text == "power", (
        "one word is too little"
    )


async def test_emptied_context_changes_no_name(aligner: SoundAligner) -> None:
    recognition = heard("the hour", phones="B AW ER")
    assert (await rescore(recognition, generic_alone(), aligner)).text == "the hour"


class Liar:
    """An aligner that finds everything everywhere, at a price."""

    async def prepare(self, phrases: Sequence[str]) -> None: ...

    def forget(self) -> None: ...

    async def align(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        return [Match(0, 0, 1, i, 50.0, 3, -10.0) for i in range(len(phrases.all))]


async def test_an_expensive_match_is_never_taken() -> None:
    assert (await rescore(heard("power"), CONTACTS, Liar())).text == "power"


async def test_nothing_of_a_phrase_is_remembered_once_it_is_forgotten() -> None:
    worked_out: list[str] = []

    class Noting(Pronouncer):
        def sounds_of(self, text: str) -> Sounds:
            worked_out.append(text)
            return super().sounds_of(text)

        def _work_out(self, word: str) -> Pronunciations:
            worked_out.append(word)
            return super()._work_out(word)

    aligner = SoundAligner(Noting())
    for _ in range(2):
        await aligner.prepare(["Meg Bauer"])
    assert worked_out == ["Meg Bauer", "meg", "bauer"]
    aligner.forget()
    await aligner.prepare(["Meg Bauer"])
    assert worked_out == ["Meg Bauer", "meg", "bauer"] * 2


async def test_a_search_that_would_hold_up_everybody_is_cut_short(
    aligner: SoundAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 3 phones that are sought in 3 and 3, as many hypotheses as there is room for."""
    heard_twice = heard("bower", "boer")
    cells = 3 * 3  # phones of "bauer" times those of "bower"
    for room, found in ((cells * 2, {0, 1}), (cells * 2 - 1, {0}), (cells - 1, set())):
        monkeypatch.setattr(align, "SEARCH_CELLS_MAX", room)
        matches = aligner.align_now(heard_twice, PhraseLists(others=("bauer",)))
        assert {match.hypothesis for match in matches} == found, room
