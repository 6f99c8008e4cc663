"""The workload of a fleet: what is drawn has the figures asked for, and a trace gives them back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scipy import stats

from ctxasr.errors import InputError, LimitExceeded
from ctxasr.events import TEXT_BYTES_MAX
from ctxasr.scenario.format import load_scenario, read_scenario
from ctxasr.scenario.scripts import STEP_MS, script_of
from ctxasr.sim.plans.draw import PROFILES
from ctxasr.sim.plans.faults import OF_A_REGION, FaultKind
from ctxasr.sim.plans.plan import NODES, REPLY_STEP_MS, Delivery, Plan
from ctxasr.sim.plans.templates import place_of, template
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.runs import Setting
from ctxasr.sim.workload import document, trace
from ctxasr.sim.workload.blocks import FAULTY, STRATUM, block_start_ms, draw_block
from ctxasr.sim.workload.curve import DAY, DAY_S, FLAT, HOUR_S, HOURS, begun, hourly, instant_s
from ctxasr.sim.workload.document import read_curve
from ctxasr.sim.workload.files import Figures, figures_from, read_workload
from ctxasr.sim.workload.fit import SHARE_LEAST, fit
from ctxasr.sim.workload.scripted import Script
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.sim.workload.trace import LINE_BYTES_MAX, TraceLine, read_trace
from ctxasr.sim.workload.turns import COMPLETES, UNIFORMS, draw_turn
from ctxasr.sim.world import simulate
from ctxasr.store.memory import MemoryEventStore
from ctxasr.timing import REPLY_MS_MAX

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.scenario.yaml"))

ODD = Workload(
    rate=0.06,
    curve=DAY,
    asks=(0.7, 0.45, 0.2),
    answers=0.85,
    barge_ins=0.15,
    entities=0.6,
    screen=0.25,
    speech_ms=Quantiles.lognormal(1_500.0, 4_000.0),
    think_ms=Quantiles.lognormal(250.0, 900.0),
    service_ms=Quantiles.lognormal(120.0, 700.0),
    reply_ms=Quantiles.lognormal(2_500.0, 9_000.0),
    answer_delay_ms=Quantiles.lognormal(700.0, 2_500.0),
    utterance_bytes=Quantiles.lognormal(40.0, 160.0),
    reply_bytes=Quantiles.lognormal(90.0, 400.0),
    entities_bytes=Quantiles.lognormal(500.0, 4_000.0),
    screen_bytes=Quantiles.lognormal(900.0, 5_000.0),
)
"""No figure is a default's."""

TURNS = 20_000
SEED = 7

SURE = 1 - 0.01 / 60
"""All intervals of a test hold together with 99 %: about sixty are taken, so each is wider."""


def share_is(share: float, such: int, of: int) -> bool:
    """Whether so many of so many agree with a share."""
    low, high = stats.binom.interval(SURE, of, share)
    return bool(low <= such <= high)


def quantile_is(at: float, value: float, values: Sequence[float], step: float = 1.0) -> bool:
    """Whether `value` may be the quantile of these; they are rounded to steps."""
    below = sum(one < value - step for one in values), sum(one <= value + step for one in values)
    low, high = stats.binom.interval(SURE, len(values), at)
    return bool(below[0] <= high and low <= below[1])


class Seen(NamedTuple):
    """One turn, read off a plan."""

    dialogue: int
    turn: int
    at: dict[str, Delivery]
    following: dict[str, Delivery] | None

    def ms(self, since: str, until: str) -> float:
        return self.at[until].at_ms - self.at[since].at_ms

    def bytes_of(self, what: str) -> int:
        one = self.at[what]
        return one.text_bytes + sum(len(text) for text in template(one.event, 0).texts)

    @property
    def ended(self) -> Delivery:
        return self.at["interrupted" if "interrupted" in self.at else "finished"]


def turns_of(plan: Plan, first: int = 0) -> Iterator[Seen]:
    """The turns of a plan whose dialogues are numbered from `first`."""
    found: dict[tuple[int, int], dict[str, Delivery]] = defaultdict(dict)
    for one in plan.deliveries:
        place = place_of(one.event)
        found[one.customer, place.turn][place.what] = one
    for (customer, turn), at in sorted(found.items()):
        yield Seen(first + customer, turn, at, found.get((customer, turn + 1)))


@pytest.fixture(scope="module")
def odd() -> tuple[list[Seen], list[float]]:
    """The first turns of a workload, and when each begins in ms of the run."""
    seen: list[Seen] = []
    begins_ms: list[float] = []
    for first in range(0, TURNS, STRATUM):
        drawn = list(turns_of(draw_block(ODD, SEED, first, STRATUM), first))
        seen += drawn
        begins_ms += [block_start_ms(ODD, first) + one.at["recognize"].at_ms for one in drawn]
        if len(seen) > TURNS:
            break
    return seen, begins_ms


# ---------------------------------------------------------------- what is drawn


