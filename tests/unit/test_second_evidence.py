"""Texts scored against the audio: which are asked for, what they decide, and when they are late."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from conftest import ANSWER, HEARD, TTL_S, ExactAligner, World, recognition, run, turn

from ctxasr.answer import ContextState, UtteranceResult, listen, on_utterance
from ctxasr.app import Models, Settings, aws
from ctxasr.bias import Bias, bias_of, phrases_of
from ctxasr.candidates import OFFERED_MAX
from ctxasr.errors import ContextUnavailable
from ctxasr.events import Entity, TurnText, to_event
from ctxasr.evidence import DOUBT_MAX, Evidence, Heard, heard_of
from ctxasr.hypotheses import Hypothesis, Recognition, Result
from ctxasr.pipeline import READ_BUDGET_MS, SOUND_READ_BUDGET_MS
from ctxasr.ports import AcousticScorer
from ctxasr.rescore import SCORED_MAX, rescore, shortlist
from ctxasr.speech.align import SoundAligner
from ctxasr.speech.pronounce import Pronouncer
from ctxasr.weights import weights_by_sound, weights_by_text
from ctxasr.words import normalise

ALIGNER = SoundAligner(Pronouncer())


@dataclass
class Ear:
    """A scorer that hears what it is told; all other texts fit `usual`."""

    fits: dict[str, float] = field(default_factory=dict)
    usual: float = 0.0
    takes_ms: float = 0.0
    raises: Exception | None = None
    asked: list[list[str]] = field(default_factory=list)

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        assert recognition.sound is not None
        self.asked.append(list(texts))
        await asyncio.sleep(self.takes_ms / 1_000.0)
        if self.raises is not None:
            raise self.raises
        return [self.fits.get(normalise(text), self.usual) for text in texts]


def heard(*texts: str, phones: str = "") -> Recognition:
    hypotheses = tuple(map(Hypothesis, texts))
    return Recognition(hypotheses, None, tuple(phones.split()), sound=object())


def bias(*names: str, listed: Sequence[str] = ()) -> Bias:
    reply = f"Do you mean {' or '.join(names)}?"
    turn = TurnText("", reply, tuple(Entity("contact", one) for one in (*names, *listed)))
    phrases = list(phrases_of(turn))
    return bias_of(phrases, np.array([0.0] + [2.0] * len(phrases), np.float32))


BAUER = bias("Bauer", "Jones")


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize("others", [0, 1, 40])
async def test_the_likeliest_few_and_the_plain_text_are_scored_each_once(others: int) -> None:
    ear, crowd = Ear(), [f"B{a}w{b}r" for a in "aeiouy" for b in "aeiouyh"][:others]
    recognised = heard("Call, uh, power.", "call bower", "bauer", phones="B AW ER")
    found = await shortlist(recognised, bias("Bauer", listed=crowd), ALIGNER)
    await found.by_sound(ear)
    ((plain, *texts),) = ear.asked
    assert plain == "Call, uh, power."
    assert len(texts) == SCORED_MAX
    assert len({normalise(text) for text in (plain, *texts)}) == 1 + SCORED_MAX
    unheard = [one for _, one in found.scored if not one.unchanged]
    unheard.sort(key=lambda one: -weights_by_sound(recognised).score(one.evidence))
    best = [one.words for one in unheard]
    first = list(dict.fromkeys(best))[:SCORED_MAX]
    assert [tuple(normalise(text).split()) for text in texts] == first


async def test_where_nothing_else_may_have_been_said_nothing_is_scored() -> None:
    ear = Ear()
    for said in (heard("\N{SLIGHTLY SMILING FACE}", "\u2026"), heard(""), heard()):
        found = await shortlist(said, BAUER, ALIGNER)
        assert await found.by_sound(ear) is None
    assert ear.asked == []


@pytest.mark.parametrize(("names", "scored"), [(OFFERED_MAX, True), (OFFERED_MAX + 1, False)])
async def test_a_name_of_a_short_list_may_have_been_said_instead_where_sound_decides(
    names: int, *, scored: bool
) -> None:
    """A number is misheard for a number, which text alone never mends."""
    numbers = "seven one two three four five six eight nine ten eleven twelve thirteen".split()
    heard_only, listed = heard("zero"), bias(*numbers[:names])
    ear = Ear({"seven": 0.0}, usual=-30.0)
    assert (await rescore(heard_only, listed, ALIGNER, ear)).text == ("seven" if scored else "zero")
    silent = replace(heard_only, sound=None)
    assert (await rescore(silent, listed, ALIGNER, ear)).text == "zero"
    lost = Ear(raises=ContextUnavailable("gone"))
    assert (await rescore(heard_only, listed, ALIGNER, lost)).text == "zero"


async def test_what_stands_in_the_plain_text_is_not_offered_for_all_of_it() -> None:
    ear = Ear(usual=-3.0, fits={"play rocky four": -6.0})
    await rescore(heard("play rocky four"), bias("Rocky IV", "Meg Bauer"), ALIGNER, ear)
    assert all("rocky iv" not in map(normalise, texts) for texts in ear.asked)


async def test_names_that_sound_alike_speak_together_against_the_plain_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None is likely by itself, and the likeliest is still expected to have fewer errors."""
    alike, plain = ("Meg Bauer", "Meg Bower", "Meg Bowar"), heard("mac our")
    ear = Ear({name.lower(): 0.0 for name in alike}, usual=-60.0)
    found = await (await shortlist(plain, bias(*alike), ALIGNER)).by_sound(ear)
    assert found is not None
    assert found.probability < 0.5
    assert found.margin > 0.0
    monkeypatch.setattr("ctxasr.rescore.COMPARED_MAX", 2)
    alone = await (await shortlist(plain, bias(*alike), ALIGNER)).by_sound(ear)
    assert alone is not None
    assert (alone.text, alone.probability) == (found.text, found.probability)
    assert alone.margin != found.margin, "all but two texts have no weight"


