"""A plan carried out: the shipped stages on simulated nodes over simulated tables.

    run = simulate(plan, MemoryEventStore)
    run.violations, run.coverage, run.trace_hash

Events are delivered at least once: what is not acknowledged comes again, on another node. Dialogues
are followed to their end, turns that nobody settled are swept, and at their expiry the node with
the slowest clock tries to read what is still there. Then the invariants are judged.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final

from ctxasr.answer import listen, on_utterance
from ctxasr.errors import CtxasrError
from ctxasr.events import ConsistentStatus, TurnKey, to_event
from ctxasr.forget import forget
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.ports import Clock, EventStore
from ctxasr.sim.expiry_probe import probe
from ctxasr.sim.fleet.measures import Measures
from ctxasr.sim.garbage import seldom_collected
from ctxasr.sim.judging.coverage import Coverage
from ctxasr.sim.judging.evidence import (
    Answer,
    Evidence,
    Handled,
    Message,
    begins_of,
    echoes_of,
)
from ctxasr.sim.judging.invariants import cannot_apply, judge
from ctxasr.sim.judging.watch import Watch
from ctxasr.sim.loop import Deadlock, StepBudgetExceeded, VirtualLoop
from ctxasr.sim.luck import Luck
from ctxasr.sim.plans.faults import Fault, FaultKind
from ctxasr.sim.plans.plan import START_MS, Delivery, Plan
from ctxasr.sim.plans.templates import ANSWER, FORGET, SWEEP, place_of, record_of, template
from ctxasr.sim.region.doubles import SimAligner, SimEncoder, SimTelemetry, heard
from ctxasr.sim.region.nodes import WRONG_MS_MAX, Fleet, Node
from ctxasr.sim.region.requests import Handling, NodeDown, Place
from ctxasr.sim.region.tables import Tables, Usage
from ctxasr.sim.region.what_if import WhatIf, ports_of
from ctxasr.sim.runs import Run, Setting
from ctxasr.timing import CLOCK_SKEW_MS_MAX

VISIBILITY_S: Final = 30.0
"""After this time an event that was not acknowledged is delivered again, as SQS does by default."""

DELIVERIES_MAX: Final = 20
"""Deliveries of one event; faults are finite, so that more of them are a livelock."""

SWEEPS_MAX: Final = 30
"""Looks at what nobody settled, a grace period apart: the longest reply ends within them."""

STEPS_MAX: Final = 400
"""Callbacks for one line of a plan, beyond STEPS_LEAST; a usual one takes about 20."""
STEPS_LEAST: Final = 20_000


def simulate(
    plan: Plan, make_leader: Callable[[Clock], EventStore], setting: Setting | None = None
) -> Run:
    """Carry out a plan from an empty region to its end."""
    with seldom_collected():
        return World(plan, make_leader, setting or Setting()).run()


class World:
    """One region, one fleet, one plan."""

    def __init__(
        self, plan: Plan, make_leader: Callable[[Clock], EventStore], setting: Setting
    ) -> None:
        self._plan, self._setting = plan, setting
        self._loop = VirtualLoop(
            plan.seed, fifo=setting.fifo, steps_max=STEPS_LEAST + STEPS_MAX * len(plan)
        )
        self.coverage = Coverage()
        self._watch = Watch(self._loop, self.coverage, trace=setting.trace)
        self._luck = Luck(plan.seed)
        self._fleet = Fleet(self._loop, plan.nodes, plan.faults)
        self._tables = Tables(
            make_leader, self._loop, setting.latencies, self._watch, self.coverage,
            seed=plan.seed, faults=plan.faults, crash=self._crash,
        )  # fmt: skip
        self._places: dict[tuple[int, str], Place] = {}
        self._models: dict[tuple[int, str], list[Fault]] = defaultdict(list)
        self._slow_ms: dict[tuple[int, str], float] = {}
        self._moved: dict[tuple[int, str], list[Fault]] = defaultdict(list)
        self._watch.began_ms, self._echoes = begins_of(plan), echoes_of(plan)
        self._watch.calm = not plan.faults
        self._read_faults()
        self._evidence = Evidence(plan, self._watch, self._tables, setting.read_budget_ms)
        self._pending = 0
        self._idle: asyncio.Future[None] | None = None
        self._before_probes: tuple[Measures, Usage] | None = None
        self._context = copy_context()
        self._tasks: dict[Handling | None, asyncio.Task[None]] = {}
        """What runs: asyncio itself holds no task."""

    def run(self) -> Run:
        """To the end; what stops the program itself is a violation as well (1)."""
        loop = self._loop
        loop.set_exception_handler(self._unheard)
        try:
            loop.run(self._main())
        except (Deadlock, StepBudgetExceeded) as error:
            self._watch.violate(1, None, f"{type(error).__name__}: {error}")
        # These two end the circles: a world's memory is free as soon as nobody holds it.
        self._tables.on_crash = None
        loop.set_exception_handler(_too_late)
        violations = judge(self._evidence)
        outcomes: dict[str, int] = defaultdict(int)
        for part in self._tables.partitions.values():
            for status in part.newest.values():
                outcomes[str(status.outcome)] += 1
        return Run(
            self._plan, violations, self._watch.counts(), cannot_apply(self._evidence),
            self.coverage, self._watch.trace, dict(sorted(outcomes.items())),
            loop.steps, loop.now_s, *(self._before_probes or self._measured()),
        )  # fmt: skip

    def _unheard(self, loop: Any, context: dict[str, Any]) -> None:
        """A task failed and nobody asked: on a dead node that is how it ends, else a bug (1)."""
        error = context.get("exception")
        if not isinstance(error, NodeDown | BaseExceptionGroup):
            self._watch.violate(1, None, f"nobody heard of {error!r}")

    # ------------------------------------------------------------ the plan

    def _read_faults(self) -> None:
        of_requests: dict[tuple[int, str], list[Fault]] = defaultdict(list)
        for fault in self._plan.faults:
            place = (fault.customer, fault.event)
            match fault.kind:
                case FaultKind.SLOW_ENCODER | FaultKind.FAILING_ENCODER:
                    self._models[fault.customer, fault.event.partition(".")[0]].append(fault)
                case FaultKind.SLOW_ALIGNER:
                    self._slow_ms[place] = self._slow_ms.get(place, 0.0) + fault.ms
                case FaultKind.DUPLICATE | FaultKind.DELAY:
                    self._moved[place].append(fault)
                case FaultKind.CLOCK_OFFSET | FaultKind.CLOCK_DRIFT:
                    self.coverage.fired(fault.kind)
                case _:
                    of_requests[place].append(fault)
        self._places = {place: Place(faults) for place, faults in of_requests.items()}

    async def _main(self) -> None:
        self._idle = self._loop.create_future()
        self._pending = 1
        for delivery in self._plan.deliveries:
            self._schedule(delivery)
        self._done(None)
        await self._idle
        await self._settle_the_rest()
        if self._setting.probe:
            self._before_probes = self._measured()
            await probe(self._tables, self._fleet, self._luck, self._setting.what_if)

    def _measured(self) -> tuple[Measures, Usage]:
        """What the fleet's own work came to."""
        rows_apart = self._setting.what_if is not WhatIf.SINGLE_TABLE
        return Measures.of(self._evidence, rows_apart=rows_apart), self._tables.used

    def _schedule(self, delivery: Delivery) -> None:
        message = self._evidence.message(delivery)
        at_s = delivery.at_ms / 1_000.0
        moved = self._moved.get((delivery.customer, delivery.event), ())
        for fault in moved:
            self.coverage.fired(fault.kind)
            if fault.kind is FaultKind.DELAY:
                at_s += fault.ms / 1_000.0
        self._at(at_s, message, delivery.node)
        for fault in moved:
            if fault.kind is FaultKind.DUPLICATE:
                self._at(at_s + fault.ms / 1_000.0, message, fault.node)

    def _at(self, at_s: float, message: Message, slot: int) -> None:
        self._pending += 1
        message.under_way += 1
        self._loop.call_at(at_s, self._arrive, message, slot, context=self._context)

    def _arrive(self, message: Message, slot: int) -> None:
        node = self._fleet.at(slot)
        if node is None:
            self._again(message, slot, self._loop.now_s)
            self._done(None, message)
            return
        handling = self._handling(message, node)
        if message.what == ANSWER:
            call = self._answer(message, handling)
        elif message.what == SWEEP:
            call = self._sweep(message, handling)
        elif message.what == FORGET:
            call = self._forget(message, handling)
        else:
            call = self._event(message, handling)
        self._tasks[handling] = self._loop.create_task(call)

    def _again(self, message: Message, slot: int, received_s: float) -> None:
        """Deliver once more, when the queue shows the event again."""
        if message.deliveries >= DELIVERIES_MAX:
            self._watch.violate(1, message.turn, f"{message.delivery.event} is never acknowledged")
            return
        self.coverage.hit("redelivered")
        at_s = max(self._loop.now_s + 0.001, received_s + VISIBILITY_S)
        self._at(at_s, message, slot + 1)

    def _done(self, handling: Handling | None, message: Message | None = None) -> None:
        """A delivery is over; called last by its task."""
        self._tasks.pop(handling, None)
        if message is not None:
            message.under_way -= 1
        self._pending -= 1
        if not self._pending and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _crash(self, handling: Handling, fault: Fault) -> None:
        self._watch.note(handling, "node dies")
        self._evidence.crashed(handling)
        if not handling.node.dead:
            self._fleet.replace(handling.node, fault.ms)

    # ------------------------------------------------------------ one delivery

    def _handling(self, message: Message, node: Node) -> Handling:
        message.deliveries += 1
        delivery = message.delivery
        stream = self._luck.stream(delivery.customer, message.number, message.deliveries)
        place = self._places.get((delivery.customer, delivery.event))
        return Handling(self._tables, node, message.customer, delivery.event, stream, place)

    def _ports(self, handling: Handling, message: Message) -> Ports:
        node, setting, delivery = handling.node, self._setting, message.delivery
        encoder, aligner = None, None  # an event is embedded, an answer is aligned
        if message.what == ANSWER:
            aligner = SimAligner(
                handling, self._slow_ms.get((delivery.customer, delivery.event), 0.0)
            )
        else:
            models = self._models.get((delivery.customer, message.turn.interaction), ())
            encoder = SimEncoder(handling, delivery.customer, models)
        store, vault = ports_of(
            setting.what_if, handling, delivery.text_bytes, setting.context_bytes
        )
        return Ports(
            store=store,
            vault=vault,
            clock=node.clock,
            telemetry=SimTelemetry(handling, self._watch),
            encoder=encoder,
            aligner=aligner,
            process=node.name,
            windows=node.windows,
            payload_ttl_s=self._plan.payload_ttl_s,
            read_budget_ms=setting.read_budget_ms,
            grace_ms=setting.grace_ms,
        )

    async def _event(self, message: Message, handling: Handling) -> None:
        """Record an event; acknowledge it if that succeeds on a node that lives."""
        record = record_of(message.template, message.customer, message.delivery.at_ms)
        call = on_event(record, self._ports(handling, message))
        turn = message.turn
        before = self._watch.forgotten[turn]
        if await self._carry_out(handling, message, call) and not message.acked:
            message.acked = True
            status = self._tables.partition(message.customer).newest.get(turn)
            erased = self._watch.forgotten[turn] != before
            self._watch.acked(handling, message.template, turn, status, erased=erased)
            if before and not erased:
                self._evidence.acknowledged(record)

    async def _sweep(self, message: Message, handling: Handling) -> None:
        call = sweep(message.customer, self._ports(handling, message))
        if await self._carry_out(handling, message, call):
            message.acked = True

    async def _forget(self, message: Message, handling: Handling) -> None:
        """Another process erases the customer, and is told when both tables hold nothing."""
        before = self._evidence.over(message.customer)
        ports = self._ports(handling, message)
        call = forget(message.customer, ports.store, ports.vault)
        if await self._carry_out(handling, message, call):
            message.acked = True
            self._evidence.gone.update(before)
            self.coverage.hit("forgotten")

    async def _carry_out(
        self, handling: Handling, message: Message, call: Coroutine[Any, Any, Any]
    ) -> bool:
        """Whether it succeeded; if not, it is tried again later."""
        began_s, node = self._loop.now_s, handling.node
        succeeded = False
        try:
            await call
            succeeded = not node.dead
        except CtxasrError as error:
            self._watch.told(handling, "an exception", {"text": error})
            self._watch.note(handling, "failed", type(error).__name__)
        except Exception as error:  # a bug; the queue knows no difference
            self._watch.told(handling, "an exception", {"text": error})
            self._watch.violate(1, message.turn, f"{handling.event} raised {error!r}")
        except BaseException:  # its own process died, or the run ends
            if not node.dead:
                raise
        took_s = self._loop.now_s - began_s
        self._evidence.handled.append(
            Handled(handling.event, handling.requests, handling.attempts, took_s)
        )
        if not succeeded:
            self._evidence.cut_short.add(message.turn)
        if not succeeded and not message.acked:
            self._again(message, node.slot, began_s)
        self._done(handling, message)
        return succeeded

    async def _answer(self, message: Message, handling: Handling) -> None:
        """The customer answers: listen, recognise, rescore. Nobody delivers that twice."""
        ports, loop, node = self._ports(handling, message), self._loop, handling.node
        delivery, place = message.delivery, place_of(message.delivery.event)
        echoed = self._echoes.get((delivery.customer, place.interaction), 0)
        opening, asked = (
            template(f"{place.interaction}.recognize", echoed),
            echoed or place.turn - 1,
        )
        event = to_event(record_of(opening, message.customer, delivery.at_ms), ports.payload_ttl_s)
        listening = loop.create_task(listen(event, ports))
        try:
            await loop.sleep(delivery.number / 1_000.0)
            began_s = loop.now_s
            recognition = heard(place.dialogue, asked)
            found = await on_utterance(listening, recognition, ports, event.key.turn)
            if not node.dead:
                added_ms = (loop.now_s - began_s) * 1_000.0
                self._evidence.answers.append(Answer(message, asked, found, added_ms, loop.now_s))
                self._watch.note(handling, "answer", f"{found.context} {found.reason}")
                if handling.looks > 1 and found.listening.context is not None:
                    self.coverage.hit("answer: settled at the second look")
        except BaseException:
            if not node.dead:
                raise
        finally:
            listening.cancel()
            message.acked = True
            self._done(handling, message)

    # ------------------------------------------------------------ the end

    async def _settle_the_rest(self) -> None:
        """Faults have stopped: the sweep closes what no event will settle."""
        await self._loop.sleep(max(0.0, self._tables.calm_at_s - self._loop.now_s))
        left = list(self._tables.partitions)
        for _ in range(SWEEPS_MAX):
            # Whatever expires sooner than any clock can tell is no longer the sweep's.
            now_ms = START_MS + self._loop.now_s * 1_000.0 + CLOCK_SKEW_MS_MAX + WRONG_MS_MAX
            self._evidence.swept_ms = now_ms
            parts = self._tables.partitions
            left = [customer for customer in left if _unsettled(parts[customer].newest, now_ms)]
            if not left:
                return
            await self._loop.sleep(self._setting.grace_ms / 1_000.0)
            for customer in left:
                message = self._evidence.message(Delivery(SWEEP, customer=int(customer[1:])))
                self._pending += 1
                node = self._fleet.at(0)
                assert node is not None, "all restarts are over"
                await self._sweep(message, self._handling(message, node))


def _too_late(loop: Any, context: dict[str, Any]) -> None:
    """What is found while a world is cleared away: all has been judged."""


def _unsettled(newest: dict[TurnKey, ConsistentStatus], now_ms: float) -> bool:
    return any(
        status.outcome is None and status.expires_at_s * 1_000 > now_ms
        for status in newest.values()
    )
