"""on_event and on_utterance over tables in memory and virtual time: every fault ends plainly."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import (
    REPLY_MS,
    START_MS,
    TTL_S,
    Encoder,
    Hook,
    LoopClock,
    World,
    check_gone,
    completed,
    interrupted,
    recognize,
    run,
    turn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr import windows
from ctxasr.errors import LimitExceeded, StoreUnavailable
from ctxasr.events import (
    ConsistentStatus,
    EventKey,
    Outcome,
    PayloadKind,
    Record,
    TurnKey,
)
from ctxasr.pipeline import LOOK_FIRST_MS, LOOKS_MAX, SWEEP_LOOKS_MAX, Ports, embed, on_event, sweep
from ctxasr.timing import CLOCK_SKEW_MS_MAX, REPLY_MS_MAX
from ctxasr.trigger import GRACE_MS

NAMES = list(turn())


def rows(status: ConsistentStatus) -> tuple[Any, ...]:
    """What must not depend on order and repetition."""
    refs = {ref for ref in status.refs if ref.kind is not PayloadKind.CONTEXT}
    return status.marks, refs, status.outcome


def once_and_in_order() -> tuple[Any, ...]:
    world = World()

    async def main() -> tuple[Any, ...]:
        await world.deliver([*turn().values(), completed()])
        return rows(await world.status())

    return run(main())


IN_ORDER = once_and_in_order()


async def check_embedded(world: World) -> None:
    status = await world.status()
    assert rows(status) == IN_ORDER
    assert len([ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT]) == 1
    assert "meg bauer" in [phrase.text for phrase in (await world.context()).phrases]


def test_in_order_and_once_means_embedded() -> None:
    assert IN_ORDER[2] is Outcome.EMBEDDED
    assert len(IN_ORDER[0]) == len(NAMES) + 1
    assert len(IN_ORDER[1]) == 4


# ---------------------------------------------------------------- order, repetition, concurrency


@given(arrivals=st.permutations([*NAMES, "completed"]).flatmap(
    lambda order: st.lists(st.sampled_from(order), max_size=8).map(lambda more: [*order, *more])
))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_order_and_repetition_ends_in_the_same_rows(arrivals: list[str]) -> None:
    records, world = turn() | {"completed": completed()}, World()

    async def main() -> None:
        await world.deliver([records[name] for name in arrivals])
        if arrivals.index("completed") > arrivals.index("expect"):
            await check_embedded(world)
            assert world.encoder.calls == ["call meg"]
        else:  # the stream had ended without a question: a later one finds the turn discarded
            assert rows(await world.status())[:2] == IN_ORDER[:2]
            await check_gone(world, Outcome.DISCARDED)
            assert world.encoder.calls == []

    run(main())


@given(
    deliveries=st.permutations(NAMES * 2),
    places=st.lists(st.integers(0, 1), min_size=2 * len(NAMES), max_size=2 * len(NAMES)),
    delays_ms=st.lists(st.integers(0, 30), min_size=1, max_size=40),
)
@settings(max_examples=150, deadline=None)
def test_recorders_at_once_in_two_processes_embed_once(
    deliveries: list[str], places: list[int], delays_ms: list[int]
) -> None:
    records, world, waits = turn(), World(encoder=Encoder(takes_ms=50)), iter(delays_ms * 99)

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(next(waits, 0) / 1_000)
        answer = await call()
        await asyncio.sleep(next(waits, 0) / 1_000)
        return answer

    async def main() -> None:
        processes = [world.process(slow), world.process(slow)]
        told = await asyncio.gather(
            *(on_event(records[n], processes[p]) for n, p in zip(deliveries, places, strict=True))
        )
        await world.deliver([completed()])
        await check_embedded(world)
        status = await world.status()
        stored = [key for _, key in world.vault.rows if "#context#" in key]
        assert len(stored) == 1, "what did not take effect is not kept"
        claimant = [one for one in told if one.owner == status.owner]
        assert claimant, "somebody saw the claim"

    run(main())


def test_of_two_embeddings_at_once_the_first_settled_is_the_one_that_is_read() -> None:
    """The same event in two processes; the slower one must not overwrite what took effect."""
    world, expect = World(), turn()["expect"]
    slower = Encoder(takes_ms=300, dimensions=3)

    async def main() -> None:
        await world.deliver([one for name, one in turn().items() if name != "expect"])
        other = replace(world.process(), encoder=slower)
        quick = asyncio.create_task(on_event(expect, world.process()))
        slow = asyncio.create_task(on_event(expect, other))
        first = await quick
        taken = await world.context()
        assert first.outcome is Outcome.EMBEDDED
        assert not slow.done()
        assert (await slow).outcome is Outcome.EMBEDDED
        assert slower.calls == ["call meg"], "both did compute"
        assert (await world.context()).computed_ms == taken.computed_ms
        assert len([key for _, key in world.vault.rows if "#context#" in key]) == 1

    run(main())


# ---------------------------------------------------------------- crashes and lost answers


class Crash(BaseException):
    """The process is gone."""


class At:
    """Something happens at the k-th port call; `calls` tells how many there were."""

    def __init__(self, k: int, happens: BaseException, *, applied: bool):
        self.k, self.happens, self.applied, self.calls, self.name = k, happens, applied, 0, ""

    async def __call__(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        if self.calls != self.k:
            return await call()
        self.name = name
        if self.applied:
            await call()
        raise self.happens


def all_calls() -> int:
    """How many port calls one turn takes."""
    counting, world = At(0, Crash(), applied=False), World()
    run(world.deliver([*turn().values()], world.process(counting)))
    return counting.calls


CALLS = all_calls()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("k", range(1, CALLS + 1))
def test_a_crash_at_any_await_then_redelivery_converges(k: int, applied: bool, late: bool) -> None:
    records, world = [*turn().values(), completed()], World()
    fault = At(k, Crash(), applied=applied)

    async def main() -> None:
        done, ports = 0, world.process(fault)
        with pytest.raises((Crash, BaseExceptionGroup)):  # noqa: PT012
            for done, one in enumerate(records):  # noqa: B007 - how far it got
                await on_event(one, ports)
        settled = (await world.status()).outcome if done else None
        world.clock.skipped_ms = 60_000 if late else 0  # the window has closed meanwhile
        for _ in range(2):  # everything that was not acknowledged, then everything again
            await world.deliver(records[done:], world.process())
            done = 0
            if late and settled is None:
                status = await world.status()
                assert (status.outcome, status.wrapped_key) == (Outcome.MISSED, None)
                assert [key for _, key in world.vault.rows if "#context#" not in key] == []
            else:
                await check_embedded(world)

    run(main())


@pytest.mark.parametrize("k", range(1, CALLS + 1))
def test_a_lost_answer_to_any_call_then_redelivery_converges(k: int) -> None:
    """Perhaps written: the call is applied, its answer never comes."""
    world, fault = World(), At(k, StoreUnavailable("no answer"), applied=True)
    ports = world.process(fault)

    async def main() -> None:
        for one in [*turn().values(), completed()]:
            for _ in range(2):
                try:
                    await on_event(one, ports)
                    break
                except StoreUnavailable:
                    continue
        if fault.name in ("get", "put_blob"):  # the embedding failed; nobody is to wait for another
            await check_gone(world, Outcome.MISSED)
        else:
            await check_embedded(world)

    run(main())
    assert fault.name, "the fault has happened"


def test_cancelled_it_settles_nothing_and_the_redelivery_goes_on() -> None:
    world = World(encoder=Encoder(takes_ms=1_000))

    async def main() -> None:
        records = turn()
        expect = records.pop("expect")
        await world.deliver(list(records.values()))
        task = asyncio.create_task(on_event(expect, world.ports))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        status = await world.status()
        assert (status.outcome, status.owner) == (None, expect.message.message.header.message_id)
        assert (await on_event(expect, world.ports)).outcome is Outcome.EMBEDDED

    run(main())


@pytest.mark.parametrize("first", ["settles", "misses", "is cancelled"])
def test_a_redelivery_in_the_same_process_is_acknowledged_with_the_first(first: str) -> None:
    """And if the first comes to nothing, it does the work."""
    takes_ms = 10_000 if first == "misses" else 1_000
    world = World(encoder=Encoder(takes_ms=takes_ms))

    async def slow_settle(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(0.2 if name == "settle" else 0)
        return await call()

    async def main() -> None:
        records, ports = turn(), world.process(slow_settle)
        expect = records.pop("expect")
        await world.deliver(list(records.values()), ports)
        tasks = [asyncio.create_task(on_event(expect, ports)) for _ in range(2)]
        await asyncio.sleep(0.5)
        if first == "is cancelled":
            tasks[0].cancel()
        outcome = Outcome.MISSED if first == "misses" else Outcome.EMBEDDED
        assert (await tasks[1]).outcome is outcome, "acknowledged when settled, not before"
        assert len(world.encoder.calls) == (2 if first == "is cancelled" else 1)
        await asyncio.wait(tasks)

    run(main())


# ---------------------------------------------------------------- another's claim


TURN = TurnKey("customer", "turn-1")


def noting(asked: list[str]) -> Hook:
    """A process that notes what it asks its ports for."""

    async def note(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        asked.append(name)
        return await call()

    return note


class Failing(Encoder):
    async def encode(self, turn: Any, past: Any) -> Any:
        raise RuntimeError


async def claimed(world: World) -> tuple[Record, Ports]:
    """A turn whose claim somebody else has won: the last payload and the process to give it to."""
    records = turn()
    last = records.pop("entities")
    await world.deliver(list(records.values()))
    await world.store.claim(TURN, "another")
    return last, world.process()


@pytest.mark.parametrize("outcome", [Outcome.MISSED, Outcome.EMBEDDED])
def test_who_loses_the_claim_is_acknowledged_once_the_owner_has_settled(outcome: Outcome) -> None:
    world = World()

    async def main() -> None:
        last, ports = await claimed(world)
        task = asyncio.create_task(on_event(last, ports))
        await asyncio.sleep(0.2)
        assert not task.done()
        await world.store.settle(TURN, outcome, owner="another")
        assert (await task).outcome is outcome
        assert asyncio.get_running_loop().time() < 0.2 * 2, "each pause is as long as all before it"
        assert world.encoder.calls == []

    run(main())


def test_who_waits_for_the_owner_in_vain_works_in_its_place() -> None:
    """The owner may be an event that was acknowledged before: nobody delivers it again."""
    world, asked = World(), list[str]()

    async def main() -> None:
        last, _ = await claimed(world)
        status = await on_event(last, world.process(noting(asked)))
        assert (status.outcome, status.owner) == (Outcome.EMBEDDED, "another")
        now_ms = asyncio.get_running_loop().time() * 1_000.0
        assert REPLY_MS / 2 <= now_ms <= REPLY_MS * 3 / 4, "half of the window is left for it"
        assert world.encoder.calls == ["call meg"]
        assert "meg bauer" in [phrase.text for phrase in (await world.context()).phrases]

    run(main())
    assert asked.count("read") == 7, "20, 40, 80, ... ms apart"


def test_if_the_owner_lives_after_all_the_first_to_settle_wins() -> None:
    world = World(encoder=Encoder(takes_ms=900))

    async def main() -> None:
        last, ports = await claimed(world)
        waits = asyncio.create_task(on_event(last, ports))
        await asyncio.sleep(REPLY_MS * 0.6 / 1_000)
        own = await embed(EventKey(TURN, "another"), "", world.process())
        other = await waits
        assert own is not None
        assert (own.outcome, own.refs) == (Outcome.EMBEDDED, other.refs)
        contexts = [place for place in world.vault.rows if "context" in place[1]]
        assert len(contexts) == 1, "what came second is deleted"
        assert world.encoder.calls == ["call meg"] * 2

    run(main())


@pytest.mark.parametrize("encoder", [None, Failing()])
def test_who_cannot_do_the_work_leaves_it_to_the_owner(encoder: Any) -> None:
    """The owner is slow, and alive: another's failure must not cost the turn its context."""
    world = World()

    async def main() -> None:
        last, ports = await claimed(world)
        waits = asyncio.create_task(on_event(last, replace(ports, encoder=encoder)))
        await asyncio.sleep(REPLY_MS * 0.9 / 1_000)
        await embed(EventKey(TURN, "another"), "", world.process())
        assert (await waits).outcome is Outcome.EMBEDDED
        assert "meg bauer" in [phrase.text for phrase in (await world.context()).phrases]

    run(main())


