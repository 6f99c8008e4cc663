"""A document such as `ctxasr simulate --json` prints, made up: round figures, all sections."""

from __future__ import annotations

import math
from typing import Any


def share(count: int, of: int) -> dict[str, Any]:
    """With Wilson's interval."""
    if not of:
        return {"count": count, "n": of, "share": None, "low": None, "high": None}
    z, p = 1.96, count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return {"count": count, "n": of, "share": p, "low": middle - half, "high": middle + half}


def tails(p50: float, p90: float, p99: float, p99_9: float, n: int) -> dict[str, Any]:
    quantiles = {"p50": p50, "p90": p90, "p99": p99, "p99_9": p99_9}
    near = {
        name: {"value": value, "low": value * 0.97, "high": value * 1.04}
        for name, value in quantiles.items()
    }
    return {"n": n, "mean": 1.2 * p50, **near}


EDGES_MS = (
    0,
    250,
    500,
    750,
    1_000,
    1_500,
    2_000,
    3_000,
    4_000,
    5_000,
    6_000,
    8_000,
    15_000,
    20_000,
)


def by_reply() -> list[dict[str, Any]]:
    found = []
    for at, (begin, end) in enumerate(zip(EDGES_MS, (*EDGES_MS[1:], None), strict=True)):
        n = round(900 * math.exp(-((at - 9) ** 2) / 16)) + 4
        hits = round(n * (1 - 0.8 * math.exp(-begin / 300)))
        found.append({"from_ms": begin, "to_ms": end, **share(hits, n)})
    return found


def lane(mean: float, swing: float, points: int = 288) -> dict[str, Any]:
    means = [
        round(
            mean * (1 + swing * math.sin(2 * math.pi * at / points - 1.8))
            + 0.07 * mean * (at * 7 % 5 - 2),
            3,
        )
        for at in range(points)
    ]
    return {"width_s": 300, "mean": means, "peak": [round(2 * one) for one in means]}


def costs(scale: float = 1.0) -> dict[str, Any]:
    usd = {"writes": 9.1 * scale, "reads": 0.42, "KMS": 3.1 * scale, "storage": 0.06, "Lambda": 4.9,
           "SQS": 2.6}  # fmt: skip
    return {
        "usd_per_million": usd,
        "total_usd_per_million": sum(usd.values()),
        "left_out": ["recognising and speaking", "network, logs and alarms"],
        "prices": {"write_usd_per_million": 1.25},
    }


def figures(*, missed: int = 210, scale: float = 1.0) -> dict[str, Any]:
    turns, asked, answers = 15_400, 7_700, 6_930
    hit = asked - missed
    steps = [[0.4 * at, 1 - math.exp(-at / 12)] for at in range(1, 110)] + [[50.0, 1.0]]
    return {
        "dialogues": 10_000,
        "turns": turns,
        "events": 6 * turns,
        "blocks": 20,
        "outcomes": {
            "embedded": share(hit, turns),
            "missed": share(missed, turns),
            "discarded": share(turns - asked, turns),
            "unsettled": share(0, turns),
            "deleted": share(0, turns),
            "settled": share(turns, turns),
        },
        "deadline": {"hit": share(hit, asked), "by_reply_ms": by_reply()},
        "answers": {
            "planned": answers,
            "n": answers,
            "hit": share(answers - missed - 30, answers),
            "missed": share(missed, answers),
            "none": share(30, answers),
            "changed": share(2_100, answers),
        },
        "added_ms": {
            "all": tails(3.4, 11.2, 22.6, 41.0, answers),
            "hit": tails(3.4, 11.2, 22.6, 41.0, answers - missed - 30),
            "missed": tails(0.1, 0.1, 0.2, 0.2, missed),
            "none": tails(0.1, 0.1, 0.2, 0.2, 30),
            "cumulative": steps,
        },
        "delivery": {
            "events": 6 * turns,
            "deliveries": 6 * turns + 800,
            "redelivered": share(800, 6 * turns + 800),
            "unacknowledged": 0,
            "requests_per_event": 2.1,
            "attempts_per_request": 1.02,
        },
        "store": {
            "throttled": 37,
            "requests": 201_000,
            "kms_requests": 16_000,
            **{
                name: {"used": used, "per_turn": used / turns, "per_s_busiest_hour": used / 5_000}
                for name, used in (
                    ("status_wcu", 96_000),
                    ("status_rcu", 9_000),
                    ("payload_wcu", 51_000),
                    ("payload_rcu", 22_000),
                )
            },
            "write_units_busiest_second": 71,
            "read_units_busiest_second": 24,
        },
        "encoder": {
            "encodings": 7_730,
            "per_turn": 0.502,
            "per_context_in_time": 1.12,
            "wasted": share(40, 7_730),
            "took_ms": tails(38.0, 51.0, 77.0, 102.0, 7_730),
            "busy_busiest_hour": 0.52,
            "busy_busiest_second": 2.3,
            "workers": 4,
            "waiting_share": 0.0031,
            "waiting_share_max": 0.01,
        },
        "costs": costs(scale),
        "faults": {"crash": 41, "lost answer": 320, "duplicate": 1_210, "partition": 0},
        "branches": {"decided to wait": 61_000, "decided to compute": 7_730, "key race lost": 0},
        "not_in_the_profile": ["partition"],
        "never_reached": ["key race lost"],
        "invariants": {"violations": 0, "found": [], "nothing_said": {"12": "no payload is kept"}},
        "over_time": {
            "dialogues": lane(10.0, 0.6),
            "turns": lane(15.4, 0.6),
            "write_units": lane(147.0, 0.6),
            "read_units": lane(31.0, 0.6),
            "encoder_us": lane(330_000.0, 0.6),
        },
    }


