"""record(): payload before status, link before status, and nothing left of a closed turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import TTL_S, World, completed, record, run, turn

from ctxasr.events import Outcome, PayloadKind, TurnKey, to_event
from ctxasr.pipeline import on_event
from ctxasr.record import record as record_event

TURN = TurnKey("customer", "turn-1")
EXPIRES_S = 1_700_000_600


def calls_of(world: World) -> tuple[Any, list[str]]:
    calls: list[str] = []

    async def noting(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        calls.append(name)
        return await call()

    return world.process(noting), calls


def test_writes_come_in_the_order_of_the_design() -> None:
    async def main() -> None:
        ports, calls = calls_of(World())
        for name, expected in (
            ("recognize", ["record"]),
            ("reply", ["new_key", "open_key", "put", "record"]),
            ("entities", ["put", "record"]),  # the key is held by now
            ("expect", ["link", "record"]),
        ):
            event = to_event(turn()[name], TTL_S)
            await record_event(event, ports.store, ports.vault, EXPIRES_S)
            assert calls == expected, name
            calls.clear()

    run(main())


def test_a_repetition_changes_no_row_but_the_nonce() -> None:
    async def main() -> None:
        world = World()
        event = to_event(turn()["reply"], TTL_S)
        first = await record_event(event, world.store, world.vault, EXPIRES_S)
        places = set(world.vault.rows)
        assert await record_event(event, world.store, world.vault, EXPIRES_S) == first
        assert set(world.vault.rows) == places
        assert first.wrapped_key is not None
        (payload,) = await world.vault.get(first.wrapped_key, TURN, sorted(first.refs))
        assert payload == event.payload

    run(main())


def test_the_loser_of_the_key_race_writes_under_the_winners_key() -> None:
    async def main() -> None:
        world = World()
        winner = await world.vault.new_key(TURN)
        await world.store.open_key(TURN, winner, EXPIRES_S)
        event = to_event(turn()["reply"], TTL_S)
        status = await record_event(event, world.store, world.vault, EXPIRES_S)
        assert status.wrapped_key == winner
        assert await world.vault.get(winner, TURN, sorted(status.refs)) == [event.payload]

    run(main())


@pytest.mark.parametrize("closing", ["before", "between"])
@pytest.mark.parametrize("name", ["reply", "entities"])
def test_a_payload_that_comes_after_the_discard_is_not_kept(closing: str, name: str) -> None:
    """Also when the discard comes between its two writes."""
    world, late = World(), turn()[name]

    async def discard_first(call_name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if call_name == "record" and closing == "between":
            await on_event(completed(), world.ports)
        return await call()

    async def main() -> None:
        await world.deliver([turn()["recognize"], turn()["utterance"]])
        if closing == "before":
            await world.deliver([completed()])
        await on_event(late, world.process(discard_first))
        status = await world.status()
        assert (status.outcome, status.wrapped_key) == (Outcome.DISCARDED, None)
        assert world.vault.rows == {}

    run(main())


def test_a_payload_after_the_embedding_is_recorded_and_not_waited_for() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        more = record("ContextText.ScreenList", {"items": ["late"]}, number="late")
        assert (await on_event(more, world.ports)).outcome is Outcome.EMBEDDED
        assert world.encoder.calls == ["call meg"]
        kinds = [ref.kind for ref in (await world.status()).refs]
        assert kinds.count(PayloadKind.SCREEN) == 2

    run(main())
