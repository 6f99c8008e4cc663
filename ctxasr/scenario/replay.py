"""Replays scenarios end to end: real audio, a real recogniser, a real DynamoDB server.

For each turn: Recognize arrives, the utterance is recognised and rescored under the context that
the turn before it left; then the turn's other events arrive in the scenario's order. The embedding
computes while the reply plays, on a clock that runs only as long as something computes and skips
the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from ctxasr.answer import ContextState, Listening, UtteranceResult, listen, on_utterance
from ctxasr.app import RECOGNISER, App, DelayedEncoder, Settings, aws, local
from ctxasr.context import ContextEmbedding
from ctxasr.errors import first_error
from ctxasr.events import ConsistentStatus, Record, to_event
from ctxasr.hypotheses import Recognition, n_best
from ctxasr.pipeline import Ports, on_event, sweep
from ctxasr.ports import Recognizer
from ctxasr.report.trace import TracePoint, TurnReport
from ctxasr.scenario.expectations import check
from ctxasr.scenario.format import load_scenario
from ctxasr.scenario.messages import TurnMessages
from ctxasr.scenario.model import Scenario
from ctxasr.scenario.tracing import ReplayClock, Trace
from ctxasr.scenario.values import WORD_MS, Delivery
from ctxasr.speech.recognisers import scorer_of

_SWITCHED_OFF: Final = Listening(ContextState.NONE, reason="context is switched off")

_runs: Final = count(1)


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay. `context=False` computes contexts and does not use them."""

    speed: float = 1.0
    context: bool = True
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class TurnRun:
    """A turn's report, and what it was made from, for evaluation."""

    report: TurnReport
    recognition: Recognition
    context: ContextEmbedding | None

    def __repr__(self) -> str:  # a traceback must not show what was said
        return f"TurnRun({self.report!r})"


def run_scenario(path: Path, options: Options | None = None) -> list[TurnReport]:
    """Replay one scenario file from synchronous code; settings come from the environment.

    Raises:
        ScenarioError, AudioError: the scenario or its audio is wrong.
        StoreUnavailable: the endpoint does not answer.
    """

    async def run() -> list[TurnReport]:
        scenario = load_scenario(path)
        used = options or Options(settings=Settings.from_environment())
        async with aclosing(replay_all([scenario], used)) as turns:
            return [turn.report async for turn in turns]

    return asyncio.run(run())


async def replay_all(
    scenarios: Iterable[Scenario], options: Options
) -> AsyncGenerator[TurnRun, None]:
    """Replay scenarios one after the other over one store, turn by turn."""
    clock = ReplayClock(options.speed)
    trace = Trace(clock.now_ms)
    settings = options.settings
    opened: AbstractAsyncContextManager[App] = (
        local(settings, clock=clock, telemetry=trace)
        if settings.endpoint_url is None
        else aws(settings, clock=clock, telemetry=trace)
    )
    async with opened as app:
        for scenario in scenarios:
            trace.clear()
            # On a lasting store a second run must not meet the rows of the first.
            customer = f"replay-{app.ports.process}-{next(_runs)}"
            replaying = _Replay(scenario, app, clock, trace, options, customer)
            async for turn in replaying.turns():
                yield turn