@pytest.mark.parametrize("encoder", [None, Encoder(takes_ms=60_000)])
def test_past_the_window_the_turn_is_closed(encoder: Any) -> None:
    world = World()

    async def main() -> None:
        last, ports = await claimed(world)
        status = await on_event(last, replace(ports, encoder=encoder))
        assert status.outcome is Outcome.MISSED
        now_ms = asyncio.get_running_loop().time() * 1_000.0
        over_ms = REPLY_MS + CLOCK_SKEW_MS_MAX
        assert over_ms <= now_ms <= over_ms + 2 * LOOK_FIRST_MS, "over on every clock"
        await check_gone(world, Outcome.MISSED)

    run(main())


@pytest.mark.parametrize("gone", ["expires", "is forgotten"])
def test_a_turn_that_is_gone_is_closed_and_not_made_again(gone: str) -> None:
    world = World()

    async def main() -> None:
        last, ports = await claimed(world)
        waits = asyncio.create_task(on_event(last, ports))
        await asyncio.sleep(0.1)
        if gone == "expires":
            world.clock.skipped_ms = TTL_S * 1_000.0
            assert (await waits).outcome is Outcome.MISSED
            world.clock.skipped_ms = 0.0
            await check_gone(world, Outcome.MISSED)
        else:
            assert await world.store.forget("customer")
            await waits
            assert await world.store.read(TURN) is None

    run(main())


