"""Second evidence of PocketSphinx: scores of given texts under real sound."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from ctxasr.errors import ContextUnavailable, LimitExceeded
from ctxasr.hypotheses import Arc, Lattice, Recognition
from ctxasr.ports import RATE_HZ, AcousticScorer, Samples
from ctxasr.speech import pocketsphinx_scorer
from ctxasr.speech.audio import load_samples
from ctxasr.speech.kept_sounds import SOUNDS_MAX, TEXTS_MAX, KeptSounds, next_number
from ctxasr.speech.pocketsphinx import SCORED_S_MAX, PocketSphinxDecoder, PocketSphinxRecognizer
from ctxasr.speech.pocketsphinx_scorer import FlatGrammar, best_through
from ctxasr.speech.silence import dither, trim_silence

AUDIO = Path(__file__).parents[2] / "scenarios" / "audio"


def _sound(name: str) -> bytes:
    return dither(trim_silence(load_samples(AUDIO / f"{name}.flac").samples)).tobytes()


@pytest.fixture(scope="module")
def grammar() -> FlatGrammar:
    return FlatGrammar()


@pytest.mark.parametrize(
    ("name", "said", "others"),
    [
        ("call_meg-2", "bauer", ["power", "jones", "flower", "meg bauer", "tower"]),
        ("contacts_message-2", "chidi okafor", ["sheila prefer", "priya raman", "chidi"]),
        ("confirm_alarm-3", "yes", ["no", "wes weber", "yesterday", "stop"]),
        ("smart_home_vacuum-3", "the nursery", ["the mercury", "the bedroom", "roomba"]),
    ],
)
def test_what_was_said_is_likelier_than_what_was_not(
    grammar: FlatGrammar, name: str, said: str, others: list[str]
) -> None:
    scores = grammar.log_likelihoods(_sound(name), [*others, said])
    assert all(math.isfinite(score) for score in scores)
    assert max(scores[:-1]) < scores[-1] < 0.0


def test_the_same_call_gives_the_same_whatever_came_before(grammar: FlatGrammar) -> None:
    sound, texts = _sound("call_meg-2"), ["bauer", "power", "an hour"]
    first = grammar.log_likelihoods(sound, texts)
    grammar.log_likelihoods(_sound("confirm_alarm-3"), ["yes", "zelda xylophone"])
    assert grammar.log_likelihoods(sound, texts) == first
    assert FlatGrammar().log_likelihoods(sound, texts) == first
    turned = grammar.log_likelihoods(sound, texts[::-1])
    assert turned[::-1] == pytest.approx(first)


def test_names_of_no_dictionary_have_a_score_and_what_has_no_sound_has_none(
    grammar: FlatGrammar,
) -> None:
    texts = ["Wawa", "Xochitl", "24th", "", "...", "\u4e2d\u6587"]
    scores = grammar.log_likelihoods(_sound("call_meg-2"), texts)
    assert all(map(math.isfinite, scores[:3]))
    assert scores[3:] == [-math.inf] * 3
    assert grammar.log_likelihoods(_sound("call_meg-2"), []) == []
    assert grammar.log_likelihoods(_sound("call_meg-2"), [""]) == [-math.inf]


def test_texts_that_sound_the_same_score_the_same(grammar: FlatGrammar) -> None:
    scores = grammar.log_likelihoods(_sound("call_meg-2"), ["power", "Meg", "meg", "POWER"])
    assert scores[1] == scores[2]
    assert scores[0] == scores[3]


def test_many_texts_are_scored_at_once(grammar: FlatGrammar) -> None:
    texts = [f"{one} {two}" for one in ("meg", "ann", "tom") for two in ("bauer", "kim", "lee")]
    scores = grammar.log_likelihoods(_sound("call_meg-2"), [*texts, "bauer"])
    assert np.argmax(scores) == len(texts)
    with_it = [score for text, score in zip(texts, scores, strict=False) if "bauer" in text]
    assert min(with_it) > max(score for score in scores if score not in [*with_it, scores[-1]])


def test_the_dictionary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_scorer, "ENTRIES_MAX", 6)
    grammar, sound = FlatGrammar(), _sound("call_meg-2")
    first = grammar.log_likelihoods(sound, ["bauer", "jones"])
    decoder = grammar._decoder
    grammar.log_likelihoods(sound, ["jones", "bauer"])
    assert grammar._decoder is decoder
    for name in ("anna", "smith", "keller", "wade", "hall", "moss"):
        grammar.log_likelihoods(sound, [name, "bauer"])
        assert len(grammar._entries) <= 6
    assert grammar._decoder is not decoder
    assert grammar.log_likelihoods(sound, ["bauer", "jones"]) == first


def test_the_best_path_through_each_word_of_a_lattice() -> None:
    arcs = (
        Arc(0, 1, "", -1.0, 0.0), Arc(0, 2, "", -3.0, 0.0), Arc(1, 3, "a", -5.0, 0.0),
        Arc(2, 3, "a", -2.0, 0.0), Arc(1, 4, "b", -9.0, 0.0), Arc(3, 4, "", -1.0, 0.0),
    )  # fmt: skip
    best = best_through(Lattice((0.0, 0.1, 0.2, 0.3, 0.4), arcs))
    assert best == {"": -6.0, "a": -6.0, "b": -10.0}


def test_kept_sounds_are_bounded_and_known_by_their_numbers() -> None:
    kept: KeptSounds[str] = KeptSounds()
    numbers = [next_number() for _ in range(SOUNDS_MAX + 1)]
    for number in numbers[:-1]:
        kept.keep(number, f"sound {number}")
    assert kept.get(numbers[0]) == f"sound {numbers[0]}"
    kept.keep(numbers[-1], "the last")
    for wrong in (numbers[0], None, "1"):
        with pytest.raises(ContextUnavailable, match="SOUNDS_MAX"):
            kept.get(wrong)
    assert kept.get(numbers[1]) == f"sound {numbers[1]}"


@pytest_asyncio.fixture(params=[False, True], ids=["thread", "process"])
async def recognizer(request: pytest.FixtureRequest) -> AsyncIterator[PocketSphinxRecognizer]:
    made = PocketSphinxRecognizer(process=request.param)
    yield made
    made.close()


async def test_texts_are_scored_under_what_was_heard(recognizer: PocketSphinxRecognizer) -> None:
    port: AcousticScorer = recognizer
    bauer, yes = [
        await recognizer.recognize(load_samples(AUDIO / f"{name}.flac").samples)
        for name in ("call_meg-2", "confirm_alarm-3")
    ]
    for heard, better in ((bauer, 0), (yes, 1), (bauer, 0)):
        scores = await port.log_likelihoods(heard, ["bauer", "yes"])
        assert np.argmax(scores) == better
    texts = ["yes"] * TEXTS_MAX
    assert len(set(await port.log_likelihoods(yes, texts))) == 1
    with pytest.raises(LimitExceeded, match="TEXTS_MAX"):
        await port.log_likelihoods(yes, [*texts, "yes"])
    with pytest.raises(ContextUnavailable):
        await port.log_likelihoods(Recognition(()), ["yes"])


def _spoken(duration_s: float) -> Samples:
    """Speech from end to end, so that nothing is trimmed."""
    said = load_samples(AUDIO / "call_meg-2.flac").samples[8_000:16_000]
    return np.resize(said, int(duration_s * RATE_HZ))


def test_long_sound_is_not_kept() -> None:
    decoder = PocketSphinxDecoder(phones=False, trim=False)
    assert decoder.recognize(_spoken(SCORED_S_MAX), 7).sound == 7
    assert decoder.log_likelihoods(7, ["bauer"])[0] < 0.0
    assert decoder.recognize(_spoken(SCORED_S_MAX + 0.01), 8).sound is None
    assert decoder.recognize(np.zeros(RATE_HZ, np.int16), 9).sound is None
