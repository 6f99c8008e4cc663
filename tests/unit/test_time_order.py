"""A context holds nothing of the future, whatever token is echoed (invariant 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import ANSWER, HEARD, TTL_S, World, recognition, recognize, run, turn

from ctxasr.answer import ContextState, listen, on_utterance
from ctxasr.context import ContextEmbedding
from ctxasr.events import TurnKey, to_event
from ctxasr.store.memory import MemoryVault
from ctxasr.timing import CLOCK_SKEW_MS_MAX, is_later

LONG_MS = 60_000
"""The reply of an earlier turn still plays while a later one is embedded."""


async def deliver(world: World, *turns: dict[str, Any]) -> None:
    for records in turns:
        await world.deliver(list(records.values()))


def said(name: str, at_ms: float, echoes: str | None = None) -> dict[str, Any]:
    """A turn whose utterance begins with the name."""
    token = f"ask-{echoes}" if echoes else None
    return turn(name, asked_with=token, utterance=name, at_ms=at_ms, reply_ms=LONG_MS)


async def held_by(world: World, name: str) -> str:
    """The names of the turns whose vectors a context holds, oldest first."""
    return "".join(chr(int(row[1])) for row in (await world.context(name)).vectors)


@pytest.mark.parametrize(
    ("later_by_ms", "held"),
    [
        (CLOCK_SKEW_MS_MAX + 1, "a"),
        (5_000, "a"),
        (CLOCK_SKEW_MS_MAX, "ba"),  # two recorders' clocks may disagree by so much
        (0, "ba"),
        (-5_000, "ba"),
    ],
)
def test_a_turn_never_extends_a_context_of_one_that_began_later(
    later_by_ms: float, held: str
) -> None:
    async def main() -> None:
        world = World()
        await deliver(world, said("b", 10_000 + later_by_ms), said("a", 10_000, echoes="b"))
        assert await held_by(world, "a") == held
        phrases = (await world.context("a")).phrases
        assert len(phrases) == len({phrase.text for phrase in phrases})

    run(main())


def test_nor_through_turns_between() -> None:
    """Each step is within the clocks' skew, all of them together are not."""

    async def main() -> None:
        world = World()
        step = CLOCK_SKEW_MS_MAX - 100
        await deliver(world, said("c", 2 * step), said("b", step, "c"), said("a", 0, "b"))
        assert await held_by(world, "b") == "cb"
        assert await held_by(world, "a") == "a"
        await deliver(world, said("d", 3 * step, "b"))
        assert await held_by(world, "d") == "cbd", "what comes after all of them may hold them"

    run(main())


def test_when_a_turn_began_is_its_first_mark_whichever_event_it_is() -> None:
    async def main() -> None:
        world = World()
        early = said("b", 60_000)
        early["screen"] = early["screen"].model_copy(
            update={"received_at": early["screen"].received_at - 60_000}
        )
        await deliver(world, early, said("a", 10_000, echoes="b"))
        assert await held_by(world, "a") == "ba"

    run(main())


def test_a_circle_and_a_turn_that_echoes_itself_end() -> None:
    async def main() -> None:
        world = World()
        await deliver(world, said("b", 100, "a"), said("a", 0, "b"), said("s", 0, "s"))
        assert await held_by(world, "b") == "b"
        assert await held_by(world, "a") == "ba", "within the skew, and each turn once"
        assert await held_by(world, "s") == "s"

    run(main())


@pytest.mark.parametrize("undecided", [False, True])
@pytest.mark.parametrize(
    ("later_by_ms", "state"),
    [(CLOCK_SKEW_MS_MAX + 1, ContextState.MISSED), (CLOCK_SKEW_MS_MAX, ContextState.HIT)],
)
def test_an_utterance_uses_no_context_of_a_turn_that_began_after_it(
    later_by_ms: float, state: ContextState, undecided: bool
) -> None:
    """Also where that turn is settled only at the second look."""

    async def main() -> None:
        world = World()
        asking = said("turn-1", 5_000 + later_by_ms)
        last = asking.pop("reply")
        await deliver(world, asking)
        if not undecided:
            await world.deliver([last])
        event = to_event(ANSWER, TTL_S)
        known = await listen(event, world.ports)
        await world.deliver([last])
        found = await on_utterance(known, recognition(*HEARD), world.ports, event.key.turn)
        assert found.context is state, found.reason
        if state is ContextState.MISSED:
            assert "began later" in found.reason
            assert (found.result.text, found.added_ms) == ("power", 0.0)

    run(main())


def test_an_utterance_uses_no_context_that_holds_a_later_turn() -> None:
    async def main() -> None:
        world = World()
        step = CLOCK_SKEW_MS_MAX - 100
        await deliver(world, said("b", 5_000 + 2 * step), said("turn-1", 5_000 + step, "b"))
        assert await held_by(world, "turn-1") == "bt"
        found = await world.answer(ANSWER, *HEARD)
        assert (found.context, found.result.text) == (ContextState.MISSED, "power")
        later = recognize("turn-3", "ask-turn-1", at_ms=5_000 + 2 * step)
        assert (await world.answer(later, *HEARD)).context is ContextState.HIT

    run(main())


def test_a_context_of_an_older_version_is_judged_by_its_own_turn() -> None:
    async def main() -> None:
        world = World()
        await deliver(world, said("b", 0))
        status = await world.status("b")
        vault: MemoryVault = world.vault
        (ref,) = [ref for ref in status.refs if ref.kind == "context"]
        assert status.wrapped_key is not None
        newest = await world.context("b")
        older = _without_latest(newest)
        assert ContextEmbedding.from_bytes(older).latest_ms == 0.0
        await vault.put_blob(status.wrapped_key, TurnKey("customer", "b"), ref, older, 2**40)
        await deliver(world, said("a", 5_000, "b"))
        assert await held_by(world, "a") == "ba"

    run(main())


def _without_latest(context: ContextEmbedding) -> bytes:
    from safetensors.numpy import load, save

    arrays = load(replace(context, latest_ms=7.0).to_bytes())
    assert arrays["computed"].tolist()[2] == 7.0
    return save(arrays | {"computed": np.array(arrays["computed"][:2])})


def test_later_is_later_on_every_clock() -> None:
    assert not is_later(5.0, 5.0)
    assert not is_later(5.0 + CLOCK_SKEW_MS_MAX, 5.0)
    assert is_later(6.0 + CLOCK_SKEW_MS_MAX, 5.0)
    assert not is_later(5.0, 6.0 + CLOCK_SKEW_MS_MAX)
