"""What `ctxasr simulate` prints for people: the figures of a fleet as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Figures = Mapping[str, Any]

NOTHING: Final = "-"
WIDTH: Final = 78
"""Titles of tables do not make them wider: a narrow terminal would cut their cells."""

LINES_MAX: Final = 8
"""Violations that are printed; `--json` has more."""


def print_simulation(document: Figures, out: Console, *, coverage: bool = False) -> None:
    """The document of `ctxasr.evaluate.fleet.document`."""
    if "sweep" in document:
        points = document["sweep"]
        out.print(_sweep(points))
        for line in _notes(points):
            out.print(Text(line), soft_wrap=True)
        if "branches" in points[0]:
            together = _together(points)
            for line in _unreached(together, coverage=coverage):
                out.print(Text(line), soft_wrap=True)
            if coverage:
                out.print(_coverage(together))
        return
    figures = document["figures"]
    for line in _lines(figures):
        out.print(Text(line), soft_wrap=True)
    for line in _notes([figures]):
        out.print(Text(line), soft_wrap=True)
    out.print(_deadline(figures))
    out.print(_added(figures))
    if "store" in figures:
        out.print(_store(figures))
        out.print(Text(_costs(figures["costs"])), soft_wrap=True)
        for line in _invariants(figures, coverage=coverage):
            out.print(Text(line), soft_wrap=True)
    if coverage and "branches" in figures:
        out.print(_coverage(figures))
    for one in document.get("what_ifs", ()):
        out.print(_what_if(one))


def _notes(several: Sequence[Figures]) -> list[str]:
    """What is to be known of intervals, once each."""
    notes = dict.fromkeys(one["intervals"]["note"] for one in several)
    return [f"intervals: {note}" for note in notes if note]


def _together(points: Sequence[Figures]) -> dict[str, Any]:
    """Coverage of all points of a sweep; what some profile allows and no point reached."""
    found: dict[str, Any] = {}
    for part in ("faults", "branches"):
        names = points[0][part]
        found[part] = {name: sum(one[part][name] for one in points) for name in names}
    beside = set.intersection(*(set(one["not_in_the_profile"]) for one in points))
    reached = {f"fault: {name}" for name, count in found["faults"].items() if count}
    reached |= {name for name, count in found["branches"].items() if count}
    left_out = dict.fromkeys(name for one in points for name in one["never_reached"])
    return found | {
        "not_in_the_profile": sorted(beside),
        "never_reached": [name for name in left_out if name not in reached],
    }


def _lines(figures: Figures) -> list[str]:
    turns, answers, encoder = figures["outcomes"], figures["answers"], figures["encoder"]
    shares = ", ".join(
        f"{name} {_share(turns[name])}"
        for name in ("embedded", "missed", "discarded", "unsettled")
        if turns[name]["count"] or name != "unsettled"
    )
    n = f"{_counted(figures['dialogues'], 'dialogue')}, {_counted(figures['turns'], 'turn')}"
    if "events" in figures:
        n += f", {figures['events']:,} events in {figures['virtual_s']:,} s of virtual time"
    return [
        n,
        f"turns settled {_share(turns['settled'])}: {shares}",
        f"contexts in time {_share(figures['deadline']['hit'])} of the turns that asked",
        f"answers with their context {_share(answers['hit'])} of {answers['n']:,}",
        f"encoder workers needed: {encoder['workers']:,} (in the busiest hour "
        f"{_number(encoder['busy_busiest_hour'])} are busy on the mean; "
        f"{encoder['waiting_share']:.2%} of encodings would find none free)",
    ]


def _deadline(figures: Figures) -> Table:
    table = _table("context in time, by the length of the reply")
    for name in ("reply", "turns that asked", "in time", "95 % interval"):
        table.add_column(name, justify="right")
    for row in figures["deadline"]["by_reply_ms"]:
        to = "and more" if row["to_ms"] is None else f"to {row['to_ms'] / 1_000:g} s"
        table.add_row(f"{row['from_ms'] / 1_000:g} {to}", f"{row['n']:,}", *_split(row))
    return table


def _added(figures: Figures) -> Table:
    table = _table("added after the recogniser's result, ms")
    table.add_column("context")
    for name in ("answers", "p50", "p99", "p99.9", "95 % interval"):
        table.add_column(name, justify="right")
    for name in ("all", "hit", "missed", "none"):
        one = figures["added_ms"][name]
        if one["n"]:
            last = one["p99_9"]
            table.add_row(
                name, f"{one['n']:,}",
                *(_number(one[at]["value"]) for at in ("p50", "p99", "p99_9")),
                f"{_number(last['low'])} to {_number(last['high'])}",
            )  # fmt: skip
    return table


def _store(figures: Figures) -> Table:
    store = figures["store"]
    table = _table(
        f"store: {store['requests']:,} requests to tables, {store['throttled']:,} throttled; "
        f"{store['kms_requests']:,} to KMS"
    )
    table.add_column("capacity units")
    table.add_column("a turn", justify="right")
    table.add_column("a second of the busiest hour", justify="right")
    for table_name in ("status", "payload"):
        for unit in ("wcu", "rcu"):
            one = store[f"{table_name}_{unit}"]
            cells = (_number(one["per_turn"]), _number(one["per_s_busiest_hour"]))
            table.add_row(f"{table_name}, {'write' if unit == 'wcu' else 'read'}", *cells)
    return table


def _costs(costs: Figures) -> str:
    parts = ", ".join(f"{name} {usd:.2f}" for name, usd in costs["usd_per_million"].items())
    prices = costs["prices"]
    return (
        f"a million turns cost ${costs['total_usd_per_million']:,.2f} ({parts}); prices of "
        f"{prices['region']}, {prices['as_of']}\nleft out: {', '.join(costs['left_out'])}"
    )


def _invariants(figures: Figures, *, coverage: bool) -> list[str]:
    found = figures["invariants"]
    lines = ["no invariant broke"]
    if found["violations"]:
        lines = [f"{found['violations']:,} violations of invariants"]
        numbers = ", ".join(f"{one}: {count:,}" for one, count in found["by_invariant"].items())
        lines[0] += f" (by invariant: {numbers})"
        lines += [
            f"  invariant {one['invariant']}, block {one['block']}: {one['turn']}: {one['what']}"
            for one in _of_each(found["found"])[:LINES_MAX]
        ]
    said = found["nothing_said"]
    if said:
        unheard = ", ".join(f"{number} ({why})" for number, why in said.items())
        lines.append(f"nothing is said about invariants {unheard}")
    return lines + _unreached(figures, coverage=coverage)


def _of_each(found: Sequence[Figures]) -> list[Figures]:
    """The first of each invariant, then the others: none hides another."""
    first = {one["invariant"]: at for at, one in reversed(list(enumerate(found)))}
    order = sorted(range(len(found)), key=lambda at: first[found[at]["invariant"]] != at)
    return [found[at] for at in order]


def _unreached(figures: Figures, *, coverage: bool) -> list[str]:
    left_out = figures["never_reached"]
    if not left_out:
        return []
    names = f": {', '.join(left_out)}" if coverage else "; --coverage names them"
    of = len(figures["faults"]) - len(figures["not_in_the_profile"]) + len(figures["branches"])
    return [f"{len(left_out)} of {of} faults and branches were never reached{names}"]


def _coverage(figures: Figures) -> Table:
    table = _table("how often each fault fired and each branch was reached")
    table.add_column("fault or branch")
    table.add_column("times", justify="right")
    beside = set(figures["not_in_the_profile"])
    for name, count in figures["faults"].items():
        table.add_row(f"fault: {name}", "not in the profile" if name in beside else f"{count:,}")
    for name, count in figures["branches"].items():
        table.add_row(name, f"{count:,}")
    return table


def _what_if(one: Figures) -> Table:
    table = _table(f"what if: {one['what_if']}")
    table.add_column("", no_wrap=True)
    for name in ("design", "what-if", "difference", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("wins", no_wrap=True)
    for row in one["against"]:
        exact = row["low"] == row["high"]
        table.add_row(
            _named(row),
            *(_unit(row, row[name]) for name in ("design", "what_if", "difference")),
            "" if exact else f"{_unit(row, row['low'], 3)} to {_unit(row, row['high'], 3)}",
            "" if row["wins"] == "nobody" else row["wins"],
        )
    return table


def _sweep(points: Sequence[Figures]) -> Table:
    events = "costs" in points[0]
    more = ", dollars a million turns, violations" if events else ""
    table = _table(f"sweep: % in time, added ms, encoder workers{more}")
    table.padding = (0, 0)  # the columns are many
    names = [part.partition("=")[0] for part in points[0]["label"].split()]
    for name in (*names, "in time", "95 % interval", "p99", "p99.9", "workers"):
        table.add_column(name, justify="right", no_wrap=True)
    if events:
        for name in ("$/M", "broken"):
            table.add_column(name, justify="right", no_wrap=True)
    for point in points:
        values = [part.partition("=")[2] for part in point["label"].split()]
        added = point["added_ms"]["all"]
        hit, interval = _split(point["deadline"]["hit"])
        cells = [*values, hit.removesuffix(" %"), interval]
        cells += [_number(added[at]["value"], 3) for at in ("p99", "p99_9")]
        cells.append(f"{point['encoder']['workers']:,}")
        if events:
            cells.append(f"{point['costs']['total_usd_per_million']:,.2f}")
            cells.append(f"{point['invariants']['violations']:,}")
        table.add_row(*cells)
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, safe_box=True,
        padding=(0, 1, 0, 0), min_width=min(len(title), WIDTH),
    )  # fmt: skip


def _share(one: Figures) -> str:
    """`97.2 % [96.9, 97.5]`."""
    share, interval = _split(one)
    return share if share == NOTHING else f"{share} [{interval}]"


def _split(one: Figures) -> tuple[str, str]:
    if one["share"] is None:
        return NOTHING, ""
    low, high = (f"{100 * one[end]:.2f}" for end in ("low", "high"))
    return f"{100 * one['share']:.2f} %", f"{low} to {high}"


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'s' * (count != 1)}"


def _named(row: Figures) -> str:
    unit = {"share": ", %", "ms": ", ms"}.get(row["unit"], "")
    return f"{row['figure']}{unit}"


def _unit(row: Figures, value: float, digits: int = 4) -> str:
    return f"{100 * value:.2f}" if row["unit"] == "share" else _number(value, digits)


def _number(value: float | None, digits: int = 4) -> str:
    """Some digits that count, and thousands apart."""
    if value is None:
        return NOTHING
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
