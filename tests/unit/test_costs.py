"""What `ctxasr costs` counts: units, shapes, money, break-evens, prices, and the command itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from ctxasr.cli.costs import BATCH_MAX, MEMORY_MB_MAX, MEMORY_MB_MIN, costs
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.evaluate.costs.capacity import (
    KB,
    Ledger,
    Step,
    item_bytes,
    number_bytes,
    read_units,
    write_units,
)
from ctxasr.evaluate.costs.comparing import PAYLOAD_SIZES_MAX, compare
from ctxasr.evaluate.costs.designs import (
    EVENTS_MAX,
    PAYLOAD_BYTES_MAX,
    PAYLOADS_MAX,
    PAYLOADS_MIN,
    Design,
    Shape,
    events_of,
    turn_key,
)
from ctxasr.evaluate.costs.measuring import Median
from ctxasr.evaluate.costs.money import (
    MONTH_S,
    RATE_MAX,
    SCAN_STEP_BYTES,
    WEEK_S,
    Workload,
    cheaper_from_bytes,
    cost_of,
    eager_equals_lazy_at,
    equal_at_share,
)
from ctxasr.evaluate.costs.prices import NUMBERS, PRICE_FILE_BYTES_MAX, Prices, load_prices
from ctxasr.evaluate.costs.walks import walk
from ctxasr.report.output import exit_code_of
from ctxasr.store.schema import ITEM_BYTES_MAX


def priced(prices: Prices, changes: dict[str, Any]) -> Prices:
    """The list with some prices changed."""
    return replace(prices, **changes)


FREE = priced(Prices(), dict.fromkeys(NUMBERS, 0.0))
LOAD = Workload(rate=100.0)

# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [(0, 1, 1), (0, KB, 1), (0, KB + 1, 2), (KB + 1, 1, 2), (3 * KB, 2 * KB, 3), (5_000, 0, 5)],
)
def test_a_write_costs_the_larger_of_before_and_after(before: int, after: int, units: int) -> None:
    assert write_units(before, after) == units


def test_reads_are_counted_by_four_kilobytes_and_half_if_eventual() -> None:
    assert [read_units(size) for size in (0, 4 * KB, 4 * KB + 1)] == [1, 1, 2]
    assert [read_units(size, consistent=False) for size in (0, 4 * KB + 1)] == [0.5, 1]


def test_sizes_are_names_and_values_in_bytes() -> None:
    assert item_bytes({"ab": {"S": "é"}, "c": {"B": bytes(7)}, "d": {"N": "170"}}) == 4 + 8 + 1 + 3
    assert [number_bytes(n) for n in (0, 7, 99, 100, 123, 1700, 170, -5)] == [
        1, 2, 2, 2, 3, 2, 3, 3
    ]  # fmt: skip
    with pytest.raises(NotImplementedError, match="type L"):
        item_bytes({"a": {"L": []}})


def test_a_batch_rounds_each_item_by_itself_and_an_item_has_its_limit() -> None:
    ledger = Ledger()
    keys = [{"k": {"S": str(n)}} for n in range(2)]
    for key, length in zip(keys, (1_500, 6_500), strict=True):
        ledger.put(key, {"b": {"B": bytes(length)}})
    ledger.batch_get(keys)
    assert ledger.operations[-1].read_units == 3, "AWS's own example: 4 KB + 8 KB"
    ledger.put(keys[0], {"b": {"B": bytes(ITEM_BYTES_MAX - 3)}})
    with pytest.raises(LimitExceeded, match="ITEM_BYTES_MAX"):
        ledger.put(keys[0], {"b": {"B": bytes(ITEM_BYTES_MAX - 2)}})


@pytest.mark.parametrize(("size", "writes", "reads"), [(2_048, 15, 3), (8_192, 33, 9)])
def test_six_events_and_three_payloads_cost_what_the_rules_say(
    size: int, writes: int, reads: int
) -> None:
    """By hand: six status writes and three rows; the walk adds the write that opens the key."""
    ledger = walk(Design.TWO_TABLES, Shape(size, recorders=1), asks=False)
    assert ledger.total(lambda one: one.write_units, Step.RECORD) == writes + 1
    assert ledger.total(lambda one: one.read_units) == 0
    asking = walk(Design.TWO_TABLES, Shape(size, recorders=1), asks=True)
    assert asking.total(lambda one: one.read_units, Step.EMBED) == reads


def test_turns_have_the_events_they_say() -> None:
    for payloads, events in ((PAYLOADS_MIN, PAYLOADS_MIN + 1), (3, 6), (PAYLOADS_MAX, EVENTS_MAX)):
        for asks in (False, True):
            made = events_of(Shape(10, payloads, events), turn_key(), asks=asks)
            assert len({event.key for event in made}) == events
            assert sum(event.payload is not None for event in made) == payloads
            assert made[-1].mark.name.endswith("ExpectSpeech") == asks


@pytest.mark.parametrize(
    ("good", "wrong", "name"),
    [
        ({"payload_bytes": PAYLOAD_BYTES_MAX}, {"payload_bytes": PAYLOAD_BYTES_MAX + 1}, "PAYLOAD"),
        ({"payload_bytes": 0}, {"payload_bytes": -1}, "payload bytes"),
        ({"payloads": PAYLOADS_MIN}, {"payloads": PAYLOADS_MIN - 1}, "payloads"),
        (
            {"payloads": PAYLOADS_MAX, "events": 99},
            {"payloads": PAYLOADS_MAX + 1, "events": 99},
            "PAYLOADS_MAX",
        ),
        ({"events": 4}, {"events": 3}, "events"),
        ({"events": EVENTS_MAX}, {"events": EVENTS_MAX + 1}, "EVENTS_MAX"),
        ({"recorders": 1}, {"recorders": 0}, "recorders"),
        ({"context_bytes": 0}, {"context_bytes": -1}, "context bytes"),
    ],
)
def test_shapes_have_limits(good: dict[str, int], wrong: dict[str, int], name: str) -> None:
    Shape(**good)
    with pytest.raises(LimitExceeded, match=name):
        Shape(**wrong)


def test_the_largest_turns_fit_the_two_tables_and_not_the_one_item() -> None:
    walk(Design.TWO_TABLES, Shape(PAYLOAD_BYTES_MAX), asks=True)
    walk(Design.TWO_TABLES, Shape(10, PAYLOADS_MAX, EVENTS_MAX), asks=True)
    rows = compare([Shape(140_000)], LOAD, Prices())["costs"]
    fits = {row["design"]: row["fits"] for row in rows}
    assert fits == {design.value: design.value.startswith("two") for design in Design}


# ---------------------------------------------------------------- money


def test_each_price_is_counted_once_and_for_its_own_thing() -> None:
    shape = Shape(recorders=1)
    cost = cost_of(Design.TWO_TABLES, shape, LOAD, FREE)
    assert cost.total_usd == 0
    asks, closes = (walk(Design.TWO_TABLES, shape, asks=asks) for asks in (True, False))

    def usd(name: str) -> float:
        prices = priced(FREE, {name: 1e6})
        return cost_of(Design.TWO_TABLES, shape, LOAD, prices).total_usd

    assert usd("write_usd_per_million") == pytest.approx(cost.write_units)
    assert usd("read_usd_per_million") == pytest.approx(cost.read_units)
    assert usd("kms_usd_per_million") == pytest.approx(cost.kms_requests)
    assert cost.kms_requests == pytest.approx(0.1 * 2 + 0.9)
    assert usd("sqs_usd_per_million") == pytest.approx(6 + 2 * 6 / 10)
    assert usd("lambda_usd_per_million") == pytest.approx(0.1 * (0.6 + 2) + 0.9 * 0.6)
    left = 0.1 * asks.left_bytes + 0.9 * closes.left_bytes
    months = (LOAD.ttl_s + 2 * 86_400) / MONTH_S
    assert usd("storage_usd_per_gb_month") / 1e6 == pytest.approx(left / 2**30 * months)
    recording_s = len(closes.operations) * (5 + 0.8 * 1_769 / 512) / 1e3
    only_closes = replace(LOAD, follow_up_share=0.0)
    prices = replace(FREE, lambda_usd_per_gb_s=1.0)
    found = cost_of(Design.TWO_TABLES, shape, only_closes, prices).total_usd
    assert found == pytest.approx(recording_s / 2)


def test_a_month_is_730_hours_of_the_rate_and_large_rates_stay_finite() -> None:
    weekly = Workload(rate=1e9 / WEEK_S)
    cost = cost_of(Design.BLOB, Shape(), weekly, Prices())
    row = cost.to_json(weekly)
    months_a_year = 12 * 730 / (365 * 24)
    per_month = 1e9 * 365 / 7 / 12 * months_a_year
    assert row["total_usd_per_month"] == pytest.approx(cost.total_usd * per_month)
    assert row["write_units_per_s"] == pytest.approx(cost.write_units * 1e9 / 604_800)
    Workload(rate=RATE_MAX)
    with pytest.raises(LimitExceeded, match="RATE_MAX"):
        Workload(rate=RATE_MAX * 2)


def test_two_tables_overtake_where_the_break_even_says() -> None:
    shape, prices = Shape(recorders=1), Prices()
    for other in (Design.BLOB, Design.ATTRIBUTES):
        size = cheaper_from_bytes(Design.TWO_TABLES, other, shape, LOAD, prices)
        assert size is not None
        assert size > 0, "small payloads are cheaper in one item"

        def dearer(at: int, other: Design = other) -> bool:
            given = replace(shape, payload_bytes=at)
            mine = cost_of(Design.TWO_TABLES, given, LOAD, prices).total_usd
            return mine >= cost_of(other, given, LOAD, prices).total_usd

        assert dearer(size - SCAN_STEP_BYTES)
        assert not any(dearer(at) for at in range(size, 9_000, SCAN_STEP_BYTES))
    assert cheaper_from_bytes(Design.BLOB, Design.TWO_TABLES, shape, LOAD, prices) is None
    assert cheaper_from_bytes(Design.LEFT_TO_TTL, Design.TWO_TABLES, shape, LOAD, prices) == 0


def test_at_the_break_even_share_both_cost_the_same() -> None:
    shape, prices = Shape(200), Prices()
    share, below = equal_at_share(Design.LEFT_TO_TTL, Design.BLOB, shape, LOAD, prices)
    assert share is not None
    assert below
    mine, other = (
        cost_of(design, shape, replace(LOAD, follow_up_share=share), prices).total_usd
        for design in (Design.LEFT_TO_TTL, Design.BLOB)
    )
    assert mine == pytest.approx(other)
    assert equal_at_share(Design.TWO_TABLES, Design.BLOB, Shape(8_192), LOAD, prices) == (
        None,
        True,
    )


def test_eager_embedding_pays_for_turns_that_do_not_ask() -> None:
    shape, prices = Shape(), Prices()
    share, lazy_below = eager_equals_lazy_at(Design.TWO_TABLES, shape, LOAD, prices)
    assert share is not None
    assert lazy_below
    at = replace(LOAD, follow_up_share=share)
    lazy, eager = (
        cost_of(Design.TWO_TABLES, shape, at, prices, eager=eager) for eager in (False, True)
    )
    assert lazy.total_usd == pytest.approx(eager.total_usd)
    assert lazy.encoder_cpu_ms == pytest.approx(LOAD.encoder_cpu_ms * share)
    assert eager.encoder_cpu_ms == pytest.approx(LOAD.encoder_cpu_ms)
    sticky = Shape(recorders=1)  # no key to be fetched twice: nothing speaks for eager
    assert eager_equals_lazy_at(Design.TWO_TABLES, sticky, LOAD, prices) == (None, True)


def test_a_median_has_an_interval_and_repeats() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = Median.of(values)
    assert (found.value_ms, found.n) == (3.0, 5)
    assert 1.0 <= found.low_ms < 3.0 < found.high_ms <= 100.0
    assert Median.of(values) == found


# ---------------------------------------------------------------- prices


def test_prices_come_from_a_file_and_from_single_options(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("as_of: 2026-11\nkms_usd_per_million: 2\n")
    found = load_prices(file, ["read_usd_per_million=0.5"])
    changed = {"kms_usd_per_million": 2.0, "read_usd_per_million": 0.5}
    assert found == priced(Prices(), {"as_of": "2026-11, changed", **changed})
    file.write_text('{"write_usd_per_million": 1.25}')
    assert load_prices(file).as_of == f"{Prices().as_of}, changed"
    file.write_text("#" * (PRICE_FILE_BYTES_MAX - 5) + "\n{}\n ")
    assert load_prices(file) == Prices()
    file.write_text("#" * PRICE_FILE_BYTES_MAX + "\n")
    with pytest.raises(LimitExceeded, match="PRICE_FILE_BYTES_MAX"):
        load_prices(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kms: 3", "known are"),
        ("kms_usd_per_million: -1", "a number from 0"),
        ("kms_usd_per_million: .inf", "a number from 0"),
        ("kms_usd_per_million: true", "a number from 0"),
        ("- 3", "lines such as"),
        ("a: [", "not YAML"),
        ("&a [*a, *a", "not YAML"),
        ("region: " + "x" * 65, "a short word"),
    ],
)
def test_wrong_prices_are_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        load_prices(file)
    assert "prices.yaml" in str(caught.value)


# ---------------------------------------------------------------- the command


def run(*arguments: object) -> int:
    """`ctxasr costs ...`, with its exit code."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(costs)
    try:
        app(list(map(str, arguments)))
    except SystemExit as end:
        return int(end.code or 0)
    except Exception as error:
        return exit_code_of(error)
    return 0


