"""A process that is killed at an await of its choice: SIGKILL, nothing of it runs afterwards.

    python -m proof.killed_worker        one job a line on stdin, a JSON object

It loads everything once and forks for each job, so that a kill costs milliseconds. The child says
on stdout, unbuffered, what it has acknowledged, and at last why it ended:

    ack <event id>  |  killed <await> <moment>  |  done <awaits>
    end <exit status, or minus the signal>           said by the parent

An await is a request to a server, or the encoder's work. It is cut before the request is sent,
`turns` rounds of the event loop into it (so that the server may have carried it out, or not), or
after the answer has come but before anybody has looked at it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

from conftest import Encoder
from servers import endpoint

from ctxasr.events import TurnKey, TurnText
from ctxasr.pipeline import on_event
from ctxasr.ports import Matrix, Vector
from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients
from ctxasr.store.faults import FaultPlan, FaultyTransport

from .interactions import draw, recorder

T = TypeVar("T")


class Moment(StrEnum):
    """When the process dies."""

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"


@dataclass(frozen=True)
class Job:
    """Deliver an interaction's events, as `order` numbers them, and die at await `at` (from 1).

    `at` 0 never comes. `server`, a process id, is killed first.
    """

    url: str
    kms: list[str]
    """URL, access key and secret key of the server that has the KMS."""
    seed: str
    customer: str
    interaction: str
    order: list[int]
    process: str
    at: int = 0
    moment: str = Moment.BEFORE
    turns: int = 0
    server: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Killer(FaultPlan):
    """Counts the awaits and ends the process at one of them."""

    def __init__(self, job: Job) -> None:
        super().__init__(0, 0.0, 0.0)
        self._job, self.seen = job, 0

    def transport(self, **settings: Any) -> FaultyTransport:
        return _Transport(self, **settings)

    async def cut(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Carry out `call`, or die on the way."""
        self.seen += 1
        if self.seen != self._job.at:
            return await call()
        if self._job.moment != Moment.BEFORE:
            task = asyncio.ensure_future(call())
            if self._job.moment == Moment.AFTER:
                await asyncio.wait([task])
            else:
                for _ in range(self._job.turns):
                    await asyncio.sleep(0)
        say(f"killed {name} {self._job.moment}")
        if self._job.server:
            os.kill(self._job.server, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody outlives that")


class _Transport(FaultyTransport):
    async def send(self, request: Any) -> Any:
        assert isinstance(self._plan, Killer)
        target: Any = request.headers.get("X-Amz-Target", "")
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        return await self._plan.cut(name, lambda: super(_Transport, self).send(request))


class MortalEncoder(Encoder):
    """The double, with an await at which the process may die."""

    def __init__(self, killer: Killer) -> None:
        super().__init__()
        self._killer = killer

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        plain = super().encode
        return await self._killer.cut("Encode", lambda: plain(turn, past))


def say(line: str) -> None:
    """At once and whole: what was said is known even if the next instruction never runs."""
    os.write(1, f"{line}\n".encode())


async def work(job: Job) -> None:
    killer = Killer(job)
    turn = TurnKey(job.customer, job.interaction)
    deliveries = draw(job.seed, turn).deliveries
    url, *keys = job.kms
    kms = Endpoint(url, None, LOCAL_REGION, *keys)
    async with clients(endpoint(job.url, kms), faults=killer) as opened:
        # The clock stands still, events come one by one, and owners are dead: nobody waits long.
        ports = recorder(opened, job.process, encoder=MortalEncoder(killer), patience=0.0)
        for number in job.order:
            await on_event(deliveries[number], ports)
            say(f"ack {deliveries[number].message.message.header.message_id}")
    say(f"done {killer.seen}")


async def warm_up() -> None:
    """Load what clients load, once for all children; nothing is sent, nothing stays open."""
    async with clients(endpoint("http://127.0.0.1:1")):
        pass


def main() -> None:
    asyncio.run(warm_up())
    say("ready")
    for line in sys.stdin:
        job = Job(**json.loads(line))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio.run(work(job))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        say(f"end {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
