"""Which names are on offer: the answer, or nothing that sounds like it; the same for a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctxasr.evaluate.corpora.conditions import (
    ANOTHER,
    EMPTIED,
    FOREIGN,
    MANY,
    NOTHING,
    OWN,
    Condition,
    conditions_of,
)
from ctxasr.evaluate.corpora.neighbours import Neighbours, Sounds
from ctxasr.evaluate.corpora.people import read_people
from ctxasr.evaluate.corpora.reading import read_evi, read_human
from ctxasr.evaluate.corpora.utterance import Utterance
from ctxasr.events import Entity, TurnText

NAMES = [f"{given} {family}" for given in ("Jane", "Jayne", "Joan", "Meg", "Noah", "Wes", "Otto")
         for family in ("Smith", "Smyth", "Bauer", "Jones", "Reid", "Reed")]  # fmt: skip
ASKED = TurnText("", "What is your name?", slot="name")
JANE = Utterance("a", "names", "Jane Smith", ASKED, heard=("jane smith",))
SEED = 3


def neighbours() -> Neighbours:
    return Neighbours(NAMES, Sounds())


def named(condition: Condition, utterance: Utterance = JANE) -> list[list[str]]:
    return [
        [*(entity.text for entity in turn.entities), *turn.screen]
        for turn in condition.of(utterance, SEED)
    ]


def by_name(corpus: str, *utterances: Utterance) -> dict[str, Condition]:
    return {one.name: one for one in conditions_of(corpus, utterances or (JANE,), neighbours())}


def test_lists_with_the_name_hold_it_once_and_lists_without_hold_no_twin() -> None:
    found = by_name("names")
    sounds = Sounds()
    assert {"name among 2", "name among 10", "name among 100", f"name among {MANY:,}"} <= {*found}
    for name, condition in found.items():
        (listed,) = named(condition)
        assert len(set(listed)) == len(listed)
        if condition.right:
            assert listed.count("Jane Smith") == 1
            listed.remove("Jane Smith")
        assert not [other for other in listed if sounds.same(other, "Jane Smith")], name
    assert len(named(found["name among 2"])[0]) == 2
    assert len(named(found["10 random without it"])[0]) == 10
    assert set(named(found["2 nearest without it"])[0]) <= {"Joan Smith", "Joan Smyth"}
    assert "Jayne Smyth" not in named(found["name among its 99 nearest"])[0]


def test_lists_that_outgrow_the_names_end() -> None:
    (listed,) = named(by_name("names")["100 random without it"])
    assert len(listed) == len(NAMES) - 4  # Jane and Jayne, Smith and Smyth


def test_a_condition_depends_on_the_seed_and_the_utterance_alone() -> None:
    first, again = (
        by_name("names")["10 random without it"],
        by_name("names")["10 random without it"],
    )
    assert first.of(JANE, 1) == again.of(JANE, 1)
    assert first.of(JANE, 1) != first.of(JANE, 2)
    assert first.of(JANE, 1) != first.of(replace(JANE, id="b"), 1)


def test_the_question_stays_and_the_names_are_of_its_kind() -> None:
    (turn,) = by_name("names")["name among 2"].of(JANE, SEED)
    assert (turn.reply, turn.slot) == (ASKED.reply, ASKED.slot)
    assert {entity.kind for entity in turn.entities} == {"name"}
    shown = replace(JANE, asked=replace(ASKED, screen=("Old Name",)))
    assert "Old Name" not in named(by_name("names")["name among 2"], shown)[0]


def test_the_place_of_the_answer_says_nothing() -> None:
    places = {
        named(by_name("names")["name among 10"], replace(JANE, id=f"{n}"))[0].index("Jane Smith")
        for n in range(60)
    }
    assert len(places) > 5


@pytest.mark.parametrize("corpus", ["names", "followups", "everyday", "human-names", "mine"])
def test_every_corpus_is_met_with_an_emptied_context(corpus: str) -> None:
    assert by_name(corpus)[EMPTIED].of(JANE, SEED) == [NOTHING]


def test_followups_meet_their_own_options_more_names_and_other_dialogues() -> None:
    def asked(*names: str) -> TurnText:
        return TurnText("", "Which?", tuple(Entity("contact", name) for name in names))

    dialogues = [
        Utterance(f"{n}", "followups", name, asked(name, "Meg Jones"), heard=(name,))
        for n, name in enumerate(["Otto Reed", "Wes Reed", "Noah Bauer"])
    ]
    twin = Utterance("y", "followups", "luc", asked("Read Hull"), heard=("luc",))
    lone = Utterance("x", "followups", "luke", asked("Luke Hall"), heard=("luke",))
    found = by_name("followups", *dialogues, lone)
    assert named(found[OWN], dialogues[0]) == [["Otto Reed", "Meg Jones"]]
    (more,) = named(found["own and 100 names"], dialogues[0])
    assert more[:2] == ["Otto Reed", "Meg Jones"]
    assert len(more) > 30
    assert named(found[ANOTHER], dialogues[0]) == [["Luke Hall"]]  # the others share a name
    assert len(named(found[ANOTHER], lone)) == 3
    again = by_name("followups", *dialogues, lone, twin)[ANOTHER]
    assert named(again, dialogues[0]) == [["Luke Hall"]]  # Read sounds like the answer's Reed
    assert named(again, replace(lone, reference="hull")).count(["Read Hull"]) == 0


def test_neighbours_on_real_names_exclude_twins(data: Path) -> None:
    people = Neighbours(read_people(data), Sounds())
    turns = [one for one in read_evi(data) if one.corpus == "evi-name"][::40]
    for condition in conditions_of("evi-name", turns, people):
        for turn in turns:
            (listed,) = named(condition, turn)
            twins = [name for name in listed if people.sounds.same(name, turn.reference)]
            assert twins == ([turn.reference] if condition.right else []), condition.name


def test_people_meet_the_options_of_the_other_question(data: Path) -> None:
    clips = read_human(data)
    kinds = {one.corpus: one for one in clips}
    found = {one.name: one for one in conditions_of("human-digits", clips, neighbours())}
    assert named(found[FOREIGN], kinds["human-digits"]) == [list(kinds["human-names"].options)]
