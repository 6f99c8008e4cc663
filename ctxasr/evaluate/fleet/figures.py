"""What the counts of a fleet say: shares and tails with their intervals, load, capacity, costs.

Shares have 95 % intervals as `evaluate.fleet.intervals` tells. Quantiles have the interval of their
ranks (binomial, by the normal approximation), which asks nothing of their distribution and takes
answers for independent, which under faults of a whole block they are not: it is too narrow there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ctxasr.evaluate.costs.prices import Prices
from ctxasr.evaluate.fleet.intervals import Z95, Shares
from ctxasr.evaluate.fleet.money import costs_of
from ctxasr.evaluate.fleet.queues import WAITING_SHARE, workers_needed
from ctxasr.sim.fleet.fine import bin_of, mean_and_square, middle_of, quantile
from ctxasr.sim.fleet.measures import REPLY_EDGES_MS, UNITS
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.shares import OUTCOMES, STATES
from ctxasr.sim.fleet.summary import Summary
from ctxasr.sim.judging.coverage import OF_A_FORGET
from ctxasr.sim.plans.draw import PROFILES
from ctxasr.sim.plans.faults import FaultKind

FAULT: Final = "fault: "
TAILS: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}


def figures_of(summary: Summary, question: Question, prices: Prices) -> dict[str, Any]:
    """All figures of a finished summary, as JSON; those of the twin lack what it does not count."""
    counts, shares = summary.measures.counts, Shares(summary, question)
    found: dict[str, Any] = {
        "dialogues": counts["dialogues"],
        "turns": counts["turns"],
        "intervals": shares.basis(),
        "outcomes": {name: shares[f"turns {name}"] for name in (*OUTCOMES, "settled")},
        "deadline": _deadline(shares),
        "answers": _answers(counts, shares, question),
        "added_ms": _added(summary.measures.bins, question.read_budget_ms),
        "requests_per_turn": _ratio(counts["requests"], counts["turns"]),
        "encoder": _encoder(summary, shares, question),
    }
    return found if question.twin else found | _of_events(summary, shares, question, prices)


def _of_events(
    summary: Summary, shares: Shares, question: Question, prices: Prices
) -> dict[str, Any]:
    """What only a simulation event by event tells."""
    counts = summary.measures.counts
    kinds, branches = dict[str, int](), dict[str, int]()
    for name, count in summary.coverage.table():
        of_fault, _, kind = name.partition(FAULT)
        (kinds if not of_fault and kind else branches)[kind or name] = count
    unasked = set(FaultKind) - set(PROFILES[question.faults].kinds)
    out_of_reach = {f"{FAULT}{kind}" for kind in unasked}.union(OF_A_FORGET)
    return {
        "events": counts["events"],
        "blocks": summary.blocks,
        "virtual_s": max((lane.closed_s for lane in summary.lanes.values()), default=0),
        "delivery": _delivery(counts, shares),
        "store": _store(summary, question),
        "costs": costs_of(counts, prices, question.payload_ttl_s),
        "faults": kinds,
        "branches": branches,
        "never_reached": summary.coverage.missing(but=out_of_reach),
        "not_in_the_profile": sorted(unasked),
        "invariants": {
            "violations": summary.violations_count,
            "by_invariant": {str(number): n for number, n in sorted(summary.broken.items())},
            "found": [
                {"block": found.block, **found.violation._asdict()} for found in summary.violations
            ],
            "nothing_said": {str(number): why for number, why in summary.nothing_said().items()},
        },
        "over_time": {name: lane.to_dict() for name, lane in sorted(summary.lanes.items())},
    }


def tails(
    bins: Mapping[int, int], unit: float = 1_000.0, edge: float | None = None
) -> dict[str, Any]:
    """Mean and quantiles of a histogram, divided by `unit`, each with its interval.

    Values heap up at `edge`, whose bin is told as no more than that.
    """
    n = sum(bins.values())
    found: dict[str, Any] = {"n": n, "mean": mean_and_square(bins)[0] / unit if n else None}
    for name, at in TAILS.items():
        within = Z95 * math.sqrt(at * (1.0 - at) / n) if n else 0.0
        places = (at, max(0.0, at - within), min(1.0, at + within))
        values = [quantile(bins, place) for place in places]
        value, low, high = (None if one is None else _up_to(edge, one) / unit for one in values)
        found[name] = {"value": value, "low": low, "high": high}
    return found


def _up_to(edge: float | None, middle: float) -> float:
    if edge is None or bin_of(int(middle)) != bin_of(int(edge)):
        return middle
    return min(middle, edge)


def _deadline(shares: Shares) -> dict[str, Any]:
    """Of the turns that asked: those whose context was there before the reply had ended."""
    ends = [*REPLY_EDGES_MS[1:], None]
    return {
        "hit": shares["asked embedded"],
        "by_reply_ms": [
            {"from_ms": begin, "to_ms": end, **shares[name]}
            for begin, end in zip(REPLY_EDGES_MS, ends, strict=True)
            if (name := f"reply_ms {begin}") in shares
        ],
    }


def _answers(counts: Counter[str], shares: Shares, question: Question) -> dict[str, Any]:
    n = sum(counts[f"answers {name}"] for name in STATES)
    found: dict[str, Any] = {"planned": counts["answers planned"], "n": n}
    found |= {name: shares[f"answers {name}"] for name in STATES}
    return found if question.twin else found | {"changed": shares["answers changed"]}


def _added(bins: Mapping[str, Counter[int]], budget_ms: float) -> dict[str, Any]:
    """What the context cost after the recogniser's result, by what the answer got."""
    by_state = {name: bins.get(f"added_us {name}", Counter[int]()) for name in STATES}
    together = sum(by_state.values(), Counter[int](bins.get("added_us any", ())))
    budget_us = budget_ms * 1_000.0
    found: dict[str, Any] = {"all": tails(together, edge=budget_us)}
    found |= {name: tails(one, edge=budget_us) for name, one in by_state.items()}
    # For drawing: steps of the share of answers that cost at most so much.
    total, passed, steps = sum(together.values()), 0, []
    for edge in sorted(together):
        passed += together[edge]
        steps.append([_up_to(budget_us, middle_of(edge)) / 1_000.0, passed / total])
    return found | {"cumulative": thinned(steps)}