def test_the_longest_reply_is_waited_for_in_a_few_looks() -> None:
    world, asked = World(), list[str]()

    async def main() -> None:
        records = turn(reply_ms=int(REPLY_MS_MAX))
        last = records.pop("entities")
        await world.deliver(list(records.values()))
        await world.store.claim(TURN, "another")
        ports = replace(world.process(noting(asked)), encoder=None)
        assert (await on_event(last, ports)).outcome is Outcome.MISSED

    run(main())
    assert asked.count("read") <= 16


def test_a_clock_that_stands_still_does_not_make_an_event_wait_for_ever() -> None:
    class Standing(LoopClock):
        def now_ms(self) -> float:
            return float(START_MS)

    world, asked = World(), list[str]()

    async def main() -> None:
        last, _ = await claimed(world)
        ports = replace(world.process(noting(asked)), encoder=None, clock=Standing())
        with pytest.raises(StoreUnavailable, match="owns the claim and has not settled it"):
            await on_event(last, ports)

    run(main())
    assert LOOKS_MAX - 2 <= asked.count("read") <= LOOKS_MAX


def test_what_no_trigger_waits_for_does_not_wait_for_the_owner() -> None:
    world = World()

    async def main() -> None:
        await claimed(world)
        began_s = asyncio.get_running_loop().time()
        status = await on_event(interrupted(at_ms=700), world.process())
        assert (status.outcome, status.owner) == (None, "another")
        assert asyncio.get_running_loop().time() == began_s

    run(main())


