"""Draw the comparison of designs: a table for each payload size, break-evens, what it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMNS: Final = (
    "WCU, RCU: units of an average turn (of one that asks, its follow-up's look included); KMS: "
    "requests; KB: item data moved; CPU: client and encoder; $/M: a million turns; eager $: a "
    "month, were every turn embedded"
)


def print_costs(document: dict[str, Any], console: Console) -> None:
    """The document of `ctxasr.evaluate.costs.comparing.compare`, for people."""
    console.print(_head(document), soft_wrap=True)
    for size, rows in groupby(document["costs"], key=lambda row: row["payload_bytes"]):
        console.print()
        console.print(_table(size, list(rows)))
    for title, lines in (
        ("designs and columns", [*_designs(document), COLUMNS]),
        ("dollars a million turns", list(_money(document))),
        ("break-even between designs", list(_break_even(document))),
        ("eager or lazy embedding", list(_eager_or_lazy(document))),
        ("measured", list(_measured(document))),
        ("how it is counted", document["formula"]),
        ("what it stands on", list(_assumptions(document))),
    ):
        if lines:
            console.print(Text(f"\n{title}", "bold"))
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _head(document: dict[str, Any]) -> Text:
    return Text(
        f"{_short(document['interactions_per_week'])} interactions a week "
        f"({_short(document['interactions_per_s'])}/s), {document['events']} events and "
        f"{document['payloads']} payloads a turn over {document['recorders']} processes, "
        f"{document['follow_up_share']:.0%} of turns ask"
    )


def _table(size: int, rows: list[dict[str, Any]]) -> Table:
    """Lazy embedding, and what eager embedding would cost beside it."""
    table = Table(
        title=f"payloads of {size:,} bytes, one turn on average", title_justify="left",
        box=box.SIMPLE_HEAD, pad_edge=False, safe_box=True, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("design", overflow="fold")
    for name in ("WCU", "RCU (asks)", "KMS", "KB", "CPU ms", "$/M", "$/month", "eager $"):
        table.add_column(name, justify="right")
    eager = {row["design"]: row for row in rows if row["embedding"] == "eager"}
    for row in rows:
        if row["embedding"] == "eager":
            continue
        if not row["fits"]:
            table.add_row(row["design"], *["-"] * 6, "does not fit", "-")
            continue
        other = eager[row["design"]]
        table.add_row(
            row["design"],
            f"{row['write_units']:.1f}",
            f"{row['read_units']:.1f} ({row['asking_read_units']:g})",
            f"{row['kms_requests']:.1f}",
            f"{row['moved_bytes'] / 1_024:.1f}",
            f"{row['client_cpu_ms'] + row['encoder_cpu_ms']:.1f}",
            f"{row['total_usd_per_million']:.2f}",
            f"{row['total_usd_per_month']:,.0f}",
            f"{other['total_usd_per_month']:,.0f}" if other["fits"] else "does not fit",
        )
    return table


def _designs(document: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name}: {what}" for name, what in document["designs"].items())


def _money(document: dict[str, Any]) -> Iterator[str]:
    for row in document["costs"]:
        if row["fits"] and row["embedding"] == "lazy":
            parts = ", ".join(f"{name} {usd:.2f}" for name, usd in row["usd_per_million"].items())
            yield f"{row['design']}, {row['payload_bytes']:,} bytes: {parts}"


def _break_even(document: dict[str, Any]) -> Iterator[str]:
    for row in document["break_even"]:
        pair = f"{row['design']} against {row['other']}"
        yield f"{pair}: cheaper {_from(row['cheaper_from_payload_bytes'])}"
        for at in row["follow_up_shares"]:
            share = at["equal_at_follow_up_share"]
            if share is not None:
                side = "below" if at["cheaper_below"] else "above"
                yield (
                    f"{pair}: with {at['payload_bytes']:,} bytes cheaper {side} a follow-up share "
                    f"of {share:.0%}"
                )


def _eager_or_lazy(document: dict[str, Any]) -> Iterator[str]:
    for row in document["eager_or_lazy"]:
        share = row["equal_at_follow_up_share"]
        name = "lazy" if row["lazy_cheaper_below"] else "eager"
        until = (
            "as long as not every turn asks" if share is None else f"below a share of {share:.0%}"
        )
        saved = row["lazy_saves_usd_per_month"]
        yield (
            f"{row['design']}, {row['payload_bytes']:,} bytes: {name} is cheaper {until}; lazy "
            f"saves ${saved:,.0f} a month at {document['follow_up_share']:.0%}"
        )


def _from(size: int | None) -> str:
    if size is None:
        return "at no payload size up to 16 KB"
    return f"from payloads of {size:,} bytes" if size else "at any payload size"


def _measured(document: dict[str, Any]) -> Iterator[str]:
    measured = document["measured"]
    if measured is None:
        return
    where = measured["endpoint"]
    if not measured["capacity_measured"]:
        yield (
            f"{where} charges the same for an item of any size: that is no measurement of capacity,"
            " so all units above are by formula"
        )
    for row in measured["turns"]:
        by_server, formula = row["measured"], row["formula"]
        sign = "equal" if row["equal"] else "NOT EQUAL"
        kind = "asks" if row["asks"] else "discarded"
        yield (
            f"{row['payload_bytes']:,} bytes, {row['design']}, {row['embedding']}, {kind}: "
            f"WCU {by_server['write_units']} (formula {formula['write_units']}), "
            f"RCU {by_server['read_units']:g} ({formula['read_units']:g}), "
            f"KMS {by_server['kms_requests']} ({formula['kms_requests']}): {sign}; "
            f"JSON {by_server['json_bytes'] / 1_024:.1f} KB, items "
            f"{formula['item_bytes'] / 1_024:.1f} KB"
        )
    for row in measured["client_cpu_ms_per_event"]:
        yield (
            f"{row['payload_bytes']:,} bytes, {row['design']}: client CPU {row['value']:.2f} ms an "
            f"event [{row['low']:.2f}, {row['high']:.2f}], n = {row['n']} turns"
        )


def _assumptions(document: dict[str, Any]) -> Iterator[str]:
    given, prices = document["assumptions"], document["prices"]
    numbers = ", ".join(
        f"{name} {value:g}" for name, value in prices.items() if isinstance(value, float)
    )
    yield f"prices of {prices['region']}, as of {prices['as_of']}: check them before you decide"
    yield numbers
    yield (
        f"a request takes {given['request_ms']:g} ms; recorder {given['recorder_memory_mb']} MB, "
        f"encoder {given['encoder_memory_mb']} MB; {given['batch']} events a batch; rows live "
        f"{given['ttl_s']} s and up to {given['ttl_lag_s'] // 3_600} h until TTL has deleted them"
    )
    yield f"a stored context has {given['context_bytes']:,} bytes ({given['context_bytes_source']})"
    encoder = given["encoder_cpu_measured_here"]
    if encoder is not None:
        yield (
            f"encoder CPU {encoder['value']:.2f} ms an embedding "
            f"[{encoder['low']:.2f}, {encoder['high']:.2f}], n = {encoder['n']}, measured here"
        )
    if not given["client_cpu_measured_here"] or encoder is None:
        yield (
            f"client CPU {given['client_cpu_ms_per_request']:g} ms a request where it was not "
            f"measured here, encoder CPU {given['encoder_cpu_ms']:g} ms; defaults "
            f"{given['cpu_source_of_defaults']}"
        )


def _short(number: float) -> str:
    """1,653 or 1.0 billion."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.4g} {name}"
    return f"{number:,.4g}" if number < 1_000 else f"{number:,.0f}"
