"""The parts of the simulator one by one: luck, latencies, replicas, buckets, clocks, requests."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.errors import StoreUnavailable
from ctxasr.sim.judging.coverage import BRANCHES, Coverage
from ctxasr.sim.judging.watch import Watch
from ctxasr.sim.loop import VirtualLoop
from ctxasr.sim.luck import Luck, Stream, kind
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region import requests, vault
from ctxasr.sim.region.buckets import RCU_PER_S, WCU_PER_S, Bucket, read_units, write_units
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.nodes import WRONG_MS_MAX, Fleet, Node, NodeClock
from ctxasr.sim.region.replicas import FOLLOWERS, Cut, Replicas
from ctxasr.sim.region.requests import Handling, NodeDown, Place
from ctxasr.sim.region.tables import Tables, at_once
from ctxasr.store import caller, clients, schema
from ctxasr.store import vault as real_vault
from ctxasr.store.memory import MemoryEventStore
from ctxasr.timing import CLOCK_SKEW_MS_MAX


def test_what_is_copied_by_value_is_equal() -> None:
    assert (requests.ATTEMPTS_MAX, requests.CALL_S_MAX) == (caller.ATTEMPTS_MAX, caller.CALL_S_MAX)
    assert requests.BACKOFF_FIRST_S == caller.BACKOFF_FIRST_S
    assert requests.BACKOFF_MAX_S == caller.BACKOFF_MAX_S
    assert requests.READ_TIMEOUT_S == clients.READ_TIMEOUT_S
    assert vault.PAYLOAD_BYTES_MAX == schema.PAYLOAD_BYTES_MAX
    assert vault.DATA_KEYS_MAX == real_vault.DATA_KEYS_MAX
    assert vault.DATA_KEY_AGE_MS_MAX == real_vault.DATA_KEY_AGE_MS_MAX
    assert vault.BATCH_ITEMS_MAX == real_vault.BATCH_ITEMS_MAX
    assert WRONG_MS_MAX < CLOCK_SKEW_MS_MAX


# ---------------------------------------------------------------- luck and latencies


def test_luck_belongs_to_its_place() -> None:
    luck = Luck(7)
    assert luck.of(1, 2, 3) == Luck(7).of(1, 2, 3)
    draws = {luck.of(kind("a"), one, two) for one in range(50) for two in range(50)}
    draws |= {Luck(seed).of(0) for seed in range(500)}
    assert len(draws) == 3000, "places do not share draws"
    assert abs(sum(draws) / len(draws) - 0.5) < 0.02
    assert {luck.below(3, one) for one in range(50)} == {0, 1, 2}


def test_streams_are_uniform_and_their_seeds_do_not_begin_alike() -> None:
    stream = Luck(1).stream(5)
    draws = [stream.next() for _ in range(20_000)]
    tenths = Counter(int(one * 10) for one in draws)
    assert all(1_800 < tenths[tenth] < 2_200 for tenth in range(10)), tenths
    firsts = [Stream(seed).next() for seed in range(2_000)]
    assert all(120 < Counter(int(one * 10) for one in firsts)[tenth] < 290 for tenth in range(10))
    assert Luck(1).child(2).of(3) != Luck(1).child(3).of(3)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    measured=st.lists(st.floats(0, 1e4), min_size=1, max_size=40),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_fitted_quantiles_stay_within_what_was_measured(
    measured: list[float], uniform: float
) -> None:
    fitted = Quantiles.fit(measured)
    assert min(measured) <= fitted.draw(uniform) <= max(measured)
    assert list(fitted.table) == sorted(fitted.table)


def test_a_fit_has_the_quantiles_of_its_trace() -> None:
    fitted = Quantiles.fit([float(one) for one in range(2049)])
    for quantile in (0.0, 0.25, 0.5, 0.99, 0.999):
        assert fitted.draw(quantile) == pytest.approx(2048 * quantile, abs=1e-6)
    drawn = Quantiles.lognormal(5.0, 20.0)
    assert drawn.draw(0.5) == pytest.approx(5.0)
    assert drawn.draw(0.99) == pytest.approx(20.0, rel=0.01)
    assert Quantiles.always(3.0).draw(0.7) == 3.0


@pytest.mark.parametrize("measured", [[], [-1.0], [math.nan], [math.inf, 1.0]])
def test_what_cannot_be_measured_is_refused(measured: list[float]) -> None:
    with pytest.raises(ValueError, match="measurements are numbers"):
        Quantiles.fit(measured)


# ---------------------------------------------------------------- replicas

lags = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 500), st.sampled_from("abc")), max_size=30
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    writes=lags,
    reads=st.lists(st.floats(0, 4_000), min_size=1, max_size=10),
    cut=st.tuples(st.sampled_from([1, 2]), st.floats(0, 2_000), st.floats(0, 2_000)),
)
def test_a_follower_shows_a_prefix_of_the_leaders_history_that_only_grows(
    writes: list[tuple[float, float, str]], reads: list[float], cut: tuple[int, float, float]
) -> None:
    span = Cut(cut[0], cut[1], cut[1] + cut[2])
    replicas: Replicas[str, int] = Replicas(
        lambda number, follower: writes[number][1] * follower, (span,)
    )
    at_ms, instants = 0.0, []
    for number, (gap_ms, _, key) in enumerate(writes):
        at_ms += gap_ms
        instants.append(at_ms)
        replicas.write(at_ms, key, number)
    for follower in range(1, FOLLOWERS + 1):
        seen = [replicas.seen(follower, one) for one in sorted(reads)]
        assert seen == sorted(seen), "never less than before"
        for now_ms, count in zip(sorted(reads), seen, strict=True):
            assert all(instant <= now_ms for instant in instants[:count]), "none from the future"
            for key in "abc":
                expected = [n for n in range(count) if writes[n][2] == key]
                shown = replicas.read(follower, key, now_ms)
                assert shown == (expected[-1] if expected else None)
            if follower == span.follower and span.from_ms <= now_ms < span.until_ms:
                assert count == replicas.seen(follower, span.from_ms), "cut off: nothing new"
    assert replicas.seen(0, 0.0) == len(writes), "the leader knows all"
    assert all(replicas.seen(one, 1e9) == len(writes) for one in (1, 2)), "in the end all do"


def test_a_deleted_item_is_seen_as_gone() -> None:
    replicas: Replicas[str, int] = Replicas(lambda number, follower: 10.0)
    replicas.write(0.0, "a", 1)
    replicas.write(5.0, "a", None)
    assert [replicas.read(1, "a", at_ms) for at_ms in (9.0, 10.0, 14.9, 15.0)] == [None, 1, 1, None]


# ---------------------------------------------------------------- capacity


def test_a_bucket_holds_one_second_and_refills() -> None:
    bucket = Bucket(WCU_PER_S)
    assert all(bucket.take(1, 0.0) for _ in range(1_000))
    assert not bucket.take(1, 0.0)
    assert not bucket.take(1, 0.000999)
    assert bucket.take(1, 0.002)
    assert bucket.take(1_000, 10.0), "a second's worth after ten seconds"
    assert not bucket.take(1, 10.0)
    assert bucket.used == 2_001
    assert Bucket(RCU_PER_S).take(3_000, 0.0)
    spiked = Bucket(WCU_PER_S)
    assert not spiked.take(1, 1.0, crowded=True)
    assert not spiked.take(1, 1.0), "what the neighbours took is gone"
    assert spiked.take(1, 1.1)


@pytest.mark.parametrize(("size", "wcu", "rcu"), [
    (0, 1, 1), (1024, 1, 1), (1025, 2, 1), (4096, 4, 1), (4097, 5, 2), (409_600, 400, 100),
])  # fmt: skip
def test_units_follow_the_items_size(size: int, wcu: int, rcu: int) -> None:
    assert (write_units(size), read_units(size)) == (wcu, rcu)


# ---------------------------------------------------------------- nodes


def test_clocks_are_wrong_as_planned_and_never_further_than_ntp_lets_them() -> None:
    loop = VirtualLoop()
    right, slow, gains = NodeClock(loop), NodeClock(loop, -900.0), NodeClock(loop, 0.0, 200.0)
    far = NodeClock(loop, -900.0, -200.0)

    async def main() -> list[float]:
        await asyncio.sleep(100.0)
        seen = [one.now_ms() - START_MS for one in (right, slow, gains)]
        await asyncio.sleep(10**6)
        return [*seen, far.now_ms() - START_MS - loop.time() * 1_000.0]

    assert loop.run(main()) == pytest.approx([100_000.0, 99_100.0, 100_020.0, -WRONG_MS_MAX])
    assert gains.timer_s(1_000.0) < 1.0 < far.timer_s(1_000.0)


def test_a_dead_node_is_replaced_by_one_without_memory() -> None:
    loop = VirtualLoop()
    fleet = Fleet(loop, 2, [Fault(FaultKind.CLOCK_OFFSET, node=1, ms=5.0)])
    first = fleet.nodes[1]
    fleet.replace(first, 1_000.0)
    second = fleet.nodes[1]
    assert (second.clock, second.slot) == (first.clock, 1)
    assert second.name != first.name
    assert second.windows is not first.windows
    assert fleet.at(1) is fleet.nodes[0], "while it starts, the next one"
    fleet.replace(fleet.nodes[0], 2_000.0)
    assert fleet.at(0) is None

    async def main() -> None:
        await asyncio.sleep(1.0)

    loop.run(main())
    assert fleet.at(0) is second


# ---------------------------------------------------------------- requests


def handling(
    loop: VirtualLoop, *faults: Fault, of_tables: tuple[Fault, ...] = (), seed: int = 1
) -> Handling:
    coverage = Coverage()
    latencies = Latencies()
    tables = Tables(
        MemoryEventStore, loop, latencies, Watch(loop, coverage), coverage, faults=of_tables
    )
    node = Node(0, 0, NodeClock(loop))
    place = Place(list(faults)) if faults else None
    return Handling(tables, node, "c0", "d0t1.reply", Luck(seed).stream(1), place)


def carried_out(*faults: Fault, of_tables: tuple[Fault, ...] = (), times: int = 1) -> Any:
    """How often the request was carried out, its answers or errors, when, and the attempts."""
    loop, done = VirtualLoop(), []
    one = handling(loop, *faults, of_tables=of_tables)

    async def main() -> list[Any]:
        answers: list[Any] = []
        for _ in range(times):
            try:
                answers.append(
                    await one.request("claim", Quantiles.always(5.0), lambda: done.append(1))
                )
            except (StoreUnavailable, NodeDown) as error:
                answers.append(type(error))
        return answers

    answers = loop.run(main())
    return len(done), answers, loop.time(), one.attempts


def test_each_fault_of_a_request_is_what_its_name_says() -> None:
    def of(kind_of: FaultKind, **more: Any) -> Fault:
        return Fault(kind_of, operation="claim", **more)

    assert carried_out() == (1, [None], 0.005, 1)
    done, answers, took_s, attempts = carried_out(of(FaultKind.LOST_ANSWER, ms=5_000.0))
    assert (done, answers, attempts) == (2, [None], 2)
    assert 5.01 <= took_s <= 5.03
    assert carried_out(of(FaultKind.LOST_ANSWER))[2] < 0.04, "a connection that closes at once"
    assert carried_out(of(FaultKind.SERVER_ERROR, after=True))[0] == 2
    assert carried_out(of(FaultKind.SERVER_ERROR))[0] == 1
    assert carried_out(of(FaultKind.THROTTLED))[:2] == (1, [None])
    assert carried_out(of(FaultKind.SLOW_REQUEST, ms=2_000.0))[2] == pytest.approx(2.005)
    assert carried_out(of(FaultKind.THROTTLED, nth=2), times=3)[3] == 4, "the second alone"


def test_attempts_are_bounded_in_number_and_in_time() -> None:
    fault = Fault(FaultKind.LOST_ANSWER, operation="claim", times=3)
    assert carried_out(fault)[1] == [None], "the fourth attempt is answered"
    fault = Fault(FaultKind.LOST_ANSWER, operation="claim", times=4)
    assert carried_out(fault)[::3] == (4, 4)
    assert carried_out(fault)[1] == [StoreUnavailable]
    fault = Fault(FaultKind.LOST_ANSWER, operation="claim", times=4, ms=7_000.0)
    done, answers, took_s, attempts = carried_out(fault)
    assert (done, answers, attempts) == (2, [StoreUnavailable], 3), "none begins after 12 s"
    assert 14.0 < took_s < 15.0


def test_a_load_spike_throttles_until_it_is_over() -> None:
    loop = VirtualLoop()
    one = handling(loop, of_tables=(Fault(FaultKind.LOAD_SPIKE, ms=30.0),))
    bucket = one.tables.partition("c0").writes

    async def main() -> None:
        await one.request("record", Quantiles.always(5.0), lambda: one.tables.charge(bucket, 1))

    loop.run(main())
    assert one.tables.throttled >= 1
    assert loop.time() > 0.03


def test_what_is_throttled_has_no_more_attempts_than_any_other_request() -> None:
    loop = VirtualLoop()
    one = handling(loop, of_tables=(Fault(FaultKind.LOAD_SPIKE, ms=60_000.0),))
    bucket = one.tables.partition("c0").writes

    async def main() -> None:
        with pytest.raises(StoreUnavailable):
            await one.request("record", Quantiles.always(5.0), lambda: one.tables.charge(bucket, 1))

    loop.run(main())
    assert (one.attempts, one.tables.throttled) == (requests.ATTEMPTS_MAX, requests.ATTEMPTS_MAX)


def test_a_node_dies_before_or_after_its_request_was_carried_out() -> None:
    for after, done in ((False, 0), (True, 1)):
        crash = Fault(FaultKind.CRASH, nth=1, after=after)
        assert carried_out(crash, times=2)[:2] == (done, [NodeDown, NodeDown]), "and stays dead"


def test_a_request_whose_sender_gives_up_may_be_carried_out_all_the_same() -> None:
    seen = Counter[tuple[bool, bool]]()
    for seed in range(200):
        loop, done = VirtualLoop(seed), list[float]()
        one = handling(loop, seed=seed)

        async def main(one: Handling = one, done: list[float] = done) -> bool:
            loop = one.tables.loop
            call: Callable[[], None] = lambda: done.append(loop.time())  # noqa: E731
            try:
                async with asyncio.timeout(0.003):
                    await one.request("claim", Quantiles.always(5.0), call)
            except TimeoutError:
                pass
            before = bool(done)
            await asyncio.sleep(1.0)
            return before

        before = loop.run(main())
        seen[before, bool(done)] += 1
        assert len(done) <= 1
        assert not done or done[0] in (0.0, 0.005)
    assert min(seen[True, True], seen[False, True], seen[False, False]) > 30, seen


def test_a_state_machine_that_waits_is_refused() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="must not wait"):
        at_once(waits())


def test_coverage_names_what_was_left_out() -> None:
    one, other = Coverage(), Coverage()
    one.hit(BRANCHES[0])
    other.fired(FaultKind.CRASH)
    one.add(other)
    table = dict(one.table())
    assert len(table) == len(BRANCHES) + len(FaultKind)
    assert (table[BRANCHES[0]], table["fault: crash"], table["fault: throttled"]) == (1, 1, 0)
    missing = one.missing(but=["fault: throttled"])
    assert len(missing) == len(table) - 3
    assert BRANCHES[0] not in missing
