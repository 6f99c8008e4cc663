"""Names and terms that come with an utterance: how they weigh, and that they do no harm."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from conftest import World, recognition, run

import ctxasr.bias
import ctxasr.hints
from ctxasr.answer import ContextState, Listening, on_utterance, with_hints
from ctxasr.bias import GENERIC_ANSWERS, Bias, bias_of
from ctxasr.events import TurnKey
from ctxasr.hints import (
    HINTS_MAX,
    NAMES_SHARE,
    NAMES_SIGNAL,
    NO_HINTS,
    TERMS_SHARE,
    TERMS_SIGNAL,
    hinted,
    hints_of,
)
from ctxasr.hypotheses import PHRASE_CHARS_MAX, Phrase

TURN = TurnKey("customer", "turn-1")


def weights(bias: Bias) -> dict[str, float]:
    return {one.phrase.text: math.exp(one.log_prior) for one in bias.phrases}


def test_names_are_strong_and_terms_weak() -> None:
    hints = hints_of(["Meg Bauer"], ["Dim"])
    found = {phrase.text: phrase.signal for phrase in hints.phrases}
    assert found == {
        "meg bauer": NAMES_SIGNAL, "dim": TERMS_SIGNAL, "bauer": NAMES_SIGNAL, "meg": NAMES_SIGNAL,
    }  # fmt: skip
    alone = weights(hinted(Bias(), hints))
    generic = {text: alone.pop(text) for text in GENERIC_ANSWERS}
    assert alone["meg bauer"] == pytest.approx(NAMES_SHARE / 3)
    assert alone["dim"] == pytest.approx(TERMS_SHARE)
    assert sum(alone.values()) == pytest.approx(NAMES_SHARE + TERMS_SHARE)
    assert sum(generic.values()) == pytest.approx(1.0)
    assert hinted(Bias(), NO_HINTS) == Bias()


def test_what_the_context_names_stays_in_front() -> None:
    context = bias_of([Phrase("meg jones", "entities")], np.log([0.2, 0.8]).astype(np.float32))
    both = weights(hinted(context, hints_of(["Otto", "Meg Jones"], [])))
    assert both["meg jones"] == pytest.approx(0.8), "the heavier of the two"
    assert both["otto"] == pytest.approx(0.2 * NAMES_SHARE / 2, rel=1e-5), (
        "the share is of both names; each has its parts in it"
    )
    assert set(both) == {"meg jones", "otto", "meg", "jones", *GENERIC_ANSWERS}
    assert hinted(context, NO_HINTS) == context


def test_hints_are_bounded_and_what_is_left_out_is_counted() -> None:
    names = [f"name number {number}" for number in range(HINTS_MAX)]
    assert hints_of(names, []).left_out == 0
    assert len(hints_of(names, []).phrases) == HINTS_MAX
    assert hints_of([*names, "one more"], []).left_out == 1
    assert hints_of(names, ["a term"]).left_out == 1
    assert hints_of(["x" * PHRASE_CHARS_MAX], []).left_out == 0
    assert hints_of(["x" * (PHRASE_CHARS_MAX + 1)], []).left_out == 1
    assert hints_of(["", " ", "?", "Meg", "meg"], ["Meg"]).left_out == 0, "nothing was lost"
    assert hints_of(["n"] * 1_000_000, ["t"] * 1_000_000).left_out == 2 * (1_000_000 - HINTS_MAX)


def test_names_that_cannot_be_phrases_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing 300 of the second kind held up the event loop for twelve seconds."""
    long = ["ab " * 80_000, "\ufdfa" * PHRASE_CHARS_MAX, "e\u0301" * 80_000]
    looked_at: list[str] = []
    for module in ("hints.normalise", "bias.words_in"):
        of_texts = operator.attrgetter(module)(ctxasr)

        def look(text: str, of_texts: Any = of_texts) -> Any:
            looked_at.append(text)
            return of_texts(text)

        monkeypatch.setattr(f"ctxasr.{module}", look)
    hints = hints_of([*long, "Meg"], [*long, "dim"])
    assert [phrase.text for phrase in hints.phrases] == ["meg", "dim"]
    assert hints.left_out == 2 * len(long)
    assert set(looked_at) == {"", "Meg", "dim"}  # hints have an empty reply


def test_hints_show_nothing_in_a_repr() -> None:
    assert "canary" not in repr(hints_of(["canary"], ["canary bird"]))


def test_an_utterance_that_nobody_asked_for_is_rescored_under_its_hints() -> None:
    world = World()

    async def main() -> None:
        ports = world.process()
        nothing = Listening(ContextState.NONE, reason="nothing was asked")
        for names, heard, text in (
            (["Meg Bauer", "Meg Jones"], ("power", "meg bauer"), "meg bauer"),
            (["Meg Bauer", "Meg Jones"], ("power", "power"), "power"),
            (["Kitchen Light"], ("turn on the kitchen light", "turn"), "turn on the kitchen light"),
        ):
            known = await with_hints(nothing, hints_of(names, []), ports)
            result = await on_utterance(known, recognition(*heard), ports, TURN)
            assert result.result.text == text
            assert result.context is ContextState.NONE
            if text != heard[0]:
                assert result.reason == f"named by {NAMES_SIGNAL}"
        result = await on_utterance(nothing, recognition("power"), ports, TURN)
        assert (result.result.text, result.reason) == ("power", "nothing was asked")

    run(main())
