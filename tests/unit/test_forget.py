"""Erasing a customer: keys first, all of it, and nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import START_MS, TTL_S, World, completed, run, turn

from ctxasr import forget as stage
from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import ConsistentStatus, Outcome, PayloadKind, TurnKey, to_event
from ctxasr.forget import forget
from ctxasr.pipeline import DECISIONS_MAX, on_event
from ctxasr.ports import EventStore
from ctxasr.record import SEALINGS_MAX, record


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


def test_what_comes_later_is_sealed_under_a_key_that_opens_it() -> None:
    """A process that still holds the data key finds out by its own write, and seals once more."""

    async def main() -> None:
        world = World()
        records = turn()
        expect = records.pop("expect")
        await world.deliver(list(records.values()))
        held = dict(world.vault._held)
        await forget("customer", world.store, world.vault)
        world.vault._held.update(held)  # as in another process
        await world.deliver([*records.values(), expect])
        status = await world.status()
        assert status.outcome is Outcome.EMBEDDED
        assert status.wrapped_key not in held.values()
        await check_readable(world)

    run(main())


async def check_readable(world: World) -> None:
    """What the item refers to opens under the item's key."""
    status = await world.status()
    assert status.wrapped_key is not None
    texts = sorted(ref for ref in status.refs if ref.kind is not PayloadKind.CONTEXT)
    assert len(await world.vault.get(status.wrapped_key, status.turn, texts)) == len(texts)


OPERATIONS_MAX = 30

LATE = ("expect", "utterance", "reply", "started")


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("last", ["utterance", "entities", "reply", "expect"])
@pytest.mark.parametrize("holds", [True, False], ids=["holds the key", "holds none"])
def test_a_forget_between_any_two_operations_of_the_last_event(
    last: str, late: str, holds: bool
) -> None:
    """Another process forgets, a third one records a late event of the turn; then all come again.

    Nothing fails, every text that the item then refers to can be read, no context is left that was
    made of forgotten texts, and the turn is settled.
    """
    for at in range(OPERATIONS_MAX):
        if not run(forgotten_at(at, last, late, holds)):
            assert at > 5, "there was an operation for each forget"
            return
    raise AssertionError("the handler does not end")


async def forgotten_at(at: int, last: str, late: str, holds: bool) -> bool:
    """Whether the handler of `last` had an operation number `at`, before which all was forgotten.

    Where a context was being stored, it must go.
    """
    world, left = World(), [at]
    records = turn()
    final = records.pop(last)
    await world.deliver(list(records.values()))
    if not holds:
        world.vault._held.clear()

    async def meanwhile(name: str, call: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            held = dict(world.vault._held)
            await forget("customer", world.store, world.vault)
            world.vault._held.update(held)
            await on_event(turn()[late], world.process())
        return await call()

    await on_event(final, world.process(meanwhile))
    assert not [place for place in world.vault.rows if "#context#" in place[1]] or left[0] >= 0
    if left[0] >= 0:
        return False
    for one in turn().values():
        await on_event(one, world.process())
    status = await world.status()
    assert status.outcome in (Outcome.EMBEDDED, Outcome.MISSED)
    if status.outcome is Outcome.EMBEDDED:
        await check_readable(world)
        await world.context()
    else:
        assert world.vault.rows == {}
    return True


def test_a_redelivery_that_owns_the_turn_made_anew_gets_no_context_of_forgotten_texts() -> None:
    """The owner computes; all is forgotten; the same event comes again elsewhere and claims again:
    the first one's settle shows the same owner."""

    async def main() -> None:
        world = World()
        records = turn()
        final = records.pop("expect")
        await world.deliver(list(records.values()))
        claimed: list[ConsistentStatus] = []

        async def meanwhile(name: str, call: Any) -> Any:
            if name == "settle" and not claimed:
                await forget("customer", world.store, world.vault)

                async def stops(name: str, call: Any) -> Any:
                    if name == "get":
                        raise asyncio.CancelledError
                    return await call()

                for one in records.values():
                    await on_event(one, world.process())
                with pytest.raises(asyncio.CancelledError):
                    await on_event(final, world.process(stops))
                claimed.append(await world.status())
            return await call()

        await on_event(final, world.process(meanwhile))
        assert claimed[0].owner == final.message.message.header.message_id
        assert await world.status() == claimed[0], "left as it was"
        assert not [place for place in world.vault.rows if "#context#" in place[1]]
        await on_event(final, world.process())
        assert (await world.status()).outcome is Outcome.EMBEDDED

    run(main())


@pytest.mark.parametrize(("times", "ends"), [(SEALINGS_MAX - 1, True), (SEALINGS_MAX, False)])
def test_a_payload_is_sealed_a_bounded_number_of_times(times: int, ends: bool) -> None:
    async def main() -> None:
        world, left = World(), [times]

        async def meanwhile(name: str, call: Any) -> Any:
            if name == "record" and left[0]:
                left[0] -= 1
                await forget("customer", world.store, world.vault)
            return await call()

        said = turn()["utterance"]
        if ends:
            await on_event(said, world.process(meanwhile))
            await check_readable(world)
            return
        with pytest.raises(StoreUnavailable, match="SEALINGS_MAX"):
            await on_event(said, world.process(meanwhile))
        await on_event(said, world.process())
        await check_readable(world)

    run(main())


@pytest.mark.parametrize("write", ["settle", "claim"])
@pytest.mark.parametrize(("times", "ends"), [(DECISIONS_MAX - 1, True), (DECISIONS_MAX, False)])
def test_an_event_decides_a_bounded_number_of_times(write: str, times: int, ends: bool) -> None:
    """Before each decision is carried out all is forgotten, and recorded once more elsewhere."""

    async def main() -> None:
        world, left = World(), [times]
        given = turn()
        if write == "settle":  # the turn ends without a question
            given = {"utterance": given["utterance"], "completed": completed()}
        *before, last = given.values()
        if write == "claim":  # "started", the last, decides nothing
            last = before.pop()
        await world.deliver(before)

        async def meanwhile(name: str, call: Any) -> Any:
            if name == write and left[0]:
                left[0] -= 1
                await forget("customer", world.store, world.vault)
                for one in (*before, last):
                    again = to_event(one, TTL_S)
                    await record(again, world.store, world.vault, START_MS // 1_000 + TTL_S)
            return await call()

        if ends:
            await on_event(last, world.process(meanwhile))
        else:
            with pytest.raises(StoreUnavailable, match="DECISIONS_MAX"):
                await on_event(last, world.process(meanwhile))
            assert (await world.status()).outcome is None
            await on_event(last, world.process())
        closed = Outcome.DISCARDED if write == "settle" else Outcome.EMBEDDED
        assert (await world.status()).outcome is closed
        assert left == [0]

    run(main())


def test_an_item_that_was_claimed_without_expect_speech_does_no_harm() -> None:
    """As versions before this one left it: a late event in an item made anew, with its claim."""

    async def main() -> None:
        world = World()
        records = turn()
        await world.deliver([records["recognize"], records["utterance"]])
        owner = records["reply"].message.message.header.message_id
        await world.store.claim(TurnKey("customer", "turn-1"), owner)
        for name in ("started", "reply", "entities", "expect"):
            await on_event(records[name], world.process())
        assert (await world.status()).outcome is Outcome.EMBEDDED, "in its owner's place"

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
