"""What was counted in a fleet, in US dollars a million turns.

    writes, reads    units of both tables * price
    KMS              requests * price
    storage          (bytes of what was written + 100 an item) * (TTL + two days) * price
    Lambda           deliveries / batch + encodings, and memory * time
    SQS              a send an event, a receive and a delete a batch

Memory and batches are those of `ctxasr costs`, whose price list this is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from ctxasr.evaluate.costs.capacity import INDEX_BYTES
from ctxasr.evaluate.costs.money import MONTH_S, TTL_LAG_S, VCPU_MB
from ctxasr.evaluate.costs.prices import Prices

RECORDER_MB: Final = 512
ENCODER_MB: Final = VCPU_MB
BATCH: Final = 10

LEFT_OUT: Final = (
    "recognising and speaking",
    "network, logs and alarms",
    "the monthly fee of a KMS key",
    "answers' processes (they run where the recogniser runs)",
    "idle encoder workers: the time that they are busy counts",
)


def costs_of(counts: Counter[str], prices: Prices, ttl_s: int) -> dict[str, Any]:
    """Dollars a million turns by what they are for, and what is left out."""
    million = 1e6 / counts["turns"] if counts["turns"] else 0.0
    writes, reads = (
        (counts[f"status_{one} halves"] + counts[f"payload_{one} halves"]) / 2
        for one in ("wcu", "rcu")
    )
    batches = counts["deliveries"] / BATCH
    stored = counts["stored_bytes"] + INDEX_BYTES * counts["stored_items"]
    gb_s = counts["handling_us"] / 1e6 * RECORDER_MB / 1_024
    gb_s += counts["encoder_us"] / 1e6 * ENCODER_MB / 1_024
    usd = {
        "writes": writes * prices.write_usd_per_million / 1e6,
        "reads": reads * prices.read_usd_per_million / 1e6,
        "KMS": counts["kms requests"] * prices.kms_usd_per_million / 1e6,
        "storage": stored / 2**30 * (ttl_s + TTL_LAG_S) / MONTH_S * prices.storage_usd_per_gb_month,
        "Lambda": (batches + counts["encodings"]) * prices.lambda_usd_per_million / 1e6
        + gb_s * prices.lambda_usd_per_gb_s,
        "SQS": (counts["events"] + 2 * batches) * prices.sqs_usd_per_million / 1e6,
    }
    return {
        "usd_per_million": {name: value * million for name, value in usd.items()},
        "total_usd_per_million": sum(usd.values()) * million,
        "left_out": list(LEFT_OUT),
        "prices": asdict(prices),
    }