class _Replay:
    """One scenario on its way through the pipeline."""

    def __init__(
        self,
        scenario: Scenario,
        app: App,
        clock: ReplayClock,
        trace: Trace,
        options: Options,
        customer: str,
    ):
        self._scenario, self._clock, self._trace = scenario, clock, trace
        self._options, self._customer = options, customer
        self._recognizer = app.recognizer
        ports = replace(app.ports, scorer=scorer_of(app.recognizer()))
        self._ports = _with_settings(ports, scenario, clock, options.speed)

    async def turns(self) -> AsyncIterator[TurnRun]:
        asked_with: str | None = None
        for index in range(len(self._scenario.turns)):
            messages = TurnMessages(self._scenario, index, self._customer, asked_with)
            try:
                run = await self._turn(messages)
            except BaseExceptionGroup as errors:
                raise first_error(errors) from None
            yield run
            asked_with = messages.token if self._scenario.expects_speech(index) else None

    async def _turn(self, messages: TurnMessages) -> TurnRun:
        async with asyncio.TaskGroup() as group:
            delivering = _Deliveries(messages, self._ports, self._clock, self._trace, group)
            arrivals = list(self._scenario.deliveries(messages.index))
            if arrivals[0].event == "recognize":
                await delivering.deliver(arrivals.pop(0), "")
            recognition, result = await self._utterance(messages)
            for arrival in arrivals:
                await delivering.deliver(arrival, result.result.text)
            await delivering.end_of_reply()
        status = await self._ports.store.read(messages.key)
        if status is not None and status.outcome is None:
            # It waits for what never came; in a service the sweep closes it a while later.
            self._clock.skip(1.0)  # records hold whole milliseconds, perhaps rounded up
            await sweep(self._customer, replace(self._ports, grace_ms=0.0))
            status = await self._ports.store.read(messages.key)
        self._clock.skip(messages.turn.pause_ms)
        report = self._report(messages, status, result)
        return TurnRun(report, recognition, result.listening.context)

    async def _utterance(self, messages: TurnMessages) -> tuple[Recognition, UtteranceResult]:
        """Hear the customer: find the context meanwhile, then rescore what was recognised."""
        opening = messages.record(Delivery("recognize"), self._clock.now_ms(), "")
        event = to_event(opening, self._ports.payload_ttl_s)
        began_ms = self._clock.now_ms()
        async with asyncio.TaskGroup() as group:
            with self._trace.on_behalf_of(messages.key):
                listening = group.create_task(listen(event, self._ports))
            recognition = await self._recognise(messages.index)
            spoken_until_ms = began_ms + 1_000.0 * recognition.duration_s
            left_ms = max(0.0, spoken_until_ms - self._clock.now_ms())
            await asyncio.wait([listening], timeout=self._clock.timer_s(left_ms))
            self._clock.skip_to(spoken_until_ms)
            took_ms = self._clock.now_ms() - began_ms
            point = TracePoint("recognise", "recogniser", began_ms, took_ms)
            self._trace.add(messages.key, point)
            known = listening if self._options.context else _SWITCHED_OFF
            result = await on_utterance(known, recognition, self._ports, messages.key)
        return recognition, result

    async def _recognise(self, index: int) -> Recognition:
        user = self._scenario.turns[index].user
        path = self._scenario.audio_path(index)
        if path is None:
            ranked = enumerate(user.hypotheses or ())
            hypotheses = n_best((text, -float(rank)) for rank, text in ranked)
            length_s = WORD_MS / 1_000.0 * len(hypotheses[0].words)
            return Recognition(hypotheses, duration_s=length_s)
        return await recognise_file(path, self._recognizer())

    def _report(
        self, messages: TurnMessages, status: ConsistentStatus | None, result: UtteranceResult
    ) -> TurnReport:
        index, turn = messages.index, messages.turn
        outcome = status.outcome.value if status is not None and status.outcome else None
        report = TurnReport(
            scenario=self._scenario.name,
            turn=index + 1,
            outcome=outcome,
            context=result.context.value,
            window_ms=result.window_ms,
            context_ms=result.context_ms,
            plain_text=result.result.plain_text,
            text=result.result.text,
            changes=result.result.changes,
            reason=result.reason,
            added_ms=result.added_ms / self._options.speed,
            reference=turn.user.says or "",
            points=self._trace.of(messages.key),
            left_out=result.left_out,
            unpronounceable=result.unpronounceable,
            file=str(self._scenario.path),
        )
        usual = self._options.settings.recogniser.partition(":")[0] == RECOGNISER
        silent = self._scenario.audio_path(index) is None
        found = check(self._scenario, index, report, heard_as_usual=usual or silent)
        failures = tuple(found)
        return replace(report, passed=not failures, failures=failures)


