"""`ctxasr forget` against a server: what it refuses, what it erases, and what it says of it."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from dataclasses import replace

import pytest
import servers
from conftest import Command, Encoder, turn

from ctxasr import app
from ctxasr.app import Settings
from ctxasr.pipeline import on_event


@pytest.mark.parametrize("customer", ["", "c" * 257, "half \ud800"])
def test_forget_wants_a_customer(command: Command, customer: str) -> None:
    """An unset variable in a script must not report an erasure."""
    done = command("forget", customer, "--endpoint-url", "http://127.0.0.1:1", "--yes")
    assert done.code == 2
    assert "customer:" in done.err


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:99999", "http://:1", "ftp://127.0.0.1"])
def test_an_endpoint_that_is_no_url_is_wrong_input(command: Command, url: str) -> None:
    done = command("forget", "c", "--endpoint-url", url, "--yes")
    assert (done.code, done.out) == (2, "")
    assert "is right" in done.err


def test_forget_proves_what_it_says(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.moto() as moto:
        for name, value in servers.variables(moto).items():
            monkeypatch.setenv(name, value)
        url = str(moto)
        asyncio.run(_write_a_turn(url))
        asked = ("forget", "customer", "--endpoint-url", url)
        monkeypatch.setattr(sys, "stdin", io.StringIO("no\n"))
        assert command(*asked).code == 1, "nobody said yes"
        done = command(*asked, "--yes", "--json")
        assert json.loads(done.out) == {
            "customer": "customer", "status_items": 2, "payloads": 5, "looks": 3,
        }  # fmt: skip
        assert "nothing was found" in command(*asked, "--yes").out
        assert "nothing was found" not in command("forget", "another", *asked[2:], "--yes").out


async def _write_a_turn(url: str) -> None:
    settings = Settings(url, region="us-east-1")
    async with app.aws(settings, models=app.Models(encoder=False, aligner=False)) as made:
        ports = replace(made.ports, encoder=Encoder(), clock=made.ports.clock)
        for customer in ("customer", "another"):
            now_ms = int(ports.clock.now_ms())
            for one in turn(customer=customer).values():
                await on_event(one.model_copy(update={"received_at": now_ms}), ports)