# ---------------------------------------------------------------- barge-in


@pytest.mark.parametrize(
    ("event", "ends_ms"),
    [
        (interrupted(at_ms=700), 700),
        (interrupted(at_ms=9_000), 4_000),  # never lengthened
        (recognize("turn-2", at_ms=700), 700),
        (recognize("turn-1", at_ms=700), 4_000),  # its own is no barge-in
        (recognize("turn-1", number="again", at_ms=700), 700),  # an answer under the same id is
        (recognize("turn-2", at_ms=700, customer="another"), 4_000),
        (recognize("turn-2", at_ms=700, device="another"), 4_000),
        (interrupted("turn-2", at_ms=700), 4_000),
        (recognize("turn-0", at_ms=-10_000), 4_000),  # redelivered, of an earlier turn
    ],
)
def test_a_barge_in_ends_the_window_of_its_own_turn(event: Record, ends_ms: float) -> None:
    world = World(encoder=Encoder(takes_ms=60_000))

    async def main() -> None:
        embedding = asyncio.create_task(world.deliver(list(turn().values())))
        await asyncio.sleep(max(0.1, min(0.7, (event.received_at - START_MS) / 1_000)))
        await world.deliver([event])
        await embedding
        assert world.clock.now_ms() - START_MS == pytest.approx(ends_ms, abs=1)
        await check_gone(world, Outcome.MISSED) if event.customer == "customer" else None

    run(main())


