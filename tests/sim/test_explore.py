"""Every interleaving of small turns: all holds. And for each check a change that makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from conftest import Encoder

from ctxasr.errors import InputError
from ctxasr.pipeline import on_event
from ctxasr.sim.exploration.checks import Faults
from ctxasr.sim.exploration.one_by_one import ends_of, replay
from ctxasr.sim.exploration.search import Exploration, ends, explore, search
from ctxasr.sim.exploration.small_turns import SMALL_TURNS
from ctxasr.sim.exploration.tables import Stores
from ctxasr.sim.exploration.turn import Handle, Setting, prepare
from ctxasr.store import memory
from sim.changed_code import changed, changed_pipeline

NONE = Faults()
ONE_OF_EACH = Faults(crashes=1, lost_answers=1)


def making(module: Any = memory) -> Callable[[Any, Any], Stores]:
    return lambda clock, draws: (module.MemoryEventStore(clock), module.MemoryVault(clock, draws))


def setting(turn: str, faults: Faults = NONE, recorders: int = 3, **more: Any) -> Setting:
    given: dict[str, Any] = {"encoder": Encoder(), "make": making()} | more
    return prepare(SMALL_TURNS[turn], recorders=recorders, faults=faults, **given)


# ---------------------------------------------------------------- all interleavings

COUNTED = {
    # 10!/(4! 4! 2!) orders of what comes before the trigger; then one recorder is alone
    "asks": 3_150,
    "races": 23_835,
    "fails": 52_995,
    "discards": 122_574,
    "mixed": 3_790,
    "swept": 2_643,
    "forgotten": 83_427,
}


def outcomes_of(turn: str) -> set[str]:
    """Those that are reached: what was forgotten may be left for the sweep."""
    if turn == "forgotten":
        return {"None", "discarded"}
    return {str(one) for one in SMALL_TURNS[turn].outcomes}


@pytest.mark.parametrize("turn", SMALL_TURNS)
def test_every_interleaving_of_three_recorders_holds(turn: str) -> None:
    found = search(setting(turn))
    assert found.violation is None
    assert found.interleavings == COUNTED[turn]
    assert set(found.outcomes) == outcomes_of(turn), "each outcome is reached"
    assert found.contexts_max <= 1, "work is done once where nothing fails"


@pytest.mark.parametrize("turn", [turn for turn in SMALL_TURNS if turn != "forgotten"])
def test_every_interleaving_with_a_crash_and_a_lost_answer_holds(turn: str) -> None:
    found = search(setting(turn, ONE_OF_EACH))
    assert found.holds, found.violation
    assert found.interleavings > 1_000 * COUNTED[turn], "faults are met at every operation"
    assert set(found.outcomes) == set(SMALL_TURNS[turn].outcomes)


@pytest.mark.parametrize(
    ("recorders", "faults"),
    [
        (4, NONE),
        (2, ONE_OF_EACH),
        (3, Faults(crashes=1)),
        (3, Faults(lost_answers=1)),
        (3, Faults(outages=1)),
        (3, Faults(deadlines=1, lost_answers=1)),
        (2, Faults(duplicates=1)),
    ],
    ids=str,
)
def test_a_forget_at_any_moment_holds(recorders: int, faults: Faults) -> None:
    found = search(setting("forgotten", faults, recorders))
    assert found.holds, found.violation
    assert {"None", "discarded"} >= set(found.outcomes) - {"embedded", "missed"}
    assert found.interleavings > 10_000


@pytest.mark.proof
def test_a_forget_at_any_moment_with_a_crash_and_a_lost_answer_holds() -> None:
    found = search(setting("forgotten", ONE_OF_EACH))
    assert found.holds, found.violation
    assert found.interleavings > 1_000 * COUNTED["forgotten"]


@pytest.mark.parametrize(
    "faults",
    [Faults(outages=1), Faults(deadlines=1, lost_answers=1), Faults(duplicates=1)],
    ids=str,
)
@pytest.mark.parametrize("turn", ["asks", "races", "mixed", "swept"])
def test_other_faults_hold(turn: str, faults: Faults) -> None:
    found = search(setting(turn, faults))
    assert found.holds, found.violation
    may_be_missed = faults.duplicates == 0 or turn == "swept"
    assert ("missed" in found.outcomes) == may_be_missed


@pytest.mark.parametrize("turn", ["asks", "races", "mixed"])
def test_a_duplicate_that_dies_with_the_claim_leaves_its_turn_to_the_others(turn: str) -> None:
    """One delivery is acknowledged, another has claimed and dies: nobody delivers it again. Who
    lost the claim to it works in its place."""
    found = search(setting(turn, Faults(crashes=1, duplicates=1), recorders=2))
    assert found.holds, found.violation
    assert "missed" not in found.outcomes


def test_who_loses_patience_with_an_owner_at_work_does_no_harm() -> None:
    found = search(setting("races", Faults(deadlines=1)))
    assert found.holds, found.violation
    assert found.contexts_max == 2, "both have worked, and one has settled"


@pytest.mark.parametrize(
    ("turn", "recorders", "faults"),
    [
        ("mixed", 3, NONE),
        ("races", 2, NONE),
        ("races", 1, ONE_OF_EACH),
        pytest.param("races", 2, Faults(lost_answers=1), marks=pytest.mark.proof),
        ("asks", 2, Faults(lost_answers=1)),
        ("asks", 2, Faults(deadlines=1)),
        ("discards", 1, Faults(crashes=1, outages=1)),
        ("swept", 2, Faults(outages=1)),
        ("asks", 1, Faults(duplicates=1)),
        ("forgotten", 2, NONE),
    ],
    ids=str,
)
def test_merged_states_lose_no_interleaving(turn: str, recorders: int, faults: Faults) -> None:
    """Run one by one, on live handlers and tables: as many interleavings lead to each end."""
    merged = ends(setting(turn, faults, recorders))
    assert merged == ends_of(setting(turn, faults, recorders))
    assert merged.total() > 20


def test_what_was_cut_off_is_no_proof() -> None:
    whole = search(setting("races"))
    assert search(setting("races"), states_max=whole.states).holds
    cut = search(setting("races"), states_max=whole.states - 1)
    assert (cut.is_cut, cut.holds, cut.violation) == (True, False, None)


@pytest.mark.parametrize("recorders", [0, 5])
def test_too_many_or_too_few_recorders(recorders: int) -> None:
    with pytest.raises(InputError, match="1 to 4 recorders"):
        setting("races", recorders=recorders)


# ---------------------------------------------------------------- what if


@pytest.mark.parametrize(
    ("what_if", "turn", "faults", "broken"),
    [
        ("eventual-reads", "asks", NONE, "1"),
        ("no-claim", "races", NONE, "2"),
        ("blind-conflict", "asks", Faults(lost_answers=1), "3"),
    ],
)
def test_what_ifs_break_something(what_if: str, turn: str, faults: Faults, broken: str) -> None:
    found = search(setting(turn, faults, what_if=what_if))
    assert found.violation is not None
    assert found.violation.what.startswith(f"{broken}:")


# ---------------------------------------------------------------- mutants


class Mutant(NamedTuple):
    """A change to a module, where it shows, and the number of the invariant that it breaks."""

    module: str
    line: str
    becomes: str
    turn: str
    faults: Faults
    broken: str


STAGE_MUTANTS = {
    "the decision stands on an item from before the write": Mutant(
        "ctxasr.record",
        "status = await store.record(event, expires_at_s)",
        "before = await store.read(turn)\n"
        "            status = await store.record(event, expires_at_s)\n"
        "            status = before or status",
        "asks", NONE, "1",
    ),
    "the payload of a closed turn stays": Mutant(
        "ctxasr.record",
        "await vault.delete(payload.turn, [payload.ref])", "pass",
        "discards", NONE, "8",
    ),
    "a redelivery does not know its own claim": Mutant(
        "ctxasr.trigger",
        "return Decision.COMPUTE if status.owner == event_id else Decision.OTHERS",
        "return Decision.OTHERS",
        "asks", Faults(crashes=1), "3",
    ),
    "who loses the claim is acknowledged at once": Mutant(
        "ctxasr.pipeline",
        "return await _see_settled(status, event, ports) if may_complete(event) else status",
        "return status",
        "asks", Faults(crashes=1, duplicates=1), "1",
    ),
    "who finds the claim taken is acknowledged at once": Mutant(
        "ctxasr.pipeline",
        "case Decision.OTHERS if may_complete(event):",
        "case Decision.OTHERS if False:",
        "asks", Faults(crashes=1, lost_answers=1, duplicates=1), "1",
    ),
    "who has waited in vain leaves the turn open": Mutant(
        "ctxasr.pipeline", "            tried = True\n", "            return status\n",
        "asks", Faults(crashes=1, duplicates=1), "1",
    ),
    "deleted before shredded": Mutant(
        "ctxasr.trigger",
        "    settled = await store.settle(status.turn, outcome",
        "    await vault.delete(status.turn, sorted(status.refs))\n"
        "    settled = await store.settle(status.turn, outcome",
        "discards", NONE, "8",
    ),
    "a discard does not look for an owner": Mutant(
        "ctxasr.trigger",
        "    settled = await store.settle(status.turn, outcome",
        "    owner = (await store.read(status.turn) or status).owner\n"
        "    settled = await store.settle(status.turn, outcome",
        "mixed", NONE, "2",
    ),
    "a discard shreds and leaves the payloads": Mutant(
        "ctxasr.trigger", "if settled.outcome is outcome:", "if False:", "discards", NONE, "8",
    ),
    "the trigger waits for one payload too many": Mutant(
        "ctxasr.trigger", ">= announced", "> announced", "asks", NONE, "1",
    ),
    "acknowledged once claimed": Mutant(
        "ctxasr.pipeline",
        "    status = await ports.store.claim(status.turn, event.key.event",
        "    return await ports.store.claim(status.turn, event.key.event",
        "asks", NONE, "3",
    ),
    "whoever does not own the claim works as well": Mutant(
        "ctxasr.pipeline",
        "grounds=grounds)\n    if status.owner == event.key.event:",
        "grounds=grounds)\n    if status.owner:",
        "races", NONE, "2",
    ),
    "a context that failed is nobody's": Mutant(
        "ctxasr.pipeline",
        "status, ports.store, ports.vault, outcome=Outcome.MISSED, owner=status.owner",
        "status, ports.store, ports.vault, outcome=Outcome.MISSED, owner=None",
        "fails", NONE, "3",
    ),
    "a context that came too late stays": Mutant(
        "ctxasr.pipeline",
        "if ports.embedder is None and ref not in settled.refs:",
        "if False:",
        "races", Faults(deadlines=1), "8",
    ),
    "a claim demands nothing of what it stands on": Mutant(
        "ctxasr.pipeline",
        "claim(status.turn, event.key.event, grounds=grounds)",
        "claim(status.turn, event.key.event)",
        "forgotten", NONE, "6",
    ),
    "an outcome demands nothing of what it stands on": Mutant(
        "ctxasr.trigger",
        "settle(status.turn, outcome, owner=owner, grounds=grounds)",
        "settle(status.turn, outcome, owner=owner)",
        "forgotten", NONE, "6",
    ),
    "the key that was used is not compared with the item's": Mutant(
        "ctxasr.record",
        "if key is not None and key == status.wrapped_key:", "if key is not None:",
        "forgotten", NONE, "9",
    ),
    "an error ends the handler": Mutant(
        "ctxasr.pipeline",
        "except Exception as error:  # late, or the model failed in whatever way: plain stands",
        "except TimeoutError as error:",
        "fails", NONE, "8",
    ),
}  # fmt: skip

STORE_MUTANTS = {
    "settled without a condition": Mutant(
        "ctxasr.store.memory",
        "if item.outcome is None and item.owner == owner and grounds.hold(item):", "if True:",
        "swept", NONE, "2",
    ),
    "settled by whoever comes": Mutant(
        "ctxasr.store.memory",
        "if item.outcome is None and item.owner == owner and grounds.hold(item):",
        "if item.outcome is None:",
        "mixed", NONE, "2",
    ),
    "claimed without a condition": Mutant(
        "ctxasr.store.memory",
        "if item.owner is None and item.outcome is None and grounds.hold(item):",
        "if item.outcome is None:",
        "races", NONE, "3",
    ),
    "a closed turn gets a key": Mutant(
        "ctxasr.store.memory",
        "        if item.outcome is None:\n            item = _fit(item._replace(wrapped_key",
        "        if True:\n            item = _fit(item._replace(wrapped_key",
        "discards", NONE, "8",
    ),
    "claimed whatever the item shows": Mutant(
        "ctxasr.store.memory",
        "if item.owner is None and item.outcome is None and grounds.hold(item):",
        "if item.owner is None and item.outcome is None:",
        "forgotten", NONE, "6",
    ),
    "each opens the turn with a key of its own": Mutant(
        "ctxasr.store.memory",
        "wrapped_key=item.wrapped_key or wrapped_key", "wrapped_key=wrapped_key",
        "asks", NONE, "7",
    ),
    "the key outlives the close": Mutant(
        "ctxasr.store.memory",
        "key = item.wrapped_key if outcome is Outcome.EMBEDDED else None",
        "key = item.wrapped_key",
        "fails", NONE, "8",
    ),
    "a write forgets the events before it": Mutant(
        "ctxasr.store.memory",
        "marks = {event.key.event: event.mark, **item.marks}",
        "marks = {event.key.event: event.mark}",
        "asks", NONE, "9",
    ),
    "a write forgets the payloads before it": Mutant(
        "ctxasr.store.memory",
        "else item.refs | {event.payload.ref}", "else frozenset({event.payload.ref})",
        "asks", NONE, "9",
    ),
    "the token's link is not kept": Mutant(
        "ctxasr.store.memory",
        "self._links.setdefault((turn.customer, token), (turn, expires_at_s))", "pass",
        "asks", NONE, "7",
    ),
}  # fmt: skip


def handled_by(pipeline: ModuleType) -> Handle:
    handle: Handle = pipeline.on_event
    return handle


def killed(mutant: Mutant, name: str, found: Exploration, given: Setting) -> None:
    """The mutant breaks what it should, and the real handlers show the same in the same order."""
    assert found.violation is not None, f"{name!r} survives {found.interleavings} interleavings"
    assert found.violation.what.startswith(f"{mutant.broken}:"), found.violation.what
    steps = replay(given, found.violation.actions)
    assert len(steps) == len(found.violation.actions)
    print(f"{name}: {found.states} states, {len(steps)} steps: {found.violation.what}")


@pytest.mark.parametrize("name", STAGE_MUTANTS)
def test_a_changed_stage_is_killed(name: str) -> None:
    mutant = STAGE_MUTANTS[name]
    pipeline = changed_pipeline(mutant.module, mutant.line, mutant.becomes)
    assert pipeline.on_event is not on_event
    given = setting(mutant.turn, mutant.faults, handle=handled_by(pipeline))
    killed(mutant, name, search(given), given)


@pytest.mark.parametrize("name", STORE_MUTANTS)
def test_a_changed_store_is_killed(name: str) -> None:
    mutant = STORE_MUTANTS[name]
    store = changed(mutant.module, mutant.line, mutant.becomes)
    given = setting(mutant.turn, mutant.faults, make=making(store))
    killed(mutant, name, search(given), given)


def test_a_copy_without_a_change_survives() -> None:
    """The machinery of the mutants breaks nothing by itself."""
    pipeline = changed_pipeline("ctxasr.trigger", ">= announced", ">=  announced")
    found = explore(SMALL_TURNS["asks"], making(), encoder=Encoder(), handle=handled_by(pipeline))
    assert (found.violation, found.interleavings) == (None, COUNTED["asks"])
