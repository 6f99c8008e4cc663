"""A handler that stops at each operation; what a dead one can do; what a wrong one is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from conftest import Encoder

from ctxasr.events import EventKey, TurnKey
from ctxasr.pipeline import Ports
from ctxasr.sim.exploration.handlers import DONE, OPERATIONS_MAX, Handlers, Misbehaved
from ctxasr.sim.exploration.stepped import Crashed, Stepped
from ctxasr.sim.exploration.tables import Tables
from ctxasr.sim.plans.plan import START_MS
from ctxasr.store.memory import MemoryEventStore, MemoryVault

TURN = TurnKey("customer", "turn")


def test_it_goes_on_answer_by_answer() -> None:
    async def handler(ports: Ports) -> Any:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(ports.store.read(TURN))
            second = group.create_task(ports.store.follow("customer", "token"))
        return first.result(), second.result()

    stepped = Stepped(handler, "node")
    assert {n: str(one) for n, one in stepped.pending.items()} == {
        1: "status.read", 2: "status.follow",
    }  # fmt: skip
    stepped.answer(2, TURN)
    assert list(stepped.pending) == [1]
    assert not stepped.is_done
    stepped.answer(1, None)
    assert (stepped.is_done, stepped.error) == (True, None)


def test_a_dead_node_reaches_nothing() -> None:
    reached: list[str] = []

    async def handler(ports: Ports) -> None:
        try:
            await ports.store.claim(TURN, "me")
        except Exception:
            reached.append("handled")
        finally:
            await ports.vault.delete(TURN, [])
            reached.append("deleted")

    stepped = Stepped(handler, "node")
    stepped.crash()
    assert (reached, stepped.pending) == ([], {})
    assert isinstance(stepped.error, Crashed)


def test_time_passes_only_on_request() -> None:
    async def handler(ports: Ports) -> float:
        try:
            async with asyncio.timeout(4.0):
                await ports.store.read(TURN)
        except TimeoutError:
            await ports.store.turns("customer")
        return ports.clock.now_ms()

    stepped = Stepped(handler, "node")
    assert stepped.has_deadline
    stepped.let_time_pass()
    assert [str(one) for one in stepped.pending.values()] == ["status.turns"]
    assert not stepped.has_deadline
    stepped.answer(2, [])
    assert stepped._task.result() == START_MS + 4_000.0


# ---------------------------------------------------------------- handlers that are wrong

Start = Callable[[Ports], Coroutine[Any, Any, Any]]


def through(start: Start, steps: int = 0) -> int:
    """The state of a handler after its first operations were answered."""
    tables = Tables(lambda clock, draws: (MemoryEventStore(clock), MemoryVault(clock, draws)))
    handlers = Handlers(tables, {"it": start}, {"encoder": Encoder()})
    node, state = handlers.fresh(0, 0), 0
    for _ in range(steps):
        number, operation = handlers.pending[node][0]
        state, answer = tables.step(state, operation)
        node = handlers.after(node, (number, answer))
    return node


async def asks(ports: Ports, times: int) -> None:
    for _ in range(times):
        await ports.store.claim(TURN, EventKey(TURN, "event").event)


def test_a_handler_may_ask_so_often_and_no_more() -> None:
    assert through(lambda ports: asks(ports, OPERATIONS_MAX), OPERATIONS_MAX) == DONE
    with pytest.raises(Misbehaved, match="does not end"):
        through(lambda ports: asks(ports, OPERATIONS_MAX + 1), OPERATIONS_MAX)


async def waits(ports: Ports) -> None:
    await asyncio.Event().wait()


async def spins(ports: Ports) -> None:
    while True:  # noqa: ASYNC110 -- it waits for nothing, that is the point
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("start", "said"), [(waits, "waits for ever"), (spins, "StepBudgetExceeded")]
)
def test_a_handler_that_never_ends_is_found(start: Start, said: str) -> None:
    with pytest.raises(Misbehaved, match=said):
        through(start)