def test_shares_are_those_of_the_workload(odd: tuple[list[Seen], list[float]]) -> None:
    seen, _ = odd
    for number, share in enumerate(ODD.asks, 1):
        last = number == len(ODD.asks)
        some = [one for one in seen if one.turn == number or (last and one.turn > number)]
        assert share_is(share, sum("expect" in one.at for one in some), len(some)), number
    asked = [one for one in seen if "expect" in one.at and one.turn < TURNS_MAX]
    assert share_is(ODD.answers, sum(one.following is not None for one in asked), len(asked))
    for what, share in (
        ("entities", ODD.entities), ("screen", ODD.screen), ("interrupted", ODD.barge_ins),
        ("completed", COMPLETES),
    ):  # fmt: skip
        assert share_is(share, sum(what in one.at for one in seen), len(seen)), what
    assert all(("expect" in one.at) for one in seen if one.following), "only a question is answered"
    assert all(("interrupted" in one.at) != ("finished" in one.at) for one in seen)


def test_durations_and_sizes_are_those_of_the_workload(
    odd: tuple[list[Seen], list[float]],
) -> None:
    seen, _ = odd
    played = [one for one in seen if one.following and "finished" in one.at]
    found: dict[str, list[float]] = {
        "speech_ms": [one.ms("recognize", "utterance") for one in seen],
        "think_ms": [one.ms("utterance", "reply") for one in seen],
        "service_ms": [
            one.ms("utterance", what)
            for one in seen
            for what in ("entities", "screen")
            if what in one.at
        ],
        "reply_ms": [one.at["reply"].number for one in seen],
        "answer_delay_ms": [
            one.following["recognize"].at_ms - one.ended.at_ms for one in played if one.following
        ],
    }
    for what in ("utterance", "reply", "entities", "screen"):
        found[f"{what}_bytes"] = [one.bytes_of(what) for one in seen if what in one.at]
    for name, values in found.items():
        step = REPLY_STEP_MS if name == "reply_ms" else 1.0
        for at in (0.5, 0.99):
            assert quantile_is(at, getattr(ODD, name).draw(at), values, step), (name, at)


def test_a_turn_goes_as_the_design_says(odd: tuple[list[Seen], list[float]]) -> None:
    for one in odd[0]:
        at = one.at
        services = sum(what in at for what in ("entities", "screen"))
        if "expect" in at:
            assert at["expect"].number == services
            assert 0 <= one.ms("reply", "expect") <= 151
        assert 19 <= one.ms("reply", "started") <= 201
        if "finished" in at:
            assert abs(one.ms("started", "finished") - at["reply"].number) <= 1
        else:
            assert -1 <= one.ms("started", "interrupted") <= at["reply"].number + 1
            nexts = one.following["recognize"].at_ms if one.following else one.ended.at_ms
            assert nexts - one.ended.at_ms <= 1, "who barges in speaks at once"
        if "completed" in at:
            last = max(at["reply"].at_ms, at["expect"].at_ms if "expect" in at else 0.0)
            assert 49 <= at["completed"].at_ms - last <= 401
        assert ("answer" in at) == (one.turn > 1)
        if "answer" in at:
            assert at["answer"].at_ms == at["recognize"].at_ms
            assert abs(at["answer"].number - one.ms("recognize", "utterance")) <= 1


def test_every_node_is_given_every_event(odd: tuple[list[Seen], list[float]]) -> None:
    nodes: dict[str, Counter[int]] = defaultdict(Counter)
    for one in odd[0]:
        for what, delivery in one.at.items():
            nodes[what][delivery.node] += 1
    for what, counts in nodes.items():
        total = counts.total()
        assert all(share_is(1 / NODES, counts[node], total) for node in range(NODES)), what
    pairs = Counter((one.at["utterance"].node, one.at["reply"].node) for one in odd[0])
    assert all(share_is(1 / NODES**2, count, len(odd[0])) for count in pairs.values())


def test_who_is_always_asked_hangs_up() -> None:
    talkative = Workload(asks=(1.0,), answers=1.0)
    turns = Counter(one.dialogue for one in turns_of(draw_block(talkative, SEED, 0, 50)))
    assert set(turns.values()) == {TURNS_MAX}
    uniforms = [0.5] * len(UNIFORMS)
    delays = [draw_turn(talkative, turn, uniforms).answer_delay_ms for turn in (7, TURNS_MAX)]
    assert delays == [pytest.approx(600.0), None]


# ---------------------------------------------------------------- when dialogues begin


def begins_s(workload: Workload, dialogues: int) -> list[float]:
    found = []
    for first in range(0, dialogues, STRATUM):
        start_ms = block_start_ms(workload, first)
        plan = draw_block(workload, SEED, first, min(STRATUM, dialogues - first))
        found += [
            (start_ms + one.at_ms) / 1_000.0
            for one in plan.deliveries
            if one.event == "d0t1.recognize"
        ]
    return found


