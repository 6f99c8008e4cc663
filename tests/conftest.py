"""What the tests of the stages share: virtual time, genuine records, doubles of the slow ports.

Time is virtual: `run` drives a loop whose clock jumps to the next timer, so that a window of four
seconds takes no time at all, and a test that waits for nothing fails at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import pytest

from ctxasr.answer import ContextState, UtteranceResult, listen, on_utterance
from ctxasr.context import ContextEmbedding, fetch
from ctxasr.events import ConsistentStatus, Outcome, Record, TurnKey, TurnText, to_event
from ctxasr.hypotheses import Hypothesis, Phrase, Recognition
from ctxasr.pipeline import Ports, on_event
from ctxasr.ports import EventStore, Match, Matrix, PayloadVault, PhraseLists, Vector
from ctxasr.store.memory import MemoryEventStore, MemoryVault
from ctxasr.words import normalise

T = TypeVar("T")

START_MS = 1_700_000_000_000
TTL_S = 600
REPLY_MS = 4_000
"""How long the reply of every turn plays, unless a test says otherwise."""


# ---------------------------------------------------------------- what a run says at its end

SUMMARY: list[str] = []
"""Lines below the results; of several processes each has the same to say."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    sent = getattr(session.config, "workeroutput", None)
    if sent is not None:  # this is a process of pytest-xdist
        sent["summary"] = SUMMARY


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    SUMMARY.extend(getattr(node, "workeroutput", {}).get("summary", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in dict.fromkeys(SUMMARY):
        terminalreporter.write_line(line)


# ---------------------------------------------------------------- time


class _Jump(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "all tasks wait and no timer is set: a deadlock"
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing else is to be done, and then at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run on a fresh VirtualLoop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class LoopClock:
    """The running loop's time, as milliseconds since 1970. `skipped_ms` moves it by hand."""

    skipped_ms = 0.0

    def now_ms(self) -> float:
        return START_MS + self.skipped_ms + asyncio.get_running_loop().time() * 1_000.0

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0


# ---------------------------------------------------------------- doubles


@dataclass
class Encoder:
    """Vectors that say what they were made of: (1, first letter of the utterance, turns before)."""

    takes_ms: float = 0.0
    calls: list[str] = field(default_factory=list)
    dimensions: int = 3
    model: str = "letters"

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        self.calls.append(turn.utterance)
        await asyncio.sleep(self.takes_ms / 1_000.0)
        return np.array([1.0, ord(turn.utterance[:1] or "?"), len(past)], np.float32)

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        rows = np.zeros((len(phrases) + 1, self.dimensions), np.float32)
        rows[1:, 0] = 5.0  # all of them likely
        return rows


@dataclass
class ExactAligner:
    """Finds phrases by their words alone."""

    takes_ms: float = 0.0
    raises: Exception | None = None

    async def prepare(self, phrases: Sequence[str]) -> None:
        pass

    def forget(self) -> None:
        pass

    async def align(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        await asyncio.sleep(self.takes_ms / 1_000.0)
        if self.raises is not None:
            raise self.raises
        return [
            Match(rank, 0, len(heard.words), number, 0.0, 5, None, exact=True)
            for rank, heard in enumerate(recognition.hypotheses)
            for number, phrase in enumerate(phrases.all)
            if " ".join(heard.words) == normalise(phrase)
        ]


@dataclass
class Spy:
    """Telemetry that keeps all it is told."""

    said: list[tuple[str, TurnKey, dict[str, Any]]] = field(default_factory=list)

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        self.said.append((name, turn, facts))

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        self.said.append((name, turn, facts))
        yield


Hook = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Hooked:
    """A port whose async methods go through `hook(name, call)`."""

    def __init__(self, target: object, hook: Hook):
        self._target, self._hook = target, hook

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._hook(name, lambda: method(*args, **kwargs))

        return call


# ---------------------------------------------------------------- a world


class World:
    """Two tables in memory; `process()` is one more process over them."""

    def __init__(self, *, encoder: Any = None, aligner: Any = None) -> None:
        self.clock = LoopClock()
        self.store, self.vault = MemoryEventStore(self.clock), MemoryVault(self.clock)
        self.encoder, self.aligner = encoder or Encoder(), aligner or ExactAligner()
        self.telemetry = Spy()
        self._names = count(1)
        self.ports = self.process()

    def process(self, hook: Hook | None = None) -> Ports:
        store: Any = self.store if hook is None else Hooked(self.store, hook)
        vault: Any = self.vault if hook is None else Hooked(self.vault, hook)
        return Ports(
            store=cast(EventStore, store),
            vault=cast(PayloadVault, vault),
            encoder=self.encoder,
            aligner=self.aligner,
            clock=self.clock,
            telemetry=self.telemetry,
            process=f"process-{next(self._names)}",
            payload_ttl_s=TTL_S,
        )

    async def deliver(self, records: Sequence[Record], ports: Ports | None = None) -> None:
        for record in records:
            await on_event(record, ports or self.ports)

    async def status(self, interaction: str = "turn-1") -> ConsistentStatus:
        status = await self.store.read(TurnKey("customer", interaction))
        assert status is not None
        return status

    async def context(self, interaction: str = "turn-1") -> ContextEmbedding:
        return await fetch(await self.status(interaction), self.vault)

    async def answer(self, opening: Record, *heard: str, **changes: Any) -> UtteranceResult:
        """What an utterance becomes, with `listen` done before the recogniser's result."""
        ports = replace(self.ports, **changes)
        event = to_event(opening, TTL_S)
        known = await listen(event, ports)
        return await on_utterance(known, recognition(*heard), ports, event.key.turn)


def recognition(*heard: str) -> Recognition:
    return Recognition(tuple(Hypothesis(text, -float(rank)) for rank, text in enumerate(heard)))


# ---------------------------------------------------------------- records


def envelope(full_name: str, payload: dict[str, Any], interaction: str, number: str) -> Any:
    namespace, name = full_name.split(".")
    header = {
        "namespace": namespace, "name": name, "messageId": f"{interaction}-{number}",
        "dialogRequestId": interaction,
    }  # fmt: skip
    from_client = name.startswith("Recognize") or (name.startswith("Speech") and name != "Speak")
    return {"event" if from_client else "directive": {"header": header, "payload": payload}}


def record(
    full_name: str,
    payload: dict[str, Any] | None = None,
    *,
    interaction: str = "turn-1",
    number: str | None = None,
    at_ms: float = 0.0,
    **outer: Any,
) -> Record:
    """A record that arrives `at_ms` after the start."""
    message = envelope(full_name, payload or {}, interaction, number or full_name)
    given = {"customer": "customer", "received_at": round(START_MS + at_ms), "message": message}
    return Record.model_validate(given | outer)


def recognize(interaction: str = "turn-1", token: str | None = None, **outer: Any) -> Record:
    initiator = {"type": "FOLLOW_UP", "payload": {"token": token} if token else {}}
    return record(
        "SpeechRecognizer.Recognize", {"initiator": initiator}, interaction=interaction, **outer
    )


def turn(
    interaction: str = "turn-1",
    *,
    asked_with: str | None = None,
    utterance: str = "call meg",
    names: Sequence[str] = ("Meg Jones", "Meg Bauer"),
    reply_ms: int = REPLY_MS,
    at_ms: float = 0.0,
    **outer: Any,
) -> dict[str, Record]:
    """The records of a turn that asks back, by short names, in their usual order."""

    def one(full_name: str, payload: dict[str, Any], **more: Any) -> Record:
        given: dict[str, Any] = {"interaction": interaction, "at_ms": at_ms} | outer | more
        return record(full_name, payload, **given)

    token = {"type": "FOLLOW_UP", "payload": {"token": f"ask-{interaction}"}}
    speech = {"token": f"speech-{interaction}"}
    screen = {"items": ["Meg's mobile"]}
    duration = {"durationInMilliseconds": reply_ms}
    return {
        "recognize": recognize(interaction, asked_with, at_ms=at_ms, **outer),
        "utterance": one("ContextText.Utterance", {"text": utterance}),
        "entities": one("ContextText.Entities", {"kind": "contact", "values": list(names)}),
        "screen": one("ContextText.ScreenList", screen),
        "speak": one("SpeechSynthesizer.Speak", {"url": "cid:1", "format": "AUDIO_MPEG", **speech}),
        "reply": one("ContextText.Reply", {"text": "Which Meg?"} | duration),
        "expect": one(
            "SpeechRecognizer.ExpectSpeech",
            {"timeoutInMilliseconds": 8000, "initiator": token},
            service_payloads=2,
        ),
        "started": one("SpeechSynthesizer.SpeechStarted", speech),
    }


def completed(interaction: str = "turn-1", **outer: Any) -> Record:
    return record("InteractionModel.RequestProcessingCompleted", interaction=interaction, **outer)


def interrupted(interaction: str = "turn-1", **outer: Any) -> Record:
    name = "SpeechSynthesizer.SpeechInterrupted"
    return record(name, {"token": f"speech-{interaction}"}, interaction=interaction, **outer)


# ---------------------------------------------------------------- what must hold

ANSWER = recognize("turn-2", "ask-turn-1", at_ms=5_000)
HEARD = ("power", "bauer")


async def check_gone(world: World, outcome: Outcome) -> None:
    """Shredded: no key, no payload."""
    status = await world.status()
    assert (status.outcome, status.wrapped_key) == (outcome, None)
    assert world.vault.rows == {}


async def check_plain(world: World, opening: Record = ANSWER, **changes: Any) -> None:
    """Missed, the plain text to the letter, at once."""
    result = await world.answer(opening, *HEARD, **changes)
    assert (result.context, result.added_ms) == (ContextState.MISSED, 0.0), result.reason
    assert result.result.text == result.result.plain_text == "power"
    assert result.result.changes == ()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the evaluation data (CTXASR_DATA); without it CI fails and others skip."""
    folder = Path(os.environ.get("CTXASR_DATA", ""))
    if not os.environ.get("CTXASR_DATA") or not folder.is_dir():
        reason = "CTXASR_DATA does not name the folder of the evaluation data"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def whisper_model() -> Path:
    """The folder of Whisper's weights (`make test` fetches them); without it CI fails."""
    folder = Path(__file__).parent / "whisper" / "base"
    if not (folder / "model.bin").is_file():
        reason = f"{folder} does not hold Whisper's weights; `make test` fetches them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def turns(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `ctxasr ...` in this process: torch and the recogniser are loaded once for all tests."""
    monkeypatch.delenv("CTXASR_DEBUG", raising=False)
    monkeypatch.delenv("CTXASR_DATA", raising=False)

    def run(*arguments: object) -> Done:
        from ctxasr import cli

        monkeypatch.setattr(sys, "argv", ["ctxasr", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Done(code, *capsys.readouterr())

    return run
