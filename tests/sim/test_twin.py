"""The twin and the event-driven run answer alike, on ten seeds and on profiles drawn for the test.

A run is cut into blocks, which are independent. Ratios (requests a turn) are judged by a t-test
over blocks, shares (embedded of those that asked) by the exact binomial test, both against the
twin's figure, whose own error is left out: it plays a hundred times as many dialogues. All figures
of all seeds are one family, which stands as a whole at 99 % by Holm's correction: a twin that is
right fails one family in a hundred. Seeds are fixed, so that a run is as good as the next.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from random import Random
from typing import Final, NamedTuple

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from ctxasr.events import TEXT_BYTES_MAX, Outcome
from ctxasr.sim.fleet.fine import bin_of, width_of
from ctxasr.sim.fleet.measures import REPLY_EDGES_MS, UNITS, Measures
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.runs import Setting
from ctxasr.sim.twin import play as playing
from ctxasr.sim.twin.counts import Twin
from ctxasr.sim.twin.dice import NODES_MAX
from ctxasr.sim.workload.blocks import draw_block
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.sim.world import simulate
from ctxasr.store.memory import MemoryEventStore
from ctxasr.timing import REPLY_MS_MAX
from sim.changed_code import changed

CONFIDENCE: Final = 0.99
SEEDS: Final = range(10)
BLOCKS: Final = 20
TIMES_MORE: Final = 100
"""Dialogues of the twin for one of the run."""

ASKED_MIN: Final = 20
"""Turns in a bin of reply lengths that is judged."""


class Case(NamedTuple):
    """What is simulated in both ways."""

    workload: Workload
    latencies: Latencies
    read_budget_ms: float


def drawn(seed: int) -> Case:
    """A profile: from quick to slow stores and services, short to long replies, few to many turns.

    Medians are log-uniform over the given ranges.
    """
    random = Random(f"profile {seed}")

    def between(low: float, high: float) -> float:
        return low * math.exp(math.log(high / low) * random.random())

    def spread(low: float, high: float) -> Quantiles:
        median = between(low, high)
        return Quantiles.lognormal(median, median * between(2.0, 6.0))

    workload = Workload(
        asks=tuple(random.uniform(0.4, 0.8) for _ in range(random.randint(1, 3))),
        answers=random.uniform(0.7, 1.0),
        barge_ins=random.uniform(0.0, 0.6),
        entities=random.random(),
        screen=random.random(),
        speech_ms=spread(100.0, 1_500.0),
        think_ms=spread(15.0, 500.0),
        service_ms=spread(10.0, 1_500.0),
        reply_ms=spread(150.0, 4_000.0),
        answer_delay_ms=spread(20.0, 800.0),
    )
    latencies = Latencies(
        write=spread(2.0, 25.0),
        read=spread(1.5, 20.0),
        kms=spread(3.0, 40.0),
        encoder=spread(20.0, 500.0),
        aligner=spread(1.0, 20.0),
    )
    return Case(workload, latencies, random.choice((20.0, 50.0, 100.0)))


PLAIN: Final = Case(Workload(), Latencies(), 50.0)
TIGHT: Final = Case(
    Workload(
        asks=(0.8,),
        barge_ins=0.3,
        entities=1.0,
        screen=0.8,
        think_ms=Quantiles.lognormal(60.0, 300.0),
        service_ms=Quantiles.lognormal(60.0, 300.0),
        reply_ms=Quantiles.lognormal(450.0, 800.0),
        answer_delay_ms=Quantiles.lognormal(30.0, 300.0),
        speech_ms=Quantiles.lognormal(100.0, 400.0),
    ),
    Latencies(
        write=Quantiles.lognormal(25.0, 80.0),
        read=Quantiles.lognormal(15.0, 50.0),
        kms=Quantiles.lognormal(40.0, 150.0),
    ),
    50.0,
)
"""Where every request counts: most windows end while the context is on its way."""

SLOW: Final = PLAIN._replace(latencies=Latencies(encoder=Quantiles.lognormal(9_000.0, 60_000.0)))
"""An encoder that is ended after BUSY_MS_MAX as often as not."""


def run(case: Case, seed: int, dialogues: int) -> list[Measures]:
    """The event-driven run, as so many independent blocks."""
    each = dialogues // BLOCKS
    setting = Setting(
        latencies=case.latencies, read_budget_ms=case.read_budget_ms, trace=False, probe=False
    )
    found = []
    for first in range(0, BLOCKS * each, each):
        outcome = simulate(draw_block(case.workload, seed, first, each), MemoryEventStore, setting)
        assert not outcome.violations, outcome.violations
        assert not outcome.measures.counts["throttled"], "the twin knows no full partition"
        found.append(outcome.measures)
    return found


def play(case: Case, seed: int, dialogues: int) -> Twin:
    return playing.play(
        case.workload,
        case.latencies,
        dialogues=dialogues,
        seed=seed,
        read_budget_ms=case.read_budget_ms,
    )


# ---------------------------------------------------------------- figure by figure


def ratios(twin: Twin) -> Iterator[tuple[str, str, str, float]]:
    """Name, two counts of the run, and what the twin says that one is of the other."""
    asked = int(twin.asked.sum())
    yield "asked a turn", "asked", "turns", asked / twin.turns
    yield "discarded a turn", "turns discarded", "turns", twin.share("discarded")
    yield "missed a turn", "turns missed", "turns", twin.share("missed")
    yield "answers a turn", "answers", "turns", twin.added.sum() / twin.turns
    yield "requests a turn", "handling requests", "turns", twin.requests_per_turn
    yield "table requests a turn", "requests", "turns", twin.table_requests / twin.turns
    yield "KMS requests a turn", "kms requests", "turns", twin.kms_requests / twin.turns
    for units in UNITS:  # the run counts them in halves
        yield f"{units} a turn", f"{units} halves", "turns", 2.0 * getattr(twin, units) / twin.turns
    yield "encodings of those that asked", "encodings", "asked", twin.encodings / asked
    yield "busy an encoding", "encoder_us", "encodings", 1e3 * twin.encoder_busy_ms / twin.encodings


def judge_ratio(blocks: list[Counter[str]], of: str, to: str, ratio: float) -> float:
    """The p-value of the run's ratio, if the twin's is right."""
    off = [one[of] - ratio * one[to] for one in blocks]
    spread = math.sqrt(sum(one * one for one in off) * len(off) / (len(off) - 1))
    return 2.0 * float(student.sf(abs(sum(off)) / spread, len(off) - 1)) if spread else 1.0


def shares(twin: Twin, total: Measures) -> Iterator[tuple[str, int, int, float]]:
    """Name, how many of how many in the run, and the twin's share."""
    hit, missed = (total.bins.get(f"reply_ms {one}", Counter()) for one in ("hit", "missed"))
    asked = hit.total() + missed.total()
    yield "embedded", hit.total(), asked, twin.embedded.sum() / twin.asked.sum()
    for edge, rate in zip(REPLY_EDGES_MS, twin.hit_rate, strict=True):
        if hit[edge] + missed[edge] >= ASKED_MIN:
            yield f"embedded, replies from {edge} ms", hit[edge], hit[edge] + missed[edge], rate
    answers = total.counts["answers"]
    yield "hit", total.counts["answers hit"], answers, twin.answers["hit"] / twin.added.sum()
    added = sum(
        (total.bins.get(f"added_us {one}", Counter()) for one in ("hit", "missed")), Counter()
    )
    yield "nothing added", added[0], answers, twin.added[0] / twin.added.sum()
    for quantile in (0.5, 0.9, 0.99):
        edge = edge_above(twin.added_ms(quantile))
        below = sum(count for at, count in added.items() if at < edge)
        yield f"added, p{100 * quantile:g}", below, answers, twin.added_at_most(edge / 1e3)


