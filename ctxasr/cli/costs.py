"""`ctxasr costs`: what the design with two tables saves, and where it does not.

As in `ctxasr.cli`, what the command needs is imported inside it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ctxasr.cli.shared import bar, settings_from, stoppable
from ctxasr.errors import InputError, StoreUnavailable

if TYPE_CHECKING:
    from ctxasr.evaluate.costs.designs import Shape
    from ctxasr.evaluate.costs.measuring import Measurement

PER_WEEK: Final = 1e9
PAYLOAD_BYTES: Final = (200, 2_048, 8_192)

MEMORY_MB_MIN: Final = 128
MEMORY_MB_MAX: Final = 10_240
BATCH_MAX: Final = 10_000
"""Lambda's own limits: memory of a function, records of one SQS batch."""


def costs(
    rate: Annotated[float | None, typer.Option(help="Interactions a second.")] = None,
    per_week: Annotated[
        float | None, typer.Option(help="Interactions a week, in place of --rate; default 1e9.")
    ] = None,
    payload_bytes: Annotated[
        list[int] | None,
        typer.Option(help="Text of one payload; give it several times. Default 200, 2048, 8192."),
    ] = None,
    payloads: Annotated[int, typer.Option(help="Payloads a turn.")] = 3,
    events: Annotated[int, typer.Option(help="Events a turn, those with payloads included.")] = 6,
    follow_up_share: Annotated[float, typer.Option(help="Share of turns that ask, 0 to 1.")] = 0.1,
    recorders: Annotated[
        int | None,
        typer.Option(help="Processes that a turn's events are spread over; default one an event."),
    ] = None,
    context_bytes: Annotated[
        int | None, typer.Option(help="A stored context embedding; default 8000.")
    ] = None,
    request_ms: Annotated[float, typer.Option(help="What a store request takes.")] = 5.0,
    recorder_memory_mb: Annotated[
        int,
        typer.Option(
            min=MEMORY_MB_MIN, max=MEMORY_MB_MAX, help="Of the recording Lambda function."
        ),
    ] = 512,
    encoder_memory_mb: Annotated[
        int,
        typer.Option(
            min=MEMORY_MB_MIN, max=MEMORY_MB_MAX, help="Of the embedding Lambda function."
        ),
    ] = 1_769,
    batch: Annotated[
        int, typer.Option(min=1, max=BATCH_MAX, help="Events that one invocation receives.")
    ] = 10,
    ttl_s: Annotated[int, typer.Option(min=1, help="How long payloads live.")] = 3_600,
    encoder_cpu_ms: Annotated[
        float | None, typer.Option(help="CPU time of one embedding; else measured or a default.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prices of your own, YAML or JSON.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="NAME=USD", help="One price; several times.")
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Also play turns against a server, in tables of their own."),
    ] = False,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="DynamoDB for --measure, or aws.")
    ] = None,
    kms_endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="KMS for --measure, where it is elsewhere.")
    ] = None,
    turns: Annotated[
        int, typer.Option(help="Turns of each kind that CPU is measured over; 0 to 1000.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout, and nothing else there.")
    ] = False,
) -> None:
    """Compare two tables with one item, and lazy with eager embedding: units, bytes, CPU, money.

    Without a server everything is by formula. With --measure the exit code is 1 if the server's
    capacity is no measurement (moto's is constant) or differs from the formula.

    - `ctxasr costs --per-week 1e9 --follow-up-share 0.1`
    - `ctxasr costs --payload-bytes 300 --recorders 1 --price kms_usd_per_million=3`
    - `ctxasr costs --measure --endpoint-url http://127.0.0.1:8000`
    """
    from ctxasr.evaluate.costs.comparing import compare, with_measured
    from ctxasr.evaluate.costs.designs import CONTEXT_BYTES, Shape
    from ctxasr.evaluate.costs.money import ENCODER_CPU_MS, WEEK_S, Workload
    from ctxasr.evaluate.costs.prices import load_prices
    from ctxasr.report.costs import print_costs
    from ctxasr.report.output import FAILED, Out, print_json

    if rate is not None and per_week is not None:
        raise InputError("--rate and --per-week say the same; give one of them")
    if not measure and (endpoint_url or kms_endpoint_url):
        raise InputError("an endpoint is only used to measure; add --measure")
    shapes = [
        Shape(
            payload_bytes=size,
            payloads=payloads,
            events=events,
            recorders=recorders,
            context_bytes=CONTEXT_BYTES if context_bytes is None else context_bytes,
        )
        for size in dict.fromkeys(payload_bytes or PAYLOAD_BYTES)
    ]
    load = Workload(
        rate=(PER_WEEK if per_week is None else per_week) / WEEK_S if rate is None else rate,
        follow_up_share=follow_up_share,
        request_ms=request_ms,
        recorder_memory_mb=recorder_memory_mb,
        encoder_memory_mb=encoder_memory_mb,
        batch=batch,
        ttl_s=ttl_s,
        encoder_cpu_ms=ENCODER_CPU_MS if encoder_cpu_ms is None else encoder_cpu_ms,
    )
    listed = load_prices(prices, price or ())
    measurement = encoder = None
    if measure:
        with stoppable(lambda: "no figures, and nothing is left on the server"):
            measurement = asyncio.run(_measure(shapes, turns, endpoint_url, kms_endpoint_url))
        if encoder_cpu_ms is None:
            from ctxasr.evaluate.costs.measuring import encoder_cpu_ms as measure_encoder

            encoder = asyncio.run(measure_encoder())
        load = with_measured(load, measurement, encoder)
    document = compare(shapes, load, listed, measurement=measurement, encoder=encoder)
    if as_json:
        print_json(document)
    else:
        print_costs(document, Out())
    if measurement is not None and not measurement.agrees:
        raise typer.Exit(FAILED)


async def _measure(
    shapes: Sequence[Shape], turns: int, url: str | None, kms_url: str | None
) -> Measurement:
    from ctxasr.evaluate.costs.measuring import measure

    settings = settings_from(url or None)
    if kms_url:
        settings = replace(settings, kms_endpoint_url=kms_url)
    if settings.endpoint_url is None:
        raise InputError("--measure needs a server: --endpoint-url URL, or aws for AWS itself")
    with bar("payload sizes") as progress:
        try:
            return await measure(
                settings.endpoint,
                f"{settings.table_prefix}-costs-{secrets.token_hex(4)}",
                shapes,
                turns=turns,
                key_id=settings.kms_key,
                progress=progress,
            )
        except StoreUnavailable as error:
            apart = settings.kms_endpoint_url
            hint = "" if apart else " (a server without KMS needs --kms-endpoint-url as well)"
            raise StoreUnavailable(f"{error}{hint}") from None
