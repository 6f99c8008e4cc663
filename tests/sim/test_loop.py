"""The loop: virtual time, drawn orders, parity with asyncio, and what it refuses."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from conftest import VirtualLoop as JumpingLoop
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.sim import loop as loop_module
from ctxasr.sim.loop import (
    REFUSED,
    Deadlock,
    LeavesVirtualTime,
    StepBudgetExceeded,
    VirtualLoop,
)
from ctxasr.sim.stacks import CHAIN_MAX, STACKS_MAX

Main = Coroutine[Any, Any, Any]


def seeds_that_differ(main: Callable[[], Main], count: int = 50) -> Counter[Any]:
    return Counter(VirtualLoop(seed).run(main()) for seed in range(count))


# ---------------------------------------------------------------- time


def test_time_passes_only_when_nothing_is_ready_and_then_at_once() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for _ in range(100):
            await asyncio.sleep(0)
        seen.append(loop.time())
        await asyncio.sleep(86_400.0 * 365)
        seen.append(loop.time())
        await asyncio.sleep(0.25)
        return [*seen, loop.time()]

    assert VirtualLoop().run(main()) == [0.0, 0.0, 31_536_000.0, 31_536_000.25]


def test_a_deadline_that_equals_a_completion_is_seen_both_ways() -> None:
    async def main() -> str:
        try:
            async with asyncio.timeout(1.0):
                await asyncio.sleep(1.0)
        except TimeoutError:
            return "late"
        return "in time"

    seen = seeds_that_differ(main)
    assert set(seen) == {"late", "in time"}
    assert min(seen.values()) > 10, seen


def test_every_order_of_four_ready_tasks_is_met_by_some_seed() -> None:
    async def main() -> str:
        order: list[str] = []

        async def step(name: str) -> None:
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(step(name))
        return "".join(order)

    seen = seeds_that_differ(main, 1000)
    assert len(seen) == 24
    # 1,000 draws over 24 orders: 42 each; this far off is one in a million.
    assert min(seen.values()) > 15, seen
    assert max(seen.values()) < 80, seen


def test_the_loops_own_sleep_is_that_of_asyncio() -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.sleep(2.0)
        seen: list[Any] = [loop.time()]
        sleeper = asyncio.ensure_future(nap(loop, 10.0))
        await asyncio.sleep(1.0)
        sleeper.cancel()
        seen += await asyncio.gather(sleeper, return_exceptions=True)
        seen.append(loop.time())
        try:
            async with asyncio.timeout(1.0):
                await loop.sleep(5.0)
        except TimeoutError:
            seen.append(loop.time())
        await loop.sleep(0.0)
        early = asyncio.ensure_future(nap(loop, 1.0))
        early.cancel()  # before it has begun
        return [*seen, loop.time(), *await asyncio.gather(early, return_exceptions=True)]

    async def nap(loop: VirtualLoop, delay_s: float) -> None:
        await loop.sleep(delay_s)

    seen = VirtualLoop().run(main())
    assert [round(one, 6) for one in seen if isinstance(one, float)] == [2.0, 3.0, 4.0, 4.0]
    assert [type(one) for one in seen if not isinstance(one, float)] == [asyncio.CancelledError] * 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    naps=st.lists(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), min_size=1, max_size=5),
    zeros=st.integers(0, 3),
)
def test_fifo_is_asyncios_own_order_where_no_two_instants_tie(
    naps: list[list[int]], zeros: int
) -> None:
    """Instants are sums of distinct irrational-looking parts, so none ties with another."""

    async def main() -> list[tuple[int, float, float]]:
        seen: list[tuple[int, float, float]] = []
        lock, queue = asyncio.Lock(), asyncio.Queue[int](2)
        loop = asyncio.get_running_loop()

        async def work(number: int) -> None:
            for step, nap in enumerate(naps[number]):
                await asyncio.sleep((nap + (number + 1) * 1e-4 + step * 1e-5) / 1000)
                async with lock:
                    for _ in range(zeros):
                        await asyncio.sleep(0)
                    seen.append((number, step, round(loop.time(), 7)))
                await queue.put(number)
                loop.call_soon(seen.append, (number, step, -1.0))
                loop.call_later(0, seen.append, (number, step, -2.0))

        async def drain() -> None:
            for _ in range(sum(map(len, naps))):
                seen.append((await queue.get(), -1, round(loop.time(), 7)))

        async with asyncio.TaskGroup() as group:
            group.create_task(drain())
            for number in range(len(naps)):
                group.create_task(work(number))
        await asyncio.sleep(1)
        return seen

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        expected = runner.run(main())
    assert VirtualLoop(fifo=True).run(main()) == expected
    drawn = VirtualLoop(1).run(main())
    assert sorted(drawn) == sorted(expected), "another order, the same work"


# ---------------------------------------------------------------- the same seed, the same run

PROGRAM = """
import asyncio
from ctxasr.sim.loop import VirtualLoop