POINTS_MAX: Final = 200
"""Of a curve that is handed on for drawing."""

TAIL_POINTS: Final = 100
"""The last of them, which are all kept: the rare is what is looked for."""


def thinned(steps: list[list[float]]) -> list[list[float]]:
    """At most POINTS_MAX of the steps: the first, the last TAIL_POINTS, and some between."""
    if len(steps) <= POINTS_MAX:
        return steps
    last, few = len(steps) - TAIL_POINTS - 1, POINTS_MAX - TAIL_POINTS
    body = [steps[round(at * last / (few - 1))] for at in range(few)]
    return body + steps[-TAIL_POINTS:]


def _delivery(counts: Counter[str], shares: Shares) -> dict[str, Any]:
    events = counts["events"]
    return {
        "events": events,
        "deliveries": counts["deliveries"],
        "redelivered": shares["redelivered"],
        "unacknowledged": events - counts["acknowledged"],
        "requests_per_event": _ratio(counts["handling requests"], counts["handlings"]),
        "attempts_per_request": _ratio(counts["handling attempts"], counts["handling requests"]),
    }


def _store(summary: Summary, question: Question) -> dict[str, Any]:
    """Units of the two tables: a turn, a second of the busiest hour, the busiest second seen."""
    counts, per_hour = summary.measures.counts, busiest_rate(question)
    found: dict[str, Any] = {"throttled": counts["throttled"], "requests": counts["requests"],
                             "kms_requests": counts["kms requests"]}  # fmt: skip
    for name in UNITS:
        used = counts[f"{name} halves"] / 2
        found[name] = {
            "used": used,
            "per_turn": _ratio(used, counts["turns"]),
            "per_s_busiest_hour": _ratio(used * per_hour, counts["dialogues"]),
        }
    for unit in ("wcu", "rcu"):
        both = counts[f"status_{unit} halves"] + counts[f"payload_{unit} halves"]
        found[f"{unit}_per_turn"] = _ratio(both / 2, counts["turns"])
    for name in ("write_units", "read_units"):
        found[f"{name}_busiest_second"] = _peak(summary, name)
    return found


def _encoder(summary: Summary, shares: Shares, question: Question) -> dict[str, Any]:
    """The load of the busiest hour, and the workers that it needs."""
    counts, bins = summary.measures.counts, summary.measures.bins
    dialogues, started = counts["dialogues"], counts["encodings"]
    busy_s = counts["encoder_us"] / 1e6
    offered = busy_s / dialogues * busiest_rate(question) if dialogues else 0.0
    workers, waiting = workers_needed(offered)
    return {
        "encodings": started,
        "per_turn": _ratio(started, counts["turns"]),
        "per_context_in_time": _ratio(started, counts["asked embedded"]),
        "wasted": shares["encodings wasted"],
        "took_ms": tails(bins.get("encoder_us", Counter())),
        "busy_busiest_hour": offered,
        "busy_busiest_second": _peak(summary, "encoder_us") / 1e6,
        "workers": workers,
        "waiting_share": waiting,
        "waiting_share_max": WAITING_SHARE,
    }


def busiest_rate(question: Question) -> float:
    """Dialogues that begin in a second of the busiest hour of the day."""
    curve = question.workload.curve
    return question.workload.rate * max(curve) * len(curve) / sum(curve)


def _peak(summary: Summary, name: str) -> int:
    lane = summary.lanes.get(name)
    return 0 if lane is None else lane.peak


def _ratio(count: float, of: float) -> float | None:
    return count / of if of else None
