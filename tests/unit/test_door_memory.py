"""What the door remembers between requests, for how long, and each customer's share of places."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from conftest import TTL_S, World, recognize, record, turn
from test_door import PCM, SECOND, Door, ask_back, body_of, heard

from ctxasr.gateway.http import auth, limits
from ctxasr.gateway.http.memory import Memory
from ctxasr.gateway.protocols.wyoming_frames import Message, to_bytes


async def opens(client: httpx.AsyncClient, interaction: str = "turn-2", token: str = "") -> None:
    """The microphone of another recogniser opens; the context is fetched from now on."""
    opening = body_of(recognize(interaction, token or "ask-turn-1"))
    assert (await client.post("/v1/records", json=opening)).status_code == 200


async def says(client: httpx.AsyncClient, interaction: str = "turn-2", **more: Any) -> Any:
    """What "power or bauer" becomes."""
    given = heard(interaction, "power", "bauer", **more)
    return (await client.post("/v1/utterances", json=given)).json()


def holding(name: str) -> tuple[Callable[..., Awaitable[Any]], asyncio.Event, asyncio.Event]:
    """A hook that holds one method up, and the events that it has begun and may go on."""
    begun, held = asyncio.Event(), asyncio.Event()
    held.set()

    async def hook(called: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if called == name:
            begun.set()
            await held.wait()
        return await call()

    return hook, begun, held


# ---------------------------------------------------------------- forgetting


async def test_an_erased_context_is_not_remembered() -> None:
    door = Door(World())
    async with door.client() as client:
        await ask_back(client)
        await opens(client)
        await client.post("/v1/assist", json={"type": "run-start", "data": {}})
        assert (await client.delete("/v1/customer")).status_code == 200
        assert (await says(client))["context"] == "none", "nobody has asked this customer"
        kept = door.service.remembered
        assert not len(kept.dialogues)
        assert kept.turn_of("customer", "speech-turn-1") is None


async def test_an_utterance_under_way_cannot_use_what_is_erased_meanwhile() -> None:
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    query = {"interaction": "turn-2", "token": "ask-turn-1"}
    async with door.client() as client:
        await ask_back(client)
        sound = {"Content-Type": PCM}
        said = client.post("/v1/recognise", params=query, content=SECOND, headers=sound)
        speaking = asyncio.create_task(said)
        await door.ear.listens.wait()
        await client.delete("/v1/customer")
        gate.set()
        found = (await speaking).json()
    assert (found["text"], found["context"]) == ("power", "missed")


async def test_erasing_waits_for_what_is_still_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RECORD_S_MAX", 0.0)
    hook, begun, held = holding("record")
    door = Door(World(), hook=hook)
    async with door.client() as client:
        held.clear()
        assert not (await says(client))["recorded"]
        await begun.wait()
        erasing = asyncio.create_task(client.delete("/v1/customer"))
        assert (await client.get("/v1/turns/turn-2")).status_code == 200
        assert not erasing.done()
        held.set()
        assert (await erasing).json()["payloads"] > 0
        assert (await client.get("/v1/turns/turn-2")).status_code == 404
        monkeypatch.setattr(limits, "FORGET_S_MAX", 0.0)
        held.clear()
        await says(client)
        assert (await client.delete("/v1/customer")).status_code == 503, "not all of it, then"
        held.set()


async def test_a_device_may_not_erase_nor_sweep_for_the_others() -> None:
    door = Door(World())
    token, line = auth.mint("customer")
    of_device = auth.Grant(customer="customer", device="kitchen")
    door.guard.tokens = auth.Tokens({line.split('"')[1]: of_device})
    async with door.client() as client:
        client.headers["Authorization"] = f"bEARER {token}"
        assert (await client.delete("/v1/customer")).status_code == 403
        assert (await client.post("/v1/sweep")).status_code == 403
        assert (await client.get("/v1/turns/a")).status_code == 404


# ---------------------------------------------------------------- contexts fetched early


async def test_a_context_that_expires_while_it_waits_is_not_used() -> None:
    door = Door(World())
    async with door.client() as client:
        await ask_back(client)
        await opens(client)
        assert (await says(client))["context"] == "hit"
        await opens(client)
        door.world.clock.skipped_ms = TTL_S * 1_000 + 5_000
        found = await says(client)
    assert (found["context"], found["text"]) == ("missed", "power")


async def test_a_context_is_used_for_the_token_that_it_was_fetched_for() -> None:
    door = Door(World())
    async with door.client() as client:
        await ask_back(client)
        await opens(client)
        assert (await says(client, token="another"))["context"] == "missed"
        await opens(client)
        await opens(client, token="another")
        assert (await says(client, token="ask-turn-1"))["context"] == "hit"
        await opens(client, token="another")
        await opens(client)
        assert (await says(client))["context"] == "hit", "the latest, where none is named"


async def test_the_time_of_one_listening_does_not_end_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LISTENING_S_MAX", 0.05)
    door = Door(World())
    async with door.client() as client:
        await ask_back(client)
        await opens(client)
        first = door.service.remembered.listenings.get("customer", "turn-2")
        assert first is not None
        await says(client)
        monkeypatch.setattr(limits, "LISTENING_S_MAX", 60.0)
        await opens(client)
        assert first.timer.cancelled()
        late = asyncio.Event()
        asyncio.get_running_loop().call_at(first.timer.when(), late.set)
        await late.wait()
        assert len(door.service.remembered.listenings) == 1


# ---------------------------------------------------------------- bounds


def test_a_memory_is_bounded_as_a_whole_and_for_each_customer() -> None:
    dropped: list[int] = []
    memory: Memory[int] = Memory(4, 2, dropped.append)
    for number in range(5):
        memory.put("greedy", f"n{number}", number)
    assert dropped == [0, 1, 2]
    memory.put("greedy", "n3", 13)
    assert dropped.pop() == 3, "replaced"
    for number, customer in enumerate("abc"):
        memory.put(customer, "n", number)
    assert (len(memory), dropped) == (4, [0, 1, 2, 4]), "the oldest of all"
    assert (memory.take("greedy", "n3"), memory.get("greedy", "n3")) == (13, None)
    memory.forget("a")
    memory.forget("nobody")
    assert len(memory) == 2
    assert set(memory._names) == {"b", "c"}


async def test_tokens_of_any_length_take_the_same_room() -> None:
    door = Door(World())
    speak = {"url": "cid:1", "format": "AUDIO_MPEG"}
    async with door.client() as client:

        async def post(token: str, **outer: Any) -> int:
            said = record("SpeechSynthesizer.Speak", speak | {"token": token}, **outer)
            return (await client.post("/v1/records", json=body_of(said))).status_code

        assert await post("x" * 250_000, interaction="turn-a", number="a") == 200
        kept = door.service.remembered
        assert kept.turn_of("customer", "x" * 250_000) == "turn-a"
        assert max(len(name) for _, name in kept._speech._kept) == 16
        entities = {"kind": "contact", "values": ["x"] * 501}
        wrong = body_of(record("ContextText.Entities", entities, interaction="turn-b"))
        assert (await client.post("/v1/records", json=wrong)).status_code == 413
        assert await post("short", interaction="turn-b") == 200
        assert len(kept._speech) == 2


async def test_one_body_begins_one_turn() -> None:
    """The rate counts bodies."""
    door = Door(World())
    begin = to_bytes(Message("transcribe", {}))
    async with door.client() as client:
        assert (await client.post("/v1/wyoming", content=begin * 2_000)).status_code == 413
        assert len(door.world.store._turns) == 1
        assert (await client.post("/v1/wyoming", content=begin)).status_code == 200
        assert len(door.world.store._turns) == 2


async def test_a_body_that_found_no_place_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The question that it answers is still open then."""
    door, form = Door(World()), {"rate": 16_000, "width": 2, "channels": 1}
    question = {
        "text": "Do you mean Meg Jones or Meg Bauer?", "context": {"continue_conversation": True},
    }  # fmt: skip
    spoken = b"".join(
        to_bytes(one)
        for one in (
            Message("transcribe"), Message("audio-start", form),
            Message("audio-chunk", form, SECOND), Message("audio-stop"),
        )
    )  # fmt: skip
    async with door.client() as client:
        assert b"power" in (await client.post("/v1/wyoming", content=spoken)).content
        await client.post("/v1/wyoming", content=to_bytes(Message("synthesize", question)))
        with monkeypatch.context() as full:
            full.setattr(limits, "RECOGNITIONS_OF_ONE_MAX", 0)
            assert (await client.post("/v1/wyoming", content=spoken)).status_code == 429
        assert b"meg bauer" in (await client.post("/v1/wyoming", content=spoken)).content