async def main():
    seen = []
    async def nap(name):
        try:
            while True:
                await asyncio.sleep(0.001 * len(name))
        finally:
            seen.append(name)
    async def fail():
        await asyncio.sleep(0.01)
        raise ValueError
    try:
        async with asyncio.TaskGroup() as group:     # cancels a set of tasks, in its order
            for name in ("anna", "bob", "carla", "dora", "emil", "fritz"):
                group.create_task(nap(name))
            group.create_task(fail())
    except* ValueError:
        pass
    done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(0, n)) for n in range(5)])
    return seen, [task.result() for task in done]

for seed in range(20):
    loop = VirtualLoop(seed)
    print(loop.run(main()), loop.steps, loop.time())
"""


def test_a_seed_is_one_run_in_every_process() -> None:
    """Sets of tasks hash by address in asyncio: that would make the order a matter of luck."""
    said = {
        subprocess.run(
            [sys.executable, "-c", f"moved = [object() for _ in range({hash_seed})]\n{PROGRAM}"],
            env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
            check=True, capture_output=True, text=True,
        ).stdout
        for hash_seed in (0, 1, 12_345)
    }  # fmt: skip
    assert len(said) == 1
    assert len(set(said.pop().splitlines())) > 15, "and twenty seeds are not one run"


# ---------------------------------------------------------------- what ends a run


def test_a_deadlock_names_every_task_and_where_it_waits() -> None:
    async def waits_for_a_lock(lock: asyncio.Lock) -> None:
        await lock.acquire()

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_a_lock(lock), name="first")
            group.create_task(waits_for_a_lock(lock), name="second")

    with pytest.raises(Deadlock) as caught:
        VirtualLoop().run(main())
    lines = str(caught.value).splitlines()
    assert "0.000 s" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["task-1", "first", "second"]
    assert "main (test_loop.py:" in lines[1]
    for line in lines[2:]:
        assert "waits_for_a_lock (test_loop.py:" in line
        assert "acquire (locks.py:" in line


def test_a_long_report_is_cut_and_says_so() -> None:
    async def deep(depth: int) -> None:
        await (deep(depth - 1) if depth else asyncio.Event().wait())

    async def main() -> None:
        await asyncio.gather(*(deep(CHAIN_MAX + 10) for _ in range(STACKS_MAX + 6)))

    with pytest.raises(Deadlock) as caught:
        VirtualLoop().run(main())
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + STACKS_MAX + 1
    assert lines[-1].strip() == "and 7 more"
    assert lines[2].count(" > ") == CHAIN_MAX - 1


def test_a_livelock_ends_at_the_budget_and_not_one_step_before() -> None:
    async def spin(steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    for fifo in (False, True):
        needs = VirtualLoop(fifo=fifo)
        needs.run(spin(1000))
        exactly = VirtualLoop(fifo=fifo, steps_max=1001)
        exactly.run_until_complete(spin(999))
        with pytest.raises(StepBudgetExceeded, match=r"more than 500 steps(?s:.*)spin \(test_loop"):
            VirtualLoop(fifo=fifo, steps_max=500).run(spin(10**9))


def test_a_task_that_will_not_be_cancelled_does_not_hang_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_module, "CANCELLED_STEPS_MAX", 1000)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        main.task = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
        await asyncio.sleep(3)

    with pytest.raises(StepBudgetExceeded, match="stubborn"):
        VirtualLoop(steps_max=100).run(main())


@pytest.mark.parametrize("name", REFUSED)
def test_what_leaves_virtual_time_is_refused(name: str) -> None:
    with pytest.raises(LeavesVirtualTime, match=f"{name} leaves virtual time"):
        getattr(VirtualLoop(), name)()


def test_threads_sockets_and_dns_are_refused_through_asyncio() -> None:
    async def dial() -> None:
        await asyncio.open_connection("localhost", 1)

    async def serve() -> None:
        await asyncio.start_server(lambda *_: None, "localhost", 0)

    async def send() -> None:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(one, b"x")

    async def resolve() -> None:
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    async def start() -> None:
        await asyncio.create_subprocess_exec("true")

    async def thread() -> None:
        await asyncio.to_thread(time.sleep, 0)

    for leaves in (dial, serve, send, resolve, start, thread):
        with pytest.raises(LeavesVirtualTime):
            VirtualLoop().run(leaves())


def test_no_method_of_a_loop_is_left_to_chance() -> None:
    """All that asyncio's abstract loop asks for is there or refused, in this Python."""
    left = [
        name
        for name in vars(asyncio.AbstractEventLoop)
        if not name.startswith("_")
        and getattr(VirtualLoop, name) is getattr(asyncio.AbstractEventLoop, name)
    ]
    assert left in ([], ["set_task_factory", "get_task_factory"]), left


# ---------------------------------------------------------------- asyncio's own parts


