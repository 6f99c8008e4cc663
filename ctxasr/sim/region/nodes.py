"""A process of the simulated fleet: a clock of its own, and memory that dies with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.region.tables import Loop
from ctxasr.sim.region.vault import DataKeys
from ctxasr.windows import Windows

WRONG_MS_MAX: Final = 950.0
"""A clock is never further off: NTP sees to it. The stores allow for CLOCK_SKEW_MS_MAX."""


class NodeClock:
    """A clock that is fast or slow by `offset_ms` and gains `drift_ppm` per million.

    What the program asks of the event loop (`timer_s`) runs by the same crystal.
    """

    __slots__ = ("_drift", "_loop", "_rate", "offset_ms")

    def __init__(self, loop: Loop, offset_ms: float = 0.0, drift_ppm: float = 0.0) -> None:
        self._loop, self.offset_ms = loop, offset_ms
        self._drift, self._rate = drift_ppm / 1e6, 1.0 + drift_ppm / 1e6

    def now_ms(self) -> float:
        true_ms = self._loop.now_s * 1_000.0
        if not self._drift:
            return START_MS + self.offset_ms + true_ms
        wrong_ms = self.offset_ms + true_ms * self._drift
        return START_MS + true_ms + max(-WRONG_MS_MAX, min(wrong_ms, WRONG_MS_MAX))

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0 / self._rate


class Node:
    """One life of a process. Dead, its ports raise NodeDown; a restart is another Node."""

    __slots__ = ("clock", "dead", "keys", "name", "slot", "up_at_s", "windows")

    def __init__(self, slot: int, life: int, clock: NodeClock, up_at_s: float = 0.0) -> None:
        self.slot, self.name, self.clock, self.up_at_s = slot, f"n{slot}.{life}", clock, up_at_s
        self.dead = False
        self.keys, self.windows = DataKeys(clock), Windows()


class Fleet:
    """Some processes; who dies is replaced, with an empty memory and the same clock."""

    def __init__(self, loop: Loop, size: int, faults: Sequence[Fault] = ()) -> None:
        self._loop, self._lives = loop, 0
        self.clocks = [NodeClock(loop) for _ in range(size)]
        for fault in faults:
            slot = fault.node % size
            if fault.kind is FaultKind.CLOCK_OFFSET:
                self.clocks[slot] = NodeClock(loop, offset_ms=fault.ms)
        for fault in faults:
            slot = fault.node % size
            if fault.kind is FaultKind.CLOCK_DRIFT:
                offset_ms = self.clocks[slot].offset_ms
                self.clocks[slot] = NodeClock(loop, offset_ms, drift_ppm=fault.ms)
        self.nodes = [Node(slot, 0, clock) for slot, clock in enumerate(self.clocks)]

    def replace(self, node: Node, after_ms: float) -> None:
        """`node` is dead; the next life of its slot takes requests `after_ms` from now."""
        self._lives += 1
        up_at_s = self._loop.now_s + after_ms / 1_000.0
        self.nodes[node.slot] = Node(node.slot, self._lives, self.clocks[node.slot], up_at_s)

    def at(self, slot: int) -> Node | None:
        """The process of a slot, or of the next one that is up; None if none is."""
        now_s, nodes = self._loop.now_s, self.nodes
        node = nodes[slot % len(nodes)]
        if node.up_at_s <= now_s:
            return node
        for step in range(1, len(nodes)):
            node = nodes[(slot + step) % len(nodes)]
            if node.up_at_s <= now_s:
                return node
        return None