async def test_without_bias_or_sound_the_scorer_is_not_asked() -> None:
    ear = Ear({"bauer": 0.0}, usual=-99.0)
    assert (await rescore(heard("power"), Bias(), ALIGNER, ear)) == Result("power", "power")
    no_sound = replace(heard("zwixle", "bauer"), sound=None)
    assert (await rescore(no_sound, BAUER, ALIGNER, ear)).changes[0].evidence == "text"
    assert ear.asked == []


async def test_what_sounds_the_same_and_is_less_likely_is_not_scored() -> None:
    likely = bias("Jim")
    phrases = [one.phrase for one in bias("Gym", listed=("Jim",)).phrases if one.phrase.id == ""]
    names = [one for one in phrases if one.text in ("gym", "jim")]
    less = bias_of(names, np.array([0.0, 3.0, 0.0], "f4"))
    for named, is_asked in ((likely, True), (less, False)):
        for texts in (("gym",), ("gym", "jim")):
            ear = Ear()
            await rescore(heard(*texts), named, ALIGNER, ear)
            assert any("jim" in asked for asked in ear.asked) == is_asked


# ---------------------------------------------------------------- what it decides


@pytest.mark.parametrize(("texts", "by_text"), [(("power",), None), (("zwixle", "bauer"), "bauer")])
async def test_sound_overrules_text_both_ways(texts: tuple[str, ...], by_text: str | None) -> None:
    recognised = heard(*texts)
    if by_text is not None:
        assert (await rescore(recognised, BAUER, ALIGNER)).text == by_text
    for_plain, for_name = Ear({texts[0]: 0.0}, usual=-60.0), Ear({"bauer": 0.0}, usual=-60.0)
    kept = await rescore(recognised, BAUER, ALIGNER, for_plain)
    assert kept == Result(texts[0], texts[0])
    changed = await rescore(recognised, BAUER, ALIGNER, for_name)
    (change,) = changed.changes
    assert (changed.text, change.phrase, change.signal) == ("bauer", "Bauer", "entities")
    assert change.evidence == "sound"
    assert 0.99 < change.probability <= 1.0


async def test_the_surer_a_name_was_heard_the_less_easily_it_gives_way() -> None:
    """The neighbour fits the sound as much worse in both cases, and nothing else fits."""
    joan = bias("Joan Smith")
    for phones in ("", "JH AA N S M IH TH"):
        said, margins = heard("john smith", "joan smith", phones=phones), list[float]()
        for plain in (-0.1, -0.5, -2.0, -4.0, -DOUBT_MAX, -DOUBT_MAX - 1.0):
            ear = Ear({"john smith": plain, "joan smith": plain - 3.0}, usual=-99.0)
            found = await (await shortlist(said, joan, ALIGNER)).by_sound(ear)
            assert found is not None
            margins.append(found.margin)
        sure, *between, unsure, more = margins
        assert unsure == pytest.approx(more, abs=1e-6), "at DOUBT_MAX nothing more is said"
        if phones:
            assert sure < 0.0 < unsure
            assert between == sorted(between)
            assert sure < between[0] < between[-1] < unsure
        else:
            assert sure == pytest.approx(unsure), "without phones it was not learnt"


