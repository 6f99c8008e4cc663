"""Erasing a customer: keys first, all of it, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import World, run, turn

from ctxasr import forget as stage
from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import Outcome, TurnKey
from ctxasr.forget import forget
from ctxasr.pipeline import on_event
from ctxasr.ports import EventStore


def test_all_of_one_customer_goes_and_nothing_of_another() -> None:
    async def main() -> None:
        world = World()
        for customer in ("customer", "another"):
            await world.deliver(list(turn(customer=customer).values()))
            await world.deliver(list(turn("turn-2", customer=customer).values())[:4])
        theirs = {place: row for place, row in world.vault.rows.items() if place[0] == "another"}
        done = await forget("customer", world.store, world.vault)
        assert (done.status_items, done.payloads) == (3, 5 + 3), "two turns and a link"
        assert await world.store.read(TurnKey("customer", "turn-1")) is None
        assert await world.store.follow("customer", "ask-turn-1") is None
        assert world.vault.rows == theirs
        other = await world.store.read(TurnKey("another", "turn-1"))
        assert other is not None
        assert other.outcome is Outcome.EMBEDDED
        assert await forget("customer", world.store, world.vault) == stage.Forgotten(0, 0, 1)

    run(main())


def test_keys_go_before_payloads() -> None:
    """A stop in the middle must leave nothing that can be read."""

    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))

        async def fails(customer: str) -> int:
            raise StoreUnavailable("the payload table does not answer")

        world.vault.forget = fails  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await forget("customer", world.store, world.vault)
        assert world.vault.rows, "the rows are there"
        assert await world.store.read(TurnKey("customer", "turn-1")) is None, "their key is not"

    run(main())


def test_no_payload_goes_before_the_last_key() -> None:
    """Of more items than one look deletes, every key is gone before the first payload is."""
    looks: list[str] = []

    class Table:
        def __init__(self, name: str, items: list[int]) -> None:
            self.name, self.items = name, items

        async def forget(self, customer: str) -> int:
            looks.append(self.name)
            return self.items.pop(0) if self.items else 0

    store: Any = Table("status", [1000, 1000, 5])
    vault: Any = Table("payload", [1000, 7])
    done = run(forget("customer", store, vault))
    assert (done.status_items, done.payloads) == (2005, 1007)
    assert looks[:4] == ["status"] * 4
    assert looks[-2:] == ["status", "payload"], "the proof"


def test_an_event_that_comes_later_finds_no_key() -> None:
    """A process that still holds the data key writes what nobody can read; the turn is missed."""

    async def main() -> None:
        world = World()
        records = turn()
        expect = records.pop("expect")
        await world.deliver(list(records.values()))
        held = dict(world.vault._held)
        await forget("customer", world.store, world.vault)
        world.vault._held.update(held)  # as in another process
        for record in (*records.values(), expect):
            status = await on_event(record, world.ports)
        assert (status.outcome, status.wrapped_key) == (Outcome.MISSED, None)
        assert world.vault.rows == {}

    run(main())


def test_looks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "FORGET_ROUNDS_MAX", 3)

    async def main(items: int) -> stage.Forgotten:
        world, left = World(), [items]

        class Slow:
            async def forget(self, customer: str) -> int:
                taken = min(1, left[0])
                left[0] -= taken
                return taken

        store: EventStore = Slow()  # type: ignore[assignment]
        return await forget("customer", store, world.vault)

    assert run(main(2)).looks == 3
    with pytest.raises(LimitExceeded, match="FORGET_ROUNDS_MAX"):
        run(main(3))