def test_the_document_and_the_table_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--per-week", "1e9", "--payload-bytes", 2_048, "--recorders", 1)
    assert run(*given, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["interactions_per_s"] == pytest.approx(1_653.4, abs=0.1)
    assert document["measured"] is None
    assert document["prices"]["as_of"] == Prices().as_of
    rows = {(row["design"], row["embedding"]): row for row in document["costs"]}
    assert len(rows) == 2 * len(Design)
    assert run(*given) == 0
    shown = capsys.readouterr().out
    for design in Design:
        row = rows[design.value, "lazy"]
        assert f"{row['total_usd_per_month']:,.0f}" in shown
        assert row["total_usd_per_million"] == pytest.approx(sum(row["usd_per_million"].values()))
    assert f"as of {Prices().as_of}: check them" in shown
    assert "1 unit for each started KB" in shown
    assert "measured 2026-11" in shown, "where the defaults come from"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rate", "1", "--per-week", "1"], "give one of them"),
        (["--rate", "0"], "a number above 0"),
        (["--rate", "nan"], "a number above 0"),
        (["--follow-up-share", "1.01"], "0 to 1 would be right"),
        (["--request-ms", "-1"], "would be right"),
        (["--encoder-cpu-ms", "inf"], "would be right"),
        (["--payloads", "1"], "the least is 2"),
        (["--events", "3"], "the least is 4"),
        (["--price", "kms"], "NAME=USD"),
        (["--prices", "/nonexistent"], "cannot be read"),
        (["--endpoint-url", "http://127.0.0.1:1"], "add --measure"),
        (["--measure"], "--endpoint-url URL"),
        (["--measure", "--endpoint-url", "http://127.0.0.1:1", "--turns", "-1"], "TURNS_MAX"),
        (["--measure", "--endpoint-url", "http://127.0.0.1:1", "--turns", "1001"], "TURNS_MAX"),
        (["--measure", "--endpoint-url", "http://127.0.0.1:1"], "no answer"),
        ([f"--payload-bytes={n}" for n in range(PAYLOAD_SIZES_MAX + 1)], "PAYLOAD_SIZES_MAX"),
        (["--recorder-memory-mb", str(MEMORY_MB_MIN - 1)], str(MEMORY_MB_MIN)),
        (["--encoder-memory-mb", str(MEMORY_MB_MAX + 1)], str(MEMORY_MB_MAX)),
        (["--batch", str(BATCH_MAX + 1)], str(BATCH_MAX)),
    ],
)
def test_wrong_input_says_what_would_be_right(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CTXASR_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_limits_hold_at_their_edge(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [f"--payload-bytes={n}" for n in range(PAYLOAD_SIZES_MAX)]
    memory = ["--recorder-memory-mb", MEMORY_MB_MIN, "--encoder-memory-mb", MEMORY_MB_MAX]
    assert run(*sizes, *memory, "--batch", BATCH_MAX, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["costs"]) == PAYLOAD_SIZES_MAX * 8
