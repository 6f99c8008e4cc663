"""The twin's counts as measures, so that they add up, are kept and are shown as a fleet's are."""

from __future__ import annotations

from collections import Counter

from ctxasr.sim.fleet.fine import bin_of
from ctxasr.sim.fleet.measures import REPLY_EDGES_MS, Measures
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.twin.counts import ADDED_BINS, Twin
from ctxasr.sim.twin.play import play


def by_twin(question: Question) -> Measures:
    """Play the question's dialogues in the twin; faults and what-ifs it does not know."""
    twin = play(
        question.workload, question.latencies, dialogues=question.dialogues, seed=question.seed,
        read_budget_ms=question.read_budget_ms,
    )  # fmt: skip
    return measures_of(twin)


def measures_of(twin: Twin) -> Measures:
    """What a fleet's measures have in common with the twin's counts."""
    found = Measures()
    counts, embedded = found.counts, int(twin.embedded.sum())
    counts["dialogues"], counts["turns"] = twin.dialogues, twin.turns
    for outcome, count in twin.outcomes.items():
        counts[f"turns {outcome}"] = count
    counts["asked embedded"] = embedded
    counts["asked missed"] = int(twin.asked.sum()) - embedded
    counts["answers hit"], counts["answers missed"] = twin.answers["hit"], twin.answers["missed"]
    counts["answers planned"] = counts["answers hit"] + counts["answers missed"]
    counts["requests"], counts["kms requests"] = twin.table_requests, twin.kms_requests
    counts["encodings"], counts["encoder_us"] = twin.encodings, round(twin.encoder_busy_ms * 1e3)
    for name, bins in (("hit", twin.embedded), ("missed", twin.asked - twin.embedded)):
        pairs = zip(REPLY_EDGES_MS, bins.tolist(), strict=True)
        found.bins[f"reply_ms {name}"] = Counter({edge: count for edge, count in pairs if count})
    step_us = twin.read_budget_ms * 1_000.0 / ADDED_BINS
    added = found.bins["added_us any"] = Counter()
    for step, count in enumerate(twin.added.tolist()):
        if count:
            us = min(max(0.0, step - 0.5), ADDED_BINS) * step_us
            added[bin_of(round(us))] += count
    return found
