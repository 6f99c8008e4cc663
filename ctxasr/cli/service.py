"""`ctxasr forget` and `doctor`: what whoever runs the service needs beside it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ctxasr.cli.shared import AsJson, settings_from, stoppable
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from ctxasr.app import Settings
    from ctxasr.forget import Forgotten


def forget(
    customer: Annotated[str, typer.Argument(help="As the records name the customer.")],
    endpoint_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="DynamoDB and KMS, or aws; or CTXASR_ENDPOINT_URL."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase all that both tables hold of a customer, keys first, and prove that nothing is left.

    The proof is a strongly consistent look at both tables that finds no item. What arrives of the
    customer later is recorded anew. Running processes zero the customer's data keys within five
    minutes, a frozen Lambda sandbox when it wakes.

    - `ctxasr forget customer-17 --endpoint-url http://127.0.0.1:8000 --yes`
    """
    from pydantic import TypeAdapter, ValidationError

    from ctxasr.documents import describe
    from ctxasr.envelopes import Identifier
    from ctxasr.report.output import Out, print_json

    try:
        TypeAdapter(Identifier).validate_python(customer)
    except ValidationError as error:
        raise InputError(f"customer: {describe(error)}") from None
    settings = settings_from(endpoint_url)
    if settings.endpoint_url is None:
        raise InputError("--endpoint-url (or CTXASR_ENDPOINT_URL) is missing: a URL, or aws")
    if not yes:
        typer.confirm(
            f"Erase all of {customer!r} at {settings.endpoint_url}?", abort=True, err=True
        )
    with stoppable(lambda: "what was deleted is gone; run it again for the rest"):
        done = asyncio.run(_forget(customer, settings))
    if as_json:
        print_json({"customer": customer, **asdict(done)})
    else:
        found = f"deleted {done.status_items} status items and {done.payloads} payloads"
        if not done.status_items + done.payloads:
            found = "nothing was found under this name"
        Out().print(f"{customer}: {found}; both tables show none (look {done.looks})")


async def _forget(customer: str, settings: Settings) -> Forgotten:
    from ctxasr.app import Models, aws
    from ctxasr.forget import forget as erase

    models = Models(encoder=False, aligner=False)
    async with aws(settings, models=models, set_up=False) as app:
        return await erase(customer, app.ports.store, app.ports.vault)


def doctor(as_json: AsJson = False) -> None:
    """Say what is there and what is missing on this machine, and how to get it.

    The exit code is 0 if everything that is required is there, else 1.

    - `ctxasr doctor --json`
    """
    from ctxasr.report.doctor import examine
    from ctxasr.report.output import Out, print_json

    out, checks = Out(), []
    for check in examine():
        checks.append(check)
        if not as_json:
            out.print(check.render(), soft_wrap=True)
    ready = all(check.fine for check in checks)
    if as_json:
        print_json({"ready": ready, "checks": [check.to_json() for check in checks]})
    if not ready:
        raise typer.Exit(1)