def test_doubt_counts_once_for_the_text_and_once_for_each_name() -> None:
    evidence = Evidence(**dict.fromkeys(Evidence._fields, 0.0))
    for names in (0.0, 1.0, 2.0):
        of_names = evidence._replace(names=names)
        assert heard_of(-3.0, -1.0, of_names) == Heard(-2.0, 1.0, names)
        assert heard_of(2.0, 0.5, of_names) == Heard(1.5, 0.0, 0.0), "surer than certain"
        deepest = heard_of(-20.0, -DOUBT_MAX, of_names)
        assert heard_of(-21.0, -DOUBT_MAX - 1.0, of_names) == deepest


def test_each_kind_of_scorer_has_weights_of_its_own() -> None:
    tokens, beside_phones = heard("power"), heard("power", phones="B AW ER")
    frames = replace(beside_phones, scored_by="frames")
    kinds = [weights_by_sound(one) for one in (tokens, beside_phones, frames)]
    assert len(set(kinds)) == len(kinds)
    assert all(one.score_heard(Heard(ratio=9.0)) > 0.0 for one in kinds)
    assert [one.heard.doubt > 0.0 for one in kinds] == [False, True, False], "frames have no zero"
    assert weights_by_sound(replace(frames, phones=())) == kinds[-1]
    assert weights_by_text(tokens) != weights_by_text(beside_phones) == weights_by_text(frames)


async def test_a_change_by_text_says_so() -> None:
    (change,) = (await rescore(heard("zwixle", "bauer"), BAUER, ALIGNER)).changes
    assert (change.before, change.after, change.phrase) == ("zwixle", "bauer", "Bauer")
    assert change.evidence == "text"
    assert 0.5 < change.probability <= 1.0
    assert change.to_json()["evidence"] == "text"


EVERYDAY = [
    ("no", "Noah"), ("yes", "Wes"), ("either", "Heather"), ("hang up", "Hank"), ("both", "Beth"),
    ("Turn the power off.", "Bauer"),
]  # fmt: skip


def unsure(text: str, name: str, nearer: float) -> Ear:
    """The name fits the sound so much better than what was heard; all else does not fit."""
    return Ear({normalise(text): 0.0, normalise(name): nearer}, usual=-99.0)


@pytest.mark.parametrize(("text", "name"), EVERYDAY)
async def test_an_everyday_answer_needs_clear_sound_to_be_changed(text: str, name: str) -> None:
    for nearer in (-9.0, 0.0):
        result = await rescore(heard(text), bias(name), ALIGNER, unsure(text, name, nearer))
        assert result == Result(text, text)
    clear = unsure(text, name, 60.0)
    result = await rescore(heard(text, name.lower()), bias(name), ALIGNER, clear)
    assert normalise(result.text) == name.lower()


@pytest.mark.parametrize("named", ["Nevin", "Nevermind", "Okay", "Alright"])
@pytest.mark.parametrize(
    ("text", "other"), [("never mind", "nevermind"), ("OK", "okay"), ("all right", "alright")]
)
async def test_an_everyday_answer_is_not_spelled_in_another_way(
    text: str, other: str, named: str
) -> None:
    looped = heard(text, other, phones="N EH V")
    for said in (heard(text, other), looped, replace(looped, scored_by="frames")):
        ear = unsure(text, other, 9.0)
        assert (await rescore(said, bias(named), ALIGNER, ear)).text == text


@pytest.mark.parametrize("between", [(), ("x",), ("x", "y", "z")])
@pytest.mark.parametrize(("text", "name"), EVERYDAY)
async def test_an_everyday_answer_that_fits_the_sound_better_stays(
    text: str, name: str, between: tuple[str, ...]
) -> None:
    for nearer in (0.0, -1.0):
        recognised = heard(text, *between, name.lower())
        result = await rescore(recognised, bias(name), ALIGNER, unsure(text, name, nearer))
        assert result == Result(text, text)


async def test_two_names_are_taken_where_sound_says_so() -> None:
    ear = Ear({"meg or ann": 0.0}, usual=-99.0)
    found = await rescore(heard("Mac or ant."), bias("Meg", "Ann"), ALIGNER, ear)
    assert found.text == "Meg or Ann."
    assert [change.phrase for change in found.changes] == ["Meg", "Ann"]


