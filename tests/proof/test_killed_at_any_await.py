"""kill -9 of the recording process at any await, then redelivery: every turn settles, once.

A worker delivers an interaction's events to dynalite, whose tables lie on disk, and to moto's KMS,
both in processes of their own. It dies by SIGKILL at an await drawn from the seed; in some rounds
the next worker dies as well, in some dynalite dies with the worker and comes back over its folder.
Then another process delivers all events again, and the sweep closes what nobody closes.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import pytest
import servers
from threats.canaries import find_canaries

from ctxasr.events import Record, TurnKey
from ctxasr.pipeline import on_event, sweep
from ctxasr.store.clients import Clients, Endpoint, clients

from .interactions import (
    CANARIES,
    SWEPT_AT_MS,
    Dump,
    Interaction,
    check,
    draw,
    dump,
    recorder,
    reshuffled,
    set_up,
    table,
)
from .killed_worker import Job, Moment

SEED: Final = 11
AWAITS: Final = 26
"""Awaits of a long interaction; a worker that does not come so far is cut at one it did come to."""
LOOP_TURNS: Final = 60
"""Rounds of the event loop within one request: some kills come before it is sent, some later."""
KILLED_TWICE: Final = 0.3
SERVER_KILLED: Final = 0.1


class Dynalite:
    """A server over a folder that may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._command = [servers.node(), str(servers.DYNALITE / "serve.js"), str(folder)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Ended(NamedTuple):
    """What became of a worker."""

    acknowledged: set[str]
    killed: tuple[str, str] | None
    """Await and moment, if it was killed."""
    awaits: int


class Workers:
    """The process that forks a worker for each job."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proof.killed_worker"],
            cwd=servers.DYNALITE.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == ["ready"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def run(self, job: Job) -> Ended:
        assert self._process.stdin is not None
        print(job.to_json(), file=self._process.stdin, flush=True)
        acknowledged: set[str] = set()
        killed, awaits = None, 0
        while True:
            match self._line():
                case ["ack", event_id]:
                    acknowledged.add(event_id)
                case ["killed", name, moment]:
                    killed = (name, moment)
                case ["done", count]:
                    awaits = int(count)
                case ["end", status]:
                    assert int(status) == (-signal.SIGKILL if killed else 0), status
                    return Ended(acknowledged, killed, awaits)
                case other:
                    raise AssertionError(f"the worker said {other}")


@dataclass
class Figures:
    """What happened in all rounds."""

    rounds: int = 0
    awaits: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    settled_at_kill: int = 0
    events: int = 0
    acknowledged: int = 0
    written: int = 0
    """Events that were found written though they had not been acknowledged."""
    killed_twice: int = 0
    servers_killed: int = 0
    left: Counter[str] = field(default_factory=Counter)


@contextmanager
def world(folder: Path) -> Iterator[tuple[Dynalite, Endpoint, Workers]]:
    server = Dynalite(folder)
    with servers.moto() as kms, Workers() as workers:
        try:
            yield server, kms, workers
        finally:
            server.stop()


def _listed(kms: Endpoint) -> list[str]:
    return [kms.url or "", kms.access_key or "", kms.secret_key or ""]


def kill(
    workers: Workers, server: Dynalite, kms: Endpoint, number: int, figures: Figures
) -> tuple[Interaction, set[str]]:
    """One interaction whose worker was killed; what it and the next one had acknowledged."""
    rng, place = random.Random(f"{SEED} {number}"), _listed(kms)
    at = rng.randint(1, AWAITS)
    moment, turns = rng.choice(list(Moment)), rng.randint(1, LOOP_TURNS)
    with_server = rng.random() < SERVER_KILLED
    for attempt in range(2):
        turn = TurnKey(f"customer-{number}-{attempt}", f"turn-{number}-{attempt}")
        interaction = draw(f"{SEED} {number}", turn)
        first = Job(
            server.url, place, f"{SEED} {number}", turn.customer, turn.interaction,
            list(range(len(interaction.deliveries))), f"first-{number}", at, moment, turns,
            server.pid if with_server else 0,
        )  # fmt: skip
        ended = workers.run(first)
        if ended.killed is not None:
            break
        at = rng.randint(1, ended.awaits)
    assert ended.killed is not None, "at an await that the same interaction had before"
    figures.awaits[ended.killed[0]] += 1
    figures.moments[ended.killed[1]] += 1
    if with_server:
        server.stop()  # no more than a wait: it is dead, or dying
        server.start()
        figures.servers_killed += 1
    acknowledged = set(ended.acknowledged)
    if rng.random() < KILLED_TWICE:
        again = reshuffled(interaction, f"{SEED} {number} again")
        second = workers.run(
            replace(
                first,
                url=server.url,
                order=[interaction.deliveries.index(one) for one in again],
                process=f"second-{number}",
                at=rng.randint(1, AWAITS),
                moment=rng.choice(list(Moment)),
                server=0,
            )
        )
        figures.killed_twice += second.killed is not None
        acknowledged |= second.acknowledged
    return interaction, acknowledged


async def recover(
    opened: Clients, interaction: Interaction, acknowledged: set[str], figures: Figures
) -> None:
    """Deliver all again in another process, sweep, and look at what is there."""
    turn = interaction.turn
    ports = recorder(opened, f"redelivery of {turn.interaction}")
    late = recorder(opened, "sweep", after_ms=SWEPT_AT_MS)
    after_kill = await ports.store.read(turn)
    kept = set(after_kill.marks) if after_kill is not None else set()
    assert acknowledged <= kept, f"{turn}: lost {acknowledged - kept}"
    figures.written += len(kept - acknowledged)
    await deliver(reshuffled(interaction, turn.interaction), opened, f"second of {turn}")
    await sweep(turn.customer, late)
    once = await dump(opened.dynamodb, turn.customer)
    settled = await ports.store.read(turn)
    assert settled is not None
    if after_kill is not None and after_kill.outcome is not None:
        figures.settled_at_kill += 1
        assert settled.outcome is after_kill.outcome, f"{turn} was settled twice"
        assert settled.owner == after_kill.owner
    # Once more from the start: nothing may change that anybody could see.
    await deliver(interaction.deliveries, opened, f"third of {turn}")
    assert await sweep(turn.customer, late) == 0
    twice = await dump(opened.dynamodb, turn.customer)
    assert twice.status == once.status, f"{turn}: a redelivery changed the status item"
    assert twice.payload.keys() == once.payload.keys(), f"{turn}: a redelivery left rows behind"
    ids = interaction.event_ids
    found = await check(interaction, twice, late, {interaction.expected}, acknowledged=ids)
    figures.rounds += 1
    figures.kinds[interaction.kind] += 1
    figures.outcomes[found.outcome] += 1
    figures.left[found.outcome] += found.left
    figures.events += len(ids)
    figures.acknowledged += len(acknowledged)


async def deliver(records: Sequence[Record], opened: Clients, process: str) -> None:
    ports = recorder(opened, process, patience=0.0)
    for record in records:
        await on_event(record, ports)


async def kill_and_recover(folder: Path, rounds: int) -> tuple[Figures, Dump]:
    figures = Figures()
    with world(folder) as (server, kms, workers):
        server.start()
        async with clients(servers.endpoint(server.url, kms)) as opened:
            await set_up(opened)
        for number in range(rounds):
            interaction, acknowledged = kill(workers, server, kms, number, figures)
            async with clients(servers.endpoint(server.url, kms)) as opened:
                await recover(opened, interaction, acknowledged, figures)
        async with clients(servers.endpoint(server.url, kms)) as opened:
            return figures, await dump(opened.dynamodb)


def show(figures: Figures, took_s: float, rows: int) -> None:
    table(
        f"kill -9 at any await, n = {figures.rounds} rounds, seed {SEED}, {took_s:.0f} s",
        {
            "killed at": figures.awaits,
            "moment": figures.moments,
            "killed twice": figures.killed_twice,
            "server killed too": figures.servers_killed,
            "interactions": figures.kinds,
            "settled once": figures.outcomes,
            "settled at the kill": figures.settled_at_kill,
            "events at the kill": f"{figures.acknowledged} acknowledged, none of them lost; "
            f"{figures.written} more written; {figures.events} after redelivery",
            "rows without reference": figures.left,
            "rows without plaintext": rows,
        },
    )


async def prove(folder: Path, rounds: int) -> Figures:
    began = time.perf_counter()
    figures, dumped = await kill_and_recover(folder, rounds)
    rows = len(dumped.status) + len(dumped.payload)
    show(figures, time.perf_counter() - began, rows)
    assert figures.rounds == figures.awaits.total() == figures.outcomes.total() == rounds
    assert find_canaries(bytes(dumped), CANARIES) == []
    return figures


async def test_a_few_kills(tmp_path: Path) -> None:
    figures = await prove(tmp_path, 5)
    assert figures.acknowledged < figures.events


@pytest.mark.proof
async def test_200_kills_at_any_await(tmp_path: Path) -> None:
    figures = await prove(tmp_path, 200)
    assert figures.killed_twice > 0
    assert figures.servers_killed > 0
    assert set(figures.moments) == set(Moment)
    wanted = {"UpdateItem", "PutItem", "GenerateDataKey", "BatchGetItem", "DeleteItem", "Encode"}
    assert wanted <= set(figures.awaits), "a kind of await was never cut"
    assert len(figures.outcomes) == 3
