"""A trace to a workload and latencies: shares, rates and whole distributions, as they were seen.

    fitted = fit(read_trace(path))
    fitted.workload.asks, fitted.latencies.encoder, fitted.report()

What no line of the trace has keeps its default, and the report says so. Distributions are the
empirical ones (`Quantiles.fit`), so a tail is as long as what was seen.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ctxasr.errors import InputError
from ctxasr.sim.quantiles import Quantiles
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.workload.curve import DAY_S, FLAT, HOUR_S, HOURS
from ctxasr.sim.workload.document import RATE_MAX, RATE_MIN
from ctxasr.sim.workload.statistics import TURNS_MAX, Workload
from ctxasr.sim.workload.trace import TraceLine

SHARE_LEAST: Final = 30
"""Turns of one number with a share of their own; where there are fewer, later ones are pooled."""

_DISTRIBUTIONS: Final = (
    "speech_ms", "think_ms", "service_ms", "reply_ms", "answer_delay_ms", "utterance_bytes",
    "reply_bytes", "entities_bytes", "screen_bytes",
)  # fmt: skip
_LATENCIES: Final = {
    "store_write_ms": "write", "store_read_ms": "read", "kms_ms": "kms",
    "replication_ms": "replication", "encoder_ms": "encoder", "aligner_ms": "aligner",
}  # fmt: skip
_LISTS: Final = ("service_ms", *_LATENCIES)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a trace says; `values` names the figures that it gave, and from how many values."""

    workload: Workload
    latencies: Latencies
    values: dict[str, int]
    defaults: tuple[str, ...]
    """Figures of which it says nothing."""

    def report(self) -> list[str]:
        """A line for each figure that was fitted, and one for those that were not."""
        lines = [f"{name}: fitted from {count:,} values" for name, count in self.values.items()]
        kept = ", ".join(self.defaults)
        return [*lines, f"not in the trace, so by default: {kept}"] if kept else lines