NO_LIKELIHOOD = {
    "none of them": Ear(usual=-math.inf),
    "not the plain text": Ear({"power": -math.inf}, usual=-5.0),
    "not the candidates": Ear({"power": -5.0}, usual=-math.inf),
    "not the best candidate": Ear({"power": -5.0, "bauer": -math.inf}, usual=-30.0),
}
"""A text that is too long for the model has none: it scores -inf."""


@pytest.mark.parametrize("which", NO_LIKELIHOOD)
async def test_a_text_without_a_likelihood_changes_nothing(which: str) -> None:
    result = await rescore(heard("power"), BAUER, ALIGNER, NO_LIKELIHOOD[which])
    assert result.text == "power"


# ---------------------------------------------------------------- within the read budget


async def answer(world: World, scorer: AcousticScorer | None, *, sound: bool) -> UtteranceResult:
    """What HEARD becomes after the usual turn, with `listen` done before."""
    await world.deliver(list(turn().values()))
    ports, event = replace(world.ports, scorer=scorer), to_event(ANSWER, TTL_S)
    known = await listen(event, ports)
    said = replace(recognition(*HEARD), sound=object() if sound else None)
    return await on_utterance(known, said, ports, event.key.turn)


def test_the_sound_decides_where_it_is_heard_in_time() -> None:
    async def main() -> None:
        ear = Ear({"power": 0.0}, usual=-99.0, takes_ms=SOUND_READ_BUDGET_MS - 1.0)
        found = await answer(World(), ear, sound=True)
        assert (found.context, found.result.text) == (ContextState.HIT, "power")
        assert found.added_ms == pytest.approx(SOUND_READ_BUDGET_MS - 1.0)
        assert ear.asked == [["power", "bauer"]]

    run(main())


@pytest.mark.parametrize("takes_ms", [SOUND_READ_BUDGET_MS + 1.0, 1e9])
def test_what_text_has_decided_stands_where_the_sound_is_late(takes_ms: float) -> None:
    async def main() -> None:
        found = await answer(World(), Ear({"power": 9.0}, takes_ms=takes_ms), sound=True)
        assert (found.context, found.result.text) == (ContextState.HIT, "bauer")
        assert [change.evidence for change in found.result.changes] == ["text"]
        assert found.reason == "named by entities"
        assert found.added_ms == pytest.approx(SOUND_READ_BUDGET_MS, abs=0.01)

    run(main())


@pytest.mark.parametrize(
    "error", [ContextUnavailable("bauer"), RuntimeError("bauer"), TimeoutError("bauer")]
)
def test_what_text_has_decided_stands_where_the_sound_is_gone(error: Exception) -> None:
    async def main() -> None:
        found = await answer(World(), Ear(raises=error), sound=True)
        assert (found.context, found.result.text) == (ContextState.HIT, "bauer")
        assert found.reason == "named by entities"
        assert found.added_ms == 0.0

    run(main())


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("scorer", [False, True])
def test_the_longer_budget_is_for_sounds_that_are_scored(sound: bool, scorer: bool) -> None:
    budget_ms = SOUND_READ_BUDGET_MS if sound and scorer else READ_BUDGET_MS

    async def main() -> None:
        for takes_ms in (budget_ms - 1.0, budget_ms + 1.0):
            world, ear = World(aligner=ExactAligner(takes_ms)), Ear() if scorer else None
            found = await answer(world, ear, sound=sound)
            in_time = takes_ms < budget_ms
            assert found.context is (ContextState.HIT if in_time else ContextState.MISSED)
            assert found.result.text == ("bauer" if in_time else "power")
            assert found.added_ms == pytest.approx(min(takes_ms, budget_ms), abs=0.01)

    run(main())


@pytest.mark.parametrize(
    ("given", "budgets_ms"),
    [(None, (READ_BUDGET_MS, SOUND_READ_BUDGET_MS)), ("70.5", (70.5, 70.5)), ("0", (0.0, 0.0))],
)
async def test_the_setting_is_for_both_budgets(
    given: str | None, budgets_ms: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv("CTXASR_READ_BUDGET_MS", given)
    monkeypatch.setenv("CTXASR_ENDPOINT_URL", "http://127.0.0.1:1")
    models = Models(encoder=False, aligner=False)
    async with aws(Settings.from_environment(), models=models, set_up=False) as app:
        assert (app.ports.read_budget_ms, app.ports.sound_read_budget_ms) == budgets_ms