def difference(
    figure: str, unit: str, design: float, other: float, half: float, wins: str
) -> dict[str, Any]:
    return {
        "figure": figure,
        "unit": unit,
        "design": design,
        "what_if": other,
        "difference": other - design,
        "low": other - design - half,
        "high": other - design + half,
        "relative": (other - design) / design if design else None,
        "wins": wins,
    }


def what_if(name: str, *, missed: int, usd: float, violations: int) -> dict[str, Any]:
    """One that costs so much more, and breaks so many invariants."""
    dearer, unsafe = ("design" if one else "nobody" for one in (usd, violations))
    cheaper = "what-if" if usd else "nobody"
    settled = 1.0 - violations / 9e3
    rows = [
        difference("turns settled", "share", 1.0, settled, 0.0004, unsafe),
        difference("contexts in time", "share", 0.973, 1 - missed / 7_700, 0.004, "nobody"),
        difference("added latency p99", "ms", 22.6, 22.6 + usd, 1.2, dearer),
        difference("encodings a context", "", 1.12, 1.12 + usd / 30, 0.0, dearer),
        difference("WCU a turn", "WCU", 3.3, 3.3 - usd / 10, 0.0, cheaper),
        difference("$ a million turns", "$", 20.2, 20.2 + usd, 0.0, dearer),
        difference("violations", "", 0, violations, 0.0, unsafe),
    ]
    found = figures(missed=missed, scale=1.0 + usd / 12.2)
    return {"what_if": name, **found, "against": rows}


def document() -> dict[str, Any]:
    """Faults, what-ifs and a sweep."""
    return {
        "command": "ctxasr simulate --dialogues 10000 --rate 10 --seed 7 --faults all",
        "version": "0.1.0",
        "parameters": {
            "dialogues": 10_000,
            "workload": {
                "rate": 10.0,
                "curve": [1.0] * 24,
                "asks": [0.5, 0.4, 0.3],
                "reply_ms": {"median": 3_600.0, "p99": 12_800.0},
                "think_ms": {"table": [0.5 * at for at in range(1_025)]},
                "speech_ms": {"table": [1_500.0]},
                "latencies": {"write": {"median": 5.0, "p99": 20.0}},
            },
            "seed": 7,
            "faults": "all",
            "read_budget_ms": 50.0,
        },
        "figures": figures(),
        "what_ifs": [
            what_if("single-table", missed=205, usd=8.4, violations=0),
            what_if("eager-embedding", missed=190, usd=4.1, violations=0),
            what_if("eventual-reads", missed=900, usd=0.0, violations=310),
            what_if("no-claim", missed=212, usd=1.7, violations=12),
        ],
        "sweep": [
            {"label": f"encoder_ms={ms} faults={faults}", **figures(missed=ms * more)}
            for faults, more in (("none", 3), ("all", 5))
            for ms in (20, 40, 80, 160, 320)
        ],
    }