def edge_above(ms: float) -> int:
    """The nearest edge of the run's bins that is above, in microseconds."""
    below = bin_of(int(ms * 1e3))
    return below + width_of(below)


def judge(blocks: list[Measures], twin: Twin) -> dict[str, float]:
    """Of each figure the p-value of the run, if the twin is right."""
    total = Measures()
    for one in blocks:
        one.counts["asked"] = sum(one.counts[f"asked {outcome}"] for outcome in Outcome)
        one.counts["answers"] = one.counts["answers hit"] + one.counts["answers missed"]
        total.add(one)
    counts = [one.counts for one in blocks]
    found = {name: judge_ratio(counts, of, to, ratio) for name, of, to, ratio in ratios(twin)}
    for name, some, all_of_them, share in shares(twin, total):
        found[name] = float(binomtest(some, all_of_them, min(share, 1.0)).pvalue)
    return found


def disagreements(family: dict[str, float]) -> list[str]:
    """What is rejected at the family's confidence (Holm, 1979)."""
    found = []
    for place, (name, p) in enumerate(sorted(family.items(), key=lambda one: one[1])):
        if p > (1.0 - CONFIDENCE) / (len(family) - place):
            break
        found.append(f"{name}: p = {p:.2g}")
    return found


def family(story: str, cases: Mapping[int, Case], dialogues: int) -> dict[str, float]:
    """All figures of some seeds."""
    return {
        f"{story}, seed {seed}: {name}": p
        for seed, case in cases.items()
        for name, p in judge(
            run(case, seed, dialogues), play(case, seed, TIMES_MORE * dialogues)
        ).items()
    }