def test_a_barge_in_between_the_claim_and_the_window_counts() -> None:
    """Noted before the window was open, written after the claim had read the item."""
    world = World(encoder=Encoder(takes_ms=60_000))
    barge_in, waits_ms = interrupted(at_ms=50), {"claim": 100}

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(waits_ms.get(name, 0) / 1_000)
        return await call()

    async def main() -> None:
        ports = world.process(slow)
        embedding = asyncio.create_task(world.deliver([*turn().values()][:-1], ports))
        await asyncio.sleep(0.05)
        waits_ms["record"] = 200
        await world.deliver([barge_in], ports)
        await embedding
        assert world.clock.now_ms() - START_MS == pytest.approx(250, abs=1)
        assert (await world.status()).outcome is Outcome.MISSED

    run(main())


def test_a_window_that_has_passed_costs_no_model() -> None:
    world = World()

    async def main() -> None:
        await world.deliver([*turn().values()][:-2])  # all but expect-speech and its start
        await world.deliver([interrupted(at_ms=0), turn()["expect"]])
        await check_gone(world, Outcome.MISSED)

    run(main())
    assert world.encoder.calls == []


def test_more_windows_than_windows_max_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOWS_MAX", 2)
    world = World(encoder=Encoder(takes_ms=100))

    async def main() -> None:
        turns = [list(turn(f"turn-{n}", device=f"device-{n}").values()) for n in (1, 2, 3)]
        await asyncio.gather(*(world.deliver(records) for records in turns))
        outcomes = [(await world.status(f"turn-{n}")).outcome for n in (1, 2, 3)]
        assert outcomes == [Outcome.EMBEDDED, Outcome.EMBEDDED, Outcome.MISSED]

    run(main())


# ---------------------------------------------------------------- the sweep


