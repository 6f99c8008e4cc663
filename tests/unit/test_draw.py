"""Drawing dialogues."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctxasr.errors import InputError
from ctxasr.evaluate.corpora.vocabulary import GIVEN
from ctxasr.scenario.draw import DRAWN_MAX, VOICES, draw, draw_scenarios
from ctxasr.scenario.format import load_scenario


def test_a_seed_draws_the_same_dialogues_and_another_others() -> None:
    assert draw(20, 1) == draw(20, 1)
    assert draw(20, 1) != draw(20, 2)


def test_the_halves_share_neither_names_nor_voices() -> None:
    tuning, held_out = draw(300, 1, "tuning"), draw(300, 1, "held-out")
    assert not {d.voice for d in tuning} & {d.voice for d in held_out}
    offered = [{name.split()[0] for d in half for name in d.names if d.kind == "contact"}
               for half in (tuning, held_out)]  # fmt: skip
    assert not offered[0] & offered[1]
    assert {name.lower() for name in offered[1]} <= set(GIVEN)


def test_answers_of_every_sort_are_drawn() -> None:
    assert {d.sort for d in draw(300, 1)} == {"in", "generic", "outside", "other"}


def test_scenarios_are_written_once(tmp_path: Path) -> None:
    paths = draw_scenarios(tmp_path, n=3, seed=5, voices=["flite:slt"])
    scenario = load_scenario(paths[0], need_audio=False)
    assert scenario.turns[1].user.voice == "flite:slt"
    with pytest.raises(InputError, match="exists already"):
        draw_scenarios(tmp_path, n=3, seed=5)


@pytest.mark.parametrize("n", [0, DRAWN_MAX + 1])
def test_n_has_bounds(n: int) -> None:
    with pytest.raises(InputError, match=str(DRAWN_MAX)):
        draw(n, 1)
    assert VOICES


@pytest.mark.parametrize("voice", ["", "nope", "flite:", "Flite:slt", ":slt"])
def test_a_voice_names_its_synthesiser(tmp_path: Path, voice: str) -> None:
    """A scenario with another one could not be read again."""
    with pytest.raises(InputError, match="as flite:slt"):
        draw_scenarios(tmp_path, n=1, seed=1, voices=["flite:slt", voice])
    assert not list(tmp_path.iterdir())