def together(story: str, case: Case, dialogues: int) -> dict[str, float]:
    """... and, of one case, of all ten runs as one."""
    runs = [run(case, seed, dialogues) for seed in SEEDS]
    found = judge([block for one in runs for block in one], play(case, 10, 4_000_000))
    judged = {f"{story}, ten seeds: {name}": p for name, p in found.items()}
    for seed, one in zip(SEEDS, runs, strict=True):
        for name, p in judge(one, play(case, seed, TIMES_MORE * dialogues)).items():
            judged[f"{story}, seed {seed}: {name}"] = p
    return judged


def test_twin_and_run_agree_on_ten_seeds_and_drawn_profiles() -> None:
    judged = family("drawn", {seed: drawn(seed) for seed in SEEDS}, dialogues=300)
    judged |= family("a slow encoder", {0: SLOW}, dialogues=300)
    assert len(judged) > 150, "of ten seeds"
    assert not disagreements(judged)


@pytest.mark.proof
def test_twin_and_run_agree_in_many_dialogues() -> None:
    judged = together("plain", PLAIN, dialogues=3_000)
    judged |= together("tight", TIGHT, dialogues=1_000)
    judged |= family("drawn", {seed: drawn(seed) for seed in SEEDS}, dialogues=2_000)
    ordered = sorted(judged.items(), key=lambda one: one[1])
    below = sum(p < 0.01 for p in judged.values())
    print(f"\n{len(judged)} figures, {below} with p < 0.01; smallest: {ordered[:5]}")
    assert not disagreements(judged)


WRONG: Final = {
    "opening a key takes no time": (
        "recording", "way.opened + way.decrypting * decrypts", "way.opened",
    ),
    "nobody decrypts": (
        "recording", "decrypts = made.foreign_to(way) & ~shut", "decrypts = way.opens & shut",
    ),
    "a claim takes no time": (
        "claiming",
        "at, answered = dice.request(spread.write, last.answered)",
        "at, answered = last.answered, last.answered",
    ),
    "a barge-in ends the window on every node": (
        "embedding", "(recorded.node == claimed.node) & (recorded", "(recorded",
    ),
    "the window begins with the expect-speech": (
        "embedding",
        "np.where(started.at <= claimed.at, happenings.started, began)",
        "happenings.expect",
    ),
    "the past costs nothing": ("embedding", "if before is not None:", "if False:"),
    "nobody looks again": (
        "answering", "lanes = np.flatnonzero(again)", "lanes = np.flatnonzero(again & False)",
    ),
}  # fmt: skip
"""Rules of the twin that are wrong: module, line, what it becomes."""


@pytest.fixture(scope="module")
def tight_run() -> list[Measures]:
    return run(TIGHT, 3, dialogues=1_500)


@pytest.mark.parametrize("story", ["as it is", *WRONG])
def test_a_wrong_twin_disagrees(
    monkeypatch: pytest.MonkeyPatch, tight_run: list[Measures], story: str
) -> None:
    if story in WRONG:
        module, line, becomes = WRONG[story]
        made = changed(f"ctxasr.sim.twin.{module}", line, becomes)
        for name, found in list(vars(playing).items()):
            if getattr(found, "__module__", "") == made.__name__:
                monkeypatch.setattr(playing, name, getattr(made, name))
    wrong = disagreements(judge(tight_run, play(TIGHT, 3, 100_000)))
    assert bool(wrong) == (story in WRONG), wrong


# ---------------------------------------------------------------- the twin by itself


