"""An object that only one thread, or one child process, ever touches; its methods, awaited.

    worker = Worker(PocketSphinxDecoder, {"n_best": 5}, process=True, name="pocketsphinx")
    await worker.call("recognize", samples)

A child process is spawned with the first call. It ends with its parent, however that ends, and
leaves signals to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from ctxasr.errors import ContextUnavailable, MissingPart


class Worker:
    """`make(**options)` in a thread or process of its own, made with the first call.

    Calls are carried out one after the other. With `process`, options, arguments and results are
    pickled. AWS Lambda has no semaphores, hence no such process.
    """

    def __init__(
        self, make: Callable[..., Any], options: Mapping[str, Any], *, process: bool, name: str
    ):
        self._executor: Executor
        if process:
            self._executor = ProcessPoolExecutor(
                1, get_context("spawn"), initializer=_start, initargs=(make, dict(options))
            )
            self._call = _call
        else:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
            self._call = _Threaded(make, options).call

    async def call(self, method: str, *args: Any) -> Any:
        """What the object's method returns; a call that is cancelled while it waits never runs.

        Raises:
            MissingPart: the child process has died.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._call, method, *args)
        except BrokenProcessPool:
            raise MissingPart("the recogniser's process has died; make a new recogniser") from None

    async def log_likelihoods(self, sound: object, texts: Sequence[str]) -> list[float]:
        """Those of the object, under a sound that it has kept.

        Raises:
            ContextUnavailable: it is kept no more; the process has died, if there was one.
        """
        try:
            scores: list[float] = await self.call("log_likelihoods", sound, list(texts))
        except MissingPart:
            raise ContextUnavailable("the recogniser's process has died") from None
        return scores

    def close(self) -> None:
        """Let go of the thread or process; waits for the call that is being carried out."""
        self._executor.shutdown(wait=True)


class _Threaded:
    def __init__(self, make: Callable[..., Any], options: Mapping[str, Any]):
        self._make, self._options, self._target = make, options, None

    def call(self, method: str, *args: Any) -> Any:
        if self._target is None:
            self._target = self._make(**self._options)
        return getattr(self._target, method)(*args)


_target: Any = None
"""Of a child process."""


def _start(make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    global _target  # noqa: PLW0603 - a pool's worker has no other place to keep its object
    for number in (signal.SIGINT, signal.SIGTERM):  # both are the parent's to handle
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _target = make(**options)


def _end_with_parent() -> None:
    """A parent that was killed tells nobody; its worker must not stay behind."""
    parent = parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)


def _call(method: str, *args: Any) -> Any:
    assert _target is not None, "the pool's initializer ran"
    return getattr(_target, method)(*args)
