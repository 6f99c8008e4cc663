"""The simulated store passes the contract of all stores: at once, and with drawn latencies.

The tests are those of tests/contract, imported; only the place is another one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from contract import test_bounds, test_forget, test_store

from ctxasr.sim.loop import VirtualLoop

from .place import SimPlace

SUITES = (test_store, test_bounds, test_forget)
NOT_HERE = {
    "test_the_sweeps_query_is_paged_and_bounded": "pages are of the wire",
    "test_a_batch_past_the_servers_limit_comes_back_whole": "8 MB at once: a partition throttles",
    "test_an_outage_in_the_middle_of_forgetting": "batches of deletions are of the wire",
}

Test = Callable[..., Awaitable[None]]


def cases() -> list[Any]:
    """Every test that takes nothing but a place, with the values that it is parametrised over."""
    found = []
    for suite in SUITES:
        for name, test in sorted(vars(suite).items()):
            names = set(inspect.signature(test).parameters) if name.startswith("test_") else set()
            if "place" not in names or name in NOT_HERE or hasattr(test, "hypothesis"):
                continue
            marks = getattr(test, "pytestmark", [])
            parameters: list[dict[str, Any]] = [{}]
            for mark in (mark for mark in marks if mark.name == "parametrize"):
                values = mark.args[1]
                parameters = [one | {mark.args[0]: v} for one in parameters for v in values]
            if {"place"} | set(parameters[0]) != names:
                continue
            for number, one in enumerate(parameters):
                found.append(pytest.param(test, one, id=f"{name}-{number}"))
    return found


def test_nothing_of_the_suite_is_left_out() -> None:
    tests = [name for name in vars(test_store) if name.startswith("test_")]
    run = {case.values[0].__name__ for case in cases()}
    left = {name for name in tests if name not in run and name not in NOT_HERE}
    assert left == {"test_any_order_with_duplicates_ends_in_the_same_item"}, "it has hypothesis"
    assert len(run) >= 25


@pytest.mark.parametrize(("test", "arguments"), cases())
def test_at_once(test: Test, arguments: dict[str, Any]) -> None:
    asyncio.run(_run(test, SimPlace(), arguments))


@pytest.mark.parametrize(("test", "arguments"), cases())
def test_with_latencies_on_three_drawn_orders(test: Test, arguments: dict[str, Any]) -> None:
    for seed in range(3):
        loop = VirtualLoop(seed)
        loop.run(_run(test, SimPlace(loop, seed), arguments))
        assert loop.steps > 0


async def _run(test: Test, place: SimPlace, arguments: dict[str, Any]) -> None:
    await test(place=place, **arguments)


async def test_any_order_with_duplicates_ends_in_the_same_item() -> None:
    drawn: Any = test_store.test_any_order_with_duplicates_ends_in_the_same_item
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0, 0, 3], [3, 3, 1, 0, 5, 2, 4, 1]):
        await drawn.hypothesis.inner_test(place=SimPlace(), order=order)
