"""The same blocks over the machines of a Ray cluster; without an address, over this one.

    ray start --head                                   on one machine
    ray start --address HOST:6379                      on the others, ctxasr installed on each
    ctxasr simulate --on ray:HOST:6379 ...

Ray is an extra: pip install 'ctxasr[ray]'. Its usage reports and dashboard stay off; without an
address it listens on loopback alone.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import Any, Final, Self

from ctxasr.errors import InputError, MissingPart
from ctxasr.evaluate.fleet.checkpoint import code
from ctxasr.evaluate.fleet.crews import Job, WorkerLost
from ctxasr.sim.fleet.blocks import Block, Simulate, carry_out
from ctxasr.sim.fleet.question import Question

QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token"}
"""No usage reports; only who holds the user's token is served, and nothing is said about it."""

ALONE: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""A Ray of our own takes loopback for its address, as it does where clusters are not supported."""

KNOCK_S: Final = 5.0

JOBS_PER_CORE: Final = 2
"""Jobs under way for each core of the cluster, so that nobody waits for the next one."""


class OnRay:
    """A crew of Ray tasks.

    Raises:
        MissingPart: Ray is not installed.
        InputError: there is no cluster at the address, or Ray cannot start here.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        simulate: Simulate,
        *,
        address: str | None = None,
        workers: int | None = None,
    ) -> None:
        for name, value in (QUIET if address else QUIET | ALONE).items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise MissingPart("--on ray needs Ray: pip install 'ctxasr[ray]'") from None
        self._ray, self._held = ray, (tuple(questions), simulate, code())
        self._address, self._workers = address, workers
        self._under_way: dict[Any, Job] = {}
        self.room = 1

    def __enter__(self) -> Self:
        ray = self._ray
        of_our_own: dict[str, Any] = {}
        if self._address is not None:
            _knock(self._address)
        else:
            of_our_own = {"num_cpus": self._workers, "include_dashboard": False}
        try:
            ray.init(
                address=self._address, logging_level=logging.ERROR, log_to_driver=False,
                configure_logging=False, **of_our_own,
            )  # fmt: skip
        except (ConnectionError, ValueError) as error:
            raise InputError(f"--on ray:{self._address}: no cluster there ({error})") from None
        self.room = JOBS_PER_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._task = ray.remote(_carry_out)
        self._shared = ray.put(self._held)  # once a machine, not once a block
        return self

    def __exit__(self, *error: object) -> None:
        self._under_way.clear()
        self._ray.shutdown()

    def start(self, job: Job) -> None:
        self._under_way[self._task.remote(self._shared, job)] = job

    def finished(self) -> list[tuple[Job, Block]]:
        ray = self._ray
        done, _ = ray.wait(list(self._under_way), num_returns=1)
        try:
            return [(self._under_way.pop(one), ray.get(one)) for one in done]
        except ray.exceptions.RayTaskError:
            raise  # an error of the block's own
        except ray.exceptions.RayError:  # of its worker, its machine, or its memory
            raise WorkerLost from None


def _knock(address: str) -> None:
    """Whether somebody listens there: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return  # a name that Ray knows, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--on ray:{address}: no cluster there ({error})") from None


def _carry_out(held: tuple[tuple[Question, ...], Simulate, str], job: Job) -> Block:
    questions, simulate, of_driver = held
    if code() != of_driver:
        raise InputError("--on ray: a machine of the cluster has other code of ctxasr than this")
    return carry_out(questions[job.question], job.block, simulate)