def test_the_sweep_waits_for_the_grace_period_and_for_the_reply() -> None:
    world = World()
    incomplete = turn("asks", reply_ms=60_000)
    del incomplete["entities"]
    keyless = TurnKey("customer", "opened")

    async def main() -> None:
        await world.deliver([recognize("silent"), *incomplete.values()])
        await world.store.open_key(keyless, b"key", START_MS // 1_000 + TTL_S)
        for skipped_ms, closed in ((GRACE_MS - 1, 0), (GRACE_MS, 2), (60_000 + GRACE_MS, 1)):
            world.clock.skipped_ms = skipped_ms
            assert await sweep("customer", world.ports) == closed, f"after {skipped_ms} ms"
        assert (await world.status("silent")).outcome is Outcome.DISCARDED
        assert (await world.status("opened")).outcome is Outcome.DISCARDED
        late = await world.status("asks")
        assert (late.outcome, late.wrapped_key) == (Outcome.MISSED, None)
        assert world.vault.rows == {}
        assert await sweep("customer", world.ports) == 0
        assert await sweep("another", world.ports) == 0

    run(main())


def test_a_turn_that_is_embedded_under_the_sweep_is_left_alone() -> None:
    """Its last payload comes after the sweep has looked, before the sweep writes."""
    world, records = World(), turn(reply_ms=60_000)
    last = records.pop("entities")

    async def late(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == "settle":
            world.clock.skipped_ms = 0
            await world.deliver([last])
        return await call()

    async def main() -> None:
        await world.deliver(list(records.values()))
        world.clock.skipped_ms = 60_000 + GRACE_MS
        assert await sweep("customer", world.process(late)) == 0
        assert (await world.status()).outcome is Outcome.EMBEDDED
        assert (await world.context()).phrases

    run(main())


@pytest.mark.parametrize("wrong", [StoreUnavailable("gone"), LimitExceeded("X", 1, 2)])
@pytest.mark.parametrize("operation", ["settle", "delete"])
def test_the_sweep_goes_on_past_a_turn_that_it_cannot_close(
    wrong: Exception, operation: str
) -> None:
    """Its item is of a kind that the store refuses, say, or its payload's row."""
    world = World()
    calls = itertools.count()

    async def failing(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == operation and next(calls) == 0:
            raise wrong
        return await call()

    async def main() -> None:
        names = ["turn-1", "turn-2", "turn-3"]
        for name in names:
            await world.deliver([turn(name)["utterance"]])
        world.clock.skipped_ms = GRACE_MS
        with pytest.raises(StoreUnavailable, match="1 turns were not closed, 2 others were; "):
            await sweep("customer", world.process(failing))
        outcomes = [(await world.status(name)).outcome for name in names]
        left = None if operation == "settle" else Outcome.DISCARDED
        assert outcomes == [left, Outcome.DISCARDED, Outcome.DISCARDED]
        said = [(turn.interaction, facts) for what, turn, facts in world.telemetry.said
                if what == "not closed"]  # fmt: skip
        assert said == [("turn-1", {"cause": type(wrong).__name__})]
        assert await sweep("customer", world.ports) == (1 if left is None else 0)

    run(main())


@pytest.mark.parametrize(
    ("unclosable", "settled"),
    [(SWEEP_LOOKS_MAX - 1, 1), (2 * (SWEEP_LOOKS_MAX - 1), 1), (2 * SWEEP_LOOKS_MAX, 0)],
)
def test_turns_that_cannot_be_closed_do_not_hide_those_behind_them(
    unclosable: int, settled: int
) -> None:
    """One look shows a bounded number of turns: here two."""
    world = World()
    names = [f"turn-{number:02}" for number in range(unclosable + 1)]
    last = names[-1]

    class Narrow:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        async def turns(self, customer: str, **after: Any) -> list[ConsistentStatus]:
            return (await world.store.turns(customer, **after))[:2]

        async def settle(self, key: TurnKey, *args: Any, **named: Any) -> ConsistentStatus:
            if key.interaction != last:
                raise StoreUnavailable("refused")
            return await world.store.settle(key, *args, **named)

    async def main() -> None:
        await world.deliver([recognize(name) for name in names])
        world.clock.skipped_ms = GRACE_MS
        with pytest.raises(StoreUnavailable, match=f"{unclosable} turns were not closed"):
            await sweep("customer", replace(world.ports, store=Narrow()))  # type: ignore[arg-type]
        assert ((await world.status(last)).outcome is Outcome.DISCARDED) == bool(settled)

    run(main())


def test_a_bug_in_the_sweep_is_not_taken_for_a_fault_of_the_store() -> None:
    world = World()

    async def broken(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == "settle":
            raise ZeroDivisionError
        return await call()

    async def main() -> None:
        await world.deliver([recognize("turn-1"), recognize("turn-2")])
        world.clock.skipped_ms = GRACE_MS
        with pytest.raises(ZeroDivisionError):
            await sweep("customer", world.process(broken))

    run(main())
