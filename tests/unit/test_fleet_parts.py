"""Parts of a fleet's simulation: histograms, lanes, sweeps, intervals, queues, money."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.fleet.asking import (
    DIALOGUES_MAX,
    POINTS_MAX,
    axes,
    changed,
    check_size,
    points,
    with_median,
)
from ctxasr.evaluate.fleet.checkpoint import differences
from ctxasr.evaluate.fleet.figures import POINTS_MAX as CURVE_POINTS_MAX
from ctxasr.evaluate.fleet.figures import TAIL_POINTS, busiest_rate, tails, thinned
from ctxasr.evaluate.fleet.intervals import BLOCKS_MIN, Shares, design_effect, effective_n, share
from ctxasr.evaluate.fleet.money import costs_of
from ctxasr.evaluate.fleet.queues import OFFERED_MAX, WAITING_SHARE, workers_needed
from ctxasr.sim.fleet.blocks import Block
from ctxasr.sim.fleet.fine import bin_of, mean_and_square, middle_of, quantile, width_of
from ctxasr.sim.fleet.lanes import POINTS_MAX as LANE_POINTS_MAX
from ctxasr.sim.fleet.lanes import Lane
from ctxasr.sim.fleet.measures import Measures
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.summary import Summary
from ctxasr.sim.luck import Stream
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.workload.curve import DAY
from ctxasr.sim.workload.statistics import Workload


@given(st.integers(0, 2**60))
def test_a_bin_is_at_most_a_128th_of_its_values_wide(value: int) -> None:
    edge = bin_of(value)
    assert edge <= value < edge + width_of(edge)
    assert bin_of(edge) == edge
    assert width_of(edge) == 1 if value < 256 else width_of(edge) * 128 <= edge
    assert abs(middle_of(edge) - value) <= 0.004 * value


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=300), st.floats(0.0, 1.0))
def test_quantiles_are_kept_to_half_a_percent(values: list[int], at: float) -> None:
    bins = Counter(map(bin_of, values))
    exact = sorted(values)[max(0, math.ceil(at * len(values)) - 1)]
    found = quantile(bins, at)
    assert found is not None
    assert abs(found - exact) <= 0.005 * exact
    mean, square = mean_and_square(bins)
    assert math.isclose(mean, sum(values) / len(values), rel_tol=0.005)
    assert math.isclose(square, sum(one**2 for one in values) / len(values), rel_tol=0.01)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert mean_and_square({}) == (0.0, 0.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.dictionaries(st.integers(0, 60), st.integers(1, 9))),
        max_size=60,
    )
)
def test_a_lane_adds_overlapping_blocks_up(steps: list[tuple[int, dict[int, int]]]) -> None:
    lane, everything, start = Lane(), Counter[int](), 0
    for step, seconds in steps:
        start += step
        lane.close(start)
        lane.add(seconds, start=start)
        for second, value in seconds.items():
            everything[second + start] += value
    lane.finish()
    assert (lane.total, lane.peak) == (everything.total(), max(everything.values(), default=0))
    assert sum(lane.sums) == lane.total
    assert max(lane.peaks, default=0) == lane.peak
    assert len(lane.sums) <= LANE_POINTS_MAX


def test_a_lane_stays_short_however_long_the_run() -> None:
    lane = Lane()
    for second in range(LANE_POINTS_MAX):
        lane.add({0: 1}, start=second)
        lane.close(second)
    lane.finish()
    assert (lane.width_s, len(lane.sums)) == (1, LANE_POINTS_MAX)
    lane.add({LANE_POINTS_MAX: 1})
    lane.finish()
    assert (lane.width_s, len(lane.sums)) == (2, LANE_POINTS_MAX // 2 + 1)
    week = Lane()
    for hour in range(7 * 24):
        week.close(hour * 3_600)
        week.add(dict.fromkeys(range(0, 3_600, 7), 2), start=hour * 3_600)
    week.finish()
    assert len(week.sums) <= LANE_POINTS_MAX
    assert week.total == 7 * 24 * 2 * 515
    assert not week.open


@pytest.mark.parametrize(
    ("name", "edges", "beyond"),
    [
        ("dialogues", ("1", "1e8"), ("0", "100000001", "1.5", "nan", "")),
        ("rate", ("0.001", "1e6"), ("0.0009", "1000001", "-1")),
        ("seed", ("0", str(2**53 - 1)), ("-1", str(2**53), "x")),
        ("follow_up_share", ("0", "1"), ("-0.1", "1.01")),
        ("reply_ms", ("0", "240000"), ("240001",)),
        ("encoder_ms", ("0", "3600000"), ("3600001", "inf")),
        ("answer_delay_ms", ("0", "3600000"), ("3600001",)),
        ("read_budget_ms", ("0", "3600000"), ("3600001",)),
        ("ttl_s", ("60", "2592000"), ("59", "2592001", "60.5")),
        ("faults", ("none", "all"), ("some", "")),
        ("what_if", ("none", "single-table"), ("all",)),
    ],
)
def test_a_parameter_holds_its_bounds(
    name: str, edges: tuple[str, ...], beyond: tuple[str, ...]
) -> None:
    for text in edges:
        changed(Question(), name, text)
    for text in beyond:
        with pytest.raises(InputError, match=name):
            changed(Question(), name, text)


def test_parameters_change_what_they_name() -> None:
    one = Question()
    assert changed(one, "rate", "250").workload.rate == 250.0
    assert changed(one, "follow_up_share", "0.25").workload.asks == (0.25,)
    assert changed(one, "what_if", "none").what_if == ""
    slower = changed(one, "encoder_ms", "120").latencies.encoder
    assert math.isclose(slower.draw(0.99), 2 * one.latencies.encoder.draw(0.99), rel_tol=1e-9)
    assert with_median(Quantiles.always(0.0), 5.0) == Quantiles.always(5.0)
    assert with_median(slower, 0.0) == Quantiles.always(0.0)
    with pytest.raises(InputError, match="no parameter speed; known: dialogues, rate"):
        changed(one, "speed", "1")


def test_a_sweep_is_every_combination() -> None:
    found = points(Question(), axes(["rate=1,10", "encoder-ms=30, 60", "faults=all"]))
    assert [one.label for one in found] == [
        "rate=1 encoder_ms=30 faults=all", "rate=1 encoder_ms=60 faults=all",
        "rate=10 encoder_ms=30 faults=all", "rate=10 encoder_ms=60 faults=all",
    ]  # fmt: skip
    assert found[2].workload.rate == 10.0
    for wrong in ("rate", "rate=", "rate=1,,2"):
        with pytest.raises(InputError, match="NAME=V1,V2"):
            axes([wrong])
    with pytest.raises(InputError, match="swept already"):
        axes(["rate=1", "rate=2"])
    with pytest.raises(InputError, match="no parameter depth"):
        points(Question(), {"depth": ["1"]})


def test_a_sweep_has_at_most_so_many_points_and_dialogues() -> None:
    values = [str(one) for one in range(POINTS_MAX)]
    assert len(points(Question(), {"seed": values})) == POINTS_MAX
    with pytest.raises(LimitExceeded, match="POINTS_MAX"):
        points(Question(), {"seed": [*values, "x"]})
    check_size([Question(dialogues=DIALOGUES_MAX - 1), Question(dialogues=1)])
    with pytest.raises(LimitExceeded, match="DIALOGUES_MAX"):
        check_size([Question(dialogues=DIALOGUES_MAX), Question(dialogues=1)])


def test_differences_are_named() -> None:
    one = Question()
    other = changed(changed(one, "rate", "20"), "seed", "9")
    assert differences([one], [one]) == []
    assert differences([one], [other]) == ["rate 10.0, not 20.0", "seed 1, not 9"]
    assert differences([one], [one, other]) == ["1 questions, not 2"]
    slower = changed(one, "encoder_ms", "100")
    assert differences([one], [slower]) == [
        "encoder {'median': 60.0, 'p99': 250.0}, not {'median': 100.0, 'p99': 416.667}"
    ]


def test_workers_follow_erlangs_formula() -> None:
    """As Erlang C is written in textbooks, with factorials."""

    def waiting(load: float, workers: int) -> float:
        last = load**workers / math.factorial(workers) * workers / (workers - load)
        return last / (sum(load**k / math.factorial(k) for k in range(workers)) + last)

    for load in (0.01, 0.5, 1.0, 3.7, 20.0):
        workers, found = workers_needed(load)
        assert math.isclose(found, waiting(load, workers), rel_tol=1e-9)
        assert found <= WAITING_SHARE
        assert workers - 1 <= load or waiting(load, workers - 1) > WAITING_SHARE
    assert workers_needed(0.0) == (0, 0.0)
    most, _ = workers_needed(OFFERED_MAX)
    assert 1_001_000 < most < 1_005_000, "about load + 2.3 times its root"
    many, waiting_share = workers_needed(OFFERED_MAX + 1)
    assert most - 5 < many <= most, "where the formula ends, the limit of many workers goes on"
    assert math.isclose(waiting_share, WAITING_SHARE, rel_tol=0.01)
    assert workers_needed(1e12)[0] > 1e12


def test_replies_of_a_long_median_are_cut_to_the_longest() -> None:
    asked = changed(Question(), "reply_ms", "240000").rounded()
    assert asked.workload.reply_ms.table[0] < asked.workload.reply_ms.table[-1] == 240_000.0


def test_shares_have_wilsons_interval() -> None:
    found = share(8, 10)
    assert math.isclose(found["low"], 0.4901625, rel_tol=1e-6)
    assert math.isclose(found["high"], 0.9433178, rel_tol=1e-6)
    assert share(0, 0)["share"] is None


def of_blocks(rows: list[tuple[int, int]]) -> Summary:
    """Blocks of so many settled turns of so many."""
    found = Summary()
    for settled, turns in rows:
        counts = {"turns": turns, "turns embedded": settled, "turns unsettled": turns - settled}
        found.add(Block(0, Measures(Counter(counts))))
    return found


def test_a_design_effect_by_hand() -> None:
    def of(rows: list[tuple[int, int]]) -> float:
        spread = of_blocks(rows).spreads["turns settled"]
        return design_effect(sum(x for x, _ in rows), sum(n for _, n in rows), spread, len(rows))

    assert of([(8, 10)] * 20) == 1.0, "never less"
    assert math.isclose(of([(10, 10), (0, 10)] * 10), 10 * 20 / 19), "a block is one turn"
    # r = 0.7, residuals +1 and -1: 20 / 19 * 20 * 1 / (200 * 0.21)
    assert of([(8, 10), (6, 10)] * 10) == 1.0
    assert math.isclose(of([(10, 10), (4, 10)] * 10), 20 / 19 * 20 * 9 / (200 * 0.21))
    # blocks of two sizes: r = 20 / 30, residuals 10 - 40 / 3 and 10 - 20 / 3
    rows = [(10, 20), (10, 10)] * 10
    assert math.isclose(of(rows), 20 / 19 * 10 * 2 * (10 / 3) ** 2 / (300 * 2 / 9))


def test_with_too_few_blocks_or_no_difference_a_block_is_one_turn() -> None:
    rows = [(10, 10), (8, 10)] * BLOCKS_MIN
    for count in (BLOCKS_MIN - 1, BLOCKS_MIN):
        spread = of_blocks(rows[:count]).spreads["turns settled"]
        settled = sum(x for x, _ in rows[:count])
        effective = effective_n(settled, 10 * count, spread, count)
        assert (effective == count) is (count < BLOCKS_MIN), count
    spread = of_blocks([(10, 10)] * 30).spreads["turns settled"]
    assert effective_n(300, 300, spread, 30) == 30.0


def test_intervals_of_blocks_mostly_hold_the_truth() -> None:
    """A fifth of the blocks has an outage in which half of the turns are lost."""
    inside = Counter[str]()
    for seed in range(200):
        stream, rows = Stream(seed), []
        for _ in range(40):
            at = 0.5 if stream.next() < 0.2 else 0.97
            rows.append((sum(stream.next() < at for _ in range(50)), 50))
        for profile in ("all", "none"):
            found = Shares(of_blocks(rows), Question(faults=profile))["turns settled"]
            inside[profile] += found["low"] <= 0.2 * 0.5 + 0.8 * 0.97 <= found["high"]
    assert 180 <= inside["all"] <= 200, inside
    assert inside["none"] < 150, inside


def test_tails_have_an_interval_that_mostly_holds_the_truth() -> None:
    shape, inside = Quantiles.lognormal(4.0, 20.0), Counter[str]()
    for seed in range(200):
        stream = Stream(seed)
        bins = Counter(bin_of(round(shape.draw(stream.next()) * 1_000)) for _ in range(400))
        found = tails(bins)
        for name, truth in (("p50", 4.0), ("p90", shape.draw(0.9))):
            inside[name] += found[name]["low"] <= truth <= found[name]["high"]
    assert all(180 <= count <= 200 for count in inside.values()), inside


def test_the_busiest_hour_follows_the_curve() -> None:
    assert busiest_rate(Question(workload=Workload(rate=12.0))) == 12.0
    day = busiest_rate(Question(workload=Workload(rate=12.0, curve=DAY)))
    assert math.isclose(day, 12.0 * 1.8 / (sum(DAY) / 24))


def test_money_by_hand() -> None:
    counts = Counter({
        "turns": 2_000_000, "status_wcu halves": 6_000_000, "payload_wcu halves": 2_000_000,
        "status_rcu halves": 1_000_000, "kms requests": 4_000_000, "deliveries": 10_000_000,
        "events": 10_000_000, "encodings": 1_000_000, "handling_us": 1_000_000_000,
        "encoder_us": 0, "stored_items": 0, "stored_bytes": 2**30,
    })  # fmt: skip
    found = costs_of(counts, Prices(), ttl_s=3_600)
    usd = found["usd_per_million"]
    assert math.isclose(usd["writes"], 4.0 * 0.625 / 2)
    assert math.isclose(usd["reads"], 0.5 * 0.125 / 2)
    assert math.isclose(usd["KMS"], 4.0 * 3.0 / 2)
    assert math.isclose(usd["storage"], 49 / 730 * 0.25 / 2)
    assert math.isclose(usd["Lambda"], (2.0 * 0.2 + 1_000 * 0.5 * 0.0000166667) / 2)
    assert math.isclose(usd["SQS"], (10.0 + 2.0) * 0.4 / 2)
    assert math.isclose(found["total_usd_per_million"], sum(usd.values()))
    assert costs_of(Counter(), Prices(), 60)["total_usd_per_million"] == 0.0


def test_a_curve_is_thinned_and_keeps_what_is_rare() -> None:
    steps = [[float(at), at / 5_000] for at in range(5_000)]
    kept = thinned(steps)
    assert len(kept) == CURVE_POINTS_MAX
    assert kept[0] == steps[0]
    assert kept[-TAIL_POINTS:] == steps[-TAIL_POINTS:]
    assert kept == sorted(kept)
    assert len({at for at, _ in kept}) == len(kept)
    one_more = thinned(steps[: CURVE_POINTS_MAX + 1])
    assert len({at for at, _ in one_more}) == CURVE_POINTS_MAX
    assert thinned(steps[:CURVE_POINTS_MAX]) == steps[:CURVE_POINTS_MAX]


def test_what_heaps_up_at_an_edge_is_told_as_the_edge() -> None:
    bins = {bin_of(50_000): 5, bin_of(60_000): 1}
    found = tails(bins, edge=50_000.0)
    assert found["p50"]["value"] == 50.0 < tails(bins)["p50"]["value"]
    assert found["p99"]["value"] > 59.5, "beyond it nothing is cut"
