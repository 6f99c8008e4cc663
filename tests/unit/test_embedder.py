"""Recording and encoding in two processes: the recorder claims, an Embedder embeds and settles."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from conftest import ANSWER, HEARD, TTL_S, Encoder, World, check_gone, check_plain, run, turn

from ctxasr.errors import StoreUnavailable
from ctxasr.events import EventKey, Outcome, TurnKey, to_event
from ctxasr.pipeline import Ports, embed, on_event
from ctxasr.record import record

CLAIMANT = EventKey(TurnKey("customer", "turn-1"), "turn-1-SpeechRecognizer.ExpectSpeech")


@dataclass
class Elsewhere:
    """The other process; `says` is what happens instead of, or after, its work."""

    ports: Ports
    works: bool = True
    raises: Exception | None = None
    takes_ms: float = 0.0
    asked: list[EventKey] = field(default_factory=list)

    async def embed(self, key: EventKey, device: str) -> None:
        self.asked.append(key)
        await asyncio.sleep(self.takes_ms / 1_000)
        if self.works:
            await embed(key, device, self.ports)
        if self.raises is not None:
            raise self.raises


def recorder(world: World, other: Elsewhere) -> Ports:
    return replace(world.process(), encoder=None, aligner=None, embedder=other)


async def record_a_turn(world: World, other: Elsewhere) -> None:
    ports = recorder(world, other)
    for one in turn().values():
        await on_event(one, ports)


def test_the_claimed_turn_is_embedded_there_and_answers_here() -> None:
    async def main() -> None:
        world = World()
        other = Elsewhere(world.process())
        await record_a_turn(world, other)
        assert other.asked == [CLAIMANT]
        assert (await world.status()).outcome is Outcome.EMBEDDED
        assert (await world.answer(ANSWER, *HEARD)).result.text == "bauer"

    run(main())


@pytest.mark.parametrize(
    ("works", "raises", "outcome"),
    [
        (False, None, Outcome.MISSED),  # it says that all is well and has done nothing
        (False, RuntimeError("crashed"), Outcome.MISSED),
        (True, StoreUnavailable("its answer was lost"), Outcome.EMBEDDED),
    ],
)
def test_whatever_the_embedder_does_the_turn_is_settled_once(
    works: bool, raises: Exception | None, outcome: Outcome
) -> None:
    async def main() -> None:
        world = World()
        await record_a_turn(world, Elsewhere(world.process(), works, raises))
        assert (await world.status()).outcome is outcome
        if outcome is Outcome.MISSED:
            await check_gone(world, outcome)
            await check_plain(world)

    run(main())


def test_a_late_embedder_changes_nothing_after_the_window() -> None:
    async def main() -> None:
        world = World(encoder=Encoder(takes_ms=6_000))
        other = Elsewhere(world.process())

        async def shielded(key: EventKey, device: str) -> None:
            await asyncio.shield(asyncio.ensure_future(embed(key, device, other.ports)))

        other.embed = shielded  # type: ignore[method-assign]
        await record_a_turn(world, other)
        await check_gone(world, Outcome.MISSED)
        await asyncio.sleep(10)
        await check_gone(world, Outcome.MISSED)

    run(main())


def test_only_the_claimant_is_embedded_and_only_once() -> None:
    async def main() -> None:
        world = World()
        await record_a_turn(world, Elsewhere(world.process()))
        rows = dict(world.vault.rows)
        for event in ("another event", CLAIMANT.event):
            status = await embed(EventKey(CLAIMANT.turn, event), "device", world.process())
            assert status is not None
            assert status.outcome is Outcome.EMBEDDED
        assert world.vault.rows == rows
        assert world.encoder.calls == ["call meg"]
        assert await embed(EventKey(TurnKey("customer", "none"), "e"), "d", world.ports) is None

    run(main())


def test_a_turn_that_another_event_has_claimed_is_left_alone() -> None:
    async def main() -> None:
        world = World()
        for one in turn().values():
            event = to_event(one, TTL_S)
            expires_at_s = one.received_at // 1_000 + TTL_S
            await record(event, world.store, world.vault, expires_at_s)
        await world.store.claim(CLAIMANT.turn, "the owner")
        status = await embed(CLAIMANT, "device", world.process())
        assert status is not None
        assert (status.owner, status.outcome) == ("the owner", None)
        assert world.encoder.calls == []

    run(main())


def test_an_embedder_embeds_itself_and_notes_when() -> None:
    """Its own ports may name an embedder, as one environment serves all functions."""

    async def main() -> None:
        world = World()
        other = Elsewhere(replace(world.process(), embedder=Elsewhere(world.process(), False)))
        await record_a_turn(world, other)
        assert (await world.status()).outcome is Outcome.EMBEDDED
        context = await world.context()
        assert context.computed_at_ms == world.clock.now_ms()
        assert context.model == world.encoder.model

    run(main())


def test_without_an_encoder_the_turn_is_missed() -> None:
    async def main() -> None:
        world = World()
        ports = replace(world.process(), encoder=None)
        for one in turn().values():
            await on_event(one, ports)
        await check_gone(world, Outcome.MISSED)

    run(main())


def test_without_an_aligner_the_plain_text_stands() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        result = await world.answer(ANSWER, *HEARD, aligner=None)
        assert result.result.text == "power"

    run(main())
