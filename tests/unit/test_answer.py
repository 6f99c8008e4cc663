"""listen and on_utterance: whatever is wrong with a context, the plain text, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from conftest import (
    ANSWER,
    HEARD,
    TTL_S,
    Encoder,
    ExactAligner,
    LoopClock,
    World,
    check_gone,
    check_plain,
    completed,
    recognition,
    recognize,
    run,
    turn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxasr.answer import ContextState, Listening, listen, on_utterance
from ctxasr.context import FORMAT_VERSION, ContextEmbedding
from ctxasr.errors import ContextUnavailable, StoreUnavailable
from ctxasr.events import Outcome, PayloadKind, to_event
from ctxasr.pipeline import Ports
from ctxasr.ports import Matrix
from ctxasr.timing import CLOCK_SKEW_MS_MAX


def embedded_once() -> ContextEmbedding:
    async def main() -> ContextEmbedding:
        world = World()
        await world.deliver(list(turn().values()))
        return await world.context()

    return run(main())


CONTEXT = embedded_once()


# ---------------------------------------------------------------- the answer


def test_the_context_decides_the_answer() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        result = await world.answer(ANSWER, *HEARD)
        assert (result.context, result.window_ms) == (ContextState.HIT, 4_000)
        assert (result.result.plain_text, result.result.text) == ("power", "bauer")
        nothing_asked = await world.answer(recognize("turn-2"), *HEARD)
        assert (nothing_asked.context, nothing_asked.result.text) == (ContextState.NONE, "power")

    run(main())


class Broken(Encoder):
    """An encoder that goes wrong in a given way."""

    def __init__(self, how: str):
        super().__init__()
        self._how = how

    async def encode(self, turn: Any, past: Matrix) -> Any:
        if self._how == "raises":
            raise RuntimeError(f"cannot encode {turn.utterance}")
        if self._how == "hangs":
            await asyncio.Event().wait()
        vector = await super().encode(turn, past)
        shapes = {"two rows": vector[None], "longer": np.append(vector, vector), "no array": None}
        return vector * np.nan if self._how == "NaN" else shapes.get(self._how, vector)

    async def embed_phrases(self, phrases: Any) -> Matrix:
        rows = await super().embed_phrases(phrases)
        if self._how == "a row too few":
            return rows[1:]
        return rows * np.inf if self._how == "infinite" else rows


@pytest.mark.filterwarnings("ignore:invalid value")  # infinity times zero, in the test itself
@pytest.mark.parametrize(
    "how",
    ["raises", "hangs", "NaN", "two rows", "longer", "no array", "a row too few", "infinite"],
)
def test_a_broken_encoder_costs_the_customer_nothing(how: str) -> None:
    world = World(encoder=Broken(how))

    async def main() -> None:
        await world.deliver(list(turn().values()))
        await check_gone(world, Outcome.MISSED)
        result = await world.answer(ANSWER, *HEARD)
        assert (result.context, result.added_ms) == (ContextState.MISSED, 0.0)
        assert result.result.text == result.result.plain_text == "power"
        cause = next(facts["cause"] for name, _, facts in world.telemetry.said if name == "missed")
        assert cause.isidentifier(), "a name, never the text of an exception"
        assert "Group" not in cause

    run(main())


@pytest.mark.parametrize("method", ["get", "put_blob"])
def test_a_payload_table_that_fails_while_embedding_is_missed(method: str) -> None:
    async def failing(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == method:
            raise StoreUnavailable("power to the bauer")
        return await call()

    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()), world.process(failing))
        await check_gone(world, Outcome.MISSED)
        said = [facts for name, _, facts in world.telemetry.said if name == "missed"]
        assert said == [{"cause": "StoreUnavailable"}]

    run(main())


def of_another_version(blob: bytes) -> bytes:
    right = f'"version": {FORMAT_VERSION}'.encode()
    assert right in blob
    return blob.replace(right, b'"version": 9')


BLOBS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda blob: b"",
    "truncated": lambda blob: blob[: len(blob) // 2],
    "pickle": lambda blob: b"\x80\x04\x95",
    "another version": of_another_version,
    "text": lambda blob: b"power to the bauer",
}


@pytest.mark.parametrize("how", BLOBS)
def test_a_damaged_context_is_missed(how: str) -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        status = await world.status()
        (ref,) = [ref for ref in status.refs if ref.kind is PayloadKind.CONTEXT]
        assert status.wrapped_key is not None
        blob = await world.vault.get_blob(status.wrapped_key, status.turn, ref)
        await world.vault.put_blob(
            status.wrapped_key, status.turn, ref, BLOBS[how](blob), status.expires_at_s
        )
        await check_plain(world)
        (place,) = [place for place in world.vault.rows if "#context#" in place[1]]
        body, expires_at_s = world.vault.rows[place]
        world.vault.rows[place] = (body[:-1] + bytes([body[-1] ^ 1]), expires_at_s)
        await check_plain(world)
        del world.vault.rows[place]
        await check_plain(world)

    run(main())


@given(st.integers(0, 10_000), st.binary(max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_reader(place: int, patch: bytes, cut: bool) -> None:
    blob = CONTEXT.to_bytes()
    place %= len(blob)
    damaged = blob[:place] + patch + (b"" if cut else blob[place + len(patch) :])
    try:
        ContextEmbedding.from_bytes(damaged)
    except ContextUnavailable as error:
        assert "meg" not in str(error)  # noqa: PT017 - it may as well be read


@pytest.mark.parametrize("method", ["follow", "read", "get_blob"])
@pytest.mark.parametrize("error", [StoreUnavailable("x"), OSError("x"), KeyError("x")])
def test_a_store_that_fails_while_the_customer_speaks_is_missed(
    method: str, error: Exception
) -> None:
    world = World()

    async def failing(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == method:
            raise error
        return await call()

    async def main() -> None:
        await world.deliver(list(turn().values()))
        broken = world.process(failing)
        await check_plain(world, store=broken.store, vault=broken.vault)

    run(main())


class Ticking(LoopClock):
    """Every look at it takes a moment, as everywhere outside these tests."""

    def now_ms(self) -> float:
        self.skipped_ms += 0.01
        return super().now_ms()


def test_what_is_known_to_be_missed_adds_nothing_at_all() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        await check_plain(world, recognize("turn-2", "ask-nobody"), clock=Ticking())
        hit = await world.answer(ANSWER, *HEARD, clock=Ticking())
        assert hit.added_ms > 0

    run(main())


def test_expired_unknown_and_foreign_contexts_are_missed() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        await check_plain(world, recognize("turn-2", "ask-nobody"))
        await check_plain(world, recognize("turn-2", "ask-turn-1", customer="another"))
        world.clock.skipped_ms = TTL_S * 1_000
        await check_plain(world)

    run(main())


def test_payloads_that_expire_before_use_are_missed() -> None:
    async def main() -> None:
        world = World(encoder=Encoder(takes_ms=10))
        records = turn(reply_ms=2_000_000)
        last = records.pop("expect")
        await world.deliver(list(records.values()))
        world.clock.skipped_ms = TTL_S * 1_000
        await world.deliver([last])
        assert world.encoder.calls == []
        await check_plain(world)

    run(main())


# ---------------------------------------------------------------- the read budget


def answer_while_listening(
    world: World, ports: Ports, recognised_after_ms: float
) -> Callable[[], Awaitable[Any]]:
    async def main() -> Any:
        event = to_event(ANSWER, TTL_S)
        listening = asyncio.create_task(listen(event, ports))
        await asyncio.sleep(recognised_after_ms / 1_000)
        began_ms = world.clock.now_ms()
        result = await on_utterance(listening, recognition(*HEARD), ports, event.key.turn)
        assert world.clock.now_ms() - began_ms == pytest.approx(result.added_ms)
        await asyncio.wait([listening])
        return result

    return main


@pytest.mark.parametrize("method", ["follow", "read", "get_blob"])
@pytest.mark.parametrize("takes_ms", [20, 49, 51, 1e7])
def test_fetching_may_take_the_read_budget_and_no_more(method: str, takes_ms: float) -> None:
    world = World()

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(takes_ms / 1_000 if name == method else 0)
        return await call()

    async def main() -> None:
        await world.deliver(list(turn().values()))
        result = await answer_while_listening(world, world.process(slow), 0)()
        in_time = takes_ms < 50
        assert result.context is (ContextState.HIT if in_time else ContextState.MISSED)
        assert result.result.text == ("bauer" if in_time else "power")
        assert result.added_ms == pytest.approx(min(takes_ms, 50), abs=0.01)

    run(main())


@pytest.mark.parametrize("takes_ms", [49, 51, 1e7])
def test_fetching_and_rescoring_share_the_read_budget(takes_ms: float) -> None:
    async def main() -> None:
        world = World(aligner=ExactAligner(takes_ms))
        await world.deliver(list(turn().values()))
        result = await world.answer(ANSWER, *HEARD)
        assert result.result.text == ("bauer" if takes_ms < 50 else "power")
        assert result.context is (ContextState.HIT if takes_ms < 50 else ContextState.MISSED)
        assert result.added_ms == pytest.approx(min(takes_ms, 50), abs=0.01)

    run(main())


def test_an_aligner_that_raises_leaves_the_plain_text() -> None:
    async def main() -> None:
        world = World(aligner=ExactAligner(raises=RuntimeError("power or bauer")))
        await world.deliver(list(turn().values()))
        result = await world.answer(ANSWER, *HEARD)
        assert (result.context, result.result.text) == (ContextState.MISSED, "power")
        assert result.reason == "failed: RuntimeError"

    run(main())


@pytest.mark.parametrize(("settles_ms", "hit"), [(300, True), (3_000, False)])
def test_a_context_that_settles_before_the_recognisers_result_is_a_hit(
    settles_ms: float, hit: bool
) -> None:
    """Not settled when the customer began to speak: looked at once more, within the budget."""
    world = World(encoder=Encoder(takes_ms=settles_ms))

    async def main() -> None:
        embedding = asyncio.create_task(world.deliver(list(turn().values())))
        await asyncio.sleep(0.01)
        result = await answer_while_listening(world, world.process(), 500)()
        assert result.context is (ContextState.HIT if hit else ContextState.MISSED)
        assert result.result.text == ("bauer" if hit else "power")
        assert result.window_ms == 4_000
        assert result.added_ms <= 50
        await embedding

    run(main())


def test_the_second_look_keeps_to_the_read_budget() -> None:
    world, looks = World(encoder=Encoder(takes_ms=3_000)), []

    async def slow(name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name == "read":
            looks.append(name)
            await asyncio.sleep(60 if len(looks) > 1 else 0)
        return await call()

    async def main() -> None:
        embedding = asyncio.create_task(world.deliver(list(turn().values())))
        await asyncio.sleep(0.01)
        result = await answer_while_listening(world, world.process(slow), 500)()
        assert (result.context, result.result.text) == (ContextState.MISSED, "power")
        assert result.added_ms == pytest.approx(50, abs=0.01)
        await embedding

    run(main())


# ---------------------------------------------------------------- telemetry


def test_telemetry_is_told_names_and_numbers_only() -> None:
    async def main() -> None:
        world = World()
        await world.deliver(list(turn(utterance="call wombat", names=["Quokka"]).values()))
        await world.answer(ANSWER, *HEARD)
        said = repr(world.telemetry.said).lower()
        assert "embed" in said
        assert "rescore" in said
        for text in ("wombat", "quokka", "which", "mobile", "power"):
            assert text not in said
        for name, _, facts in world.telemetry.said:
            assert all(isinstance(fact, str | int | float) for fact in facts.values()), name

    run(main())


def test_an_expect_speech_after_the_discard_is_missed_by_the_answer() -> None:
    world, records = World(), turn()
    expect = records.pop("expect")

    async def main() -> None:
        await world.deliver([*records.values(), completed(), expect])
        await check_gone(world, Outcome.DISCARDED)
        result = await world.answer(ANSWER, *HEARD)
        assert (result.context, result.added_ms) == (ContextState.MISSED, 0.0)
        assert result.result.text == result.result.plain_text == "power"

    run(main())


def test_a_context_that_was_found_in_time_is_not_used_after_its_expiry() -> None:
    """Whoever waits for hypotheses may wait longer than payloads live."""

    async def found(known: Listening) -> Listening:
        return known

    async def main() -> None:
        world = World()
        await world.deliver(list(turn().values()))
        event = to_event(ANSWER, TTL_S)
        known = await listen(event, world.ports)
        assert known.expires_at_s == (await world.status()).expires_at_s
        end_ms = known.expires_at_s * 1_000 - CLOCK_SKEW_MS_MAX
        for left_ms, state, text in ((1.0, "hit", "bauer"), (0.0, "missed", "power")):
            world.clock.skipped_ms += end_ms - left_ms - world.clock.now_ms()
            for one in (known, asyncio.create_task(found(known))):
                answer = await on_utterance(one, recognition(*HEARD), world.ports, event.key.turn)
                assert (answer.context, answer.result.text) == (state, text)
                assert ("expired" in answer.reason) == (state == "missed")

    run(main())
