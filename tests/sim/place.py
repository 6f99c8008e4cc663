"""The simulated tables as one more store of the contract suite."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from contract.places import HandClock, Naps, Ports, Rows

from ctxasr.events import Payload, PayloadRef, TurnKey
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.judging.watch import Watch
from ctxasr.sim.loop import VirtualLoop
from ctxasr.sim.luck import Luck
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.region.latency import Latencies
from ctxasr.sim.region.nodes import Node
from ctxasr.sim.region.requests import Handling, Place
from ctxasr.sim.region.status import StatusPort
from ctxasr.sim.region.tables import Tables
from ctxasr.sim.region.vault import PayloadPort, Row
from ctxasr.store.faults import Fault as WireFault
from ctxasr.store.faults import FaultPlan
from ctxasr.store.memory import MemoryEventStore

ANYBODY: Final = "*"

FAULTS: Final[dict[str, dict[str, Any]]] = {
    WireFault.LOST: {"kind": FaultKind.LOST_ANSWER},
    WireFault.CLOSED: {"kind": FaultKind.LOST_ANSWER},
    WireFault.ERROR: {"kind": FaultKind.SERVER_ERROR, "after": True},
    WireFault.THROTTLED: {"kind": FaultKind.THROTTLED},
    WireFault.REFUSED: {"kind": FaultKind.SERVER_ERROR},
}


class Silent(Watch):
    """The contract asks for other customers' items on purpose."""

    def asked(self, handling: Handling, customer: str) -> None:
        pass


class Idle:
    """A loop for latencies of nothing: only backing off takes time, and that at once."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def sleep(self, delay_s: float) -> Any:
        self.now_s += delay_s
        return asyncio.sleep(0)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Any:
        raise AssertionError("nothing is late here")


class SimPlace:
    """`contract.places.Place` over simulated tables; on a VirtualLoop with latencies, else none."""

    kind = "sim"

    def __init__(self, loop: VirtualLoop | None = None, seed: int = 0) -> None:
        self.clock = HandClock()
        self.plan, self.naps = FaultPlan.script([]), Naps()
        used: Any = loop or Idle()
        latencies = Latencies() if loop else Latencies.none()
        coverage = Coverage()
        self.tables = Tables(
            MemoryEventStore, used, latencies, Silent(used, coverage), coverage, seed=seed
        )
        self._seed, self._processes = seed, 0
        self.rows: Rows = SimRows(self.tables)
        self.store, self.vault = self._process(None)

    async def peer(self, *faults: str, only: tuple[str, ...] | None = None) -> Ports:
        scripted = [None if name == "none" else Fault(**FAULTS[name]) for name in faults]
        self.plan = FaultPlan.script([])
        return self._process(Script(scripted) if faults else None)

    def _process(self, place: Place | None) -> Ports:
        self._processes += 1
        clock: Any = self.clock
        node = Node(0, self._processes, clock)
        stream = Luck(self._seed).stream(self._processes)
        handling = Handling(self.tables, node, ANYBODY, "test", stream, place)
        return StatusPort(handling), PayloadPort(handling)


class Script(Place):
    """These faults for the first requests, one each."""

    def __init__(self, faults: list[Fault | None]) -> None:
        super().__init__([])
        self._script = iter(faults)

    def next(self, operation: str) -> tuple[Fault | None, Fault | None]:
        return next(self._script, None), None


class SimRows:
    """Rows as bytes: format version, nonce, content, tag. Bytes that nobody sealed open nowhere."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._sealed = tables, dict[bytes, Row]()

    async def read(self, turn: TurnKey, ref: PayloadRef) -> tuple[bytes, int] | None:
        row = self._tables.partition(turn.customer).rows.get((turn, ref))
        if row is None:
            return None
        clear = row.clear
        if isinstance(clear, Payload):
            clear = json.dumps(clear.texts).encode()
        sealed = b"\x01" + row.number.to_bytes(12, "big") + clear
        body = sealed + hashlib.blake2b(sealed + repr(row.bound).encode(), digest_size=16).digest()
        self._sealed[body] = row
        return body, row.expires_at_s

    async def write(self, turn: TurnKey, ref: PayloadRef, body: bytes, expires_at_s: int) -> None:
        nowhere = Row(b"", (TurnKey("", ""), ref, 0), b"", 0, 0)
        row = self._sealed.get(body, nowhere)
        rows = self._tables.partition(turn.customer).rows
        rows[turn, ref] = row._replace(expires_at_s=expires_at_s)

    async def count(self) -> tuple[int, int]:
        parts = self._tables.partitions.values()
        items = sum(len(part.items) + len(part.links) for part in parts)
        return items, sum(len(part.rows) for part in parts)