# ---------------------------------------------------------------- places


async def test_one_customer_takes_a_share_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_OF_ONE_MAX", 2)
    door = Door(World())
    gate = door.ear.gate = asyncio.Event()
    async with door.client() as client, door.client("other") as other:

        async def recognise(client: httpx.AsyncClient) -> httpx.Response:
            sound = {"Content-Type": PCM}
            return await client.post("/v1/recognise?interaction=a", content=SECOND, headers=sound)

        monkeypatch.setattr(limits, "RECOGNITIONS_OF_ONE_MAX", 1)
        first = asyncio.create_task(recognise(client))
        await door.ear.listens.wait()
        refused = await recognise(client)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "RECOGNITIONS_OF_ONE_MAX" in refused.text
        monkeypatch.setattr(limits, "REQUESTS_OF_ONE_MAX", 1)
        refused = await client.get("/v1/turns/a")
        assert refused.status_code == 429
        assert "REQUESTS_OF_ONE_MAX" in refused.text
        second = asyncio.create_task(recognise(other))
        gate.set()
        assert {(await first).status_code, (await second).status_code} == {200}


async def test_a_store_that_hangs_does_not_keep_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITING_S_MAX", 0.02)
    hook, _, held = holding("record")
    held.clear()
    door = Door(World(), hook=hook)
    async with door.client() as client:
        body = body_of(turn()["utterance"])
        assert (await client.post("/v1/records", json=body)).status_code == 503
        assert not door.guard._at_work.total()
        assert not door.service._running
        held.set()
        assert (await client.post("/v1/records", json=body)).status_code == 200


# ---------------------------------------------------------------- readiness


async def test_whoever_asks_for_readiness_together_gets_the_same_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READY_S_MAX", 0.05)
    monkeypatch.setattr(limits, "READY_CACHE_S", -1.0)
    looks: list[str] = []

    async def hang(name: str, _: Callable[[], Awaitable[Any]]) -> Any:
        looks.append(name)
        await asyncio.Event().wait()

    async with Door(World(), hook=hang).client() as client:
        asked = [asyncio.create_task(client.get("/readyz")) for _ in range(3)]
        assert [(await one).status_code for one in asked] == [503] * 3
    assert looks == ["read"]


async def test_not_ready_without_kms_which_is_seldom_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READY_S_MAX", 0.05)
    monkeypatch.setattr(limits, "READY_CACHE_S", -1.0)
    hook, begun, held = holding("new_key")
    held.clear()
    async with Door(World(), hook=hook).client() as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "KMS gives no keys")
        held.set()
        assert (await client.get("/readyz")).status_code == 200
        begun.clear()
        assert (await client.get("/readyz")).status_code == 200
        assert not begun.is_set()
