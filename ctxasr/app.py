"""Settings, and the only places where adapters are put behind ports.

    aws(settings)      DynamoDB and KMS at an endpoint, or under the usual AWS settings
    local(settings)    the same on a server of our own, on loopback, for as long as it is needed
    simulated(plan)    simulated tables in virtual time, for as long as the plan lasts

Everything heavy (torch, aioboto3, moto, PocketSphinx) is imported here, when it is needed.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ctxasr.events import TurnKey, TurnText
from ctxasr.hypotheses import Phrase
from ctxasr.pipeline import PAYLOAD_TTL_S, READ_BUDGET_MS, SOUND_READ_BUDGET_MS, Ports
from ctxasr.ports import (
    Clock,
    ContextEncoder,
    Embedder,
    EventStore,
    Matrix,
    PayloadVault,
    PhraseAligner,
    Recognizer,
    Telemetry,
    Vector,
)
from ctxasr.settings import AWS, from_environment
from ctxasr.store.clients import KEY_ALIAS, Endpoint
from ctxasr.trigger import GRACE_MS

if TYPE_CHECKING:
    from ctxasr.sim.plans.plan import Plan
    from ctxasr.sim.runs import Run, Setting

RECOGNISER: Final = "pocketsphinx"
"""The embedded one; see ctxasr.speech.recognisers for others."""

TABLE_PREFIX: Final = "ctxasr"
"""Before the names of both tables."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between installations. Without an `endpoint_url` replay starts a server."""

    endpoint_url: str | None = None
    kms_endpoint_url: str | None = None
    region: str | None = None
    kms_key: str = KEY_ALIAS
    kms_previous_keys: tuple[str, ...] = ()
    table_prefix: str = TABLE_PREFIX
    payload_ttl_s: int = PAYLOAD_TTL_S
    read_budget_ms: float | None = None
    """None is READ_BUDGET_MS, and SOUND_READ_BUDGET_MS where the audio is scored."""
    grace_ms: float = GRACE_MS
    encoder_weights: Path | None = None
    recogniser: str = RECOGNISER

    @property
    def endpoint(self) -> Endpoint:
        """Where DynamoDB and KMS are; without an `endpoint_url`, and with AWS, they are AWS's."""
        url = None if self.endpoint_url == AWS else self.endpoint_url
        return Endpoint(url, self.kms_endpoint_url, self.region)

    @classmethod
    def from_environment(cls) -> Settings:
        """The variables that begin with CTXASR_, as the README lists them.

        Raises:
            InputError: names each that is wrong, its value, and what would be right.
        """
        return cls(**from_environment())


class SystemClock:
    """Wall-clock time."""

    def now_ms(self) -> float:
        return time.time() * 1_000.0

    def timer_s(self, duration_ms: float) -> float:
        return duration_ms / 1_000.0


class Silence:
    """Telemetry that goes nowhere."""

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        pass

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        yield


class DelayedEncoder:
    """A context encoder made slower on purpose, to see a deadline missed."""

    def __init__(self, encoder: ContextEncoder, delay_ms: float, clock: Clock):
        self._encoder, self._delay_ms, self._clock = encoder, delay_ms, clock

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    @property
    def model(self) -> str:
        return self._encoder.model

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        await asyncio.sleep(self._clock.timer_s(self._delay_ms))
        return await self._encoder.encode(turn, past)

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        return await self._encoder.embed_phrases(phrases)


class Traced:
    """Any port with a span round each of its async methods, named `port.method`."""

    def __init__(self, target: object, port: str, telemetry: Telemetry):
        self._target, self._port, self._telemetry = target, port, telemetry

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        @functools.wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            found = [v for v in (*args, *kwargs.values()) if isinstance(v, TurnKey)]
            found += [v.key.turn for v in args if hasattr(v, "key")]
            found += [v.turn for v in args if hasattr(v, "turn")]
            turn = found[0] if found else TurnKey("", "")
            with self._telemetry.span(f"{self._port}.{name}", turn):
                return await method(*args, **kwargs)

        return call


@dataclass(frozen=True, slots=True)
class Models:
    """Which models this process loads: a recording function has none, and an `embedder` instead."""

    encoder: bool = True
    aligner: bool = True
    embedder: Embedder | None = None


@dataclass(frozen=True, slots=True)
class App:
    """The pipeline's ports, and how to get a recogniser, made when first asked for."""

    ports: Ports
    recognizer: Callable[[], Recognizer] = field(repr=False)


@functools.cache
def default_encoder(weights: Path | None = None) -> ContextEncoder:
    """The trained context encoder; loading takes a second or two, once a process."""
    from ctxasr.encoder.adapter import TorchContextEncoder

    return TorchContextEncoder.load(weights)