def test_groups_timeouts_queues_and_locks_work() -> None:
    async def main() -> list[int]:
        queue, taken = asyncio.Queue[int](1), list[int]()
        semaphore, ready = asyncio.Semaphore(2), asyncio.Event()
        condition = asyncio.Condition()

        async def put(number: int) -> None:
            async with semaphore:
                await asyncio.sleep(0.1)
                await queue.put(number)

        async def wait() -> None:
            await ready.wait()
            async with condition:
                await condition.wait_for(lambda: len(taken) == 5)

        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            group.create_task(wait())
            for number in range(5):
                group.create_task(put(number))
            for _ in range(5):
                taken.append(await asyncio.wait_for(queue.get(), 10))
                ready.set()
                async with condition:
                    condition.notify_all()
        return taken

    orders = {tuple(VirtualLoop(seed).run(main())) for seed in range(30)}
    assert len(orders) > 5
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3, 4)}


def test_a_cancelled_task_cleans_up_and_its_timers_leave_no_trace() -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(1)
                seen.append(f"{asyncio.get_running_loop().time():g}")

        task = asyncio.create_task(work())
        await asyncio.sleep(5)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        return seen

    loop = VirtualLoop()
    assert loop.run(main()) == ["6"]
    assert loop.time() == 6


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main() -> int:
        longest = 0
        for _ in range(10_000):
            async with asyncio.timeout(3600):
                await asyncio.sleep(0.001)
            longest = max(longest, len(loop._timers))
        return longest

    loop = VirtualLoop()
    assert loop.run(main()) < 400


def test_tasks_that_are_left_behind_are_cancelled_and_the_loop_is_closed() -> None:
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("left")

    async def main() -> str:
        asyncio.ensure_future(left())  # noqa: RUF006
        await asyncio.sleep(0.1)
        return "done"

    loop = VirtualLoop()
    assert loop.run(main()) == "done"
    assert ended == ["left"]
    assert loop.is_closed()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    main_again = main()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_until_complete(main_again)
    main_again.close()


def test_async_generators_are_closed_whether_dropped_or_left() -> None:
    ended: list[str] = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            await asyncio.sleep(0.5)
            ended.append(name)

    async def main() -> Any:
        async for _ in numbers("dropped"):
            break
        gc.collect()
        await asyncio.sleep(1)
        assert ended == ["dropped"]
        left = numbers("left")
        await anext(left)
        return left

    VirtualLoop().run(main())
    assert ended == ["dropped", "left"]


def test_context_variables_belong_to_tasks() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def work(name: str) -> str:
        who.set(name)
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_later(0.1, lambda: seen.append(who.get()))
        return who.get()

    async def main() -> list[str]:
        names = await asyncio.gather(work("a"), work("b"))
        await asyncio.sleep(1)
        return [*names, who.get(), *sorted(seen)]

    seen: list[str] = []
    assert VirtualLoop().run(main()) == ["a", "b", "nobody", "a", "b"]


def test_an_exception_that_nobody_retrieved_is_told() -> None:
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

        async def fail() -> None:
            raise ValueError("unheard")

        asyncio.ensure_future(fail())  # noqa: RUF006
        await asyncio.sleep(1)
        gc.collect()

    VirtualLoop().run(main())
    assert [str(context["exception"]) for context in told] == ["unheard"]


def test_without_a_handler_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loop = VirtualLoop()
    assert loop.get_exception_handler() is None
    with caplog.at_level(logging.ERROR, "asyncio"):
        loop.call_exception_handler({"message": "something went wrong"})
    assert caplog.messages == ["something went wrong"]


def test_errors_of_the_program_and_interrupts_come_through() -> None:
    async def fail(error: BaseException) -> None:
        await asyncio.sleep(1)
        raise error

    for error in (ValueError("x"), KeyboardInterrupt(), SystemExit(3)):
        loop = VirtualLoop()
        with pytest.raises(type(error)):
            loop.run(fail(error))
        assert loop.is_closed()


def test_it_runs_under_asyncios_runner_and_inside_another_loop() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 3600

    async def outer() -> float:
        inner = VirtualLoop().run(main())
        assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
        return inner

    assert asyncio.run(outer()) == 3600


def test_a_loop_is_not_entered_twice_nor_closed_while_it_runs() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match="Cannot close"):
            loop.close()
        loop.stop()
        await asyncio.sleep(1)

    loop = VirtualLoop()
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(main())
    loop.run(asyncio.sleep(0))


def test_sleeping_is_at_least_as_fast_as_a_stock_loop_whose_clock_jumps() -> None:
    """Processor time of one process against the same program: generous, and still a guard."""

    async def main() -> None:
        async def nap() -> None:
            for number in range(500):
                await asyncio.sleep(0.001 + number * 1e-6)

        await asyncio.gather(*(nap() for _ in range(10)))

    def cpu_s(run: Callable[[], Any]) -> float:
        began = time.process_time()
        run()
        return time.process_time() - began

    def stock() -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(main())

    ours = min(cpu_s(lambda: VirtualLoop(1).run(main())) for _ in range(3))
    theirs = min(cpu_s(stock) for _ in range(3))
    assert ours < theirs, (ours, theirs)