def test_a_seed_gives_the_same_counts_again_and_another_seed_others() -> None:
    first, again, other = (play(PLAIN, seed, 70_000) for seed in (1, 1, 2))
    assert counts_of(first) == counts_of(again) != counts_of(other)
    assert first.dialogues == 70_000 > playing.DIALOGUES_PER_CHUNK, "two chunks"


def test_two_twins_add_up() -> None:
    one, other = play(PLAIN, 1, 2_000), play(PLAIN, 2, 3_000)
    turns, squares = one.turns + other.turns, one.requests_squared + other.requests_squared
    one.merge(other)
    assert (one.dialogues, one.turns, one.requests_squared) == (5_000, turns, squares)
    assert one.outcomes.total() == one.turns
    assert one.added.sum() == one.answers["hit"] + one.answers["missed"]
    assert one.asked.sum() == one.slack.sum() == one.operations["link"]
    with pytest.raises(AssertionError, match="the same read budget"):
        one.merge(play(PLAIN._replace(read_budget_ms=20.0), 1, 100))


def test_slack_tells_what_the_deadline_did() -> None:
    """Without a barge-in a turn is embedded if it would have been before its window's end."""
    workload = replace(TIGHT.workload, barge_ins=0.0)
    twin = play(TIGHT._replace(workload=workload), 5, 50_000)
    in_time = twin.slack[len(twin.slack) // 2 :].sum() / twin.slack.sum()
    assert in_time == pytest.approx(twin.embedded.sum() / twin.asked.sum(), abs=0.01)
    assert twin.slack_ms(0.01) < 0.0 < twin.slack_ms(0.99)


@pytest.mark.parametrize("asks", [0.0, 1.0])
def test_nobody_or_everybody_asks(asks: float) -> None:
    workload = Workload(asks=(asks,), answers=1.0, entities=asks, screen=asks, barge_ins=1.0 - asks)
    twin = play(Case(workload, Latencies.none(), 50.0), 0, 1_000)
    assert twin.turns == (TURNS_MAX if asks else 1) * 1_000
    assert twin.outcomes == {"embedded" if asks else "discarded": twin.turns} | {"missed": 0} | (
        {"discarded": 0} if asks else {"embedded": 0}
    )
    assert twin.added_ms(0.5) == 0.0 if asks else math.isnan(twin.added_ms(0.5))
    assert math.isnan(twin.slack_ms(0.5)) == (not asks)


def test_twin_and_run_cut_what_is_too_long_alike() -> None:
    """Half of all replies and texts would be beyond what a message may have."""
    long, large = (Quantiles.lognormal(most, most * 9) for most in (REPLY_MS_MAX, TEXT_BYTES_MAX))
    cut = [Quantiles(tuple(min(one, most) for one in whole.table))
           for whole, most in ((long, REPLY_MS_MAX), (large, TEXT_BYTES_MAX))]  # fmt: skip
    found = []
    for reply_ms, size in ((long, large), cut):
        workload = Workload(
            entities=1.0, screen=1.0, reply_ms=reply_ms, utterance_bytes=size, reply_bytes=size,
            entities_bytes=size, screen_bytes=size,
        )  # fmt: skip
        found.append(
            (play(Case(workload, Latencies(), 50.0), 7, 300), draw_block(workload, 7, 0, 60))
        )
    (twin, plan), (other_twin, other_plan) = found
    assert counts_of(twin) == counts_of(other_twin)
    assert plan == other_plan


@pytest.mark.parametrize(
    ("dialogues", "budget_ms", "nodes"), [(0, 50.0, 3), (1, 0.0, 3), (1, 50.0, 0), (1, 50.0, 9)]
)
def test_what_cannot_be_played_is_refused(dialogues: int, budget_ms: float, nodes: int) -> None:
    with pytest.raises(ValueError, match="at least one dialogue"):
        playing.play(Workload(), dialogues=dialogues, read_budget_ms=budget_ms, nodes=nodes)
    assert playing.play(Workload(), dialogues=1, read_budget_ms=0.1, nodes=NODES_MAX).dialogues == 1


def counts_of(twin: Twin) -> list[object]:
    """All of them, comparable."""
    values = (getattr(twin, one.name) for one in fields(twin))
    return [one.tolist() if isinstance(one, np.ndarray) else one for one in values]