@functools.cache
def default_recognizer(name: str = RECOGNISER) -> Recognizer:
    """The recogniser `NAME[:ARGUMENT]`, one a process; its model is loaded when it is first used.

    Raises:
        InputError: there is none of that name.
        MissingPart: it is plugged in, and its code is broken.
    """
    from ctxasr.speech.recognisers import make_recogniser

    return make_recogniser(name)


@functools.cache
def default_aligner() -> PhraseAligner:
    """Alignment by CMUdict's pronunciations and the grapheme-to-phoneme model."""
    from ctxasr.bias import GENERIC_ANSWERS
    from ctxasr.english.sentences import SentenceModel
    from ctxasr.speech.align import SoundAligner
    from ctxasr.speech.pronounce import Pronouncer

    pronouncer = Pronouncer()
    for text in GENERIC_ANSWERS:  # loads the dictionaries before anyone waits for them
        pronouncer.phrase_phones(text)
    SentenceModel().log_probability(["bauer"])
    return SoundAligner(pronouncer)


@asynccontextmanager
async def aws(
    settings: Settings,
    *,
    clock: Clock | None = None,
    telemetry: Telemetry | None = None,
    models: Models | None = None,
    set_up: bool = True,
) -> AsyncIterator[App]:
    """The pipeline over DynamoDB and KMS; with `set_up` it makes tables and key that are missing.

    Raises:
        StoreUnavailable: the endpoint does not answer; its message names it.
    """
    from ctxasr.store.clients import clients

    async with clients(settings.endpoint) as (dynamodb, kms):
        if set_up:
            from ctxasr.store.local import ensure_key, ensure_tables
            from ctxasr.store.schema import Tables

            await ensure_tables(dynamodb, Tables.named(settings.table_prefix))
            await ensure_key(kms, settings.kms_key)
        yield _compose(settings, dynamodb, kms, clock, telemetry, models or Models())


@asynccontextmanager
async def local(
    settings: Settings,
    *,
    clock: Clock | None = None,
    telemetry: Telemetry | None = None,
    models: Models | None = None,
) -> AsyncIterator[App]:
    """The pipeline over a DynamoDB and KMS server that lives as long as this context."""
    from ctxasr.store.clients import clients
    from ctxasr.store.local import LocalAws
    from ctxasr.store.schema import Tables

    async with (
        LocalAws(Tables.named(settings.table_prefix), settings.kms_key) as server,
        clients(server.endpoint) as (dynamodb, kms),
    ):
        yield _compose(settings, dynamodb, kms, clock, telemetry, models or Models())


def simulated(plan: Plan, setting: Setting | None = None) -> Run:
    """Carry a plan out to its end, from empty tables, over the executable specification.

    A plan and a setting are all that makes a simulated world: the same two give the same run. It
    has an event loop of its own, so it is called where none is running.
    """
    from ctxasr.sim.world import simulate
    from ctxasr.store.memory import MemoryEventStore

    return simulate(plan, MemoryEventStore, setting)


def _compose(
    settings: Settings,
    dynamodb: Any,
    kms: Any,
    clock: Clock | None,
    telemetry: Telemetry | None,
    models: Models,
) -> App:
    from ctxasr.store.caller import Caller
    from ctxasr.store.dynamodb import DynamoEventStore
    from ctxasr.store.schema import Tables
    from ctxasr.store.vault import KmsVault

    clock, tables = clock or SystemClock(), Tables.named(settings.table_prefix)
    call = Caller()  # one for both adapters: they share the connections
    store: EventStore = DynamoEventStore(dynamodb, tables, clock, call=call)
    vault: PayloadVault = KmsVault(
        dynamodb,
        kms,
        tables,
        settings.kms_key,
        clock,
        previous_keys=settings.kms_previous_keys,
        call=call,
    )
    if telemetry is not None:
        store = cast(EventStore, Traced(store, "status", telemetry))
        vault = cast(PayloadVault, Traced(vault, "payload", telemetry))
    budget_ms = settings.read_budget_ms
    ports = Ports(
        store=store,
        vault=vault,
        clock=clock,
        telemetry=telemetry or Silence(),
        encoder=default_encoder(settings.encoder_weights) if models.encoder else None,
        aligner=default_aligner() if models.aligner else None,
        embedder=models.embedder,
        process=secrets.token_hex(8),
        payload_ttl_s=settings.payload_ttl_s,
        read_budget_ms=READ_BUDGET_MS if budget_ms is None else budget_ms,
        sound_read_budget_ms=SOUND_READ_BUDGET_MS if budget_ms is None else budget_ms,
        grace_ms=settings.grace_ms,
    )
    return App(ports, functools.partial(default_recognizer, settings.recogniser))