@dataclass
class _Seen:
    """What was read so far."""

    values: dict[str, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    turns: int = 0
    later: set[tuple[str, int]] = field(default_factory=set)
    """Turns that are not the first of their dialogue."""
    begins_ms: array[float] = field(default_factory=lambda: array("d"))
    asked: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """By a turn's number: turns, and those that asked."""
    answered: list[int] = field(default_factory=lambda: [0, 0])
    open: list[tuple[str, int]] = field(default_factory=list)
    """Turns that asked and do not say whether they were answered."""
    barged_in: list[int] = field(default_factory=lambda: [0, 0])


def fit(lines: Iterable[TraceLine], where: str = "the trace") -> Fitted:
    """The workload and the latencies of a trace; `where` is its name.

    Raises:
        InputError: there is no line, dialogues begin too rarely or too often, or as `read_trace`.
    """
    seen, any_line = _Seen(), False
    for line in lines:
        any_line = True
        _read(line, seen)
    if not any_line:
        raise InputError(f"{where}: empty; one JSON object a line would be right")
    for dialogue, turn in seen.open:
        _count(seen.answered, (dialogue, turn + 1) in seen.later)
    return _fitted(seen, where)


def _read(line: TraceLine, seen: _Seen) -> None:
    for name in _LISTS:
        value = getattr(line, name)
        if value is not None:
            seen.values[name].extend(value)
    if line.dialogue is None or line.turn is None:
        return
    key = (line.dialogue, line.turn)
    seen.turns += 1
    if line.turn > 1:
        seen.later.add(key)
    for name in _DISTRIBUTIONS:
        value = getattr(line, name)
        if value is not None and name not in _LISTS and _counts(name, value, line):
            seen.values[name].append(value)
    if line.at_ms is not None and line.turn == 1:
        seen.begins_ms.append(line.at_ms)
    if line.barged_in is not None:
        _count(seen.barged_in, line.barged_in)
    if line.asked is not None:
        _count(seen.asked[min(line.turn, TURNS_MAX)], line.asked)
    if line.asked and line.turn < TURNS_MAX:  # no drawn dialogue is longer
        if line.answered is None:
            seen.open.append(key)
        else:
            _count(seen.answered, line.answered)


def _counts(name: str, value: float, line: TraceLine) -> bool:
    if name in ("entities_bytes", "screen_bytes"):
        return value > 0
    return not (name == "answer_delay_ms" and line.barged_in)


def _count(pair: list[int], is_so: bool) -> None:
    pair[0] += 1
    pair[1] += is_so


def _fitted(seen: _Seen, where: str) -> Fitted:
    found: dict[str, Any] = {}
    values: dict[str, int] = {}
    if len(seen.begins_ms) > 1 and max(seen.begins_ms) > min(seen.begins_ms):
        found["rate"], found["curve"] = _rate_and_curve(seen.begins_ms)
        if not RATE_MIN <= found["rate"] <= RATE_MAX:
            told = f"by at_ms, {found['rate']:.3g} dialogues begin in a second"
            right = f"RATE_MIN to RATE_MAX ({RATE_MIN:g} to {RATE_MAX:g}) would be right"
            raise InputError(f"{where}: {told}; {right}")
        values["rate"] = len(seen.begins_ms)
        if found["curve"] is not FLAT:
            values["curve"] = len(seen.begins_ms)
    if seen.asked:
        found["asks"] = _asks(seen.asked)
        values["asks"] = sum(all_ for all_, _ in seen.asked.values())
    for name, (all_, such) in (("answers", seen.answered), ("barge_ins", seen.barged_in)):
        if all_:
            found[name], values[name] = such / all_, all_
    for name in ("entities", "screen"):
        if seen.values.get(f"{name}_bytes"):
            values[name] = seen.turns
            found[name] = len(seen.values[f"{name}_bytes"]) / seen.turns
    for name in _DISTRIBUTIONS:
        if seen.values.get(name):
            found[name], values[name] = Quantiles.fit(seen.values[name]), len(seen.values[name])
    latencies: dict[str, Quantiles] = {}
    for name, meant in _LATENCIES.items():
        if seen.values.get(name):
            latencies[meant], values[name] = (
                Quantiles.fit(seen.values[name]),
                len(seen.values[name]),
            )
    every = (
        "rate", "curve", "asks", "answers", "barge_ins", "entities", "screen", *_DISTRIBUTIONS,
        *_LATENCIES,
    )  # fmt: skip
    return Fitted(
        replace(Workload(), **found),
        replace(Latencies(), **latencies),
        values,
        tuple(name for name in every if name not in values),
    )


def _asks(asked: dict[int, list[int]]) -> tuple[float, ...]:
    """A share for each number of turn that was seen often enough, the last for all later ones."""
    shares: list[float] = []
    numbers = sorted(asked)
    for place, number in enumerate(numbers):
        later = numbers[place:]
        is_last = number != place + 1 or asked[number][0] < SHARE_LEAST or len(later) == 1
        pooled = later if is_last else [number]
        shares.append(sum(asked[one][1] for one in pooled) / sum(asked[one][0] for one in pooled))
        if is_last:
            break
    return tuple(shares)


def _rate_and_curve(begins_ms: array[float]) -> tuple[float, tuple[float, ...]]:
    """Dialogues a second, and the curve of the day if the trace covers one (by the hour of UTC)."""
    first_s, last_s = min(begins_ms) / 1_000.0, max(begins_ms) / 1_000.0
    if last_s - first_s < DAY_S:
        return (len(begins_ms) - 1) / (last_s - first_s), FLAT
    counts = [0] * HOURS
    for at_ms in begins_ms:
        counts[int(at_ms / 1_000.0 % DAY_S / HOUR_S)] += 1
    rates = [
        count / (_until(last_s, hour) - _until(first_s, hour)) for hour, count in enumerate(counts)
    ]
    mean = sum(rates) / HOURS
    return mean, tuple(rate / mean for rate in rates)


def _until(at_s: float, hour: int) -> float:
    """Seconds of this hour of the day that have passed until `at_s`."""
    days, rest = divmod(at_s, DAY_S)
    return days * HOUR_S + min(max(rest - hour * HOUR_S, 0.0), HOUR_S)
