"""The claim protocol's model, visited to its end, and held to its TLA+ module."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from ctxasr.sim.exploration import claim_model
from ctxasr.sim.exploration.claim_checks import INVARIANTS, LIVENESS, STEP_PROPERTIES, check
from ctxasr.sim.exploration.claim_model import ACTIONS, MIXED, RACING, Constants, Model, State

INFRA = Path(__file__).parents[2] / "infra"
MODULE, CONFIG = (INFRA / "claim.tla").read_text(), (INFRA / "claim.cfg").read_text()


# ---------------------------------------------------------------- the protocol


def test_the_protocol_holds_with_two_crashes_and_two_lost_answers() -> None:
    found = check(replace(MIXED, duplicates_max=0))
    assert found.broken is None
    assert (found.states, found.steps, found.depth) == (198_335, 799_547, 27)


def test_so_it_does_when_two_may_claim_and_one_comes_again() -> None:
    found = check(replace(RACING, crashes_max=1, losses_max=1))
    assert found.broken is None
    assert (found.states, found.steps) == (142_556, 497_467)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("constants", "states", "steps"),
    [
        (MIXED, 882_847, 3_688_643),
        (RACING, 1_040_610, 4_509_039),
        (replace(MIXED, crashes_max=1, losses_max=1, hurries_max=1), 559_497, 2_005_503),
        (replace(RACING, crashes_max=1, losses_max=1, hurries_max=1), 973_240, 3_568_516),
    ],
)
def test_a_duplicate_as_well_and_who_loses_patience(
    constants: Constants, states: int, steps: int
) -> None:
    """Of the first TLC counts the same states and steps in the module."""
    found = check(constants)
    assert found.broken is None
    assert (found.states, found.steps) == (states, steps)


# ---------------------------------------------------------------- the module


def section(text: str, begins: str, ends: str) -> list[str]:
    """The names in a part of a text, comments left out."""
    part = re.search(rf"^{begins}\b(.*?)^{ends}", text, re.DOTALL | re.MULTILINE)
    assert part is not None, begins
    return re.findall(r"\w+", re.sub(r"\\\*.*", "", part[1]))


def test_variables_actions_and_properties_have_the_names_of_the_module() -> None:
    assert section(MODULE, "VARIABLES", "vars") == list(State._fields)
    (following,) = re.findall(r"^Next == (.*?)$\n\n", MODULE, re.MULTILINE | re.DOTALL)
    assert re.findall(r"(\w+)\(e\)", following) == list(ACTIONS)
    assert section(CONFIG, "INVARIANTS", "\n") == list(INVARIANTS)
    assert section(CONFIG + "\n\n", "PROPERTIES", "\n") == [*STEP_PROPERTIES, *LIVENESS]
    defined = re.findall(r"^(\w+) ==", MODULE, re.MULTILINE)
    assert {*INVARIANTS, *STEP_PROPERTIES, *LIVENESS} <= set(defined)
    (labels,) = re.findall(r"^Labels == \{(.*?)\}", MODULE, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"\w+", labels)) == claim_model.LABELS


def test_the_configuration_has_the_constants_of_the_model() -> None:
    given = dict(re.findall(r"^ +(\w+) = (.*)$", CONFIG, re.MULTILINE))

    def names(text: str) -> frozenset[str]:
        return frozenset(re.findall(r"\w+", text))

    assert (
        Constants(
            events=tuple(re.findall(r"\w+", given["Events"])),
            payloads=names(given["Payloads"]),
            needed=names(given["Needed"]),
            asks=given["Asks"],
            closes=given["Closes"],
            crashes_max=int(given["CrashesMax"]),
            losses_max=int(given["LossesMax"]),
            duplicates_max=int(given["DuplicatesMax"]),
            hurries_max=int(given["HurriesMax"]),
        )
        == MIXED
    )


# ---------------------------------------------------------------- mutants


ONE_CRASH = replace(MIXED, crashes_max=1, losses_max=0, duplicates_max=0)
"""Where every state is met before it shows."""


class Mutant(NamedTuple):
    """A change to the model, and what it breaks."""

    line: str
    becomes: str
    broken: str
    constants: Constants = MIXED


WAITS = 'return "embed" if s.owner == event else self.waits(event)'
LOST = 'if s.outcome != "open":\n                return "ack"\n            '
FOUND = "if s.owner != NOBODY:\n            "
"""Before the two places where an event finds the turn claimed by another."""

MUTANTS = {
    "an outcome that is none": Mutant(
        'outcome = "discarded" if label == "discard" else "missed"', 'outcome = "closed"', "TypeOK",
    ),
    "what takes effect was never stored": Mutant(
        'return "store" if readable else "miss"',
        'return "settle" if readable else "miss"',
        "AtMostOneContext",
    ),
    "a settle whose answer was lost is missed after all": Mutant(
        'if s.outcome == "open" and entitled:', "if entitled:", "SettledForGood",
    ),
    "a redelivery does not know its own claim": Mutant(
        f"{FOUND}{WAITS}", f'{FOUND}return "ack"', "ClaimIsRecognised",
    ),
    "a lost claim is taken for a conflict": Mutant(
        f"{LOST}{WAITS}",
        f'{LOST}return "embed" if s.owner == event and not s.losses else "ack"',
        "ClaimIsRecognised",
    ),
    "who loses the claim is acknowledged at once": Mutant(
        f"{LOST}{WAITS}",
        f'{LOST}return "embed" if s.owner == event else "ack"',
        "TriggerIsAnswered",
    ),
    "who finds the claim taken is acknowledged at once": Mutant(
        f"{FOUND}{WAITS}",
        f'{FOUND}return "embed" if s.owner == event else "ack"',
        "TriggerIsAnswered",
    ),
    "the trigger is passed over": Mutant(
        'return "claim" if self.constants.needed <= s.recorded else "ack"',
        'return "ack"',
        "TriggerIsAnswered",
    ),
    "completed is passed over": Mutant(
        'return "discard" if self.constants.closes in s.recorded else "ack"',
        'return "ack"',
        "CompletedIsClosed",
    ),
    "a closed turn takes no events": Mutant(
        "s._replace(recorded=s.recorded | {event})",
        's._replace(recorded=s.recorded | ({event} if s.key != "gone" else set()))',
        "AcknowledgedIsRecorded",
    ),
    "a discard does not look for an owner": Mutant(
        'entitled = (s.owner == NOBODY) == (label == "discard")', "entitled = True",
        "ClaimedIsNotDiscarded",
    ),
    "the key outlives the close": Mutant(
        'outcome=outcome, key="gone")', "outcome=outcome)", "ClosedIsShredded",
    ),
    "the event before its payload": Mutant(
        'return "put" if s.key == "there" else "write"', 'return "write"', "PayloadBeforeEvent",
    ),
    "the payload of a closed turn stays": Mutant(
        'return "clean"', 'return "ack"', "NothingIsLeft",
    ),
    "claimed without a condition": Mutant(
        'if label == "claim" and s.owner == NOBODY and s.outcome == "open":',
        'if label == "claim" and s.outcome == "open":',
        "OwnedForGood",
        RACING,
    ),
    "a write forgets the events before it": Mutant(
        "s._replace(recorded=s.recorded | {event})", "s._replace(recorded=frozenset({event}))",
        "RecordedForGood",
    ),
    "nobody works on a claim": Mutant(
        'return "store" if readable else "miss"', 'return "embed"', "Settles", ONE_CRASH,
    ),
    "the clean-up never ends": Mutant(
        '"clean": "ack"', '"clean": "clean"',
        "Acknowledges", ONE_CRASH,
    ),
}  # fmt: skip


def mutated(line: str, becomes: str) -> tuple[type[Model], type[Constants]]:
    """The model and its constants, with one place of their source changed."""
    source = Path(claim_model.__file__).read_text()
    assert source.count(line) == 1, f"{source.count(line)} times: {line}"
    names: dict[str, object] = {"__name__": claim_model.__name__}
    exec(compile(source.replace(line, becomes), "mutant", "exec"), names)  # noqa: S102
    model, constants = names["Model"], names["Constants"]
    assert isinstance(model, type)
    assert isinstance(constants, type)
    return model, constants


@pytest.mark.parametrize("name", MUTANTS)
def test_a_changed_model_breaks_what_it_should(name: str) -> None:
    line, becomes, broken, given = MUTANTS[name]
    model, constants = mutated(line, becomes)
    values = {field: getattr(given, field) for field in Constants.__slots__}
    found = check(constants(**values), model)
    assert found.broken is not None, f"{name!r} survives {found.states} states"
    assert found.broken.name == broken, found.broken
    print(f"{name}: {found.states} states, {len(found.broken.way)} steps, {broken}")


def test_every_property_has_a_mutant_that_breaks_it() -> None:
    assert {mutant.broken for mutant in MUTANTS.values()} == {
        *INVARIANTS, *STEP_PROPERTIES, *LIVENESS,
    }  # fmt: skip
