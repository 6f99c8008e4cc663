"""Who carries blocks out: this process, or worker processes of this machine.

    with Processes(questions, simulate, workers=2) as crew:
        crew.start(Job(0, 0))
        [(job, block)] = crew.finished()

A crew is told no more than it has room for, so that memory stays flat however many blocks there
are. Workers are started afresh (spawn), do not hear of Ctrl-C, which is their parent's to handle,
and end when their parent does, whatever ended it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any, Final, NamedTuple, Protocol, Self

from ctxasr.sim.fleet.blocks import Block, Simulate, carry_out
from ctxasr.sim.fleet.question import Question

WORKERS_MAX: Final = 256
"""Processes of one machine; more machines are Ray's."""


class Job(NamedTuple):
    """One block of one of the questions, both counted from 0."""

    question: int
    block: int


class WorkerLost(Exception):
    """A worker process ended before its block did; out of memory, as a rule."""


class Crew(Protocol):
    """Carries blocks out, some at a time, in any order."""

    room: int
    """Jobs that may be under way at once."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self, job: Job) -> None:
        """Take one more job on."""

    def finished(self) -> list[tuple[Job, Block]]:
        """Wait until a job is finished; all that are.

        Raises:
            WorkerLost: a worker has ended.
        """


class Alone:
    """This process: one block after the other."""

    room = 1

    def __init__(self, questions: Sequence[Question], simulate: Simulate) -> None:
        self._questions, self._simulate = questions, simulate
        self._jobs: list[Job] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._jobs.clear()

    def start(self, job: Job) -> None:
        self._jobs.append(job)

    def finished(self) -> list[tuple[Job, Block]]:
        job = self._jobs.pop(0)
        return [(job, carry_out(self._questions[job.question], job.block, self._simulate))]


class Processes:
    """Worker processes of this machine; each holds the questions from its start."""

    def __init__(self, questions: Sequence[Question], simulate: Simulate, *, workers: int) -> None:
        self.room = 2 * workers  # so that nobody waits for the next one
        self._others = set(active_children())
        self._under_way: dict[Future[Block], Job] = {}
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(tuple(questions), simulate),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for future in self._under_way:
            future.cancel()
        if error[0] is not None:  # nobody waits for blocks that nobody will merge
            for process in set(active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, job: Job) -> None:
        try:
            with _undisturbed():  # it may start a worker
                self._under_way[self._pool.submit(_work, job)] = job
        except BrokenProcessPool:
            raise WorkerLost from None

    def finished(self) -> list[tuple[Job, Block]]:
        done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        try:
            return [(self._under_way.pop(one), one.result()) for one in done]
        except BrokenProcessPool:
            raise WorkerLost from None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: a worker must neither be half started nor hear of it while it imports.

    A mask is inherited, a handler is not; handlers run whatever thread is not masked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    handlers = {one: handler for one, handler in handlers.items() if callable(handler)}
    for one in handlers:
        signal.signal(one, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for one, handler in handlers.items():
            signal.signal(one, handler)
    if heard:
        raise KeyboardInterrupt


_held: list[Any] = []
"""Of a worker process: the questions, and how to simulate."""


def _begin(questions: tuple[Question, ...], simulate: Simulate) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _held[:] = [questions, simulate]


def _end_with_parent() -> None:
    """A parent that was killed says nothing to its workers: they would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> Block:
    questions, simulate = _held
    return carry_out(questions[job.question], job.block, simulate)