def test_arrivals_of_a_day_follow_the_curve() -> None:
    busy = Workload(rate=10_000 / DAY_S, curve=DAY, asks=(0.0,))
    hours = Counter(int(at_s // HOUR_S) for at_s in begins_s(busy, 10_000))
    counts = [hours[hour] for hour in range(HOURS)]
    expected = hourly(busy.rate, busy.curve)
    assert sum(counts) == 10_000
    assert stats.chisquare(counts, expected).pvalue > 0.01
    assert stats.chisquare(counts, hourly(busy.rate, FLAT)).pvalue < 1e-9, "the test can fail"


def test_arrivals_of_a_second_are_nearly_a_poisson_process() -> None:
    seconds = 2_000
    counts = Counter(int(one) for one in begins_s(Workload(asks=(0.0,)), 10 * seconds))
    mean = 10.0
    variance = sum((counts[second] - mean) ** 2 for second in range(seconds)) / seconds
    low, high = (one / seconds for one in stats.chi2.interval(0.99, seconds))
    assert low <= variance / (mean * (1 - mean / STRATUM)) <= high


def test_the_curve_and_its_inverse() -> None:
    nights_off = tuple(0.0 if hour < 6 else 1.0 for hour in range(HOURS))
    for curve in (FLAT, DAY, nights_off, nights_off[::-1]):
        instants = [instant_s(3.0, curve, dialogues) for dialogues in range(0, 700_000, 997)]
        assert all(one <= other for one, other in pairwise(instants))
        for dialogues, at_s in zip(range(0, 700_000, 997), instants, strict=True):
            assert begun(3.0, curve, at_s) == pytest.approx(dialogues, abs=1e-6)
    assert instant_s(10.0, FLAT, 600.0) == pytest.approx(60.0)
    assert instant_s(1.0, nights_off, 0.0) == 6 * HOUR_S, "nobody begins at night"
    assert instant_s(1.0, DAY, DAY_S * 2.5) > 2 * DAY_S, "every day is alike"


# ---------------------------------------------------------------- blocks


def own_lines(plan: Plan, customer: int, start_ms: float) -> list[Any]:
    deliveries = [
        replace(one, customer=0, at_ms=one.at_ms + start_ms)
        for one in plan.deliveries
        if one.customer == customer
    ]
    faults = [
        replace(one, customer=0)
        for one in plan.faults
        if one.customer == customer and one.kind not in OF_A_REGION
    ]
    return [*deliveries, *faults]


def test_a_dialogue_is_the_same_in_every_block() -> None:
    faulty = PROFILES["all"]
    whole = draw_block(ODD, SEED, 500, 500, faulty)
    whole_start_ms = block_start_ms(ODD, 500)
    with_faults = 0
    for first, count in ((700, 100), (650, 7), (480, 600)):
        part = draw_block(ODD, SEED, first, count, faulty)
        start_ms = block_start_ms(ODD, first)
        for number in range(max(first, 500), min(first + count, 1_000)):
            lines = own_lines(part, number - first, start_ms)
            assert lines == own_lines(whole, number - 500, whole_start_ms), number
            with_faults += any(not isinstance(one, Delivery) for one in lines)
    assert with_faults > 3


def test_a_block_begins_with_its_stratum() -> None:
    starts = [block_start_ms(Workload(rate=10.0), first) for first in (0, 499, 500, 1_250)]
    assert starts == [0.0, 0.0, 50_000.0, 100_000.0]


def test_blocks_differ_and_seeds_do() -> None:
    plans = [draw_block(Workload(), seed, first, 20) for seed in (1, 2) for first in (0, 500)]
    assert len({plan.seed for plan in plans}) == 4
    assert len({tuple(one.at_ms for one in plan.deliveries) for plan in plans}) == 4


def test_a_plan_is_plain_sorted_and_of_its_block() -> None:
    plan = draw_block(Workload(), SEED, 1_000, 100, PROFILES["all"])
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    times = [one.at_ms for one in plan.deliveries]
    assert times == sorted(times)
    assert all(one >= 0 and one == int(one) for one in times)
    assert {one.customer for one in plan.deliveries} == set(range(100))
    assert draw_block(Workload(), SEED, 0, 0).deliveries == ()


def test_a_plan_is_the_same_in_every_process() -> None:
    program = (
        "import hashlib; from ctxasr.sim.plans.draw import PROFILES\n"
        "from ctxasr.sim.workload.blocks import draw_block\n"
        "from ctxasr.sim.workload.statistics import Workload\n"
        "plan = draw_block(Workload(), 7, 500, 100, PROFILES['all'])\n"
        "print(hashlib.sha256(repr(plan).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


# ---------------------------------------------------------------- faults


def test_faults_befall_few_dialogues_and_few_nodes() -> None:
    blocks, kinds, struck = 40, Counter[FaultKind](), set()
    for block in range(blocks):
        plan = draw_block(Workload(asks=(0.5,)), SEED, block * STRATUM, STRATUM, PROFILES["all"])
        events = {(one.customer, one.event) for one in plan.deliveries}
        kinds.update(one.kind for one in plan.faults)
        for one in plan.faults:
            if one.kind in OF_A_REGION:
                continue
            struck.add((block, one.customer))
            assert one.kind is FaultKind.LATE_TTL or (one.customer, one.event) in events
    profile = PROFILES["all"]
    assert set(kinds) == set(FaultKind)
    own = len(set(FaultKind) - OF_A_REGION)
    faulty = FAULTY * (1 - (1 - profile.enabled) ** own)
    assert share_is(faulty, len(struck), blocks * STRATUM)
    of_blocks = sum(kinds[one] for one in OF_A_REGION)
    assert of_blocks <= profile.faults_max * len(OF_A_REGION) * blocks / 3


def test_without_a_profile_nothing_goes_wrong() -> None:
    assert draw_block(Workload(), SEED, 0, 500).faults == ()


@pytest.mark.parametrize("name", PROFILES)
def test_a_block_keeps_all_invariants(name: str) -> None:
    plan = draw_block(Workload(), SEED, 500, 120, PROFILES[name])
    run = simulate(plan, MemoryEventStore, Setting(trace=False))
    assert run.violations == []
    if name == "none":
        asked = sum(one.event.endswith("expect") for one in plan.deliveries)
        turns = sum(one.event.endswith("recognize") for one in plan.deliveries)
        outcomes = Counter(run.outcomes)
        assert outcomes["embedded"] + outcomes["missed"] == asked
        assert outcomes["discarded"] == turns - asked


# ---------------------------------------------------------------- traces


def line_of(one: Seen, at_ms: float) -> dict[str, Any]:
    """What a service would log of a turn."""
    services = [what for what in ("entities", "screen") if what in one.at]
    found: dict[str, Any] = {
        "dialogue": f"call-{one.dialogue}",
        "turn": one.turn,
        "at_ms": at_ms,
        "speech_ms": one.ms("recognize", "utterance"),
        "think_ms": one.ms("utterance", "reply"),
        "reply_ms": one.at["reply"].number,
        "asked": "expect" in one.at,
        "barged_in": "interrupted" in one.at,
        "utterance_bytes": one.bytes_of("utterance"),
        "reply_bytes": one.bytes_of("reply"),
        "service_ms": [one.ms("utterance", what) for what in services],
        "encoder_ms": 40.0 + one.dialogue % 50,
        "kms_ms": None,
    }
    found |= {f"{what}_bytes": one.bytes_of(what) for what in services}
    if one.following is not None:
        found["answer_delay_ms"] = one.following["recognize"].at_ms - one.ended.at_ms
    if one.dialogue % 2:  # the others' answers follow from the next turn
        found["answered"] = one.following is not None
        found = {"entities_bytes": 0, "screen_bytes": 0} | found
    return found


def test_a_trace_gives_the_workload_back(
    odd: tuple[list[Seen], list[float]], tmp_path: Path
) -> None:
    seen, begins_ms = odd
    path = tmp_path / "trace.jsonl"
    with path.open("w") as file:
        for one, at_ms in zip(seen, begins_ms, strict=True):
            file.write(json.dumps(line_of(one, at_ms)) + "\n")
    fitted = fit(read_trace(path))
    found = fitted.workload
    assert len(found.asks) >= len(ODD.asks)
    for number, share in enumerate(found.asks, 1):
        expected = ODD.asks[min(number, len(ODD.asks)) - 1]
        last = number == len(found.asks)
        of = sum(one.turn == number or (last and one.turn > number) for one in seen)
        assert share_is(expected, round(share * of), of), number
    for name in ("answers", "barge_ins", "entities", "screen"):
        of = fitted.values[name]
        assert share_is(getattr(ODD, name), round(getattr(found, name) * of), of), name
    for name in (one.name for one in fields(Workload)):
        usual = getattr(ODD, name)
        if not isinstance(usual, Quantiles):
            continue
        measured = getattr(found, name)
        of, step = fitted.values[name], REPLY_STEP_MS if name == "reply_ms" else 1.0
        for at in (0.5, 0.99):
            low, high = (below / of for below in stats.binom.interval(SURE, of, at))
            assert measured.draw(low) - step <= usual.draw(at), (name, at)
            assert measured.draw(min(high, 1 - 1e-9)) + step >= usual.draw(at), (name, at)
    dialogues = fitted.values["rate"]
    assert found.rate == pytest.approx(ODD.rate, rel=0.02)
    days = max(begins_ms) / 1_000.0 / DAY_S
    assert days > 2
    for expected, weight in zip(hourly(ODD.rate, DAY), found.curve, strict=True):
        count = hourly(found.rate, found.curve)[found.curve.index(weight)] * days
        assert abs(count - expected * days) < 4.5 * (expected * days + 30) ** 0.5
    assert dialogues == sum(one.turn == 1 for one in seen)
    assert 40.0 <= fitted.latencies.encoder.draw(0.0) < fitted.latencies.encoder.draw(0.999) < 90.0
    assert fitted.latencies.write == Latencies().write
    assert {"kms_ms", "store_write_ms"} <= set(fitted.defaults)
    assert any("encoder_ms: fitted from" in line for line in fitted.report())
    assert "by default: store_write_ms" in fitted.report()[-1]


def lines(*some: dict[str, Any]) -> list[TraceLine]:
    return [TraceLine.model_validate_json(json.dumps(one)) for one in some]


def test_what_a_trace_does_not_say_is_the_default() -> None:
    fitted = fit(lines({"encoder_ms": [10, 20]}, {"store_read_ms": 3}))
    assert fitted.workload == Workload()
    assert fitted.values == {"store_read_ms": 1, "encoder_ms": 2}
    assert fitted.latencies.encoder == Quantiles.fit([10, 20])
    one = fit(lines({"dialogue": 1, "turn": 1, "at_ms": 5, "asked": True}))
    assert one.workload == replace(Workload(), asks=(1.0,), answers=0.0)


def test_a_share_needs_some_turns() -> None:
    few = [
        {"dialogue": place, "turn": turn, "asked": turn == 1}
        for turn, many in ((1, SHARE_LEAST), (2, SHARE_LEAST), (3, SHARE_LEAST - 1), (4, 5))
        for place in range(many)
    ]
    assert fit(lines(*few)).workload.asks == (1.0, 0.0, 0.0)
    some = [one | {"asked": one["turn"] == 4} for one in few]
    assert fit(lines(*some)).workload.asks == (0.0, 0.0, 5 / (SHARE_LEAST + 4))


WRONG = {
    "not JSON": ("{", "2: not JSON; one JSON object a line would be right"),
    "no object": ("[]", "2: must be an object of names and values"),
    "unknown key": ('{"speech": 1}', "2: the key 'speech' is not known; known are dialogue, turn"),
    "a sentence for a key": ('{"call meg jones now": 1}', "2: a key is not known; known are"),
    "quoted number": (
        '{"dialogue": 1, "turn": 1, "think_ms": "3"}',
        "2: think_ms: must be a number, without quotes",
    ),
    "negative": ('{"dialogue": 1, "turn": 1, "think_ms": -1}', "2: think_ms: must be at least 0"),
    "no turn": ('{"dialogue": 1, "asked": true}', "2: turn: missing"),
    "no dialogue": ('{"asked": true}', "2: dialogue: missing"),
    "a turn twice": (
        '{"dialogue": "a", "turn": 1, "asked": true}',
        "2: turn: number 1 of this dialogue stands on an earlier line; each turn once",
    ),
    "turn 0": ('{"dialogue": 1, "turn": 0}', "2: turn: must be at least 1"),
    "answered, not asked": (
        '{"dialogue": 1, "turn": 1, "asked": false, "answered": true}',
        "2: answered: true, and the turn did not ask; asked: true would be right",
    ),
    "too long a reply": (
        '{"dialogue": 1, "turn": 1, "reply_ms": 240001}',
        "2: reply_ms: must be at most 240000",
    ),
    "quoted latency": ('{"encoder_ms": "3"}', "2: encoder_ms.0: must be a number, without quotes"),
    "no name": ('{"dialogue": true, "turn": 1}', "2: dialogue: must be a text, in quotes"),
    "half a turn": ('{"dialogue": 1, "turn": 1.5}', "2: turn: must be a whole number"),
    "a word for yes": (
        '{"dialogue": 1, "turn": 1, "asked": "yes"}',
        "2: asked: must be true or false, without quotes",
    ),
    "not a number": ('{"dialogue": 1, "turn": 1, "think_ms": NaN}', "2: think_ms: must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_named(name: str, tmp_path: Path) -> None:
    line, message = WRONG[name]
    path = tmp_path / "trace.jsonl"
    path.write_text('{"dialogue": "a", "turn": 1}\n' + line + "\n")
    with pytest.raises(InputError) as raised:
        fit(read_trace(path))
    assert f"{path}:{message}" in str(raised.value)
    assert "meg" not in str(raised.value)


def test_a_trace_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.jsonl"
    full = '{"encoder_ms": 1}'.ljust(LINE_BYTES_MAX)
    path.write_text(f"{full}\r\n{full}\n\n{full}")
    assert len(list(read_trace(path))) == 3
    path.write_text(full + " ")
    with pytest.raises(LimitExceeded, match=r"trace.jsonl:1: LINE_BYTES_MAX is 16384, got 16385"):
        list(read_trace(path))
    monkeypatch.setattr(trace, "LINES_MAX", 3)
    path.write_text('{"encoder_ms": 1}\n' * 3)
    assert len(list(read_trace(path))) == 3
    path.write_text('{"encoder_ms": 1}\n' * 4)
    with pytest.raises(LimitExceeded, match="LINES_MAX is 3, got 4"):
        list(read_trace(path))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_trace(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("field", "most", "past"),
    [
        ("turn", trace.TURN_MAX, trace.TURN_MAX + 1),
        ("at_ms", trace.AT_MS_MAX, trace.AT_MS_MAX + 1),
        ("dialogue", "d" * trace.NAME_CHARS_MAX, "d" * (trace.NAME_CHARS_MAX + 1)),
        ("kms_ms", [1] * trace.LATENCIES_MAX, [1] * (trace.LATENCIES_MAX + 1)),
        ("think_ms", document.FIGURE_MAX, document.FIGURE_MAX * 1.01),
        ("reply_ms", REPLY_MS_MAX, REPLY_MS_MAX + 1),
        ("utterance_bytes", TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1),
        ("screen_bytes", TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1),
    ],
)
def test_a_line_is_bounded(field: str, most: Any, past: Any, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    line: dict[str, Any] = {"dialogue": "a", "turn": 1}
    path.write_text(json.dumps(line | {field: most}))
    assert len(list(read_trace(path))) == 1
    path.write_text(json.dumps(line | {field: past}))
    with pytest.raises(InputError, match=f"jsonl:1: {field}: must (be|have) at most"):
        list(read_trace(path))


def test_a_trace_has_lines() -> None:
    with pytest.raises(InputError, match="a: empty; one JSON object a line"):
        fit([], "a")


@pytest.mark.parametrize("second_ms", [1_000.000_000_1, 1e14])
def test_a_trace_with_an_impossible_rate_is_named(second_ms: float) -> None:
    some = ({"dialogue": 1, "turn": 1, "at_ms": 1_000.0},
            {"dialogue": 2, "turn": 1, "at_ms": second_ms})  # fmt: skip
    told = "^a: by at_ms, .* dialogues begin in a second; RATE_MIN to RATE_MAX"
    with pytest.raises(InputError, match=told):
        fit(lines(*some), "a")


# ---------------------------------------------------------------- files


def test_a_workload_file_gives_the_workload_back() -> None:
    scripts = (Script("one", (Delivery("d0t1.recognize"), Delivery("d0t1.utterance", 900.0))),)
    measured = Quantiles.fit([1.0, 2.0, 7.0])
    for one in (ODD, replace(ODD, think_ms=measured, reply_ms=Quantiles.always(50.0)),
                replace(Workload(), scripts=scripts, scripted=0.5)):  # fmt: skip
        figures = Figures(one, replace(Latencies(), kms=Quantiles.always(0.0)))
        again = figures_from(json.loads(json.dumps(figures.to_dict())))
        assert again.latencies == figures.latencies
        for name in (part.name for part in fields(Workload)):
            expected, got = getattr(one, name), getattr(again.workload, name)
            if isinstance(expected, Quantiles):
                assert got.table == pytest.approx(expected.table, rel=1e-5), name
            else:
                assert got == expected, name


def test_workload_files_are_yaml_or_json(tmp_path: Path) -> None:
    path = tmp_path / "workload"
    path.write_text("rate: 40\ncurve: day\nlatencies: {encoder: {median: 45, p99: 180}}\n")
    found = read_workload(path)
    assert found.workload == replace(Workload(), rate=40.0, curve=DAY)
    assert found.latencies.encoder == Quantiles.lognormal(45.0, 180.0)
    path.write_text('{"reply_ms": {"values": [1, 2, 3]}}')
    assert read_workload(path).workload.reply_ms == Quantiles.fit([1, 2, 3])
    path.write_text("[" + ", ".join(map(str, DAY)) + "]")
    assert read_curve(str(path)) == DAY
    for between in ("\n", " ", "\t"):
        path.write_text(between.join(map(str, DAY)) + "\n")
        assert read_curve(str(path)) == DAY
    path.write_text(" ".join(["1"] * 23))
    with pytest.raises(InputError, match="24 numbers"):
        read_curve(str(path))
    assert read_curve("flat") == FLAT


WRONG_FILES = {
    "rate: 0": "rate: must be at least 1e-06",
    "rate: '10'": "rate: must be a number from 0, without quotes",
    "rates: 10": "the key 'rates' is not known; known are rate, curve, asks",
    "asks: [0.5, 2]": "asks.1: must be at most 1",
    "asks: []": "asks: must have at least one share",
    "asks: 1": "asks: must be a list",
    "curve: [1, 2]": "curve: must be flat, day, or 24 numbers from 0",
    f"curve: {[0] * 24}": "curve: must have an hour in which dialogues begin",
    "think_ms: {median: 5, p99: 4}": "think_ms: median and p99 must be numbers above 0",
    "think_ms: {median: 5}": "think_ms: has other keys than a distribution; a number, {median",
    "think_ms: soon": "think_ms: is no distribution; a number, {median: M, p99: P} or {values",
    "think_ms: {values: []}": "think_ms: values must be a list of 1 to VALUES_MAX (100000)",
    "think_ms: {values: [-1]}": "think_ms: values must be numbers from 0 to FIGURE_MAX",
    "latencies: {encoders: 5}": "latencies: the key 'encoders' is not known; known are write, read",
    "latencies: {call meg jones now: 5}": "latencies: a key is not known; known are write, read",
    "latencies: {encoder: -5}": "latencies: encoder: must be from 0 to FIGURE_MAX (1e+09)",
    "latencies: []": "latencies: must be a mapping of names and values",
    "rate: 1.0e+9": "rate: must be at most 1000000",
    "reply_ms: 240001": "reply_ms: must be from 0 to REPLY_MS_MAX (240000)",
    "reply_ms: {values: [1, 1.0e+9]}": "reply_ms: values must be numbers from 0 to REPLY_MS_MAX",
    "utterance_bytes: 1000000000": "utterance_bytes: must be from 0 to TEXT_BYTES_MAX (16384)",
    "reply_bytes: {median: 8000, p99: 16385}": "above 0, at most TEXT_BYTES_MAX (16384), and the",
    "entities_bytes: {values: [16385]}": "values must be numbers from 0 to TEXT_BYTES_MAX (16384)",
    "{screen: 1, screen_bytes: 3000000}": "screen_bytes: must be from 0 to TEXT_BYTES_MAX (16384)",
    "scripted: 1": "scripted: there are no scripts to follow; scripts, or scripted: 0 would be",
    "scripts: [{name: a, deliveries: [{event: d0t1.replies}]}]": "scripts.0: 'd0t1.replies' is no",
    "scripts: [{name: a, deliveries: [{event: d0t1.reply}, {event: d0t1.reply}]}]":
        "scripts.0: d0t1.reply comes twice; each event once would be right",
    "scripts: [{name: a, deliveries: [{event: d0t1.reply, number: 240001}]}]":
        "number of d0t1.reply is out of its range; from 0 to 240,000 would be right",
    "scripts: [{name: a, deliveries: [{event: d0t1.expect, number: 17}]}]":
        "number of d0t1.expect is out of its range; from 0 to 16 would be right",
    "scripts: [{name: a, deliveries: [{event: d0t1.reply, at_ms: .inf}]}]":
        "at_ms of d0t1.reply is out of its range; from 0 to 10,000,000,000 would be right",
    "scripts: [{name: a, deliveries: [{event: d0t1.reply, text_bytes: 16385}]}]":
        "text_bytes of d0t1.reply is out of its range; from 0 to 16,384 would be right",
    "scripts: [{name: a, deliveries: [{event: d0t1.reply, ms: 4}]}]": "the key 'ms' is not known",
    "scripts: [{deliveries: []}]": "scripts.0.name: this required field is missing",
    "- rate": "must be a mapping of names and values, as in 'rate: 10'",
    '{"rate": 3, "rate": 4}': "the key 'rate' stands twice; once would be right",
}  # fmt: skip

NO_DATA = {
    b"[1, 2": "1: not JSON or YAML; lines such as 'rate: 10' would be right",
    b"rate: 10\n  asks: [0.5": "2: not JSON or YAML; lines such as 'rate: 10' would be right",
    b"rate: 3\nrate: 4\n": "2: a key stands twice; once would be right",
    b"rate: 3\ncurve: d\xe4y": "2: not UTF-8, which would be right",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_a_wrong_workload_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "workload.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_workload(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert WRONG_FILES[text] in str(raised.value)


@pytest.mark.parametrize("data", NO_DATA)
def test_what_is_no_data_is_named_with_its_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "workload.yaml"
    path.write_bytes(data)
    with pytest.raises(InputError) as raised:
        read_workload(path)
    assert str(raised.value) == f"{path}:{NO_DATA[data]}"


def test_a_mark_of_utf_8_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("rate: 40", '{"rate": 40}'):
        path.write_text(text, encoding="utf-8-sig")
        assert read_workload(path).workload.rate == 40.0
    path.write_text('{"dialogue": "a", "turn": 1, "asked": true}', encoding="utf-8-sig")
    assert fit(read_trace(path)).workload.asks == (1.0,)


def test_what_is_drawn_is_cut_to_what_a_message_may_have() -> None:
    long = Quantiles.lognormal(REPLY_MS_MAX / 2, REPLY_MS_MAX)
    large = Quantiles.lognormal(TEXT_BYTES_MAX / 2, TEXT_BYTES_MAX)
    workload = Workload(
        entities=1.0, screen=1.0, reply_ms=long, utterance_bytes=large, reply_bytes=large,
        entities_bytes=large, screen_bytes=large,
    )  # fmt: skip
    most = draw_turn(workload, 1, [1 - 1e-9] * len(UNIFORMS))
    assert long.draw(1 - 1e-9) > most.reply_ms == REPLY_MS_MAX
    sizes = (most.utterance_bytes, most.reply_bytes, most.entities_bytes, most.screen_bytes)
    assert sizes == (TEXT_BYTES_MAX,) * 4
    run = simulate(draw_block(workload, SEED, 0, 30), MemoryEventStore, Setting(trace=False))
    assert run.violations == []


def test_workload_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "workload.yaml"
    monkeypatch.setattr(document, "WORKLOAD_FILE_BYTES_MAX", 20)
    path.write_text("rate: 10".ljust(20))
    assert read_workload(path).workload.rate == 10.0
    path.write_text("rate: 10".ljust(21))
    with pytest.raises(LimitExceeded, match="WORKLOAD_FILE_BYTES_MAX is 20, got 21"):
        read_workload(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_workload(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither a file nor one of flat, day"):
        read_curve("nightly")
    values = [1.0] * (document.VALUES_MAX + 1)
    with pytest.raises(InputError, match="VALUES_MAX"):
        Workload.from_dict({"think_ms": {"values": values}})
    assert Workload.from_dict({"think_ms": {"values": values[1:]}}).think_ms.draw(0.5) == 1.0
    for most, past in ((document.RATE_MAX, 1.01), (document.RATE_MIN, 0.99)):
        assert Workload.from_dict({"rate": most}).rate == most
        with pytest.raises(InputError, match="rate"):
            Workload.from_dict({"rate": most * past})


# ---------------------------------------------------------------- scenarios


def scripts() -> tuple[Script, ...]:
    return tuple(script_of(load_scenario(one, need_audio=False)) for one in SCENARIOS)


def test_the_scenarios_of_the_repository_are_scripts_that_keep_all_invariants() -> None:
    workload = replace(Workload(), scripts=scripts(), scripted=1.0)
    plan = draw_block(workload, SEED, 0, 120)
    run = simulate(plan, MemoryEventStore, Setting(trace=False))
    assert run.violations == []
    assert run.outcomes["embedded"] > 100


def test_a_script_keeps_order_times_and_sizes() -> None:
    scenario = read_scenario(
        """
        schema: 1
        turns:
          - user: {hypotheses: [call meg]}
            entities: [{kind: contact, values: [Meg Jones, Meg Bauer]}, {kind: x, values: [abc]}]
            screen: [Meg Jones]
            elicit_slot: contact
            reply: {text: Do you mean Meg Jones?, duration: 2s}
            deliver: [recognize, expect_speech]
            duplicate: [reply]
            barge_in: 1500ms
            pause: 3s
          - user: {hypotheses: [bauer]}
          - user: {hypotheses: [thanks a lot]}
        """,
        "two.scenario.yaml",
    )
    found = {one.event: one for one in script_of(scenario).deliveries}
    assert len(found) == len(script_of(scenario).deliveries), "each event once"
    assert found["d0t1.utterance"].at_ms == 800.0 + STEP_MS, "after two words and the directive"
    assert found["d0t1.expect"].at_ms == 800.0
    assert found["d0t1.expect"].number == 2, "entities and slot are one payload here"
    assert found["d0t1.reply"].number == 2_000
    ended = found["d0t1.interrupted"]
    assert ended.at_ms == 800.0 + 1_500.0
    assert found["d0t2.answer"] == Delivery("d0t2.answer", ended.at_ms + 3_000.0, number=400)
    assert "d1t1.recognize" in found, "nobody asked for the third turn"
    assert "d1t1.answer" not in found
    offered = len("Meg JonesMeg Bauerabccontact")
    simulated = sum(map(len, template("d0t1.entities", 0).texts))
    assert found["d0t1.entities"].text_bytes == offered - simulated
    assert "Meg" not in repr(script_of(scenario))


def test_the_share_of_scripted_dialogues() -> None:
    some = (
        Script("a", (Delivery("d5t1.recognize", 10.0),)),
        Script("b", (Delivery("d6t1.recognize", 20.0),)),
    )
    workload = replace(Workload(), scripts=some, scripted=0.3)
    plan = draw_block(workload, SEED, 0, 4_000)
    counts = Counter(one.event for one in plan.deliveries)
    assert share_is(0.15, counts["d5t1.recognize"], 4_000)
    assert share_is(0.15, counts["d6t1.recognize"], 4_000)
    plain = draw_block(Workload(), SEED, 0, 4_000)
    drawn = {one.customer for one in plan.deliveries if one.event == "d0t1.recognize"}
    for customer in list(drawn)[:50]:
        assert own_lines(plan, customer, 0.0) == own_lines(plain, customer, 0.0)


# ---------------------------------------------------------------- the page


def test_the_page_says_what_is_true() -> None:
    page = (ROOT / "docs" / "workload.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip(" `"): cells[2].strip()
        for cells in (line.split("|") for line in page.splitlines())
        if len(cells) > 4 and cells[1].strip().startswith("`")
    }
    plain = Workload().to_dict()
    assert rows.keys() == plain.keys()
    for name, value in plain.items():
        if name != "curve":
            text = json.dumps(value).replace('"', "").replace(".0", "")
            assert rows[name] in (text, json.dumps(value)), name
    example = next(line for line in page.splitlines() if line.strip().startswith('{"dialogue"'))
    assert TraceLine.model_validate_json(example).encoder_ms is not None