class _Deliveries:
    """Hands the events of one turn to the pipeline in their order.

    The event that satisfies the trigger returns only when the turn is settled: the next events
    arrive meanwhile, as they do in a service.
    """

    def __init__(
        self,
        messages: TurnMessages,
        ports: Ports,
        clock: ReplayClock,
        trace: Trace,
        group: asyncio.TaskGroup,
    ):
        self._messages, self._ports, self._clock = messages, ports, clock
        self._trace, self._group = trace, group
        self._sent: dict[Delivery, Record] = {}
        self._running: set[asyncio.Task[ConsistentStatus]] = set()
        self._asked_ms = self._speaking_ms = self._free_ms = 0.0
        self._moments_ms: dict[int, float] = {}
        """When each speech before the reply began."""

    async def deliver(self, arrival: Delivery, heard: str) -> None:
        first = arrival._replace(again=False)
        if arrival.event == "moment_finished" and first not in self._sent:
            await self._play_moment(arrival.number)
        if first not in self._sent:
            self._sent[first] = self._messages.record(first, self._clock.now_ms(), heard)
        record = self._sent[first]
        if arrival.event == "expect_speech" and not arrival.again:
            self._asked_ms = float(record.received_at)
        if arrival.event in ("moment", "moment_started") and not arrival.again:
            self._moments_ms[arrival.number] = float(record.received_at)
        if arrival.event in ("speak", "speech_started") and not arrival.again:
            self._speaking_ms = float(record.received_at)
        await self._send(record, arrival.event, again=arrival.again)

    async def end_of_reply(self) -> None:
        """Let the reply play to its end, or to the barge-in; waits only while something runs."""
        turn = self._messages.turn
        if turn.reply is None:
            return
        interrupted = turn.barge_in_ms is not None
        began_ms = max(self._speaking_ms, self._free_ms)
        end_ms = began_ms + turn.reply_ms
        if turn.barge_in_ms is not None:
            end_ms = min(end_ms, self._asked_ms + turn.barge_in_ms)
        await self._play("reply", began_ms, end_ms)
        record = self._messages.reply_ended(end_ms, interrupted=interrupted)
        await self._send(record, "speech_interrupted" if interrupted else "speech_finished")

    async def _play_moment(self, number: int) -> None:
        """One speech before the reply to its end; the device plays one after the other."""
        began_ms = max(self._moments_ms.get(number, self._clock.now_ms()), self._free_ms)
        self._free_ms = began_ms + self._messages.turn.moments[number - 1].plays_ms
        await self._play("moment", began_ms, self._free_ms)

    async def _play(self, name: str, began_ms: float, end_ms: float) -> None:
        """Let time pass to the end of a speech; wait only while something runs."""
        running = {task for task in self._running if not task.done()}
        if running:
            left_ms = max(0.0, end_ms - self._clock.now_ms())
            await asyncio.wait(running, timeout=self._clock.timer_s(left_ms))
        self._clock.skip_to(end_ms)
        band = TracePoint(name, "reply", began_ms, end_ms - began_ms)
        self._trace.add(self._messages.key, band)

    async def _send(self, record: Record, name: str, *, again: bool = False) -> None:
        """Deliver, and go on when its write has returned."""
        facts = {"again": 1} if again else {}
        point = TracePoint(name, "events", self._clock.now_ms(), 0.0, facts)
        self._trace.add(self._messages.key, point)
        task = self._group.create_task(on_event(record, self._ports))
        self._running.add(task)
        recorded = asyncio.ensure_future(self._trace.recorded(record).wait())
        try:
            await asyncio.wait({task, recorded}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            recorded.cancel()


async def recognise_file(path: Path, recognizer: Recognizer) -> Recognition:
    """Load and recognise one sound file.

    Raises:
        AudioError: it cannot be read, or is cut off.
    """
    from ctxasr.speech.audio import load_samples

    loaded = await asyncio.to_thread(load_samples, path, whole=True)
    return await recognizer.recognize(loaded.samples)


def _with_settings(ports: Ports, scenario: Scenario, clock: ReplayClock, speed: float) -> Ports:
    """The ports with what the scenario's settings change; speed is not for the read budget."""
    settings = scenario.settings
    if settings.payload_ttl_ms is not None:
        ports = replace(ports, payload_ttl_s=round(settings.payload_ttl_ms / 1_000))
    budgets_ms = ports.read_budget_ms, ports.sound_read_budget_ms
    if settings.read_budget_ms is not None:
        budgets_ms = settings.read_budget_ms, settings.read_budget_ms
    text_ms, sound_ms = (budget_ms * speed for budget_ms in budgets_ms)
    ports = replace(ports, read_budget_ms=text_ms, sound_read_budget_ms=sound_ms)
    if settings.encoder_delay_ms and ports.encoder is not None:
        slow = DelayedEncoder(ports.encoder, settings.encoder_delay_ms, clock)
        ports = replace(ports, encoder=slow)
    return ports
